package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is driver.Fencer, the optional interface by which a store is closed to writes
// while it moves.

// testFence checks Fence, Unfence and Fenced. Each test opens a store of its own.
func testFence(e *env) {
	e.openStore()
	if _, ok := e.store.(driver.Fencer); !ok {
		e.Skip("the store is no Fencer")
	}
	e.run("refuses_all_writes", testFenceRefuses)
	e.run("holds_for_others", testFenceOthers)
	e.run("can_be_ended", testFenceEnds)
	e.run("nothing_changes_behind_it", testFenceUnderWrites)
}

func (e *env) fence(since time.Time) {
	e.Helper()
	ctx, cancel := e.context()
	defer cancel()
	if err := e.store.(driver.Fencer).Fence(ctx, since); err != nil {
		e.Fatalf("Fence: %v", err)
	}
}

func (e *env) unfence() {
	e.Helper()
	ctx, cancel := e.context()
	defer cancel()
	if err := e.store.(driver.Fencer).Unfence(ctx); err != nil {
		e.Fatalf("Unfence: %v", err)
	}
}

// since is the time of a test's fence. It isn't whole in anything.
func (e *env) since() time.Time { return e.now.Add(123456 * time.Microsecond) }

// wantFenced checks since when the store says that it is fenced, to the microsecond.
func (e *env) wantFenced(want time.Time) {
	e.Helper()
	ctx, cancel := e.context()
	defer cancel()
	since, err := e.store.(driver.Fencer).Fenced(ctx)
	if err != nil || !since.Truncate(time.Microsecond).Equal(want.Truncate(time.Microsecond)) {
		e.Fatalf("Fenced: since %v, %v, want %v", since, err, want)
	}
}

// wantRefused checks that no write of any kind succeeds, and that each fails as an
// outage.
func (e *env) wantRefused(record, grave, missing *driver.Record) {
	e.Helper()
	for what, call := range map[string]func() error{
		"Create":                     func() error { _, err := e.create(missing); return err },
		"Create in another period":   func() error { _, err := e.create(e.recordAt(driver.LayoutHour, e.now.Add(5*time.Hour))); return err },
		"Create of a ledger":         func() error { _, err := e.create(e.record(driver.LayoutLedger)); return err },
		"Create of an import":        func() error { _, err := e.create(e.record(driver.LayoutImport)); return err },
		"Update":                     func() error { _, err := e.update(next(record)); return err },
		"Bury":                       func() error { return e.bury(record.ID, e.grave(record), record.Version) },
		"Bury without a version":     func() error { return e.bury(record.ID, e.grave(record), driver.Version{}) },
		"Bury of a grave":            func() error { return e.bury(grave.ID, e.grave(grave), grave.Version) },
		"Bury of what is missing":    func() error { return e.bury(missing.ID, e.grave(missing), driver.Version{}) },
		"Bury of an import, missing": func() error { r := e.record(driver.LayoutImport); return e.bury(r.ID, e.grave(r), driver.Version{}) },
		"Bury of a hour long past": func() error {
			r := e.recordAt(driver.LayoutHour, e.now.Add(-9*time.Hour))
			return e.bury(r.ID, e.grave(r), driver.Version{})
		},
	} {
		if fault := isError(call(), driver.ErrUnavailable); fault != nil {
			e.Errorf("%s at a fenced store: %v", what, fault)
		}
	}
	// What couldn't have succeeded anyway may say so.
	old := next(record)
	old.Version = driver.Version{Term: record.Version.Term, Seq: record.Version.Seq + 1<<20}
	if _, err := e.update(old); !errors.Is(err, driver.ErrUnavailable) && !errors.Is(err, driver.ErrConflict) {
		e.Errorf("Update at another version, at a fenced store: %v", err)
	}
}

// fenced makes a record, a grave, something missing and a record that a sweep would end,
// and fences the store.
func (e *env) fenced() (record, grave, missing, over *driver.Record) {
	e.Helper()
	record, grave, missing = e.three()
	over = e.recordAt(driver.LayoutImport, e.now.Add(-3*time.Hour))
	over.Expires = e.now.Add(-time.Hour)
	over = e.mustCreate(over)
	ctx, cancel := e.context()
	defer cancel()
	r, err := e.store.Get(ctx, grave.ID)
	if !driver.IsGone(r, err) {
		e.Fatalf("Get of a grave: %v", err)
	}
	grave.Version = r.Version
	e.fence(e.since())
	return record, grave, missing, over
}

func testFenceRefuses(e *env) {
	e.openStore()
	e.wantFenced(time.Time{})
	record, grave, missing, over := e.fenced()
	e.wantFenced(e.since())
	e.wantRefused(record, grave, missing)
	e.settle()
	if report, err := e.sweep(e.now); report != (driver.SweepReport{}) || err == nil || !errors.Is(err, driver.ErrUnavailable) {
		e.Errorf("Sweep of a fenced store: %+v, %v, want ErrUnavailable", report, err)
	}
	e.wantRecord(record)
	e.wantRecord(over)
	e.wantFound(driver.Query{App: e.app}, []*driver.Record{record, over})
	if _, err := e.get(missing.ID); !driver.IsNotFound(err) {
		e.Errorf("Get of what was missing before: %v", err)
	}
	if r, err := e.get(grave.ID); !driver.IsGone(r, err) || r.Version != grave.Version {
		e.Errorf("Get of a grave: %v", err)
	}
	if _, ok := e.store.(driver.Lister); ok {
		e.wantListed(e.mustList(""), record.ID, grave.ID, over.ID)
	}
	e.unfence() // for what the store keeps its records in
}

func testFenceOthers(e *env) {
	e.openStore()
	first, opened := e.store, *e
	opened.store = e.second(first)
	opened.wantRecord(opened.mustCreate(opened.record(driver.LayoutDay)))
	record, grave, missing, _ := e.fenced()
	opened.wantFenced(e.since())
	opened.wantRefused(record, grave, missing)

	later := *e
	later.store = e.second(first)
	later.wantFenced(e.since())
	later.wantRecord(record)
	later.wantRefused(record, grave, missing)

	later.unfence()
	for _, each := range []*env{e, &opened, &later} {
		each.wantFenced(time.Time{})
		record = each.mustUpdate(next(record))
	}
}

func testFenceEnds(e *env) {
	e.openStore()
	e.unfence() // of nothing
	for round := range 2 {
		record, grave, missing, over := e.fenced()
		e.fence(e.since().Add(time.Hour)) // stays as it is
		e.wantFenced(e.since())
		e.unfence()
		e.unfence()
		e.wantFenced(time.Time{})
		e.wantRecord(e.mustUpdate(next(record)))
		e.mustBury(grave.ID, e.grave(grave), grave.Version)
		e.wantRecord(e.mustCreate(missing))
		e.wantRecord(e.mustCreate(e.recordAt(driver.LayoutHour, e.now.Add(time.Duration(6+round)*time.Hour))))
		e.settle()
		if report, err := e.sweep(e.now); err != nil || report.Buried != 1 {
			e.Errorf("Sweep after a fence: %+v, %v", report, err)
		}
		e.wantExpired(over, e.now)
	}
}

// fencedClient writes one record on and on.
type fencedClient struct {
	id   driver.ID
	last *driver.Record // acknowledged last
	fail error          // of the first write that failed
}

// write writes until it is to end. It tells when it has begun, and when it has met the
// fence.
func (c *fencedClient) write(e *env, ended *atomic.Bool, tell chan<- struct{}) {
	for n := 0; !ended.Load(); n++ {
		r := next(c.last)
		v, err := e.update(r)
		switch {
		case err != nil && c.fail == nil:
			c.fail = err
			tell <- struct{}{}
		case err != nil:
		case c.fail != nil:
			c.fail = fmt.Errorf("a write succeeded behind the fence, after: %w", c.fail)
			return
		default:
			r.Version, c.last = v, r
			if n == 3 {
				tell <- struct{}{}
			}
		}
	}
}

// testFenceUnderWrites fences a store beside writers, and looks twice at what it keeps.
func testFenceUnderWrites(e *env) {
	e.openStore()
	clients := make([]fencedClient, min(e.h.Many, 48))
	var ended atomic.Bool
	var wg sync.WaitGroup
	told := make(chan struct{}, 2*len(clients))
	for i := range clients {
		c := &clients[i]
		c.last = e.mustCreate(e.record(layouts[i%len(layouts)]))
		c.id = c.last.ID
		wg.Go(func() { c.write(e, &ended, told) })
	}
	for range clients { // each has begun
		<-told
	}
	e.fence(e.now)
	first := make([]*driver.Record, len(clients))
	ids := make([]driver.ID, len(clients))
	for i := range clients {
		ids[i] = clients[i].id
		var err error
		if first[i], err = e.get(ids[i]); err != nil {
			e.Errorf("Get: %v", err)
		}
	}
	for range clients { // each has met the fence
		<-told
	}
	ended.Store(true)
	wg.Wait()
	for i, c := range clients {
		if fault := isError(c.fail, driver.ErrUnavailable); fault != nil {
			e.Errorf("a write at a fenced store: %v", fault)
		}
		r, err := e.get(ids[i])
		switch {
		case err != nil || first[i] == nil:
			e.Errorf("Get: %v", err)
		case r.Version != first[i].Version:
			e.Errorf("%v was at write %d when the fence was there, and is at %d", r.ID, first[i].Writes, r.Writes)
		case r.Writes < c.last.Writes:
			e.Errorf("%v is at write %d, and %d was acknowledged", r.ID, r.Writes, c.last.Writes)
		}
	}
	e.unfence()
}
