package protocol

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the use of ledgers: entering, leaving, and signing a principal out
// everywhere (invariant 10).

// ErrRevoked says that the principal was signed out everywhere while this sign-in
// was under way.
var ErrRevoked = errors.New("signed out everywhere during sign-in")

// AttemptLife is how long a sign-in may take from the reading of the ledger's
// generation on.
const AttemptLife = 30 * time.Minute

// Generation returns the generation of a principal's ledger, which a sign-in has
// to find unchanged (invariant 10). A missing ledger is of the zero generation.
func (r *Records) Generation(ctx context.Context, principal string) (driver.WriteID, error) {
	l, err := r.ledger(ctx, principal)
	return l.Generation, err
}

// ledger returns a principal's ledger; a missing one is empty.
func (r *Records) ledger(ctx context.Context, principal string) (ledger, error) {
	id := driver.LedgerID(r.app, principal)
	rec, err := r.store.Get(ctx, id)
	if driver.IsNotFound(err) {
		return ledger{}, nil
	}
	if err != nil {
		return ledger{}, readError(id, err)
	}
	return readLedger(rec, r.app, principal)
}

// changeLedger writes a principal's ledger by compare-and-set and returns it as
// it was written, perhaps with others' changes. f may run more than once; its
// error refuses the change. keep is the least time that the ledger has to stay.
func (r *Records) changeLedger(principal string, f func(*ledger, time.Time) (keep time.Time, err error)) (ledger, error) {
	id := driver.LedgerID(r.app, principal)
	rec, err := r.Change(id, &Change{
		Make: func() *driver.Record {
			return &driver.Record{ID: id, Kind: driver.KindLedger, App: r.app, Principal: principal, Created: r.clock.Now()}
		},
		Apply: func(next *driver.Record, now time.Time, _ bool) error {
			l, err := readLedger(next, r.app, principal)
			if err != nil {
				return err
			}
			// Past their deadline sessions open nowhere, buried or not.
			past := func(e ledgerEntry) bool { return !now.Before(e.deadline().Add(driver.ClockTolerance)) }
			l.Live, l.Ending = slices.DeleteFunc(l.Live, past), slices.DeleteFunc(l.Ending, past)
			keep, err := f(&l, now)
			if err != nil {
				return err
			}
			for _, e := range l.Live {
				keep = later(keep, e.deadline())
			}
			raw, err := json.Marshal(l)
			if err != nil {
				return err
			}
			next.Values = next.Values.With(ledgerValue, raw)
			next.Seen = later(next.Seen, now)
			next.Deadline = later(next.Deadline, keep)
			next.Expires = next.Deadline
			return nil
		},
	})
	if err != nil {
		return ledger{}, err
	}
	if rec == nil {
		return ledger{}, errUnknown(id, nil)
	}
	return readLedger(rec, r.app, principal)
}

// enterLedger adds a new session to its principal's ledger if the generation is
// still the sign-in's. Over the limit, the oldest move to ending in the same write,
// but not those that the sign-in is about to replace. It returns all that are
// ending, for finishEnding.
func (r *Records) enterLedger(rec *driver.Record, generation driver.WriteID, limit int, replaces []driver.ID) ([]ledgerEntry, error) {
	l, err := r.changeLedger(rec.Principal, func(l *ledger, now time.Time) (time.Time, error) {
		if l.Generation != generation {
			return now, errRevoked(rec.Principal)
		}
		over := 0
		if limit > 0 {
			over = len(l.Live) + 1 - limit
			for _, e := range l.Live {
				if slices.Contains(replaces, e.ID) {
					over--
				}
			}
		}
		l.Live = slices.DeleteFunc(l.Live, func(e ledgerEntry) bool {
			if over <= 0 || slices.Contains(replaces, e.ID) {
				return false
			}
			over--
			l.Ending = append(l.Ending, e)
			return true
		})
		l.Live = append(l.Live, ledgerEntry{ID: rec.ID, Deadline: rec.Deadline.UnixMilli()})
		return rec.Deadline, nil
	})
	if err != nil {
		return nil, err
	}
	if l.Generation != generation { // moved between our write and its resolution
		return nil, errRevoked(rec.Principal)
	}
	return l.Ending, nil
}

func errRevoked(principal string) error {
	return fmt.Errorf("cloakroom: %q: %w", principal, ErrRevoked)
}

// leave takes an id out that has been buried.
func (r *Records) leave(principal string, id driver.ID) error {
	_, err := r.changeLedger(principal, func(l *ledger, now time.Time) (time.Time, error) {
		return now, without(&l.Live, func(e ledgerEntry) bool { return e.ID == id })
	})
	if errors.Is(err, errNoEntry) && !errors.Is(err, driver.ErrUnknown) {
		return nil
	}
	return err
}

// leaveLedger takes a buried session out of its principal's ledger. The burial
// is what counts; an id that stays does no harm.
func (r *Records) leaveLedger(ctx context.Context, rec *driver.Record) {
	if rec.Principal == "" {
		return
	}
	if err := r.leave(rec.Principal, rec.ID); err != nil {
		r.o.Logger.WarnContext(ctx, "cloakroom: an ended session stays in its principal's ledger for now", "session", rec.ID, "error", err)
	}
}

// RevokeAll ends all sessions of a principal but those in except. When it
// returns nil they are buried, and a sign-in of an older generation fails
// (invariant 10). It is to be called within Begin.
//
// After an error some may be left. The next sign-in or RevokeAll ends them too.
func (r *Records) RevokeAll(ctx context.Context, principal string, except []driver.ID) error {
	generation := driver.NewWriteID()
	l, err := r.changeLedger(principal, func(l *ledger, now time.Time) (time.Time, error) {
		l.Generation = generation
		spare := func(e ledgerEntry) bool { return slices.Contains(except, e.ID) }
		for _, e := range l.Live {
			if !spare(e) {
				l.Ending = append(l.Ending, e)
			}
		}
		l.Live = slices.DeleteFunc(l.Live, func(e ledgerEntry) bool { return !spare(e) })
		// A sign-in that began earlier must find this generation.
		return now.Add(AttemptLife + r.o.MaxLifetime + driver.ClockTolerance), nil
	})
	if err != nil {
		return err
	}
	return r.finishEnding(ctx, principal, l.Ending)
}

// finishEnding buries the sessions that are ending, and only then takes them out of
// the ledger.
func (r *Records) finishEnding(ctx context.Context, principal string, ending []ledgerEntry) error {
	if len(ending) == 0 {
		return nil
	}
	if err := eachParallel(len(ending), func(i int) error {
		g := driver.Grave{Reason: driver.EndRevoked, Until: ending[i].deadline(), App: r.app, Principal: principal}
		return r.bury(ctx, ending[i].ID, g, nil)
	}); err != nil {
		return err
	}
	// They are buried, which is what was promised; the ledger is only tidied.
	_, _ = r.changeLedger(principal, func(l *ledger, now time.Time) (time.Time, error) {
		return now, without(&l.Ending, func(e ledgerEntry) bool {
			return slices.ContainsFunc(ending, func(x ledgerEntry) bool { return x.ID == e.ID && x.Deadline == e.Deadline })
		})
	})
	return nil
}

// Live returns the records of a principal's sessions that are neither ended nor
// expired, in the order of sign-in, exactly. One that is corrupt is passed over: it
// opens for nobody. One that a newer version wrote is driver.ErrNewer for all, as the
// list would not be exact without it.
func (r *Records) Live(ctx context.Context, principal string) ([]*driver.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	l, err := r.ledger(ctx, principal)
	if err != nil {
		return nil, err
	}
	records := make([]*driver.Record, len(l.Live))
	err = eachParallel(len(l.Live), func(i int) error {
		rec, _, err := r.Read(ctx, l.Live[i].ID)
		if errors.Is(err, driver.ErrCorrupt) {
			return nil
		}
		records[i] = rec
		return err
	})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(records, func(r *driver.Record) bool { return r == nil }), nil
}
