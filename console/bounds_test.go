package console_test

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

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
		site, mode string
		want       int
	}{
		{"cross-site", "no-cors", http.StatusForbidden}, {"same-site", "cors", http.StatusForbidden},
		{"cross-site", "navigate", http.StatusOK}, {"same-origin", "cors", http.StatusOK}, {"none", "navigate", http.StatusOK}, {"", "", http.StatusOK},
	} {
		if w := r.do(http.MethodGet, "/sessions", nil, "Sec-Fetch-Site", test.site, "Sec-Fetch-Mode", test.mode); w.Code != test.want {
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
