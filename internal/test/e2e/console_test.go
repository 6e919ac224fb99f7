package e2e

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// This file tests the operators' console in a real browser.

// operator is an operator's browser.
type operator struct {
	*browser
	site string // the console's address, with its path
}

// openConsole opens the console by the link that the demo printed.
func openConsole(t *testing.T, link string) *operator {
	t.Helper()
	at, _, ok := strings.Cut(link, "enter/")
	if !ok {
		t.Fatalf("the link is %q", link)
	}
	o := &operator{openBrowser(t), at}
	o.do("opening the link", chromedp.Navigate(link), chromedp.WaitReady(chromedp.CSS("main h1")))
	o.wantText("h1", "The operators' console")
	o.click("form button")
	o.wantPage("Overview")
	return o
}

// open opens a page of the console.
func (o *operator) open(path string) {
	o.t.Helper()
	o.do("opening "+path, chromedp.Navigate(o.site+path), chromedp.WaitReady(chromedp.CSS("main h1")))
}

// until waits until a condition holds, in whatever page the browser is in by then.
func (o *operator) until(what, condition string) {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.ctx, 30*time.Second)
	defer cancel()
	for {
		holds, err := chromedp.Run(ctx, chromedp.Evaluate[bool](condition)) // fails while the page changes
		switch {
		case err == nil && holds:
			return
		case ctx.Err() != nil:
			page, _ := chromedp.Run(o.ctx, chromedp.Evaluate[string](`document.body.innerText`))
			o.t.Fatalf("waiting for %s: %v; the page says:\n%s", what, err, page)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// wantPage waits for a page whose heading has a text.
func (o *operator) wantPage(text string) {
	o.t.Helper()
	o.until("the page "+text, fmt.Sprintf(`document.readyState === "complete" && document.querySelector("h1").textContent.includes(%q)`, text))
}

// fill fills a field.
func (o *operator) fill(field, text string) {
	o.t.Helper()
	o.do("filling "+field, chromedp.SetValue(chromedp.CSS(field), text))
}

// TestConsoleInBrowser: two visitors sign in, an operator opens the console by the link,
// finds the sessions of one, ends one, and that browser is signed out at its next click.
func TestConsoleInBrowser(t *testing.T) {
	program := buildDemo(t)
	addr := freeAddr(t)
	_, link := startDemoWithConsole(t, program, t.TempDir(), []string{"demo", "--addr", addr, "--store", "sqlite:" + filepath.Join(t.TempDir(), "demo.db")})
	site := "http://" + addr + "/"
	ann, bob := openBrowser(t), openBrowser(t)
	for name, b := range map[string]*browser{"Ann": ann, "Bob": bob} {
		b.visit(site)
		b.signIn(name)
		b.wantText("#you .who", name)
	}
	o := openConsole(t, link)
	o.noComplaints()

	// The link is over.
	thief := openBrowser(t)
	thief.do("opening the link again", chromedp.Navigate(link), chromedp.WaitReady(chromedp.CSS("main h1")))
	thief.wantText("h1", "This link is over")

	// What goes on by itself does: the figures come without a click.
	o.until("the figures", `document.querySelector("#live").textContent.includes("signed in")`)

	o.click(`nav a[href$="sessions"]`)
	o.wantPage("Sessions")
	o.fill("#f-principal", "Bob")
	o.click(".filter button")
	o.wantPage("Sessions")
	o.until("one row", `document.querySelectorAll("table.sessions tbody tr").length === 1`)
	o.click("table.sessions a.id")
	o.wantPage("live")
	o.fill("#end-reason", "a lost phone")
	o.click("button.danger")
	o.wantPage("revoked")
	bob.visit(site)
	bob.wantText("#you h2", "Sign in")
	ann.visit(site)
	ann.wantText("#you .who", "Ann")

	// All of a principal, by a job whose result stays.
	o.open("principals?" + url.Values{"principal": {"Ann"}}.Encode())
	o.fill("#out-reason", "asked for by phone")
	o.click("button.danger")
	o.wantPage("Signing out Ann")
	o.until("the result", `document.querySelector("#job").textContent.includes("done")`)
	ann.visit(site)
	ann.wantText("#you h2", "Sign in")
	o.open("jobs")
	o.wantText("table .state", "done")
	o.open("health")
	o.noComplaints()
	for _, b := range []*browser{ann, bob} {
		b.noComplaints()
	}
}

// TestConsoleLooks: axe finds nothing serious on any page, and each fits a phone.
func TestConsoleLooks(t *testing.T) {
	program := buildDemo(t)
	addr := freeAddr(t)
	_, link := startDemoWithConsole(t, program, t.TempDir(), []string{"demo", "--addr", addr, "--store", "sqlite:" + filepath.Join(t.TempDir(), "demo.db")})
	ann := openBrowser(t)
	ann.visit("http://" + addr + "/")
	ann.click(`button[data-focus="add-trench"]`)
	ann.wantText("nav .count", "1")
	ann.signIn("Ann")
	ann.wantText("#you .who", "Ann")
	o := openConsole(t, link)
	o.open("sessions")
	id, err := chromedp.Run(o.ctx, chromedp.Evaluate[string](`document.querySelector("table.sessions a.id").textContent`))
	if err != nil {
		t.Fatal(err)
	}
	o.bypassPolicy()
	for name, path := range map[string]string{
		"overview": "", "sessions": "sessions", "session": "session/" + id, "ended": "sessions?state=ended",
		"principal": "principals?principal=Ann", "principals": "principals", "ending": "ending?principal=Ann", "jobs": "jobs", "health": "health", "nothing": "nowhere",
	} {
		o.open(path)
		o.looks("console-" + name)
		o.wantFits(path)
	}
	ann.bypassPolicy()
	ann.visitDevices(addr)
	ann.looks("devices")
}
