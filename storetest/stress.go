package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is many callers at a time, each of which gets its own answers.

// testStress checks that many callers at a time get their own answers each:
// what a store gathers into batches must not be mixed up, and an operation that
// fails must not take others along.
func testStress(e *env) {
	e.openStore()

	e.run("I13_each_gets_its_own", testStressEachGetsItsOwn)
	e.run("many_read_the_same", testStressManyReadTheSame)
	e.run("big_and_small", testStressBigAndSmall)
}

func testStressEachGetsItsOwn(e *env) {
	seeds := make([]uint64, e.h.Many)
	for i := range seeds {
		seeds[i] = e.rand.Uint64()
	}
	e.together(e.h.Many, func(i int) error {
		c := caller{e: e, rand: rand.New(rand.NewPCG(seeds[i], 0)), layout: layouts[i%len(layouts)]}
		for step := range 25 {
			if err := c.step(); err != nil {
				return faultf("step %d: %w", step, err)
			}
		}
		return c.check()
	})
}

func testStressManyReadTheSame(e *env) {
	var kept []*driver.Record
	for i := range 4 {
		r := e.record(driver.LayoutDay)
		r.Values = r.Values.With("which", json.RawMessage(fmt.Sprint(i)))
		kept = append(kept, e.mustCreate(r))
	}
	gone := e.mustCreate(e.record(driver.LayoutDay))
	g := e.grave(gone)
	e.mustBury(gone.ID, g, gone.Version)
	missing := e.missing(driver.LayoutDay)
	e.together(e.h.Many, func(i int) error {
		for n := range 10 {
			switch which := (i + n) % 6; which {
			case 4:
				r, err := e.get(gone.ID)
				if err := isGrave(gone.ID, r, err); err != nil {
					return err
				}
			case 5:
				if _, err := e.get(missing.ID); isError(err, driver.ErrNotFound) != nil {
					return isError(err, driver.ErrNotFound)
				}
			default:
				r, err := e.get(kept[which].ID)
				if err != nil {
					return err
				}
				if d := diff(r, kept[which]); d != "" {
					return faultf("Get returned another record than was asked for:\n%s", d)
				}
			}
		}
		return nil
	})
}

func testStressBigAndSmall(e *env) {
	// Sizes that no limit of bytes per batch can foresee.
	e.together(min(e.h.Many, 48), func(i int) error {
		r := e.record(driver.LayoutDay)
		if i%4 == 0 {
			r.Values = r.Values.With("big", quote(string(make([]byte, 1<<14)))) // grows sixfold as JSON
		}
		v, err := e.create(r)
		if err != nil {
			return faultf("Create: %w", err)
		}
		r.Version = v
		got, err := e.get(r.ID)
		if err != nil {
			return faultf("Get: %w", err)
		}
		if d := diff(got, r); d != "" {
			return faultf("Get differs from what was created:\n%s", d)
		}
		return nil
	})
}

// caller works on ids that are its own, so that it knows what has to come back.
type caller struct {
	e      *env
	rand   *rand.Rand
	layout driver.Layout
	live   []*driver.Record
	graves []dug
}

type dug struct {
	last  *driver.Record
	grave driver.Grave
}

// step does one operation, a fourth of them such as must fail.
func (c *caller) step() error {
	e := c.e
	if len(c.live) == 0 {
		return c.create()
	}
	i := c.rand.IntN(len(c.live))
	r := c.live[i]
	switch c.rand.IntN(12) {
	case 0, 1:
		return c.create()
	case 2, 3, 4:
		u := next(r)
		u.Values = u.Values.With("filler", quote(fmt.Sprintf("%0*d", c.rand.IntN(2000), c.rand.Uint64())))
		v, err := e.update(u)
		if err != nil {
			return faultf("Update: %w", err)
		}
		u.Version = v
		c.live[i] = u
	case 5:
		g := e.grave(r)
		v := r.Version
		if c.rand.IntN(2) == 0 {
			v = driver.Version{}
		}
		if err := e.bury(r.ID, g, v); err != nil {
			return faultf("Bury at %s: %w", v, err)
		}
		c.graves = append(c.graves, dug{r, g})
		c.live[i] = c.live[len(c.live)-1]
		c.live = c.live[:len(c.live)-1]
	case 6:
		u := next(r)
		u.Version.Seq += 1 << 30
		_, err := e.update(u)
		return isError(err, driver.ErrConflict)
	case 7:
		_, err := e.create(next(r))
		return isError(err, driver.ErrExists)
	case 8:
		u := e.record(c.layout)
		u.Version = r.Version
		_, err := e.update(u)
		return isError(err, driver.ErrNotFound)
	case 9:
		if len(c.graves) == 0 {
			return nil
		}
		_, err := e.update(next(c.graves[c.rand.IntN(len(c.graves))].last))
		return isError(err, driver.ErrGone)
	default:
		return c.checkRecord(r)
	}
	return nil
}

func (c *caller) create() error {
	r := c.e.record(c.layout)
	v, err := c.e.create(r)
	if err != nil {
		return faultf("Create: %w", err)
	}
	r.Version = v
	c.live = append(c.live, r)
	return nil
}

func (c *caller) checkRecord(want *driver.Record) error {
	got, err := c.e.get(want.ID)
	if err != nil {
		return faultf("Get: %w", err)
	}
	if d := diff(got, want); d != "" {
		return faultf("Get differs from what was saved:\n%s", d)
	}
	return nil
}

// check looks at all that the caller has written.
func (c *caller) check() error {
	var faults []error
	for _, r := range c.live {
		faults = append(faults, c.checkRecord(r))
	}
	for _, d := range c.graves {
		r, err := c.e.get(d.last.ID)
		if err := isGrave(d.last.ID, r, err); err != nil {
			faults = append(faults, err)
		} else if d := diffGrave(*r.Grave, d.grave); d != "" {
			faults = append(faults, faultf("the grave of %s differs from the one dug:\n%s", r.ID, d))
		}
	}
	return errors.Join(faults...)
}
