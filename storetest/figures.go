package storetest

import (
	"errors"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/figures"
)

// This file is driver.Counter, the optional interface by which a store tells what it does
// in this process.

// testFigures checks that figures add up with what was done.
func testFigures(e *env) {
	e.openStore()
	if _, ok := e.store.(driver.Counter); !ok {
		e.Skip("the store is no Counter")
	}
	e.run("counts", testFiguresCounts)
	e.run("many_at_once", testFiguresManyAtOnce)
	e.run("closed", testFiguresClosed)
}

// figures returns the store's figures.
func (e *env) figures() figures.Store { return e.store.(driver.Counter).Figures() }

// did are the operations that a test has carried out.
type did struct{ reads, writes int64 }

// wantFigures checks the figures since an earlier reading.
func (e *env) wantFigures(before figures.Store, d did) {
	e.Helper()
	now := e.figures()
	if now.Since != before.Since || now.Since.IsZero() || now.Since.After(time.Now()) {
		e.Errorf("the figures begin at %v, and then at %v", before.Since, now.Since)
	}
	reads, writes := now.Reads.Sizes.Minus(before.Reads.Sizes), now.Writes.Sizes.Minus(before.Writes.Sizes)
	retries, requests, hits := now.Retries-before.Retries, now.Requests-before.Requests, now.CopyHits-before.CopyHits
	// A store may read once for a write that was refused, and may try again.
	if reads.Sum < d.reads || reads.Sum > d.reads+d.writes+retries {
		e.Errorf("%d reads and %d writes: the figures tell of %d reads and %d retries", d.reads, d.writes, reads.Sum, retries)
	}
	if writes.Sum < d.writes || writes.Sum > d.writes+retries {
		e.Errorf("%d writes: the figures tell of %d and %d retries", d.writes, writes.Sum, retries)
	}
	for _, h := range []figures.Histogram[int64]{reads, writes} {
		if h.Count > h.Sum || h.Count == 0 && h.Sum > 0 || len(h.Buckets) > 0 && h.Buckets[0].From == 0 {
			e.Errorf("%d operations in %d batches, by size %v", h.Sum, h.Count, h.Buckets)
		}
	}
	if batches := reads.Count + writes.Count; requests < batches {
		e.Errorf("%d batches took %d requests", batches, requests)
	}
	if hits < 0 || hits > reads.Sum {
		e.Errorf("%d of %d reads were answered by copies", hits, reads.Sum)
	}
	if now.Reads.Waiting != 0 || now.Writes.Waiting != 0 {
		e.Errorf("%d reads and %d writes wait, and nobody waits for them", now.Reads.Waiting, now.Writes.Waiting)
	}
}

// testFiguresCounts has one caller do a bit of everything, refused writes too.
func testFiguresCounts(e *env) {
	r := e.mustCreate(e.record(driver.LayoutDay)) // the store has made itself ready
	before, d := e.figures(), did{}
	want := func(err, want error, counts *int64) {
		e.Helper()
		if !errors.Is(err, want) {
			e.Fatalf("%v, want %v", err, want)
		}
		*counts++
	}
	for range 5 {
		_, err := e.create(r)
		want(err, driver.ErrExists, &d.writes)
		old := r
		u := next(r)
		u.Version, err = e.update(u)
		want(err, nil, &d.writes)
		r = u
		_, err = e.update(next(old))
		want(err, driver.ErrConflict, &d.writes)
		_, err = e.get(r.ID)
		want(err, nil, &d.reads)
		_, err = e.get(e.record(driver.LayoutDay).ID)
		want(err, driver.ErrNotFound, &d.reads)
	}
	want(e.bury(r.ID, e.grave(r), r.Version), nil, &d.writes)
	_, err := e.get(r.ID)
	want(err, driver.ErrGone, &d.reads)
	e.wantFigures(before, d)
}

// testFiguresManyAtOnce has many callers write and read, so that a store gathers them.
func testFiguresManyAtOnce(e *env) {
	const each = 4
	first := e.mustCreate(e.record(driver.LayoutDay))
	before := e.figures()
	e.together(e.h.Many, func(int) error {
		for range each {
			if _, err := e.get(first.ID); err != nil {
				return faultf("Get: %w", err)
			}
			if _, err := e.create(e.record(driver.LayoutDay)); err != nil {
				return faultf("Create: %w", err)
			}
		}
		return nil
	})
	n := int64(e.h.Many * each)
	e.wantFigures(before, did{n, n})
	now := e.figures()
	e.Logf("%d reads in %d batches, %d writes in %d, %d requests", now.Reads.Sizes.Sum, now.Reads.Sizes.Count,
		now.Writes.Sizes.Sum, now.Writes.Sizes.Count, now.Requests)
}

// testFiguresClosed reads the figures of a store that was closed.
func testFiguresClosed(e *env) {
	e.store = e.h.Open(e.T)
	e.mustCreate(e.record(driver.LayoutDay))
	before := e.figures()
	if c, ok := e.store.(closer); ok {
		if err := c.Close(); err != nil {
			e.Fatalf("Close: %v", err)
		}
	}
	e.wantFigures(before, did{})
}
