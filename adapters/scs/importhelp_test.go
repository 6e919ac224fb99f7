package scsstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/cloakroom-go/cloakroom"
	scsstore "github.com/cloakroom-go/cloakroom/adapters/scs"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file is the old application, the new one and the visitors of tests of imports.

// oldStore is a store of scs in memory, without contexts.
type oldStore struct {
	mu   sync.Mutex
	kept map[string]oldEntry
	// before and after, if set, are called around each operation. An error of before
	// stands for one that wasn't done, one of after for a lost answer.
	before, after func(op string) error
	// save and end are what a test has an old process do.
	save func(text string)
	end  func()
}

type oldEntry struct {
	data   []byte
	expiry time.Time
}

func newOldStore() *oldStore { return &oldStore{kept: map[string]oldEntry{}} }

func (s *oldStore) do(op string, f func()) error {
	s.mu.Lock()
	before, after := s.before, s.after
	s.mu.Unlock()
	if before != nil {
		if err := before(op); err != nil {
			return err
		}
	}
	s.mu.Lock()
	f()
	s.mu.Unlock()
	if after != nil {
		return after(op)
	}
	return nil
}

func (s *oldStore) Find(token string) (b []byte, found bool, err error) {
	err = s.do("find", func() {
		if e, there := s.kept[token]; there && time.Now().Before(e.expiry) {
			b, found = e.data, true
		}
	})
	return b, found, err
}

func (s *oldStore) Commit(token string, b []byte, expiry time.Time) error {
	return s.do("commit", func() { s.kept[token] = oldEntry{b, expiry} })
}

func (s *oldStore) Delete(token string) error {
	return s.do("delete", func() { delete(s.kept, token) })
}

func (s *oldStore) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.kept)
}

// ctxOnly is a store whose methods without contexts must not be called.
type ctxOnly struct{ s *oldStore }

var errNoContext = errors.New("called without a context")

func (c ctxOnly) Find(string) ([]byte, bool, error)               { return nil, false, errNoContext }
func (c ctxOnly) Commit(string, []byte, time.Time) error          { return errNoContext }
func (c ctxOnly) Delete(string) error                             { return errNoContext }
func (c ctxOnly) DeleteCtx(_ context.Context, token string) error { return c.s.Delete(token) }

func (c ctxOnly) FindCtx(_ context.Context, token string) ([]byte, bool, error) {
	return c.s.Find(token)
}

func (c ctxOnly) CommitCtx(_ context.Context, token string, b []byte, expiry time.Time) error {
	return c.s.Commit(token, b, expiry)
}

// jsonCodec is a codec of an application's own.
type jsonCodec struct{}

type jsonSession struct {
	Deadline time.Time
	Values   map[string]any
}

func (jsonCodec) Encode(deadline time.Time, values map[string]any) ([]byte, error) {
	return json.Marshal(jsonSession{deadline, values})
}

func (jsonCodec) Decode(b []byte) (time.Time, map[string]any, error) {
	var s jsonSession
	err := json.Unmarshal(b, &s)
	return s.Deadline, s.Values, err
}

// newOld makes the session manager of an old application.
func newOld(store scs.Store, change func(*scs.SessionManager)) *scs.SessionManager {
	old := scs.New()
	old.Store = store
	old.Cookie.Name = "old"
	if change != nil {
		change(old)
	}
	return old
}

var (
	userKey = cloakroom.NewKey[string]("user")
	cartKey = cloakroom.NewKey[[]string]("cart")
)

func newImporter(t testing.TB, old *scs.SessionManager, o *scsstore.ImportOptions) *scsstore.Importer {
	t.Helper()
	i, err := scsstore.NewImporter(old, o)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// newNew makes the Manager of the new application.
func newNew(t testing.TB, i cloakroom.Importer, change func(*cloakroom.Config)) *cloakroom.Manager {
	t.Helper()
	keys, err := cloakroom.NewKeyring([]byte("a secret of tests, of 32 bytes.."))
	if err != nil {
		t.Fatal(err)
	}
	c := cloakroom.Config{
		Transport: cloakroom.Cookie{Name: "new", Insecure: true}, SweepEvery: -1,
		Import: &cloakroom.Import{
			From: i, Until: time.Now().Add(100 * 24 * time.Hour),
			Principal: func(_ context.Context, values cloakroom.Reader) (string, error) { return userKey.Get(values), nil },
		},
	}
	if change != nil {
		change(&c)
	}
	m, err := cloakroom.New(memstore.New(nil), keys, &c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// traveller is a visitor who moves from one application to the other.
type traveller struct {
	t       testing.TB
	cookies map[string]string
}

func newTraveller(t testing.TB) *traveller { return &traveller{t, map[string]string{}} }

// with returns another browser that has one of the traveller's cookies.
func (v *traveller) with(name string) *traveller {
	return &traveller{v.t, map[string]string{name: v.cookies[name]}}
}

func (v *traveller) do(h http.Handler) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for name, value := range v.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(v.cookies, c.Name)
		} else {
			v.cookies[c.Name] = c.Value
		}
	}
	return w
}

// atOld has a page of the old application answer.
func (v *traveller) atOld(old *scs.SessionManager, page func(ctx context.Context)) {
	v.t.Helper()
	w := v.do(old.LoadAndSave(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { page(r.Context()) })))
	if w.Code != http.StatusOK {
		v.t.Fatalf("the old application answered %d", w.Code)
	}
}

// signsInAtOld makes a session of ann's at the old application.
func (v *traveller) signsInAtOld(old *scs.SessionManager) {
	v.t.Helper()
	v.atOld(old, func(ctx context.Context) {
		if err := old.RenewToken(ctx); err != nil {
			v.t.Error(err)
		}
		old.Put(ctx, "user", "ann")
		old.Put(ctx, "cart", []string{"tea"})
	})
}

// atNew has a page of the new application answer.
func (v *traveller) atNew(m *cloakroom.Manager, status int, page func(ctx context.Context, s *cloakroom.Session) error) *httptest.ResponseRecorder {
	v.t.Helper()
	w := v.do(m.Handler(m.With(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		return page(r.Context(), s)
	})))
	if w.Code != status {
		v.t.Errorf("the new application answered %d %q, want %d", w.Code, w.Body, status)
	}
	return w
}

// wantAtNew checks what the new application finds.
func (v *traveller) wantAtNew(m *cloakroom.Manager, principal string, cart ...string) {
	v.t.Helper()
	v.atNew(m, http.StatusOK, func(_ context.Context, s *cloakroom.Session) error {
		v.t.Helper()
		if got := cartKey.Get(s); s.Principal() != principal || !slices.Equal(got, cart) {
			v.t.Errorf("the new application finds %q with the cart %q, want %q with %q", s.Principal(), got, principal, cart)
		}
		return nil
	})
}

func put(item string) func(context.Context, *cloakroom.Session) error {
	return func(_ context.Context, s *cloakroom.Session) error {
		cartKey.Update(s, func(cart []string) []string { return append(cart, item) })
		return nil
	}
}

func signOut(ctx context.Context, s *cloakroom.Session) error { return s.Destroy(ctx) }
