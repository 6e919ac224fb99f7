package storetest

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is sweeps beside writes: nothing ends but what was judged.

// testSweepRace checks that a sweep ends nothing but what it judged: records
// are brought over their end and back to life by acknowledged writes, again and
// again, while sweeps go on. What was last acknowledged alive must not end.
func testSweepRace(e *env) {
	e.openStore()

	e.run("I14_idle_and_back", testSweepRaceIdleAndBack)

	for _, l := range []driver.Layout{driver.LayoutLedger, driver.LayoutImport} {
		e.run("I14_deadline_moved/"+l.String(), func(e *env) {
			var kept sync.Map
			e.amidSweeps(func(i int, goOn func() bool) error {
				r, err := e.saverDeadline(l, goOn, i%2 == 0)
				kept.Store(i, r)
				return err
			})
			e.mustSweep(e.now)
			for _, v := range kept.Range {
				r := v.(*driver.Record)
				if r.Deadline.After(e.now) {
					e.wantRecord(r)
				} else {
					e.wantMissing(r.ID)
				}
			}
		})
	}

	e.run("I14_grave_dug_anew", testSweepRaceGraveDugAnew)
}

func testSweepRaceIdleAndBack(e *env) {
	var kept sync.Map // what each saver left, by caller
	e.amidSweeps(func(i int, goOn func() bool) error {
		r, err := e.saverIdle(goOn, i%2 == 0)
		kept.Store(i, r)
		return err
	})
	e.mustSweep(e.now)
	for _, v := range kept.Range {
		r := v.(*driver.Record)
		if r.Expires.After(e.now) {
			e.wantRecord(r)
		} else {
			e.wantExpired(r, e.now)
		}
	}
}

func testSweepRaceGraveDugAnew(e *env) {
	e.amidSweeps(func(_ int, goOn func() bool) error {
		r := e.record(driver.LayoutImport)
		for goOn() {
			over, lasting := e.grave(r), e.grave(r)
			over.Until = e.now.Add(-tolerance - ms)
			if err := e.bury(r.ID, over, driver.Version{}); err != nil {
				return faultf("Bury: %w", err)
			}
			if err := e.bury(r.ID, lasting, driver.Version{}); err != nil {
				return faultf("Bury: %w", err)
			}
			got, err := e.get(r.ID)
			if err := isGrave(r.ID, got, err); err != nil {
				return faultf("after a burial that lasts: %w", err)
			}
			if d := diffGrave(*got.Grave, lasting); d != "" {
				return faultf("the grave dug last is not there:\n%s", d)
			}
			if _, err := e.create(r); !errors.Is(err, driver.ErrExists) {
				return faultf("Create on a grave that lasts: error %w, want ErrExists", err)
			}
		}
		return nil
	})
}

// amidSweeps runs savers while sweeps go on at the time now. A saver works as
// long as goOn says so, which is until there have been some sweeps.
func (e *env) amidSweeps(saver func(i int, goOn func() bool) error) {
	e.Helper()
	const leastRounds, leastSweeps = 15, 15
	savers := max(8, min(24, e.h.Many/6))
	faults := make([]error, savers+1)
	var left, rounds, sweeps atomic.Int32
	var failed atomic.Bool
	left.Store(int32(savers))
	var wg sync.WaitGroup
	for i := range savers {
		wg.Go(func() {
			defer left.Add(-1)
			round := 0
			faults[i] = saver(i, func() bool {
				runtime.Gosched() // else a store in memory is all savers and no sweeps
				round++
				rounds.Add(1)
				return !failed.Load() && (round <= leastRounds || sweeps.Load() < leastSweeps)
			})
		})
	}
	sweep := func() error {
		_, err := e.sweep(e.now)
		if err != nil {
			failed.Store(true)
			return faultf("Sweep: %w", err)
		}
		return nil
	}
	wg.Go(func() {
		for left.Load() > 0 && !failed.Load() {
			faults[savers] = sweep()
		}
	})
	for counted := int32(0); left.Load() > 0; { // these see all that was acknowledged before
		e.settle()
		if err := sweep(); err != nil {
			e.Error(err)
			break
		}
		// Only what had something to race with counts.
		if n := rounds.Load(); n-counted >= int32(savers/2) {
			counted = n
			sweeps.Add(1)
		}
	}
	wg.Wait()
	e.report(faults)
}

// saverIdle lets sessions expire and revives them before a sweep has come. It
// returns what it left last, alive or not.
func (e *env) saverIdle(goOn func() bool, alive bool) (*driver.Record, error) {
	past, future := e.now.Add(-ms), e.now.Add(time.Hour)
	var r *driver.Record
	for goOn() {
		if r == nil {
			r = e.record(driver.LayoutImport)
			r.Expires, r.Deadline = past, e.now.Add(12*time.Hour)
			v, err := e.create(r)
			if err != nil {
				return r, faultf("Create: %w", err)
			}
			r.Version = v
		}
		u := next(r)
		u.Expires = future
		v, err := e.update(u)
		if errors.Is(err, driver.ErrGone) { // a sweep was first
			got, err := e.get(r.ID)
			if err := isGrave(r.ID, got, err); err != nil {
				return r, err
			}
			if err := isExpired(got, r, e.now); err != nil {
				return r, err
			}
			r = nil
			continue
		}
		if err != nil {
			return r, faultf("Update of an expired session: error %w, want none or ErrGone", err)
		}
		u.Version = v
		r = u
		if err := e.isKept(r); err != nil {
			return r, faultf("after an acknowledged save that it lives: %w", err)
		}
		u = next(r)
		u.Expires = past
		if u.Version, err = e.update(u); err != nil {
			return r, faultf("Update of a living session: %w", err)
		}
		r = u
	}
	u := e.record(driver.LayoutImport) // the last ones
	u.Expires = past
	if alive {
		u.Expires = future
	}
	v, err := e.create(u)
	u.Version = v
	return u, err
}

// saverDeadline does the same with the deadline, past which records are removed.
func (e *env) saverDeadline(l driver.Layout, goOn func() bool, alive bool) (*driver.Record, error) {
	past, future := e.now.Add(-tolerance-ms), e.now.Add(time.Hour)
	fresh := func(end time.Time) (*driver.Record, error) {
		r := e.recordAt(l, e.now.Add(-time.Hour))
		r.Expires, r.Deadline = end, end
		v, err := e.create(r)
		r.Version = v
		return r, err
	}
	r, err := fresh(past)
	for goOn() {
		if err != nil {
			return r, faultf("Create: %w", err)
		}
		u := next(r)
		u.Expires, u.Deadline = future, future
		u.Version, err = e.update(u)
		if errors.Is(err, driver.ErrNotFound) { // a sweep was first
			r, err = fresh(past)
			continue
		}
		if err != nil {
			return r, faultf("Update of a record past its deadline: error %w, want none or ErrNotFound", err)
		}
		r = u
		if err := e.isKept(r); err != nil {
			return r, faultf("after an acknowledged save that moves the deadline: %w", err)
		}
		u = next(r)
		u.Expires, u.Deadline = past, past
		if u.Version, err = e.update(u); err != nil {
			return r, faultf("Update of a living record: %w", err)
		}
		r = u
	}
	if alive {
		return fresh(future)
	}
	return fresh(past)
}

// isKept tells what is wrong if the store doesn't keep exactly this record.
func (e *env) isKept(want *driver.Record) error {
	got, err := e.get(want.ID)
	if err != nil {
		return faultf("Get %s: %w", want.ID, err)
	}
	if d := diff(got, want); d != "" {
		return faultf("Get %s differs from what was saved:\n%s", want.ID, d)
	}
	return nil
}
