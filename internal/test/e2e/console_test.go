package e2e

import (
	"net/url"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// This file tests the demo's console, as a new operator meets it.

// TestConsoleInBrowser: two visitors sign in, an operator opens the console by the link,
// finds the sessions of one, ends one, and that browser is signed out at its next click.
func TestConsoleInBrowser(t *testing.T) {
	program := buildDemo(t)
	addr := freeAddr(t)
	shop := startDemoWithConsole(t, program, t.TempDir(), []string{"demo", "--addr", addr, "--store", "sqlite:" + filepath.Join(t.TempDir(), "demo.db")})
	site := "http://" + addr + "/"
	ann := openBrowser(t)
	bob, olga := ann.incognito(t), ann.incognito(t)
	for name, b := range map[string]*browser{"Ann": ann, "Bob": bob} {
		b.visit(site)
		b.signIn(name)
		b.wantText("#you .who", name)
	}
	unused := shop.link()
	shop.enter()
	link := shop.link()
	o := openConsole(olga, link)

	// A link that was opened is over, and so is one that another took the place of.
	thief := ann.incognito(t)
	for _, stolen := range []string{link, unused} {
		thief.do("opening a stolen link", chromedp.Navigate(stolen), chromedp.WaitReady(chromedp.CSS("main h1")))
		thief.wantText("h1", "This link is over")
		thief.wantComplaint("410")
	}

	// What goes on by itself does: the figures come without a click.
	o.until("the figures", `document.querySelector("#live").textContent.includes("signed in")`)

	o.follow(`nav a[href$="sessions"]`, "Sessions")
	o.fill("#f-principal", "Bob")
	o.click(".filter button")
	o.until("one row", `document.querySelectorAll("table.sessions tbody tr").length === 1`)
	o.follow("table.sessions a.id", "live")
	o.fill("#end-reason", "a lost phone")
	o.follow("button.danger", "revoked")
	bob.click(`button[data-focus="add-trench"]`)
	bob.wantText("#you h2", "Sign in")
	ann.visit(site)
	ann.wantText("#you .who", "Ann")

	// All of a principal, by a job whose result stays.
	o.open("principals?" + url.Values{"principal": {"Ann"}}.Encode())
	o.fill("#out-reason", "asked for by phone")
	o.follow("button.danger", "Signing out Ann")
	o.until("the result", `document.querySelector("#job").textContent.includes("done")`)
	ann.visit(site)
	ann.wantText("#you h2", "Sign in")
	o.open("jobs")
	o.wantText("table .state", "done")
	for _, b := range []*browser{ann, bob, olga} {
		b.noComplaints()
	}
}
