package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is stores that keep records by periods of time, and drop a period whole.

// testPeriod checks the layouts whose records may be kept by periods of time
// and ended with them: none too early, all of them in the end. Each test opens
// its own store, since its sweeps go far into the future.
func testPeriod(e *env) {
	for _, l := range layouts[:4] {
		e.run("nothing_ends_too_early/"+l.String(), func(e *env) {
			e.openStore()
			testNotTooEarly(e, l)
		})
		e.run("all_ends/"+l.String(), func(e *env) {
			e.openStore()
			testAllEnds(e, l)
		})
	}
}

// testNotTooEarly has records of periods long past that are still alive, since
// sessions of a layout may live up to its longest lifetime.
func testNotTooEarly(e *env, l driver.Layout) {
	longest := l.MaxLifetime()
	var kept []*driver.Record
	for _, age := range []time.Duration{0, time.Hour, longest / 2, longest - 2*time.Hour} {
		r := e.recordAt(l, e.now.Add(-age))
		r.Deadline = r.Created.Add(longest)
		r.Expires = r.Deadline
		kept = append(kept, e.mustCreate(r))
	}
	gone := e.recordAt(l, e.now.Add(-longest/2))
	gone.Deadline = gone.Created.Add(longest)
	gone = e.mustCreate(gone)
	g := e.grave(gone)
	e.mustBury(gone.ID, g, gone.Version)

	e.mustSweep(e.now)
	for _, r := range kept {
		e.wantRecord(r)
	}
	e.wantGrave(gone.ID, g)
	e.wantFound(driver.Query{App: e.app}, kept)
	for i, r := range kept {
		kept[i] = e.mustUpdate(next(r))
	}

	// To the last millisecond, and then for the tolerance as graves.
	for _, r := range slices.Backward(kept) {
		e.mustSweep(r.Deadline.Add(-ms))
		e.wantRecord(r)
		e.mustSweep(r.Deadline.Add(tolerance - ms))
		if _, err := e.get(r.ID); err != nil && !errors.Is(err, driver.ErrGone) {
			e.Fatalf("Get before the tolerance has passed: %v", err)
		}
		_, err := e.create(r)
		e.wantError(err, driver.ErrExists, "Create before the tolerance has passed")
	}
}

// testAllEnds sweeps at a time when nothing of a period can be alive any more.
func testAllEnds(e *env, l driver.Layout) {
	first := e.mustCreate(e.record(l))
	kept := e.mustUpdate(next(first))
	gone := e.mustCreate(e.record(l))
	e.mustBury(gone.ID, e.grave(gone), gone.Version)
	goneVersion := e.wantGrave(gone.ID, e.graveOf(gone.ID))
	start, end, ok := kept.ID.Period()
	if !ok {
		e.Fatalf("the layout %s has no periods", l)
	}
	// Well after the end of the period, of another one, and of all lifetimes.
	far := end.Add(2*end.Sub(start) + l.MaxLifetime() + tolerance + 48*time.Hour)
	report := e.mustSweep(far)
	if report.Removed+report.Dropped == 0 {
		e.Errorf("the sweep reports neither records removed nor periods dropped")
	}
	seen := versions{first.Version: true, kept.Version: true, gone.Version: true, goneVersion: true}
	absent := func(what string, err error) {
		e.Helper()
		// A store may refuse to say "not found" where it has no period.
		if !errors.Is(err, driver.ErrNotFound) && !errors.Is(err, driver.ErrUnavailable) {
			e.Fatalf("%s after its period has ended: error %v, want ErrNotFound (or ErrUnavailable)", what, err)
		}
	}
	for _, id := range []driver.ID{kept.ID, gone.ID} {
		_, err := e.get(id)
		absent("Get", err)
		for v := range seen {
			u := next(kept)
			u.ID, u.Version = id, v
			_, err := e.update(u)
			absent("Update", err)
			absent("Bury at a version", e.bury(id, e.grave(u), v))
			_, err = e.get(id)
			absent("Get after an update that failed", err)
		}
	}
	e.settle()
	if found := e.mustSearch(driver.Query{App: e.app}); len(found) != 0 {
		e.Errorf("Search finds %d records of a period that has ended", len(found))
	}

	makeAgain(e, l, []driver.ID{kept.ID, gone.ID}, seen)
}

// makeAgain creates records of a period that has ended: that is refused, or they have a
// version that never was.
func makeAgain(e *env, l driver.Layout, ids []driver.ID, seen versions) {
	for _, id := range ids {
		r := e.record(l)
		r.ID = id
		v, err := e.create(r)
		if err != nil {
			continue
		}
		if e.h.DropForgets {
			e.Logf("Harness.DropForgets: that versions of a dropped period don't come again is not checked")
			break
		}
		seen.add(e, v)
		for old := range seen {
			if old == v {
				continue
			}
			u := next(r)
			u.Version = old
			_, err := e.update(u)
			e.wantError(err, driver.ErrConflict, fmt.Sprintf("Update at the old version %s of a record made again at %s", old, v))
		}
	}
}

// graveOf returns the grave that is kept of an id.
func (e *env) graveOf(id driver.ID) driver.Grave {
	e.Helper()
	r, err := e.get(id)
	if err := isGrave(id, r, err); err != nil {
		e.Fatal(err)
	}
	return *r.Grave
}
