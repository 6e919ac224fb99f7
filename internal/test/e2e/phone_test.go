package e2e

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// TestDemoOnAPhone: nothing in the shop and on its page of devices is wider than a phone,
// however long a name in the store's path is, and all of it is found there. The page of devices
// needs no scripts.
func TestDemoOnAPhone(t *testing.T) {
	program := buildDemo(t)
	addr := freeAddr(t)
	long := filepath.Join(t.TempDir(), strings.Repeat("longname", 15)+".db")
	startDemo(t, program, t.TempDir(), []string{"demo", "--addr", addr, "--store", "sqlite:" + long})
	ann, other := openBrowser(t), openBrowser(t)
	site := "http://" + addr

	other.visit(site)
	other.signIn("Ann")
	other.wantText("#you .who", "Ann")
	ann.visit(site)
	ann.wantFits("/")
	ann.click(`nav a[href="#counter"]`)
	ann.wantInSight("#counter-title")
	ann.signIn("Ann")
	ann.wantText("#you .who", "Ann")
	ann.wantFits("/, signed in")

	ann.do("switching scripts off", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
	ann.visitDevices(addr)
	ann.wantFits("/devices")
	ann.do("ending the other session", chromedp.Click(chromedp.CSS(".devices li:nth-child(2) button")), chromedp.WaitReady(chromedp.CSS("p.said")))
	ann.wantText("p.said", "That session has ended. It opens nothing any more.")
	ann.wantText(".devices li:only-child .mark", "This device")
	other.visit(site)
	other.wantText("#you h2", "Sign in")
	ann.noComplaints()
	other.noComplaints()
}

// wantFits waits until the page is no wider than phones are: plots follow the window.
func (b *browser) wantFits(page string) {
	b.t.Helper()
	// What an element with a scroll bar of its own holds may be too wide as well.
	const wide = `[...document.querySelectorAll("html, #counter, #counter *, main *")]
		.filter(e => !e.closest(".art, .unseen, button") && e.clientWidth > 0 && e.scrollWidth > e.clientWidth)`
	for _, width := range []int64{360, 400} {
		b.do("being a phone", chromedp.EmulateViewport(width, 800))
		err := chromedp.Do(b.ctx, chromedp.PollFunction[chromedp.Void](`() => `+wide+`.length === 0`, chromedp.WithPollingTimeout(5*time.Second)))
		if err != nil {
			b.t.Errorf("%s is too wide for a phone of %d: %q, %v", page, width, evaluate[[]string](b, wide+`.map(e => e.outerHTML.slice(0, 200))`), err)
		}
	}
}

// wantInSight waits until an element is where the visitor looks.
func (b *browser) wantInSight(element string) {
	b.t.Helper()
	b.do("looking for "+element, chromedp.PollFunction[chromedp.Void](
		`q => { const r = document.querySelector(q).getBoundingClientRect(); return r.top >= 0 && r.bottom <= innerHeight }`,
		chromedp.WithPollingArgs(element)))
}
