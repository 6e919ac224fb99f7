package cloakroom_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the tests of SaveOnce, SaveEach, SaveManual and AutoSave.

func TestSaveOnce(t *testing.T) {
	r := newRig(t, nil)
	s := r.stored(1)
	r.as(s).want(200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
		visits.Update(s, plusOne)
		visits.Update(s, plusOne)
		r.wantOps("get 1")
		r.save(s) // saves earlier
		r.wantOps("update 1")
		r.save(s) // there is nothing to save
		r.wantOps("nothing")
		visits.Update(s, plusOne)
		return nil
	})
	r.wantOps("update 1")
	r.wantVisits(s.ID(), 4)
}

// A save learns the changes of others, in one write.
func TestSaveOnceLearns(t *testing.T) {
	r := newRig(t, nil)
	s := r.stored(1)
	mine, other := r.open(s), r.open(s)
	visits.Set(other, 5)
	r.save(other)
	if got := visits.Get(mine); got != 1 {
		t.Errorf("without a save it reads %d, want what it was when it was loaded: 1", got)
	}
	number(1).Set(mine, 1)
	r.save(mine)
	if got := visits.Get(mine); got != 5 {
		t.Errorf("after a save it reads %d, want 5", got)
	}
}

func TestSaveEach(t *testing.T) {
	r := newRig(t, &cloakroom.Config{Save: cloakroom.SaveEach})
	s := r.stored(1)
	other := r.openBy(r.manager(nil), s.Token())
	step := func(what string, f func(), want string) {
		t.Helper()
		r.store.since()
		f()
		if got := r.store.since(); got != want {
			t.Errorf("%s: store operations %s, want %s", what, got, want)
		}
	}
	r.as(s).want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		visits.Set(other, 5)
		r.save(other)
		step("a get", func() {
			if got := visits.Get(s); got != 5 {
				t.Errorf("a get reads %d, want what others saved: 5", got)
			}
		}, "get 1")
		step("a look-up", func() { visits.Lookup(s) }, "get 1")
		step("the names", func() {
			if got := slices.Collect(s.Names()); !slices.Equal(got, []string{"visits"}) {
				t.Errorf("got the names %q", got)
			}
		}, "get 1")
		step("a set", func() { visits.Set(s, 6) }, "update 1")
		r.wantVisits(s.ID(), 6)
		step("an update", func() { visits.Update(s, plusOne) }, "get 1, update 1")
		r.wantVisits(s.ID(), 7)
		step("a delete", func() { visits.Delete(s) }, "update 1")
		step("raw", func() { s.SetRaw("visits", []byte("8")) }, "update 1")
		r.wantVisits(s.ID(), 8)
		step("a pop", func() {
			if got := visits.Pop(s); got != 8 {
				t.Errorf("a pop returns %d", got)
			}
		}, "get 1, update 1")
		step("a clear", func() { s.Clear() }, "update 1")
		step("a transaction", func() {
			if err := s.Update(t.Context(), func(tx *cloakroom.Tx) error { visits.Set(tx, 9); number(1).Set(tx, 1); return nil }); err != nil {
				t.Error(err)
			}
		}, "update 1")
		r.store.since()
		return nil
	})
	r.wantOps("nothing") // at the end there is nothing left to save
	r.wantVisits(s.ID(), 9)

	g := r.guest()
	g.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		step("reading nothing", func() { visits.Get(s) }, "nothing")
		step("the first set", func() { visits.Set(s, 1) }, "create 1")
		step("the second set", func() { visits.Set(s, 2) }, "update 1")
		return nil
	})
	r.wantVisits(r.openBy(r.m, g.token).ID(), 2)
}

func TestSaveEachFailures(t *testing.T) {
	config := &cloakroom.Config{Save: cloakroom.SaveEach}
	t.Run("a write fails", func(t *testing.T) {
		r := newRig(t, config)
		s := r.stored(1)
		r.store.answer(isOp("update"), errFull)
		w := r.as(s).want(503, func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			visits.Set(s, 2)
			r.wantErr("Err", s.Err(), cloakroom.ErrUnavailable)
			_, err := io.WriteString(w, "saved")
			r.wantErr("Write", err, cloakroom.ErrUnavailable)
			return nil
		})
		if strings.Contains(w.Body.String(), "saved") {
			t.Errorf("got %q", w.Body)
		}
	})
	t.Run("a read fails", func(t *testing.T) {
		r := newRig(t, config)
		s := r.stored(1)
		r.as(s).want(503, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			r.store.answer(isOp("get"), errNoAnswer)
			visits.Get(s)
			r.wantErr("Err", s.Err(), cloakroom.ErrUnavailable)
			return nil
		})
	})
	t.Run("it ended", func(t *testing.T) {
		r := newRig(t, config)
		s := r.stored(1)
		r.as(s).want(409, func(_ http.ResponseWriter, req *http.Request, mine *cloakroom.Session) error {
			if err := r.m.Admin().Revoke(req.Context(), s.ID()); err != nil {
				return err
			}
			visits.Set(mine, 2)
			r.wantErr("Err", mine.Err(), cloakroom.ErrGone)
			return nil
		})
		r.wantGrave(s.ID(), cloakroom.EndRevoked)
	})
	t.Run("a session begun too late is loud", func(t *testing.T) {
		r := newRig(t, config)
		r.guest().want(200, func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			io.WriteString(w, "begun")
			visits.Set(s, 1)
			r.wantErr("Err", s.Err(), cloakroom.ErrTooLate)
			return nil
		})
		r.wantOps("nothing")
		if got := r.log.take(); !strings.Contains(got, cloakroom.ErrTooLate.Error()) {
			t.Errorf("logged: %q", got)
		}
	})
	t.Run("a write that fails after the headers is loud", func(t *testing.T) {
		r := newRig(t, config)
		s := r.stored(1)
		r.store.answer(isOp("update"), errFull)
		r.as(s).want(200, func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			io.WriteString(w, "begun")
			visits.Set(s, 2)
			return nil
		})
		if got := r.log.take(); !strings.Contains(got, "not saved") {
			t.Errorf("logged: %q", got)
		}
	})
	runInBubble(t, "an unknown outcome", func(t *testing.T) {
		r := newRig(t, config)
		s := r.stored(1)
		r.as(s).want(503, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			visits.Get(s)
			r.store.fate(isOp("update"), lost)
			r.store.answer(isOp("get"), errNoAnswer)
			visits.Set(s, 2)
			r.wantErr("Err", s.Err(), cloakroom.ErrUnknown)
			r.store.heal()
			visits.Set(s, 3) // is not saved, since the state before isn't known
			return nil
		})
		r.wantVisits(s.ID(), 2)
	})
}

func TestSaveManual(t *testing.T) {
	r := newRig(t, &cloakroom.Config{Save: cloakroom.SaveManual})
	s := r.stored(1)
	r.as(s).want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		visits.Set(s, 2)
		visits.Set(s, 3)
		if got := visits.Get(s); got != 3 {
			t.Errorf("the request reads %d of its own changes", got)
		}
		return nil // without Save
	})
	r.wantOps("get 1")
	r.wantVisits(s.ID(), 1)
	r.as(s).want(200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
		visits.Update(s, plusOne)
		if err := s.Save(req.Context()); err != nil {
			return err
		}
		visits.Update(s, plusOne) // is dropped
		return nil
	})
	r.wantOps("get 1, update 1")
	r.wantVisits(s.ID(), 2)

	g := r.guest()
	w := g.want(200, visit)
	if len(w.Result().Cookies()) != 0 {
		t.Errorf("a session that wasn't saved has the cookies %v", w.Result().Cookies())
	}
	r.wantOps("nothing")
	g.want(200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
		visits.Update(s, plusOne)
		return s.Save(req.Context())
	})
	r.wantOps("create 1")
	if got := visits.Get(r.openBy(r.m, g.token)); got != 1 {
		t.Errorf("after Save the store keeps %d", got)
	}
}

func TestAutoSave(t *testing.T) {
	auto := func(r *rig, g *guest, f page) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r.m.Handler(r.m.AutoSave(r.m.With(f))).ServeHTTP(w, g.request(t.Context()))
		return w
	}
	manual := &cloakroom.Config{Save: cloakroom.SaveManual}

	t.Run("saves once", func(t *testing.T) {
		r := newRig(t, manual)
		s := r.stored(1)
		auto(r, r.as(s), func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			visits.Update(s, plusOne)
			visits.Update(s, plusOne)
			r.wantOps("get 1")
			io.WriteString(w, "begun")
			r.wantOps("update 1")
			r.wantVisits(s.ID(), 3)
			visits.Update(s, plusOne)
			return nil
		})
		r.wantOps("update 1")
		r.wantVisits(s.ID(), 4)
	})
	t.Run("costs what it must", func(t *testing.T) {
		r := newRig(t, manual)
		s := r.stored(1)
		w := httptest.NewRecorder()
		r.m.Handler(r.m.AutoSave(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))).ServeHTTP(w, r.as(s).request(t.Context()))
		r.wantOps("nothing")
		auto(r, r.as(s), look)
		r.wantOps("get 1")
		auto(r, r.guest(), look)
		r.wantOps("nothing")
	})
	t.Run("without Handler", func(t *testing.T) {
		r := newRig(t, manual)
		w := httptest.NewRecorder()
		r.m.AutoSave(r.m.With(visit)).ServeHTTP(w, r.guest().request(t.Context()))
		r.wantOps("create 1")
		if len(w.Result().Cookies()) != 1 {
			t.Errorf("got the cookies %v", w.Result().Cookies())
		}
	})
	t.Run("nothing after a panic, whoever recovers", func(t *testing.T) {
		r := newRig(t, manual)
		s := r.stored(1)
		recovering := func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				defer func() {
					if recover() != nil {
						http.Error(w, "sorry", http.StatusInternalServerError)
					}
				}()
				h.ServeHTTP(w, req)
			})
		}
		panics := r.m.With(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			visits.Update(s, plusOne)
			panic("h")
		})
		serve := func(h http.Handler) {
			w := httptest.NewRecorder()
			r.m.Handler(h).ServeHTTP(w, r.as(s).request(t.Context()))
			if w.Code != http.StatusInternalServerError || w.Body.String() != "sorry\n" {
				t.Errorf("got %d %q", w.Code, w.Body)
			}
		}
		serve(recovering(r.m.AutoSave(panics)))
		r.wantOps("get 1")
		serve(r.m.AutoSave(recovering(r.m.AutoSave(panics))))
		r.wantOps("get 1")
		r.wantVisits(s.ID(), 1)
		serve(r.m.AutoSave(recovering(panics))) // it doesn't reach AutoSave
		r.wantVisits(s.ID(), 2)
	})
	t.Run("a save that fails is the answer", func(t *testing.T) {
		r := newRig(t, manual)
		s := r.stored(1)
		r.store.answer(isOp("update"), errFull)
		w := auto(r, r.as(s), func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			visits.Update(s, plusOne)
			_, err := io.WriteString(w, "claimed")
			r.wantErr("Write", err, cloakroom.ErrUnavailable)
			return nil
		})
		if w.Code != 503 || strings.Contains(w.Body.String(), "claimed") {
			t.Errorf("got %d %q", w.Code, w.Body)
		}
		r.wantVisits(s.ID(), 1)
	})
	t.Run("nothing after a failure", func(t *testing.T) {
		r := newRig(t, manual)
		s := r.stored(1)
		w := auto(r, r.as(s), func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			visits.Update(s, plusOne)
			return errors.New("a handler's error")
		})
		if w.Code != 500 {
			t.Errorf("got %d", w.Code)
		}
		r.wantVisits(s.ID(), 1)
	})
	t.Run("nothing after a panic", func(t *testing.T) {
		r := newRig(t, manual)
		s := r.stored(1)
		func() {
			defer func() { recover() }()
			auto(r, r.as(s), func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				visits.Update(s, plusOne)
				panic("a handler's")
			})
		}()
		r.wantVisits(s.ID(), 1)
	})
	t.Run("begun too late", func(t *testing.T) {
		r := newRig(t, manual)
		w := auto(r, r.guest(), func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			io.WriteString(w, "begun")
			return visit(w, req, s)
		})
		r.wantOps("nothing")
		if got := r.log.take(); !strings.Contains(got, cloakroom.ErrTooLate.Error()) || len(w.Result().Cookies()) != 0 {
			t.Errorf("logged: %q; cookies %v", got, w.Result().Cookies())
		}
	})
	t.Run("only where it stands", func(t *testing.T) {
		r := newRig(t, manual)
		s := r.stored(1)
		r.as(s).want(200, visit)
		r.wantOps("get 1")
	})
	t.Run("other modes stay", func(t *testing.T) {
		r := newRig(t, &cloakroom.Config{Save: cloakroom.SaveEach})
		s := r.stored(1)
		auto(r, r.as(s), func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			visits.Set(s, 2)
			visits.Set(s, 3)
			return nil
		})
		r.wantOps("get 1, update 2")
	})
}

// Sign-in, renewal and sign-out happen at once, in any mode.
func TestSaveModesAndTheCredential(t *testing.T) {
	for _, mode := range []cloakroom.SaveMode{cloakroom.SaveOnce, cloakroom.SaveEach, cloakroom.SaveManual} {
		r := newRig(t, &cloakroom.Config{Save: mode})
		s := r.stored(1)
		g := r.as(s)
		g.want(200, loginAs("ann", nil))
		first := g.token
		if mine := r.openBy(r.m, first); mine.Principal() != "ann" || visits.Get(mine) != 1 {
			t.Errorf("mode %d: %q is signed in with %d visits", mode, mine.Principal(), visits.Get(mine))
		}
		g.want(200, renew)
		if g.token == first {
			t.Errorf("mode %d: a renewal gave no token", mode)
		}
		g.want(200, logout)
		if g.token != "" {
			t.Errorf("mode %d: a sign-out left the token", mode)
		}
		r.wantDevices("ann")
	}
}

// Reading is activity in any mode.
func TestSaveModesTouch(t *testing.T) {
	for _, mode := range []cloakroom.SaveMode{cloakroom.SaveOnce, cloakroom.SaveEach, cloakroom.SaveManual} {
		inBubble(t, func(t *testing.T) {
			r := newRig(t, &cloakroom.Config{Save: mode})
			s := r.stored(1)
			r.clock.add(time.Hour)
			r.as(s).want(200, func(http.ResponseWriter, *http.Request, *cloakroom.Session) error { return nil })
			synctest.Wait()
			r.wantOps("get 1, update 1")
		})
	}
}

// Outside of requests all modes but SaveEach wait for Save.
func TestSaveModesOutsideOfRequests(t *testing.T) {
	for mode, want := range map[cloakroom.SaveMode]int{cloakroom.SaveOnce: 1, cloakroom.SaveEach: 2, cloakroom.SaveManual: 1} {
		r := newRig(t, &cloakroom.Config{Save: mode})
		s := r.stored(1)
		mine := r.open(s)
		visits.Set(mine, 2)
		r.wantVisits(s.ID(), want)
		if err := errors.Join(mine.Err(), mine.Save(context.Background())); err != nil {
			t.Error(err)
		}
		r.wantVisits(s.ID(), 2)
	}
}
