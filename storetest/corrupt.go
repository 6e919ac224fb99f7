package storetest

import (
	"errors"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is damaged records, which fail alone.

// testCorrupt checks that a damaged record fails alone.
func testCorrupt(e *env) {
	if e.h.Corrupt == nil {
		e.Skip("Harness.Corrupt is nil: there is nothing to damage")
	}
	e.openStore()
	e.eachLayout("I12_fails_alone", testCorruptFailsAlone)
	e.run("big_search", testCorruptBigSearch)
}

func testCorruptFailsAlone(e *env, l driver.Layout) {
	var kept []*driver.Record
	for i := range 5 {
		r := e.recordAt(l, e.now.Add(-ms*10))
		r.Principal = []string{"alice", "bob"}[i%2]
		kept = append(kept, e.mustCreate(r))
	}
	bad := kept[2]
	others := append(kept[:2:2], kept[3:]...)
	e.h.Corrupt(e.T, e.store, bad.ID)

	_, err := e.get(bad.ID)
	e.wantError(err, driver.ErrCorrupt, "Get of a damaged record")
	e.together(min(e.h.Many, 40), func(i int) error {
		r := kept[i%len(kept)]
		if r != bad {
			return e.isKept(r)
		}
		_, err := e.get(r.ID)
		return isError(err, driver.ErrCorrupt)
	})
	_, err = e.create(e.withID(l, bad.ID))
	e.wantError(err, driver.ErrExists, "Create over a damaged record")

	e.settle()
	e.wantFound(driver.Query{App: e.app, Kind: bad.Kind}, others)
	e.wantFound(driver.Query{App: e.app, Kind: bad.Kind, Principal: "alice"}, others)
	if _, err := e.sweep(e.now); err != nil {
		e.Errorf("Sweep beside a damaged record: %v", err)
	}
	for _, r := range others {
		e.wantRecord(r)
	}
	if _, err := e.get(bad.ID); !errors.Is(err, driver.ErrCorrupt) {
		e.Errorf("Get of a damaged record after a sweep: error %v, want ErrCorrupt", err)
	}

	// It can be ended like any other.
	g := e.grave(bad)
	e.mustBury(bad.ID, g, driver.Version{})
	e.wantGrave(bad.ID, g)
	_, err = e.create(e.withID(l, bad.ID))
	e.wantError(err, driver.ErrExists, "Create on the grave of a damaged record")
}

func testCorruptBigSearch(e *env) {
	// A page that begins, ends or consists of damaged records is no end.
	kept := e.createAll(e.some(24))
	want := expect(kept, driver.Query{App: e.app})
	var rest []*driver.Record
	for i, r := range want {
		if i < 3 || i == 7 || i == len(want)-1 {
			e.h.Corrupt(e.T, e.store, r.ID)
		} else {
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
}

func (e *env) withID(l driver.Layout, id driver.ID) *driver.Record {
	r := e.record(l)
	r.ID = id
	return r
}
