package e2e

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/console"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file is a console in the test's own process: an application on a store, whose clock
// the test sets, and the console of both behind a server.

// consoleSite is an application and its console.
type consoleSite struct {
	t     *testing.T
	store cloakroom.Store
	m     *cloakroom.Manager
	url   string // of the console, with a slash at its end
	clock atomic.Int64

	mu    sync.Mutex
	acts  []console.Act
	paths []string // of requests, those of scripts with a + in front
}

// now is the clock of the application and of the console.
func (s *consoleSite) now() time.Time { return time.UnixMilli(s.clock.Load()).UTC() }

// pass lets time pass.
func (s *consoleSite) pass(d time.Duration) { s.clock.Add(d.Milliseconds()) }

// openFile opens a SQLite file whose burials can be held up.
func openFile(t *testing.T) *slowFile {
	t.Helper()
	store, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "sessions.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return &slowFile{Store: store}
}

// slowFile is a store that ends no session while it is held up.
type slowFile struct {
	*sqlitestore.Store
	held atomic.Pointer[chan struct{}]
}

// hold holds burials up until the function that it returns is called.
func (s *slowFile) hold() (release func()) {
	c := make(chan struct{})
	s.held.Store(&c)
	return func() { s.held.Store(nil); close(c) }
}

func (s *slowFile) Bury(ctx context.Context, id cloakroom.ID, g driver.Grave, v driver.Version) error {
	if c := s.held.Load(); c != nil {
		select {
		case <-*c:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return s.Store.Bury(ctx, id, g, v)
}

// openConsoleSite opens an application and its console. Whoever reaches the console may do
// all: what keeps others out is then the console alone, and no cookie.
func openConsoleSite(t *testing.T, store cloakroom.Store, adjust ...func(*console.Config)) *consoleSite {
	t.Helper()
	s := &consoleSite{t: t, store: store}
	s.clock.Store(time.Now().UnixMilli())
	keys, err := cloakroom.NewKeyring([]byte("a secret of a test: 32 bytes, no more"))
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	s.m, err = cloakroom.New(store, keys, &cloakroom.Config{
		App: "shop", Transport: cloakroom.Bearer{}, SweepEvery: 1000 * time.Hour, Now: s.now, Logger: quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.m.Close() })
	config := console.Config{
		Manager: s.m, Writable: true, Environment: "staging", Now: s.now, Logger: quiet,
		Authorize: func(*http.Request) (console.Operator, error) {
			return console.Operator{Name: "olga", SeeValues: true, SeeAddresses: true, End: true}, nil
		},
		Audit: func(_ context.Context, a console.Act) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.acts = append(s.acts, a)
			return nil
		},
	}
	for _, f := range adjust {
		f(&config)
	}
	c, err := console.New(&config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.note(r)
		c.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL + "/"
	return s
}

// searchable has searches see all that was saved.
func (s *consoleSite) searchable() {
	s.t.Helper()
	if store, ok := s.store.(driver.Refresher); ok {
		if err := store.Refresh(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
	}
}

// note keeps what was asked for.
func (s *consoleSite) note(r *http.Request) {
	path := r.Method + " " + r.URL.Path
	if r.Header.Get("HX-Request") != "" {
		path = "+" + path
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paths = append(s.paths, path)
}

// asked returns how many requests began like this.
func (s *consoleSite) asked(begin string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.paths {
		if strings.HasPrefix(p, begin) {
			n++
		}
	}
	return n
}

// told returns the acts so far, each as its action, result and reason.
func (s *consoleSite) told() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.acts {
		all = append(all, strings.Join([]string{string(a.Action), a.Actor, string(a.Result), a.Reason}, ": "))
	}
	return all
}

// wantTold checks that an act was told.
func (s *consoleSite) wantTold(act string) {
	s.t.Helper()
	if slices.Contains(s.told(), act) {
		return
	}
	s.t.Errorf("the audit lacks %q: %q", act, s.told())
}

// wantLive checks whether a session lives.
func (s *consoleSite) wantLive(id cloakroom.ID, live bool) {
	s.t.Helper()
	rec, err := s.m.Admin().Stored(s.t.Context(), id)
	if got := err == nil && rec.Grave == nil; got != live {
		s.t.Errorf("session %v lives: %v, want %v (%v)", id, got, live, err)
	}
}

// operator returns an operator of the console in a browser.
func (s *consoleSite) operator(b *browser) *operator { return &operator{b, s.url} }
