package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is single writes: what Create, Update and Bury do to what is there.

// testWrite checks what Create, Update and Bury do to what is there.
func testWrite(e *env) {
	e.openStore()

	e.eachLayout("missing", testWriteMissing)
	e.eachLayout("I2_update_never_creates", testWriteUpdateNeverCreates)
	e.eachLayout("create_twice", testWriteCreateTwice)
	e.eachLayout("compare_and_set", testWriteCompareAndSet)
	e.eachLayout("update_without_version", testWriteUpdateWithoutVersion)
	e.eachLayout("bury_at_version", testWriteBuryAtVersion)
	e.eachLayout("bury_unconditionally", testWriteBuryUnconditionally)
	e.eachLayout("I2_bury_the_missing", testWriteBuryTheMissing)
	e.eachLayout("I2_create_on_grave", testWriteCreateOnGrave)
	e.eachLayout("I2_update_on_grave", testWriteUpdateOnGrave)
	e.eachLayout("I2_bury_at_version_on_grave", testWriteBuryAtVersionOnGrave)
	e.eachLayout("bury_again_unconditionally", testWriteBuryAgainUnconditionally)
	e.run("ids_are_told_apart", testWriteIDsAreToldApart)
	e.run("derived_ids", testWriteDerivedIDs)
	if e.h.TooLarge > 0 {
		e.eachLayout("too_large", testWriteTooLarge)
	}
}

// testWriteTooLarge checks that a record beyond the store's bound is told as such, and
// that nothing of it is written.
func testWriteTooLarge(e *env, l driver.Layout) {
	huge := fmt.Appendf(nil, "%q", strings.Repeat("x", e.h.TooLarge))
	r := e.record(l)
	fit := r.Values
	r.Values = fit.With("huge", huge)
	_, err := e.create(r)
	e.wantError(err, driver.ErrTooLarge, "Create of a record that is too large")
	e.wantMissing(r.ID)
	r.Values = fit.With("some", fmt.Appendf(nil, "%q", strings.Repeat("x", e.h.TooLarge/100)))
	r = e.mustCreate(r)
	u := next(r)
	u.Values = r.Values.With("huge", huge)
	_, err = e.update(u)
	e.wantError(err, driver.ErrTooLarge, "Update that makes a record too large")
	e.wantRecord(r)
	e.mustUpdate(next(r))
}

// dug returns a record that was written twice and then buried.
func (e *env) dug(l driver.Layout) (first, last *driver.Record, g driver.Grave) {
	first = e.mustCreate(e.record(l))
	last = e.mustUpdate(next(first))
	g = e.grave(last)
	e.mustBury(last.ID, g, last.Version)
	return first, last, g
}

func testWriteMissing(e *env, l driver.Layout) {
	r := e.missing(l)
	e.wantMissing(r.ID)
}

func testWriteUpdateNeverCreates(e *env, l driver.Layout) {
	r := e.missing(l)
	neighbour := e.mustCreate(e.record(l))
	for _, v := range []driver.Version{neighbour.Version, {Term: 1, Seq: 1}, {Term: 1, Seq: 0}} {
		r.Version = v
		_, err := e.update(r)
		e.wantError(err, driver.ErrNotFound, "Update of a missing record at version "+v.String())
		e.wantMissing(r.ID)
		err = e.bury(r.ID, e.grave(r), v)
		e.wantError(err, driver.ErrNotFound, "Bury of a missing record at version "+v.String())
		e.wantMissing(r.ID)
	}
	e.wantRecord(neighbour)
}

func testWriteCreateTwice(e *env, l driver.Layout) {
	kept := e.mustCreate(e.record(l))
	again := e.record(l)
	again.ID = kept.ID
	_, err := e.create(again)
	e.wantError(err, driver.ErrExists, "Create of a record that is there")
	again.Version = kept.Version // ignored: a create is a create
	_, err = e.create(again)
	e.wantError(err, driver.ErrExists, "Create of a record that is there, at its version")
	e.wantRecord(kept)
}

func testWriteCompareAndSet(e *env, l driver.Layout) {
	first := e.mustCreate(e.record(l))
	second := e.mustUpdate(next(first))
	e.wantRecord(second)

	late := next(first)
	late.Values = late.Values.With("late", json.RawMessage(`true`))
	_, err := e.update(late)
	e.wantError(err, driver.ErrConflict, "Update at an old version")
	e.wantRecord(second)
	err = e.bury(late.ID, e.grave(late), first.Version)
	e.wantError(err, driver.ErrConflict, "Bury at an old version")
	e.wantRecord(second)

	// Nor is a version of another record, or one that never was.
	for _, v := range []driver.Version{
		e.mustCreate(e.record(l)).Version,
		{Term: second.Version.Term, Seq: second.Version.Seq + 1000},
		{Term: second.Version.Term + 1, Seq: second.Version.Seq},
	} {
		if v == second.Version {
			continue // versions need be unique for an id only
		}
		late.Version = v
		_, err := e.update(late)
		e.wantError(err, driver.ErrConflict, "Update at a foreign version")
		err = e.bury(late.ID, e.grave(late), v)
		e.wantError(err, driver.ErrConflict, "Bury at a foreign version")
		e.wantRecord(second)
	}
	e.wantRecord(e.mustUpdate(next(second)))
}

func testWriteUpdateWithoutVersion(e *env, l driver.Layout) {
	// The zero version is none: an update with it is at no record's
	// version. To refuse it altogether is fine as well.
	kept := e.mustCreate(e.record(l))
	u := next(kept)
	u.Version = driver.Version{}
	if _, err := e.update(u); !errors.Is(err, driver.ErrConflict) && !errors.Is(err, driver.ErrInvalid) {
		e.Fatalf("Update with the zero version: error %v, want ErrConflict (or ErrInvalid)", err)
	}
	e.wantRecord(kept)
	r := e.record(l)
	if _, err := e.update(r); !errors.Is(err, driver.ErrNotFound) && !errors.Is(err, driver.ErrInvalid) {
		e.Fatalf("Update of a missing record with the zero version: error %v, want ErrNotFound (or ErrInvalid)", err)
	}
	e.wantMissing(r.ID)
}

func testWriteBuryAtVersion(e *env, l driver.Layout) {
	kept := e.mustUpdate(next(e.mustCreate(e.record(l))))
	g := e.grave(kept)
	e.mustBury(kept.ID, g, kept.Version)
	e.wantGrave(kept.ID, g)
}

func testWriteBuryUnconditionally(e *env, l driver.Layout) {
	kept := e.mustUpdate(next(e.mustCreate(e.record(l))))
	g := e.grave(kept)
	e.mustBury(kept.ID, g, driver.Version{})
	e.wantGrave(kept.ID, g)
}

func testWriteBuryTheMissing(e *env, l driver.Layout) {
	r := e.missing(l)
	g := e.grave(r)
	e.mustBury(r.ID, g, driver.Version{})
	v := e.wantGrave(r.ID, g)
	_, err := e.create(r)
	e.wantError(err, driver.ErrExists, "Create on the grave of what was never there")
	if got := e.wantGrave(r.ID, g); got != v {
		e.Fatalf("a refused Create moved the grave's version from %s to %s", v, got)
	}
}

func testWriteCreateOnGrave(e *env, l driver.Layout) {
	first, last, g := e.dug(l)
	v := e.wantGrave(last.ID, g)
	for _, r := range []*driver.Record{first, last, e.record(l)} {
		r = clone(r)
		r.ID = last.ID
		_, err := e.create(r)
		e.wantError(err, driver.ErrExists, "Create on a grave")
	}
	if got := e.wantGrave(last.ID, g); got != v {
		e.Fatalf("a refused Create moved the grave's version from %s to %s", v, got)
	}
}

func testWriteUpdateOnGrave(e *env, l driver.Layout) {
	first, last, g := e.dug(l)
	graveVersion := e.wantGrave(last.ID, g)
	for _, v := range []driver.Version{first.Version, last.Version, graveVersion} {
		u := next(last)
		u.Version = v
		_, err := e.update(u)
		e.wantError(err, driver.ErrGone, fmt.Sprintf("Update of a grave at version %s (record %s, %s; grave %s)",
			v, first.Version, last.Version, graveVersion))
		e.wantGrave(last.ID, g)
	}
}

func testWriteBuryAtVersionOnGrave(e *env, l driver.Layout) {
	first, last, g := e.dug(l)
	graveVersion := e.wantGrave(last.ID, g)
	refused := func(other driver.Grave, v driver.Version) {
		err := e.bury(last.ID, other, v)
		e.wantError(err, driver.ErrGone, fmt.Sprintf("Bury of a grave at version %s (record %s, %s; grave %s)",
			v, first.Version, last.Version, graveVersion))
	}
	other := e.grave(last)
	other.Reason = driver.EndExpired
	for _, v := range []driver.Version{first.Version, last.Version} {
		refused(other, v)
		e.wantGrave(last.ID, g)
	}
	e.mustBury(last.ID, other, graveVersion) // at its own
	if v := e.wantGrave(last.ID, other); v == graveVersion {
		e.Fatalf("the new grave has the version of the old one, %s", v)
	}
	refused(g, graveVersion)
	e.wantGrave(last.ID, other)
}

func testWriteBuryAgainUnconditionally(e *env, l driver.Layout) {
	_, last, g := e.dug(l)
	v := e.wantGrave(last.ID, g)
	other := e.grave(last)
	other.Reason = driver.EndRevoked
	other.Until = g.Until.AddDate(0, 1, 0)
	e.mustBury(last.ID, other, driver.Version{})
	if got := e.wantGrave(last.ID, other); got == v {
		e.Fatalf("the new grave has the version of the old one, %s", v)
	}
	_, err := e.create(last)
	e.wantError(err, driver.ErrExists, "Create on a grave dug twice")
}

func testWriteIDsAreToldApart(e *env) {
	// Ids that differ in one bit, so also in the case of their text.
	base := e.record(driver.LayoutImport)
	var ids []driver.ID
	for bit := range 8 * len(base.ID) {
		id := base.ID
		id[bit/8] ^= 1 << (bit % 8)
		if bit/8 != 6 { // the layout
			ids = append(ids, id)
		}
	}
	kept := e.mustCreate(base)
	for _, id := range ids {
		e.wantMissing(id)
	}
	e.wantRecord(kept)
	var all []*driver.Record
	for _, id := range ids {
		r := e.record(driver.LayoutImport)
		r.ID = id
		r.Values = r.Values.With("self", quote(id.String()))
		all = append(all, r)
	}
	for _, r := range e.createAll(all) {
		e.wantRecord(r)
	}
	e.wantRecord(kept)
}

func testWriteDerivedIDs(e *env) {
	r := e.record(driver.LayoutLedger)
	r.Principal = "alice"
	r.ID = driver.LedgerID(e.app, r.Principal)
	e.mustCreate(e.record(driver.LayoutLedger))
	e.wantMissing(r.ID)
	kept := e.mustCreate(r)
	e.wantRecord(kept)
	e.wantMissing(driver.LedgerID(e.app, "Alice"))
	e.wantRecord(e.mustUpdate(next(kept)))
}
