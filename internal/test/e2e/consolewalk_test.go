package e2e

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/console"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/elasticstore"
	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
)

// This file goes through all pages and acts of the console in a browser, once with scripts
// and once without. Only what goes on by itself needs them.

// walk is a walk of an operator through the console.
type walk struct {
	*operator
	s       *consoleSite
	file    *slowFile
	scripts bool
	all     []*driver.Record // that are in the store, with those that have ended
}

// TestConsoleWalk goes through all pages and does all that can be done there.
func TestConsoleWalk(t *testing.T) {
	b := openBrowser(t)
	for _, scripts := range []bool{true, false} {
		t.Run(fmt.Sprintf("scripts=%v", scripts), func(t *testing.T) {
			file := openFile(t)
			s := openConsoleSite(t, file, func(c *console.Config) { c.Production = true })
			s.crowd(220)
			tab := b.incognito(t)
			if !scripts {
				tab.withoutScripts()
			}
			w := &walk{operator: s.operator(tab), s: s, file: file, scripts: scripts, all: s.records()}
			w.overview()
			w.pages()
			w.filters()
			w.one()
			w.replaced()
			w.endAll()
			w.stop()
			w.principal()
			w.health()
			w.noComplaints()
		})
	}
}

// TestConsoleOnOpenSearch goes the main way on an engine: an operator finds sessions, looks
// at one and ends it, ends all that match, and signs a principal out.
func TestConsoleOnOpenSearch(t *testing.T) {
	b := openBrowser(t)
	engine, index := testengine.Shared(t), fmt.Sprintf("e2econsole%d", time.Now().UnixNano())
	store, err := elasticstore.Open(t.Context(), elasticstore.ClientConfig{URLs: []string{engine}}, &elasticstore.Config{
		Index: index, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close(); removeIndices(t, engine, index) })
	s := openConsoleSite(t, store, func(c *console.Config) { c.Production = true })
	s.comes(shopper{principal: "mila.novak", agent: chromeWindows, address: "203.0.113.24", came: 2 * time.Hour, seen: 4 * time.Minute})
	w := &walk{operator: s.operator(b), s: s, scripts: true, all: s.records()}
	w.open("")
	w.awaits("the figures", `document.body.textContent.includes("used in 1 h") && !document.body.textContent.includes("till being")`) // an engine that is busy may have a plot without its numbers
	w.one()
	w.replaced()
	w.endAll()
	w.principal()
	w.open("health")
	w.awaits("the periods", `document.querySelector("#periods-title") !== null`)
	w.noComplaints()
}

// removeIndices removes a test's indices and templates from an engine.
func removeIndices(t *testing.T, engine, index string) {
	t.Helper()
	defer http.DefaultClient.CloseIdleConnections()
	call := func(method, path string) string {
		t.Helper()
		r, err := http.NewRequestWithContext(context.Background(), method, engine+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
			return ""
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s %s: %d %s %v", method, path, answer.StatusCode, text, err)
		}
		return string(text)
	}
	for name := range strings.FieldsSeq(call(http.MethodGet, "/_cat/indices/"+index+"-*?h=index")) {
		call(http.MethodDelete, "/"+name)
	}
	call(http.MethodDelete, "/_index_template/"+index+"-*")
}

// records returns all sessions of the store.
func (s *consoleSite) records() (all []*driver.Record) {
	s.t.Helper()
	for _, ended := range []bool{false, true} {
		for rec, err := range s.m.Admin().Search(s.t.Context(), driver.Query{Ended: ended}) {
			if err != nil {
				s.t.Fatal(err)
			}
			all = append(all, rec)
		}
	}
	return all
}

// awaits waits until a page that goes on shows something.
func (w *walk) awaits(what, condition string) {
	w.t.Helper()
	if w.scripts {
		w.until(what, condition)
	} else {
		w.reload(what, condition)
	}
}

func (w *walk) overview() {
	w.t.Helper()
	w.open("")
	w.awaits("the figures", `document.querySelectorAll(".plot .numbers").length === 4 && document.body.textContent.includes("used in 1 h") && !document.body.textContent.includes("till being")`)
	live, signed := 0, 0
	for _, rec := range w.all {
		if isLive(rec, w.s.now()) {
			live++
			if rec.Principal != "" {
				signed++
			}
		}
	}
	w.wantSaid("staging PRODUCTION", "You are olga", fmt.Sprintf("Active %d signed in %d anonymous %d", live, signed, live-signed), "Over time", "This process", "No problem is known")
	if drawn := evaluate[int](w.browser, `document.querySelectorAll(".plot canvas").length`); (drawn == 4) != w.scripts {
		w.t.Errorf("%d plots are drawn by scripts", drawn)
	}
	if w.scripts {
		w.arrowKeys()
	} else if bars := evaluate[int](w.browser, `document.querySelectorAll(".plot svg rect").length`); bars < 4*24 {
		w.t.Errorf("the pictures have %d bars", bars)
	}
	w.click(".plot summary")
	w.until("the numbers", `document.querySelector(".plot .numbers").checkVisibility()`)
	w.click(`.choice a[href$="range=week"]`)
	w.until("the other range", `location.search.includes("range=week") && document.querySelector('.choice a[aria-current]').textContent === "7 days"`)
}

// arrowKeys goes through a plot's numbers by the keyboard.
func (w *walk) arrowKeys() {
	w.t.Helper()
	told := evaluate[string](w.browser, `(() => {
		const canvas = document.querySelector(".plot .canvas");
		canvas.focus();
		canvas.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowLeft", bubbles: true, cancelable: true}));
		return canvas.parentElement.querySelector(".readout[role=status]").textContent;
	})()`)
	if !strings.Contains(told, "UTC: ") {
		w.t.Errorf("an arrow key tells %q", told)
	}
}

// pages turns pages, there and back.
func (w *walk) pages() {
	w.t.Helper()
	w.follow(`nav a[href$="sessions"]`, "Sessions")
	first := w.rows()
	w.click(`a[rel="next"]`)
	w.until("the next page", `document.querySelector('a[rel="prev"]') !== null`)
	second := w.rows()
	if len(first) != 50 || len(second) != 50 || slices.ContainsFunc(second, func(id string) bool { return slices.Contains(first, id) }) {
		w.t.Errorf("the first page has %d sessions, the second %d, or some are on both", len(first), len(second))
	}
	w.click(`a[rel="prev"]`)
	w.until("the first page", `document.querySelector('a[rel="prev"]') === null && document.querySelector('a[rel="next"]') !== null`)
	if again := w.rows(); !slices.Equal(again, first) {
		w.t.Errorf("back on the first page there are\n%q\nwant\n%q", again, first)
	}
}

func isLive(rec *driver.Record, now time.Time) bool {
	return rec.Grave == nil && now.Before(rec.Expires) && now.Before(rec.Deadline)
}

// filters has each field of the filter select.
func (w *walk) filters() {
	w.t.Helper()
	now := w.s.now()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	live := func(is func(*driver.Record) bool) func(*driver.Record) bool {
		return func(rec *driver.Record) bool { return isLive(rec, now) && is(rec) }
	}
	principalOf := func(rec *driver.Record) string {
		if rec.Grave != nil {
			return rec.Grave.Principal
		}
		return rec.Principal
	}
	for _, f := range []struct {
		fields string
		is     func(*driver.Record) bool
	}{
		{"principal=lea.dubois", live(func(r *driver.Record) bool { return r.Principal == "lea.dubois" })},
		{"principal=lea.dubois state=all", func(r *driver.Record) bool { return principalOf(r) == "lea.dubois" }},
		{"address=198.51.100.0/24 agent=windows", live(func(r *driver.Record) bool {
			return strings.HasPrefix(r.Client.Address, "198.51.100.") && strings.Contains(r.Client.UserAgent, "Windows")
		})},
		{"agent=Firefox", live(func(r *driver.Record) bool { return strings.Contains(r.Client.UserAgent, "Firefox") })},
		{"state=expired", func(r *driver.Record) bool { return r.Grave == nil && !isLive(r, now) }},
		{"state=ended reason=revoked", func(r *driver.Record) bool { return r.Grave != nil && r.Grave.Reason == cloakroom.EndRevoked }},
		{"newer=2h", live(func(r *driver.Record) bool { return !r.Created.Before(ago(2 * time.Hour)) })},
		{"older=30h", live(func(r *driver.Record) bool { return r.Created.Before(ago(30 * time.Hour)) })},
		{"used=10m", live(func(r *driver.Record) bool { return !r.Seen.Before(ago(10 * time.Minute)) })},
		{"idle=20h", live(func(r *driver.Record) bool { return r.Seen.Before(ago(20 * time.Hour)) })},
	} {
		w.filter(f.fields)
		var want []string
		for _, rec := range w.all {
			if f.is(rec) {
				want = append(want, rec.ID.String())
			}
		}
		if len(want) == 0 || len(want) > 50 {
			w.t.Fatalf("%s selects %d sessions of the test's", f.fields, len(want))
		}
		w.wantRows(f.fields, want)
	}
	for order, by := range map[string]func(a, b *driver.Record) int{
		"oldest": func(a, b *driver.Record) int { return a.Created.Compare(b.Created) },
		"seen":   func(a, b *driver.Record) int { return b.Seen.Compare(a.Seen) },
	} {
		w.filter("order=" + order)
		here := slices.DeleteFunc(slices.Clone(w.all), func(rec *driver.Record) bool { return !isLive(rec, now) })
		if first := slices.MinFunc(here, by).ID.String(); w.rows()[0] != first {
			w.t.Errorf("in the order %s the first is %s, want %s", order, w.rows()[0], first)
		}
	}
	w.filter("agent=no-such-thing")
	w.wantSaid("No session matches.")
	id := w.all[0].ID.String()
	w.fill("#f-id", id)
	w.follow(".filter .actions button", id)
}

// filter fills the form of a filter in, and sends it. The filter is the page's address then.
func (w *walk) filter(fields string) {
	w.t.Helper()
	w.open("sessions")
	for f := range strings.FieldsSeq(fields) {
		name, value, _ := strings.Cut(f, "=")
		w.fill("#f-"+name, value)
	}
	w.click(".filter .actions button")
	w.until("the filter in the address", fmt.Sprintf(`(() => {
		const want = new URLSearchParams(%q), got = new URLSearchParams(location.search);
		return document.readyState === "complete" && want.size === got.size && [...want].every(([k, v]) => got.get(k) === v);
	})()`, strings.ReplaceAll(fields, " ", "&")))
}
