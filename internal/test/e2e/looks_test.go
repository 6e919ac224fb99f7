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

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
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
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
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

// looks looks at a page in both schemes and in two widths.
func (b *browser) looks(name string) {
	b.t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		for width, screen := range map[int64]string{1280: "desk", 390: "phone"} {
			b.do("being a "+screen, chromedp.EmulateViewport(width, 844))
			b.wantAccessible(name + ", " + scheme + ", " + screen)
			b.picture(name + "-" + scheme + "-" + screen)
		}
	}
}
