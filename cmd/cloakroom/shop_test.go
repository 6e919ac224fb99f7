package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/memstore"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file makes the sessions of a shop, for tests of commands that look at a store.

// shop is a store with sessions, made by an application.
type shop struct {
	*testing.T
	store cloakroom.Store
	m     *cloakroom.Manager
	now   time.Time
	ids   map[string]driver.ID // by the visitor's name
	admin *cloakroom.Admin
}

var (
	cartKey  = cloakroom.NewKey[string]("cart")
	themeKey = cloakroom.NewKey[string]("theme")
)

// newShop opens the shop's application on a store.
func newShop(t *testing.T, store cloakroom.Store, app string) *shop {
	t.Helper()
	keys, err := cloakroom.NewKeyring([]byte("a secret for tests, known to all"))
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{T: t, store: store, ids: map[string]driver.ID{}, now: time.Now()}
	s.m, err = cloakroom.New(store, keys, &cloakroom.Config{
		App: app, Transport: cloakroom.Bearer{}, SweepEvery: -1, Now: func() time.Time { return s.now },
		IdleTimeout: 4 * day, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.admin = s.m.Admin()
	t.Cleanup(func() { s.m.Close() })
	return s
}

// visit is a visit of a while ago.
type visit struct {
	name, principal, address, agent string
	began, seen                     time.Duration // ago
	cart                            int           // bytes of values
	over                            string        // how it ended
}

// comes makes a visitor's session.
func (s *shop) comes(v visit) {
	s.Helper()
	began := time.Now().Add(-v.began)
	var token string
	do := func(h func(w http.ResponseWriter, r *http.Request, session *cloakroom.Session) error) {
		s.Helper()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = v.address + ":1234"
		r.Header.Set("User-Agent", v.agent)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		s.m.Handler(s.m.With(h)).ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			s.Fatalf("%s: %d %s", v.name, w.Code, w.Body)
		}
	}
	s.now = began
	do(func(_ http.ResponseWriter, r *http.Request, session *cloakroom.Session) error {
		if v.principal != "" {
			if err := session.Login(r.Context(), v.principal, nil); err != nil {
				return err
			}
		}
		cartKey.Set(session, strings.Repeat("x", v.cart))
		if err := session.Save(r.Context()); err != nil {
			return err
		}
		s.ids[v.name], token = session.ID(), session.Token()
		return nil
	})
	s.now = time.Now().Add(-v.seen)
	do(func(_ http.ResponseWriter, r *http.Request, session *cloakroom.Session) error {
		themeKey.Set(session, "dark")
		if v.over == "signed out" {
			return session.Destroy(r.Context())
		}
		return nil
	})
	if v.over == "revoked" {
		if err := s.admin.Revoke(s.Context(), s.ids[v.name]); err != nil {
			s.Fatal(err)
		}
	}
	s.now = time.Now()
}

// fill makes the sessions that transcripts look at.
func (s *shop) fill() {
	s.Helper()
	const (
		firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
		curl    = "curl/8.15.0"
	)
	for _, v := range []visit{
		{name: "EVE", principal: "eve", address: "203.0.113.9", agent: firefox, began: 6*day + time.Hour, seen: 5*day + time.Hour, cart: 10},
		{name: "BOB", principal: "bob", address: "198.51.100.2", agent: curl, began: 50*time.Hour + 30*time.Minute, seen: 30*time.Hour + 30*time.Minute, cart: 3000},
		{name: "ANN1", principal: "ann", address: "203.0.113.7", agent: firefox, began: 5*time.Hour + 30*time.Minute, seen: 10*time.Minute + 30*time.Second, cart: 100},
		{name: "CAROL", principal: "carol", address: "203.0.113.8", agent: firefox, began: 4*time.Hour + 30*time.Minute, seen: 3*time.Hour + 10*time.Minute, over: "signed out"},
		{name: "ANN2", principal: "ann", address: "203.0.113.70", agent: curl, began: 3*time.Hour + 30*time.Minute, seen: 2*time.Hour + 30*time.Minute, cart: 20},
		{name: "GUEST", address: "192.0.2.1", agent: firefox, began: 30*time.Minute + 30*time.Second, seen: 20*time.Minute + 30*time.Second, cart: 500},
		{name: "DAVE", principal: "dave", address: "203.0.113.7", agent: firefox, began: 25*time.Minute + 30*time.Second, seen: 15*time.Minute + 30*time.Second, over: "revoked"},
	} {
		s.comes(v)
	}
}

// TestShop: the shop is as tests expect it.
func TestShop(t *testing.T) {
	store := memstore.New(nil)
	defer store.Close()
	s := newShop(t, store, "")
	s.fill()
	live := 0
	for rec, err := range s.admin.Live(t.Context(), driver.Query{}) {
		if err != nil || rec.ID == s.ids["EVE"] {
			t.Error(rec, err)
		}
		live++
	}
	if live != 4 {
		t.Errorf("%d are live", live)
	}
}

// spoil spoils ledgers: that of ann lacks a session, bob's can't be read, frank has none,
// and gus's names a session of ann's.
func (s *shop) spoil() {
	s.Helper()
	ctx := s.Context()
	ann, err := s.store.Get(ctx, s.ids["ANN1"])
	if err != nil {
		s.Fatal(err)
	}
	add := func(name, principal string, ago time.Duration) {
		rec := *ann
		rec.Principal, rec.Created = principal, time.Now().Add(-ago).Truncate(time.Millisecond)
		rec.ID = driver.NewID(driver.LayoutDay, rec.Created)
		if _, err := s.store.Create(ctx, &rec); err != nil {
			s.Fatal(err)
		}
		s.ids[name] = rec.ID
	}
	add("ANN3", "ann", 70*time.Minute)
	add("FRANK", "frank", 60*time.Minute)
	add("GUS", "gus", 50*time.Minute)
	add("NEW", "new", time.Second) // whose sign-in is under way
	write := func(principal, text string) {
		id := driver.LedgerID("session", principal)
		rec, err := s.store.Get(ctx, id)
		if err != nil {
			rec = &driver.Record{ID: id, Kind: driver.KindLedger, App: "session", Principal: principal, Created: time.Now(), Deadline: ann.Deadline, Expires: ann.Deadline}
			if rec.Version, err = s.store.Create(ctx, rec); err != nil {
				s.Fatal(err)
			}
		}
		next := *rec
		next.Values = next.Values.With("ledger", []byte(text))
		if _, err := s.store.Update(ctx, &next); err != nil {
			s.Fatal(err)
		}
	}
	write("bob", `"nonsense"`)
	write("gus", fmt.Sprintf(`{"generation":"AAAAAAAAAAA","live":[{"id":%q,"deadline":%d},{"id":%q,"deadline":%[2]d}]}`, s.ids["GUS"], ann.Deadline.UnixMilli(), s.ids["ANN2"]))
}

// fileShop makes a shop in a SQLite file.
func fileShop(t *testing.T, path string, spoiled bool) map[string]driver.ID {
	t.Helper()
	store, err := sqlitestore.Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	s := newShop(t, store, "")
	s.fill()
	if spoiled {
		s.spoil()
	}
	return s.ids
}
