package protocol

import (
	"context"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is a ledger as operators see it, who compare it with what is there.

// LedgerIDs returns the ids of the sessions that a ledger's record names: those that are
// live as far as it knows, in the order of sign-in, and those that are ending.
//
// Errors: driver.ErrCorrupt, it isn't this principal's ledger, or can't be understood.
func LedgerIDs(rec *driver.Record, app, principal string) (live, ending []driver.ID, err error) {
	l, err := readLedger(rec, app, principal)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range l.Live {
		live = append(live, e.ID)
	}
	for _, e := range l.Ending {
		ending = append(ending, e.ID)
	}
	return live, ending, nil
}

// SignedOut returns when RevokeAll last signed a principal out, as its ledger says. The
// zero time: never, or an earlier version did it, or the ledger is gone.
//
// Errors: driver.ErrCorrupt, the ledger can't be understood; those of reading.
func (r *Records) SignedOut(ctx context.Context, principal string) (time.Time, error) {
	l, err := r.ledger(ctx, principal)
	if err != nil || l.SignedOut == nil || l.SignedOut.Generation != l.Generation {
		return time.Time{}, err
	}
	return time.UnixMilli(l.SignedOut.At).UTC(), nil
}
