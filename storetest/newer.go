package storetest

import (
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is records of a newer format, which only a newer version can work with.

// testNewer checks what becomes of records that only a newer version can work
// with.
func testNewer(e *env) {
	e.openStore()

	e.eachLayout("I8_is_an_outage", testNewerIsAnOutage)
	e.eachLayout("I2_can_be_buried", testNewerCanBeBuried)
	e.run("formats", testNewerFormats)
	e.run("is_passed_over", testNewerIsPassedOver)
	e.run("I2_sweep", testNewerSweep)
}

// newer makes a record one of a newer format.
func newer(r *driver.Record) *driver.Record {
	r.Extra = extra(driver.ExtraFormat, `2`, "note", `"of a newer version"`)
	return r
}

// isNewer tells how the record of an id shows itself otherwise than as one of a newer format.
func (e *env) isNewer(id driver.ID) error {
	r, err := e.get(id)
	if r != nil {
		return faultf("Get %s: a record beside the error %v", id, err)
	}
	return isError(err, driver.ErrNewer)
}

func (e *env) wantNewer(id driver.ID) {
	e.Helper()
	if fault := e.isNewer(id); fault != nil {
		e.Fatalf("Get of a record of a newer format: %v", fault)
	}
}

func testNewerIsAnOutage(e *env, l driver.Layout) {
	beside := e.mustCreate(e.record(l))
	kept := e.mustCreate(newer(e.record(l)))
	for range 2 {
		e.wantNewer(kept.ID)
		e.wantRecord(beside)
	}
	_, err := e.create(e.withID(l, kept.ID))
	e.wantError(err, driver.ErrExists, "Create over a record of a newer format")
	e.together(min(e.h.Many, 40), func(i int) error {
		if i%2 == 0 {
			return e.isKept(beside)
		}
		return e.isNewer(kept.ID)
	})

	// At its version it is replaced as any other, and at no other.
	first := kept
	kept = e.mustUpdate(next(kept))
	e.wantNewer(kept.ID)
	_, err = e.update(next(first))
	e.wantError(err, driver.ErrConflict, "Update of a record of a newer format at an old version")
	err = e.bury(first.ID, e.grave(first), first.Version)
	e.wantError(err, driver.ErrConflict, "Bury of a record of a newer format at an old version")
	e.wantNewer(kept.ID)
	u := next(kept)
	u.Extra = extra(driver.ExtraFormat, `1`)
	e.wantRecord(e.mustUpdate(u))
}

func testNewerCanBeBuried(e *env, l driver.Layout) {
	for _, unconditional := range []bool{true, false} {
		kept := e.mustCreate(newer(e.record(l)))
		g, v := e.grave(kept), kept.Version
		if unconditional {
			v = driver.Version{}
		}
		e.mustBury(kept.ID, g, v)
		e.wantGrave(kept.ID, g)
		_, err := e.create(e.withID(l, kept.ID))
		e.wantError(err, driver.ErrExists, "Create on the grave of a record of a newer format")

		// A grave is a grave in every format.
		g.Extra = kept.Extra
		e.mustBury(kept.ID, g, driver.Version{})
		e.wantGrave(kept.ID, g)
	}
}

func testNewerFormats(e *env) {
	for text, want := range map[string]error{
		`1`: nil, `2`: driver.ErrNewer, `3`: driver.ErrNewer, `2147483647`: driver.ErrNewer,
		`0`: driver.ErrCorrupt, `-1`: driver.ErrCorrupt, `1.5`: driver.ErrCorrupt, `"2"`: driver.ErrCorrupt, `null`: driver.ErrCorrupt, `[2]`: driver.ErrCorrupt,
	} {
		r := e.record(driver.LayoutDay)
		r.Extra = extra(driver.ExtraFormat, text)
		kept := e.mustCreate(r)
		if want == nil {
			e.wantRecord(kept)
			continue
		}
		_, err := e.get(kept.ID)
		e.wantError(err, want, "Get of a record of the format "+text)
	}
}

func testNewerIsPassedOver(e *env) {
	// A page that begins, ends or consists of them is no end.
	var records []*driver.Record
	for i, r := range expect(e.some(24), driver.Query{}) {
		if i < 3 || i == 7 {
			newer(r)
		}
		records = append(records, r)
	}
	var rest []*driver.Record
	for _, r := range e.createAll(records) {
		if len(r.Extra) == 0 {
			rest = append(rest, r)
		}
	}
	e.settle()
	for _, limit := range []int{0, 1, 2, 3, 5} {
		q := driver.Query{App: e.app, Limit: limit}
		if d := diffFound(e.mustSearch(q), expect(rest, q)); d != "" {
			e.Errorf("the query %s %s", describeQuery(q), d)
		}
	}
	e.wantFound(driver.Query{App: e.app, Principal: "alice"}, rest)
}

func testNewerSweep(e *env) {
	// Whether it is idle is for a newer process to say; its end isn't.
	e.mustSweep(e.now)
	ending := func(l driver.Layout, expires, deadline time.Time) *driver.Record {
		r := newer(e.recordAt(l, e.now.Add(-2*time.Hour)))
		r.Expires, r.Deadline = expires, deadline
		return e.mustCreate(r)
	}
	idle := ending(driver.LayoutImport, e.now.Add(-ms), e.now.Add(time.Hour))
	long := ending(driver.LayoutImport, e.now.Add(-time.Hour), e.now.Add(-tolerance))
	over := ending(driver.LayoutImport, e.now.Add(-tolerance-ms), e.now.Add(-tolerance-ms))
	ledger := ending(driver.LayoutLedger, e.now.Add(-time.Hour), e.now.Add(time.Hour))
	for _, removed := range []int{1, 0} {
		e.wantReport(e.mustSweep(e.now), 0, removed)
		e.wantNewer(idle.ID)
		e.wantNewer(long.ID)
		e.wantNewer(ledger.ID)
		e.wantMissing(over.ID)
	}
	u := next(idle) // it is as it was, at its version
	u.Extra = nil
	idle = e.mustUpdate(u)
	e.wantRecord(idle)
	e.wantReport(e.mustSweep(e.now), 1, 0)
	e.wantExpired(idle, e.now)
	e.mustSweep(e.now.Add(ms))
	e.wantMissing(long.ID)
}
