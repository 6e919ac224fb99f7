package storetest

import (
	"sync/atomic"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is searches page by page.

// testPaging checks that going on from After finds each record exactly once,
// whatever the page's size and however many records have the same time.
func testPaging(e *env) {
	var records []*driver.Record
	for i := range 40 {
		// Ties: all but ten were created at one of two moments.
		created := e.now.Add(-time.Duration(i%2) * time.Minute)
		if i < 10 {
			created = e.now.Add(-time.Duration(i) * time.Second)
		}
		r := e.recordAt([]driver.Layout{driver.LayoutDay, driver.LayoutImport, driver.LayoutImport}[i%3], created)
		// Two of one moment that the order of texts has the other way round
		// than that of bytes: their texts begin with z and 0.
		switch i {
		case 14:
			r.ID[0] = 51 << 2
		case 20:
			r.ID[0] = 52 << 2
		}
		records = append(records, r)
	}
	kept := e.createAll(records)
	e.settle()
	want := expect(kept, driver.Query{App: e.app})
	for _, limit := range []int{1, 2, 3, 7, 39, 40, 41} {
		q := driver.Query{App: e.app, Limit: limit}
		var found []*driver.Record
		for {
			page := e.mustSearch(q)
			found = append(found, page...)
			if len(page) < limit || len(found) > len(want) {
				break
			}
			q.After = page[len(page)-1].Cursor()
		}
		if d := diffFound(found, want); d != "" {
			e.Errorf("pages of %d: all together %s", limit, d)
		}
	}
	for i, r := range want {
		q := driver.Query{App: e.app, After: r.Cursor()}
		if d := diffFound(e.mustSearch(q), want[i+1:]); d != "" {
			e.Fatalf("after place %d: %s", i, d)
		}
	}
	// A place need not be that of a record which is there.
	between := driver.Cursor{Created: e.now.Add(-30 * time.Second), ID: newID(driver.LayoutDay, e.now)}
	e.wantFound(driver.Query{App: e.app, After: between}, kept)
	e.wantFound(driver.Query{App: e.app, After: driver.Cursor{Created: e.now}}, kept)
	e.wantFound(driver.Query{App: e.app, After: driver.Cursor{Created: e.now.Add(time.Hour)}}, kept)
}

// testManyFound searches for more records than a store would read at a time,
// while others are being written.
func testManyFound(e *env) {
	const n = 1200
	records := make([]*driver.Record, n)
	for i := range records {
		records[i] = e.recordAt(driver.LayoutDay, e.now.Add(-time.Duration(i%7)*time.Second))
	}
	kept := e.createAll(records)
	e.settle()
	e.wantFound(driver.Query{App: e.app}, kept)
	e.wantFound(driver.Query{App: e.app, Limit: n - 1}, kept)

	stays := map[driver.ID]bool{}
	for i, r := range kept {
		if i%3 != 0 {
			stays[r.ID] = true
		}
	}
	var done atomic.Bool
	e.together(2, func(who int) error {
		if who == 0 {
			for i := 0; i < n && !done.Load(); i += 3 {
				var err error
				if i%2 == 0 {
					_, err = e.update(next(kept[i]))
				} else {
					err = e.bury(kept[i].ID, e.grave(kept[i]), kept[i].Version)
				}
				if err != nil {
					return err
				}
			}
			return nil
		}
		defer done.Store(true)
		for range 3 {
			found, err := e.search(driver.Query{App: e.app})
			if err != nil {
				return faultf("Search beside writes: %w", err)
			}
			left := len(stays)
			for _, r := range found {
				if stays[r.ID] {
					left--
				}
			}
			if left != 0 {
				return faultf("a search beside writes of other records left out %d records, or yields some twice", left)
			}
		}
		return nil
	})
}
