package protocol

import (
	"slices"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the judgement of lost answers: what became of the attempts, from the write
// count and the write ids that a re-read shows.

// attempt is a write that was sent and whose outcome isn't known: the write id that it
// carries, and the write count of the record that it was built on. Since it is a
// compare-and-set, it can only happen while the record stands at that count. If it
// happens, the next count is its own.
type attempt struct {
	id       driver.WriteID
	base     uint64
	answered bool // with a conflict, which proves nothing: engines retry by themselves
	ruledOut bool // by a read
}

// sighting is the result of a re-read.
type sighting struct {
	state  recordState
	writes uint64
	ids    []driver.WriteID
}

type recordState uint8

const (
	stateMissing recordState = iota
	stateLive
	stateGrave
	stateUnread // the store didn't answer in time
)

// verdict says what became of attempts.
type verdict uint8

const (
	verdictApplied    verdict = iota // one of them happened
	verdictNotApplied                // none happened up to now
	verdictUnknown                   // nobody can tell
)

// judge decides what became of attempts, none of which was answered with success
// (invariant 13). It is a function of what was sent and seen alone. With
// verdictNotApplied it returns the attempts that may still have happened, or happen.
//
//   - Its write id is among the record's: that attempt happened.
//   - The count moved on by no more than the write ids kept, and its own isn't there: it
//     never happened and never will, since versions don't repeat.
//   - The count didn't move: it hasn't happened, but still may.
//   - Otherwise its write id may have been pushed out: nobody can tell.
//
// A read may come from an isolated node and show a phantom: a write that will be rolled
// back. So "applied" is confirmed by a write (see Records.learnOutcome). An attempt that
// is ruled out here stays pending until a later write is acknowledged. One that was
// answered, and ruled out before, may fall too far behind for that. Then it is given up:
// otherwise a busy session could tell nobody anything.
//
// A grave keeps the count and the write ids and is judged alike, except that nothing can
// happen any more. A record that was there and is missing now leaves no trace.
func judge(open []attempt, seen sighting) (v verdict, pending []attempt) {
	for _, a := range open {
		if slices.Contains(seen.ids, a.id) {
			return verdictApplied, nil
		}
	}
	for _, a := range open {
		switch {
		case seen.state == stateMissing:
			if a.base > 0 {
				return verdictUnknown, nil
			}
			pending = append(pending, a) // a create may still come
		case seen.writes < a.base:
			return verdictUnknown, nil
		case seen.writes-a.base > driver.MaxWriteIDs:
			if !a.answered || !a.ruledOut {
				return verdictUnknown, nil
			}
		case seen.writes == a.base:
			if seen.state == stateGrave {
				return verdictUnknown, nil // a burial of this state would have raised the count: this one hadn't read it
			}
			pending = append(pending, a)
		default:
			a.ruledOut = true
			pending = append(pending, a)
		}
	}
	return verdictNotApplied, pending
}

// see turns the answer of Store.Get into a sighting. ok is false for errors that say
// nothing about the record.
func see(rec *driver.Record, err error) (s sighting, ok bool) {
	switch {
	case err == nil:
		return sighting{stateLive, rec.Writes, rec.WriteIDs}, true
	case driver.IsGone(rec, err):
		return sighting{stateGrave, rec.Grave.Writes, rec.Grave.WriteIDs}, true
	case driver.IsNotFound(err):
		return sighting{state: stateMissing}, true
	}
	return sighting{}, false
}
