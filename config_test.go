package cloakroom_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/token"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file is the tests of Config, its defaults and errors, and desk, a manager that
// tests ask by direct calls.

// desk is a manager over a store in memory that is asked by direct calls. Its clock
// stands still until it is moved. It counts the store's operations, and keeps the log
// and the events.
type desk struct {
	t       testing.TB
	m       *cloakroom.Manager
	keyring *cloakroom.Keyring
	store   *counter
	clock   *deskClock
	log     *logLines
	events  *deskEvents
}

var deskStart = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

type deskClock struct{ since atomic.Int64 }

func (c *deskClock) now() time.Time          { return deskStart.Add(time.Duration(c.since.Load())) }
func (c *deskClock) advance(d time.Duration) { c.since.Add(int64(d)) }

// deskEvents keeps events as lines, such as "refused forged".
type deskEvents struct {
	mu    sync.Mutex
	lines []string
}

func (e *deskEvents) add(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lines = append(e.lines, fmt.Sprintf(format, args...))
}

// take returns the events since the last call, in one line.
func (e *deskEvents) take() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	lines := strings.Join(e.lines, ", ")
	e.lines = nil
	return lines
}

func (e *deskEvents) all() *cloakroom.Events {
	return &cloakroom.Events{
		Created:   func(context.Context, cloakroom.Info) { e.add("created") },
		SignedIn:  func(_ context.Context, i cloakroom.Info) { e.add("signed in %s", i.Principal) },
		Renewed:   func(context.Context, cloakroom.Info) { e.add("renewed") },
		Ended:     func(_ context.Context, end cloakroom.Ending) { e.add("ended %s", end.Reason) },
		SignedOut: func(_ context.Context, principal string) { e.add("signed out %s", principal) },
		Refused: func(_ context.Context, id cloakroom.ID, why cloakroom.Refusal) {
			if id.IsZero() {
				e.add("refused %s", why)
			} else {
				e.add("refused %s %v", why, id)
			}
		},
	}
}

// newDesk opens a desk. Fields that the config leaves out are chosen for tests.
func newDesk(t testing.TB, config *cloakroom.Config) *desk {
	t.Helper()
	return newDeskOn(t, openStore(t), testKeyring(t), config)
}

func newDeskOn(t testing.TB, store cloakroom.Store, keyring *cloakroom.Keyring, config *cloakroom.Config) *desk {
	t.Helper()
	d := &desk{t: t, keyring: keyring, store: &counter{Store: store}, clock: new(deskClock), log: new(logLines), events: new(deskEvents)}
	var c cloakroom.Config
	if config != nil {
		c = *config
	}
	if c.Now == nil {
		c.Now = d.clock.now
	}
	if c.SweepEvery == 0 {
		c.SweepEvery = -1
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.NewTextHandler(d.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if c.Events == nil {
		c.Events = d.events.all()
	}
	var err error
	if d.m, err = cloakroom.New(d.store, keyring, &c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.m.Close() })
	return d
}

type deskPage = func(http.ResponseWriter, *http.Request, *cloakroom.Session) error

// ask sends a request to a page.
func (d *desk) ask(page deskPage, with ...func(*http.Request)) *http.Response {
	return serve(d.m.Handler(d.m.With(page)), with...)
}

func serve(h http.Handler, with ...func(*http.Request)) *http.Response {
	r, w := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()
	for _, f := range with {
		f(r)
	}
	h.ServeHTTP(w, r)
	return w.Result()
}

const (
	deskCookie = "__Host-Http-session" // the default
	hatKey     = "hat"
)

var hat = cloakroom.NewKey[string](hatKey)

// lookPage reads, putPage writes.
func lookPage(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
	hat.Get(s)
	return nil
}

func putPage(value string) deskPage {
	return func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		hat.Set(s, value)
		return nil
	}
}

// header adds a line to the request's header.
func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header[name] = append(r.Header[name], value) }
}

func cookie(name, value string) func(*http.Request) { return header("Cookie", name+"="+value) }

// bring sends a token as the default cookie.
func bring(tok string) func(*http.Request) { return cookie(deskCookie, tok) }

// setCookies returns the Set-Cookie lines of a response.
func setCookies(resp *http.Response) []string { return resp.Header["Set-Cookie"] }

// tokenIn returns the token that a response hands out as a cookie, "" if none.
func tokenIn(resp *http.Response) string {
	for _, c := range resp.Cookies() {
		if c.MaxAge >= 0 && len(c.Value) == token.TextLen {
			return c.Value
		}
	}
	return ""
}

// stored makes a session with a hat and returns its token and id.
func (d *desk) stored(value string) (string, cloakroom.ID) {
	d.t.Helper()
	resp := d.ask(putPage(value))
	tok := tokenIn(resp)
	if tok == "" {
		d.t.Fatalf("no token was handed out: %d %v", resp.StatusCode, resp.Header)
	}
	d.store.since()
	d.events.take()
	return tok, idIn(d.t, tok)
}

// hatOf returns the value that a token's session has in the store.
func (d *desk) hatOf(tok string) string {
	d.t.Helper()
	s, err := d.m.Retrieve(context.Background(), tok)
	if err != nil {
		d.t.Fatalf("the session doesn't open: %v", err)
	}
	v := hat.Get(s)
	d.store.since()
	return v
}

func (d *desk) wantOps(want string) {
	d.t.Helper()
	if got := d.store.since(); got != want {
		d.t.Errorf("store operations: %s, want %s", got, want)
	}
}

func (d *desk) wantEvents(want string) {
	d.t.Helper()
	if got := d.events.take(); got != want {
		d.t.Errorf("events: %q, want %q", got, want)
	}
}

// deskRing is the ring of testKeyring.
func deskRing(t testing.TB) *token.Ring {
	t.Helper()
	r, err := token.NewRing([][]byte{[]byte("a secret of a test: 32 bytes, no more")})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var deskScope = token.NewScope("session", "cookie")

func idIn(t testing.TB, tok string) cloakroom.ID {
	t.Helper()
	for _, transport := range []string{"cookie", "bearer"} {
		if got, ok := deskRing(t).Parse(token.NewScope("session", transport), tok); ok {
			return cloakroom.ID(got.ID)
		}
	}
	t.Fatal("the token is not one of ours")
	return cloakroom.ID{}
}

// sign signs a token for an id, well, with a secret that no session has.
func sign(t testing.TB, id cloakroom.ID) string {
	t.Helper()
	return deskRing(t).Sign(deskScope, id, [16]byte{0: 0x5e, 15: 0xc4})
}

// TestDefaults checks each default that Config documents, by its effect.
func TestDefaults(t *testing.T) {
	ctx := context.Background()
	begin := func(t *testing.T, d *desk, principal string) *cloakroom.Session {
		t.Helper()
		s, err := d.m.Create(ctx)
		if err == nil && principal != "" {
			err = s.Login(ctx, principal, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	t.Run("App", func(t *testing.T) {
		if app := begin(t, newDesk(t, nil), "").Info().App; app != "session" {
			t.Errorf("app %q", app)
		}
	})
	t.Run("Transport", func(t *testing.T) {
		resp := newDesk(t, nil).ask(putPage("bowler"))
		if len(setCookies(resp)) != 1 || !strings.HasPrefix(setCookies(resp)[0], "__Host-Http-session=") {
			t.Errorf("Set-Cookie %q", setCookies(resp))
		}
	})
	t.Run("IdleTimeout", func(t *testing.T) {
		for _, principal := range []string{"", "ann"} {
			i := begin(t, newDesk(t, nil), principal).Info()
			if got := i.Expires.Sub(i.Seen); got != 24*time.Hour || !i.Seen.Equal(deskStart) {
				t.Errorf("%q expires after %v", principal, got)
			}
		}
	})
	t.Run("Lifetime and AnonymousLifetime", func(t *testing.T) {
		for principal, want := range map[string]time.Duration{"": 7 * 24 * time.Hour, "ann": 30 * 24 * time.Hour} {
			i := begin(t, newDesk(t, nil), principal).Info()
			if got := i.Deadline.Sub(i.Created); got != want {
				t.Errorf("%q lives %v, want %v", principal, got, want)
			}
		}
	})
	t.Run("MaxLifetime", func(t *testing.T) {
		for _, tt := range []struct {
			config *cloakroom.Config
			want   time.Duration
		}{
			{nil, 30 * 24 * time.Hour},
			{&cloakroom.Config{Lifetime: time.Hour}, 7 * 24 * time.Hour},
			{&cloakroom.Config{Lifetime: time.Hour, AnonymousLifetime: time.Minute}, time.Hour},
			{&cloakroom.Config{AnonymousLifetime: 60 * 24 * time.Hour}, 60 * 24 * time.Hour},
			{&cloakroom.Config{MaxLifetime: 90 * 24 * time.Hour}, 90 * 24 * time.Hour},
		} {
			d := newDesk(t, tt.config)
			s := begin(t, d, "")
			if s.ID().Layout() != driver.LayoutFor(tt.want) {
				t.Errorf("%v: layout %v", tt.want, s.ID().Layout())
			}
			if err := s.Login(ctx, "ann", &cloakroom.LoginOptions{Lifetime: tt.want + 1}); err == nil {
				t.Errorf("a sign-in for longer than %v succeeds", tt.want)
			}
			if err := s.Login(ctx, "ann", &cloakroom.LoginOptions{Lifetime: tt.want}); err != nil {
				t.Errorf("a sign-in for %v: %v", tt.want, err)
			}
		}
	})
	t.Run("lifetimes below a short MaxLifetime", func(t *testing.T) {
		for _, tt := range []struct{ max, lifetime, anonymous time.Duration }{
			{time.Hour, time.Hour, time.Hour}, {10 * 24 * time.Hour, 10 * 24 * time.Hour, 7 * 24 * time.Hour}, {300 * 24 * time.Hour, 30 * 24 * time.Hour, 7 * 24 * time.Hour},
		} {
			d := newDesk(t, &cloakroom.Config{MaxLifetime: tt.max})
			for principal, want := range map[string]time.Duration{"": tt.anonymous, "ann": tt.lifetime} {
				i := begin(t, d, principal).Info()
				if got := i.Deadline.Sub(i.Created); got != want {
					t.Errorf("MaxLifetime %v: %q lives %v, want %v", tt.max, principal, got, want)
				}
			}
		}
	})
	t.Run("TouchEvery", func(t *testing.T) {
		for _, tt := range []struct {
			config cloakroom.Config
			want   time.Duration
		}{
			{cloakroom.Config{}, time.Minute},
			{cloakroom.Config{IdleTimeout: 5 * time.Minute}, 30 * time.Second},
			{cloakroom.Config{IdleTimeout: -1}, time.Minute},
			{cloakroom.Config{TouchEvery: 3 * time.Minute}, 3 * time.Minute},
			{cloakroom.Config{TouchEvery: -1}, time.Millisecond}, // each that is later than the last
		} {
			inBubble(t, func(t *testing.T) {
				d := newDesk(t, &tt.config)
				tok, _ := d.stored("bowler")
				synctest.Wait()
				d.store.since()
				look := func() string {
					d.ask(lookPage, bring(tok))
					synctest.Wait()
					return d.store.since()
				}
				if tt.want > 0 {
					d.clock.advance(tt.want - time.Millisecond)
					if got := look(); got != "1 reads, 0 writes" {
						t.Errorf("%v: early: %s", tt.want, got)
					}
					d.clock.advance(time.Millisecond)
				}
				if got := look(); got != "1 reads, 1 writes" {
					t.Errorf("%v: in time: %s", tt.want, got)
				}
			})
		}
	})
	t.Run("RenewGrace", func(t *testing.T) {
		for grace, want := range map[time.Duration]time.Duration{0: 30 * time.Second, time.Minute: time.Minute} {
			inBubble(t, func(t *testing.T) {
				d := newDesk(t, &cloakroom.Config{RenewGrace: grace})
				before, _ := d.stored("bowler")
				after := tokenIn(d.ask(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
					return s.Renew(r.Context())
				}, bring(before)))
				d.ask(lookPage, bring(after)) // the first use
				synctest.Wait()
				d.clock.advance(want + driver.ClockTolerance - time.Millisecond)
				if d.hatOf(before) != "bowler" {
					t.Error("the old token ends early")
				}
				d.clock.advance(time.Millisecond)
				if _, err := d.m.Retrieve(ctx, before); !errors.Is(err, cloakroom.ErrNotFound) {
					t.Errorf("the old token after %v: %v", want, err)
				}
			})
		}
	})
	t.Run("SaveTimeout", func(t *testing.T) {
		for timeout, want := range map[time.Duration]time.Duration{0: 5 * time.Second, time.Second: time.Second} {
			inBubble(t, func(t *testing.T) {
				mem := memstore.New(nil)
				d := newDeskOn(t, silent{mem}, testKeyring(t), &cloakroom.Config{Now: time.Now, SaveTimeout: timeout})
				start := time.Now()
				resp := d.ask(lookPage, bring(sign(t, driver.NewID(driver.LayoutDay, start))))
				if took := time.Since(start); took != want || resp.StatusCode != http.StatusServiceUnavailable {
					t.Errorf("a store that is silent: %d after %v, want 503 after %v", resp.StatusCode, took, want)
				}
			})
		}
	})
	t.Run("SweepEvery", func(t *testing.T) {
		for every, want := range map[time.Duration]time.Duration{0: 10 * time.Minute, time.Minute: time.Minute, -1: 0} {
			inBubble(t, func(t *testing.T) {
				mem := memstore.New(nil)
				store := &sweeps{Store: mem}
				m, err := cloakroom.New(store, testKeyring(t), &cloakroom.Config{SweepEvery: every})
				if err != nil {
					t.Fatal(err)
				}
				defer m.Close()
				start := time.Now()
				<-time.After(2 * time.Hour)
				times := store.take()
				if want == 0 {
					if len(times) != 0 {
						t.Errorf("it sweeps although it is told not to: %v", times)
					}
					return
				}
				if len(times) == 0 || times[0].Sub(start) > want {
					t.Fatalf("the first sweep is late: %v", times)
				}
				for i := range times[1:] {
					if got := times[i+1].Sub(times[i]); got != want {
						t.Errorf("a sweep comes after %v, want %v", got, want)
					}
				}
			})
		}
	})
	t.Run("NotBefore", func(t *testing.T) {
		d := newDesk(t, nil)
		d.ask(lookPage, bring(sign(t, driver.NewID(driver.LayoutDay, deskStart.Add(-29*24*time.Hour)))))
		d.wantOps("1 reads, 0 writes")
	})
	t.Run("Save", func(t *testing.T) {
		for mode, want := range map[cloakroom.SaveMode]string{
			cloakroom.SaveOnce: "0 reads, 1 writes", cloakroom.SaveManual: "0 reads, 0 writes", cloakroom.SaveEach: "0 reads, 3 writes",
		} {
			d := newDesk(t, &cloakroom.Config{Save: mode})
			d.ask(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				for _, v := range []string{"a", "b", "c"} {
					hat.Set(s, v)
				}
				return nil
			})
			d.wantOps(want)
		}
		if cloakroom.SaveOnce != 0 {
			t.Error("SaveOnce is not the zero mode")
		}
	})
	t.Run("MaxBytes", func(t *testing.T) {
		d := newDesk(t, nil)
		fits := 64<<10 - len(hatKey) - len(`""`)
		if resp := d.ask(putPage(strings.Repeat("x", fits))); resp.StatusCode != http.StatusOK {
			t.Errorf("64 KiB: %d", resp.StatusCode)
		}
		if resp := d.ask(putPage(strings.Repeat("x", fits+1))); resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("64 KiB and a byte: %d", resp.StatusCode)
		}
	})
	t.Run("MaxPerPrincipal", func(t *testing.T) {
		for limit, want := range map[int]int{0: 100, 3: 3, -1: 105} {
			d := newDesk(t, &cloakroom.Config{MaxPerPrincipal: limit})
			var first, last *cloakroom.Session
			for i := range 105 {
				last = begin(t, d, "ann")
				if i == 0 {
					first = last
				}
			}
			devices, err := d.m.Admin().Sessions(ctx, "ann")
			if err != nil || len(devices) != want {
				t.Errorf("limit %d: %d sessions, %v", limit, len(devices), err)
			}
			if _, err := d.m.Retrieve(ctx, last.Token()); err != nil {
				t.Errorf("limit %d: the newest: %v", limit, err)
			}
			if _, err := d.m.Retrieve(ctx, first.Token()); (err == nil) != (limit < 0) {
				t.Errorf("limit %d: the oldest: %v", limit, err)
			}
		}
	})
	t.Run("ClientAddr", func(t *testing.T) {
		for addr, want := range map[string]string{
			"192.0.2.1:1234": "192.0.2.1", "[2001:db8::1]:80": "2001:db8::1", "@": "@", "": "",
		} {
			d := newDesk(t, nil)
			resp := d.ask(putPage("bowler"), func(r *http.Request) { r.RemoteAddr = addr })
			if got := d.open(tokenIn(resp)).Info().Client.Address; got != want {
				t.Errorf("from %q: %q", addr, got)
			}
		}
		d := newDesk(t, &cloakroom.Config{ClientAddr: func(r *http.Request) string { return r.Header.Get("X-Real-Ip") }})
		resp := d.ask(putPage("bowler"), header("X-Real-Ip", "198.51.100.7"))
		if got := d.open(tokenIn(resp)).Info().Client.Address; got != "198.51.100.7" {
			t.Errorf("by ClientAddr: %q", got)
		}
	})
	t.Run("Background", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			d := newDesk(t, &cloakroom.Config{Background: func(r *http.Request) bool { return r.Header.Get("Poll") != "" }})
			tok, _ := d.stored("bowler")
			d.clock.advance(time.Hour)
			d.ask(lookPage, bring(tok), header("Poll", "1"))
			synctest.Wait()
			d.wantOps("1 reads, 0 writes")
			d.ask(lookPage, bring(tok))
			synctest.Wait()
			d.wantOps("1 reads, 1 writes")
		})
	})
	t.Run("OnError", func(t *testing.T) {
		broken := errors.New("broken")
		fail := func(http.ResponseWriter, *http.Request, *cloakroom.Session) error { return broken }
		resp := newDesk(t, nil).ask(fail)
		if resp.StatusCode != http.StatusInternalServerError || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
			t.Errorf("by default: %d %q", resp.StatusCode, resp.Header.Get("Content-Type"))
		}
		resp = newDesk(t, &cloakroom.Config{OnError: func(w http.ResponseWriter, _ *http.Request, status int, err error) {
			if status != 500 || !errors.Is(err, broken) {
				t.Errorf("OnError is given %d, %v", status, err)
			}
			w.WriteHeader(http.StatusTeapot)
		}}).ask(fail)
		if resp.StatusCode != http.StatusTeapot {
			t.Errorf("by OnError: %d", resp.StatusCode)
		}
	})
	t.Run("Events", func(t *testing.T) {
		d := newDesk(t, &cloakroom.Config{Events: &cloakroom.Events{}}) // all of them nil
		s := begin(t, d, "ann")
		if err := errors.Join(s.Renew(ctx), d.m.Admin().RevokeAll(ctx, "ann"), s.Destroy(ctx)); err != nil {
			t.Error(err)
		}
		d.ask(lookPage, bring("forged"))
	})
	t.Run("Logger", func(t *testing.T) {
		before := slog.Default()
		defer slog.SetDefault(before)
		log := new(logLines)
		slog.SetDefault(slog.New(slog.NewTextHandler(log, nil)))
		mem := memstore.New(nil)
		defer mem.Close()
		m, err := cloakroom.New(mem, testKeyring(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		m.Handler(m.With(func(http.ResponseWriter, *http.Request, *cloakroom.Session) error {
			return errors.New("broken")
		})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		if !strings.Contains(log.String(), "broken") {
			t.Errorf("the default logger got %q", log)
		}
	})
	t.Run("Now", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			mem := memstore.New(nil)
			m, err := cloakroom.New(mem, testKeyring(t), &cloakroom.Config{SweepEvery: -1})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			s, err := m.Create(ctx)
			if err != nil || !s.Info().Created.Equal(time.Now()) {
				t.Errorf("created %v, %v, now it is %v", s.Info().Created, err, time.Now())
			}
		})
	})
}

// silent is a store that doesn't answer.
type silent struct{ cloakroom.Store }

func (silent) Get(ctx context.Context, _ cloakroom.ID) (*driver.Record, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// sweeps keeps the times of sweeps.
type sweeps struct {
	cloakroom.Store
	mu    sync.Mutex
	times []time.Time
}

func (s *sweeps) Sweep(context.Context, time.Time) (driver.SweepReport, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times = append(s.times, time.Now())
	return driver.SweepReport{}, nil
}

func (s *sweeps) take() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.times
}

// TestNoIdleTimeout: without one a session lives to its deadline.
func TestNoIdleTimeout(t *testing.T) {
	d := newDesk(t, &cloakroom.Config{IdleTimeout: -1, AnonymousLifetime: 300 * 24 * time.Hour})
	s, tok := d.begun(`hat="cap"`)
	if i := s.Info(); !i.Expires.Equal(i.Deadline) {
		t.Errorf("it expires at %v, its deadline is %v", i.Expires, i.Deadline)
	}
	d.clock.advance(300*24*time.Hour - time.Millisecond)
	d.wantKept(tok, `hat="cap"`)
	d.clock.advance(time.Millisecond)
	if _, err := d.m.Retrieve(context.Background(), tok); !errors.Is(err, cloakroom.ErrNotFound) {
		t.Errorf("at its deadline: %v", err)
	}
}

// TestConfigErrors: a setting that can't work is an error that names the field.
func TestConfigErrors(t *testing.T) {
	cookie := func(c cloakroom.Cookie) cloakroom.Config { return cloakroom.Config{Transport: c} }
	bearer := func(h string) cloakroom.Config { return cloakroom.Config{Transport: cloakroom.Bearer{Header: h}} }
	for name, tt := range map[string]struct {
		config cloakroom.Config
		want   string // "" if it is fine
	}{
		"zero":                    {cloakroom.Config{}, ""},
		"Lifetime":                {cloakroom.Config{Lifetime: -1}, "Config.Lifetime"},
		"AnonymousLifetime":       {cloakroom.Config{AnonymousLifetime: -1}, "Config.AnonymousLifetime"},
		"MaxLifetime":             {cloakroom.Config{MaxLifetime: -1}, "Config.MaxLifetime"},
		"RenewGrace":              {cloakroom.Config{RenewGrace: -1}, "Config.RenewGrace"},
		"SaveTimeout":             {cloakroom.Config{SaveTimeout: -1}, "Config.SaveTimeout"},
		"CacheFor":                {cloakroom.Config{CacheFor: -1}, "Config.CacheFor"},
		"CacheFor of an hour":     {cloakroom.Config{CacheFor: time.Hour}, ""},
		"CacheFor beyond":         {cloakroom.Config{CacheFor: time.Hour + 1}, "at most 1h0m0s"},
		"CacheFor far beyond":     {cloakroom.Config{CacheFor: 500 * 24 * time.Hour}, "at most 1h0m0s"},
		"CacheFor of IdleTimeout": {cloakroom.Config{CacheFor: time.Minute, IdleTimeout: time.Minute}, "less than IdleTimeout, 1m0s"},
		"CacheFor without one":    {cloakroom.Config{CacheFor: time.Minute, IdleTimeout: -1}, ""},
		"negative where it means": {cloakroom.Config{IdleTimeout: -1, TouchEvery: -1, SweepEvery: -1, MaxBytes: -1, MaxPerPrincipal: -1}, ""},
		"App of 128 bytes":        {cloakroom.Config{App: strings.Repeat("x", 128)}, ""},
		"App of 129 bytes":        {cloakroom.Config{App: strings.Repeat("x", 129)}, "Config.App"},
		"App that is not UTF-8":   {cloakroom.Config{App: "a\xff"}, "Config.App"},
		"Lifetime above MaxLifetime": {cloakroom.Config{
			Lifetime: 2 * time.Hour, MaxLifetime: time.Hour}, "Config.Lifetime"},
		"AnonymousLifetime above MaxLifetime": {cloakroom.Config{
			AnonymousLifetime: 2 * time.Hour, MaxLifetime: time.Hour}, "Config.AnonymousLifetime"},
		"MaxLifetime of 400 days":          {cloakroom.Config{MaxLifetime: 400 * 24 * time.Hour}, ""},
		"MaxLifetime beyond 400 days":      {cloakroom.Config{MaxLifetime: 400*24*time.Hour + 1}, "400 days"},
		"Lifetime beyond 400 days":         {cloakroom.Config{Lifetime: 401 * 24 * time.Hour}, "400 days"},
		"AnonymousLifetime beyond 400":     {cloakroom.Config{AnonymousLifetime: 401 * 24 * time.Hour}, "400 days"},
		"IdleTimeout beyond all lifetimes": {cloakroom.Config{IdleTimeout: 1000 * 24 * time.Hour}, ""},
		"Save below":                       {cloakroom.Config{Save: -1}, "Config.Save"},
		"Save above":                       {cloakroom.Config{Save: cloakroom.SaveManual + 1}, "Config.Save"},

		"cookie, plain HTTP":           {cookie(cloakroom.Cookie{Insecure: true}), ""},
		"cookie, another name":         {cookie(cloakroom.Cookie{Name: "sid"}), ""},
		"cookie, a space":              {cookie(cloakroom.Cookie{Name: "my session"}), "Cookie.Name"},
		"cookie, an equals sign":       {cookie(cloakroom.Cookie{Name: "a=b"}), "Cookie.Name"},
		"cookie, a semicolon":          {cookie(cloakroom.Cookie{Name: "a;b"}), "Cookie.Name"},
		"cookie, a line end":           {cookie(cloakroom.Cookie{Name: "a\r\nb"}), "Cookie.Name"},
		"cookie, not ASCII":            {cookie(cloakroom.Cookie{Name: "é"}), "Cookie.Name"},
		"cookie, __Host- on HTTP":      {cookie(cloakroom.Cookie{Name: "__Host-x", Insecure: true}), "Cookie.Name"},
		"cookie, __host- on HTTP":      {cookie(cloakroom.Cookie{Name: "__hOsT-x", Insecure: true}), "Cookie.Name"},
		"cookie, __Secure- on HTTP":    {cookie(cloakroom.Cookie{Name: "__Secure-x", Insecure: true}), "Cookie.Name"},
		"cookie, __Http- on HTTP":      {cookie(cloakroom.Cookie{Name: "__Http-x", Insecure: true}), "Cookie.Name"},
		"cookie, __Host-Http- on HTTP": {cookie(cloakroom.Cookie{Name: "__Host-Http-x", Insecure: true}), "Cookie.Name"},
		"cookie, SameSite None":        {cookie(cloakroom.Cookie{SameSite: http.SameSiteNoneMode}), ""},
		"cookie, None on HTTP":         {cookie(cloakroom.Cookie{SameSite: http.SameSiteNoneMode, Insecure: true}), "Cookie.SameSite"},
		"cookie, Strict":               {cookie(cloakroom.Cookie{SameSite: http.SameSiteStrictMode}), ""},
		"cookie, unknown SameSite":     {cookie(cloakroom.Cookie{SameSite: 99}), "Cookie.SameSite"},

		"bearer":              {bearer(""), ""},
		"bearer, another":     {bearer("X-Token-2"), ""},
		"bearer, a space":     {bearer("X Token"), "Bearer.Header"},
		"bearer, a colon":     {bearer("X-Token:"), "Bearer.Header"},
		"bearer, a line end":  {bearer("X\r\nSet-Cookie"), "Bearer.Header"},
		"bearer, not ASCII":   {bearer("Tökén"), "Bearer.Header"},
		"bearer, underscores": {bearer("X_Token"), "Bearer.Header"},
	} {
		t.Run(name, func(t *testing.T) {
			mem := memstore.New(nil)
			defer mem.Close()
			m, err := cloakroom.New(mem, testKeyring(t), &tt.config)
			if err == nil {
				m.Close()
			}
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("New: %v", err)
			case tt.want != "" && (err == nil || m != nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "cloakroom: ")):
				t.Errorf("New: %v, want an error that names %s", err, tt.want)
			}
		})
	}
	if _, err := cloakroom.New(nil, testKeyring(t), nil); err == nil || !strings.Contains(err.Error(), "store") {
		t.Errorf("New without a store: %v", err)
	}
}

// TestConfigIsCopied: a Config can be used for another Manager afterwards.
func TestConfigIsCopied(t *testing.T) {
	mem := memstore.New(nil)
	defer mem.Close()
	config := &cloakroom.Config{SweepEvery: -1}
	m, err := cloakroom.New(mem, testKeyring(t), config)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if config.App != "" || config.Transport != nil || config.Lifetime != 0 || config.Events != nil || config.Now != nil {
		t.Errorf("New filled in the caller's Config: %+v", config)
	}
	config.App, config.AnonymousLifetime = "other", time.Minute
	s, err := m.Create(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if i := s.Info(); i.App != "session" || i.Deadline.Sub(i.Created) != 7*24*time.Hour {
		t.Errorf("a change of the Config came through: %+v", i)
	}
}

// TestUserAgentIsCut to 256 bytes, and to whole characters.
func TestUserAgentIsCut(t *testing.T) {
	d := newDesk(t, nil)
	for agent, want := range map[string]string{
		"Lynx":                          "Lynx",
		strings.Repeat("x", 1<<16):      strings.Repeat("x", 256),
		"x" + strings.Repeat("é", 1000): "x" + strings.Repeat("é", 127),
		"a\xffb":                        "ab",
	} {
		resp := d.ask(putPage("bowler"), header("User-Agent", agent))
		if got := d.open(tokenIn(resp)).Info().Client.UserAgent; got != want {
			t.Errorf("an agent of %d bytes is kept as %q", len(agent), got)
		}
	}
}

// TestImports: the package links the standard library, this module, and for
// Config.CacheFor a list of the values used last, which depends on nothing itself.
func TestImports(t *testing.T) {
	const module = "github.com/cloakroom-go/cloakroom"
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	got := strings.Fields(string(out))
	slices.Sort(got)
	const lru = "github.com/hashicorp/golang-lru/v2"
	if want := []string{module, module + "/driver", module + "/figures", module + "/internal/lru", module + "/internal/protocol", module + "/internal/timeout", module + "/internal/token", lru + "/internal", lru + "/simplelru"}; !slices.Equal(got, want) {
		t.Errorf("beside the standard library it links %q, want %q", got, want)
	}
}
