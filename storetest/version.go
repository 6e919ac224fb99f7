package storetest

import (
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is versions, which name the states of a record.

// testVersion checks that versions name the states of a record.
func testVersion(e *env) {
	e.openStore()

	e.eachLayout("I2_versions_never_repeat", testVersionVersionsNeverRepeat)
	e.eachLayout("update_that_changes_nothing", testVersionUpdateThatChangesNothing)
	e.eachLayout("reads_leave_versions_alone", testVersionReadsLeaveVersionsAlone)
	e.run("search_yields_versions", testVersionSearchYieldsVersions)

	for _, how := range []string{"I2_removed_record_made_again", "I2_removed_grave_made_again"} {
		e.run(how, func(e *env) {
			for _, l := range append([]driver.Layout{driver.LayoutLedger}, unperioded...) {
				e.run(l.String(), func(e *env) {
					e.madeAgain(l, how == "I2_removed_grave_made_again", func() {})
				})
			}
		})
	}

	e.run("I2_made_again_after_tombstone", testVersionMadeAgainAfterTombstone)
}

func testVersionVersionsNeverRepeat(e *env, l driver.Layout) {
	seen := versions{}
	last := e.mustCreate(e.record(l))
	seen.add(e, last.Version)
	for range 5 {
		last = e.mustUpdate(next(last))
		seen.add(e, last.Version)
	}
	e.wantRecord(last) // with the version that Update returned
	g := e.grave(last)
	e.mustBury(last.ID, g, last.Version)
	seen.add(e, e.wantGrave(last.ID, g))
	e.mustBury(last.ID, g, driver.Version{})
	seen.add(e, e.wantGrave(last.ID, g))
}

func testVersionUpdateThatChangesNothing(e *env, l driver.Layout) {
	// The same record once more is a write like any other: its version
	// moves, and the one before is at conflict.
	first := e.mustCreate(e.record(l))
	second := e.mustUpdate(clone(first))
	if second.Version == first.Version {
		e.Fatalf("an update left the version at %s", first.Version)
	}
	_, err := e.update(clone(first))
	e.wantError(err, driver.ErrConflict, "Update at an old version")
	e.wantRecord(second)
}

func testVersionReadsLeaveVersionsAlone(e *env, l driver.Layout) {
	kept := e.mustCreate(e.record(l))
	for range 3 {
		e.wantRecord(kept)
	}
	e.settle()
	e.mustSearch(driver.Query{Kind: kept.Kind, App: e.app})
	e.wantRecord(e.mustUpdate(next(kept)))
}

func testVersionSearchYieldsVersions(e *env) {
	kept := e.mustUpdate(next(e.mustCreate(e.record(driver.LayoutDay))))
	e.settle()
	found := e.mustSearch(driver.Query{App: e.app})
	if len(found) != 1 || found[0].Version != kept.Version {
		e.Fatalf("Search found %d records, the first at version %s, want one at %s", len(found), found[0].Version, kept.Version)
	}
	e.wantRecord(e.mustUpdate(next(found[0])))
}

func testVersionMadeAgainAfterTombstone(e *env) {
	if e.h.ForgetTombstones == nil {
		e.Skip("Harness.ForgetTombstones is nil: the store remembers nothing that it could forget")
	}
	for _, l := range append([]driver.Layout{driver.LayoutLedger}, unperioded...) {
		e.run(l.String(), func(e *env) {
			e.madeAgain(l, false, func() { e.h.ForgetTombstones(e.T, e.store) })
		})
	}
}

// versions are those that one id has had.
type versions map[driver.Version]bool

func (s versions) add(e *env, v driver.Version) {
	e.Helper()
	if v.IsZero() {
		e.Fatal("a write returned the zero version")
	}
	if s[v] {
		e.Fatalf("the version %s came again", v)
	}
	s[v] = true
}

// madeAgain removes a record by a sweep and makes it again, some times over.
// None of the versions may come again, and none of the old ones may be good.
func (e *env) madeAgain(l driver.Layout, dig bool, forget func()) {
	e.Helper()
	seen := versions{}
	var old []driver.Version
	r := e.recordAt(l, e.now.Add(-time.Hour))
	r.Deadline = e.now.Add(-driver.ClockTolerance - time.Millisecond)
	r.Expires = r.Deadline // so that a sweep at the time now removes it
	for range 3 {
		kept := e.mustCreate(r)
		seen.add(e, kept.Version)
		for _, v := range old {
			u := next(kept)
			u.Version = v
			_, err := e.update(u)
			e.wantError(err, driver.ErrConflict, "Update at the version of a record that was removed")
			err = e.bury(u.ID, e.grave(u), v)
			e.wantError(err, driver.ErrConflict, "Bury at the version of a record that was removed")
		}
		e.wantRecord(kept)
		kept = e.mustUpdate(next(kept))
		seen.add(e, kept.Version)
		old = append(old, kept.Version)
		if dig {
			g := e.grave(kept)
			e.mustBury(kept.ID, g, kept.Version)
			v := e.wantGrave(kept.ID, g)
			seen.add(e, v)
			old = append(old, v)
		}
		e.mustSweep(e.now)
		e.wantMissing(r.ID)
		forget()
		for _, v := range old {
			u := next(kept)
			u.Version = v
			_, err := e.update(u)
			e.wantError(err, driver.ErrNotFound, "Update of a removed record at a version that it had")
			err = e.bury(u.ID, e.grave(u), v)
			e.wantError(err, driver.ErrNotFound, "Bury of a removed record at a version that it had")
			e.wantMissing(u.ID)
		}
	}
}
