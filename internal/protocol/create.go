package protocol

import (
	"context"
	"fmt"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is Create: the first write of a session.

// Create stores the record of a new id, and returns it with its version. The caller must
// not change the record any more. A lost answer is resolved by the write id (invariant
// 13). A record or grave that is there already is left as it is (invariant 2).
//
// Errors: driver.ErrGone, the id is in use, or its session has ended; ErrTooMany.
func (r *Records) Create(ctx context.Context, rec *driver.Record) (*driver.Record, error) {
	ctx, done, err := r.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	if err := r.load.admit(false); err != nil {
		return nil, err
	}
	defer r.load.leave()
	writeID := driver.NewWriteID()
	rec.Writes, rec.WriteIDs = 1, []driver.WriteID{writeID}
	var t trouble
	var open []attempt // one attempt stands for all, as they carry the same write id
	for n := 0; ; n++ {
		saved, err := r.send(ctx, rec)
		err = t.with(err)
		switch {
		case err == nil:
			return saved, nil
		case refused(err) && len(open) == 0:
			return nil, errRefused(rec.ID, err)
		case refused(err):
			return nil, errUnknown(rec.ID, err)
		case !r.certain(err):
			open = []attempt{{id: writeID}}
		case len(open) == 0: // somebody else was there first
			return nil, fmt.Errorf("cloakroom: creating %v: %w", rec.ID, driver.ErrGone)
		}
		l := r.learnOutcome(ctx, &driver.Record{ID: rec.ID}, open, err, n)
		switch {
		case l.verdict == verdictApplied && l.rec != nil:
			return l.rec, nil
		case l.verdict == verdictUnknown && l.state != stateGrave:
			return nil, errUnknown(rec.ID, err)
		case l.state != stateMissing: // ended already, or created by someone else: ids are never reused
			return nil, fmt.Errorf("cloakroom: creating %v: %w", rec.ID, driver.ErrGone)
		}
	}
}
