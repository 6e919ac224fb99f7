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

// SignedOut returns when RevokeAll last signed a principal out without exceptions, as its
// ledger says. The zero time: never, or an earlier version did it, or the ledger is gone.
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

// Part is the sessions of a ledger that are read. The zero Part is all.
type Part struct {
	Most int       // those of the latest sign-ins, and those that are ending; 0: no bound
	Also driver.ID // is among them, if the ledger names it
}

// ids returns the ids of a part: those that are live, in the order of sign-in, and from
// ending on those that are ending. older is the number of the others.
func (l *ledger) ids(p Part) (ids []driver.ID, ending, older int) {
	for _, e := range slices.Concat(l.Live, l.Ending) {
		ids = append(ids, e.ID)
	}
	if p.Most <= 0 || len(ids) <= p.Most {
		return ids, len(l.Live), 0
	}
	older = len(ids) - p.Most
	left, ids := ids[:older], ids[older:]
	ending = max(0, len(l.Live)-older)
	if i := slices.Index(left, p.Also); i >= 0 {
		ids[0] = p.Also
		if i < len(l.Live) {
			ending = max(ending, 1)
		}
	}
	return ids, ending, older
}

// Peek is Live without its changes: it ends nothing, and tells nobody of faults. Those
// that are ending come last. A session that is over is left out. It reads most sessions at
// most, if that isn't 0.
func (r *Records) Peek(ctx context.Context, principal string, most int) (list []Listed, older int, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	l, err := r.ledger(ctx, principal)
	if err != nil {
		return nil, 0, err
	}
	now := r.clock.Now()
	ids, ending, older := l.ids(Part{Most: most})
	found := make([]*driver.Record, len(ids))
	err = eachParallel(len(ids), func(i int) error {
		rec, err := r.store.Get(ctx, ids[i])
		switch {
		case driver.IsNotFound(err), driver.IsGone(rec, err), errors.Is(err, driver.ErrCorrupt):
		case err != nil:
			return readError(ids[i], err)
		case rec.App == r.app && rec.Kind == driver.KindSession && rec.Principal == principal && !r.over(rec, now):
			found[i] = rec
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	for i, rec := range found {
		if rec != nil {
			list = append(list, Listed{rec, i >= ending})
		}
	}
	return list, older, nil
}
