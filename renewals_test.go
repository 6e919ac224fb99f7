package cloakroom_test

import (
	"context"
	"encoding/binary"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of several renewals: the previous secrets that a record
// keeps.

// wantQuiet makes one request, whose response has to leave the browser's token alone.
func (g *guest) wantQuiet(status int, f page) {
	g.r.Helper()
	if w := g.want(status, f); len(w.Result().Cookies()) != 0 {
		g.r.Errorf("a late request got cookies: %v", w.Result().Cookies())
	}
}

// A renewal is made by a request with the current token, which is also its first use:
// the grace of the tokens before begins. None of them dies at once.
func TestI9_RenewTwice(t *testing.T) {
	const grace = 20 * time.Second
	const over = grace + driver.ClockTolerance
	config := &cloakroom.Config{RenewGrace: grace}
	runInBubble(t, "each in its grace", func(t *testing.T) {
		var events int
		c := *config
		c.Events = &cloakroom.Events{Renewed: func(context.Context, cloakroom.Info) { events++ }}
		r, s, first, second := renewed(t, &c)
		r.clock.add(time.Minute)
		third := second.twin()
		third.want(200, renew)
		if events != 2 {
			t.Errorf("two renewals gave %d events", events)
		}
		for _, late := range []*guest{first, second} {
			late.wantQuiet(200, look)
			late.wantQuiet(200, visit)
			late.wantQuiet(200, renew)
		}
		third.wantReads("after late requests the last", 3)
		synctest.Wait()
		r.clock.add(over - time.Millisecond)
		for _, late := range []*guest{first, second} {
			late.wantQuiet(200, visit)
		}
		synctest.Wait()
		r.clock.add(time.Millisecond)
		third.wantReads("after the grace the last", 5)
		for _, late := range []*guest{first, second} {
			r.wantShut(s.ID(), late.token)
		}
	})
	runInBubble(t, "and the second response is lost", func(t *testing.T) {
		r, s, first, second := renewed(t, config)
		r.clock.add(time.Minute)
		second.twin().want(200, renew) // whoever got it
		r.clock.add(over - time.Millisecond)
		first.wantReads("within its grace the first", 1)
		r.clock.add(time.Millisecond)
		r.wantShut(s.ID(), first.token)
		second.wantReads("that the browser has", 1)
		r.clock.add(time.Hour - over - time.Millisecond)
		second.wantReads("before the hour is over that", 1)
		r.clock.add(time.Millisecond)
		r.wantShut(s.ID(), second.token)
	})
	// The end of an earlier one isn't put off by a later renewal.
	runInBubble(t, "and the first is in its grace", func(t *testing.T) {
		r, s, first, second := renewed(t, config)
		second.want(200, look)
		synctest.Wait()
		r.clock.add(grace / 2)
		third := second.twin()
		third.want(200, renew)
		r.clock.add(over - grace/2 - time.Millisecond)
		first.wantReads("within its grace the first", 1)
		r.clock.add(time.Millisecond)
		r.wantShut(s.ID(), first.token)
		second.wantReads("not used since the", 1)
		third.wantReads("the last", 1)
	})
	runInBubble(t, "more often than is kept", func(t *testing.T) {
		r, s, first, g := renewed(t, config)
		late := []*guest{first}
		for range 8 {
			late = append(late, g.twin())
			g.want(200, renew)
		}
		for _, l := range late[1:] {
			l.wantReads("of the last eight each", 1)
		}
		r.wantShut(s.ID(), first.token)
		g.wantReads("the last", 1)
		rec, err := r.kept(s.ID())
		if err != nil || len(rec.Previous) != 401 {
			t.Errorf("it keeps %d bytes of them, %v", len(rec.Previous), err)
		}
	})
	runInBubble(t, "by processes with keys of their own order", func(t *testing.T) {
		a, b := []byte("the first of two secrets, 32 or more"), []byte("the other of two secrets, 32 or more")
		ring, err := cloakroom.NewKeyring(a)
		if err != nil {
			t.Fatal(err)
		}
		r := newRig(t, config)
		r.m, err = cloakroom.New(r.store, ring, &cloakroom.Config{Transport: cloakroom.Cookie{Insecure: true}, Now: r.clock.now, SweepEvery: -1})
		if err != nil {
			t.Fatal(err)
		}
		defer r.m.Close()
		g := r.as(r.stored(1))
		first := g.twin()
		g.want(200, renew)
		if err := ring.Replace(b, a); err != nil {
			t.Fatal(err)
		}
		second := g.twin()
		g.want(200, renew)
		first.wantReads("the first", 1)
		second.wantReads("the second", 1)
		g.wantReads("the last", 1)
	})
}

// The offsets in an entry of Record.Previous, of which the first begins at 1.
const (
	entryAt   = 0
	entryEnds = 8
	entryMAC  = 17
	entrySize = 50
)

// An attacker who can write to the store opens nothing with an old token beyond an
// hour.
func TestI9_EditedPrevious(t *testing.T) {
	put := func(b []byte, at int, when time.Time) []byte {
		b = slices.Clone(b)
		binary.BigEndian.PutUint64(b[1+at:], uint64(when.UnixMilli()))
		return b
	}
	config := &cloakroom.Config{RenewGrace: 20 * time.Second}
	runInBubble(t, "its end", func(t *testing.T) {
		r, s, old, fresh := renewed(t, config)
		far := r.clock.now().Add(1000 * time.Hour)
		r.rewrite(s.ID(), func(rec *driver.Record) {
			rec.Previous, rec.PreviousEnds = put(rec.Previous, entryEnds, far), far
		})
		r.clock.add(time.Hour - time.Millisecond)
		old.wantReads("within the hour", 1)
		r.clock.add(time.Millisecond)
		r.wantShut(s.ID(), old.token)
		fresh.wantReads("the new", 1)
		synctest.Wait()
		r.clock.add(20*time.Second + driver.ClockTolerance)
		fresh.want(200, visit)
		if rec, err := r.kept(s.ID()); err != nil || rec.Previous != nil {
			t.Errorf("it keeps %x, %v", rec.Previous, err)
		}
	})
	runInBubble(t, "the time of its renewal", func(t *testing.T) {
		r, s, old, _ := renewed(t, config)
		r.rewrite(s.ID(), func(rec *driver.Record) { rec.Previous = put(rec.Previous, entryAt, r.clock.now().Add(time.Minute)) })
		r.wantShut(s.ID(), old.token)
	})
	runInBubble(t, "back into the verifier", func(t *testing.T) {
		r, s, old, fresh := renewed(t, config)
		r.rewrite(s.ID(), func(rec *driver.Record) {
			rec.Verifier, rec.Previous, rec.PreviousEnds = rec.Previous[1+entryMAC:], nil, time.Time{}
		})
		r.wantShut(s.ID(), old.token)
		r.wantShut(s.ID(), fresh.token)
	})
	runInBubble(t, "the principal", func(t *testing.T) {
		r, s, old, _ := renewed(t, config)
		r.rewrite(s.ID(), func(rec *driver.Record) { rec.Principal = "root" })
		r.wantShut(s.ID(), old.token)
	})
	// The renewal's machine may be ahead by the clocks' tolerance.
	for ahead, opens := range map[time.Duration]bool{driver.ClockTolerance: true, driver.ClockTolerance + time.Millisecond: false} {
		runInBubble(t, "a clock that is ahead by "+ahead.String(), func(t *testing.T) {
			r := newRig(t, config)
			s := r.stored(1)
			old, fresh := r.as(s), r.as(s)
			r.clock.add(ahead)
			fresh.want(200, renew)
			r.clock.add(-ahead)
			if opens {
				old.wantReads("the old", 1)
			} else {
				r.wantShut(s.ID(), old.token)
			}
			fresh.wantReads("the new", 1)
		})
	}
}

// The verifier of the last secret that an older version kept goes on: as long as it
// says, but no longer than it could have said.
func TestI9_PreviousOfAnOlderVersion(t *testing.T) {
	const grace = 20 * time.Second
	const over = grace + driver.ClockTolerance
	older := func(t *testing.T, ends time.Duration) (r *rig, s *cloakroom.Session, old, fresh *guest) {
		t.Helper()
		r = newRig(t, &cloakroom.Config{RenewGrace: grace})
		s = r.stored(1)
		old = r.as(s)
		before, err := r.kept(s.ID())
		if err != nil {
			t.Fatal(err)
		}
		fresh = old.twin()
		fresh.want(200, renew)
		r.rewrite(s.ID(), func(rec *driver.Record) {
			rec.Previous, rec.PreviousEnds = before.Verifier, r.clock.now().Add(ends)
		})
		r.m.Close() // it may remember the session
		r.m = r.manager(&cloakroom.Config{RenewGrace: grace})
		old.m, fresh.m = r.m, r.m
		r.store.since()
		return r, s, old, fresh
	}
	runInBubble(t, "its grace", func(t *testing.T) {
		r, s, old, fresh := older(t, time.Hour)
		r.clock.add(time.Hour - time.Millisecond)
		old.wantQuiet(200, visit)
		fresh.want(200, look)
		synctest.Wait()
		r.clock.add(driver.ClockTolerance)
		old.wantReads("the old", 2)
		r.clock.add(time.Millisecond)
		r.wantShut(s.ID(), old.token)
	})
	runInBubble(t, "an end that was edited", func(t *testing.T) {
		r, s, old, _ := older(t, time.Hour+driver.ClockTolerance)
		old.wantReads("what a clock that is ahead could say: the old", 1)
		r.rewrite(s.ID(), func(rec *driver.Record) { rec.PreviousEnds = rec.PreviousEnds.Add(time.Millisecond) })
		r.wantShut(s.ID(), old.token)
	})
	runInBubble(t, "another renewal", func(t *testing.T) {
		r, s, old, fresh := older(t, time.Hour)
		second := fresh.twin()
		fresh.want(200, renew)
		r.clock.add(over - time.Millisecond)
		old.wantQuiet(200, visit)
		second.wantReads("the second", 2)
		r.clock.add(time.Millisecond)
		r.wantShut(s.ID(), old.token)
	})
	runInBubble(t, "a strict renewal", func(t *testing.T) {
		r, _, old, fresh := older(t, time.Hour)
		fresh.want(200, renewStrict)
		old.wantQuiet(409, visit)
		r.clock.add(over - time.Millisecond)
		old.wantQuiet(409, visit)
		r.clock.add(time.Millisecond)
		old.want(200, visit)
	})
	// It shortens the end of all, and touches nothing else.
	runInBubble(t, "the older version's first use", func(t *testing.T) {
		r, s, first, second := renewed(t, &cloakroom.Config{RenewGrace: grace})
		r.rewrite(s.ID(), func(rec *driver.Record) { rec.PreviousEnds = r.clock.now().Add(grace) })
		r.clock.add(over - time.Millisecond)
		first.wantReads("within the grace", 1)
		third := second.twin()
		third.want(200, renew)
		r.clock.add(time.Millisecond)
		r.wantShut(s.ID(), first.token) // the later renewal doesn't put it off
		second.wantReads("the second", 1)
	})
}

// A newer version's previous secrets may be needed: a renewal doesn't drop them. A
// strict one ends them anyway.
func TestI8_RenewalOverANewerPrevious(t *testing.T) {
	later := append([]byte{3}, make([]byte, 40)...)
	over := func(rec *driver.Record) { rec.Previous, rec.PreviousEnds = later, rec.Seen.Add(-driver.ClockTolerance) }
	runInBubble(t, "in its grace", func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(1)
		r.rewrite(s.ID(), func(rec *driver.Record) { over(rec); rec.PreviousEnds = rec.PreviousEnds.Add(time.Millisecond) })
		g := r.as(s)
		g.want(200, visit)
		g.wantQuiet(503, renew)
		g.wantReads("its token, left alone,", 2)
		g.want(200, renewStrict)
		g.wantReads("the new", 2)
	})
	runInBubble(t, "over", func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(1)
		r.rewrite(s.ID(), over)
		g := r.as(s)
		g.want(200, renew)
		g.wantReads("the new", 1)
		synctest.Wait() // for the touch that records the new token's first use
		r.rewrite(s.ID(), over)
		r.wantShut(s.ID(), s.Token())
	})
}

func renewStrict(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
	return s.RenewStrict(r.Context())
}
