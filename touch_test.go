package cloakroom_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of touches: a visitor's activity keeps the session alive,
// whatever others write and however long a request runs (invariants 5, 6 and 11).

// wantSeen checks the time of last activity that the store keeps.
func (r *rig) wantSeen(id cloakroom.ID, want time.Time) {
	r.Helper()
	rec, err := r.kept(id)
	if err != nil {
		r.Errorf("session %v: %v", id, err)
		return
	}
	if !rec.Seen.Equal(want) {
		r.Errorf("session %v was seen %v after the visitor came", id, rec.Seen.Sub(want))
	}
}

// sure fails the test unless the request's session is s.
func (r *rig) sure(s *cloakroom.Session) page {
	return func(_ http.ResponseWriter, _ *http.Request, got *cloakroom.Session) error {
		if got.ID() != s.ID() {
			r.Errorf("the visitor's session %v is over", s.ID())
		}
		return nil
	}
}

// A poller in another process writes between each read and write of the visitor's.
func TestI11_PollerKeepsNobodyOut(t *testing.T) {
	for name, f := range map[string]page{"reads": look, "writes": visit} {
		for _, vouch := range []bool{false, true} {
			runInBubble(t, fmt.Sprint(name, ", answers vouched for: ", vouch), func(t *testing.T) {
				r := newRig(t, &cloakroom.Config{IdleTimeout: 3 * time.Second})
				r.store.vouch.Answers = vouch
				s, beside := r.stored(1), newFaulty(r.store.Store)
				poller := r.as(s)
				poller.m = r.managerOn(beside, &cloakroom.Config{
					IdleTimeout: 3 * time.Second, Background: func(*http.Request) bool { return true },
				})
				writes := 0
				r.store.hook(func(c *call) fate {
					if c.op == "update" {
						if writes++; writes%3 != 0 { // the third try succeeds
							poller.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
								number(1).Update(s, plusOne)
								return nil
							})
						}
					}
					return pass
				})
				g := r.as(s)
				for range 40 {
					r.clock.add(300 * time.Millisecond)
					g.want(200, f)
					g.want(200, r.sure(s))
					synctest.Wait()
					r.wantSeen(s.ID(), r.clock.now())
				}
				if writes < 80 {
					t.Errorf("the visitor's process wrote %d times", writes)
				}
			})
		}
	}
}

// Others find the session live while a request, a stream or a socket goes on.
func TestI11_LongRequest(t *testing.T) {
	const idle, every = time.Hour, 10 * time.Minute
	for _, mode := range []cloakroom.SaveMode{cloakroom.SaveOnce, cloakroom.SaveEach, cloakroom.SaveManual} {
		for name, begin := range map[string]page{
			"computes": look,
			"streams": func(w http.ResponseWriter, _ *http.Request, _ *cloakroom.Session) error {
				w.(http.Flusher).Flush()
				return nil
			},
			"saves and goes on": func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
				number(1).Set(s, 2)
				return s.Save(r.Context())
			},
		} {
			runInBubble(t, fmt.Sprint(mode, " ", name), func(t *testing.T) {
				r := newRig(t, &cloakroom.Config{IdleTimeout: idle, TouchEvery: every, Save: mode})
				s := r.stored(1)
				r.clock.add(every)
				came := r.clock.now()
				r.as(s).want(200, func(w http.ResponseWriter, req *http.Request, mine *cloakroom.Session) error {
					if err := begin(w, req, mine); err != nil {
						return err
					}
					time.Sleep(time.Second)
					synctest.Wait()
					r.wantSeen(s.ID(), came)
					r.store.since()
					r.clock.add(idle - time.Millisecond)
					r.as(s).want(200, r.sure(s))
					synctest.Wait()
					r.wantOps("get 1, update 1")
					time.Sleep(time.Minute)
					r.clock.add(idle - time.Millisecond)
					r.as(s).want(200, r.sure(s))
					synctest.Wait()
					r.store.since()
					return nil
				})
				synctest.Wait()
				r.wantOps("nothing")
			})
		}
	}
}

// A request that came just before the session would have expired keeps it alive, though
// another comes right after it, and though its own write comes late.
func TestI11_JustInTime(t *testing.T) {
	const idle, margin = time.Hour, 100 * time.Millisecond
	runInBubble(t, "another looks", func(t *testing.T) {
		r := newRig(t, &cloakroom.Config{IdleTimeout: idle})
		s := r.stored(1)
		r.clock.add(idle - margin)
		r.as(s).want(200, func(http.ResponseWriter, *http.Request, *cloakroom.Session) error {
			time.Sleep(margin)
			synctest.Wait()
			r.clock.add(margin)
			r.as(s).want(200, r.sure(s))
			return nil
		})
	})
	runInBubble(t, "the store is slow", func(t *testing.T) {
		r := newRig(t, &cloakroom.Config{IdleTimeout: idle})
		s := r.stored(1)
		r.clock.add(idle - margin)
		var once atomic.Bool
		r.store.hook(func(c *call) fate {
			if c.op == "get" && once.CompareAndSwap(false, true) {
				r.clock.add(margin)
			}
			return pass
		})
		r.as(s).want(200, r.sure(s))
	})
	for name, f := range map[string]page{"look": look, "visit": visit, "renew": renew} {
		runInBubble(t, "its write comes late, "+name, func(t *testing.T) {
			r := newRig(t, &cloakroom.Config{IdleTimeout: idle})
			s := r.stored(1)
			r.clock.add(idle - margin)
			came := r.clock.now()
			r.store.hook(func(c *call) fate {
				if c.op == "update" && r.clock.now().Equal(came) {
					r.clock.add(margin)
					r.rewrite(s.ID(), func(*driver.Record) {}) // it is judged again
				}
				return pass
			})
			g := r.as(s)
			g.want(200, f)
			synctest.Wait()
			r.wantSeen(s.ID(), came) // before another visit, which a new token's first use records
			g.want(200, r.sure(s))
		})
	}
}

// Seen is when the visitor came, not when the store was written.
func TestI11_SeenIsTheArrival(t *testing.T) {
	for name, f := range map[string]page{"visit": visit, "renew": renew, "look": look} {
		runInBubble(t, name, func(t *testing.T) {
			r := newRig(t, nil)
			s := r.stored(1)
			r.clock.add(time.Hour)
			came := r.clock.now()
			r.as(s).want(200, func(w http.ResponseWriter, req *http.Request, mine *cloakroom.Session) error {
				r.clock.add(10 * time.Minute)
				return f(w, req, mine)
			})
			synctest.Wait()
			r.wantSeen(s.ID(), came)
		})
	}
	runInBubble(t, "Retrieve", func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(1)
		r.clock.add(time.Hour)
		came := r.clock.now()
		mine := r.open(s)
		synctest.Wait()
		r.wantSeen(s.ID(), came)
		r.clock.add(time.Hour)
		visits.Set(mine, 5)
		r.save(mine)
		r.wantSeen(s.ID(), came)
	})
}

// One write goes with the touch, or is it, wherever that can be.
func TestI6_TouchGoesWithTheSave(t *testing.T) {
	sleepy := func(d time.Duration, f page) page {
		return func(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
			time.Sleep(d)
			synctest.Wait()
			return f(w, r, s)
		}
	}
	bad := errors.New("not a page")
	for name, test := range map[string]struct {
		page page
		want string
	}{
		"save":                     {visit, "get 1, update 1"},
		"save within a second":     {sleepy(999*time.Millisecond, visit), "get 1, update 1"},
		"save after that":          {sleepy(1001*time.Millisecond, visit), "get 1, update 2"},
		"save much later":          {sleepy(time.Minute, visit), "get 1, update 2"},
		"look":                     {look, "get 1, update 1"},
		"a look that takes a week": {sleepy(7*24*time.Hour, look), "get 1, update 1"},
		"renewal":                  {renew, "get 1, update 1"},
		"an error":                 {func(http.ResponseWriter, *http.Request, *cloakroom.Session) error { return bad }, "get 1, update 1"},
		"a panic":                  {func(http.ResponseWriter, *http.Request, *cloakroom.Session) error { panic(http.ErrAbortHandler) }, "get 1, update 1"},
	} {
		runInBubble(t, name, func(t *testing.T) {
			r := newRig(t, nil)
			s := r.stored(1)
			r.clock.add(time.Hour)
			func() {
				defer func() { _ = recover() }()
				r.as(s).do(test.page)
			}()
			time.Sleep(time.Hour)
			synctest.Wait()
			r.wantOps(test.want)
			r.wantSeen(s.ID(), r.clock.now())
		})
	}
	runInBubble(t, "during a save on the wire", func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(1)
		r.clock.add(time.Hour)
		g := r.store.hold(isOp("update"))
		done := later(func() bool { r.as(s).want(200, visit); return true })
		<-g.reached
		time.Sleep(900 * time.Millisecond)
		other := later(func() bool { r.as(s).want(200, look); return true }) // whose touch is due as well
		<-other
		time.Sleep(2 * time.Second)
		g.let(pass)
		<-done
		synctest.Wait()
		r.wantOps("get 2, update 1")
	})
}

// A touch that meets another write is made on top of it, unless that was activity.
func TestI5_TouchYieldsToActivityAlone(t *testing.T) {
	for name, test := range map[string]struct {
		config cloakroom.Config
		after  time.Duration // the other's arrival
		want   string
		seen   time.Duration
	}{
		"a background request": {cloakroom.Config{Background: func(*http.Request) bool { return true }}, 0, "get 2, update 2", 0},
		"an earlier visit":     {cloakroom.Config{}, -time.Minute, "get 2, update 2", 0},
		"a later visit":        {cloakroom.Config{}, time.Minute, "get 2, update 1", time.Minute},
	} {
		runInBubble(t, name, func(t *testing.T) {
			r := newRig(t, nil)
			r.store.vouch.Answers = true
			s := r.stored(1)
			r.clock.add(time.Hour)
			came := r.clock.now()
			other := r.as(s)
			other.m = r.managerOn(newFaulty(r.store.Store), &test.config)
			g := r.store.hold(isOp("update"))
			r.as(s).want(200, look)
			<-g.reached
			r.clock.add(test.after)
			other.want(200, visit)
			r.clock.add(-test.after)
			g.let(pass)
			synctest.Wait()
			r.wantOps(test.want)
			r.wantVisits(s.ID(), 2)
			r.wantSeen(s.ID(), came.Add(test.seen))
		})
	}
}

// However the store answers, or doesn't, a touch is made.
func TestI11_FaultsOfATouch(t *testing.T) {
	for name, fates := range fates {
		for _, reads := range [][]fate{nil, {dropped}, {lost, dropped, lost}} {
			runInBubble(t, fmt.Sprint(name, ", re-reads ", reads), func(t *testing.T) {
				r := newRig(t, nil)
				s := r.stored(1)
				r.clock.add(time.Hour)
				r.store.fate(isOn("update", s.ID()), fates...)
				r.as(s).want(200, func(http.ResponseWriter, *http.Request, *cloakroom.Session) error {
					r.store.fate(isOn("get", s.ID()), reads...)
					return nil
				})
				time.Sleep(time.Minute)
				r.wantSeen(s.ID(), r.clock.now())
				r.store.deliver()
				r.wantSeen(s.ID(), r.clock.now())
				r.wantVisits(s.ID(), 1)
			})
		}
	}
}

// The grace of a renewed secret begins though others write.
func TestI9_GraceBeginsDespiteConflicts(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(1)
		g := r.as(s)
		g.want(200, renew)
		var done atomic.Bool
		r.store.hook(func(c *call) fate {
			if c.op == "update" && done.CompareAndSwap(false, true) {
				r.rewrite(s.ID(), func(rec *driver.Record) { rec.Seen = rec.Seen.Add(time.Minute) })
			}
			return pass
		})
		g.want(200, look)
		synctest.Wait()
		rec, err := r.kept(s.ID())
		if err != nil {
			t.Fatal(err)
		}
		if d := rec.PreviousEnds.Sub(r.clock.now()); d != 30*time.Second {
			t.Errorf("the old secret is good for %v more, want 30s", d)
		}
	})
}

// A remembered time of last activity is old, and no reason to end the session early or
// late.
func TestI11_TouchOfWhatIsRemembered(t *testing.T) {
	const idle, every = 10 * time.Minute, time.Minute
	inBubble(t, func(t *testing.T) {
		config := &cloakroom.Config{IdleTimeout: idle, TouchEvery: every, CacheFor: 9 * time.Minute}
		r := newRig(t, config)
		s := r.stored(1)
		here, there := r.as(s), r.as(s)
		there.m = r.manager(config)
		for i := range 30 {
			r.clock.add(idle - every - time.Millisecond)
			g := here
			if i%3 == 1 {
				g = there
			}
			g.want(200, r.sure(s))
			synctest.Wait()
			r.wantSeen(s.ID(), r.clock.now())
		}
		r.clock.add(idle)
		r.wantOpen("after the idle timeout", s.Token(), false)
	})
}

// A timer is stopped with its request, and one that comes at the end does no harm.
func TestI6_TouchAtTheEndOfTheRequest(t *testing.T) {
	for range 20 {
		inBubble(t, func(t *testing.T) {
			r := newRig(t, nil)
			s := r.stored(1)
			r.clock.add(time.Hour)
			r.as(s).want(200, func(http.ResponseWriter, *http.Request, *cloakroom.Session) error {
				time.Sleep(time.Second) // no Wait: they race
				return nil
			})
			time.Sleep(time.Hour)
			synctest.Wait()
			r.wantOps("get 1, update 1")
		})
	}
}
