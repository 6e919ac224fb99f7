package cloakroom_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of the sign-in (invariant 9).

// made returns where the id of the next session that is created is kept.
func (r *rig) made() *cloakroom.ID {
	id := new(cloakroom.ID)
	r.store.hook(func(c *call) fate {
		if c.op == "create" && !c.ledger() && id.IsZero() {
			*id = c.id
		}
		return pass
	})
	return id
}

// devices returns the ids of a principal's sessions, sorted.
func (r *rig) devices(principal string) []cloakroom.ID {
	r.Helper()
	list, err := r.m.Admin().Sessions(context.Background(), principal)
	if err != nil {
		r.Errorf("Devices: %v", err)
	}
	var ids []cloakroom.ID
	for _, rec := range list {
		ids = append(ids, rec.ID)
	}
	return sorted(ids)
}

func sorted(ids []cloakroom.ID) []cloakroom.ID {
	slices.SortFunc(ids, func(a, b cloakroom.ID) int { return strings.Compare(a.String(), b.String()) })
	return ids
}

// wantDevices checks which sessions a principal has.
func (r *rig) wantDevices(principal string, want ...cloakroom.ID) {
	r.Helper()
	if got := r.devices(principal); !slices.Equal(got, sorted(want)) {
		r.Errorf("%s has the sessions %v, want %v", principal, got, want)
	}
}

func TestI9_LoginChangesTheCredential(t *testing.T) {
	var events []string
	r := newRig(t, &cloakroom.Config{Events: &cloakroom.Events{
		SignedIn: func(_ context.Context, i cloakroom.Info) {
			events = append(events, fmt.Sprint("in ", i.ID, " ", i.Principal))
		},
		Ended: func(_ context.Context, e cloakroom.Ending) {
			events = append(events, fmt.Sprint(e.ID, " ", e.Reason))
		},
	}})
	old := r.stored(1)
	g := r.as(old)
	r.clock.add(time.Minute)
	w := g.want(200, loginAs("ann", nil))
	cookies := w.Result().Cookies()
	if len(cookies) != 1 || cookies[0].MaxAge != 0 || !cookies[0].Expires.IsZero() {
		t.Errorf("got cookies %v, want one for as long as the browser runs", cookies)
	}
	if cc := w.Header().Get("Cache-Control"); cc != "private, no-store" {
		t.Errorf("Cache-Control: %q", cc)
	}
	s := r.openBy(r.m, g.token)
	info := s.Info()
	if s.ID() == old.ID() || g.token == old.Token() || s.Token() != g.token {
		t.Error("the sign-in kept the id or the token")
	}
	if s.Principal() != "ann" || !s.Authenticated().Equal(r.clock.now()) || !info.Created.Equal(r.clock.now()) || visits.Get(s) != 1 {
		t.Errorf("signed in as %+v with %d visits", info, visits.Get(s))
	}
	r.wantGrave(old.ID(), cloakroom.EndReplaced)
	rec, _ := r.kept(old.ID())
	if rec.Grave.Successor != s.ID() {
		t.Errorf("the grave names the successor %v, want %v", rec.Grave.Successor, s.ID())
	}
	want := []string{fmt.Sprint(old.ID(), " replaced"), fmt.Sprint("in ", s.ID(), " ann")}
	if !slices.Equal(events, want) {
		t.Errorf("events: %q, want %q", events, want)
	}
	r.clock.add(time.Minute + driver.ClockTolerance)
	r.wantShut(old.ID(), old.Token())
	r.wantDevices("ann", s.ID())
}

func TestI9_LoginAndValues(t *testing.T) {
	r := newRig(t, nil)
	check := func(g *guest, principal string, n int) *cloakroom.Session {
		t.Helper()
		s := r.openBy(r.m, g.token)
		if s.Principal() != principal || visits.Get(s) != n {
			t.Errorf("%q is signed in with %d visits, want %q with %d", s.Principal(), visits.Get(s), principal, n)
		}
		return s
	}
	signIn := func(principal string) page {
		return func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			visits.Update(s, plusOne) // goes along if the values do
			if err := s.Login(req.Context(), principal, nil); err != nil {
				return err
			}
			number(1).Set(s, 1) // comes on top
			return nil
		}
	}
	g := r.guest()
	g.want(200, signIn("ann")) // from nothing
	check(g, "ann", 1)
	g = r.as(r.stored(5))
	g.want(200, signIn("ann")) // from an anonymous session
	first := check(g, "ann", 6)
	r.clock.add(time.Hour)
	g.want(200, signIn("ann")) // again
	again := check(g, "ann", 7)
	if !again.Authenticated().After(first.Authenticated()) || again.ID() == first.ID() {
		t.Errorf("authenticated at %v, and before at %v", again.Authenticated(), first.Authenticated())
	}
	r.wantGrave(first.ID(), cloakroom.EndReplaced)
	g.want(200, signIn("bob")) // another one starts empty
	bob := check(g, "bob", 0)
	if number(1).Get(bob) != 1 {
		t.Error("what was set after the sign-in got lost")
	}
	r.wantGrave(again.ID(), cloakroom.EndReplaced)
	r.wantDevices("bob", bob.ID())
	if ids := r.devices("ann"); slices.Contains(ids, again.ID()) || len(ids) != 1 {
		t.Errorf("ann still has %v", ids)
	}
}

func TestI9_SavesDuringLoginAreMerged(t *testing.T) {
	for _, saves := range []int{1, 5, 12} {
		for _, principal := range []string{"", "ann"} {
			runInBubble(t, fmt.Sprintf("%d saves, signed in as %q", saves, principal), func(t *testing.T) {
				r := newRig(t, nil)
				old := r.stored(0)
				if principal != "" {
					old = r.signedIn(principal)
				}
				id := old.ID()
				other := r.openBy(r.manager(nil), old.Token())
				next := r.made()
				held := 0
				r.store.hook(func(c *call) fate { // each burial of the old one finds another save
					if c.op != "bury" || c.id != id || held == saves {
						return pass
					}
					held++
					visits.Update(other, plusOne)
					r.save(other)
					return pass
				})
				mine := r.open(old)
				visits.Update(mine, func(n int) int { return n + 100 }) // not saved yet
				if err := mine.Login(t.Context(), "ann", nil); err != nil {
					t.Fatal(err)
				}
				r.wantVisits(*next, 100+saves)
				if visits.Get(mine) != 100+saves || mine.ID() != *next {
					t.Errorf("the session reads %d", visits.Get(mine))
				}
				r.wantGrave(id, cloakroom.EndReplaced)
			})
		}
	}
	t.Run("another principal takes nothing over", func(t *testing.T) {
		r := newRig(t, nil)
		old := r.signedIn("ann")
		other := r.openBy(r.manager(nil), old.Token())
		g := r.store.hold(isOp("bury"))
		done := later(func() error { return old.Login(context.Background(), "bob", nil) })
		<-g.reached
		visits.Set(other, 5)
		r.save(other)
		g.let(pass)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if _, ok, _ := visits.Lookup(r.open(old)); ok {
			t.Error("bob sees what ann saved")
		}
	})
}

// Changes that another goroutine of the request makes during the sign-in are
// not lost.
func TestI9_ChangesDuringLogin(t *testing.T) {
	for name, test := range map[string]struct {
		before, during func(s *cloakroom.Session)
		want           string
	}{
		"set another key": {func(s *cloakroom.Session) { visits.Set(s, 2) }, func(s *cloakroom.Session) { number(1).Set(s, 1) }, `{"number1":1,"visits":2}`},
		"set the same":    {func(s *cloakroom.Session) { visits.Set(s, 2) }, func(s *cloakroom.Session) { visits.Set(s, 3) }, `{"visits":3}`},
		"update the same": {func(s *cloakroom.Session) { visits.Update(s, plusOne) }, func(s *cloakroom.Session) { visits.Update(s, plusOne) }, `{"visits":3}`},
		"unset the same":  {func(s *cloakroom.Session) { visits.Set(s, 2) }, func(s *cloakroom.Session) { visits.Delete(s) }, `{}`},
		"unset another": {
			func(s *cloakroom.Session) { visits.Delete(s); number(1).Set(s, 1); number(2).Set(s, 2) },
			func(s *cloakroom.Session) { number(1).Delete(s) }, `{"number2":2}`,
		},
		"clear": {func(s *cloakroom.Session) { number(1).Set(s, 2) }, func(s *cloakroom.Session) { s.Clear() }, `{}`},
	} {
		for _, at := range []string{"create", "bury", "bury, with a save in between"} {
			runInBubble(t, name+", before the "+at, func(t *testing.T) {
				r := newRig(t, nil)
				s := r.open(r.stored(1))
				other := r.open(s)
				op, _, conflict := strings.Cut(at, ",")
				g := r.store.hold(isOp(op))
				test.before(s)
				done := later(func() error { return s.Login(t.Context(), "ann", nil) })
				<-g.reached
				test.during(s)
				if conflict {
					number(9).Set(other, 9)
					r.save(other)
				}
				g.let(pass)
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				r.save(s)
				rec, err := r.kept(s.ID())
				if err != nil {
					t.Fatal(err)
				}
				if got := asJSON(rec.Values.Without("number9")); got != test.want {
					t.Errorf("the new session keeps %s, want %s", got, test.want)
				}
			})
		}
	}
}

// A sign-in doesn't succeed from a session that somebody ends meanwhile.
func TestI9_EndedDuringLogin(t *testing.T) {
	for name, e := range endings {
		for what, at := range map[string]func(id cloakroom.ID) matcher{
			"creating": func(cloakroom.ID) matcher { return isOp("create") },
			"entering": func(cloakroom.ID) matcher { return isOn("create", driver.LedgerID("session", "bob")) },
			"retiring": func(id cloakroom.ID) matcher { return isOn("bury", id) },
		} {
			runInBubble(t, name+" before "+what, func(t *testing.T) {
				r := newRig(t, nil)
				old := r.signedIn("ann")
				id, ender := old.ID(), r.open(old)
				next := r.made()
				g := r.store.hold(at(id))
				done := later(func() error { return old.Login(t.Context(), "bob", nil) })
				<-g.reached
				e.end(r, ender)
				g.let(pass)
				err := <-done
				r.wantGrave(id, e.why)
				if e.why == cloakroom.EndReplaced { // by a sign-in as ann
					if err != nil {
						t.Errorf("Login: %v", err)
					}
					r.wantDevices("ann", ender.ID())
					r.wantDevices("bob", old.ID())
					return
				}
				r.wantErr("Login", err, cloakroom.ErrGone)
				r.wantGrave(*next, cloakroom.EndAbandoned)
				r.wantDevices("bob")
			})
		}
	}
}

func TestI9_TwoLoginsFromOneSession(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		old := r.stored(3)
		a, b := r.open(old), r.openBy(r.manager(nil), old.Token())
		g := r.store.hold(isOp("bury"))
		first := later(func() error { return a.Login(t.Context(), "ann", nil) })
		<-g.reached
		if err := b.Login(t.Context(), "ann", nil); err != nil {
			t.Error(err)
		}
		g.let(pass)
		if err := <-first; err != nil { // whose answer is that which the browser gets
			t.Error(err)
		}
		r.wantGrave(b.ID(), cloakroom.EndReplaced)
		r.wantDevices("ann", a.ID())
		r.wantVisits(a.ID(), 3)
	})
}

func TestI13_FaultsOfLogin(t *testing.T) {
	for name, fates := range fates {
		for what, match := range map[string]matcher{
			"creating": isOp("create"), "entering": isLedger("create"), "entering again": isLedger("update"), "retiring": isOp("bury"),
		} {
			runInBubble(t, what+": "+name, func(t *testing.T) {
				r := newRig(t, nil)
				before := r.signedIn("ann").ID()
				principal, all := "ann", []cloakroom.ID{before}
				if what == "entering" {
					principal, all = "bob", nil // whose ledger isn't there yet
				}
				old := r.stored(3)
				oldID := old.ID()
				r.store.fate(match, fates...)
				if err := old.Login(t.Context(), principal, nil); err != nil {
					t.Fatalf("Login: %v", err)
				}
				r.store.deliver()
				r.wantVisits(old.ID(), 3)
				r.wantGrave(oldID, cloakroom.EndReplaced)
				r.wantDevices(principal, append(all, old.ID())...)
				r.wantOpen("after the sign-in", old.Token(), true)
			})
		}
	}
}

// If the ledger can't be written, nobody is signed in, and the old session goes on.
func TestI9_LoginThatFailsLeavesTheOldSession(t *testing.T) {
	for name, match := range map[string]matcher{
		"creating": isOp("create"), "entering": isLedger("create"), "reading the ledger": isLedger("get"), "retiring": isOp("bury"),
	} {
		for _, refusal := range []error{errFull, fmt.Errorf("faulty: %w", cloakroom.ErrInvalid), fmt.Errorf("faulty: %w", cloakroom.ErrTooLarge)} {
			runInBubble(t, fmt.Sprint(name, " ", refusal), func(t *testing.T) {
				r := newRig(t, nil)
				old := r.stored(3)
				g, token := r.as(old), old.Token()
				next := r.made()
				refused := false // once
				r.store.hook(func(c *call) fate {
					if !match(c) || refused {
						return pass
					}
					refused, c.err = true, refusal
					return answered
				})
				w := g.do(loginAs("ann", nil))
				if w.Code < 400 || len(w.Result().Cookies()) != 0 || g.token != token {
					t.Errorf("got %d with cookies %v", w.Code, w.Result().Cookies())
				}
				r.store.heal()
				g.want(200, visit)
				r.wantVisits(old.ID(), 4)
				r.wantDevices("ann")
				if !next.IsZero() {
					if rec, err := r.kept(*next); err == nil {
						t.Errorf("the sign-in left a session of %q behind", rec.Principal)
					}
				}
			})
		}
	}
}

// If nobody knows whether the old session was replaced, neither is ended: one of the
// two has the saved values.
func TestI9_UnknownRetirementLeavesBoth(t *testing.T) {
	for name, f := range map[string]fate{"done": lost, "not done": dropped, "done late": delayed} {
		runInBubble(t, name, func(t *testing.T) {
			r := newRig(t, nil)
			old := r.stored(3)
			g, next := r.as(old), r.made()
			r.store.hook(func(c *call) fate {
				if c.op != "bury" {
					return pass
				}
				r.store.answer(isOn("get", old.ID()), errNoAnswer)
				return f
			})
			w := g.do(func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
				err := s.Login(req.Context(), "ann", nil)
				r.wantErr("Login", err, cloakroom.ErrUnknown, cloakroom.ErrUnavailable)
				return err
			})
			if w.Code != 503 || len(w.Result().Cookies()) != 0 {
				t.Errorf("got %d with cookies %v", w.Code, w.Result().Cookies())
			}
			r.store.heal()
			r.wantVisits(*next, 3)
			if f == lost {
				r.wantGrave(old.ID(), cloakroom.EndReplaced)
			} else {
				r.wantVisits(old.ID(), 3)
			}
			r.store.deliver()
			r.wantVisits(*next, 3)
		})
	}
}

func TestI9_LateRequestWithTheReplacedToken(t *testing.T) {
	const grace = 20 * time.Second
	begin := func(t *testing.T) (*rig, *guest, *guest) {
		r := newRig(t, &cloakroom.Config{RenewGrace: grace})
		s := r.stored(1)
		late, g := r.as(s), r.as(s)
		g.want(200, loginAs("ann", nil))
		return r, late, g
	}
	quiet := func(t *testing.T, late *guest, status int, f page) {
		t.Helper()
		if w := late.want(status, f); len(w.Result().Cookies()) != 0 {
			t.Errorf("a late request got cookies: %v", w.Result().Cookies())
		}
	}
	t.Run("within the grace", func(t *testing.T) {
		r, late, g := begin(t)
		r.clock.add(grace + driver.ClockTolerance - time.Millisecond)
		quiet(t, late, 200, look)
		quiet(t, late, 409, visit)
		quiet(t, late, 409, renew)
		quiet(t, late, 200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			if s.Principal() != "" || !s.IsNew() || visits.Get(s) != 0 || s.Token() != "" {
				t.Errorf("a late request sees %q with %d visits", s.Principal(), visits.Get(s))
			}
			r.wantErr("Update", s.Update(req.Context(), func(tx *cloakroom.Tx) error { visits.Set(tx, 1); return nil }), cloakroom.ErrGone)
			return nil
		})
		g.want(200, visit)
		r.wantVisits(r.openBy(r.m, g.token).ID(), 2)
	})
	// A sign-out that comes late must neither take the new sign-in's cookie
	// away while its session lives on, nor begin another session.
	t.Run("logout within the grace", func(t *testing.T) {
		_, late, _ := begin(t)
		w := late.do(func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			err := s.Destroy(req.Context())
			visits.Set(s, 1) // such as a message for the next page
			return err
		})
		if len(w.Result().Cookies()) != 0 {
			t.Errorf("a late request got cookies: %v", w.Result().Cookies())
		}
	})
	t.Run("after the grace", func(t *testing.T) {
		r, late, _ := begin(t)
		old := late.token
		r.clock.add(grace + driver.ClockTolerance)
		late.want(200, visit)
		if late.token == old {
			t.Error("a request after the grace got no session of its own")
		}
	})
}

func TestI9_Remember(t *testing.T) {
	r := newRig(t, &cloakroom.Config{Lifetime: 10 * 24 * time.Hour})
	g := r.guest()
	cookie := func(f page) *http.Cookie {
		t.Helper()
		c := g.want(200, f).Result().Cookies()
		if len(c) != 1 {
			t.Fatalf("got cookies %v", c)
		}
		return c[0]
	}
	deadline := r.clock.now().Add(10 * 24 * time.Hour)
	c := cookie(loginAs("ann", &cloakroom.LoginOptions{Remember: true}))
	if c.MaxAge != 10*24*3600 || c.Expires.Sub(deadline).Abs() > time.Second {
		t.Errorf("the cookie lasts for %d s until %v, want until %v", c.MaxAge, c.Expires, deadline)
	}
	r.clock.add(24 * time.Hour / 2)
	c = cookie(renew) // stays persistent, to the same end
	if c.MaxAge != 10*24*3600-12*3600 || c.Expires.Sub(deadline).Abs() > time.Second {
		t.Errorf("after a renewal the cookie lasts for %d s until %v, want until %v", c.MaxAge, c.Expires, deadline)
	}
	c = cookie(loginAs("ann", nil))
	if c.MaxAge != 0 || !c.Expires.IsZero() {
		t.Errorf("a sign-in without Remember gives a cookie until %v", c.Expires)
	}
}

func TestLoginLifetimeBounds(t *testing.T) {
	r := newRig(t, &cloakroom.Config{Lifetime: time.Hour, AnonymousLifetime: time.Hour, MaxLifetime: 24 * time.Hour})
	for lifetime, want := range map[time.Duration]time.Duration{
		0: time.Hour, time.Minute: time.Minute, 24 * time.Hour: 24 * time.Hour, 24*time.Hour + 1: 0, -1: 0,
	} {
		s := r.stored(0)
		id := s.ID()
		r.store.since()
		err := s.Login(t.Context(), "ann", &cloakroom.LoginOptions{Lifetime: lifetime})
		if want == 0 {
			if err == nil || !strings.Contains(err.Error(), "MaxLifetime") || s.ID() != id {
				t.Errorf("lifetime %v: %v", lifetime, err)
			}
			r.wantOps("nothing")
			continue
		}
		if err != nil {
			t.Errorf("lifetime %v: %v", lifetime, err)
		} else if got := s.Info().Deadline.Sub(s.Info().Created); got != want {
			t.Errorf("lifetime %v: the session lasts %v, want %v", lifetime, got, want)
		}
	}
}

func TestI14_InvalidPrincipals(t *testing.T) {
	r := newRig(t, nil)
	s := r.stored(0)
	id := s.ID()
	r.store.since()
	for what, p := range map[string]string{
		"empty": "", "513 bytes": strings.Repeat("p", 513), "control": "an\nn", "delete": "ann\x7f", "C1": "ann\u0085", "UTF-8": "ann\xff", "nul": "\x00",
	} {
		_, beginErr := r.m.BeginLogin(t.Context(), p)
		_, devicesErr := r.m.Admin().Sessions(t.Context(), p)
		for call, err := range map[string]error{
			"Login":      s.Login(t.Context(), p, nil),
			"BeginLogin": beginErr,
			"RevokeAll":  r.m.Admin().RevokeAll(t.Context(), p),
			"Devices":    devicesErr,
		} {
			r.wantErr(call+" of an invalid principal, "+what, err, cloakroom.ErrInvalid)
			if err != nil && !strings.Contains(err.Error(), "principal") {
				t.Errorf("%s: %v, which doesn't say what is wrong", call, err)
			}
		}
	}
	r.wantOps("nothing")
	if s.ID() != id || s.Principal() != "" {
		t.Errorf("the session changed to %v of %q", s.ID(), s.Principal())
	}
	for _, p := range []string{"p", strings.Repeat("p", 512), "ännchen", "ann bob@example.com", "用户"} {
		if err := s.Login(t.Context(), p, nil); err != nil || s.Principal() != p {
			t.Errorf("Login as %q: %v", p, err)
		}
		r.wantDevices(p, s.ID())
	}
}

func TestI10_Attempts(t *testing.T) {
	r := newRig(t, nil)
	begin := func(principal string) cloakroom.LoginAttempt {
		t.Helper()
		attempt, err := r.m.BeginLogin(t.Context(), principal)
		if err != nil {
			t.Fatal(err)
		}
		return attempt
	}
	login := func(attempt cloakroom.LoginAttempt) error {
		return r.stored(0).Login(t.Context(), "ann", &cloakroom.LoginOptions{Attempt: attempt})
	}
	r.store.since()
	attempt := begin("ann")
	r.wantOps("get 1")
	r.wantErr("Login with bob's attempt", login(begin("bob")), cloakroom.ErrInvalid)

	text, err := json.Marshal(attempt)
	if err != nil {
		t.Fatal(err)
	}
	var again cloakroom.LoginAttempt
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if err := login(again); err != nil {
		t.Errorf("Login with an attempt that was kept as JSON: %v", err)
	}
	if err := login(again); err != nil {
		t.Errorf("Login with the same attempt once more: %v", err)
	}

	r.clock.add(30 * time.Minute)
	if err := login(attempt); err != nil {
		t.Errorf("Login with an attempt of half an hour: %v", err)
	}
	r.clock.add(time.Millisecond)
	id := r.made()
	err = login(attempt)
	if err == nil || errors.Is(err, cloakroom.ErrUnavailable) || !strings.Contains(err.Error(), "older than") {
		t.Errorf("Login with an older attempt: %v", err)
	}
	r.wantErr("Login with an older attempt", err, cloakroom.ErrRevoked)
	if rec, err := r.kept(*id); err == nil && rec.Principal != "" {
		t.Errorf("it left a session of %q behind", rec.Principal)
	}
	// One from the future would be good for longer than half an hour. Clocks may lie apart.
	future := begin("ann")
	r.clock.add(-driver.ClockTolerance)
	if err := login(future); err != nil {
		t.Errorf("Login with an attempt of a clock that is ahead by the tolerance: %v", err)
	}
	r.clock.add(-time.Millisecond)
	if err := login(future); err == nil || !strings.Contains(err.Error(), "still to come") {
		t.Errorf("Login with an attempt from the future: %v", err)
	}
	for _, bad := range []string{`{`, `{"generation":"x"}`, `7`} {
		if json.Unmarshal([]byte(bad), new(cloakroom.LoginAttempt)) == nil {
			t.Errorf("the attempt %s is accepted", bad)
		}
	}
}

// An attempt is kept in the session while a sign-in takes several requests.
func TestI10_AttemptInTheSession(t *testing.T) {
	kept := cloakroom.NewKey[cloakroom.LoginAttempt]("attempt")
	for _, revoked := range []bool{false, true} {
		t.Run(fmt.Sprint("revoked ", revoked), func(t *testing.T) {
			r := newRig(t, nil)
			g := r.guest()
			g.want(200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
				attempt, err := r.m.BeginLogin(req.Context(), "ann")
				kept.Set(s, attempt)
				return err
			})
			status := 200
			if revoked {
				status = 409
				if err := r.m.Admin().RevokeAll(t.Context(), "ann"); err != nil {
					t.Fatal(err)
				}
			}
			g.want(status, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
				return s.Login(req.Context(), "ann", &cloakroom.LoginOptions{Attempt: kept.Pop(s)})
			})
		})
	}
}

// Checking a password takes its time. All saves of others meanwhile are merged, and
// don't make the sign-in fail.
func TestI9_SlowLogin(t *testing.T) {
	for _, saves := range []int{1, driver.MaxWriteIDs, driver.MaxWriteIDs + 1, 30} {
		for _, process := range []string{"this process", "another one"} {
			runInBubble(t, fmt.Sprint(saves, " saves by ", process), func(t *testing.T) {
				r := newRig(t, nil)
				s := r.stored(0)
				id, m, g := s.ID(), r.m, r.as(s)
				if process != "this process" {
					m = r.manager(nil)
				}
				g.want(200, func(_ http.ResponseWriter, req *http.Request, mine *cloakroom.Session) error {
					for range saves {
						other := r.openBy(m, g.token)
						visits.Update(other, plusOne)
						r.save(other)
					}
					r.clock.add(3 * time.Second)
					return mine.Login(req.Context(), "ann", nil)
				})
				r.wantGrave(id, cloakroom.EndReplaced)
				now := r.openBy(r.m, g.token)
				if now.Principal() != "ann" || visits.Get(now) != saves {
					t.Errorf("%q is signed in with %d visits, want ann with %d", now.Principal(), visits.Get(now), saves)
				}
			})
		}
	}
}

// A sign-out and a sign-in of one Session at the same time: when both have
// returned, nobody is signed in, and nothing of the old session is left.
func TestI9_DestroyDuringLoginOfTheSameSession(t *testing.T) {
	for _, held := range []string{"sign-in", "sign-out"} {
		runInBubble(t, "the "+held+" is slower", func(t *testing.T) {
			r := newRig(t, nil)
			s := r.stored(1)
			id, next := s.ID(), r.made()
			r.as(s).want(200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
				ctx := req.Context()
				visits.Update(s, plusOne)
				login := func() error { return s.Login(ctx, "ann", nil) }
				logout := func() error { return s.Destroy(ctx) }
				first, second := login, logout
				if held == "sign-out" {
					first, second = logout, login
				}
				g := r.store.hold(isOn("bury", id))
				done := later(first)
				<-g.reached
				err := second()
				g.let(pass)
				for _, err := range []error{err, <-done} {
					if err != nil && !errors.Is(err, cloakroom.ErrGone) {
						t.Error(err)
					}
				}
				if n := visits.Get(s); !s.IsNew() || n != 0 || s.Principal() != "" {
					t.Errorf("after the sign-out the session of %q reads %d visits", s.Principal(), n)
				}
				return nil
			})
			if rec, err := r.kept(*next); err == nil {
				t.Errorf("a session of %q is left behind", rec.Principal)
			}
			r.wantDevices("ann")
			for rec, err := range r.m.Admin().Search(t.Context(), driver.Query{}) {
				if err != nil || len(rec.Values) > 0 {
					t.Errorf("values of the session that was signed out are in %v: %v, %v", rec.ID, rec.Values, err)
				}
			}
		})
	}
}
