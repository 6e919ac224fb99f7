package cloakroom_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the clock of the store's engine, as a second witness of the time: what a
// machine with a wrong clock does, and when the engine is asked. On real engines:
// elasticstore/clock_test.go.

// behind gives the rig's store an engine whose clock is behind the rig's by so much.
func (r *rig) behind(by time.Duration) {
	r.store.engine = func() (time.Time, error) { return r.clock.now().Add(-by), nil }
	r.clock.add(2 * time.Second) // so that what it said before isn't good any more
}

// codes returns the codes of a manager's problems.
func (r *rig) codes(m *cloakroom.Manager) string {
	r.Helper()
	report, err := m.Admin().Report(context.Background())
	if err != nil {
		r.Fatal(err)
	}
	var all []string
	for _, p := range report.Problems {
		all = append(all, string(p.Severity)+":"+p.Code)
	}
	return strings.Join(all, " ")
}

// A session that is idle by this machine's clock alone goes on, for whoever meets it, and
// one that is so by both clocks ends.
func TestI11_IdleByBothClocks(t *testing.T) {
	const idle, tolerance = time.Hour, driver.ClockTolerance
	for _, test := range []struct {
		behind time.Duration
		open   bool
	}{
		{0, false}, {tolerance, false}, {-tolerance, false}, {-3 * time.Hour, false},
		{tolerance + time.Millisecond, true}, {time.Hour, true}, {40 * 24 * time.Hour, true},
	} {
		t.Run(test.behind.String(), func(t *testing.T) {
			r := newRig(t, &cloakroom.Config{IdleTimeout: idle, MaxPerPrincipal: 2})
			r.behind(0)
			read, saved, touched, listed := r.stored(1), r.stored(1), r.stored(1), r.signedIn("ann")
			mine := r.open(saved)
			r.clock.add(idle)
			r.behind(test.behind)
			r.wantOpen("idle by this machine's clock", read.Token(), test.open)
			visits.Update(mine, plusOne)
			if err := mine.Save(t.Context()); (err == nil) != test.open {
				t.Errorf("a save: %v", err)
			}
			err := r.m.Admin().Update(t.Context(), touched.ID(), func(tx *cloakroom.Tx) error { visits.Set(tx, 7); return nil })
			if (err == nil) != test.open {
				t.Errorf("an Update: %v", err)
			}
			r.signedIn("ann") // at the limit
			r.signedIn("ann")
			if !test.open {
				for _, s := range []*cloakroom.Session{read, saved, touched, listed} {
					r.wantGrave(s.ID(), cloakroom.EndExpired)
				}
				return
			}
			r.wantGrave(listed.ID(), cloakroom.EndOverLimit) // it counted
		})
	}
}

// What is past its deadline by this machine's clock alone goes on: the token opens it, the
// cookie isn't taken away, and the ledger keeps it.
func TestI11_DeadlineByBothClocks(t *testing.T) {
	r := newRig(t, &cloakroom.Config{Lifetime: 30 * day, MaxLifetime: 30 * day})
	r.behind(0)
	s := r.unused("ann")
	if err := s.Login(t.Context(), "ann", &cloakroom.LoginOptions{Remember: true}); err != nil {
		t.Fatal(err)
	}
	g := r.as(s)
	g.want(200, visit)
	r.clock.add(40 * day)
	r.behind(40 * day)
	w := g.want(200, func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
		if s.Principal() != "ann" {
			t.Errorf("it opens a session of %q", s.Principal())
		}
		return s.Renew(req.Context())
	})
	if c := w.Result().Cookies(); len(c) != 1 || c[0].MaxAge < 0 || g.token == "" {
		t.Errorf("the cookie: %v", c)
	}
	r.signedIn("ann")
	if list := r.devices("ann"); len(list) != 2 {
		t.Errorf("%d devices, want 2", len(list))
	}
	r.behind(0)
	r.wantOpen("once the clocks agree", g.token, false)
}

// A token that is from the future, or too old, by this machine's clock alone opens its
// session, and one that is so by both does not.
func TestI11_TokensOfOtherTimes(t *testing.T) {
	r := newRig(t, &cloakroom.Config{Lifetime: 30 * day, MaxLifetime: 30 * day})
	r.behind(0)
	s := r.signedIn("ann")
	r.clock.add(-time.Hour)
	r.wantOpen("from the future by both", s.Token(), false)
	r.behind(-time.Hour)
	r.wantOpen("from the future by this one", s.Token(), true)
	r.clock.add(time.Hour + 31*day)
	r.behind(0)
	r.store.since()
	r.wantOpen("too old by both", s.Token(), false)
	r.wantOps("clock 1")
	r.wantOpen("again", s.Token(), false)
	r.wantOps("nothing")
}

// The engine is asked only for what looks over, by one at a time, and again once the answer
// is old or the clock was set.
func TestI11_TheEngineIsAskedSeldom(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &cloakroom.Config{IdleTimeout: time.Hour})
		r.behind(0)
		var all []*cloakroom.Session
		for range 20 {
			all = append(all, r.stored(1))
		}
		next := func() string { s := all[0]; all = all[1:]; return s.Token() }
		r.wantOpen("live", next(), true)
		r.wantOps("get 1")
		pass := func(d time.Duration) { r.clock.add(d); time.Sleep(d) }
		pass(time.Hour)
		var wg sync.WaitGroup
		for range 5 {
			token := next()
			wg.Go(func() { r.wantOpen("idle", token, false) })
		}
		wg.Wait()
		r.wantOps("bury 5, clock 1, get 5")
		pass(9 * time.Second)
		r.wantOpen("idle", next(), false)
		r.wantOps("bury 1, get 1")
		pass(time.Second)
		r.wantOpen("idle", next(), false)
		r.wantOps("bury 1, clock 1, get 1")
		for _, set := range []time.Duration{-2 * time.Second, 2 * time.Second} {
			r.clock.add(set)
			r.wantOpen("idle", next(), false)
			r.wantOps("bury 1, clock 1, get 1")
		}
	})
}

// An engine that can't be asked is an outage: nothing is ended, and nobody is a stranger.
// One that never tells has no say.
func TestI11_TheEngineDoesNotTell(t *testing.T) {
	for name, answer := range map[string]error{"outage": cloakroom.ErrUnavailable, "unsupported": errors.ErrUnsupported} {
		runInBubble(t, name, func(t *testing.T) {
			r := newRig(t, &cloakroom.Config{IdleTimeout: time.Hour})
			r.store.engine = func() (time.Time, error) { return time.Time{}, answer }
			s := r.stored(1)
			r.clock.add(time.Hour)
			_, err := r.m.Retrieve(t.Context(), s.Token())
			if errors.Is(answer, errors.ErrUnsupported) {
				r.wantErr("Retrieve", err, cloakroom.ErrNotFound)
				r.wantGrave(s.ID(), cloakroom.EndExpired)
				if got := r.codes(r.m); !strings.Contains(got, "info:clock-unwitnessed") {
					t.Errorf("problems: %s", got)
				}
				return
			}
			r.wantErr("Retrieve", err, cloakroom.ErrUnavailable)
			if _, err := r.kept(s.ID()); err != nil {
				t.Errorf("it was ended: %v", err)
			}
			r.as(s).want(503, look)
			if _, err := r.m.Admin().Sweep(t.Context()); !errors.Is(err, cloakroom.ErrUnavailable) {
				t.Errorf("Sweep: %v", err)
			}
			r.behind(0)
			r.wantOpen("after the outage", s.Token(), false)
		})
	}
}

// The engine doesn't answer at all: nobody waits longer than SaveTimeout.
func TestI8_TheEngineDoesNotAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &cloakroom.Config{IdleTimeout: time.Hour, Lifetime: day, AnonymousLifetime: day, SaveTimeout: 5 * time.Second})
		r.behind(0)
		s, old := r.stored(1), r.stored(1)
		r.clock.add(time.Hour)
		hang := func(c *call) fate {
			if c.op == "clock" {
				<-c.ctx.Done()
				return dropped
			}
			return pass
		}
		r.store.hook(hang)
		begun := time.Now()
		r.as(s).want(503, look)
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("a page waited for %v", took)
		}
		r.clock.add(2 * day)
		begun = time.Now()
		r.as(old).want(503, look) // whose token looks too old
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("a page waited for %v", took)
		}
	})
}

// A clock that is wrong is told when that begins, rarely as long as it lasts, and when it
// ends; nothing is swept meanwhile, and the report says why.
func TestI14_SweepsByAWrongClock(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var told []time.Duration
		config := cloakroom.Config{IdleTimeout: time.Hour, SweepEvery: 10 * time.Minute, Events: &cloakroom.Events{
			ClockApart: func(_ context.Context, ahead time.Duration) { told = append(told, ahead) },
		}}
		r := newRig(t, nil)
		store := &sweeping{Store: r.store.Store}
		r.store.Store = store
		var off atomic.Int64
		r.store.engine = func() (time.Time, error) { return time.Now(), nil }
		config.Now = func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
		m := r.manager(&config)
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		if n := store.sweeps.Load(); n == 0 || len(told) > 0 || strings.Contains(r.codes(m), "sweep-late") {
			t.Errorf("%d sweeps, told %v, problems %s", n, told, r.codes(m))
		}
		s, err := m.Create(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		off.Store(int64(40 * day))
		store.sweeps.Store(0)
		r.log.take()
		time.Sleep(3*time.Hour - time.Minute)
		synctest.Wait()
		if n := store.sweeps.Load(); n != 0 {
			t.Errorf("%d sweeps by a wrong clock", n)
		}
		if _, err := r.kept(s.ID()); err != nil {
			t.Errorf("the session: %v", err)
		}
		if got := strings.Count(r.log.take(), "level=ERROR"); got != 3 || len(told) != 3 || told[0].Round(time.Second) != 40*day {
			t.Errorf("in three hours %d lines, and told %v", got, told)
		}
		if got := r.codes(m); !strings.Contains(got, "fail:clock-ahead") || !strings.Contains(got, "warn:sweep-late") {
			t.Errorf("problems: %s", got)
		}
		report, err := m.Admin().Report(t.Context())
		if text := fmt.Sprint(report.Facts, report.Problems); err != nil || !strings.Contains(text, "then an error: cloakroom: nothing was swept") || !strings.Contains(text, "960h0m0s ahead") {
			t.Errorf("report: %s, %v", text, err)
		}
		off.Store(0)
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		if n := store.sweeps.Load(); n == 0 || !strings.Contains(r.log.take(), "agree again") {
			t.Errorf("%d sweeps once the clocks agree", n)
		}
		if got := r.codes(m); strings.Contains(got, "clock-") || strings.Contains(got, "sweep-late") {
			t.Errorf("problems: %s", got)
		}
	})
}

// One node of the engine has a wrong clock, and the nodes answer in turn. That is told as
// rarely as if all were wrong.
func TestClockOfOneNode(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		var asked int
		r.store.engine = func() (time.Time, error) {
			if asked++; asked%3 == 0 {
				return time.Now().Add(-time.Hour), nil
			}
			return time.Now(), nil
		}
		m := r.manager(&cloakroom.Config{Now: time.Now})
		r.log.take()
		for range 6 * 150 { // two hours and a half
			if _, err := m.Admin().Report(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
		}
		text := r.log.take()
		if n, again := strings.Count(text, "level=ERROR"), strings.Count(text, "agree again"); asked < 600 || n != 3 || again != 3 {
			t.Errorf("asked %d times, told %d times that they lie apart, and %d times that they agree", asked, n, again)
		}
	})
}

// Sweep is Admin's: it says what it did, and is in the report.
func TestAdminSweeps(t *testing.T) {
	r := newRig(t, &cloakroom.Config{IdleTimeout: time.Hour})
	s := r.stored(1)
	r.clock.add(2 * time.Hour)
	report, err := r.m.Admin().Sweep(t.Context())
	if err != nil || report.Buried+report.Removed == 0 && *storeFlag != "opensearch" {
		t.Errorf("Sweep: %+v, %v", report, err)
	}
	r.wantOpen("afterwards", s.Token(), false)
	all, err := r.m.Admin().Report(t.Context())
	if err != nil || !strings.Contains(fmt.Sprint(all.Facts), "last sweep of this process") {
		t.Errorf("Report: %+v, %v", all.Facts, err)
	}
	broken := errors.New("broken")
	r.store.Store = &sweeping{Store: r.store.Store, err: broken}
	if _, err := r.m.Admin().Sweep(t.Context()); !errors.Is(err, broken) {
		t.Errorf("Sweep: %v", err)
	}
}
