package cloakroom_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of one visitor's way, and counter, a store that counts its
// operations.

var (
	visits = cloakroom.NewKey[int]("visits")
	cart   = cloakroom.NewKey[[]string]("cart")
)

// counter counts a store's operations.
type counter struct {
	cloakroom.Store
	mu            sync.Mutex
	reads, writes int
}

// Assurances passes on those of the store: counting changes nothing.
func (c *counter) Assurances() driver.Assurances { return driver.AssurancesOf(c.Store) }

func (c *counter) Get(ctx context.Context, id cloakroom.ID) (*driver.Record, error) {
	c.add(&c.reads)
	return c.Store.Get(ctx, id)
}

func (c *counter) Create(ctx context.Context, r *driver.Record) (driver.Version, error) {
	c.add(&c.writes)
	return c.Store.Create(ctx, r)
}

func (c *counter) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	c.add(&c.writes)
	return c.Store.Update(ctx, r)
}

func (c *counter) Bury(ctx context.Context, id cloakroom.ID, g driver.Grave, v driver.Version) error {
	c.add(&c.writes)
	return c.Store.Bury(ctx, id, g, v)
}

func (c *counter) add(n *int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*n++
}

// since returns the operations since the last call.
func (c *counter) since() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := fmt.Sprintf("%d reads, %d writes", c.reads, c.writes)
	c.reads, c.writes = 0, 0
	return s
}

func testKeyring(t testing.TB) *cloakroom.Keyring {
	t.Helper()
	keyring, err := cloakroom.NewKeyring([]byte("a secret of a test: 32 bytes, no more"))
	if err != nil {
		t.Fatal(err)
	}
	return keyring
}

// site is an application under test.
type site struct {
	*httptest.Server
	t     testing.TB
	m     *cloakroom.Manager
	store *counter
}

func newSite(t testing.TB, config *cloakroom.Config) *site {
	t.Helper()
	store := &counter{Store: openStore(t)}
	if config == nil {
		config = &cloakroom.Config{}
	}
	if config.Transport == nil {
		config.Transport = cloakroom.Cookie{Insecure: true}
	}
	m, err := cloakroom.New(store, testKeyring(t), config)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	s := &site{t: t, m: m, store: store}
	handle := func(path string, h func(http.ResponseWriter, *http.Request, *cloakroom.Session) error) {
		mux.Handle(path, m.With(h))
	}
	mux.HandleFunc("/static", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "static") })
	handle("/read", func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		_, err := fmt.Fprint(w, visits.Get(s))
		return err
	})
	handle("/visit", func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		_, err := fmt.Fprint(w, visits.Update(s, func(n int) int { return n + 1 }))
		return err
	})
	handle("/add", func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		cart.Update(s, func(c []string) []string { return append(c, r.FormValue("item")) })
		return nil
	})
	handle("/cart", func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		_, err := fmt.Fprint(w, strings.Join(cart.Get(s), " "))
		return err
	})
	handle("/who", func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		_, err := fmt.Fprint(w, s.Principal())
		return err
	})
	handle("/login", func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		return s.Login(r.Context(), r.FormValue("user"), nil)
	})
	handle("/renew", func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		return s.Renew(r.Context())
	})
	handle("/logout", func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		return s.Destroy(r.Context())
	})
	handle("/everywhere", func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		return m.Admin().RevokeAll(r.Context(), s.Principal())
	})
	s.Server = httptest.NewServer(m.Handler(mux))
	t.Cleanup(func() {
		s.Close()
		m.Close()
	})
	return s
}

// browser is a client with cookies.
func (s *site) browser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &http.Client{Jar: jar}
}

// get returns the body of a response that has to be 200.
func (s *site) get(c *http.Client, path string) string {
	s.t.Helper()
	status, body := s.try(c, path)
	if status != http.StatusOK {
		s.t.Fatalf("GET %s: %d %s", path, status, body)
	}
	return body
}

func (s *site) try(c *http.Client, path string) (int, string) {
	s.t.Helper()
	resp, err := c.Get(s.URL + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func (s *site) want(c *http.Client, path, want string) {
	s.t.Helper()
	if got := s.get(c, path); got != want {
		s.t.Errorf("GET %s: got %q, want %q", path, got, want)
	}
}

func (s *site) wantOps(want string) {
	s.t.Helper()
	if got := s.store.since(); got != want {
		s.t.Errorf("store operations: %s, want %s", got, want)
	}
}

func TestVisitor(t *testing.T) {
	s := newSite(t, nil)
	a, b := s.browser(), s.browser()
	s.want(a, "/static", "static")
	s.want(a, "/read", "0")
	s.wantOps("0 reads, 0 writes")
	s.want(a, "/visit", "1")
	s.wantOps("0 reads, 1 writes")
	s.want(a, "/visit", "2")
	s.wantOps("1 reads, 1 writes")
	s.want(a, "/read", "2")
	s.wantOps("1 reads, 0 writes")
	s.want(a, "/static", "static")
	s.wantOps("0 reads, 0 writes")
	s.want(b, "/visit", "1")
	s.get(a, "/logout")
	s.want(a, "/read", "0")
	s.want(b, "/visit", "2")
}

func TestLogin(t *testing.T) {
	s := newSite(t, nil)
	a, b := s.browser(), s.browser()
	s.get(a, "/add?item=hat")
	s.get(a, "/login?user=ann")
	s.want(a, "/who", "ann")
	s.want(a, "/cart", "hat")
	s.get(b, "/login?user=ann")
	s.get(a, "/add?item=coat")
	s.want(a, "/cart", "hat coat")
	s.get(a, "/login?user=bob")
	s.want(a, "/cart", "")
	s.want(a, "/who", "bob")
	s.want(b, "/who", "ann")
	s.get(a, "/login?user=ann")
	s.get(a, "/everywhere")
	s.want(a, "/who", "")
	s.want(b, "/who", "")
}

func TestParallelVisits(t *testing.T) {
	s := newSite(t, nil)
	c := s.browser()
	s.get(c, "/visit")
	const n = 160
	var all sync.WaitGroup
	for range n {
		all.Go(func() { s.get(c, "/visit") })
	}
	all.Wait()
	s.want(c, "/read", fmt.Sprint(n+1))
}

func TestRenew(t *testing.T) {
	s := newSite(t, nil)
	c := s.browser()
	s.get(c, "/visit")
	s.get(c, "/renew")
	s.want(c, "/visit", "2")
}

func TestNoHandler(t *testing.T) {
	s := newSite(t, nil)
	if _, err := s.m.Session(context.Background()); err == nil || !strings.Contains(err.Error(), "Manager.Handler") {
		t.Errorf("Session outside of Handler: %v", err)
	}
	if _, err := s.m.Retrieve(context.Background(), "x"); !errors.Is(err, cloakroom.ErrNotFound) {
		t.Errorf("Retrieve of nonsense: %v", err)
	}
}
