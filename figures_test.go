package cloakroom_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/figures"
	"github.com/cloakroom-go/cloakroom/memstore"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file is the tests of Manager.Figures: that they tell what happened.

// opsOf returns the operations between two readings, as faulty.since has them.
func opsOf(before, after cloakroom.Figures) string {
	calls := map[string]int64{}
	for name, o := range after.Operations.All() {
		calls[name] += o.Count
	}
	for name, o := range before.Operations.All() {
		calls[name] -= o.Count
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(calls)) {
		if calls[name] > 0 && name != "sweep" { // which a faulty store doesn't count
			parts = append(parts, fmt.Sprint(name, " ", calls[name]))
		}
	}
	return strings.Join(parts, ", ")
}

// someKinds returns the kinds that were counted, such as "age 1, forged 2".
func someKinds[K ~string](counts map[K]int64) string {
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		if n := counts[kind]; n > 0 {
			parts = append(parts, fmt.Sprint(string(kind), " ", n))
		}
	}
	return strings.Join(parts, ", ")
}

// A life of some sessions: the figures count what the store was asked for and what was told
// as events, with functions of Events that panic, and without any.
func TestFigures(t *testing.T) {
	panics := func() { panic("a fault of the application") }
	for name, events := range map[string]*cloakroom.Events{
		"no events": nil,
		"events that panic": {
			Created:   func(context.Context, cloakroom.Info) { panics() },
			SignedIn:  func(context.Context, cloakroom.Info) { panics() },
			Renewed:   func(context.Context, cloakroom.Info) { panics() },
			Ended:     func(context.Context, cloakroom.Ending) { panics() },
			SignedOut: func(context.Context, string) { panics() },
			ClockSkew: func(context.Context, cloakroom.ID, time.Duration) { panics() },
			Refused:   func(context.Context, cloakroom.ID, cloakroom.Refusal) { panics() },
		},
	} {
		runInBubble(t, name, func(t *testing.T) {
			r := newRig(t, &cloakroom.Config{IdleTimeout: time.Hour, Events: events})
			before := r.m.Figures()
			r.store.since()
			idle := r.guest()
			idle.want(200, visit)
			ann, other := r.guest(), r.guest()
			ann.want(200, loginAs("ann", nil))
			ann.want(200, renew)
			ann.want(200, logout)
			other.want(200, loginAs("ann", nil))
			if err := r.m.Admin().RevokeAll(t.Context(), "ann"); err != nil {
				t.Fatal(err)
			}
			for _, token := range []string{"forged", idle.token[:40] + strings.Repeat("A", len(idle.token)-40)} {
				g := r.guest()
				g.token = token
				g.want(200, look)
			}
			r.clock.add(10 * time.Minute)
			idle.want(200, visit)
			r.clock.add(-10 * time.Minute) // then its session is from the future
			idle.want(200, look)
			r.clock.add(30 * time.Minute)
			idle.want(200, look) // a touch
			synctest.Wait()
			r.clock.add(2 * time.Hour)
			idle.want(200, look)
			for range r.m.Admin().Search(t.Context(), driver.Query{}) {
			}
			ops := strings.Replace(r.store.since(), "refresh 1, ", "", 1)
			after := r.m.Figures()
			if got := opsOf(before, after); got != ops {
				t.Errorf("the store was asked for %s, and the figures have %s", ops, got)
			}
			if after.Created != 1 || after.SignedIn != 2 || after.Renewed != 1 || after.SignedOut != 1 || after.Imported != 0 || after.Touches != 1 {
				t.Errorf("%d created, %d signed in, %d renewed, %d signed out, %d imported, %d touches", after.Created, after.SignedIn, after.Renewed, after.SignedOut, after.Imported, after.Touches)
			}
			if got := someKinds(after.Ended); got != "destroyed 1, expired 1, revoked 1" {
				t.Errorf("ended: %s", got)
			}
			if got := someKinds(after.Refused); got != "forged 2" {
				t.Errorf("refused: %s", got)
			}
			if after.ClockSkews != 1 || after.WorstSkew != 10*time.Minute {
				t.Errorf("%d sessions from the future, by up to %v", after.ClockSkews, after.WorstSkew)
			}
			for name, o := range after.Operations.All() {
				if o.Failed() != 0 || o.Latency.Count != o.Count {
					t.Errorf("%s: %d of %d failed, %d are timed", name, o.Failed(), o.Count, o.Latency.Count)
				}
			}
			if after.UnderWay != 0 || after.TurnedDown != 0 || after.Merged != 0 || after.Gathered != 0 || after.LedgerFaults != 0 || after.Remembered != 0 {
				t.Errorf("what didn't happen is told: %+v", after)
			}
			if after.Since != before.Since || after.At.Before(before.At) || before.At.Before(before.Since) {
				t.Errorf("from %v to %v, and from %v to %v", before.Since, before.At, after.Since, after.At)
			}
		})
	}
}

// A call that fails counts once, by its reason; one that is answered doesn't.
func TestFiguresOfFailures(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want figures.Operation
	}{
		"unavailable":           {errNoAnswer, figures.Operation{Unavailable: 1}},
		"an error of its own":   {errors.New("no words"), figures.Operation{Unavailable: 1}},
		"too slow":              {context.DeadlineExceeded, figures.Operation{Unavailable: 1}},
		"overloaded":            {errFull, figures.Operation{Overloaded: 1}},
		"the client has left":   {fmt.Errorf("%w: %w", context.Canceled, cloakroom.ErrUnavailable), figures.Operation{Canceled: 1}},
		"corrupt":               {cloakroom.ErrCorrupt, figures.Operation{Other: 1}},
		"a newer version's":     {driver.ErrNewer, figures.Operation{Other: 1}},
		"closed":                {driver.ErrClosed, figures.Operation{Other: 1}},
		"too large":             {cloakroom.ErrTooLarge, figures.Operation{Other: 1}},
		"not found":             {cloakroom.ErrNotFound, figures.Operation{}},
		"gone, without a grave": {cloakroom.ErrGone, figures.Operation{Unavailable: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			s := r.stored(1)
			before := r.m.Figures().Operations.Get.Count
			r.store.answer(isOn("get", s.ID()), test.err)
			_, _ = r.m.Retrieve(t.Context(), s.Token())
			got := r.m.Figures().Operations.Get
			if got.Count != before+1 {
				t.Fatalf("%d calls, want 1", got.Count-before)
			}
			got.Count, got.Latency = 0, figures.Histogram[time.Duration]{}
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("counted as %+v, want %+v", got, test.want)
			}
		})
	}
}

// Operations under way are counted as long as they are. (Those that are turned down:
// TestI8_Admission.)
func TestFiguresUnderWay(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(1)
		g := r.store.hold(isOn("get", s.ID()))
		done := later(func() error { _, err := r.m.Retrieve(context.Background(), s.Token()); return err })
		<-g.reached
		if n := r.m.Figures().UnderWay; n != 1 {
			t.Errorf("%d operations are under way, want 1", n)
		}
		g.let(pass)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n := r.m.Figures().UnderWay; n != 0 {
			t.Errorf("%d operations are under way, want none", n)
		}
	})
}

// A save that another process has overtaken counts as merged, and saves of one session that
// are written as one as gathered.
func TestFiguresOfSaves(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		elsewhere := r.manager(nil)
		s := r.stored(1)
		mine, theirs := r.open(s), r.openBy(elsewhere, s.Token())
		one(mine)
		one(theirs)
		r.save(theirs)
		r.save(mine)
		if n, there := r.m.Figures().Merged, elsewhere.Figures().Merged; n != 1 || there != 0 {
			t.Errorf("%d merged here and %d there, want 1 and none", n, there)
		}
		r.store.fate(isOn("update", s.ID()), lost) // its answer: nobody else has written
		one(mine)
		r.save(mine)
		g, first := r.blocked(s)
		all := []<-chan error{first, r.queued(s, one), r.queued(s, one), r.queued(s, one)}
		g.let(pass)
		for _, done := range all {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if f := r.m.Figures(); f.Merged != 1 || f.Gathered != 2 {
			t.Errorf("%d merged and %d gathered, want 1 and 2", f.Merged, f.Gathered)
		}
	})
}

// What memory answers costs no operation, and is counted.
func TestFiguresOfRemembered(t *testing.T) {
	r := newRig(t, &cloakroom.Config{CacheFor: time.Minute})
	g := r.as(r.stored(1))
	before := r.m.Figures()
	for range 3 {
		g.want(200, look)
	}
	after := r.m.Figures()
	if n := after.Remembered - before.Remembered; n != 3 || opsOf(before, after) != "" {
		t.Errorf("%d sessions came from memory, with the operations %q; want 3 and none", n, opsOf(before, after))
	}
}

// A store in memory has one call in 16 timed. It has no figures of its own.
func TestFiguresOfAStoreInMemory(t *testing.T) {
	for _, cached := range []time.Duration{0, time.Minute} {
		store := memstore.New(nil)
		defer store.Close()
		m, err := cloakroom.New(store, testKeyring(t), &cloakroom.Config{CacheFor: cached, SweepEvery: -1})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		s, err := m.Create(t.Context())
		for i := range 33 {
			visits.Set(s, i)
			err = errors.Join(err, s.Save(t.Context()))
		}
		if err != nil {
			t.Fatal(err)
		}
		f := m.Figures()
		if u := f.Operations.Update; u.Count != 33 || u.Latency.Count != 3 || f.Store != nil {
			t.Errorf("%d updates, of which %d are timed, want 33 and 3; the store: %+v", u.Count, u.Latency.Count, f.Store)
		}
	}
}

// Two managers on one store: each has figures of its own, and both have the store's. They
// stay when managers and store are closed.
func TestFiguresOfTwoManagers(t *testing.T) {
	store, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "sessions.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var all [2]*cloakroom.Manager
	for i := range all {
		if all[i], err = cloakroom.New(store, testKeyring(t), &cloakroom.Config{App: fmt.Sprint("app", i), SweepEvery: -1}); err != nil {
			t.Fatal(err)
		}
		defer all[i].Close()
	}
	for i, m := range all {
		for range 2 + i {
			if _, err := m.Create(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	check := func() {
		t.Helper()
		for i, m := range all {
			f := m.Figures()
			if n := f.Operations.Create.Count; n != int64(2+i) || f.Created != n {
				t.Errorf("manager %d has made %d and told %d", i, n, f.Created)
			}
			if f.Store == nil || f.Store.Writes.Sizes.Sum != 5 {
				t.Errorf("manager %d has the store's figures %+v, want 5 writes", i, f.Store)
			}
		}
	}
	check()
	for _, m := range all {
		m.Close()
	}
	store.Close()
	check()
}

// The clock of the engine is told as it was asked last.
func TestFiguresOfClocks(t *testing.T) {
	r := newRig(t, nil)
	if f := r.m.Figures(); !f.ClockAsked.IsZero() {
		t.Errorf("a clock that wasn't asked: %v at %v", f.ClockAhead, f.ClockAsked)
	}
	r.behind(7 * time.Minute)
	r.codes(r.m)
	if f := r.m.Figures(); f.ClockAhead != 7*time.Minute || time.Since(f.ClockAsked) > time.Minute {
		t.Errorf("the clock is ahead by %v, as of %v", f.ClockAhead, f.ClockAsked)
	}
}

// BenchmarkFigures is the cost of a reading.
func BenchmarkFigures(b *testing.B) {
	m := newRig(b, nil).m
	for b.Loop() {
		m.Figures()
	}
}

// Each reason of an end and each refusal has a figure, before it happens as well.
func TestFiguresHaveAllKinds(t *testing.T) {
	f := newRig(t, nil).m.Figures()
	ended, refused := constantsOf(t, "driver/grave.go", "End"), constantsOf(t, "events.go", "Refused")
	if len(f.Ended) != ended || len(f.Refused) != refused || ended == 0 || refused == 0 {
		t.Errorf("%d of %d reasons and %d of %d refusals have a figure", len(f.Ended), ended, len(f.Refused), refused)
	}
}

// constantsOf returns the number of constants of a file whose names begin so.
func constantsOf(t *testing.T, path, prefix string) (n int) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(node ast.Node) bool {
		if v, ok := node.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, prefix) {
			n += len(v.Names)
		}
		return true
	})
	return n
}
