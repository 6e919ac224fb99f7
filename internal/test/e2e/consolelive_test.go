package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
)

// This file tests what goes on by itself on the console's pages, and when it doesn't.

// timers takes timers of a second and more from the clock: they wait for passTime, which
// lets a page's answers arrive before the next of them.
const timers = `(() => {
	const late = new Map(), wait = setTimeout.bind(window), clear = clearTimeout.bind(window), get = fetch.bind(window);
	let id = 1e9, now = 0, asking = 0;
	window.fetch = (...args) => { asking++; return get(...args).finally(() => asking--); };
	window.setTimeout = (f, ms = 0, ...args) => {
		if (ms < 1000) return wait(f, ms, ...args);
		late.set(++id, {at: now + ms, run: () => f(...args)});
		return id;
	};
	window.setInterval = (f, ms, ...args) => {
		const me = ++id, again = () => late.set(me, {at: now + ms, run: () => { again(); f(...args); }});
		again();
		return me;
	};
	window.clearTimeout = window.clearInterval = (me) => { late.delete(me); clear(me); };
	window.passTime = async (ms) => {
		for (const end = now + ms; ; ) {
			const [me, next] = [...late].sort((a, b) => a[1].at - b[1].at)[0] ?? [];
			if (!next || next.at > end) { now = end; return true; }
			late.delete(me);
			now = next.at;
			next.run();
			do await new Promise((r) => wait(r, 15)); while (asking > 0);
		}
	};
})()`

// holdTimers has the test say when time passes on the pages that are opened from now on.
func (b *browser) holdTimers() {
	b.t.Helper()
	b.do("holding timers", command(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: timers}))
}

// passTime lets time pass in the page.
func (b *browser) passTime(d time.Duration) {
	b.t.Helper()
	evaluate[bool](b, fmt.Sprintf("passTime(%d)", d.Milliseconds()))
}

// hide puts the page's tab out of sight, or back.
func (b *browser) hide(hidden bool) {
	b.t.Helper()
	evaluate[bool](b, fmt.Sprintf(`(() => {
		Object.defineProperty(document, "hidden", {configurable: true, get: () => %v});
		document.dispatchEvent(new Event("visibilitychange"));
		return true;
	})()`, hidden))
}

// TestConsoleLive: figures come by themselves while somebody looks, and neither in a hidden
// tab nor while somebody reads or copies. New sessions are announced, and moved in nowhere.
func TestConsoleLive(t *testing.T) {
	s := openConsoleSite(t, openFile(t))
	s.crowd(60)
	o := s.operator(openBrowser(t))
	o.holdTimers()
	o.open("")
	for range 50 {
		if evaluate[bool](o.browser, `!document.body.textContent.includes("till being")`) {
			break
		}
		o.passTime(time.Second)
	}
	const figures = "+GET /"
	for _, c := range []struct {
		name        string
		sleep, wake string
	}{
		{"a hidden tab", "hide", ""},
		{"a selection", `getSelection().selectAllChildren(document.querySelector("#live h2"))`, `getSelection().removeAllRanges()`},
		{"numbers that are open", `document.querySelector("#live details").open = true`, `document.querySelector("#live details").open = false`},
		{"the focus", `document.querySelector("#live a").focus()`, `document.activeElement.blur()`},
	} {
		before := s.asked(figures)
		o.passTime(30 * time.Second)
		if n := s.asked(figures) - before; n < 2 || n > 7 {
			t.Errorf("before %s: %d requests in half a minute", c.name, n)
		}
		set := func(script string, hidden bool) {
			if c.sleep == "hide" {
				o.hide(hidden)
			} else {
				evaluate[bool](o.browser, script+"; true")
			}
		}
		set(c.sleep, true)
		before = s.asked(figures)
		o.passTime(time.Minute)
		if n := s.asked(figures) - before; n > 0 {
			t.Errorf("%s: %d requests", c.name, n)
		}
		set(c.wake, false)
		o.passTime(2 * time.Second)
		if n := s.asked(figures) - before; n != 1 {
			t.Errorf("after %s: %d requests", c.name, n)
		}
	}

	o.open("sessions")
	rows := o.rows()
	o.passTime(10 * time.Second)
	if s.asked("+GET /sessions") == 0 || evaluate[string](o.browser, `document.querySelector("#news").innerText`) != "" {
		t.Error("nobody asks for news, or there are some")
	}
	s.pass(time.Minute) // a figure is counted once in an interval
	_, id := s.comes(shopper{principal: "mila.novak", agent: safariPhone, address: "198.51.100.61"})
	o.passTime(10 * time.Second)
	o.wantText("[role=status] .news a", "1 new session: show")
	if again := o.rows(); !slices.Equal(again, rows) {
		t.Errorf("the rows have become %q", again)
	}
	o.click(".news a")
	o.until("the new row", fmt.Sprintf(`document.querySelector("table.sessions a.id").textContent === %q`, id))
	o.noComplaints()
}
