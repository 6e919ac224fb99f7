package storetest

import (
	"errors"
	"slices"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the sweep of what is over, at the edge of each of its times.

const (
	ms        = time.Millisecond
	tolerance = driver.ClockTolerance
)

// testSweep checks what a sweep ends and what it leaves alone, at the edge of
// each of its times. Its records are such as every store judges one by one.
func testSweep(e *env) {
	e.openStore()

	e.run("the_living_are_left_alone", testSweepTheLivingAreLeftAlone)
	for _, l := range unperioded {
		e.run("I2_the_idle_are_buried/"+l.String(), func(e *env) { testSweepTheIdle(e, l) })
		e.run("I2_not_removed_too_early/"+l.String(), func(e *env) { testSweepNotTooEarly(e, l) })
		e.run("removed_at_once/"+l.String(), func(e *env) { testSweepAtOnce(e, l) })
	}
	e.run("ledgers", testSweepLedgers)
	e.run("kind_decides_not_layout", testSweepKindDecidesNotLayout)
	e.run("periods", testSweepPeriods)
	e.run("many", testSweepMany)
	e.run("two_at_once", testSweepTwoAtOnce)
}

// ending makes a record that idles until expires and ends at deadline.
func (e *env) ending(l driver.Layout, expires, deadline time.Time) *driver.Record {
	r := e.recordAt(l, e.now.Add(-2*time.Hour))
	r.Expires, r.Deadline = expires, deadline
	r.Writes = 3
	r.WriteIDs = []driver.WriteID{newWriteID(), newWriteID(), newWriteID()}
	return r
}

func testSweepTheLivingAreLeftAlone(e *env) {
	e.mustSweep(e.now) // what earlier subtests left
	var kept []*driver.Record
	for _, l := range layouts {
		kept = append(kept, e.mustCreate(e.record(l)), e.mustCreate(e.ending(l, e.now.Add(ms), e.now.Add(ms))))
	}
	gone := e.mustCreate(e.record(driver.LayoutImport))
	g := e.grave(gone)
	g.Until = e.now.Add(ms)
	e.mustBury(gone.ID, g, gone.Version)
	v := e.wantGrave(gone.ID, g)
	e.wantReport(e.mustSweep(e.now), 0, 0)
	for _, r := range kept {
		e.wantRecord(r)
	}
	if got := e.wantGrave(gone.ID, g); got != v {
		e.Errorf("the sweep moved the version of a grave from %s to %s", v, got)
	}
}

func testSweepTheIdle(e *env, l driver.Layout) {
	e.mustSweep(e.now)
	kept := e.mustCreate(e.ending(l, e.now.Add(-ms), e.now.Add(time.Hour)))
	full := e.ending(l, e.now.Add(-time.Hour), e.now.Add(30*24*time.Hour))
	full.Principal = "alice"
	for len(full.WriteIDs) < driver.MaxWriteIDs {
		full.WriteIDs = append(full.WriteIDs, newWriteID())
	}
	full = e.mustCreate(full)
	e.wantReport(e.mustSweep(e.now), 2, 0)
	for _, r := range []*driver.Record{kept, full} {
		v := e.wantExpired(r, e.now)
		if v == r.Version {
			e.Errorf("the grave has the version of the record, %s", v)
		}
		_, err := e.create(r)
		e.wantError(err, driver.ErrExists, "Create on the grave that a sweep dug")
		_, err = e.update(next(r))
		e.wantError(err, driver.ErrGone, "Update of what a sweep buried")
	}
	e.wantReport(e.mustSweep(e.now), 0, 0)
	e.wantExpired(kept, e.now)
	e.wantExpired(full, e.now)
	if found := e.mustSearch(driver.Query{App: e.app}); len(found) != 0 {
		e.Errorf("Search finds %d records that a sweep buried", len(found))
	}
}

func testSweepNotTooEarly(e *env, l driver.Layout) {
	// What has reached its deadline ends, but is kept for the tolerance.
	deadline := e.now.Add(-time.Minute)
	r := e.mustCreate(e.ending(l, deadline, deadline))
	gone := e.mustCreate(e.ending(l, deadline, deadline))
	g := e.grave(gone)
	e.mustBury(gone.ID, g, gone.Version)
	for _, now := range []time.Time{deadline, deadline.Add(ms), deadline.Add(tolerance - ms)} {
		e.mustSweep(now)
		if _, err := e.get(r.ID); err != nil && !errors.Is(err, driver.ErrGone) {
			e.Fatalf("Get after a sweep %v past the deadline: %v", now.Sub(deadline), err)
		}
		_, err := e.create(r)
		e.wantError(err, driver.ErrExists, "Create before the tolerance has passed")
		e.wantGrave(gone.ID, g)
	}
	e.wantExpired(r, deadline.Add(ms), deadline.Add(tolerance-ms), deadline)
	e.mustSweep(deadline.Add(tolerance + ms))
	e.wantMissing(r.ID)
	e.wantMissing(gone.ID)
}

func testSweepAtOnce(e *env, l driver.Layout) {
	// What was not swept for long goes in one sweep.
	e.mustSweep(e.now)
	deadline := e.now.Add(-tolerance - ms)
	r := e.mustCreate(e.ending(l, deadline.Add(-time.Hour), deadline))
	gone := e.mustCreate(e.ending(l, deadline, deadline))
	e.mustBury(gone.ID, e.grave(gone), gone.Version)
	e.wantReport(e.mustSweep(e.now), 0, 2)
	e.wantMissing(r.ID)
	e.wantMissing(gone.ID)
}

func testSweepLedgers(e *env) {
	e.mustSweep(e.now)
	l := driver.LayoutLedger
	// Ledgers have no idle time, whatever their field says.
	idle := e.mustCreate(e.ending(l, e.now.Add(-time.Hour), e.now.Add(time.Hour)))
	over := e.mustCreate(e.ending(l, e.now.Add(time.Hour), e.now.Add(-tolerance-ms)))
	almost := e.mustCreate(e.ending(l, e.now.Add(-time.Hour), e.now.Add(-tolerance+ms)))
	buried := e.mustCreate(e.ending(l, e.now, e.now.Add(-tolerance-ms)))
	e.mustBury(buried.ID, e.grave(buried), buried.Version)
	e.wantReport(e.mustSweep(e.now), 0, 2)
	e.wantRecord(idle)
	e.wantRecord(almost)
	e.wantMissing(over.ID)
	e.wantMissing(buried.ID)
	e.wantReport(e.mustSweep(e.now.Add(2*ms)), 0, 1)
	e.wantRecord(idle)
	e.wantMissing(almost.ID)
}

func testSweepKindDecidesNotLayout(e *env) {
	e.mustSweep(e.now)
	r := e.ending(driver.LayoutImport, e.now.Add(-time.Hour), e.now.Add(time.Hour))
	r.Kind, r.Principal = driver.KindLedger, "alice"
	kept := e.mustCreate(r)
	e.wantReport(e.mustSweep(e.now), 0, 0)
	e.wantRecord(kept)
}

func testSweepPeriods(e *env) {
	// A store that drops whole periods may leave the idle to be found by
	// whoever asks for them, but it must not lose them.
	for _, l := range layouts[:4] {
		r := e.mustCreate(e.ending(l, e.now.Add(-ms), e.now.Add(time.Hour)))
		e.mustSweep(e.now)
		if _, err := e.get(r.ID); err == nil {
			e.wantRecord(r)
			g := e.grave(r)
			e.mustBury(r.ID, g, r.Version)
			e.wantGrave(r.ID, g)
		} else {
			e.wantExpired(r, e.now)
		}
	}
}

func testSweepMany(e *env) {
	e.mustSweep(e.now)
	const over, living = 600, 300
	var records []*driver.Record
	for i := range over + living {
		l := unperioded[0]
		switch {
		case i >= over:
			records = append(records, e.record(l))
		case i%3 == 0:
			records = append(records, e.ending(l, e.now.Add(-tolerance-ms), e.now.Add(-tolerance-ms)))
		default:
			records = append(records, e.ending(l, e.now.Add(-ms), e.now.Add(time.Hour)))
		}
		if i%2 == 0 {
			records[i].App = newApp() // a sweep is for all of them
		}
	}
	kept := e.createAll(records)
	e.wantReport(e.mustSweep(e.now), over-over/3, over/3)
	for i, r := range kept {
		switch {
		case i >= over:
			e.wantRecord(r)
		case i%3 == 0:
			e.wantMissing(r.ID)
		default:
			e.wantExpired(r, e.now)
		}
	}
}

func testSweepTwoAtOnce(e *env) {
	e.mustSweep(e.now)
	var records []*driver.Record
	for range 60 {
		records = append(records, e.ending(driver.LayoutImport, e.now.Add(-ms), e.now.Add(time.Hour)))
	}
	kept := e.createAll(records)
	e.settle()
	reports := make([]driver.SweepReport, 3)
	e.together(len(reports), func(i int) (err error) {
		reports[i], err = e.sweep(e.now)
		return err
	})
	buried := 0
	for _, r := range reports {
		buried += r.Buried
	}
	if buried > len(kept) {
		e.Errorf("%d sessions were reported buried, but there are %d", buried, len(kept))
	}
	for _, r := range kept {
		e.wantExpired(r, e.now)
	}
}

// wantReport checks what a sweep reported. How many periods it dropped is the
// store's own affair.
func (e *env) wantReport(r driver.SweepReport, buried, removed int) {
	e.Helper()
	if r.Buried != buried || r.Removed != removed {
		e.Fatalf("the sweep reports %d buried, %d removed (%d periods dropped), want %d buried, %d removed",
			r.Buried, r.Removed, r.Dropped, buried, removed)
	}
}

// wantExpired checks that a sweep at one of the times has buried a session as
// it should, and returns the grave's version.
func (e *env) wantExpired(was *driver.Record, at ...time.Time) driver.Version {
	e.Helper()
	r, err := e.get(was.ID)
	if err := isGrave(was.ID, r, err); err != nil {
		e.Fatalf("after the sweep: %v", err)
	}
	if fault := isExpired(r, was, at...); fault != nil {
		e.Fatal(fault)
	}
	return r.Version
}

// isExpired tells what is wrong with a grave that a sweep has dug.
func isExpired(r, was *driver.Record, at ...time.Time) error {
	g := *r.Grave
	want := driver.Grave{Reason: driver.EndExpired, At: g.At, Until: was.Deadline,
		App: was.App, Principal: was.Principal, Writes: was.Writes + 1, WriteIDs: g.WriteIDs}
	if d := diffGrave(g, want); d != "" {
		return faultf("the grave that the sweep dug for %s:\n%s", name(was), d)
	}
	if !slices.ContainsFunc(at, g.At.Equal) {
		return faultf("the grave of %s says that it was dug at %s, but the sweep's time was %s", name(was), stamp(g.At), stamp(at[0]))
	}
	// The burial may add a write id of its own in front; those of the record
	// remain, as far as there is room.
	ids := g.WriteIDs
	if len(ids) > 0 && (len(was.WriteIDs) == 0 || ids[0] != was.WriteIDs[0]) {
		ids = ids[1:]
	}
	if len(g.WriteIDs) > driver.MaxWriteIDs || len(ids) < min(len(was.WriteIDs), driver.MaxWriteIDs-1) ||
		!slices.Equal(ids, was.WriteIDs[:len(ids)]) {
		return faultf("the grave of %s has the write ids %v, but the record had %v", name(was), g.WriteIDs, was.WriteIDs)
	}
	return nil
}
