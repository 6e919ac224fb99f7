package cloakroom_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the tests of Discard: unsaved changes are dropped, all else stays.

// Discarded changes are gone. Changes that had been saved, or are made later, are not.
func TestDiscard(t *testing.T) {
	for _, mode := range []cloakroom.SaveMode{cloakroom.SaveOnce, cloakroom.SaveManual} {
		r := newRig(t, &cloakroom.Config{Save: mode})
		for name, change := range map[string]func(*cloakroom.Session){
			"nothing":               func(*cloakroom.Session) {},
			"a set":                 func(s *cloakroom.Session) { visits.Set(s, 7) },
			"an update":             func(s *cloakroom.Session) { visits.Update(s, plusOne) },
			"an unset":              func(s *cloakroom.Session) { s.Unset("visits") },
			"a pop":                 func(s *cloakroom.Session) { visits.Pop(s) },
			"clear":                 func(s *cloakroom.Session) { s.Clear(); hat.Set(s, "cap") },
			"what can't be encoded": func(s *cloakroom.Session) { s.SetRaw("visits", json.RawMessage("{")) },
			"what can't be decoded": func(s *cloakroom.Session) { cloakroom.NewKey[string]("visits").Get(s) },
			"a wrong name":          func(s *cloakroom.Session) { s.SetRaw("\xff", json.RawMessage("1")) },
		} {
			s := r.stored(1)
			r.as(s).want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				change(s)
				s.Discard()
				if s.Err() != nil || visits.Get(s) != 1 || hat.Get(s) != "" {
					return fmt.Errorf("it reads %d, %q, and Err is %w", visits.Get(s), hat.Get(s), s.Err())
				}
				return nil
			})
			r.wantOps("get 1")
			r.wantVisits(s.ID(), 1)
			// Later changes, and those saved before, stay.
			r.as(s).want(200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
				hat.Set(s, "fez")
				if err := s.Save(req.Context()); err != nil {
					return err
				}
				change(s)
				s.Discard()
				visits.Update(s, plusOne)
				return s.Save(req.Context())
			})
			r.wantVisits(s.ID(), 2)
			if got := hat.Get(r.open(s)); got != "fez" {
				t.Errorf("%s: what was saved before is %q", name, got)
			}
			r.store.since()
		}
		// A session that is not stored is none afterwards.
		g := r.guest()
		g.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			visits.Set(s, 1)
			s.Discard()
			return nil
		})
		r.wantOps("nothing")
		if g.token != "" {
			t.Error("a session was begun for what was discarded")
		}
	}
}

// A sign-in, a renewal or a sign-out that has happened, and is to be told, stays.
func TestDiscardLeavesTheSignIn(t *testing.T) {
	r := newRig(t, nil)
	g := r.as(r.stored(1))
	g.want(200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
		if err := s.Login(req.Context(), "ann", nil); err != nil {
			return err
		}
		visits.Set(s, 7)
		s.Discard()
		return nil
	})
	s := r.openBy(r.m, g.token)
	if s.Principal() != "ann" || visits.Get(s) != 1 {
		t.Errorf("it is %q's, with %d visits", s.Principal(), visits.Get(s))
	}
}

// A save whose outcome is unknown is no less so afterwards: the request fails.
func TestI13_DiscardLeavesTheUnknown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(1)
		r.store.answer(isOp("update"), errNoAnswer)
		r.as(s).want(503, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			visits.Set(s, 2)
			r.wantErr("the save", s.Save(req.Context()), cloakroom.ErrUnknown)
			s.Discard()
			r.wantErr("Err", s.Err(), cloakroom.ErrUnknown)
			return nil
		})
	})
}

// A recovered panic: with Discard nothing of it is saved, and the answer is the
// application's.
func TestI7_RecoveredPanicIsDiscarded(t *testing.T) {
	for _, discard := range []bool{false, true} {
		r := newRig(t, nil)
		s := r.stored(1)
		r.as(s).want(500, func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			defer func() {
				if recover() != nil {
					if discard {
						s.Discard()
					}
					http.Error(w, "sorry", http.StatusInternalServerError)
				}
			}()
			visits.Set(s, 2)
			panic("halfway")
		})
		want := 2
		if discard {
			want = 1
		}
		r.wantVisits(s.ID(), want)
	}
}

// A name that a visitor typed is 400, with a text that says what is allowed, and
// nothing is logged. A fault of the application's is 500, though it is ErrInvalid as
// well.
func TestWhatAVisitorTypes(t *testing.T) {
	r := newRig(t, nil)
	s := r.stored(1)
	bad := []string{"", strings.Repeat("x", 513), "a\xffb", "a\x00b", "a\nb", "a\u0085b"}
	for _, name := range bad {
		for what, f := range map[string]page{
			"Login": loginAs(name, nil),
			"BeginLogin": func(_ http.ResponseWriter, req *http.Request, _ *cloakroom.Session) error {
				_, err := r.m.BeginLogin(req.Context(), name)
				return err
			},
			"RevokeAll": func(_ http.ResponseWriter, req *http.Request, _ *cloakroom.Session) error {
				return r.m.Admin().RevokeAll(req.Context(), name)
			},
			"Sessions": func(_ http.ResponseWriter, req *http.Request, _ *cloakroom.Session) error {
				_, err := r.m.Admin().Sessions(req.Context(), name)
				return err
			},
			"wrapped": func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
				err := s.Login(req.Context(), name, nil)
				r.wantErr("Login", err, cloakroom.ErrInvalid)
				return fmt.Errorf("signing in: %w", err)
			},
		} {
			w := r.as(s).do(f)
			if body := w.Body.String(); w.Code != 400 || !strings.Contains(body, "512") || name != "" && strings.Contains(body, name) {
				t.Errorf("%s of %.20q: %d %q", what, name, w.Code, w.Body)
			}
			if got := r.log.take(); got != "" {
				t.Errorf("%s of %.20q is logged: %s", what, name, got)
			}
		}
	}
	r.as(s).want(500, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
		attempt, err := r.m.BeginLogin(req.Context(), "ann")
		if err != nil {
			return err
		}
		err = s.Login(req.Context(), "bob", &cloakroom.LoginOptions{Attempt: attempt})
		r.wantErr("another's attempt", err, cloakroom.ErrInvalid)
		return err
	})
	if got := r.log.take(); !strings.Contains(got, "kind=invalid") {
		t.Errorf("another's attempt is logged as %q", got)
	}
}

// Discard waits for a save that is under way. Changes that it saved stay, and those
// that it couldn't save are dropped.
func TestDiscardWaitsForTheSave(t *testing.T) {
	for _, done := range []bool{true, false} {
		r := newRig(t, nil)
		s := r.open(r.stored(1))
		g := r.store.hold(isOn("update", s.ID()))
		want := 2
		if !done {
			want = 1
			r.store.answer(isOn("update", s.ID()), errFull)
		}
		visits.Set(s, 2)
		saved := later(func() error { return s.Save(t.Context()) })
		<-g.reached
		hat.Set(s, "cap") // logged meanwhile
		discarded := later(func() error { s.Discard(); return nil })
		g.let(pass)
		if err := <-saved; (err == nil) != done {
			t.Errorf("the save: %v", err)
		}
		<-discarded
		if hat.Get(s) != "" || visits.Get(s) != want {
			t.Errorf("it reads %d, %q; want %d", visits.Get(s), hat.Get(s), want)
		}
		r.store.heal()
		visits.Update(s, plusOne)
		r.save(s)
		r.wantVisits(s.ID(), want+1)
	}
}
