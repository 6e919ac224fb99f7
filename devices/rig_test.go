package devices_test

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/devices"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/test/leaktest"
	"github.com/cloakroom-go/cloakroom/memstore"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file is the tests' common ground: an application with a page of devices, a store
// that may be unable to end sessions, and browsers.

func TestMain(m *testing.M) { leaktest.Main(m) }

// The User-Agents of the tests' browsers.
const (
	chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
	iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1"
)

// stuck is a store that may be unable to end sessions, or to write anything.
type stuck struct {
	cloakroom.Store
	all  atomic.Bool
	one  atomic.Pointer[cloakroom.ID] // nil: none
	full atomic.Bool
}

// Assurances passes on the store's.
func (s *stuck) Assurances() driver.Assurances { return driver.AssurancesOf(s.Store) }

func (s *stuck) Bury(ctx context.Context, id cloakroom.ID, g driver.Grave, v driver.Version) error {
	if one := s.one.Load(); s.all.Load() || one != nil && *one == id {
		return cloakroom.ErrUnavailable
	}
	return s.Store.Bury(ctx, id, g, v)
}

func (s *stuck) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	if s.full.Load() {
		return driver.Version{}, cloakroom.ErrUnavailable
	}
	return s.Store.Update(ctx, r)
}

// site is an application with a page of devices.
type site struct {
	testing.TB
	clock atomic.Int64 // milliseconds
	store *stuck
	log   strings.Builder
	m     *cloakroom.Manager
	page  *devices.Page
	http.Handler
}

const path = "/account/devices"

func (s *site) now() time.Time { return time.UnixMilli(s.clock.Load()) }

func (s *site) add(d time.Duration) { s.clock.Add(d.Milliseconds()) }

// each runs a test on all stores that need no engine.
func each(t *testing.T, test func(t *testing.T, open func(*cloakroom.Config, *devices.Config) *site)) {
	for name, store := range map[string]func() cloakroom.Store{
		"memory": func() cloakroom.Store {
			store := memstore.New(nil)
			t.Cleanup(func() { store.Close() })
			return store
		},
		"sqlite": func() cloakroom.Store {
			store, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "sessions.db"), nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { store.Close() })
			return store
		},
	} {
		t.Run(name, func(t *testing.T) {
			test(t, func(c *cloakroom.Config, d *devices.Config) *site { return openSite(t, store(), c, d) })
		})
	}
}

// memory opens an application on a store in memory.
func memory(t testing.TB, c *cloakroom.Config, d *devices.Config) *site {
	t.Helper()
	store := memstore.New(nil)
	t.Cleanup(func() { store.Close() })
	return openSite(t, store, c, d)
}

// openSite opens an application. Its sign-in is /sign-in?name=.
func openSite(t testing.TB, store cloakroom.Store, c *cloakroom.Config, d *devices.Config) *site {
	t.Helper()
	s := &site{TB: t, store: &stuck{Store: store}}
	s.clock.Store(time.Now().UnixMilli())
	var config cloakroom.Config
	if c != nil {
		config = *c
	}
	var look devices.Config
	if d != nil {
		look = *d
	}
	config.Transport, config.SweepEvery, config.Now = cloakroom.Cookie{Insecure: true}, -1, s.now
	logger := slog.New(slog.NewTextHandler(&s.log, nil))
	config.Logger, look.Logger, look.Now = logger, logger, s.now
	keys, err := cloakroom.NewKeyring([]byte("a secret of a test: 32 bytes, no more"))
	if err != nil {
		t.Fatal(err)
	}
	if s.m, err = cloakroom.New(s.store, keys, &config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.m.Close() })
	if s.page, err = devices.New(s.m, "/sign-in?back={back}", &look); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(path, s.page)
	mux.Handle("/sign-in", s.m.With(func(_ http.ResponseWriter, r *http.Request, session *cloakroom.Session) error {
		return session.Login(r.Context(), r.FormValue("name"), &cloakroom.LoginOptions{Remember: r.FormValue("remember") != ""})
	}))
	mux.Handle("/who", s.m.With(func(w http.ResponseWriter, _ *http.Request, session *cloakroom.Session) error {
		_, err := io.WriteString(w, session.Principal())
		return err
	}))
	s.Handler = s.m.Handler(mux)
	return s
}

// browser is a visitor's.
type browser struct {
	*site
	agent   string
	address string
	cookie  *http.Cookie
	header  http.Header
}

func (s *site) browser(agent, address string) *browser {
	return &browser{site: s, agent: agent, address: address, header: http.Header{}}
}

// signedIn returns a browser that somebody has signed in to, and used since.
func (s *site) signedIn(name, agent, address string) *browser {
	s.Helper()
	b := s.browser(agent, address)
	b.signIn(name)
	return b
}

func (b *browser) signIn(name string) {
	b.Helper()
	if a := b.do(http.MethodGet, "/sign-in?name="+url.QueryEscape(name), nil); a.Code != 200 {
		b.Fatalf("signing in: %d %s", a.Code, a.Body)
	}
	b.who()
}

// who returns who is signed in.
func (b *browser) who() string {
	b.Helper()
	return b.do(http.MethodGet, "/who", nil).Body.String()
}

func (b *browser) do(method, target string, form url.Values) *httptest.ResponseRecorder {
	b.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequest(method, target, body)
	maps.Copy(r.Header, b.header)
	r.Header.Set("User-Agent", b.agent)
	r.RemoteAddr = b.address + ":1234"
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if b.cookie = c; c.MaxAge < 0 {
			b.cookie = nil
		}
	}
	return w
}

// list returns the page.
func (b *browser) list() string {
	b.Helper()
	return b.want(200, b.do(http.MethodGet, path, nil))
}

// post sends a form, and goes where the answer sends it.
func (b *browser) post(do, id string) *httptest.ResponseRecorder {
	b.Helper()
	a := b.do(http.MethodPost, path, url.Values{"do": {do}, "id": {id}})
	if a.Code != http.StatusSeeOther {
		return a
	}
	to := a.Header().Get("Location")
	if !strings.HasPrefix(to, "?ended=") {
		b.Fatalf("the form leads to %q", to)
	}
	return b.do(http.MethodGet, path+to, nil)
}

func (b *browser) want(status int, a *httptest.ResponseRecorder) string {
	b.Helper()
	if a.Code != status {
		b.Fatalf("status %d, want %d: %s", a.Code, status, a.Body)
	}
	return a.Body.String()
}

// id returns the id of the browser's session.
func (b *browser) id() (id cloakroom.ID) {
	b.Helper()
	b.m.Handler(b.m.With(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		id = s.ID()
		return nil
	})).ServeHTTP(httptest.NewRecorder(), func() *http.Request {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.AddCookie(b.cookie)
		r.Header.Set("User-Agent", b.agent)
		r.RemoteAddr = b.address + ":1234"
		return r
	}())
	return id
}

func (s *site) wantIn(page string, texts ...string) {
	s.Helper()
	for _, text := range texts {
		if !strings.Contains(page, text) {
			s.Errorf("the page has no %q:\n%s", text, body(page))
		}
	}
}

func (s *site) wantNotIn(page string, texts ...string) {
	s.Helper()
	for _, text := range texts {
		if strings.Contains(page, text) {
			s.Errorf("the page has %q:\n%s", text, body(page))
		}
	}
}

// body leaves the style out of a page.
func body(page string) string {
	_, after, _ := strings.Cut(page, "</head>")
	return after
}

// wantSignedOut checks when a principal was last signed out everywhere.
func (s *site) wantSignedOut(principal string, want time.Time) {
	s.Helper()
	if got, err := s.m.Admin().LastSignedOut(context.Background(), principal); err != nil || !got.Equal(want) {
		s.Errorf("%s was signed out everywhere at %v, want %v: %v", principal, got, want, err)
	}
}

// wantLive checks how many sessions a principal has.
func (s *site) wantLive(principal string, n int) {
	s.Helper()
	live, err := s.m.Admin().Sessions(context.Background(), principal)
	if err != nil || len(live) != n {
		s.Errorf("%s has %d sessions, want %d: %v", principal, len(live), n, err)
	}
}
