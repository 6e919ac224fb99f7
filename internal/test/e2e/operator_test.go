package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// This file is an operator of the console: a browser, and what people do with it.

// operator is an operator's browser.
type operator struct {
	*browser
	site string // the console's address, with its path
}

// openConsole opens the console by a link that was printed.
func openConsole(b *browser, link string) *operator {
	b.t.Helper()
	at, _, ok := strings.Cut(link, "enter/")
	if !ok {
		b.t.Fatalf("the link is %q", link)
	}
	o := &operator{b, at}
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
func (b *browser) until(what, condition string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	for {
		holds, err := chromedp.Run(ctx, chromedp.Evaluate[bool](condition)) // fails while the page changes
		switch {
		case err == nil && holds:
			return
		case ctx.Err() != nil:
			b.t.Fatalf("waiting for %s: %v; the page says:\n%s", what, err, b.said())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// said returns what the page says.
func (b *browser) said() string {
	return evaluate[string](b, `document.body.innerText`)
}

// evaluate returns the value of an expression in the page.
func evaluate[T any](b *browser, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%.200s: %v", expression, err)
	}
	return v
}

// wantPage waits for a page whose heading has a text.
func (b *browser) wantPage(text string) {
	b.t.Helper()
	b.until("the page "+text, fmt.Sprintf(`document.readyState === "complete" && document.querySelector("h1").textContent.includes(%q)`, text))
}

// wantSaid checks that the page says something, as people see it.
func (b *browser) wantSaid(all ...string) {
	b.t.Helper()
	said := strings.Join(strings.Fields(b.said()), " ")
	for _, text := range all {
		if !strings.Contains(said, text) {
			b.t.Errorf("the page lacks %q:\n%s", text, said)
		}
	}
}

// wantUnsaid checks that the page doesn't say something.
func (b *browser) wantUnsaid(all ...string) {
	b.t.Helper()
	for _, text := range all {
		if said := b.said(); strings.Contains(said, text) {
			b.t.Errorf("the page says %q:\n%s", text, said)
		}
	}
}

// reload loads the page again until a condition holds, as one does who has no scripts.
func (o *operator) reload(what, condition string) {
	o.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if evaluate[bool](o.browser, condition) {
			return
		}
		o.do("loading the page again", chromedp.Reload())
	}
	o.t.Fatalf("waiting for %s; the page says:\n%s", what, o.said())
}

// fill fills a field.
func (o *operator) fill(field, text string) {
	o.t.Helper()
	o.do("filling "+field, chromedp.SetValue(chromedp.CSS(field), text))
}

// follow clicks, and waits for the page that it leads to.
func (o *operator) follow(button, page string) {
	o.t.Helper()
	o.click(button)
	o.wantPage(page)
}

// leave clicks, and waits for the page that it leads to, whichever that is.
func (o *operator) leave(button string) {
	o.t.Helper()
	evaluate[bool](o.browser, `document.documentElement.dataset.left = "", true`)
	o.click(button)
	o.until("the next page", `document.documentElement.dataset.left === undefined && document.readyState === "complete"`)
}

// rows returns the ids of the sessions in the page's tables.
func (o *operator) rows() []string {
	o.t.Helper()
	return evaluate[[]string](o.browser, `[...document.querySelectorAll("table.sessions a.id")].map(a => a.textContent)`)
}

// wantRows checks that the page has these sessions and no others.
func (o *operator) wantRows(what string, want []string) {
	o.t.Helper()
	got := o.rows()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		o.t.Errorf("%s: the page has %d sessions, want %d:\n%q\n%q", what, len(got), len(want), got, want)
	}
}

// withoutScripts has the browser run none from now on.
func (b *browser) withoutScripts() {
	b.t.Helper()
	b.do("switching scripts off", command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
}
