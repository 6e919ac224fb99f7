package storetest

import (
	"fmt"
	"sync"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is what a store vouches for beyond the contract.

// testAssurances checks what a store vouches for beyond the contract, as far as that
// shows without faults. What it doesn't vouch for is left out.
func testAssurances(e *env) {
	e.openStore()
	vouched := driver.AssurancesOf(e.store)
	if !vouched.Reads && !vouched.Answers {
		return
	}
	stores := []*env{e}
	if e.h.Second != nil {
		there := *e
		there.store = e.second(e.store)
		stores = append(stores, &there)
	}
	e.run("answers_and_reads", func(e *env) { testAnswersAndReads(e, vouched, stores) })
}

// testAnswersAndReads has callers of all stores write one record, and looks whether a
// read shows a write that was refused.
func testAnswersAndReads(e *env, vouched driver.Assurances, stores []*env) {
	const callers, each = 12, 12
	var seen sightings
	first := e.mustCreate(e.record(driver.LayoutDay))
	e.together(callers, func(i int) error {
		at := *stores[i%len(stores)]
		at.T = e.T
		var last uint64
		for range each {
			r, err := at.get(first.ID)
			if err != nil {
				return faultf("Get: %w", err)
			}
			seen.read(r.WriteIDs)
			if r.Writes < last {
				return faultf("Get returned write %d after write %d", r.Writes, last)
			}
			last = r.Writes
			u := next(r)
			_, err = at.update(u)
			if err := seen.wrote(u.WriteIDs[0], err); err != nil {
				return err
			}
		}
		return nil
	})
	for _, l := range layouts {
		r := e.missing(l)
		e.together(callers, func(i int) error {
			at := *stores[i%len(stores)]
			at.T = e.T
			mine := clone(r)
			mine.WriteIDs = []driver.WriteID{newWriteID()}
			_, err := at.create(mine)
			return seen.wrote(mine.WriteIDs[0], err)
		})
		made, err := e.get(r.ID)
		if err != nil {
			e.Fatalf("Get: %v", err)
		}
		seen.read(made.WriteIDs)
		e.together(callers, func(i int) error {
			at := *stores[i%len(stores)]
			at.T = e.T
			g, id := e.grave(made), newWriteID()
			g.WriteIDs = push(made.WriteIDs, id)
			return seen.wrote(id, at.bury(made.ID, g, made.Version))
		})
		if buried, err := e.get(r.ID); !driver.IsGone(buried, err) {
			e.Errorf("Get of what was buried: %v", err)
		} else {
			seen.read(buried.Grave.WriteIDs)
		}
	}
	last, err := e.get(first.ID)
	if err != nil {
		e.Fatalf("Get: %v", err)
	}
	seen.read(last.WriteIDs)
	seen.compare(e, vouched)
}

// compare looks for writes that were refused, and that reads have shown.
func (s *sightings) compare(e *env, vouched driver.Assurances) {
	for id := range s.ids {
		switch answer, told := s.answers[id]; {
		case vouched.Answers && told && answer != nil:
			e.Errorf("a write was answered with %q, and happened", fmt.Sprint(answer))
		case vouched.Reads && told && answer != nil:
			e.Errorf("a read showed a write that was answered with %q", fmt.Sprint(answer))
		}
	}
}

// sightings are what reads have shown, and what writes were answered.
type sightings struct {
	mu      sync.Mutex
	ids     map[driver.WriteID]bool
	answers map[driver.WriteID]error
}

func (s *sightings) read(ids []driver.WriteID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids == nil {
		s.ids = map[driver.WriteID]bool{}
	}
	for _, id := range ids {
		s.ids[id] = true
	}
}

// wrote keeps the answer of a write. It returns those that a healthy store doesn't give.
func (s *sightings) wrote(id driver.WriteID, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answers == nil {
		s.answers = map[driver.WriteID]error{}
	}
	s.answers[id] = err
	for _, known := range []error{driver.ErrConflict, driver.ErrExists, driver.ErrGone} {
		if err == nil || isError(err, known) == nil {
			return nil
		}
	}
	return faultf("a write beside others: %w", err)
}
