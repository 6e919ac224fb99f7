package cloakroom_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of Session.Ended and Session.Forget: why a session is over,
// and the token of one that is.

// told returns the result of Session.Ended as one text: the reason, and how long ago.
func (r *rig) told(s *cloakroom.Session) string {
	why, at, ok := s.Ended()
	if !ok {
		if why != "" || !at.IsZero() {
			r.Errorf("it has not ended, but %q, %v", why, at)
		}
		return ""
	}
	return fmt.Sprint(why, " ", r.clock.now().Sub(at).Round(time.Second))
}

// wantTold makes a request with a token, and checks the result of Ended and the
// operations that it costs. The client's token has to stay.
func (r *rig) wantTold(what, token, want, ops string) {
	r.Helper()
	r.store.since()
	g := r.guest()
	g.token = token
	w := g.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		if got := r.told(s); got != want {
			r.Errorf("%s: told %q, want %q", what, got, want)
		}
		return nil
	})
	if len(w.Result().Cookies()) != 0 {
		r.Errorf("%s: the client's cookie is changed: %v", what, w.Result().Cookies())
	}
	r.wantOps(ops)
	// Retrieve says the same.
	_, err := r.m.Retrieve(r.Context(), token)
	ended, is := errors.AsType[*cloakroom.EndedError](err)
	switch {
	case want == "" && is:
		r.Errorf("%s: Retrieve says %v", what, err)
	case want != "" && !is:
		r.Errorf("%s: Retrieve: %v, want an EndedError", what, err)
	case is:
		r.wantErr(what, err, cloakroom.ErrNotFound)
		if got := fmt.Sprint(ended.Reason, " ", r.clock.now().Sub(ended.At).Round(time.Second)); got != want || ended.ID.IsZero() || !strings.Contains(err.Error(), string(ended.Reason)) {
			r.Errorf("%s: Retrieve says %q (%v), want %q", what, got, err, want)
		}
	}
}

func TestEnded(t *testing.T) {
	for reason, end := range map[string]func(r *rig, s *cloakroom.Session) error{
		"destroyed": func(r *rig, s *cloakroom.Session) error { return s.Destroy(r.Context()) },
		"replaced":  func(r *rig, s *cloakroom.Session) error { return s.Login(r.Context(), "ann", nil) },
		"revoked":   func(r *rig, s *cloakroom.Session) error { return r.m.Admin().Revoke(r.Context(), s.ID()) },
		"revoked everywhere": func(r *rig, s *cloakroom.Session) error {
			return r.m.Admin().RevokeAll(r.Context(), "ann")
		},
		"expired": func(r *rig, s *cloakroom.Session) error {
			r.clock.add(25 * time.Hour)
			_, err := r.m.Admin().Sessions(r.Context(), "ann")
			return err
		},
	} {
		r := newRig(t, nil)
		s := r.signedIn("ann")
		token := s.Token()
		if err := end(r, s); err != nil {
			t.Fatalf("%s: %v", reason, err)
		}
		word, _, _ := strings.Cut(reason, " ")
		for _, later := range []time.Duration{0, 10 * time.Second, time.Hour} {
			r.clock.add(later)
			want := fmt.Sprint(word, " ", map[time.Duration]time.Duration{0: 0, 10 * time.Second: 10 * time.Second, time.Hour: time.Hour + 10*time.Second}[later])
			r.wantTold(reason, token, want, "get 1")
		}
	}
}

// A session that the request itself finds expired: idle, and at its deadline.
func TestEndedByTime(t *testing.T) {
	r := newRig(t, &cloakroom.Config{IdleTimeout: time.Hour, Lifetime: 90 * time.Minute, MaxLifetime: 24 * time.Hour})
	idle := r.signedIn("ann").Token()
	r.clock.add(time.Hour + time.Minute)
	r.wantTold("idle", idle, "expired 0s", "bury 1, get 1")
	r.clock.add(time.Minute)
	r.wantTold("idle, found before", idle, "expired 1m0s", "get 1")

	s := r.signedIn("bob")
	token := s.Token()
	for range 3 {
		r.clock.add(29 * time.Minute)
		s := r.open(s)
		visits.Update(s, plusOne)
		r.save(s)
	}
	r.clock.add(5 * time.Minute)
	r.wantTold("past its deadline", token, "expired 2m0s", "get 1")
}

// Of a live, unknown or forged token Ended tells nothing.
func TestEndedTellsNothing(t *testing.T) {
	r := newRig(t, nil)
	live := r.signedIn("ann")
	r.wantTold("live", live.Token(), "", "get 1")
	r.as(live).want(200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
		if err := s.Renew(req.Context()); err != nil {
			return err
		}
		if got := r.told(s); got != "" {
			t.Errorf("renewed: %q", got)
		}
		return nil
	})
	gone := r.signedIn("bob")
	token := gone.Token()
	if err := gone.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.wantTold("forged", token[:len(token)-2]+"AA", "", "nothing")
	r.wantTold("nothing", "", "", "nothing")
	// Out of its time: the grave is as good as swept.
	r.clock.add(31 * 24 * time.Hour)
	r.wantTold("out of time", token, "", "nothing")
}

// Of several tokens the session that ended last is told, but none beside a live one.
func TestEndedOfSeveral(t *testing.T) {
	r := newRig(t, nil)
	ended := func(why cloakroom.EndReason) string {
		s := r.signedIn("ann")
		token := s.Token()
		var err error
		if why == cloakroom.EndRevoked {
			err = r.m.Admin().Revoke(t.Context(), s.ID())
		} else {
			err = s.Destroy(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	ask := func(want string, tokens ...string) {
		t.Helper()
		req := r.guest().request(t.Context())
		for _, token := range tokens {
			req.AddCookie(&http.Cookie{Name: "session", Value: token})
		}
		r.guest().send(req, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			if got := r.told(s); got != want {
				t.Errorf("of %d tokens told %q, want %q", len(tokens), got, want)
			}
			return nil
		})
	}
	old := r.signedIn("ann")
	first := ended(cloakroom.EndDestroyed)
	r.clock.add(time.Minute)
	second := ended(cloakroom.EndRevoked)
	r.clock.add(time.Minute)
	oldToken := old.Token()
	ask("revoked 1m0s", first, second)
	ask("revoked 1m0s", second, first)
	ask("", first, oldToken, second)
	ask("", first, oldToken, r.signedIn("bob").Token())
	if err := old.Destroy(t.Context()); err != nil { // made first, ended last
		t.Fatal(err)
	}
	ask("destroyed 0s", first, oldToken, second)
}

// A request whose session ends meanwhile learns why by Refresh.
func TestRefreshTellsTheEnd(t *testing.T) {
	r := newRig(t, nil)
	s := r.signedIn("ann")
	if err := r.m.Admin().Revoke(t.Context(), s.ID()); err != nil {
		t.Fatal(err)
	}
	if got := r.told(s); got != "" {
		t.Errorf("before Refresh: %q", got)
	}
	r.wantErr("Refresh", s.Refresh(t.Context()), cloakroom.ErrGone)
	if got := r.told(s); got != "revoked 0s" {
		t.Errorf("after Refresh: %q", got)
	}
	idle := r.signedIn("bob")
	r.clock.add(25 * time.Hour)
	r.wantErr("Refresh", idle.Refresh(t.Context()), cloakroom.ErrGone)
	if got := r.told(idle); got != "expired 0s" {
		t.Errorf("idle, after Refresh: %q", got)
	}
}

// With CacheFor a remembered session is live. Another one asks the store as before.
func TestEndedWithCache(t *testing.T) {
	r := newRig(t, &cloakroom.Config{CacheFor: time.Minute})
	s := r.signedIn("ann")
	token := s.Token()
	if err := cloakroom.NewAdmin(r.store, "").Revoke(t.Context(), s.ID()); err != nil {
		t.Fatal(err)
	}
	r.wantTold("remembered", token, "", "nothing")
	r.clock.add(time.Minute)
	r.wantTold("known", token, "revoked 1m0s", "get 1")
}

func forget(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error { return s.Forget() }

// Forget has the client forget its token, and ends nothing.
func TestForget(t *testing.T) {
	r := newRig(t, nil)
	live := r.signedIn("ann")
	g := r.as(live)
	g.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		visits.Set(s, 7) // is dropped
		if err := s.Forget(); err != nil {
			return err
		}
		if !s.IsNew() || s.Principal() != "" || s.Token() != "" || visits.Get(s) != 0 {
			t.Errorf("the session is %q's with %d visits", s.Principal(), visits.Get(s))
		}
		return nil
	})
	r.wantOps("get 1")
	if g.token != "" {
		t.Error("the client keeps its token")
	}
	if got := r.open(live); got.Principal() != "ann" || visits.Get(got) != 0 {
		t.Errorf("the session that was forgotten is %q's, with %d visits", got.Principal(), visits.Get(got))
	}
	// A value that is set afterwards begins another session.
	g = r.as(live)
	g.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		defer visits.Set(s, 1)
		return s.Forget()
	})
	if s := r.openBy(r.m, g.token); s.ID() == live.ID() || s.Principal() != "" {
		t.Errorf("it went on as %v of %q", s.ID(), s.Principal())
	}
	// So does a sign-in, which ends nothing.
	g = r.as(live)
	g.want(200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
		if err := s.Forget(); err != nil {
			return err
		}
		return s.Login(req.Context(), "ann", nil)
	})
	r.wantDevices("ann", live.ID(), r.openBy(r.m, g.token).ID())
	// A session that has ended, or never was.
	for what, token := range map[string]string{"revoked": r.revoked().Token(), "forged": "nonsense", "none": ""} {
		g := r.guest()
		g.token = token
		w := g.want(200, forget)
		if c := w.Result().Cookies(); len(c) != 1 || c[0].MaxAge >= 0 || c[0].Value != "" {
			t.Errorf("%s: the client gets %v", what, c)
		}
	}
	// Also where the request fails afterwards.
	g = r.as(live)
	g.want(500, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		return errors.Join(s.Forget(), errors.New("broken"))
	})
	if g.token != "" {
		t.Error("the client keeps its token where the request fails")
	}
	// Outside of a request there is no client.
	if s := r.open(live); s.Forget() != nil || !s.IsNew() {
		t.Error("outside of a request it is not a new session")
	}
}

// revoked makes a session of ann's that was revoked.
func (r *rig) revoked() *cloakroom.Session {
	r.Helper()
	s := r.signedIn("ann")
	if err := r.m.Admin().Revoke(r.Context(), s.ID()); err != nil {
		r.Fatal(err)
	}
	return s
}

// A late request, whose client may hold the next sign-in's token by now, takes nothing
// away.
func TestForgetInALateRequest(t *testing.T) {
	for how, end := range map[string]page{"replaced": loginAs("ann", nil), "destroyed": logout, "renewed": func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
		return s.RenewStrict(req.Context())
	}} {
		r := newRig(t, nil)
		g := r.as(r.signedIn("ann"))
		late := r.guest()
		late.token = g.token
		g.want(200, end)
		for _, after := range []time.Duration{0, 29 * time.Second, driver.ClockTolerance} {
			if how == "renewed" && after > time.Minute {
				continue // its grace is that of one clock
			}
			r.clock.add(after)
			w := late.want(200, forget)
			if c := w.Result().Cookies(); len(c) != 0 {
				t.Errorf("%s, %v later: the client gets %v", how, after, c)
			}
		}
		if how == "renewed" {
			continue // the session lives
		}
		r.clock.add(time.Minute)
		late.want(200, forget)
		if late.token != "" {
			t.Errorf("%s, long ago: the client keeps its token", how)
		}
	}
	// The session ends while the request lasts.
	for how, c := range map[string]struct {
		end  func(r *rig, s *cloakroom.Session) error
		told bool
	}{
		"replaced": {func(r *rig, s *cloakroom.Session) error { return s.Login(r.Context(), "ann", nil) }, false},
		"revoked":  {func(r *rig, s *cloakroom.Session) error { return r.m.Admin().Revoke(r.Context(), s.ID()) }, true},
	} {
		r := newRig(t, nil)
		s := r.signedIn("ann")
		g := r.as(s)
		g.want(200, func(_ http.ResponseWriter, req *http.Request, mine *cloakroom.Session) error {
			if err := c.end(r, s); err != nil {
				return err
			}
			r.wantErr("Refresh", mine.Refresh(req.Context()), cloakroom.ErrGone)
			return mine.Forget()
		})
		if told := g.token == ""; told != c.told {
			t.Errorf("%s meanwhile: told %v", how, told)
		}
	}
}

// Of several live sessions none is forgotten: the others would be left.
func TestForgetOfSeveral(t *testing.T) {
	r := newRig(t, nil)
	req := r.guest().request(t.Context())
	for _, who := range []string{"ann", "bob"} {
		req.AddCookie(&http.Cookie{Name: "session", Value: r.signedIn(who).Token()})
	}
	w := r.guest().send(req, forget)
	if w.Code != 409 || len(w.Result().Cookies()) != 0 {
		t.Errorf("%d, and the client gets %v", w.Code, w.Result().Cookies())
	}
}

// Once the response has begun nothing can be told, and nothing is done.
func TestI7_ForgetTooLate(t *testing.T) {
	r := newRig(t, nil)
	g := r.as(r.signedIn("ann"))
	g.want(200, func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		w.WriteHeader(200)
		r.wantErr("Forget", s.Forget(), cloakroom.ErrTooLate)
		if s.IsNew() {
			t.Error("the session is gone all the same")
		}
		return nil
	})
}

// After Forget a visitor can still repeat a sign-in whose answer was lost.
func TestI9_ForgetAndRepeat(t *testing.T) {
	r := newRig(t, nil)
	g := r.as(r.signedIn("ann"))
	lost := r.guest()
	lost.token = g.token
	lost.want(200, loginAs("ann", nil))
	r.clock.add(10 * time.Minute)
	g.want(200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
		if err := s.Forget(); err != nil {
			return err
		}
		return s.Login(req.Context(), "ann", nil)
	})
	r.wantDevices("ann", r.openBy(r.m, g.token).ID())
}
