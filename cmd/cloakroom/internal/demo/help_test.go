package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/test/leaktest"
	"github.com/cloakroom-go/cloakroom/memstore"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file is the tests' common ground: a shop, a store that can go down, and a
// browser.

func TestMain(m *testing.M) { leaktest.Main(m) }

// site is an open shop.
type site struct {
	t    *testing.T
	shop *Shop
	gate *gate
	log  *safeBuffer
	*httptest.Server
}

// gate is a store that can be put out of reach.
type gate struct {
	cloakroom.Store
	down    atomic.Bool
	fenced  atomic.Bool // writes fail
	corrupt atomic.Bool
}

var errDown = errors.New("connection refused, says the test")

func (g *gate) fails() error {
	switch {
	case g.down.Load():
		return errDown
	case g.corrupt.Load():
		return cloakroom.ErrCorrupt
	}
	return nil
}

// Assurances passes on the store's: the gate makes up no record.
func (g *gate) Assurances() driver.Assurances { return driver.AssurancesOf(g.Store) }

func (g *gate) Get(ctx context.Context, id cloakroom.ID) (*driver.Record, error) {
	if err := g.fails(); err != nil {
		return nil, err
	}
	return g.Store.Get(ctx, id)
}

func (g *gate) Create(ctx context.Context, r *driver.Record) (driver.Version, error) {
	if g.down.Load() || g.fenced.Load() {
		return driver.Version{}, errDown
	}
	return g.Store.Create(ctx, r)
}

func (g *gate) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	if g.down.Load() || g.fenced.Load() {
		return driver.Version{}, errDown
	}
	return g.Store.Update(ctx, r)
}

// safeBuffer may be written and read at the same time.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func testKeys(t *testing.T) *cloakroom.Keyring {
	t.Helper()
	keyring, err := cloakroom.NewKeyring([]byte("a secret of a test: 32 bytes, no more"))
	if err != nil {
		t.Fatal(err)
	}
	return keyring
}

// openSite opens a shop on a store, and closes the store when the test ends.
func openSite(t *testing.T, store interface {
	cloakroom.Store
	io.Closer
}) *site {
	t.Helper()
	return openSiteAs(t, store, "", nil)
}

// openSiteAs opens a shop with a sentence about saving, and with other settings of
// sessions than the shop's own.
func openSiteAs(t *testing.T, store interface {
	cloakroom.Store
	io.Closer
}, saving string, settings *cloakroom.Config) *site {
	t.Helper()
	s := &site{t: t, gate: &gate{Store: store}, log: &safeBuffer{}}
	config := Config{Where: "the test", Saving: saving, Lasting: true, Logger: slog.New(slog.NewTextHandler(s.log, nil))}
	var err error
	if settings == nil {
		s.shop, err = New(s.gate, testKeys(t), config)
	} else {
		s.shop = Build(config)
		s.shop.Adjust(settings)
		var sessions *cloakroom.Manager
		if sessions, err = cloakroom.New(s.shop.Wrap(s.gate), testKeys(t), settings); err == nil {
			err = s.shop.Open(sessions)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	s.Server = httptest.NewServer(s.shop)
	t.Cleanup(func() {
		s.Close()
		s.shop.Close()
		store.Close()
	})
	return s
}

func memorySite(t *testing.T) *site { return openSite(t, memstore.New(nil)) }

// eachStore runs a test on all stores that need no engine.
func eachStore(t *testing.T, test func(*testing.T, *site)) {
	t.Run("memory", func(t *testing.T) { test(t, memorySite(t)) })
	t.Run("sqlite", func(t *testing.T) {
		store, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "demo.db"), nil)
		if err != nil {
			t.Fatal(err)
		}
		test(t, openSite(t, store))
	})
}

// browser is a visitor with cookies.
type browser struct {
	*site
	client http.Client
}

func (s *site) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &browser{site: s, client: http.Client{Jar: jar}}
}

// answer is the answer to a browser's request.
type answer struct {
	status int
	header http.Header
	body   string
}

func (b *browser) do(method, path string, form url.Values) answer {
	b.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.URL+path, body)
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return b.send(r)
}

func (b *browser) send(r *http.Request) answer {
	b.t.Helper()
	resp, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

// page returns the shop's page.
func (b *browser) page() string {
	b.t.Helper()
	a := b.do("GET", "/", nil)
	if a.status != http.StatusOK {
		b.t.Fatalf("GET /: %d %s", a.status, a.body)
	}
	return a.body
}

// post sends a form and returns the page that it leads to.
func (b *browser) post(path string, fields ...string) string {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	a := b.do("POST", path, form)
	if a.status != http.StatusOK {
		b.t.Fatalf("POST %s: %d %s", path, a.status, a.body)
	}
	return a.body
}

// api returns the object that an endpoint answers.
func (b *browser) api(method, path string, wantStatus int) map[string]any {
	b.t.Helper()
	a := b.do(method, path, nil)
	if a.status != wantStatus {
		b.t.Fatalf("%s %s: %d %s, want %d", method, path, a.status, a.body, wantStatus)
	}
	if got := a.header.Get("Content-Type"); got != "application/json" {
		b.t.Fatalf("%s %s: content type %q", method, path, got)
	}
	var v map[string]any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		b.t.Fatalf("%s %s: %v in %s", method, path, err, a.body)
	}
	return v
}

// wantCost runs f, and checks the operations that it cost the store.
func (s *site) wantCost(what string, reads, writes int64, f func()) {
	s.t.Helper()
	r, w := s.shop.meter.reads.Load(), s.shop.meter.writes.Load()
	f()
	r, w = s.shop.meter.reads.Load()-r, s.shop.meter.writes.Load()-w
	if r != reads || w != writes {
		s.t.Errorf("%s: %d reads, %d writes; want %d, %d", what, r, w, reads, writes)
	}
}

func wantIn(t *testing.T, page, want string) {
	t.Helper()
	if !strings.Contains(page, want) {
		t.Errorf("the page has no %q:\n%s", want, page)
	}
}

func wantNotIn(t *testing.T, page, not string) {
	t.Helper()
	if strings.Contains(page, not) {
		t.Errorf("the page has %q:\n%s", not, page)
	}
}
