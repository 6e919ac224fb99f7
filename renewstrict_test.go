package cloakroom_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of RenewStrict: the old secrets end at once (invariant 9).

// renewedStrictly returns a rig and browsers with three tokens of a session: the last
// of them by a strict renewal.
func renewedStrictly(t *testing.T, config *cloakroom.Config) (r *rig, s *cloakroom.Session, late []*guest, fresh *guest) {
	t.Helper()
	r, s, first, second := renewed(t, config)
	fresh = second.twin()
	w := fresh.want(200, renewStrict)
	if c := w.Result().Cookies(); len(c) != 1 || c[0].Value == second.token || w.Header().Get("Cache-Control") != "private, no-store" {
		t.Fatalf("a strict renewal gives the headers %v", w.Header())
	}
	r.store.since()
	return r, s, []*guest{first, second}, fresh
}

// A strict renewal ends the old secret and those of earlier renewals at once. A request
// with one is late, as after a sign-out.
func TestI9_RenewStrict(t *testing.T) {
	const grace = 20 * time.Second
	const over = grace + driver.ClockTolerance
	config := &cloakroom.Config{RenewGrace: grace}
	runInBubble(t, "late requests", func(t *testing.T) {
		var events []string
		r, s, late, fresh := renewedStrictly(t, &cloakroom.Config{RenewGrace: grace, Events: &cloakroom.Events{
			Renewed: func(context.Context, cloakroom.Info) { events = append(events, "renewed") },
			Refused: func(_ context.Context, _ cloakroom.ID, why cloakroom.Refusal) { events = append(events, string(why)) },
		}})
		if !slices.Equal(events, []string{"renewed", "renewed"}) {
			t.Errorf("two renewals gave the events %q", events)
		}
		for _, wait := range []time.Duration{0, over - time.Millisecond} {
			r.clock.add(wait)
			for _, g := range late {
				g.wantQuiet(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
					if !s.IsNew() || visits.Get(s) != 0 || s.Token() != "" || !s.ID().IsZero() {
						t.Errorf("a late request sees %v with %d visits", s.ID(), visits.Get(s))
					}
					return nil
				})
				g.wantQuiet(409, visit)
				g.wantQuiet(200, renew)
				g.wantQuiet(409, renewStrict)
				g.wantQuiet(200, logout)
				_, err := r.m.Retrieve(t.Context(), g.token)
				r.wantErr("Retrieve", err, cloakroom.ErrNotFound)
			}
		}
		if events[2] != "secret" {
			t.Errorf("late requests gave the events %q", events[2:])
		}
		fresh.want(200, visit)
		r.wantVisits(s.ID(), 2)
		// A request that still brings one is a new visitor's.
		r.clock.add(time.Millisecond)
		for _, g := range late {
			r.wantShut(s.ID(), g.token)
		}
		fresh.wantReads("the new", 2)
	})
	runInBubble(t, "a sign-in with an old one", func(t *testing.T) {
		r, s, late, fresh := renewedStrictly(t, config)
		g := late[1]
		g.want(200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			visits.Set(s, 9)
			r.wantErr("Save", s.Save(req.Context()), cloakroom.ErrGone)
			visits.Delete(s)
			return s.Login(req.Context(), "ann", nil)
		})
		g.want(200, func(_ http.ResponseWriter, _ *http.Request, now *cloakroom.Session) error {
			if now.Principal() != "ann" || now.ID() == s.ID() || visits.Get(now) != 0 {
				t.Errorf("signed in as %q, to %v with %d visits", now.Principal(), now.ID(), visits.Get(now))
			}
			return nil
		})
		fresh.wantReads("the session's own", 1)
	})
	runInBubble(t, "costs no further write", func(t *testing.T) {
		r, s, _, fresh := renewedStrictly(t, config)
		before, err := r.kept(s.ID())
		if err != nil {
			t.Fatal(err)
		}
		fresh.want(200, look)
		synctest.Wait()
		if rec, err := r.kept(s.ID()); err != nil || rec.Writes != before.Writes {
			t.Errorf("the first use of the new token was written: %v", err)
		}
	})
	runInBubble(t, "again, and a renewal after it", func(t *testing.T) {
		r, s, late, fresh := renewedStrictly(t, config)
		late = append(late, fresh.twin())
		fresh.want(200, renewStrict)
		third := fresh.twin()
		fresh.want(200, renew)
		for _, g := range late {
			g.wantQuiet(409, visit)
		}
		third.wantQuiet(200, visit)
		r.clock.add(over)
		for _, g := range late {
			r.wantShut(s.ID(), g.token)
		}
		third.wantReads("renewed after it: the old", 2)
		fresh.wantReads("the new", 2)
	})
	runInBubble(t, "a grace of more than an hour", func(t *testing.T) {
		r, s, late, _ := renewedStrictly(t, &cloakroom.Config{RenewGrace: 2 * time.Hour})
		r.clock.add(time.Hour + driver.ClockTolerance - time.Millisecond)
		late[0].wantQuiet(409, visit)
		r.clock.add(time.Millisecond)
		r.wantShut(s.ID(), late[0].token)
	})
	runInBubble(t, "edited to open again", func(t *testing.T) {
		r, s, late, _ := renewedStrictly(t, config)
		r.rewrite(s.ID(), func(rec *driver.Record) {
			rec.Previous = slices.Clone(rec.Previous)
			for i := range 2 {
				rec.Previous[1+i*entrySize+entryMAC-1] = 0
			}
		})
		for _, g := range late {
			r.wantShut(s.ID(), g.token)
		}
	})
}

// It does nothing where nobody can have an old token, and says so where it can't keep
// its promise.
func TestI9_WhatRenewStrictCanNotDo(t *testing.T) {
	conflict := func(r *rig) page {
		return func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			err := s.RenewStrict(req.Context())
			r.wantErr("RenewStrict", err, cloakroom.ErrConflict)
			return err
		}
	}
	runInBubble(t, "of a new session there is no old token", func(t *testing.T) {
		r := newRig(t, nil)
		r.guest().want(200, renewStrict)
		r.wantOps("nothing")
		g := r.guest()
		g.want(200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			visits.Set(s, 1)
			r.save(s)
			return s.RenewStrict(req.Context())
		})
		r.wantOps("create 1")
		g.wantReads("its", 1)
	})
	runInBubble(t, "after another renewal in this request there is", func(t *testing.T) {
		r := newRig(t, nil)
		g := r.as(r.stored(1))
		old := g.twin()
		g.want(200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			if err := s.Renew(req.Context()); err != nil {
				return err
			}
			return s.RenewStrict(req.Context())
		})
		old.wantQuiet(409, visit)
		g.wantReads("the new", 1)
	})
	runInBubble(t, "with an old one in its grace", func(t *testing.T) {
		r, _, old, fresh := renewed(t, nil)
		old.wantQuiet(409, conflict(r))
		old.wantReads("left as it was, the old", 1)
		fresh.wantReads("left as it was, the new", 1)
	})
	runInBubble(t, "with one whose grace is over", func(t *testing.T) {
		r, s, _, fresh := renewed(t, nil)
		open := r.openBy(r.manager(nil), fresh.token)
		other := fresh.twin()
		other.want(200, renew)
		for range 2 { // the first notes the use of the new one
			other.want(200, visit)
			r.clock.add(time.Minute + driver.ClockTolerance)
		}
		visits.Set(open, 5)
		r.save(open)
		if rec, err := r.kept(s.ID()); err != nil || rec.Previous != nil {
			t.Errorf("it keeps %x, %v", rec.Previous, err)
		}
		r.wantErr("RenewStrict", open.RenewStrict(t.Context()), cloakroom.ErrConflict)
		other.wantReads("left as it was, the new", 5)
	})
	runInBubble(t, "of two at the same time the slower one", func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(1)
		a, b := r.as(s), r.as(s)
		b.m = r.manager(nil)
		g := r.store.hold(isOp("update"))
		first := later(func() *guest { a.wantQuiet(409, conflict(r)); return a })
		<-g.reached
		b.want(200, renewStrict)
		g.let(pass)
		(<-first).wantQuiet(409, visit)
		b.wantReads("the faster one's", 1)
	})
	runInBubble(t, "after a sign-out", func(t *testing.T) {
		r := newRig(t, nil)
		s := r.signedIn("ann")
		late := r.as(s)
		r.as(s).want(200, logout)
		late.wantQuiet(409, renewStrict)
		open := r.open(r.signedIn("ann"))
		if err := r.m.Admin().Revoke(t.Context(), open.ID()); err != nil {
			t.Fatal(err)
		}
		r.wantErr("RenewStrict", open.RenewStrict(t.Context()), cloakroom.ErrGone)
	})
	runInBubble(t, "when the response has begun", func(t *testing.T) {
		r := newRig(t, nil)
		g := r.as(r.stored(1))
		g.want(200, func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			_, _ = w.Write([]byte("begun"))
			r.wantErr("RenewStrict", s.RenewStrict(req.Context()), cloakroom.ErrTooLate)
			return nil
		})
		g.wantReads("the old", 1)
	})
}

// Operations under way with an old secret when a strict renewal is acknowledged neither
// save nor read anything more, however long they go on.
func TestI9_RenewStrictAgainstWhatIsUnderWay(t *testing.T) {
	const grace = 20 * time.Second
	for name, wait := range map[string]time.Duration{"at once": 0, "after the grace": time.Minute + driver.ClockTolerance} {
		for _, how := range []string{"with the current one", "with one in its grace"} {
			for _, processes := range []string{"one process", "two processes"} {
				runInBubble(t, name+", "+how+", "+processes, func(t *testing.T) {
					r, s, first, second := renewed(t, &cloakroom.Config{RenewGrace: grace})
					m := r.m
					if processes != "one process" {
						m = r.manager(&cloakroom.Config{RenewGrace: grace})
					}
					token := second.token
					if how != "with the current one" {
						token = first.token
					}
					open := func() *cloakroom.Session { return r.openBy(m, token) }
					save, update, take, look, touch, login := open(), open(), open(), open(), open(), open()
					fresh := second.twin()
					fresh.want(200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
						visits.Set(s, 7)
						return s.RenewStrict(req.Context())
					})
					synctest.Wait()
					r.clock.add(wait)
					visits.Set(save, 1)
					r.wantErr("Save", save.Save(t.Context()), cloakroom.ErrGone)
					r.wantErr("Save again", save.Save(t.Context()), cloakroom.ErrGone)
					r.wantErr("Update", update.Update(t.Context(), func(tx *cloakroom.Tx) error {
						if n := visits.Get(tx); n != 1 {
							t.Errorf("it reads %d", n)
						}
						return nil
					}), cloakroom.ErrGone)
					n, ok, err := visits.Take(t.Context(), take)
					if r.wantErr("Take", err, cloakroom.ErrGone); ok {
						t.Errorf("it takes %d", n)
					}
					r.wantErr("Refresh", look.Refresh(t.Context()), cloakroom.ErrGone)
					if n := visits.Get(look); n != 1 {
						t.Errorf("refreshed, it reads %d", n)
					}
					visits.Set(touch, 1)
					r.wantErr("Save", touch.Save(t.Context()), cloakroom.ErrGone)
					r.wantErr("Login", login.Login(t.Context(), "eve", nil), cloakroom.ErrConflict)
					fresh.wantReads("the new", 7)
					r.wantVisits(s.ID(), 7)
				})
			}
		}
	}
	runInBubble(t, "what the new secret's requests do goes on", func(t *testing.T) {
		r, s, _, fresh := renewedStrictly(t, nil)
		open := r.openBy(r.manager(nil), fresh.token)
		fresh.want(200, renew) // not a strict one
		visits.Set(open, 5)
		r.save(open)
		r.wantVisits(s.ID(), 5)
	})
	runInBubble(t, "the request that renews goes on", func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(1)
		g := r.as(s)
		g.want(200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			visits.Update(s, plusOne)
			err := s.RenewStrict(req.Context())
			visits.Update(s, plusOne)
			return errors.Join(err, s.Refresh(req.Context()))
		})
		g.wantReads("the new", 3)
	})
	runInBubble(t, "saving each change", func(t *testing.T) {
		r := newRig(t, &cloakroom.Config{Save: cloakroom.SaveEach})
		s := r.stored(1)
		old, fresh := r.as(s), r.as(s)
		fresh.m = r.manager(nil)
		old.wantQuiet(409, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			fresh.want(200, renewStrict)
			fresh.want(200, visit)
			if n := visits.Get(s); n != 1 {
				t.Errorf("it reads %d", n)
			}
			return nil
		})
		fresh.wantReads("the new", 2)
	})
	runInBubble(t, "a touch", func(t *testing.T) {
		r := newRig(t, &cloakroom.Config{TouchEvery: time.Second})
		s := r.stored(1)
		old, fresh := r.as(s), r.as(s)
		fresh.m = r.manager(nil)
		var seen time.Time
		r.clock.add(time.Minute)
		old.wantQuiet(200, func(_ http.ResponseWriter, _ *http.Request, _ *cloakroom.Session) error {
			fresh.want(200, renewStrict)
			seen = r.clock.now()
			r.clock.add(time.Minute)
			return nil
		})
		synctest.Wait()
		if rec, err := r.kept(s.ID()); err != nil || !rec.Seen.Equal(seen) {
			t.Errorf("it was seen at %v, %v, want %v", rec.Seen, err, seen)
		}
	})
	// A save that comes after it in one batch is refused, and one before it is kept.
	runInBubble(t, "a renewal on the wire", func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(1)
		g, other := r.as(s), r.open(s)
		hold := r.store.hold(isOp("update"))
		done := later(func() int { return len(g.want(200, renewStrict).Result().Cookies()) })
		<-hold.reached
		visits.Set(other, 2)
		saved := later(func() error { return other.Save(t.Context()) })
		synctest.Wait()
		hold.let(pass)
		if n := <-done; n != 1 {
			t.Errorf("the renewal got %d cookies", n)
		}
		r.wantErr("Save", <-saved, cloakroom.ErrGone)
		r.wantVisits(s.ID(), 1)
	})
	runInBubble(t, "a sign-in on the wire", func(t *testing.T) {
		for _, principal := range []string{"ann", "eve"} {
			r := newRig(t, nil)
			s := r.signedIn("ann")
			g, fresh := r.as(s), r.as(s)
			hold := r.store.hold(isOn("bury", s.ID()))
			done := later(func() bool { g.wantQuiet(409, loginAs(principal, nil)); return true })
			<-hold.reached
			fresh.m = r.manager(nil)
			fresh.want(200, renewStrict)
			hold.let(pass)
			<-done
			fresh.want(200, func(_ http.ResponseWriter, _ *http.Request, now *cloakroom.Session) error {
				if now.ID() != s.ID() {
					t.Errorf("a sign-in with an old secret left %v", now)
				}
				return nil
			})
		}
	})
}

// A remembered session of another process is read for Config.CacheFor, and saves
// nothing.
func TestI9_RenewStrictElsewhere(t *testing.T) {
	runInBubble(t, "with a cache", func(t *testing.T) {
		config := &cloakroom.Config{CacheFor: 10 * time.Second}
		r := newRig(t, config)
		s := r.stored(1)
		old, fresh := r.as(s), r.as(s)
		old.m = r.manager(config)
		old.wantReads("remembered from now on, the old", 1)
		fresh.want(200, renewStrict)
		old.wantReads("remembered, the old", 1)
		old.wantQuiet(409, visit)
		old.wantReads("which a save has forgotten: the old", 0)
		at := r.as(s) // where it was renewed nothing is remembered of it
		at.wantQuiet(409, visit)
		fresh.wantReads("the new", 1)
	})
}

// An ended secret beside others is one of a session that is over.
func TestI4_EndedSecretBesideOthers(t *testing.T) {
	eachTransport(t, cloakroom.Config{}, func(t *testing.T, b *bearers) {
		first, dead, live := b.made("live"), b.made("idle"), b.made("live#2")
		strict := func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
			return s.RenewStrict(r.Context())
		}
		status, second := b.send(strict, first)
		if status != 200 || second == "" {
			t.Fatalf("a strict renewal: %d, %q", status, second)
		}
		for _, tt := range []struct {
			name   string
			tokens []string
			saves  int
		}{
			{"the session's new one", []string{first, second}, 200},
			{"an idle session's", []string{first, dead}, 409},
			{"another session's", []string{first, live}, 200},
			{"both", []string{first, second, live}, 409},
		} {
			permutations(tt.tokens, func(tokens []string) {
				if status, handed := b.send(look, tokens...); status != 200 || handed != "" {
					t.Errorf("beside %s: %d and the token %q", tt.name, status, handed)
				}
				if status, handed := b.send(visit, tokens...); status != tt.saves || handed != "" {
					t.Errorf("beside %s: a save gets %d and the token %q, want %d", tt.name, status, handed, tt.saves)
				}
			})
		}
	})
}

func TestI13_FaultsOfRenewStrict(t *testing.T) {
	for name, fates := range fates {
		runInBubble(t, name, func(t *testing.T) {
			r := newRig(t, nil)
			s := r.stored(1)
			g := r.as(s)
			old := g.twin()
			r.store.fate(isOp("update"), fates...)
			g.want(200, renewStrict)
			if g.token == old.token {
				t.Error("a renewal that was done handed out no token")
			}
			r.store.heal()
			r.store.deliver()
			old.wantQuiet(409, visit)
			g.wantReads("the new", 1)
			r.clock.add(time.Minute + driver.ClockTolerance)
			g.wantReads("after the grace the new", 1)
			r.wantShut(s.ID(), old.token)
		})
	}
	for name, f := range map[string]fate{"done": lost, "not done": dropped, "done late": delayed} {
		runInBubble(t, "unknown, "+name, func(t *testing.T) {
			r := newRig(t, nil)
			g := r.as(r.stored(1))
			r.store.hook(func(c *call) fate {
				if c.op != "update" {
					return pass
				}
				r.store.answer(isOp("get"), errNoAnswer)
				return f
			})
			g.wantQuiet(503, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
				err := s.RenewStrict(req.Context())
				r.wantErr("RenewStrict", err, cloakroom.ErrUnknown, cloakroom.ErrUnavailable)
				return err
			})
		})
	}
}
