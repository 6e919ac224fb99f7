package cloakroom_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the tests of admission: more requests than the store can serve
// (invariant 8).

// rush has more visitors come than a store serves that carries out one operation
// after the other, each in its time.
type rush struct {
	*rig
	guests []*guest
	saved  []atomic.Int64 // visits acknowledged, by guest

	good, refused, slow atomic.Int64
	took                atomic.Int64 // of those that were served, the last one; nanoseconds
	turn                sync.Mutex
	next                time.Time
}

func newRush(t testing.TB, guests int, config *cloakroom.Config) *rush {
	r := &rush{rig: newRig(t, config), saved: make([]atomic.Int64, guests)}
	for range guests {
		r.guests = append(r.guests, r.as(r.stored(0)))
	}
	return r
}

// takes is the hook of a store whose operations take so long, each after the
// one that came before it.
func (r *rush) takes(each time.Duration) func(*call) fate {
	return func(c *call) fate {
		r.turn.Lock()
		if now := time.Now(); r.next.Before(now) {
			r.next = now
		}
		r.next = r.next.Add(each)
		due := time.NewTimer(time.Until(r.next))
		r.turn.Unlock()
		defer due.Stop()
		select {
		case <-due.C:
			return pass
		case <-c.ctx.Done():
			return dropped
		}
	}
}

// come has visitors come for a while, whether or not earlier ones are answered.
func (r *rush) come(every, span time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var all sync.WaitGroup
	for n := range int(span / every) {
		<-tick.C
		all.Go(func() { r.visit(n % len(r.guests)) })
	}
	all.Wait()
}

func (r *rush) visit(i int) {
	g := r.guests[i]
	begin := time.Now()
	w := g.do(visit)
	took := time.Since(begin)
	switch {
	case w.Code == 200:
		r.good.Add(1)
		r.took.Store(int64(took))
		r.saved[i].Add(1)
	case w.Code != 503:
		r.Errorf("a visitor got the status %d: %s", w.Code, w.Body)
	case w.Header().Get("Retry-After") == "" || len(w.Result().Cookies()) != 0:
		r.Errorf("a visitor was turned down with the headers %v", w.Header())
	case took != 0: // time stands still but for waiting
		r.Errorf("a visitor was turned down after %v", took)
	default:
		r.refused.Add(1)
	}
	if took > time.Second {
		r.slow.Add(1)
	}
}

func (r *rush) check() {
	r.Helper()
	for i, g := range r.guests {
		if got, want := visits.Get(r.openBy(r.m, g.token)), int(r.saved[i].Load()); got != want {
			r.Errorf("a session has %d visits; %d were acknowledged, and the others turned down", got, want)
		}
	}
}

// TestI8_Admission: four times as many visitors come as the store serves. It
// goes on serving as many as it can, in time, and all others are told at once to
// come again later, at no cost to the store. Then it is as before.
func TestI8_Admission(t *testing.T) {
	for name, c := range map[string]struct {
		config cloakroom.Config
		ops    time.Duration // of the store, for a visit
	}{
		"read and saved":       {ops: 2},
		"read from the memory": {cloakroom.Config{CacheFor: time.Minute}, 1},
	} {
		runInBubble(t, name, func(t *testing.T) {
			const each, span = 500 * time.Microsecond, time.Second
			r := newRush(t, 800, &c.config)
			for i := range r.guests {
				r.visit(i)
			}
			before := r.good.Load()
			r.store.hook(r.takes(each))
			r.come(c.ops*each/4, span)
			good, refused, slow := r.good.Load()-before, r.refused.Load(), r.slow.Load()
			t.Logf("%d were served, of them %d slowly, and %d turned down", good, slow, refused)
			if n := strings.Count(r.log.take(), "request failed"); n == 0 || n > 100 {
				t.Errorf("%d lines were logged of %d refusals", n, refused)
			}
			if could := int64(span / (c.ops * each)); good < could*9/10 {
				t.Errorf("%d were served: %d could be", good, could)
			}
			if refused == 0 || slow > 0 {
				t.Errorf("%d were turned down, and %d had to wait for more than a second", refused, slow)
			}
			if n := r.m.Figures().TurnedDown; n != refused {
				t.Errorf("%d were turned down, and the figures have %d", refused, n)
			}
			r.store.heal()
			for i := range r.guests {
				r.visit(i)
			}
			if n := r.refused.Load() - refused; n > 0 {
				t.Errorf("%d were turned down when the rush was over", n)
			}
			r.check()
		})
	}
}

// TestI8_AdmissionOfABurst: a store that is not known to be slow isn't spared.
func TestI8_AdmissionOfABurst(t *testing.T) {
	runInBubble(t, "", func(t *testing.T) {
		r := newRush(t, 1000, nil)
		r.store.hook(r.takes(10 * time.Microsecond))
		var all sync.WaitGroup
		for i := range r.guests {
			all.Go(func() { r.visit(i) })
		}
		all.Wait()
		if n := r.refused.Load(); n > 0 {
			t.Errorf("%d of %d who came at once were turned down", n, len(r.guests))
		}
		r.check()
	})
}

// TestI8_AdmissionInARushThatLasts: a request that is served needn't wait for as long
// as in a rush that has just begun. Requests without a token are in nobody's way.
func TestI8_AdmissionInARushThatLasts(t *testing.T) {
	runInBubble(t, "", func(t *testing.T) {
		const each = 50 * time.Microsecond
		r := newRush(t, 2000, nil)
		r.store.hook(r.takes(each))
		var came sync.WaitGroup
		came.Go(func() { r.come(2*each/4, 1100*time.Millisecond) })
		time.Sleep(time.Second) // in the bubble: until it lasts
		r.guest().want(200, look)
		came.Wait()
		if took := time.Duration(r.took.Load()); took > 160*time.Millisecond {
			t.Errorf("the last one who was served had to wait for %v", took)
		}
		if r.refused.Load() == 0 || r.slow.Load() > 0 {
			t.Errorf("%d were turned down, and %d had to wait for more than a second", r.refused.Load(), r.slow.Load())
		}
	})
}

// TestI8_AdmissionDuringPauses: a store that isn't at its limit makes pauses, as
// engines do. Nobody is turned down, though many are waiting after each.
func TestI8_AdmissionDuringPauses(t *testing.T) {
	runInBubble(t, "", func(t *testing.T) {
		const each = 20 * time.Microsecond
		r := newRush(t, 2000, nil)
		r.store.hook(r.takes(each))
		var pauses sync.WaitGroup
		pauses.Go(func() {
			for range 2 {
				time.Sleep(400 * time.Millisecond)
				r.turn.Lock()
				r.next = time.Now().Add(120 * time.Millisecond)
				r.turn.Unlock()
			}
		})
		r.come(4*each, time.Second)
		pauses.Wait()
		if n := r.refused.Load(); n > 0 || r.good.Load() != 12_500 {
			t.Errorf("%d were served, and %d turned down", r.good.Load(), n)
		}
		r.check()
	})
}
