package storetest

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is driver.Lister, the optional interface by which a store is copied into
// another. Searches needn't be settled for it.

// testList checks List.
func testList(e *env) {
	e.openStore()
	if _, ok := e.store.(driver.Lister); !ok {
		e.Skip("the store is no Lister")
	}
	e.run("nothing", testListNothing)
	e.run("everything", testListEverything)
	e.run("unreadable", testListUnreadable)
	e.run("goes_on_at_each_part", testListGoesOn)
	e.run("goes_on_in_another_store", testListGoesOnElsewhere)
	e.run("what_was_written_since", testListSince)
	e.run("beside_writers", testListBesideWriters)
	e.run("no_next", testListNoNext)
}

// part returns one part of a listing, once it is checked.
func (e *env) part(after string) (driver.Part, error) {
	ctx, cancel := e.context()
	defer cancel()
	p, err := e.store.(driver.Lister).List(ctx, after)
	if err != nil {
		return p, faultf("List at %q: %w", after, err)
	}
	for _, l := range p.Items {
		switch r := l.Record; {
		case (r == nil) == (l.Err == nil):
			return p, faultf("List has %v with the record %v and the error %v, want one of them", l.ID, r, l.Err)
		case l.Err != nil && !errors.Is(l.Err, driver.ErrCorrupt) && !errors.Is(l.Err, driver.ErrNewer):
			return p, faultf("List has %v with the error %w, want ErrCorrupt or ErrNewer", l.ID, l.Err)
		case r != nil && r.ID != l.ID:
			return p, faultf("List has %v with the record %v", l.ID, r.ID)
		}
	}
	return p, nil
}

// listed is what was listed last of each id.
type listed map[driver.ID]driver.Listed

// list lists up to the end, and returns where a next listing goes on. between, if not
// nil, is called behind the first part.
func (e *env) list(after string, between func()) (found listed, next string, err error) {
	found = listed{}
	for range 1 << 20 {
		p, err := e.part(after)
		if err != nil {
			return nil, "", err
		}
		for _, l := range p.Items {
			found[l.ID] = l
		}
		if between != nil {
			between()
			between = nil
		}
		if after = p.Next; p.End {
			return found, after, nil
		}
	}
	return nil, "", faultf("List never ends")
}

// mustList is list from a place to the end.
func (e *env) mustList(after string) listed {
	e.Helper()
	found, _, err := e.list(after, nil)
	if err != nil {
		e.Fatal(err)
	}
	return found
}

// wantListed checks that a listing has records and graves as they are kept.
func (e *env) wantListed(found listed, ids ...driver.ID) {
	e.Helper()
	for _, id := range ids {
		l, ok := found[id]
		want, err := e.get(id)
		switch {
		case !ok:
			e.Errorf("List leaves out %v, which Get answers with %v", id, err)
		case err != nil && !driver.IsGone(want, err):
			newer := errors.Is(err, driver.ErrNewer)
			if l.Err == nil || newer != errors.Is(l.Err, driver.ErrNewer) {
				e.Errorf("List has %v with the error %v, Get with %v", id, l.Err, err)
			}
		case l.Err != nil:
			e.Errorf("List can't read %v: %v", id, l.Err)
		default:
			if d := listedDiff(l.Record, want); d != "" {
				e.Errorf("List has %v otherwise than Get:\n%s", id, d)
			}
		}
	}
}

func listedDiff(got, want *driver.Record) string {
	if (got.Grave == nil) != (want.Grave == nil) {
		return fmt.Sprintf("a grave: %v, want %v", got.Grave != nil, want.Grave != nil)
	}
	if want.Grave == nil {
		return diff(got, want)
	}
	if got.Version != want.Version {
		return fmt.Sprintf("version %v, want %v", got.Version, want.Version)
	}
	return diffGrave(*got.Grave, *want.Grave)
}

func testListNothing(e *env) {
	e.openStore()
	if found := e.mustList(""); len(found) != 0 {
		e.Errorf("List has %d items where nothing is", len(found))
	}
}

// many makes records of all layouts and kinds, and graves, in two apps.
func (e *env) many() (ids []driver.ID) {
	e.Helper()
	for i, l := range append(layouts, layouts...) {
		app := *e
		if i%3 == 0 {
			app.app = newApp()
		}
		kept := app.mustCreate(app.record(l))
		gone := app.mustUpdate(next(app.mustCreate(app.record(l))))
		app.mustBury(gone.ID, app.grave(gone), gone.Version)
		missing := app.record(l)
		app.mustBury(missing.ID, app.grave(missing), driver.Version{})
		ids = append(ids, kept.ID, gone.ID, missing.ID)
	}
	return ids
}

func testListEverything(e *env) {
	ids := e.many()
	for range 2 { // the second changes nothing
		e.wantListed(e.mustList(""), ids...)
	}
}

func testListUnreadable(e *env) {
	r := e.mustCreate(e.record(driver.LayoutDay))
	n := e.mustCreate(newer(e.record(driver.LayoutDay)))
	g := e.grave(n)
	gone := e.mustCreate(e.record(driver.LayoutDay))
	g.Extra = n.Extra // a grave is a grave in every format
	e.mustBury(gone.ID, g, gone.Version)
	ids := []driver.ID{r.ID, n.ID, gone.ID}
	if e.h.Corrupt != nil {
		bad := e.mustCreate(e.record(driver.LayoutDay))
		e.h.Corrupt(e.T, e.store, bad.ID)
		ids = append(ids, bad.ID)
	}
	found := e.mustList("")
	e.wantListed(found, ids...)
	if l := found[n.ID]; !errors.Is(l.Err, driver.ErrNewer) {
		e.Errorf("List has a record of a newer format with the error %v, want ErrNewer", l.Err)
	}
}

// fill makes more records than fit into a part or two.
func (e *env) fill() (ids []driver.ID) {
	e.Helper()
	for _, r := range e.createAll(e.some(1100)) {
		ids = append(ids, r.ID)
	}
	return append(ids, e.many()...)
}

func testListGoesOn(e *env) {
	e.openStore()
	ids := e.fill()
	seen := listed{} // in the parts before
	after := ""
	for part := 0; ; part++ {
		p, err := e.part(after)
		if err != nil {
			e.Fatal(err)
		}
		for _, l := range p.Items {
			seen[l.ID] = l
		}
		if after = p.Next; p.End {
			break
		}
		if part%7 > 1 {
			continue // some will do
		}
		rest := e.mustList(after)
		for _, id := range ids {
			_, before := seen[id]
			if _, behind := rest[id]; !before && !behind {
				e.Fatalf("part %d and those before lack %v, and so do those behind it", part, id)
			}
		}
	}
	e.wantListed(seen, ids...)
}

func testListGoesOnElsewhere(e *env) {
	e.openStore()
	other := e.second(e.store)
	ids := e.fill()
	first, err := e.part("")
	if err != nil {
		e.Fatal(err)
	}
	e.store = other
	found := e.mustList(first.Next)
	for _, l := range first.Items {
		found[l.ID] = l
	}
	e.wantListed(found, ids...)
}

func testListSince(e *env) {
	e.openStore()
	kept := e.createAll(e.some(150))
	after := ""
	for round := range 2 {
		// Written while it is listed, and behind the end.
		var ids []driver.ID
		change := func() {
			for i := range 6 {
				at := (round*12 + len(ids)) % len(kept)
				kept[at] = e.mustUpdate(next(kept[at]))
				made := e.mustCreate(e.record(layouts[i]))
				gone := e.mustCreate(e.record(layouts[i]))
				e.mustBury(gone.ID, e.grave(gone), gone.Version)
				ids = append(ids, kept[at].ID, made.ID, gone.ID)
			}
		}
		found, next, err := e.list(after, change)
		if err != nil {
			e.Fatal(err)
		}
		change()
		maps.Copy(found, e.mustList(next))
		e.wantListed(found, ids...)
		after = next
	}
}

func testListBesideWriters(e *env) {
	// What is there all the time is listed, however often it is written meanwhile.
	e.openStore()
	kept := e.createAll(e.some(700))
	ids := make([]driver.ID, len(kept))
	for i, r := range kept {
		ids[i] = r.ID
	}
	var ended atomic.Bool
	var writes atomic.Int64
	const writers = 8
	e.together(writers+1, func(i int) error {
		if i == writers {
			defer ended.Store(true)
			return e.listBeside(ids, &writes)
		}
		for at := i; !ended.Load(); {
			r := next(kept[at])
			v, err := e.update(r)
			if err != nil {
				ended.Store(true)
				return faultf("Update: %w", err)
			}
			writes.Add(1)
			r.Version = v
			kept[at] = r
			if at += writers; at >= len(kept) {
				at = i
			}
		}
		return nil
	})
	e.wantListed(e.mustList(""), ids...)
}

// listBeside lists while others write, and between the first parts has them write.
func (e *env) listBeside(ids []driver.ID, writes *atomic.Int64) error {
	for range 2 {
		found := listed{}
		after, end := "", false
		for parts := 0; !end; parts++ {
			p, err := e.part(after)
			if err != nil {
				return err
			}
			for _, l := range p.Items {
				found[l.ID] = l
			}
			after, end = p.Next, p.End
			for begun, had := time.Now(), writes.Load(); parts < 10 && !end && writes.Load() < had+50; runtime.Gosched() {
				if time.Since(begun) > e.h.Patience {
					return errors.New("nothing is written beside the listing")
				}
			}
		}
		for _, id := range ids {
			if _, ok := found[id]; !ok {
				return faultf("List leaves out %v, which is there all the time", id)
			}
		}
	}
	return nil
}

func testListNoNext(e *env) {
	for _, after := range []string{"-1", "x", " ", "0", "{}x", "9999999999999999999999", "\x00"} {
		ctx, cancel := e.context()
		_, err := e.store.(driver.Lister).List(ctx, after)
		cancel()
		e.wantError(err, driver.ErrInvalid, fmt.Sprintf("List at %q, which is no Next", after))
	}
}
