package console_test

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/console"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file tests what a page and a form may do at most.

// TestBlankFields: a field with nothing but space selects nothing, and so is no way around
// the typed number. In a principal space counts.
func TestBlankFields(t *testing.T) {
	r := newRig(t, nil)
	for _, who := range []string{"bob", " bob"} {
		r.comes(comer{principal: who})
	}
	r.later()
	for _, name := range []string{"address", "agent", "newer", "older", "used", "idle"} {
		path := "/ending?" + name + "=%20"
		page := r.page(path)
		r.wants(page, "all of them", "Type their number")
		form := hidden(page)
		form.Set("reason", "a slip")
		if w := r.do(http.MethodPost, path, form); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if w := r.do(http.MethodGet, "/ending?principal=%20", nil); w.Code != http.StatusBadRequest {
		t.Errorf("a blank principal: %d", w.Code)
	}
	path := "/ending?principal=" + url.QueryEscape(" bob")
	w := r.do(http.MethodPost, path, forEnding(r, path))
	r.wants(r.result(w.Header().Get("Location")), "None is left")
	r.wants(text(r.page("/principals?principal=bob")), "bob")
	if n := live(r, "bob"); n != 1 {
		t.Errorf("%d sessions of bob are left, of whom nothing was asked", n)
	}
	if n := live(r, " bob"); n != 0 {
		t.Errorf("%d sessions of “ bob” are left", n)
	}
}

// TestNothingRestricts: a filter that every session meets is one of all, whose number has
// to be typed.
func TestNothingRestricts(t *testing.T) {
	r := newRig(t, nil)
	r.comes(comer{})
	r.later()
	for _, filter := range []string{"address=0.0.0.0/0", "address=::/0", "newer=400d", "used=400d", "newer=400d&address=0.0.0.0/0"} {
		path := "/ending?" + filter
		page := r.page(path)
		if !strings.HasPrefix(filter, "address=::") { // where none matches
			r.wants(page, "all of them", "Type their number")
		}
		form := hidden(page)
		form.Set("reason", "a slip")
		if w := r.do(http.MethodPost, path, form); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", filter, w.Code)
		}
	}
	r.lacks(text(r.page("/ending?newer=399d")), "all of them")
}

// live returns how many sessions a principal has.
func live(r *rig, principal string) int {
	r.Helper()
	list, err := r.manager.Admin().Sessions(r.Context(), principal)
	if err != nil {
		r.Fatal(err)
	}
	return len(list)
}

// TestMoreMatchByNow: what came to match since the count isn't ended with it.
func TestMoreMatchByNow(t *testing.T) {
	r := newRig(t, nil)
	r.comes(comer{agent: "curl/8"})
	r.later()
	path := "/ending?agent=curl"
	form := forEnding(r, path)
	form.Set("count", "0") // as if one has come since
	if w := r.do(http.MethodPost, path, form); w.Code != http.StatusConflict || len(r.told()) > 0 {
		t.Errorf("%d %s", w.Code, text(w.Body.String()))
	}
}

// TestForeignLooks: a page of another site can't have a browser keep the store busy. A link
// that is followed is fine.
func TestForeignLooks(t *testing.T) {
	r := newRig(t, nil)
	for _, test := range []struct {
		site, mode, dest string
		want             int
	}{
		{"cross-site", "no-cors", "image", http.StatusForbidden}, {"same-site", "cors", "empty", http.StatusForbidden}, {"cross-site", "no-cors", "", http.StatusForbidden},
		{"cross-site", "navigate", "iframe", http.StatusForbidden}, {"same-site", "navigate", "frame", http.StatusForbidden},
		{"cross-site", "navigate", "embed", http.StatusForbidden}, {"cross-site", "navigate", "object", http.StatusForbidden},
		{"cross-site", "navigate", "document", http.StatusOK}, {"cross-site", "navigate", "", http.StatusOK},
		{"same-origin", "cors", "empty", http.StatusOK}, {"none", "navigate", "document", http.StatusOK}, {"", "", "", http.StatusOK},
	} {
		if w := r.do(http.MethodGet, "/sessions", nil, "Sec-Fetch-Site", test.site, "Sec-Fetch-Mode", test.mode, "Sec-Fetch-Dest", test.dest); w.Code != test.want {
			t.Errorf("%+v: %d", test, w.Code)
		}
	}
}

// crowded is a store whose searches wait, and which counts those under way.
type crowded struct {
	*memstore.Store
	hold        chan struct{}
	under, most atomic.Int64
}

func (c *crowded) Search(ctx context.Context, q driver.Query) iter.Seq2[*driver.Record, error] {
	return func(yield func(*driver.Record, error) bool) {
		if n := c.under.Add(1); n > c.most.Load() {
			c.most.Store(n)
		}
		defer c.under.Add(-1)
		select {
		case <-c.hold:
		case <-ctx.Done():
		}
		c.Store.Search(ctx, q)(yield)
	}
}

// TestFewLookAtOnce: pages that search wait for each other, whoever asks for them.
func TestFewLookAtOnce(t *testing.T) {
	memory := memstore.New(nil)
	defer memory.Close()
	store := &crowded{Store: memory, hold: make(chan struct{})}
	r := newRig(t, store)
	done := make(chan int, 50)
	for i := range cap(done) {
		path := "/sessions?agent=x"
		if i%2 == 0 {
			path = "/ending?agent=x"
		}
		go func() { done <- r.do(http.MethodGet, path, nil).Code }()
	}
	r.until("searches", func() bool { return store.under.Load() == 4 })
	close(store.hold)
	for range cap(done) {
		if code := <-done; code != http.StatusOK {
			t.Errorf("%d", code)
		}
	}
	if n := store.most.Load(); n > 4 {
		t.Errorf("%d searches at once", n)
	}
}

// TestManyNews: whoever asks what is new since ever other times leaves the other figures
// alone.
func TestManyNews(t *testing.T) {
	memory := memstore.New(nil)
	defer memory.Close()
	store := &slow{Store: memory, hold: make(chan struct{})}
	r := newRig(t, store)
	defer close(store.hold)
	now := time.Now().UnixMilli()
	var all sync.WaitGroup
	for i := range 600 {
		all.Go(func() {
			path := fmt.Sprintf("/sessions?agent=curl&since=%d", now-int64(i))
			if w := r.do(http.MethodGet, path, nil, "HX-Request", "true"); w.Code != http.StatusOK {
				t.Errorf("%s: %d", path, w.Code)
			}
		})
	}
	all.Wait()
	r.until("the figures", func() bool { return strings.Contains(text(r.page("/")), "Active 0") })
	r.lacks(r.page("/health"), "doesn't answer")
	if n := store.most.Load(); n != 1 {
		t.Errorf("%d counts of news at once", n)
	}
}

// slow is a store whose counts with an agent wait, and which counts those under way.
type slow struct {
	*memstore.Store
	hold        chan struct{}
	under, most atomic.Int64
}

func (s *slow) Summarize(ctx context.Context, q driver.Query) (driver.Summary, error) {
	if q.Agent != "" {
		if n := s.under.Add(1); n > s.most.Load() {
			s.most.Store(n)
		}
		defer s.under.Add(-1)
		select {
		case <-s.hold:
		case <-ctx.Done():
		}
	}
	return s.Store.Summarize(ctx, q)
}

// clock is a console's clock, in whole milliseconds.
type clock struct{ ms atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ms.Store(time.Now().UnixMilli())
	return c
}

func (c *clock) now() time.Time      { return time.UnixMilli(c.ms.Load()) }
func (c *clock) add(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// TestNewsOfLate: what is new is told for a day, also where the newest session is older.
func TestNewsOfLate(t *testing.T) {
	clock := newClock()
	r := newRig(t, nil, func(c *console.Config) { c.Now = clock.now })
	r.comes(comer{agent: "curl/8"})
	since := regexp.MustCompile(`since=(\d+)`)
	ask := func(path string) *httptest.ResponseRecorder {
		return r.do(http.MethodGet, path, nil, "HX-Request", "true")
	}
	clock.add(20 * time.Hour) // it is live still
	path := "/sessions?" + since.FindString(r.page("/sessions"))
	if w := ask(path); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "new session") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	clock.add(24 * time.Hour)
	if w := ask(path); w.Code != http.StatusOK {
		t.Errorf("a day later: %d %s", w.Code, w.Body)
	}
	clock.add(time.Hour)
	if w := ask(path); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "more than a day ago") {
		t.Errorf("later still: %d %s", w.Code, w.Body)
	}
}

// TestLongFilter: a filter is no longer than what it can match.
func TestLongFilter(t *testing.T) {
	r := newRig(t, nil)
	for _, name := range []string{"agent", "principal", "address", "newer", "older", "used", "idle", "app", "state", "reason", "order"} {
		for _, page := range []string{"/sessions", "/ending"} {
			w := r.do(http.MethodGet, page+"?"+name+"="+strings.Repeat("0", 800_000)+"1h", nil)
			if w.Code != http.StatusBadRequest || !strings.Contains(text(w.Body.String()), "at most 512") {
				t.Errorf("%s, %s: %d %.300s", page, name, w.Code, text(w.Body.String()))
			}
		}
	}
	r.page("/sessions?agent=" + strings.Repeat("x", 512))
}

// TestFormOnce: a form begins one job while it is good, whatever began since.
func TestFormOnce(t *testing.T) {
	clock := newClock()
	r := newRig(t, nil, func(c *console.Config) { c.Now = clock.now })
	sign := func() url.Values {
		form := hidden(r.page("/principals?principal=ann"))
		form.Set("reason", "left the company")
		return form
	}
	form := sign()
	first := r.post("/principals/sign-out", form)
	r.result(first)
	for range 100 {
		r.result(r.post("/principals/sign-out", sign()))
	}
	if w := r.do(http.MethodGet, first, nil); w.Code != http.StatusNotFound {
		t.Fatalf("the first job is kept: %d", w.Code)
	}
	r.comes(comer{principal: "ann"})
	told := len(r.told())
	for _, pass := range []time.Duration{0, time.Hour} {
		clock.add(pass)
		job := r.post("/principals/sign-out", form)
		if w := r.do(http.MethodGet, first, nil); job != first || w.Code != http.StatusNotFound || len(r.told()) != told || live(r, "ann") != 1 {
			t.Errorf("after %v the form begins %s, %d sessions are left", pass, job, live(r, "ann"))
		}
	}
	clock.add(time.Millisecond)
	if w := r.do(http.MethodPost, "/principals/sign-out", form); w.Code != http.StatusBadRequest {
		t.Errorf("a form that is too old: %d", w.Code)
	}
	r.result(r.post("/principals/sign-out", sign()))
	if n := live(r, "ann"); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}

// broken is a store that panics where it is told to.
type broken struct {
	*memstore.Store
	get, summarize, bury bool
}

func (b *broken) Get(ctx context.Context, id driver.ID) (*driver.Record, error) {
	if b.get {
		panic("a fault of the store")
	}
	return b.Store.Get(ctx, id)
}

func (b *broken) Bury(ctx context.Context, id driver.ID, g driver.Grave, v driver.Version) error {
	if b.bury {
		panic("a fault of the store")
	}
	return b.Store.Bury(ctx, id, g, v)
}

func (b *broken) Summarize(ctx context.Context, q driver.Query) (driver.Summary, error) {
	if b.summarize {
		panic("a fault of the store")
	}
	return b.Store.Summarize(ctx, q)
}

// TestStorePanics: a store that panics in a goroutine of the console's ends no process.
func TestStorePanics(t *testing.T) {
	memory := memstore.New(nil)
	defer memory.Close()
	store := &broken{Store: memory}
	r := newRig(t, store)
	r.comes(comer{agent: "curl/8"})
	r.later()
	form := forEnding(r, "/ending?agent=curl")
	store.get = true
	w := r.do(http.MethodPost, "/ending?agent=curl", form)
	r.wants(r.result(w.Header().Get("Location")), "panicked")
	store.get, store.summarize = false, true
	r.until("the figures", func() bool { return strings.Contains(r.page("/"), "panicked") })
}

// TestOutage: a store that doesn't answer is told, on each page.
func TestOutage(t *testing.T) {
	memory := memstore.New(nil)
	r := newRig(t, memory)
	id := r.comes(comer{principal: "ann"})
	memory.Close()
	for path, want := range map[string]int{"/": 200, "/health": 200, "/sessions": 503, "/session/" + id.String(): 503, "/principals?principal=ann": 503, "/ending?principal=ann": 503, "/jobs": 200} {
		if w := r.do(http.MethodGet, path, nil); w.Code != want {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	r.wants(r.page("/"), "It can't be counted", "The store doesn't answer")
}
