package storetest

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is two stores on the same data, beside each other and one after the other.

// testSecond checks two stores on the same data: beside each other, as
// processes that share it, and one after the other, as over a restart.
func testSecond(e *env) {
	if e.h.Second == nil {
		e.Skip("Harness.Second is nil: what the store keeps can't be opened twice")
	}

	e.run("visible_to_each_other", testSecondVisibleToEachOther)
	e.run("I1_no_increment_is_lost", testSecondNoIncrementIsLost)
	e.run("one_create_wins", testSecondOneCreateWins)
	e.run("many_callers_of_both", testSecondManyCallersOfBoth)
	e.run("I1_acknowledged_survives_close", testSecondAcknowledgedSurvivesClose)
	e.run("I2_over_restarts", testSecondOverRestarts)
}

func testSecondVisibleToEachOther(e *env) {
	e.openStore()
	there := *e
	there.store = e.second(e.store)
	for _, l := range layouts {
		a, b := e, &there
		missing := a.missing(l)
		b.wantMissing(missing.ID)
		kept := a.mustCreate(e.record(l))
		for range 4 {
			b.wantRecord(kept)
			_, err := b.create(kept)
			b.wantError(err, driver.ErrExists, "Create in the other store")
			old := kept
			kept = b.mustUpdate(next(kept))
			_, err = a.update(next(old))
			a.wantError(err, driver.ErrConflict, "Update at a version that the other store has replaced")
			a, b = b, a
		}
		g := e.grave(kept)
		a.mustBury(kept.ID, g, kept.Version)
		b.wantGrave(kept.ID, g)
		_, err := b.update(next(kept))
		b.wantError(err, driver.ErrGone, "Update on the grave that the other store has dug")
	}
	kept := e.createAll(e.some(20))
	e.settle()
	there.wantFound(driver.Query{App: e.app, Principal: "alice"}, kept)
}

func testSecondNoIncrementIsLost(e *env) {
	e.openStore()
	there := *e
	there.store = e.second(e.store)
	r := e.record(driver.LayoutDay)
	r.Values = r.Values.With("n", []byte(`0`))
	r = e.mustCreate(r)
	const callers, each = 12, 10
	e.together(callers, func(i int) error {
		at := []*env{e, &there}[i%2]
		for range each {
			if err := at.increment(r.ID); err != nil {
				return err
			}
		}
		return nil
	})
	got, err := there.get(r.ID)
	if err != nil {
		e.Fatalf("Get: %v", err)
	}
	if n := string(got.Values.Get("n")); n != fmt.Sprint(callers*each) {
		e.Fatalf("the counter is at %s after %d acknowledged increments", n, callers*each)
	}
}

func testSecondOneCreateWins(e *env) {
	e.openStore()
	there := *e
	there.store = e.second(e.store)
	for range 10 {
		id := newID(driver.LayoutDay, e.now)
		var won atomic.Int32
		e.together(16, func(i int) error {
			at := []*env{e, &there}[i%2]
			r := e.record(driver.LayoutDay)
			r.ID = id
			if _, err := at.create(r); err != nil {
				return isError(err, driver.ErrExists)
			}
			won.Add(1)
			return nil
		})
		if n := won.Load(); n != 1 {
			e.Fatalf("%d creates of one id succeeded, want 1", n)
		}
	}
}

func testSecondManyCallersOfBoth(e *env) {
	e.openStore()
	there := *e
	there.store = e.second(e.store)
	e.together(min(e.h.Many, 64), func(i int) error {
		at, other := e, &there
		var last *driver.Record
		for round := range 10 {
			at, other = other, at
			ctx, cancel := e.context()
			var err error
			last, err = at.visit(ctx, last, i, round)
			cancel()
			if err != nil {
				return err
			}
		}
		return other.isKept(last)
	})
}

func testSecondAcknowledgedSurvivesClose(e *env) {
	e.openStore()
	if _, ok := e.store.(closer); !ok {
		e.Skip("the store has no method Close() error")
	}
	acknowledged, tried := e.closeWhileBusy()
	e.store = e.second(e.store)
	faults := make([]error, len(acknowledged))
	for i, want := range acknowledged {
		if want == nil {
			continue
		}
		got, err := e.get(want.ID)
		if err != nil {
			faults[i] = faultf("Get of what was acknowledged before Close: %w", err)
			continue
		}
		d := diff(got, want)
		if d == "" {
			continue
		}
		// Or the write whose outcome Close left open.
		last := clone(tried[i])
		last.Version = got.Version
		if got.Version == want.Version || diff(got, last) != "" {
			faults[i] = faultf("after Close it is neither what was acknowledged nor what was tried:\n%s", d)
		}
	}
	e.report(faults)
}

func testSecondOverRestarts(e *env) {
	// Graves last, and versions don't come again.
	e.openStore()
	restart := func() {
		e.Helper()
		old := e.store
		if c, ok := old.(closer); ok {
			if err := c.Close(); err != nil {
				e.Fatalf("Close: %v", err)
			}
		}
		e.store = e.second(old)
	}
	kept := e.mustUpdate(next(e.mustCreate(e.record(driver.LayoutDay))))
	gone := e.mustCreate(e.record(driver.LayoutDay))
	g := e.grave(gone)
	e.mustBury(gone.ID, g, gone.Version)

	seen, seenKept := versions{}, versions{}
	var old []driver.Version
	r := e.recordAt(driver.LayoutImport, e.now.Add(-time.Hour))
	r.Deadline = e.now.Add(-tolerance - ms)
	r.Expires = r.Deadline
	for range 3 {
		again := e.mustCreate(r)
		seen.add(e, again.Version)
		for _, v := range old {
			u := next(again)
			u.Version = v
			_, err := e.update(u)
			e.wantError(err, driver.ErrConflict, "Update at the version of a record that was removed before a restart")
		}
		old = append(old, again.Version)
		e.mustSweep(e.now)
		e.wantMissing(r.ID)
		restart()
		e.wantRecord(kept)
		e.wantGrave(gone.ID, g)
		e.wantMissing(r.ID)
		kept = e.mustUpdate(next(kept))
		seenKept.add(e, kept.Version) // versions are an id's own
	}
}
