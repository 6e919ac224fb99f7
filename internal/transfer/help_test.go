package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/test/leaktest"
	"github.com/cloakroom-go/cloakroom/internal/transfer"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file is the tests' common ground: an application with visitors, and stores whose
// answers get lost.

func TestMain(m *testing.M) { leaktest.Main(m) }

var (
	visits = cloakroom.NewKey[int]("visits")
	cart   = cloakroom.NewKey[[]string]("cart")
)

// site is an application on a store.
type site struct {
	t *testing.T
	m *cloakroom.Manager
}

// newSite starts an application, as a process of its own would.
func newSite(t *testing.T, s driver.Store) *site {
	t.Helper()
	return siteOf(t, s, 20*time.Second)
}

// hastySite is a site that is soon done with waiting for a fence to end.
func hastySite(t *testing.T, s driver.Store) *site {
	t.Helper()
	return siteOf(t, s, 300*time.Millisecond)
}

func siteOf(t *testing.T, s driver.Store, patience time.Duration) *site {
	t.Helper()
	secret := []byte("a secret of a test, of 32 bytes.")
	keys, err := cloakroom.NewKeyring(secret)
	if err != nil {
		t.Fatal(err)
	}
	m, err := cloakroom.New(s, keys, &cloakroom.Config{
		Transport: cloakroom.Cookie{Insecure: true}, SweepEvery: -1, SaveTimeout: patience,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return &site{t, m}
}

// visitor is a browser.
type visitor struct {
	cookie *http.Cookie
}

// page is what a request does.
type page func(r *http.Request, s *cloakroom.Session) error

// do makes a request, and returns its status.
func (s *site) do(v *visitor, f page) int {
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/", nil)
	if v.cookie != nil {
		r.AddCookie(v.cookie)
	}
	s.m.With(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error { return f(r, s) }).ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		v.cookie = c
	}
	return w.Code
}

// must makes a request that has to succeed.
func (s *site) must(v *visitor, f page) {
	s.t.Helper()
	if code := s.do(v, f); code != http.StatusOK {
		s.t.Fatalf("status %d", code)
	}
}

// visit counts a visit.
func visit(_ *http.Request, s *cloakroom.Session) error {
	visits.Update(s, func(n int) int { return n + 1 })
	return nil
}

func login(principal string) page {
	return func(r *http.Request, s *cloakroom.Session) error { return s.Login(r.Context(), principal, nil) }
}

func logout(r *http.Request, s *cloakroom.Session) error { return s.Destroy(r.Context()) }

// buy puts something into the cart.
func buy(what string) page {
	return func(_ *http.Request, s *cloakroom.Session) error {
		cart.Update(s, func(c []string) []string { return append(c, what) })
		return nil
	}
}

// opens returns what a visitor's cookie opens.
func (s *site) opens(v *visitor) (is bool, n int, principal string, bought []string) {
	s.t.Helper()
	s.must(v, func(_ *http.Request, s *cloakroom.Session) error {
		is, n, principal, bought = !s.IsNew(), visits.Get(s), s.Principal(), cart.Get(s)
		return nil
	})
	return is, n, principal, bought
}

// openFile opens a SQLite store.
func openFile(t *testing.T, path string) *sqlitestore.Store {
	t.Helper()
	s, err := sqlitestore.Open(t.Context(), path, &sqlitestore.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func newFile(t *testing.T) *sqlitestore.Store {
	t.Helper()
	return openFile(t, filepath.Join(t.TempDir(), "sessions.db"))
}

// findings collects what is told.
type findings struct {
	mu  sync.Mutex
	all []transfer.Finding
}

func (f *findings) add(one transfer.Finding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, one)
}

func (f *findings) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var b strings.Builder
	for i, one := range f.all {
		if i == 20 {
			b.WriteString("…")
			break
		}
		fmt.Fprintf(&b, "%v: %v\n", one.Reason, one)
	}
	return b.String()
}

// mover makes a Mover, and what it tells.
func mover(t *testing.T, from, to driver.Store, change func(*transfer.Config)) (*transfer.Mover, *findings) {
	t.Helper()
	f := new(findings)
	c := transfer.Config{From: from, To: to, Found: f.add, Patience: 20 * time.Second}
	if change != nil {
		change(&c)
	}
	m, err := transfer.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return m, f
}

// mustCut cuts over, and wants no difference.
func mustCut(t *testing.T, m *transfer.Mover, f *findings) transfer.Cut {
	t.Helper()
	cut, err := m.Cut(t.Context(), transfer.CutOptions{})
	if err != nil {
		t.Fatalf("%v\n%v", err, f)
	}
	if !cut.Fenced || cut.Different != 0 || cut.From != cut.To {
		t.Fatalf("%+v\n%v", cut, f)
	}
	return cut
}

// loser is a store whose writes are lost, late, doubled or refused, by chance. Its reads
// prove nothing.
type loser struct {
	driver.Store
	driver.Lister
	mu    sync.Mutex
	rand  *rand.Rand
	odds  float64
	late  sync.WaitGroup
	fates [6]atomic.Int64
}

func newLoser(t *testing.T, s driver.Store, odds float64) *loser {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	l := &loser{Store: s, Lister: s.(driver.Lister), rand: rand.New(rand.NewPCG(seed, 1)), odds: odds}
	t.Cleanup(l.late.Wait)
	return l
}

var errLost = fmt.Errorf("no answer: %w", driver.ErrUnavailable)

// fate does a write, and returns its answer.
func (l *loser) fate(do func() (driver.Version, error)) (driver.Version, error) {
	l.mu.Lock()
	n, wait := 0, l.rand.IntN(50)
	if l.rand.Float64() < l.odds {
		n = 1 + l.rand.IntN(len(l.fates)-1)
	}
	l.mu.Unlock()
	l.fates[n].Add(1)
	switch n {
	case 1: // done, and not answered
		_, _ = do()
		return driver.Version{}, errLost
	case 2: // not done
		return driver.Version{}, errLost
	case 3: // done later
		l.late.Go(func() {
			time.Sleep(time.Duration(wait) * time.Millisecond)
			_, _ = do()
		})
		return driver.Version{}, errLost
	case 4: // done twice
		_, _ = do()
		return do()
	case 5:
		return driver.Version{}, errors.Join(driver.ErrUnavailable, driver.ErrOverloaded)
	}
	return do()
}

func (l *loser) Create(_ context.Context, r *driver.Record) (driver.Version, error) {
	return l.fate(func() (driver.Version, error) { return l.Store.Create(context.Background(), r) })
}

func (l *loser) Update(_ context.Context, r *driver.Record) (driver.Version, error) {
	return l.fate(func() (driver.Version, error) { return l.Store.Update(context.Background(), r) })
}

func (l *loser) Bury(_ context.Context, id driver.ID, g driver.Grave, v driver.Version) error {
	_, err := l.fate(func() (driver.Version, error) { return driver.Version{}, l.Store.Bury(context.Background(), id, g, v) })
	return err
}
