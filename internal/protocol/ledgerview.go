package protocol

import (
	"context"
	"errors"
	"slices"
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

// Stored returns what the store has under an id, as Store.Get does.
func (r *Records) Stored(ctx context.Context, id driver.ID) (*driver.Record, error) {
	return r.store.Get(ctx, id)
}

// Look is Live without its changes: it ends nothing, and tells nobody of faults. Those
// that are ending come last. A session that is over is left out.
func (r *Records) Look(ctx context.Context, principal string) ([]Listed, error) {
	ctx, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	l, err := r.ledger(ctx, principal)
	if err != nil {
		return nil, err
	}
	now := r.clock.Now()
	entries := slices.Concat(l.Live, l.Ending)
	found := make([]*driver.Record, len(entries))
	err = eachParallel(len(entries), func(i int) error {
		rec, err := r.store.Get(ctx, entries[i].ID)
		switch {
		case driver.IsNotFound(err), driver.IsGone(rec, err), errors.Is(err, driver.ErrCorrupt):
		case err != nil:
			return readError(entries[i].ID, err)
		case rec.App == r.app && rec.Kind == driver.KindSession && rec.Principal == principal && !r.over(rec, now):
			found[i] = rec
		}
		return nil
	})
	var list []Listed
	for i, rec := range found {
		if rec != nil {
			list = append(list, Listed{rec, i >= len(l.Live)})
		}
	}
	return list, err
}
