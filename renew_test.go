package cloakroom_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of Renew: a new secret in place, and the grace of the old one
// (invariant 9).

// wantReads checks that a browser's token opens a session.
func (g *guest) wantReads(when string, want int) {
	g.r.Helper()
	g.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		if got := visits.Get(s); got != want {
			g.r.Errorf("%s the token reads %d visits, want %d", when, got, want)
		}
		return nil
	})
}

// twin returns a browser with the same token.
func (g *guest) twin() *guest { return &guest{r: g.r, m: g.m, token: g.token} }

// renewed returns a rig, with browsers that have the old and the new token of a
// session.
func renewed(t *testing.T, config *cloakroom.Config) (r *rig, s *cloakroom.Session, old, fresh *guest) {
	t.Helper()
	r = newRig(t, config)
	s = r.stored(1)
	old = r.as(s)
	fresh = old.twin()
	w := fresh.want(200, renew)
	if c := w.Result().Cookies(); len(c) != 1 || c[0].Value == old.token || w.Header().Get("Cache-Control") != "private, no-store" {
		t.Fatalf("a renewal gives the headers %v", w.Header())
	}
	r.store.since()
	return r, s, old, fresh
}

func TestI9_RenewReplacesTheSecretInPlace(t *testing.T) {
	var events []cloakroom.ID
	r, s, old, fresh := renewed(t, &cloakroom.Config{Events: &cloakroom.Events{
		Renewed: func(_ context.Context, i cloakroom.Info) { events = append(events, i.ID) },
	}})
	now := r.openBy(r.m, fresh.token)
	if now.ID() != s.ID() || visits.Get(now) != 1 {
		t.Errorf("the new token opens %v with %d visits", now.ID(), visits.Get(now))
	}
	old.wantReads("for now", 1)
	if !slices.Equal(events, []cloakroom.ID{s.ID()}) {
		t.Errorf("events: %v", events)
	}
}

// The old secret's grace begins with the first use of the new one, and takes the clock
// tolerance longer than is configured.
func TestI9_GraceOfTheOldSecret(t *testing.T) {
	const grace = 20 * time.Second
	const over = grace + driver.ClockTolerance
	config := &cloakroom.Config{RenewGrace: grace}
	uses := map[string]page{"reading": look, "saving": visit}
	for name, use := range uses {
		runInBubble(t, "from the first use, "+name, func(t *testing.T) {
			r, s, old, fresh := renewed(t, config)
			r.clock.add(10 * time.Minute)
			old.wantReads("before the new one is used", 1)
			synctest.Wait()
			fresh.want(200, use)
			synctest.Wait()
			n := visits.Get(r.openBy(r.m, fresh.token))
			r.clock.add(over - time.Millisecond)
			old.wantReads("within the grace", n)
			fresh.wantReads("within the grace", n)
			synctest.Wait()
			r.clock.add(time.Millisecond)
			fresh.wantReads("after the grace", n)
			r.wantShut(s.ID(), old.token)
			fresh.wantReads("after the grace", n)
		})
	}
	runInBubble(t, "an hour at most", func(t *testing.T) {
		r, s, old, fresh := renewed(t, config)
		r.clock.add(time.Hour - time.Millisecond)
		old.wantReads("before the hour is over", 1)
		r.clock.add(time.Millisecond)
		r.wantShut(s.ID(), old.token)
		fresh.wantReads("after the hour", 1)
	})
	runInBubble(t, "an hour at most, however late the new one is used", func(t *testing.T) {
		for _, used := range []time.Duration{time.Hour - over - time.Second, time.Hour - over, time.Hour - over + time.Second, time.Hour - time.Second} {
			r, s, old, fresh := renewed(t, config)
			r.clock.add(used)
			fresh.want(200, look)
			synctest.Wait()
			r.clock.add(min(over, time.Hour-used) - time.Millisecond)
			old.wantReads("before it is over", 1)
			r.clock.add(time.Millisecond)
			r.wantShut(s.ID(), old.token)
		}
	})
	runInBubble(t, "the first use is written once", func(t *testing.T) {
		r, _, _, fresh := renewed(t, config)
		fresh.want(200, look)
		synctest.Wait()
		r.wantOps("get 1, update 1")
		fresh.want(200, look)
		synctest.Wait()
		r.wantOps("get 1")
	})
	runInBubble(t, "even if somebody else writes at that moment", func(t *testing.T) {
		r, s, old, fresh := renewed(t, config)
		hold := r.store.hold(isOp("update"))
		fresh.want(200, look)
		<-hold.reached
		other := r.openBy(r.manager(config), old.token)
		visits.Set(other, 1)
		number(1).Set(other, 1)
		r.save(other)
		hold.let(pass)
		synctest.Wait()
		r.clock.add(over)
		r.wantShut(s.ID(), old.token)
	})
	runInBubble(t, "even by a background request", func(t *testing.T) {
		c := *config
		poll := false
		c.Background = func(*http.Request) bool { return poll }
		r, s, old, fresh := renewed(t, &c)
		poll = true
		r.clock.add(time.Minute)
		fresh.want(200, look)
		synctest.Wait()
		r.wantOps("get 1, update 1")
		rec, err := r.kept(s.ID())
		if err != nil {
			t.Fatal(err)
		}
		if !rec.Seen.Before(r.clock.now()) {
			t.Error("a background request counted as activity")
		}
		r.clock.add(over)
		r.wantShut(s.ID(), old.token)
	})
	runInBubble(t, "use of the old one doesn't begin it", func(t *testing.T) {
		r, _, old, _ := renewed(t, config)
		for range 5 {
			old.want(200, visit)
			synctest.Wait()
			r.clock.add(10 * time.Minute)
		}
		old.wantReads("after fifty minutes", 6)
	})
}

// A response with the new token may get lost: the browser renews with the old
// one no more, but goes on.
func TestI9_LostResponseLogsNobodyOut(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		_, _, old, _ := renewed(t, nil)
		for range 3 {
			old.want(200, visit)
			synctest.Wait()
		}
		old.wantReads("after the response got lost", 4)
	})
}

func TestI9_WhatTheOldSecretMayDo(t *testing.T) {
	quiet := func(t *testing.T, g *guest, status int, f page) {
		t.Helper()
		if w := g.want(status, f); len(w.Result().Cookies()) != 0 {
			t.Errorf("a request with the old secret got cookies: %v", w.Result().Cookies())
		}
	}
	runInBubble(t, "read and save", func(t *testing.T) {
		r, s, old, fresh := renewed(t, nil)
		quiet(t, old, 200, look)
		quiet(t, old, 200, visit)
		synctest.Wait()
		r.wantVisits(s.ID(), 2)
		fresh.wantReads("after a save with the old one", 2)
		quiet(t, old, 200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			if s.Token() != "" || s.IsNew() {
				t.Errorf("the old secret is told the token %q", s.Token())
			}
			return nil
		})
	})
	runInBubble(t, "not renew", func(t *testing.T) {
		r, _, old, fresh := renewed(t, nil)
		quiet(t, old, 200, renew)
		quiet(t, old, 200, renew)
		synctest.Wait()
		r.wantOps("get 2")
		fresh.wantReads("after others tried to renew", 1)
	})
	runInBubble(t, "not sign in", func(t *testing.T) {
		r, _, old, fresh := renewed(t, nil)
		quiet(t, old, 409, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			err := s.Login(req.Context(), "ann", nil)
			r.wantErr("Login", err, cloakroom.ErrConflict)
			return err
		})
		r.wantDevices("ann")
		fresh.want(200, loginAs("ann", nil))
	})
	runInBubble(t, "sign out", func(t *testing.T) {
		r, s, old, fresh := renewed(t, nil)
		old.want(200, logout)
		r.wantGrave(s.ID(), cloakroom.EndDestroyed)
		r.wantShut(s.ID(), fresh.token)
	})
}

func TestI9_RenewTwiceInOneRequest(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(1)
		g := r.as(s)
		old := g.twin()
		g.want(200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			for range 3 {
				if err := s.Renew(req.Context()); err != nil {
					return err
				}
			}
			visits.Set(s, 2)
			return nil
		})
		old.wantReads("the response may have got lost:", 2)
		g.wantReads("the new", 2)
	})
}

// A session whose token nobody has yet needs no renewal.
func TestI9_RenewOfANewSession(t *testing.T) {
	r := newRig(t, nil)
	r.guest().want(200, renew)
	r.wantOps("nothing")
	g := r.guest()
	g.want(200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
		visits.Set(s, 1)
		r.save(s)
		return s.Renew(req.Context())
	})
	r.wantOps("create 1")
	g.wantReads("its", 1)
}

// Ten requests come with the old token while one of them renews: all succeed,
// and whichever response comes last, the browser has a good token.
func TestI9_ParallelRequestsDuringARenewal(t *testing.T) {
	for _, all := range []bool{false, true} {
		for _, processes := range []int{1, 3} {
			runInBubble(t, fmt.Sprintf("all renew %v, %d processes", all, processes), func(t *testing.T) {
				const n = 10
				r := newRig(t, nil)
				r.store.slow()
				s := r.stored(0)
				managers := []*cloakroom.Manager{r.m}
				for len(managers) < processes {
					managers = append(managers, r.manager(nil))
				}
				var tokens []string
				var mu sync.Mutex
				var wait sync.WaitGroup
				for i := range n {
					wait.Go(func() {
						g := r.as(s)
						g.m = managers[i%processes]
						w := g.want(200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
							visits.Update(s, plusOne)
							if all || i == 0 {
								return s.Renew(req.Context())
							}
							return nil
						})
						if len(w.Result().Cookies()) > 0 {
							mu.Lock()
							defer mu.Unlock()
							tokens = append(tokens, g.token)
						}
					})
				}
				wait.Wait()
				<-time.After(time.Second) // until changes that nobody waits for are done, too
				r.store.heal()
				r.wantVisits(s.ID(), n)
				if len(tokens) != 1 {
					t.Fatalf("%d new tokens were handed out, want 1", len(tokens))
				}
				r.clock.add(time.Minute)
				g := r.guest()
				g.token = tokens[0]
				g.wantReads("at the end", n)
				synctest.Wait()
				r.clock.add(time.Minute + driver.ClockTolerance)
				g.wantReads("after the grace", n)
				r.wantShut(s.ID(), s.Token())
			})
		}
	}
}

// Two renewals of one secret, in two processes: one of them hands out a token.
func TestI9_RenewIsNotReplayed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(1)
		a, b := r.as(s), r.as(s)
		b.m = r.manager(nil)
		g := r.store.hold(isOp("update"))
		first := later(func() int { return len(a.want(200, renew).Result().Cookies()) })
		<-g.reached
		if n := len(b.want(200, renew).Result().Cookies()); n != 1 {
			t.Errorf("the faster renewal got %d cookies", n)
		}
		g.let(pass)
		if n := <-first; n != 0 {
			t.Errorf("the slower renewal got %d cookies", n)
		}
		a.wantReads("the slower one's old", 1)
		b.wantReads("the faster one's new", 1)
	})
}

// A save that comes in between is kept, and so is the renewal; a save in flight
// doesn't undo a renewal.
func TestI9_RenewAndSaves(t *testing.T) {
	runInBubble(t, "a save during a renewal", func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(1)
		g, other := r.as(s), r.openBy(r.manager(nil), s.Token())
		hold := r.store.hold(isOp("update"))
		done := later(func() int { return len(g.want(200, renew).Result().Cookies()) })
		<-hold.reached
		visits.Set(other, 2)
		r.save(other)
		hold.let(pass)
		if n := <-done; n != 1 {
			t.Errorf("the renewal got %d cookies", n)
		}
		g.wantReads("the new", 2)
	})
	runInBubble(t, "a renewal during a save", func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(1)
		old, fresh := r.as(s), r.as(s)
		fresh.m = r.manager(nil)
		hold := r.store.hold(isOp("update"))
		done := later(func() int { return old.want(200, visit).Code })
		<-hold.reached
		fresh.want(200, renew)
		hold.let(pass)
		<-done
		synctest.Wait()
		// The save, the renewal, and the save again; no use of the new secret.
		r.wantOps("get 3, update 3")
		fresh.wantReads("the new", 2)
		synctest.Wait()
		r.clock.add(time.Minute + driver.ClockTolerance)
		fresh.wantReads("after the grace", 2)
		r.wantShut(s.ID(), old.token)
	})
	runInBubble(t, "changes go with it or after", func(t *testing.T) {
		r := newRig(t, nil)
		g := r.as(r.stored(1))
		g.want(200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			visits.Update(s, plusOne)
			err := s.Renew(req.Context())
			visits.Update(s, plusOne)
			return err
		})
		g.wantReads("the new", 3)
	})
}

func TestI13_FaultsOfRenew(t *testing.T) {
	for name, fates := range fates {
		runInBubble(t, name, func(t *testing.T) {
			r := newRig(t, nil)
			s := r.stored(1)
			g := r.as(s)
			old := g.twin()
			r.store.fate(isOp("update"), fates...)
			g.want(200, renew)
			if g.token == old.token {
				t.Error("a renewal that was done handed out no token")
			}
			r.store.heal()
			r.store.deliver()
			old.wantReads("the old", 1)
			g.wantReads("the new", 1)
			synctest.Wait()
			r.clock.add(time.Minute + driver.ClockTolerance)
			g.wantReads("after the grace the new", 1)
			r.wantShut(s.ID(), old.token)
		})
	}
}

// If nobody knows whether the secret was replaced, the old one goes on.
func TestI9_UnknownRenewal(t *testing.T) {
	for name, f := range map[string]fate{"done": lost, "not done": dropped, "done late": delayed} {
		runInBubble(t, name, func(t *testing.T) {
			r := newRig(t, nil)
			s := r.stored(1)
			g := r.as(s)
			r.store.hook(func(c *call) fate {
				if c.op != "update" {
					return pass
				}
				r.store.answer(isOp("get"), errNoAnswer)
				return f
			})
			w := g.want(503, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
				err := s.Renew(req.Context())
				r.wantErr("Renew", err, cloakroom.ErrUnknown, cloakroom.ErrUnavailable)
				return err
			})
			if len(w.Result().Cookies()) != 0 {
				t.Errorf("got cookies %v", w.Result().Cookies())
			}
			r.store.heal()
			r.store.deliver()
			r.clock.add(50 * time.Minute)
			g.wantReads("the old", 1)
		})
	}
}

func TestI9_WrongSecretIsAnEvent(t *testing.T) {
	var refused []cloakroom.Refusal
	r, s, old, fresh := renewed(t, &cloakroom.Config{Events: &cloakroom.Events{
		Refused: func(_ context.Context, id cloakroom.ID, why cloakroom.Refusal) {
			refused = append(refused, why)
			if id.IsZero() {
				t.Error("the event doesn't name the session")
			}
		},
	}})
	fresh.want(200, look)
	r.m.Close()
	r.m = r.manager(nil)
	r.clock.add(time.Minute + driver.ClockTolerance)
	old.want(200, look)
	if !slices.Equal(refused, []cloakroom.Refusal{cloakroom.RefusedSecret}) {
		t.Errorf("events of refusals: %q", refused)
	}
	if _, err := r.kept(s.ID()); err != nil {
		t.Errorf("a wrong secret ended the session: %v", err)
	}
}
