package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is what a subtest works with: a store, records to put into it, and what it
// wants of them.

// env is what a subtest works with: the family's store, an app of its own, and
// operations that give up when the harness's patience ends.
type env struct {
	*testing.T
	h     *Harness
	store driver.Store
	app   string
	now   time.Time // when the family began, in UTC, to the millisecond
	rand  *rand.Rand
}

// run runs a subtest on the family's store, with an app of its own.
func (e *env) run(name string, f func(e *env)) {
	e.Run(name, func(t *testing.T) {
		sub := *e
		sub.T = t
		sub.app = newApp()
		sub.rand = rand.New(rand.NewPCG(e.rand.Uint64(), e.rand.Uint64()))
		f(&sub)
	})
}

// layouts are all the layouts there are.
var layouts = []driver.Layout{
	driver.LayoutHour, driver.LayoutDay, driver.LayoutWeek, driver.LayoutMonth,
	driver.LayoutLedger, driver.LayoutImport,
}

// unperioded are the layouts whose records every store ends one by one.
var unperioded = []driver.Layout{driver.LayoutImport}

// eachLayout runs a subtest for the ids of each layout.
func (e *env) eachLayout(name string, f func(e *env, l driver.Layout)) {
	e.run(name, func(e *env) {
		for _, l := range layouts {
			e.run(l.String(), func(e *env) { f(e, l) })
		}
	})
}

func (e *env) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), e.h.Patience)
}

func (e *env) get(id driver.ID) (*driver.Record, error) {
	ctx, cancel := e.context()
	defer cancel()
	return e.store.Get(ctx, id)
}

// create hands the store a copy: the store may keep what it is given, and the
// suite goes on with its own.
func (e *env) create(r *driver.Record) (driver.Version, error) {
	ctx, cancel := e.context()
	defer cancel()
	return e.store.Create(ctx, clone(r))
}

func (e *env) update(r *driver.Record) (driver.Version, error) {
	ctx, cancel := e.context()
	defer cancel()
	return e.store.Update(ctx, clone(r))
}

func (e *env) bury(id driver.ID, g driver.Grave, v driver.Version) error {
	ctx, cancel := e.context()
	defer cancel()
	return e.store.Bury(ctx, id, g, v)
}

func (e *env) sweep(now time.Time) (driver.SweepReport, error) {
	ctx, cancel := e.context()
	defer cancel()
	return e.store.Sweep(ctx, now)
}

// search collects what a search yields, and checks what every search must be:
// in order, matching, within its limit, with an error only at its end.
func (e *env) search(q driver.Query) ([]*driver.Record, error) {
	ctx, cancel := e.context()
	defer cancel()
	return collect(e.store.Search(ctx, q), q)
}

func collect(seq iter.Seq2[*driver.Record, error], q driver.Query) ([]*driver.Record, error) {
	var found []*driver.Record
	var failed error
	for r, err := range seq {
		switch {
		case failed != nil:
			return found, faultf("search went on after its error (%v) with %s", failed, name(r))
		case err != nil && r != nil:
			return found, faultf("search yields a record beside the error %v", err)
		case err != nil:
			failed = err
			continue
		case r == nil:
			return found, errors.New("search yields neither a record nor an error")
		case !q.Matches(r):
			return found, faultf("search yields what the query doesn't select: %s", describe(r))
		case r.Version.IsZero():
			return found, faultf("search yields %s without a version", name(r))
		case len(found) > 0 && q.Compare(found[len(found)-1], r) >= 0:
			return found, faultf("search yields %s (%s) behind %s (%s): not the order of Cursor.Compare", name(r),
				stamp(r.Created), name(found[len(found)-1]), stamp(found[len(found)-1].Created))
		}
		found = append(found, r)
		if q.Limit > 0 && len(found) > q.Limit {
			return found, faultf("search yields more than its limit of %d", q.Limit)
		}
	}
	return found, failed
}

// mustCreate creates a record and returns it as it is kept now.
func (e *env) mustCreate(r *driver.Record) *driver.Record {
	e.Helper()
	v, err := e.create(r)
	if err != nil {
		e.Fatalf("Create %s: %v", name(r), err)
	}
	return e.at(r, v)
}

// mustUpdate updates a record and returns it as it is kept now.
func (e *env) mustUpdate(r *driver.Record) *driver.Record {
	e.Helper()
	v, err := e.update(r)
	if err != nil {
		e.Fatalf("Update %s: %v", name(r), err)
	}
	return e.at(r, v)
}

func (e *env) at(r *driver.Record, v driver.Version) *driver.Record {
	e.Helper()
	if v.IsZero() {
		e.Fatalf("the write of %s returned no version", name(r))
	}
	c := clone(r)
	c.Version = v
	return c
}

func (e *env) mustBury(id driver.ID, g driver.Grave, v driver.Version) {
	e.Helper()
	if err := e.bury(id, g, v); err != nil {
		e.Fatalf("Bury %s at version %s: %v", id, v, err)
	}
}

func (e *env) mustSweep(now time.Time) driver.SweepReport {
	e.Helper()
	e.settle()
	report, err := e.sweep(now)
	if err != nil {
		e.Fatalf("Sweep: %v", err)
	}
	return report
}

func (e *env) mustSearch(q driver.Query) []*driver.Record {
	e.Helper()
	found, err := e.search(q)
	if err != nil {
		e.Fatalf("Search: %v", err)
	}
	return found
}

// wantRecord checks that the store keeps exactly this record.
func (e *env) wantRecord(want *driver.Record) {
	e.Helper()
	got, err := e.get(want.ID)
	if err != nil {
		e.Fatalf("Get %s: %v, want a record", want.ID, err)
	}
	if d := diff(got, want); d != "" {
		e.Fatalf("Get %s differs from what was saved:\n%s", want.ID, d)
	}
}

// wantGrave checks that the store keeps a grave of this id, and returns the
// grave's version.
func (e *env) wantGrave(id driver.ID, want driver.Grave) driver.Version {
	e.Helper()
	r, err := e.get(id)
	if err := isGrave(id, r, err); err != nil {
		e.Fatal(err)
	}
	if d := diffGrave(*r.Grave, want); d != "" {
		e.Fatalf("the grave of %s differs from the one dug:\n%s", id, d)
	}
	return r.Version
}

// isGrave checks what Get returned for a grave.
func isGrave(id driver.ID, r *driver.Record, err error) error {
	switch {
	case !errors.Is(err, driver.ErrGone):
		return faultf("Get %s: error %v, want ErrGone", id, err)
	case r == nil:
		return faultf("Get %s: ErrGone without a record", id)
	case r.Grave == nil:
		return faultf("Get %s: ErrGone with a record that has no grave", id)
	case r.Version.IsZero():
		return faultf("Get %s: a grave without a version", id)
	}
	bare := &driver.Record{ID: id, Version: r.Version}
	rest := *r
	rest.Grave = nil
	if d := diff(&rest, bare); d != "" {
		return faultf("Get %s: beside ID, Grave and Version, a grave has:\n%s", id, d)
	}
	return nil
}

// wantMissing checks that the store keeps nothing of this id.
func (e *env) wantMissing(id driver.ID) {
	e.Helper()
	r, err := e.get(id)
	e.wantError(err, driver.ErrNotFound, "Get "+id.String())
	if r != nil {
		e.Fatalf("Get %s: a record beside ErrNotFound", id)
	}
}

// wantError checks that an operation failed in the one way it should.
func (e *env) wantError(err, want error, what string) {
	e.Helper()
	if fault := isError(err, want); fault != nil {
		e.Fatalf("%s: %v", what, fault)
	}
}

// told are the errors that callers tell apart. An error is one of them.
var told = []error{
	driver.ErrNotFound, driver.ErrGone, driver.ErrExists, driver.ErrConflict, driver.ErrCorrupt,
	driver.ErrInvalid, driver.ErrTooLarge, driver.ErrUnavailable, driver.ErrNewer, driver.ErrOverloaded, driver.ErrClosed,
}

// isError returns what is wrong with err if it should be want alone.
func isError(err, want error) error {
	if !errors.Is(err, want) {
		return faultf("error %q, want %q", fmt.Sprint(err), want)
	}
	for _, other := range told {
		if !errors.Is(other, want) && !errors.Is(want, other) && errors.Is(err, other) {
			return faultf("error %q is also %q, want %q alone", err, other, want)
		}
	}
	return nil
}

// together runs n callers at the same time. They report what is wrong by
// returning it. The test ends there if any did.
func (e *env) together(n int, f func(i int) error) {
	e.Helper()
	faults := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			faults[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	e.report(faults)
}

// faultf makes an error that says what is wrong with a store. Unlike the errors
// that users see, it may begin with the name of the method at fault.
func faultf(format string, args ...any) error { return fmt.Errorf(format, args...) }

// report fails the test with the first few faults.
func (e *env) report(faults []error) {
	e.Helper()
	const most = 5
	n := 0
	for i, err := range faults {
		if err == nil {
			continue
		}
		if n++; n <= most {
			e.Errorf("caller %d: %v", i, err)
		}
	}
	if n > most {
		e.Errorf("%d callers more failed", n-most)
	}
	if n > 0 {
		e.FailNow()
	}
}

// createAll creates many records, a few at a time, and returns them as they are
// kept now.
func (e *env) createAll(records []*driver.Record) []*driver.Record {
	e.Helper()
	kept := make([]*driver.Record, len(records))
	const atATime = 32
	e.together(atATime, func(caller int) error {
		for i := caller; i < len(records); i += atATime {
			v, err := e.create(records[i])
			if err != nil {
				return faultf("Create %s: %w", name(records[i]), err)
			}
			kept[i] = clone(records[i])
			kept[i].Version = v
		}
		return nil
	})
	return kept
}
