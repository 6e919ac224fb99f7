package cloakroom_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is rig, the tests' manager on a store with a clock that they set, and
// guest, a client of it.

// handClock is a clock that only tests move.
type handClock struct{ ms atomic.Int64 }

func (c *handClock) now() time.Time      { return time.UnixMilli(c.ms.Load()) }
func (c *handClock) add(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// logLines keeps the log.
type logLines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String returns the log since the last take.
func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// take returns the log since the last call.
func (l *logLines) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.b.Reset()
	return l.b.String()
}

// rig is a faulty store with a manager. The clock stands still, and nothing is
// swept, but by the test.
type rig struct {
	testing.TB
	place *place
	store *faulty
	clock *handClock
	log   *logLines
	m     *cloakroom.Manager
}

func newRig(t testing.TB, config *cloakroom.Config) *rig {
	t.Helper()
	return newRigAt(t, newPlace(t), config)
}

func newRigAt(t testing.TB, p *place, config *cloakroom.Config) *rig {
	t.Helper()
	r := &rig{TB: t, place: p, clock: new(handClock), log: new(logLines)}
	r.store = newFaulty(p.open(t))
	r.clock.ms.Store(time.Now().UnixMilli())
	r.m = r.manager(config)
	return r
}

// manager makes one more manager on the rig's store, as another process would.
func (r *rig) manager(config *cloakroom.Config) *cloakroom.Manager {
	r.Helper()
	return r.managerOn(r.store, config)
}

func (r *rig) managerOn(store *faulty, config *cloakroom.Config) *cloakroom.Manager {
	r.Helper()
	var c cloakroom.Config
	if config != nil {
		c = *config
	}
	if c.Transport == nil {
		c.Transport = cloakroom.Cookie{Insecure: true}
	}
	if c.SweepEvery == 0 {
		c.SweepEvery = -1
	}
	if c.SaveTimeout == 0 && !faked() {
		c.SaveTimeout = patience
	}
	if c.CacheFor == 0 {
		c.CacheFor = *cacheFlag
	}
	if c.Now == nil { // else the machine's clock lies apart
		c.Now = r.clock.now
	}
	c.Logger = slog.New(slog.NewTextHandler(r.log, nil))
	m, err := cloakroom.New(store, testKeyring(r), &c)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() {
		store.heal()
		m.Close()
	})
	return m
}

// stored makes a session that is in the store, with a count of visits.
func (r *rig) stored(n int) *cloakroom.Session {
	r.Helper()
	s, err := r.m.Create(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	if n != 0 {
		visits.Set(s, n)
		r.save(s)
	}
	r.store.since()
	return s
}

// signedIn makes a session that a principal is signed in to, and that has been used.
func (r *rig) signedIn(principal string) *cloakroom.Session {
	r.Helper()
	s := r.unused(principal)
	r.open(s)
	if err := s.Refresh(r.Context()); err != nil {
		r.Fatal(err)
	}
	r.store.since()
	return s
}

// unused makes a session that a principal has just signed in to.
func (r *rig) unused(principal string) *cloakroom.Session {
	r.Helper()
	s := r.stored(0)
	if err := s.Login(r.Context(), principal, nil); err != nil {
		r.Fatal(err)
	}
	r.store.since()
	return s
}

func (r *rig) save(s *cloakroom.Session) {
	r.Helper()
	if err := s.Save(r.Context()); err != nil {
		r.Fatalf("Save: %v", err)
	}
}

// open returns a session as another request would see it.
func (r *rig) open(s *cloakroom.Session) *cloakroom.Session { return r.openBy(r.m, s.Token()) }

func (r *rig) openBy(m *cloakroom.Manager, token string) *cloakroom.Session {
	r.Helper()
	s, err := m.Retrieve(r.Context(), token)
	if err != nil {
		r.Fatalf("Retrieve: %v", err)
	}
	return s
}

// kept returns the record of a session in the store.
func (r *rig) kept(id cloakroom.ID) (*driver.Record, error) {
	return r.store.Store.Get(context.Background(), id)
}

// wantVisits checks the count of visits that the store keeps.
func (r *rig) wantVisits(id cloakroom.ID, want int) {
	r.Helper()
	rec, err := r.kept(id)
	if err != nil {
		r.Errorf("session %v: %v", id, err)
		return
	}
	if got := string(rec.Values.Get("visits")); got != fmt.Sprint(want) {
		r.Errorf("session %v keeps visits = %s, want %d", id, got, want)
	}
}

// wantGrave checks that a session has ended, and how.
func (r *rig) wantGrave(id cloakroom.ID, why cloakroom.EndReason) {
	r.Helper()
	rec, err := r.kept(id)
	if !errors.Is(err, cloakroom.ErrGone) || rec == nil || rec.Grave == nil {
		r.Errorf("session %v: got %v, want a grave", id, err)
		return
	}
	if rec.Grave.Reason != why {
		r.Errorf("session %v ended as %q, want %q", id, rec.Grave.Reason, why)
	}
}

// wantShut checks that a token opens nothing, and that its visitor gets a
// fresh id, or none where the session has just been signed out.
func (r *rig) wantShut(id cloakroom.ID, token string) {
	r.Helper()
	g := r.guest()
	g.token = token
	status := http.StatusOK
	if rec, _ := r.kept(id); rec != nil && rec.Grave != nil && rec.Grave.Reason == cloakroom.EndDestroyed && r.clock.now().Sub(rec.Grave.At) < 30*time.Second+driver.ClockTolerance {
		status = http.StatusConflict
	}
	g.want(status, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		if !s.IsNew() || s.Principal() != "" || visits.Get(s) != 0 {
			r.Errorf("the token of %v, which has ended, opens a session of %q with %d visits", id, s.Principal(), visits.Get(s))
		}
		visits.Set(s, 1)
		return nil
	})
	if status != http.StatusOK {
		if g.token != token {
			r.Errorf("a visitor with the token of %v, which was signed out, got another", id)
		}
		return
	}
	g.want(http.StatusOK, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		if s.ID() == id || s.IsNew() {
			r.Errorf("a visitor with the token of %v, which has ended, got the id %v", id, s.ID())
		}
		return nil
	})
}

func (r *rig) wantOps(want string) {
	r.Helper()
	if got := r.store.since(); got != want {
		r.Errorf("store operations: %s, want %s", got, want)
	}
}

// wantErr checks an error against sentinels that it has to wrap.
func (r *rig) wantErr(what string, err error, sentinels ...error) {
	r.Helper()
	for _, s := range sentinels {
		if !errors.Is(err, s) {
			r.Errorf("%s: got error %v, want one that is %q", what, err, s)
		}
	}
}

// guest is a browser without a network: one that keeps a token.
type guest struct {
	r     *rig
	m     *cloakroom.Manager
	mu    sync.Mutex
	token string
}

func (r *rig) guest() *guest { return &guest{r: r, m: r.m} }

// as returns a browser that has a session's token.
func (r *rig) as(s *cloakroom.Session) *guest { return &guest{r: r, m: r.m, token: s.Token()} }

// page is a test's handler.
type page = func(http.ResponseWriter, *http.Request, *cloakroom.Session) error

// request returns a request with the guest's token.
func (g *guest) request(ctx context.Context) *http.Request {
	g.mu.Lock()
	defer g.mu.Unlock()
	req := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	if g.token != "" {
		req.AddCookie(&http.Cookie{Name: "session", Value: g.token})
	}
	return req
}

// do makes one request that f answers.
func (g *guest) do(f page) *httptest.ResponseRecorder {
	return g.send(g.request(context.Background()), f)
}

func (g *guest) send(req *http.Request, f page) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	g.m.With(f).ServeHTTP(w, req)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range w.Result().Cookies() {
		if c.Name != "session" {
			continue
		}
		if g.token = c.Value; c.MaxAge < 0 {
			g.token = ""
		}
	}
	return w
}

// want makes one request and checks its status.
func (g *guest) want(status int, f page) *httptest.ResponseRecorder {
	g.r.Helper()
	w := g.do(f)
	if w.Code != status {
		g.r.Errorf("got status %d %q, want %d", w.Code, w.Body, status)
	}
	return w
}

// visit counts a visit.
func visit(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
	visits.Update(s, plusOne)
	return nil
}

func plusOne(n int) int { return n + 1 }

// look reads.
func look(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
	visits.Get(s)
	return nil
}

// loginAs signs in.
func loginAs(principal string, o *cloakroom.LoginOptions) page {
	return func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		return s.Login(r.Context(), principal, o)
	}
}

func logout(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
	return s.Destroy(r.Context())
}

func renew(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
	return s.Renew(r.Context())
}
