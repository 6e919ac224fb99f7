package protocol

import (
	"context"
	"fmt"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the first write of a session.

// Create stores the record of a new id. A lost answer is resolved by its write id.
//
// Errors: driver.ErrGone, it was ended already; and as New's type says.
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
	for n := 0; ; n++ {
		saved, err := r.send(ctx, rec)
		switch {
		case err == nil:
			return saved, nil
		case refused(err):
			if n > 0 {
				return nil, errUnknown(rec.ID, err)
			}
			return nil, fmt.Errorf("cloakroom: creating %v: %w", rec.ID, err)
		}
		seen, state, verdict, _ := r.learnOutcome(ctx, &driver.Record{ID: rec.ID}, []attempt{{id: writeID}}, err)
		switch {
		case verdict == verdictApplied && seen != nil:
			return seen, nil
		case verdict == verdictUnknown && state != stateGrave:
			return nil, errUnknown(rec.ID, err)
		case state != stateMissing: // ended already, or made by someone else: ids are never reused
			return nil, fmt.Errorf("cloakroom: creating %v: %w", rec.ID, driver.ErrGone)
		}
	}
}
