package protocol

import (
	"context"
	"errors"
	"slices"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the resolving of lost answers and conflicts: it re-reads the record, has
// resolve.go judge the attempts, and confirms the state by a write.

// learned is the result of learnOutcome: the record, and the verdict on the attempts.
type learned struct {
	rec     *driver.Record // as it is now; nil unless it is live
	state   recordState
	verdict verdict

	// attempts are those that may still happen. With verdictApplied it is the one that
	// happened.
	attempts []attempt
}

// learnOutcome re-reads a record after a write that met a conflict, or wasn't answered,
// until it knows what became of the attempts. It asks again, backing off, while the store
// doesn't answer: longer, the more writes weren't answered before. After a conflict it also asks again, a few times, while it reads the
// same state that the write was made on.
//
// A read doesn't prove that an attempt was applied, nor that a grave is there. It may
// show a phantom: a write that an isolated node alone has, and is about to lose. So the
// state that was read is written once more, at its version. If that is acknowledged, so
// is the state that it was written over.
//
// cause is the error of the last write, and unanswered the number of writes of this operation
// before it that weren't answered: a store may answer reads and refuse writes for a while.
func (r *Records) learnOutcome(ctx context.Context, cur *driver.Record, open []attempt, cause error, unanswered int) learned {
	unread := learned{state: stateUnread, verdict: verdictUnknown}
	conflict := answered(cause)
	if conflict {
		unanswered = 0
	}
	for n := 0; ; n++ {
		if n > 0 || !conflict {
			if !backOff(ctx, n+unanswered) {
				return unread
			}
		}
		rec, err := r.store.Get(ctx, cur.ID)
		seen, ok := see(rec, err)
		if !ok {
			if errors.Is(err, driver.ErrNewer) || errors.Is(err, driver.ErrCorrupt) { // it won't be readable soon
				return unread
			}
			continue
		}
		v, pending := judge(open, seen)
		switch {
		case v == verdictNotApplied && conflict && n < 4 && !advanced(cur, rec, seen):
			continue
		case v == verdictApplied, seen.state == stateGrave:
			if rec, err = r.confirm(ctx, rec); err != nil {
				continue
			}
		}
		if seen.state != stateLive {
			rec = nil
		}
		switch {
		case v == verdictApplied:
			pending = happened(open, seen)
		case seen.state == stateGrave:
			pending = nil // an attempt that is still on its way meets the grave
		}
		return learned{rec, seen.state, v, pending}
	}
}

// happened returns the attempt whose write id was seen, as the only one.
func happened(open []attempt, seen sighting) []attempt {
	i := slices.IndexFunc(open, func(a attempt) bool { return slices.Contains(seen.ids, a.id) })
	return open[i : i+1]
}

// confirm writes back a state that was read, unchanged, at its version. If that is
// acknowledged, the state is no phantom.
func (r *Records) confirm(ctx context.Context, rec *driver.Record) (*driver.Record, error) {
	switch {
	case rec.Grave != nil:
		return rec, r.store.Bury(ctx, rec.ID, *rec.Grave, rec.Version)
	case rec.Version.IsZero(): // nothing was read, and a create may still come
		return nil, errNotThere
	}
	next := *rec
	next.Writes++
	next.WriteIDs = driver.PushWriteID(rec.WriteIDs, driver.NewWriteID())
	return r.send(ctx, &next)
}

// errNotThere says that there is no record to confirm.
var errNotThere = errors.New("nothing is there")

// advanced reports whether the state that was read differs from cur.
func advanced(cur, rec *driver.Record, seen sighting) bool {
	switch seen.state {
	case stateLive:
		return rec.Version != cur.Version
	case stateMissing:
		return !cur.Version.IsZero()
	}
	return true
}
