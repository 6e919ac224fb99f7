package cloakroom_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of saves: parallel ones, their number, and changes during a
// save (invariants 1, 3 and 6).

// asJSON is for comparing values: none are {}.
func asJSON(values driver.ValueList) string {
	if len(values) == 0 {
		return "{}"
	}
	text, _ := json.Marshal(maps.Collect(values.All()))
	return string(text)
}

func number(i int) cloakroom.Key[int] { return cloakroom.NewKey[int](fmt.Sprint("number", i)) }

func TestI1_ParallelRequestsWithKeysOfTheirOwn(t *testing.T) {
	const n = 100
	r := newRig(t, nil)
	s := r.stored(1)
	g := r.as(s)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			g.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				number(i).Set(s, i)
				return nil
			})
		})
	}
	all.Wait()
	again := r.open(s)
	for i := range n {
		if got, ok, err := number(i).Lookup(again); got != i || !ok || err != nil {
			t.Errorf("key %d: %d, %v, %v", i, got, ok, err)
		}
	}
}

func TestI3_ParallelIncrements(t *testing.T) {
	for _, processes := range []int{1, 4} {
		runInBubble(t, fmt.Sprint(processes, " processes"), func(t *testing.T) {
			const n = 100
			p := newPlace(t)
			p.periods = processes > 1
			r := newRigAt(t, p, nil)
			r.store.slow()
			s := r.stored(1)
			managers := []*cloakroom.Manager{r.m}
			for len(managers) < processes {
				store := newFaulty(p.open(t))
				store.slow()
				managers = append(managers, r.managerOn(store, nil))
			}
			var all sync.WaitGroup
			for i := range n {
				all.Go(func() {
					g := r.as(s)
					g.m = managers[i%processes]
					g.want(200, visit)
				})
			}
			all.Wait()
			r.wantVisits(s.ID(), n+1)
			rec, err := r.kept(s.ID())
			if err != nil {
				t.Fatal(err)
			}
			if rec.Writes > n/2 {
				t.Errorf("%d requests at once made %d writes: they should have been merged", n, rec.Writes)
			}
		})
	}
}

func TestI3_ConflictsMerge(t *testing.T) {
	a, b := cloakroom.NewKey[string]("a"), cloakroom.NewKey[string]("b")
	same := cloakroom.NewKey[string]("same")
	for _, test := range []struct {
		name          string
		first, second func(cloakroom.Values) // in the order of their commits
		want          string
	}{
		{"different keys", func(v cloakroom.Values) { a.Set(v, "1") }, func(v cloakroom.Values) { b.Set(v, "2") }, `{"a":"1","b":"2","same":"0"}`},
		{"the later set wins", func(v cloakroom.Values) { same.Set(v, "1") }, func(v cloakroom.Values) { same.Set(v, "2") }, `{"same":"2"}`},
		{"the later unset wins", func(v cloakroom.Values) { same.Set(v, "1") }, func(v cloakroom.Values) { same.Delete(v) }, `{}`},
		{"a set after an unset wins", func(v cloakroom.Values) { same.Delete(v) }, func(v cloakroom.Values) { same.Set(v, "2") }, `{"same":"2"}`},
		{"an unset leaves others alone", func(v cloakroom.Values) { a.Set(v, "1") }, func(v cloakroom.Values) { same.Delete(v) }, `{"a":"1"}`},
		{"clear", func(v cloakroom.Values) { a.Set(v, "1") }, func(v cloakroom.Values) { v.(interface{ Clear() }).Clear(); b.Set(v, "2") }, `{"b":"2"}`},
		{"updates add up", func(v cloakroom.Values) { same.Update(v, func(s string) string { return s + "1" }) },
			func(v cloakroom.Values) { same.Update(v, func(s string) string { return s + "2" }) }, `{"same":"012"}`},
		{"an update after a set", func(v cloakroom.Values) { same.Set(v, "1") },
			func(v cloakroom.Values) { same.Update(v, func(s string) string { return s + "2" }) }, `{"same":"12"}`},
		{"a set after an update", func(v cloakroom.Values) { same.Update(v, func(s string) string { return s + "1" }) },
			func(v cloakroom.Values) { same.Set(v, "2") }, `{"same":"2"}`},
	} {
		check := func(t *testing.T, r *rig, id cloakroom.ID) {
			rec, err := r.kept(id)
			if err != nil {
				t.Fatal(err)
			}
			if got := asJSON(rec.Values); got != test.want {
				t.Errorf("the store keeps %s, want %s", got, test.want)
			}
		}
		begin := func(r *rig) *cloakroom.Session {
			s := r.stored(0)
			same.Set(s, "0")
			r.save(s)
			return s
		}
		runInBubble(t, test.name, func(t *testing.T) {
			r := newRig(t, nil)
			s := begin(r)
			first, second := r.openBy(r.manager(nil), s.Token()), r.open(s)
			r.store.since()
			test.second(second)
			test.first(first)
			r.save(first)
			r.save(second)
			r.wantOps("get 1, update 3")
			check(t, r, s.ID())
		})
		runInBubble(t, test.name+", in one transaction each", func(t *testing.T) {
			r := newRig(t, nil)
			s := begin(r)
			for _, f := range []func(cloakroom.Values){test.first, test.second} {
				other := r.openBy(r.manager(nil), s.Token())
				if err := other.Update(t.Context(), func(tx *cloakroom.Tx) error { f(tx); return nil }); err != nil {
					t.Error(err)
				}
			}
			check(t, r, s.ID())
		})
		runInBubble(t, test.name+", merged", func(t *testing.T) {
			r := newRig(t, nil)
			s := begin(r)
			g := r.store.hold(isOp("update"))
			zero := r.open(s)
			number(0).Set(zero, 0)
			done := later(func() error { return zero.Save(t.Context()) })
			<-g.reached
			var waiting []<-chan error
			for _, f := range []func(cloakroom.Values){test.first, test.second} {
				other := r.open(s)
				f(other)
				waiting = append(waiting, later(func() error { return other.Save(t.Context()) }))
				synctest.Wait()
			}
			r.store.since()
			g.let(pass)
			for _, c := range append(waiting, done) {
				if err := <-c; err != nil {
					t.Error(err)
				}
			}
			r.wantOps("update 1")
			last := r.open(s)
			number(0).Delete(last)
			r.save(last)
			check(t, r, s.ID())
		})
	}
}

func TestI6_OneReadAndOneWrite(t *testing.T) {
	set := func(n int) page {
		return func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			visits.Set(s, n)
			return nil
		}
	}
	for _, test := range []struct {
		name       string
		f          page
		known, new string
	}{
		{"nothing", func(http.ResponseWriter, *http.Request, *cloakroom.Session) error { return nil }, "get 1", "nothing"},
		{"reading", look, "get 1", "nothing"},
		{"updating", visit, "get 1, update 1", "create 1"},
		{"setting", set(9), "get 1, update 1", "create 1"},
		// The rig's stores vouch for nothing, as they lose answers.
		{"setting what is there", set(1), "get 1, update 1", "create 1"},
		{"unsetting what isn't there", func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			cart.Delete(s)
			return nil
		}, "get 1, update 1", "nothing"},
		{"setting and unsetting", func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			cart.Set(s, nil)
			cart.Delete(s)
			return nil
		}, "get 1, update 1", "nothing"},
		{"many changes", func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			for i := range 20 {
				number(i).Set(s, i)
				visits.Update(s, plusOne)
			}
			return nil
		}, "get 1, update 1", "create 1"},
		{"before and after the headers", func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			visits.Set(s, 2)
			w.WriteHeader(200)
			return nil
		}, "get 1, update 1", "create 1"},
	} {
		runInBubble(t, test.name, func(t *testing.T) {
			r := newRig(t, nil)
			s := r.stored(1)
			r.clock.add(time.Second) // less than TouchEvery
			r.as(s).want(200, test.f)
			r.m.Close() // waits for touches
			r.wantOps(test.known)
			r = newRig(t, nil)
			r.guest().want(200, test.f)
			r.m.Close()
			r.wantOps(test.new)
		})
	}
}

// A request that holds the session open for long doesn't cost the others another read:
// the state that they have just read is as new as can be.
func TestI6_OneReadAndOneWriteBesideALongRequest(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(1)
		saved, end := make(chan struct{}), make(chan struct{})
		long := later(func() int {
			return r.as(s).do(func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				visits.Update(s, plusOne)
				w.WriteHeader(http.StatusOK)
				close(saved)
				<-end
				return nil
			}).Code
		})
		<-saved
		r.wantOps("get 1, update 1")
		r.clock.add(2 * time.Second) // more than the age at which a known state is read again
		r.as(s).want(200, visit)
		r.wantOps("get 1, update 1")
		close(end)
		if code := <-long; code != 200 {
			t.Errorf("the long request got the status %d", code)
		}
		r.wantVisits(s.ID(), 3)
	})
}

// Saving is activity: there is no touch beside it, however often touches are due.
func TestI6_SaveIsTheTouch(t *testing.T) {
	for _, every := range []time.Duration{time.Nanosecond, time.Minute, -1} {
		runInBubble(t, fmt.Sprint("TouchEvery ", every), func(t *testing.T) {
			r := newRig(t, &cloakroom.Config{TouchEvery: every})
			s := r.stored(1)
			r.clock.add(time.Hour)
			r.as(s).want(200, visit)
			r.m.Close()
			r.wantOps("get 1, update 1")
			rec, err := r.kept(s.ID())
			if err != nil {
				t.Fatal(err)
			}
			if !rec.Seen.Equal(r.clock.now()) {
				t.Errorf("seen at %v, want %v", rec.Seen, r.clock.now())
			}
		})
	}
}

// blocked returns a gate at which a save of the session waits, and its result.
func (r *rig) blocked(s *cloakroom.Session) (*gate, <-chan error) {
	r.Helper()
	first := r.open(s)
	g := r.store.hold(isOn("update", s.ID()))
	number(0).Set(first, 1)
	done := later(func() error { return first.Save(context.Background()) })
	<-g.reached
	return g, done
}

// queued has another request change a session and begin to save it.
func (r *rig) queued(s *cloakroom.Session, change func(*cloakroom.Session)) <-chan error {
	r.Helper()
	s = r.open(s)
	change(s)
	c := later(func() error { return s.Save(r.Context()) })
	synctest.Wait()
	return c
}

// one is a change that can be counted.
func one(s *cloakroom.Session) { visits.Update(s, plusOne) }

func TestI6_QueuedSavesMergeIntoOneWrite(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const n = 50
		r := newRig(t, nil)
		s := r.stored(0)
		g, first := r.blocked(s)
		var all sync.WaitGroup
		for range n {
			s := r.open(s)
			all.Go(func() {
				visits.Update(s, plusOne)
				if err := s.Save(t.Context()); err != nil {
					t.Error(err)
				}
				if s.ID().IsZero() || visits.Get(s) != n {
					t.Errorf("after the save it reads %d, want what all saved: %d", visits.Get(s), n)
				}
			})
		}
		synctest.Wait()
		r.store.since()
		g.let(pass)
		all.Wait()
		if err := <-first; err != nil {
			t.Error(err)
		}
		r.wantOps("update 1")
		r.wantVisits(s.ID(), n)
	})
}

func TestI6_TooLargeFailsAlone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		big := cloakroom.NewKey[string]("big")
		r := newRig(t, &cloakroom.Config{MaxBytes: 1000})
		s := r.stored(0)
		g, first := r.blocked(s)
		save := func(f func(*cloakroom.Session)) <-chan error { return r.queued(s, f) }
		a := save(one)
		huge := save(func(s *cloakroom.Session) { one(s); big.Set(s, strings.Repeat("x", 1000)) })
		fits := save(func(s *cloakroom.Session) { one(s); big.Set(s, strings.Repeat("x", 600)) })
		none := save(func(s *cloakroom.Session) { one(s); cart.Set(s, []string{strings.Repeat("y", 600)}) }) // but for the one before
		b := save(one)
		r.store.since()
		g.let(pass)
		for name, c := range map[string]<-chan error{"in flight": first, "the first": a, "what fits": fits, "the last": b} {
			if err := <-c; err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		r.wantErr("the one that is too large", <-huge, cloakroom.ErrTooLarge)
		r.wantErr("the one for which there is no room left", <-none, cloakroom.ErrTooLarge)
		r.wantOps("update 1")
		r.wantVisits(s.ID(), 3)
	})
}

// A change that the store itself refuses, such as one for which its engine can't take
// the record, fails its own save, not those that would go out with it.
func TestI6_WhatTheStoreRefusesFailsAlone(t *testing.T) {
	for _, refusal := range []error{cloakroom.ErrInvalid, cloakroom.ErrTooLarge} {
		runInBubble(t, refusal.Error(), func(t *testing.T) { refusedAlone(t, refusal) })
	}
}

func refusedAlone(t *testing.T, refusal error) {
	r := newRig(t, nil)
	s := r.stored(0)
	g, first := r.blocked(s)
	save := func(f func(*cloakroom.Session)) <-chan error { return r.queued(s, f) }
	a := save(one)
	bad := save(func(s *cloakroom.Session) { one(s); number(13).Set(s, 13) })
	b := save(one)
	r.store.hook(func(c *call) fate {
		if c.op == "update" && c.rec.Values.Get("number13") != nil {
			c.err = refusal
			return answered
		}
		return pass
	})
	g.let(pass)
	for name, c := range map[string]<-chan error{"in flight": first, "the first": a, "the last": b} {
		if err := <-c; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	r.wantErr("the one that is refused", <-bad, refusal)
	r.wantVisits(s.ID(), 2)
}

func TestI6_TooLargeCanBeMended(t *testing.T) {
	big := cloakroom.NewKey[string]("big")
	r := newRig(t, &cloakroom.Config{MaxBytes: 100})
	s := r.stored(1)
	g := r.as(s)
	g.want(413, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		big.Set(s, strings.Repeat("x", 1000))
		return nil
	})
	g.want(200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
		visits.Update(s, plusOne)
		big.Set(s, strings.Repeat("x", 1000))
		r.wantErr("Save", s.Save(req.Context()), cloakroom.ErrTooLarge)
		big.Delete(s)
		return s.Err()
	})
	r.wantVisits(s.ID(), 2)
	r.guest().want(413, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		big.Set(s, strings.Repeat("x", 1000))
		return nil
	})
}

func TestI3_UpdateIsAtomic(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(0)
		r.store.slow()
		other := r.manager(nil)
		var all sync.WaitGroup
		for i := range 40 {
			m := r.m
			if i%2 == 1 {
				m = other
			}
			s := r.openBy(m, s.Token())
			all.Go(func() {
				err := s.Update(t.Context(), func(tx *cloakroom.Tx) error {
					if visits.Get(tx) != number(1).Get(tx) {
						t.Error("a transaction sees half of another")
					}
					visits.Update(tx, plusOne)
					number(1).Update(tx, plusOne)
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		r.wantVisits(s.ID(), 40)
	})
}

func TestI3_UpdateThatFails(t *testing.T) {
	broken := errors.New("broken")
	r := newRig(t, nil)
	s := r.stored(1)
	w := r.as(s).want(200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
		number(1).Set(s, 1) // earlier, and saved at the end
		for _, f := range []func(*cloakroom.Tx) error{
			func(tx *cloakroom.Tx) error { visits.Set(tx, 5); return broken },
			func(tx *cloakroom.Tx) error {
				visits.Set(tx, 5)
				cloakroom.NewKey[chan int]("c").Set(tx, nil)
				return nil
			},
			func(tx *cloakroom.Tx) error { visits.Set(tx, 5); panic("broken") },
		} {
			if err := s.Update(req.Context(), f); err == nil {
				t.Error("Update succeeded")
			}
		}
		if visits.Get(s) != 1 {
			t.Errorf("visits is %d after transactions that failed", visits.Get(s))
		}
		return nil
	})
	if w.Code == 200 {
		r.wantVisits(s.ID(), 1)
		if got := number(1).Get(r.open(s)); got != 1 {
			t.Errorf("what was set before reads as %d", got)
		}
	}
}

// A function that panics when it is run again, in a goroutine that nobody
// knows, fails its own save.
func TestI3_PanicInAReplayFailsThatSaveOnly(t *testing.T) {
	r := newRig(t, nil)
	s := r.stored(0)
	other := r.openBy(r.manager(nil), s.Token())
	victim := r.open(s)
	runs := 0
	visits.Update(victim, func(n int) int {
		if runs++; runs > 1 {
			panic("at the second run")
		}
		return n + 1
	})
	visits.Set(other, 10)
	r.save(other)
	if err := victim.Save(t.Context()); err == nil || !strings.Contains(err.Error(), "panicked") {
		t.Errorf("Save: %v", err)
	}
	next := r.open(s)
	visits.Update(next, plusOne)
	r.save(next)
	r.wantVisits(s.ID(), 11)
}

func TestI1_ClientThatHangsUpIsSavedFor(t *testing.T) {
	for _, known := range []bool{true, false} {
		runInBubble(t, fmt.Sprint("known ", known), func(t *testing.T) {
			r := newRig(t, nil)
			g, op := r.guest(), "create"
			if known {
				g, op = r.as(r.stored(0)), "update"
			}
			hold := r.store.hold(isOp(op))
			ctx, hangUp := context.WithCancel(t.Context())
			req := g.request(ctx)
			var s *cloakroom.Session
			done := later(func() *httptest.ResponseRecorder {
				return g.send(req, func(_ http.ResponseWriter, _ *http.Request, mine *cloakroom.Session) error {
					s = mine
					visits.Update(s, plusOne)
					return nil
				})
			})
			<-hold.reached
			hangUp()
			<-time.After(5*time.Second - time.Millisecond) // SaveTimeout, almost
			hold.let(pass)
			if w := <-done; w.Code != 200 {
				t.Errorf("got %d", w.Code)
			}
			r.wantVisits(s.ID(), 1)
		})
	}
}

// Changes that are logged while a save is on its way come on top of its result.
func TestI1_ChangesDuringASaveOfTheSameSession(t *testing.T) {
	for _, test := range []struct {
		name   string
		during func(s *cloakroom.Session)
		want   string
	}{
		{"set", func(s *cloakroom.Session) { visits.Set(s, 3) }, `{"visits":3}`},
		{"set back", func(s *cloakroom.Session) { visits.Set(s, 1) }, `{"visits":1}`},
		{"update", func(s *cloakroom.Session) { visits.Update(s, plusOne) }, `{"visits":3}`},
		{"another key", func(s *cloakroom.Session) { number(1).Set(s, 1) }, `{"number1":1,"visits":2}`},
		{"unset", func(s *cloakroom.Session) { visits.Delete(s) }, `{}`},
		{"pop", func(s *cloakroom.Session) { visits.Pop(s) }, `{}`},
		{"clear", func(s *cloakroom.Session) { s.Clear() }, `{}`},
	} {
		for _, state := range []string{"known key", "new key", "new session"} {
			for name, then := range map[string]fate{"saved": pass, "refused": answered} {
				if test.name == "set back" && state != "known key" {
					continue
				}
				runInBubble(t, test.name+", "+state+", "+name, func(t *testing.T) {
					r := newRig(t, nil)
					var s *cloakroom.Session
					r.guest().do(func(_ http.ResponseWriter, req *http.Request, mine *cloakroom.Session) error {
						s = mine
						switch state {
						case "known key":
							visits.Set(s, 1)
							r.save(s)
						case "new key":
							number(9).Set(s, 1)
							r.save(s)
							number(9).Delete(s)
							r.save(s)
						}
						var taken atomic.Bool
						reached, open := make(chan struct{}), make(chan struct{})
						r.store.hook(func(c *call) fate {
							if !isWrite(c) || !taken.CompareAndSwap(false, true) {
								return pass
							}
							close(reached)
							<-open
							c.err = errFull // with the fate answered
							return then
						})
						visits.Set(s, 2)
						saved := later(func() error { return s.Save(req.Context()) })
						<-reached
						test.during(s)
						close(open)
						if err := <-saved; (err != nil) != (then == answered) {
							t.Errorf("Save: %v", err)
						}
						return nil
					})
					if s.IsNew() && test.want == "{}" {
						return
					}
					rec, err := r.kept(s.ID())
					if err != nil {
						t.Fatal(err)
					}
					if got := asJSON(rec.Values); got != test.want {
						t.Errorf("at the end the store keeps %s, want %s", got, test.want)
					}
				})
			}
		}
	}
}

// An update that can't be replayed on another's save must fail the save that it comes
// to, however that happened.
func TestI1_UpdateLoggedDuringASaveIsNotDropped(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(1)
		other, mine := r.openBy(r.manager(nil), s.Token()), r.open(s)
		number(1).Set(mine, 1)
		g := r.store.hold(isOp("update"))
		saved := later(func() error { return mine.Save(t.Context()) })
		<-g.reached
		cloakroom.NewKey[string]("visits").Set(other, "many") // by another version of the application
		r.save(other)
		visits.Update(mine, plusOne)
		g.let(pass)
		if err := <-saved; err != nil {
			t.Fatal(err)
		}
		if err := mine.Save(t.Context()); err == nil {
			t.Error("Save claims to have saved an update that could not be made")
		}
	})
}

// Each write raises the count by one and adds a write id of its own, attempts too.
func TestI13_EveryWriteCounts(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(1)
		before, err := r.kept(s.ID())
		if err != nil {
			t.Fatal(err)
		}
		seen := map[driver.WriteID]bool{}
		r.store.hook(func(c *call) fate {
			if c.rec == nil || c.rec.ID != s.ID() || c.rec.Grave != nil {
				return pass
			}
			if id := c.rec.WriteIDs[0]; seen[id] {
				t.Errorf("the write id %v is used twice", id)
			} else {
				seen[id] = true
			}
			return pass
		})
		want := before.Writes
		step := func(what string, f func()) {
			t.Helper()
			f()
			synctest.Wait()
			want++
			rec, err := r.kept(s.ID())
			writes, ids := uint64(0), []driver.WriteID(nil)
			switch {
			case err == nil:
				writes, ids = rec.Writes, rec.WriteIDs
			case errors.Is(err, cloakroom.ErrGone):
				writes, ids = rec.Grave.Writes, rec.Grave.WriteIDs
			default:
				t.Fatal(err)
			}
			if writes != want || len(ids) != min(int(want), driver.MaxWriteIDs) {
				t.Errorf("after %s the count is %d with %d write ids, want %d", what, writes, len(ids), want)
			}
		}
		g := r.as(s)
		for range 10 {
			step("a save", func() { g.want(200, visit) })
		}
		step("a touch", func() {
			r.clock.add(time.Hour)
			g.want(200, look)
		})
		step("a renewal", func() { g.want(200, renew) })
		step("the first use of its token", func() { g.want(200, look) })
		step("a lost answer", func() {
			r.store.fate(isOp("update"), dropped, lost)
			g.want(200, visit)
			want++ // the state that was read was written once more
		})
		step("an admin's update", func() {
			if err := r.m.Admin().Update(t.Context(), s.ID(), func(tx *cloakroom.Tx) error { visits.Set(tx, 3); return nil }); err != nil {
				t.Error(err)
			}
		})
		step("a burial", func() { g.want(200, logout) })
	})
}

// An answer that says for certain that nothing was done leaves the change to be
// saved again.
func TestI13_RefusedIsNotUnknown(t *testing.T) {
	for name, refusal := range map[string]error{
		"full": errFull, "invalid": fmt.Errorf("faulty: %w", cloakroom.ErrInvalid), "too large": fmt.Errorf("faulty: %w", cloakroom.ErrTooLarge),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			s := r.open(r.stored(1))
			visits.Update(s, plusOne)
			r.store.answer(isOp("update"), refusal)
			err := s.Save(t.Context())
			r.wantErr("Save", err, refusal)
			if errors.Is(err, cloakroom.ErrUnknown) || s.Err() != nil {
				t.Errorf("Save: %v; Err: %v", err, s.Err())
			}
			r.store.heal()
			r.save(s)
			r.wantVisits(s.ID(), 2)
		})
	}
	runInBubble(t, "after a lost answer it is", func(t *testing.T) {
		r := newRig(t, nil)
		s := r.open(r.stored(1))
		visits.Update(s, plusOne)
		r.store.fate(isOp("update"), delayed)
		r.store.answer(isOp("update"), errFull)
		r.wantErr("Save", s.Save(t.Context()), cloakroom.ErrUnknown, cloakroom.ErrUnavailable)
		r.store.heal()
		r.store.deliver()
		r.wantVisits(s.ID(), 2)
	})
}

// Requests record the client that used a session last. A job that saves it, or signs it
// in, knows of no client and leaves the one that is there.
func TestClientIsKeptOutsideOfRequests(t *testing.T) {
	r := newRig(t, nil)
	g := r.guest()
	var s *cloakroom.Session
	g.want(200, func(w http.ResponseWriter, req *http.Request, mine *cloakroom.Session) error {
		s = mine
		return visit(w, req, mine)
	})
	job := r.openBy(r.m, s.Token())
	want := job.Info().Client
	if want == (cloakroom.Client{}) {
		t.Fatal("the request left no client")
	}
	visits.Set(job, 7)
	r.save(job)
	if got := job.Info().Client; got != want {
		t.Errorf("after a save by a job the client is %v, want %v", got, want)
	}
	if err := job.Login(t.Context(), "ann", nil); err != nil {
		t.Fatal(err)
	}
	if got := job.Info().Client; got != want {
		t.Errorf("after a sign-in by a job the client is %v, want %v", got, want)
	}
}
