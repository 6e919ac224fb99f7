package e2e

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/cloakroom-go/cloakroom/console"
)

// This file looks at pages as people with other needs and other screens do: it has axe judge
// them, and takes pictures.

//go:embed testdata/axe.min.js
var axe string

// TestAxe: axe is the file that the README beside it names.
func TestAxe(t *testing.T) {
	sum := sha256.Sum256([]byte(axe))
	about, err := os.ReadFile("testdata/README.md")
	if err != nil || !strings.Contains(string(about), hex.EncodeToString(sum[:])) {
		t.Errorf("its sum is %x, which the README doesn't name (%v)", sum, err)
	}
}

// command sends a command to the page.
func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

// bypassPolicy lets axe into the pages that are opened from now on, which allow no script
// of others. What their policy refuses isn't complained of any more.
func (b *browser) bypassPolicy() {
	b.t.Helper()
	b.do("letting axe in", command(page.SetBypassCSP, page.SetBypassCSPParams{Enabled: true}))
}

// scheme has the browser prefer light or dark pages.
func (b *browser) scheme(name string) {
	b.t.Helper()
	b.do("preferring "+name, command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		// Nothing moves: axe would judge colours that are on their way.
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	}))
}

// wantAccessible fails the test for what axe finds serious in the page.
func (b *browser) wantAccessible(what string) {
	b.t.Helper()
	const judge = `axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations
		.filter(v => v.impact === "serious" || v.impact === "critical")
		.map(v => v.id + ": " + v.help + ": " + v.nodes.map(n => n.html.slice(0, 200)).join(" | ")))`
	b.do("putting axe into "+what, chromedp.Evaluate[chromedp.Void](axe+"; undefined"))
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](judge, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("judging %s: %v", what, err)
	}
	for _, text := range found {
		b.t.Errorf("%s: %s", what, text)
	}
}

// picture takes a picture of the whole page. They are kept where CLOAKROOM_SCREENSHOTS
// says, else as long as the test runs.
func (b *browser) picture(name string) {
	b.t.Helper()
	folder := os.Getenv("CLOAKROOM_SCREENSHOTS")
	if folder == "" {
		folder = b.t.TempDir()
	}
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.MkdirAll(folder, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, name+".png"), png, 0o644)
	}
	if err != nil {
		b.t.Errorf("taking a picture of %s: %v", name, err)
	}
}

// looks has axe judge a page in both schemes, once as wide as a desk's screen and once as a
// phone's, and takes pictures. Nothing may be wider than the phone.
func (b *browser) looks(name string) {
	b.t.Helper()
	for _, v := range []struct {
		scheme, screen string
		width          int64
		judged         bool
	}{{"light", "desk", 1280, false}, {"dark", "desk", 1280, true}, {"light", "phone", 400, true}} {
		b.scheme(v.scheme)
		b.do("being a "+v.screen, chromedp.EmulateViewport(v.width, 844))
		if v.judged {
			b.wantAccessible(name + ", " + v.scheme + ", " + v.screen)
		}
		b.picture(name + "-" + v.scheme + "-" + v.screen)
	}
	b.wantFits(name)
}

// TestConsoleLooks: axe finds nothing serious on any page of the console, and each fits a
// phone.
func TestConsoleLooks(t *testing.T) {
	file := openFile(t)
	s := openConsoleSite(t, file, func(c *console.Config) { c.Production = true })
	s.crowd(220)
	first, id := s.comes(laptop())
	_, scraper := s.comes(shopper{principal: "an.unusually.long.principal.name.of.a.service@integration.shop.example.com", agent: "scraper/1.0", address: "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", came: time.Hour})
	o := s.operator(openBrowser(t))
	o.bypassPolicy()
	for _, p := range []struct{ name, path string }{
		{"overview", ""}, {"sessions", "sessions"}, {"filter", "sessions?state=ended&reason=revoked"}, {"session", "session/" + id.String()},
		{"ended", "session/" + first.String()}, {"principals", "principals"}, {"principal", "principals?principal=mila.novak"},
		{"ending", "ending?agent=firefox"}, {"health", "health"}, {"nothing", "nowhere"},
	} {
		o.open(p.path)
		o.until("all of it", `!document.body.textContent.includes("till being")`)
		o.looks("console-" + p.name)
	}
	o.open("session/" + scraper.String())
	o.fill("#reveal-reason", "a look")
	o.click(".ask button.plain")
	o.until("the values", `document.querySelector("pre") !== null`)
	o.looks("console-values")
	s.pass(time.Second)
	o.open("ending?agent=scraper")
	release := file.hold()
	defer release()
	o.fill("#all-reason", "a scraper that pays no heed")
	o.fill("#all-typed", "1")
	o.follow("button.danger", "Ending sessions")
	o.looks("console-job")
	o.open("jobs")
	o.looks("console-jobs")
}

// TestDevicesLooks: the same for the page of devices.
func TestDevicesLooks(t *testing.T) {
	s, b := openDevicesSite(t), openBrowser(t)
	s.signedIn(b.incognito(t), "mila", safariPhone, "198.51.100.61", true)
	s.pass(25 * time.Hour)
	s.signedIn(b.incognito(t), "mila", firefoxLinux, "192.0.2.77", false)
	d := s.signedIn(b, "mila", chromeWindows, "203.0.113.24", false)
	d.bypassPolicy()
	d.list()
	d.looks("devices")
	s.pass(16 * time.Minute)
	d.list()
	d.looks("devices-again")
	d.click(".ask a.button")
	d.click(`button[value="end-all"]`)
	d.wantText("h1", "Signed out everywhere")
	d.looks("devices-ended")
}

// TestDemoLooks: the same for the demo, its devices, and the page of the console's link.
func TestDemoLooks(t *testing.T) {
	program, addr := buildDemo(t), freeAddr(t)
	shop := startDemoWithConsole(t, program, t.TempDir(), []string{"demo", "--addr", addr, "--store", "sqlite:" + filepath.Join(t.TempDir(), "demo.db")})
	link := shop.link()
	b := openBrowser(t)
	b.bypassPolicy()
	b.visit("http://" + addr + "/")
	b.click(`button[data-focus="add-trench"]`)
	b.wantText("nav .count", "1")
	b.looks("demo")
	b.signIn("Ada")
	b.wantText("#you .who", "Ada")
	b.looks("demo-signed-in")
	b.visitDevices(addr)
	b.looks("demo-devices")
	b.visit("http://" + addr + "/signin")
	b.looks("demo-again")
	b.do("opening the link", chromedp.Navigate(link), chromedp.WaitReady(chromedp.CSS("main h1")))
	b.looks("link")
	b.do("opening a link that is none", chromedp.Navigate(link+"x"), chromedp.WaitReady(chromedp.CSS("main h1")))
	b.looks("link-over")
}
