package cloakroom_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is functions of Events that misbehave, and stores that panic in goroutines
// where nobody recovers.

// presents makes a request with the tokens of several sessions.
func presents(sessions ...*cloakroom.Session) *http.Request {
	req := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, s := range sessions {
		req.AddCookie(&http.Cookie{Name: "session", Value: s.Token()})
	}
	return req
}

// A panic of an event's function ends neither the process, where several sessions are
// read or activity is recorded, nor what is told of.
func TestI7I9_EventThatPanics(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		panics := func() { panic("audit of a secret") }
		r := newRig(t, &cloakroom.Config{IdleTimeout: time.Hour, Events: &cloakroom.Events{
			Created:   func(context.Context, cloakroom.Info) { panics() },
			SignedIn:  func(context.Context, cloakroom.Info) { panics() },
			Renewed:   func(context.Context, cloakroom.Info) { panics() },
			Ended:     func(context.Context, cloakroom.Ending) { panics() },
			SignedOut: func(context.Context, string) { panics() },
			ClockSkew: func(context.Context, cloakroom.ID, time.Duration) { panics() },
			Refused:   func(context.Context, cloakroom.ID, cloakroom.Refusal) { panics() },
		}})
		g := r.guest()
		g.token = "forged"
		g.want(200, visit)
		g.want(200, loginAs("ann", nil))
		g.want(200, renew)
		g.want(200, loginAs("ann", nil))
		if err := r.m.Admin().RevokeAll(t.Context(), "ann"); err != nil {
			t.Error(err)
		}
		a, b := r.stored(1), r.stored(2)
		r.clock.add(2 * time.Hour)
		if w := r.guest().send(presents(a, b), look); w.Code != 200 {
			t.Errorf("two that idled out: %d %s", w.Code, w.Body)
		}
		r.wantGrave(a.ID(), cloakroom.EndExpired)
		r.wantGrave(b.ID(), cloakroom.EndExpired)
		s := r.stored(3)
		r.clock.add(10 * time.Minute)
		r.as(s).want(200, visit)
		r.clock.add(-10 * time.Minute)
		r.as(s).want(200, look)
		log := r.log.take()
		for _, event := range []string{"Created", "SignedIn", "Renewed", "Ended", "SignedOut", "ClockSkew", "Refused"} {
			if !strings.Contains(log, "event="+event) {
				t.Errorf("nothing is logged of %s: %s", event, log)
			}
		}
		if strings.Contains(log, "secret") {
			t.Errorf("what the panic says is logged: %s", log)
		}
	})
}

// What is read of several sessions is told one after the other, in the request's
// goroutine.
func TestI7_EventsOfSeveralSessionsAreToldInTurn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var now, told atomic.Int32
		r := newRig(t, &cloakroom.Config{IdleTimeout: time.Hour, Events: &cloakroom.Events{Ended: func(context.Context, cloakroom.Ending) {
			if now.Add(1) > 1 {
				t.Error("two are told at once")
			}
			time.Sleep(time.Millisecond) // in the bubble: all others that run come as far
			told.Add(1)
			now.Add(-1)
		}}})
		var all []*cloakroom.Session
		for range 8 {
			all = append(all, r.stored(1))
		}
		r.clock.add(2 * time.Hour)
		r.guest().send(presents(all...), look)
		if told.Load() != 8 {
			t.Errorf("%d ends are told", told.Load())
		}
	})
}

// An event's function that asks for the session of the request, which is being read, is
// told so, and doesn't wait for itself.
func TestI8_EventThatAsksForTheSession(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var m *cloakroom.Manager
		var got []string
		asks := func(ctx context.Context, event string) {
			s, err := m.Session(ctx)
			switch {
			case err != nil:
				event += ": " + err.Error()
			default:
				event += " of " + s.Principal()
			}
			got = append(got, event)
		}
		r := newRig(t, &cloakroom.Config{IdleTimeout: time.Hour, Events: &cloakroom.Events{
			Ended:    func(ctx context.Context, e cloakroom.Ending) { asks(ctx, string(e.Reason)) },
			Refused:  func(ctx context.Context, _ cloakroom.ID, why cloakroom.Refusal) { asks(ctx, string(why)) },
			SignedIn: func(ctx context.Context, _ cloakroom.Info) { asks(ctx, "sign-in") },
		}})
		m = r.m
		want := func(what string) {
			t.Helper()
			if len(got) != 1 || !strings.Contains(got[0], what) {
				t.Errorf("got %q, want one with %q", got, what)
			}
			got = nil
		}
		a, b := r.stored(1), r.stored(2)
		r.guest().send(presents(a, b), look)
		want("ambiguous: cloakroom: a function of Events asks for the session of a request while that is being read")
		r.guest().want(200, loginAs("ann", nil))
		want("sign-in of ann")
		r.clock.add(2 * time.Hour)
		r.as(a).want(200, look)
		want("expired: cloakroom: a function of Events asks")
	})
}

// A store that panics where changes wait for each other, or several sessions are read,
// fails those alone.
func TestI8_StoreThatPanicsInTheBackground(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(1)
		first := r.store.hold(isOp("update"))
		saves := func() <-chan error {
			return later(func() error {
				o := r.open(s)
				visits.Update(o, plusOne)
				return o.Save(context.Background())
			})
		}
		one := saves()
		<-first.reached
		two := saves()
		time.Sleep(time.Millisecond) // it waits
		panicsOnce(r.store, isOp("update"))
		first.let(pass)
		if err := <-one; err != nil {
			t.Error(err)
		}
		r.wantErr("the save that waited", <-two, cloakroom.ErrUnknown, cloakroom.ErrUnavailable)
		r.wantVisits(s.ID(), 2)
		if err := <-saves(); err != nil {
			t.Errorf("a save later: %v", err)
		}
		r.wantVisits(s.ID(), 3)

		panicsOnce(r.store, isOp("update"))
		r.clock.add(5 * time.Minute)
		r.as(s).want(200, look) // and is touched
		time.Sleep(2 * time.Second)
		r.as(s).want(200, visit)

		panicsOnce(r.store, isOp("get"))
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic of a read got lost")
				}
			}()
			r.guest().send(presents(s, r.stored(1)), look)
		}()
	})
}

// sweepless is a store whose Sweep panics.
type sweepless struct{ cloakroom.Store }

func (sweepless) Sweep(context.Context, time.Time) (driver.SweepReport, error) {
	panic("the store's")
}

func TestI14_SweepThatPanics(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.managerOn(newFaulty(sweepless{r.place.open(t)}), &cloakroom.Config{SweepEvery: time.Minute})
		time.Sleep(3 * time.Minute)
		if n := strings.Count(r.log.take(), "sweep panicked"); n < 2 {
			t.Errorf("logged %d times", n)
		}
	})
}
