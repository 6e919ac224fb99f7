package cloakroom_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of the idle timeout, the deadline, the throttled touch and
// the sweep (invariants 5, 11 and 14).

// wantOpen checks whether a session's token opens it, by Retrieve.
func (r *rig) wantOpen(when string, token string, open bool) {
	r.Helper()
	s, err := r.m.Retrieve(context.Background(), token)
	switch {
	case err == nil && !open:
		r.Errorf("%s the session %v opens", when, s.ID())
	case err != nil && open:
		r.Errorf("%s the session doesn't open: %v", when, err)
	case err != nil && !errors.Is(err, cloakroom.ErrNotFound):
		r.Errorf("%s: %v", when, err)
	}
}

func TestI11_IdleTimeoutIsExact(t *testing.T) {
	const idle = time.Hour
	for _, after := range []time.Duration{idle - time.Millisecond, idle, idle + time.Millisecond, 48 * time.Hour} {
		t.Run(after.String(), func(t *testing.T) {
			r := newRig(t, &cloakroom.Config{IdleTimeout: idle})
			a, b := r.stored(1), r.stored(1)
			token := a.Token()
			r.clock.add(after)
			g := r.as(b)
			if after < idle {
				r.wantOpen("before the idle timeout", token, true)
				g.want(200, visit)
				r.wantVisits(b.ID(), 2)
				return
			}
			r.wantOpen("after the idle timeout", token, false)
			r.wantGrave(a.ID(), cloakroom.EndExpired)
			g.want(200, visit)
			r.wantGrave(b.ID(), cloakroom.EndExpired)
			if next := r.openBy(r.m, g.token); next.ID() == b.ID() || visits.Get(next) != 1 {
				t.Errorf("the visitor goes on in session %v with %d visits", next.ID(), visits.Get(next))
			}
		})
	}
}

// Activity is recorded now and then: a session may end that much earlier, but
// never later than its idle timeout.
func TestI11_NeverLater(t *testing.T) {
	const idle, every = time.Hour, 10 * time.Minute
	for _, last := range []time.Duration{0, every - time.Millisecond, every, every + time.Minute} {
		runInBubble(t, last.String(), func(t *testing.T) {
			r := newRig(t, &cloakroom.Config{IdleTimeout: idle, TouchEvery: every})
			s := r.stored(1)
			r.clock.add(last)
			r.as(s).want(200, look)
			synctest.Wait()
			rec, err := r.kept(s.ID())
			if err != nil {
				t.Fatal(err)
			}
			if end := r.clock.now().Add(idle); rec.Expires.After(end) || rec.Expires.Before(end.Add(-every)) {
				t.Errorf("it expires at %v, want %v or at most %v earlier", rec.Expires, end, every)
			}
			r.clock.add(idle)
			r.wantOpen("after the idle timeout", s.Token(), false)
		})
	}
}

func TestI11_DeadlineHoldsHoweverActive(t *testing.T) {
	const hour = time.Hour
	for name, test := range map[string]struct {
		config cloakroom.Config
		login  *cloakroom.LoginOptions
		want   time.Duration
	}{
		"anonymous":         {cloakroom.Config{AnonymousLifetime: 3 * hour}, nil, 3 * hour},
		"signed in":         {cloakroom.Config{Lifetime: 5 * hour}, &cloakroom.LoginOptions{}, 5 * hour},
		"by the sign-in":    {cloakroom.Config{MaxLifetime: 9 * hour}, &cloakroom.LoginOptions{Lifetime: 9 * hour}, 9 * hour},
		"shorter than idle": {cloakroom.Config{Lifetime: 5 * hour}, &cloakroom.LoginOptions{Lifetime: hour / 2}, hour / 2},
	} {
		for _, act := range []page{look, visit} {
			runInBubble(t, name, func(t *testing.T) {
				config := test.config // of this bubble alone: they run side by side
				config.IdleTimeout, config.TouchEvery = hour, -1
				r := newRig(t, &config)
				s := r.stored(0)
				if test.login != nil {
					if err := s.Login(t.Context(), "ann", test.login); err != nil {
						t.Fatal(err)
					}
				}
				begun, g := r.clock.now(), r.as(s)
				if d := s.Info().Deadline.Sub(begun); d != test.want {
					t.Errorf("the deadline is %v away, want %v", d, test.want)
				}
				for test.want-r.clock.now().Sub(begun) > hour/2 {
					r.clock.add(hour / 2)
					g.want(200, act)
					synctest.Wait()
				}
				r.clock.add(test.want - r.clock.now().Sub(begun) - time.Millisecond)
				r.wantOpen("before its deadline", s.Token(), true)
				r.clock.add(time.Millisecond)
				r.wantOpen("at its deadline", s.Token(), false)
				mine := g.request(t.Context())
				g.send(mine, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
					if !s.IsNew() {
						t.Error("at its deadline it opens")
					}
					return nil
				})
			})
		}
	}
}

func TestI11_NoIdleTimeout(t *testing.T) {
	r := newRig(t, &cloakroom.Config{IdleTimeout: -1, AnonymousLifetime: 90 * 24 * time.Hour})
	s := r.stored(1)
	r.clock.add(90*24*time.Hour - time.Millisecond)
	r.wantOpen("before its deadline", s.Token(), true)
	r.clock.add(time.Millisecond)
	r.wantOpen("at its deadline", s.Token(), false)
}

// The reader's configuration counts too: a shorter idle timeout holds at once, for
// sessions that were saved under a longer one.
func TestI11_ShorterIdleTimeoutHoldsAtOnce(t *testing.T) {
	r := newRig(t, &cloakroom.Config{IdleTimeout: 24 * time.Hour})
	s := r.stored(1)
	r.m = r.manager(&cloakroom.Config{IdleTimeout: time.Hour})
	r.clock.add(time.Hour - 1)
	r.wantOpen("before the shorter timeout", s.Token(), true)
	r.clock.add(time.Hour)
	r.wantOpen("after the shorter timeout", s.Token(), false)
}

func TestI2_ExpiredIsBuriedBeforeItIsSaid(t *testing.T) {
	const idle = time.Hour
	begin := func(t *testing.T) (*rig, *cloakroom.Session, *guest) {
		r := newRig(t, &cloakroom.Config{IdleTimeout: idle})
		s := r.stored(1)
		return r, s, r.as(s)
	}
	runInBubble(t, "not said where it can't be buried", func(t *testing.T) {
		r, s, g := begin(t)
		r.clock.add(idle)
		r.store.answer(isOp("bury"), errFull)
		w := g.want(503, look)
		if len(w.Result().Cookies()) != 0 {
			t.Errorf("the cookie is touched: %v", w.Result().Cookies())
		}
		_, err := r.m.Retrieve(t.Context(), g.token)
		r.wantErr("Retrieve", err, cloakroom.ErrUnavailable)
		if _, err := r.kept(s.ID()); err != nil {
			t.Error(err)
		}
		r.store.heal()
		r.wantOpen("when the store is back", g.token, false)
		r.wantGrave(s.ID(), cloakroom.EndExpired)
	})
	runInBubble(t, "a save in between keeps it alive", func(t *testing.T) {
		r, s, g := begin(t)
		bury := r.store.hold(isOp("bury"))
		r.clock.add(idle - time.Millisecond)
		save := r.store.hold(isOp("update"))
		mine := r.open(s)
		visits.Set(mine, 2)
		saved := later(func() error { return mine.Save(t.Context()) }) // in time
		<-save.reached
		r.clock.add(time.Millisecond)
		seen := later(func() int {
			n := 0
			g.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				n = visits.Get(s)
				return nil
			})
			return n
		})
		<-bury.reached
		save.let(pass)
		if err := <-saved; err != nil {
			t.Error(err)
		}
		bury.let(pass)
		if got := <-seen; got != 2 {
			t.Errorf("the request reads %d visits, want 2: the session lives on", got)
		}
		r.wantVisits(s.ID(), 2)
	})
	runInBubble(t, "the answer to the burial is lost", func(t *testing.T) {
		r, s, g := begin(t)
		r.clock.add(idle)
		r.store.fate(isOp("bury"), lost)
		if w := g.do(look); w.Code != 503 && w.Code != 200 {
			t.Errorf("got %d", w.Code)
		}
		g.want(200, look)
		r.wantGrave(s.ID(), cloakroom.EndExpired)
	})
	runInBubble(t, "a save whose base has expired", func(t *testing.T) {
		r, s, _ := begin(t)
		mine := r.open(s)
		r.clock.add(idle)
		visits.Set(mine, 2)
		r.wantErr("Save", mine.Save(t.Context()), cloakroom.ErrGone)
		r.wantGrave(s.ID(), cloakroom.EndExpired)
		s = r.stored(1)
		again := r.open(s)
		r.clock.add(idle)
		r.wantErr("Renew", again.Renew(t.Context()), cloakroom.ErrGone)
		r.wantGrave(s.ID(), cloakroom.EndExpired)
		s = r.stored(1)
		r.clock.add(idle)
		r.wantErr("Admin.Update", r.m.Admin().Update(t.Context(), s.ID(), func(*cloakroom.Tx) error { return nil }), cloakroom.ErrGone)
		r.wantGrave(s.ID(), cloakroom.EndExpired)
	})
	runInBubble(t, "the handler takes longer than the idle timeout", func(t *testing.T) {
		r, s, g := begin(t)
		g.want(409, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			r.clock.add(idle)
			visits.Set(s, 2)
			return nil
		})
		r.wantGrave(s.ID(), cloakroom.EndExpired)
	})
}

// A request that finds a session expired, and ends it, tells so once.
func TestExpiryIsAnEvent(t *testing.T) {
	var ended []string
	r := newRig(t, &cloakroom.Config{Events: &cloakroom.Events{Ended: func(_ context.Context, e cloakroom.Ending) {
		ended = append(ended, fmt.Sprint(e.ID, " ", e.Reason))
	}}})
	s := r.stored(1)
	g := r.as(s)
	r.clock.add(25 * time.Hour)
	g.want(200, look)
	g.want(200, look)
	if want := fmt.Sprint(s.ID(), " expired"); len(ended) != 1 || ended[0] != want {
		t.Errorf("events: %q, want one: %q", ended, want)
	}
}

// Once a caller was told that a session has expired, no save that the store does late
// contradicts that.
func TestI2_LateSaveDoesNotReviveWhatWasCalledExpired(t *testing.T) {
	const idle = time.Hour
	for name, gone := range map[string]func(r *rig, s *cloakroom.Session) bool{
		"Retrieve": func(r *rig, s *cloakroom.Session) bool {
			_, err := r.m.Retrieve(context.Background(), s.Token())
			return errors.Is(err, cloakroom.ErrNotFound)
		},
		"Admin.Find": func(r *rig, s *cloakroom.Session) bool {
			_, err := r.m.Admin().Find(context.Background(), s.ID())
			return errors.Is(err, cloakroom.ErrNotFound)
		},
		"Admin.Devices": func(r *rig, _ *cloakroom.Session) bool {
			list, err := r.m.Admin().Sessions(context.Background(), "ann")
			return err == nil && len(list) == 0
		},
		"Admin.Update": func(r *rig, s *cloakroom.Session) bool {
			err := r.m.Admin().Update(context.Background(), s.ID(), func(*cloakroom.Tx) error { return nil })
			return errors.Is(err, cloakroom.ErrGone)
		},
	} {
		runInBubble(t, name, func(t *testing.T) {
			r := newRig(t, &cloakroom.Config{IdleTimeout: idle})
			s := r.signedIn("ann")
			mine := r.openBy(r.manager(&cloakroom.Config{IdleTimeout: idle}), s.Token())
			r.clock.add(idle - time.Millisecond)
			r.store.fate(isOn("update", s.ID()), delayed)
			wait := r.store.hold(isOn("get", s.ID()))
			visits.Set(mine, 2)
			saved := later(func() error { return mine.Save(t.Context()) })
			<-wait.reached
			r.clock.add(time.Millisecond)
			if !gone(r, s) {
				t.Errorf("%s doesn't say that the session has ended", name)
			}
			r.store.deliver()
			wait.let(pass)
			<-saved
			if !gone(r, s) {
				t.Errorf("%s said that the session had ended, and a late save brought it back", name)
			}
		})
	}
}

func TestI5_TouchIsThrottled(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &cloakroom.Config{IdleTimeout: time.Hour, TouchEvery: 10 * time.Minute})
		s := r.stored(1)
		g := r.as(s)
		for range 20 {
			r.clock.add(29 * time.Second)
			g.want(200, look)
			synctest.Wait()
		}
		r.wantOps("get 20")
		r.clock.add(time.Minute)
		g.want(200, look)
		synctest.Wait()
		r.wantOps("get 1, update 1")
		rec, err := r.kept(s.ID())
		if err != nil {
			t.Fatal(err)
		}
		if !rec.Seen.Equal(r.clock.now()) || !rec.Expires.Equal(r.clock.now().Add(time.Hour)) {
			t.Errorf("seen %v, expires %v, now %v", rec.Seen, rec.Expires, r.clock.now())
		}
		g.want(200, look)
		synctest.Wait()
		r.wantOps("get 1")
	})
}

// TouchEvery: a tenth of IdleTimeout, and a minute at most.
func TestI5_TouchEveryDefault(t *testing.T) {
	for idle, want := range map[time.Duration]time.Duration{
		24 * time.Hour: time.Minute, 5 * time.Minute: 30 * time.Second, -1: time.Minute,
	} {
		runInBubble(t, idle.String(), func(t *testing.T) {
			r := newRig(t, &cloakroom.Config{IdleTimeout: idle})
			s := r.stored(1)
			r.clock.add(want - time.Millisecond)
			r.as(s).want(200, look)
			synctest.Wait()
			r.wantOps("get 1")
			r.clock.add(time.Millisecond)
			r.as(s).want(200, look)
			synctest.Wait()
			r.wantOps("get 1, update 1")
		})
	}
}

func TestI5_BackgroundRequestsDoNotTouch(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const idle = time.Hour
		var background atomic.Bool
		r := newRig(t, &cloakroom.Config{
			IdleTimeout: idle, TouchEvery: -1,
			Background: func(*http.Request) bool { return background.Load() },
		})
		s := r.stored(1)
		g := r.as(s)
		background.Store(true)
		for range 11 {
			r.clock.add(5 * time.Minute)
			g.want(200, look)
			synctest.Wait()
		}
		r.wantOps("get 11")
		g.want(200, visit) // may change it, but doesn't keep it alive
		synctest.Wait()
		r.wantOps("get 1, update 1")
		rec, err := r.kept(s.ID())
		if err != nil {
			t.Fatal(err)
		}
		if !rec.Seen.Equal(s.Info().Seen) {
			t.Errorf("a background request moved Seen to %v", rec.Seen)
		}
		r.clock.add(5 * time.Minute)
		r.wantOpen("after an hour of polling", g.token, false)
	})
}

func TestI2_SeenNeverGoesBackwards(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &cloakroom.Config{TouchEvery: -1})
		s := r.stored(1)
		g := r.as(s)
		r.clock.add(time.Hour)
		g.want(200, visit)
		synctest.Wait()
		before, err := r.kept(s.ID())
		if err != nil {
			t.Fatal(err)
		}
		r.clock.add(-30 * time.Minute) // another machine's clock
		for _, f := range []page{visit, look, renew} {
			g.want(200, f)
			synctest.Wait()
			rec, err := r.kept(s.ID())
			if err != nil {
				t.Fatal(err)
			}
			if rec.Seen.Before(before.Seen) || rec.Expires.Before(before.Expires) {
				t.Errorf("seen went from %v back to %v", before.Seen, rec.Seen)
			}
		}
	})
}

// The response doesn't wait for a touch, and no failure of it is the visitor's.
func TestI5_TouchIsNotWaitedFor(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(1)
		r.clock.add(time.Hour)
		r.store.answer(isOp("update"), errNoAnswer)
		begun := time.Now()
		r.as(s).want(200, look)
		if d := time.Since(begun); d != 0 {
			t.Errorf("the response waited for %v", d)
		}
		if err := r.m.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A record belongs to its app: an admin of another one, whose idle timeout is
// shorter, doesn't end it.
func TestI14_AnotherAppsSessionIsLeftAlone(t *testing.T) {
	for name, f := range map[string]func(a *cloakroom.Admin, id cloakroom.ID) error{
		"Update": func(a *cloakroom.Admin, id cloakroom.ID) error {
			return a.Update(context.Background(), id, func(*cloakroom.Tx) error { return nil })
		},
		"Revoke": func(a *cloakroom.Admin, id cloakroom.ID) error { return a.Revoke(context.Background(), id) },
		"Find": func(a *cloakroom.Admin, id cloakroom.ID) error {
			_, err := a.Find(context.Background(), id)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			s := r.stored(1)
			other := r.manager(&cloakroom.Config{App: "other", IdleTimeout: time.Minute})
			r.clock.add(time.Hour)
			if err := f(other.Admin(), s.ID()); err == nil || errors.Is(err, cloakroom.ErrUnavailable) {
				t.Errorf("%s by another app: %v", name, err)
			}
			r.wantOpen("after another app's "+name, s.Token(), true)
		})
	}
}

// sweeping is a store that counts sweeps.
type sweeping struct {
	cloakroom.Store
	sweeps atomic.Int64
	last   atomic.Int64
	err    error
}

func (s *sweeping) Sweep(ctx context.Context, now time.Time) (driver.SweepReport, error) {
	s.sweeps.Add(1)
	s.last.Store(now.UnixMilli())
	if s.err != nil {
		return driver.SweepReport{}, s.err
	}
	return s.Store.Sweep(ctx, now)
}

func TestI14_SweepsAreMade(t *testing.T) {
	for _, failure := range []error{nil, fmt.Errorf("broken"), cloakroom.ErrClosed} {
		runInBubble(t, fmt.Sprint("failure ", failure), func(t *testing.T) {
			r := newRig(t, nil)
			store := &sweeping{Store: r.store.Store, err: failure}
			r.store.Store = store
			m := r.manager(&cloakroom.Config{SweepEvery: 10 * time.Minute})
			s := r.stored(1)
			r.clock.add(25 * time.Hour)
			<-time.After(10*time.Minute + 1)
			synctest.Wait()
			if n := store.sweeps.Load(); n != 1 && n != 2 {
				t.Errorf("%d sweeps in the first ten minutes", n)
			}
			store.sweeps.Store(0)
			<-time.After(time.Hour)
			synctest.Wait()
			if n := store.sweeps.Load(); n != 6 {
				t.Errorf("%d sweeps in an hour", n)
			}
			if store.last.Load() != r.clock.now().UnixMilli() {
				t.Error("the sweep doesn't go by Config.Now")
			}
			if got := strings.Contains(r.log.take(), "sweep failed"); got != (failure != nil && !errors.Is(failure, cloakroom.ErrClosed)) {
				t.Errorf("logged a failure: %v", got)
			}
			if failure == nil {
				r.wantGrave(s.ID(), cloakroom.EndExpired)
			}
			m.Close()
			store.sweeps.Store(0)
			<-time.After(time.Hour)
			if n := store.sweeps.Load(); n != 0 {
				t.Errorf("%d sweeps after Close", n)
			}
		})
	}
}

// A session that a sweep buries stays shut.
func TestI14_SweptSessionIsShut(t *testing.T) {
	r := newRig(t, &cloakroom.Config{IdleTimeout: time.Hour})
	s, active := r.stored(1), r.stored(1)
	mine := r.open(s)
	r.clock.add(30 * time.Minute)
	r.as(active).want(200, visit)
	r.clock.add(30*time.Minute + time.Second)
	report, err := r.store.Sweep(t.Context(), r.clock.now())
	if err != nil || report.Buried != 1 {
		t.Errorf("Sweep: %+v, %v; want one that is buried", report, err)
	}
	visits.Set(mine, 2)
	r.wantErr("Save", mine.Save(t.Context()), cloakroom.ErrGone)
	r.wantShut(s.ID(), s.Token())
	r.wantVisits(active.ID(), 2)
	r.clock.add(400 * 24 * time.Hour)
	if _, err := r.store.Sweep(t.Context(), r.clock.now()); err != nil {
		t.Error(err)
	}
	visits.Set(active, 9)
	r.wantErr("Save of what was removed", active.Save(t.Context()), cloakroom.ErrGone)
	r.wantErr("Save of what was removed", mine.Save(t.Context()), cloakroom.ErrGone)
	if _, err := r.kept(active.ID()); !errors.Is(err, cloakroom.ErrNotFound) {
		t.Errorf("what was removed is back: %v", err)
	}
}
