package cloakroom_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of late requests, just after a sign-out or a sign-in
// (invariant 4).

// A request that comes with the token of a session that has just been signed out
// begins no anonymous session: its cookie would put itself in the place of the next
// sign-in's.
func TestI4_LateRequestAfterSignOut(t *testing.T) {
	const grace = 20 * time.Second
	begin := func(t *testing.T) (r *rig, s *cloakroom.Session, late *guest) {
		r = newRig(t, &cloakroom.Config{RenewGrace: grace})
		s = r.signedIn("ann")
		visits.Set(s, 3)
		r.save(s)
		late = r.as(s)
		g := r.as(s)
		g.want(200, logout)
		if g.token != "" {
			t.Error("the sign-out left the browser its token")
		}
		r.wantGrave(s.ID(), cloakroom.EndDestroyed)
		return r, s, late
	}
	quiet := func(t *testing.T, late *guest, status int, f page) {
		t.Helper()
		if w := late.want(status, f); len(w.Result().Cookies()) != 0 {
			t.Errorf("a late request got cookies: %v", w.Result().Cookies())
		}
	}
	logoutWithMessage := func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
		err := s.Destroy(req.Context())
		visits.Set(s, 7)
		return err
	}

	t.Run("within the grace", func(t *testing.T) {
		r, _, late := begin(t)
		r.clock.add(grace + driver.ClockTolerance - time.Millisecond)
		quiet(t, late, 200, look)
		quiet(t, late, 409, visit)
		quiet(t, late, 200, logout)
		quiet(t, late, 409, logoutWithMessage)
		quiet(t, late, 200, renew)
		// Changes that leave no value begin no session.
		quiet(t, late, 200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			visits.Delete(s)
			return nil
		})
		quiet(t, late, 200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			if s.Principal() != "" || !s.IsNew() || visits.Get(s) != 0 || s.Token() != "" {
				t.Errorf("a late request sees %q with %d visits", s.Principal(), visits.Get(s))
			}
			r.wantErr("Update", s.Update(req.Context(), func(tx *cloakroom.Tx) error { visits.Set(tx, 1); return nil }), cloakroom.ErrGone)
			return nil
		})
	})
	t.Run("the next sign-in stays", func(t *testing.T) {
		r, _, late := begin(t)
		g := r.guest()
		g.want(200, loginAs("ann", nil))
		token := g.token
		// The browser that has it by now takes the late answers as well.
		quiet(t, late, 409, visit)
		quiet(t, late, 200, logout)
		quiet(t, late, 409, logoutWithMessage)
		g.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			if g.token != token || s.Principal() != "ann" {
				t.Errorf("after late requests the browser is %q", s.Principal())
			}
			return nil
		})
	})
	t.Run("a sign-in with it", func(t *testing.T) {
		r, old, late := begin(t)
		late.want(200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			visits.Set(s, 1)
			r.wantErr("Save", s.Save(req.Context()), cloakroom.ErrGone)
			visits.Delete(s)
			return s.Login(req.Context(), "ann", nil)
		})
		late.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			if s.Principal() != "ann" || s.ID() == old.ID() || visits.Get(s) != 0 {
				t.Errorf("signed in as %q, to %v with %d visits", s.Principal(), s.ID(), visits.Get(s))
			}
			return nil
		})
		late.want(200, visit)
	})
	t.Run("after the grace", func(t *testing.T) {
		r, s, late := begin(t)
		r.clock.add(grace + driver.ClockTolerance)
		late.want(200, visit)
		if id := r.openBy(r.m, late.token).ID(); id == s.ID() {
			t.Error("it got its own id again")
		}
	})
	// The request that signs out isn't late.
	t.Run("a message for the next page", func(t *testing.T) {
		r := newRig(t, &cloakroom.Config{RenewGrace: grace})
		s := r.signedIn("ann")
		g := r.as(s)
		g.want(200, logoutWithMessage)
		next := r.openBy(r.m, g.token)
		r.wantVisits(next.ID(), 7)
		if next.ID() == s.ID() || next.Principal() != "" {
			t.Errorf("signed out, the browser is %q in %v", next.Principal(), next.ID())
		}
	})
	// Nobody told its browser to forget the token: all that it sends comes with it,
	// the page to sign in on as well.
	t.Run("ended from elsewhere", func(t *testing.T) {
		for how, end := range map[string]func(*rig, *cloakroom.Session) error{
			"by a console": func(r *rig, s *cloakroom.Session) error { return r.m.Admin().Revoke(t.Context(), s.ID()) },
			"everywhere":   func(r *rig, _ *cloakroom.Session) error { return r.m.Admin().RevokeAll(t.Context(), "ann") },
		} {
			r := newRig(t, &cloakroom.Config{RenewGrace: grace})
			s := r.signedIn("ann")
			g := r.as(s)
			if err := end(r, s); err != nil {
				t.Fatal(err)
			}
			g.want(200, visit)
			if id := r.openBy(r.m, g.token).ID(); id == s.ID() {
				t.Errorf("%s: it got its own id again", how)
			}
		}
	})
}

// Nor does one that comes with the token that a sign-in replaced. But where nothing would
// be saved, as on a page that shows a message if there is one, it isn't refused.
func TestI4_LateRequestAfterSignIn(t *testing.T) {
	for _, mode := range []cloakroom.SaveMode{cloakroom.SaveOnce, cloakroom.SaveEach} {
		r := newRig(t, &cloakroom.Config{Save: mode})
		s := r.stored(3)
		late := r.as(s)
		r.as(s).want(200, loginAs("ann", nil))
		for name, c := range map[string]struct {
			status int
			page   page
		}{
			"a value": {409, visit},
			"no message": {200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
				text, ok, err := flash.Take(req.Context(), s)
				if text != "" || ok {
					t.Errorf("a late request is told %q, %v", text, ok)
				}
				return err
			}},
			"a value taken back": {200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				visits.Delete(s)
				return nil
			}},
			"a value by Update": {200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
				r.wantErr("Update", s.Update(req.Context(), func(tx *cloakroom.Tx) error { visits.Set(tx, 1); return nil }), cloakroom.ErrGone)
				return nil
			}},
			"a message beside a value": {409, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
				visits.Set(s, 1)
				_, ok, err := flash.Take(req.Context(), s)
				if ok {
					t.Error("a late request is told a message")
				}
				if err == nil {
					err = s.Err()
				}
				return err
			}},
		} {
			if w := late.want(c.status, c.page); len(w.Result().Cookies()) != 0 {
				t.Errorf("%s: a late request got cookies: %v", name, w.Result().Cookies())
			}
		}
	}
}
