package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// This file is the test of examples/frameworks/react in a browser.

// TestReactInBrowser goes through the example as two devices of a customer do.
func TestReactInBrowser(t *testing.T) {
	chromium(t) // first, as building takes a while
	program, url := filepath.Join(t.TempDir(), "react"), freeAddr(t)
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./examples/frameworks/react")
	build.Dir = filepath.Join("..", "..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the example: %v\n%s", err, out)
	}
	shop := exec.CommandContext(t.Context(), program, "-addr", url)
	stdout, err := shop.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := shop.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = shop.Process.Kill(); _ = shop.Wait() })
	if _, err := stdout.Read(make([]byte, 1)); err != nil { // its address, once it listens
		t.Fatal(err)
	}

	laptop, phone := openBrowser(t), openBrowser(t)
	for _, b := range []*browser{laptop, phone} {
		b.visit("http://" + url + "/")
		b.do("signing in",
			chromedp.SendKeys(chromedp.CSS("input[name=name]"), "ann"),
			chromedp.SendKeys(chromedp.CSS("input[name=password]"), "sesame"),
			chromedp.Click(chromedp.CSS("form button")))
		b.wantText("#devices b", "(this one)")
	}
	phone.click("#cart + button")
	phone.wantText("#cart", "1 × coat")
	laptop.visit("http://" + url + "/")
	laptop.click("#devices button") // the other one's
	laptop.wantText("#devices li:only-child b", "(this one)")
	phone.visit("http://" + url + "/")
	phone.wantText("form h2", "Sign in")
	laptop.click("section > button")
	laptop.wantText("form h2", "Sign in")
	for _, b := range []*browser{laptop, phone} {
		b.mu.Lock()
		for _, bad := range b.bad {
			if !strings.Contains(bad, "Failed to load resource") { // 401: nobody is signed in
				t.Errorf("the browser's console: %s", bad)
			}
		}
		b.mu.Unlock()
	}
}
