package gorilla_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/adapters/gorilla"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/test/leaktest"
	"github.com/cloakroom-go/cloakroom/memstore"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
	"github.com/gorilla/sessions"
)

// This file is the application that the tests visit, and its stores.

func TestMain(m *testing.M) { leaktest.Main(m) }

// outage is a store that can be out of reach.
type outage struct {
	cloakroom.Store
	reads, writes atomic.Bool // fail
	written       atomic.Int32
}

var errDown = fmt.Errorf("down: %w: %w", cloakroom.ErrUnavailable, cloakroom.ErrOverloaded) // nothing was sent, so nobody waits for its outcome

func (o *outage) Get(ctx context.Context, id driver.ID) (*driver.Record, error) {
	if o.reads.Load() {
		return nil, errDown
	}
	return o.Store.Get(ctx, id)
}

func (o *outage) Create(ctx context.Context, r *driver.Record) (driver.Version, error) {
	if o.writes.Load() {
		return driver.Version{}, errDown
	}
	o.written.Add(1)
	return o.Store.Create(ctx, r)
}

func (o *outage) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	if o.writes.Load() {
		return driver.Version{}, errDown
	}
	o.written.Add(1)
	return o.Store.Update(ctx, r)
}

// rig is an application on gorilla's API.
type rig struct {
	*testing.T
	server  *httptest.Server
	store   *gorilla.Store
	manager *cloakroom.Manager
	down    *outage
	pages   sync.Map // path → page
	n       atomic.Int32
}

// page is what a handler does.
type page func(w http.ResponseWriter, r *http.Request)

// onStores runs a test on each store.
func onStores(t *testing.T, f func(t *rig)) {
	t.Run("memstore", func(t *testing.T) { f(newRig(t, memstore.New(nil))) })
	t.Run("sqlitestore", func(t *testing.T) {
		s, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "sessions.db"), nil)
		if err != nil {
			t.Fatal(err)
		}
		f(newRig(t, s))
	})
}

func newRig(t *testing.T, s interface {
	cloakroom.Store
	Close() error
}, change ...func(*cloakroom.Config)) *rig {
	t.Cleanup(func() { s.Close() })
	r := &rig{T: t, down: &outage{Store: s}}
	ring, err := cloakroom.NewKeyring([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	c := &cloakroom.Config{SweepEvery: -1, TouchEvery: 1 << 40, Logger: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(c)
	}
	r.manager, err = cloakroom.New(r.down, ring, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.manager.Close() })
	if r.store, err = gorilla.New(r.manager, "session"); err != nil {
		t.Fatal(err)
	}
	r.server = httptest.NewTLSServer(r.manager.Handler(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		p, _ := r.pages.Load(req.URL.Path)
		p.(page)(w, req)
	})))
	t.Cleanup(r.server.Close)
	return r
}

// visitor returns a browser.
func (r *rig) visitor() *http.Client {
	jar, _ := cookiejar.New(nil)
	return &http.Client{Transport: r.server.Client().Transport, Jar: jar}
}

// visit has a browser visit a page.
func (r *rig) visit(c *http.Client, p page) *http.Response {
	r.Helper()
	path := fmt.Sprint("/", r.n.Add(1))
	r.pages.Store(path, p)
	resp, err := c.Get(r.server.URL + path)
	if err != nil {
		r.Error(err)
		return &http.Response{}
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp
}

// get returns a session, which has to be readable.
func (r *rig) get(req *http.Request, name string) *sessions.Session {
	g, err := r.store.Get(req, name)
	if err != nil {
		r.Error(err)
	}
	return g
}

// change has a browser visit a page that changes a session and saves it.
func (r *rig) change(c *http.Client, name string, f func(g *sessions.Session)) {
	r.Helper()
	r.visit(c, func(w http.ResponseWriter, req *http.Request) {
		g := r.get(req, name)
		f(g)
		if err := g.Save(req, w); err != nil {
			r.Error(err)
		}
	})
}

// look returns a session's values.
func (r *rig) look(c *http.Client, name string) (values map[any]any) {
	r.Helper()
	r.visit(c, func(_ http.ResponseWriter, req *http.Request) { values = r.get(req, name).Values })
	return values
}

// token returns the browser's token.
func (r *rig) token(c *http.Client) string {
	req := httptest.NewRequest("GET", r.server.URL, nil)
	for _, cookie := range c.Jar.Cookies(req.URL) {
		if cookie.Name == "__Host-Http-session" {
			return cookie.Value
		}
	}
	return ""
}

// over reports whether a token opens nothing any more.
func (r *rig) over(token string) bool {
	_, err := r.manager.Retrieve(r.Context(), token)
	return errors.Is(err, cloakroom.ErrNotFound)
}
