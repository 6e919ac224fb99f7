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

// This file is the use of ledgers: entering, leaving, and the list of who is in
// (invariant 10). revoke.go signs a principal out everywhere.

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
//
// mend says that a ledger which can't be understood is replaced by an empty one,
// rather than an error. f has to give it a generation.
func (r *Records) changeLedger(principal string, mend bool, f func(*ledger, time.Time) (keep time.Time, err error)) (ledger, error) {
	return r.writeLedger(principal, mend, func(_ *driver.Record, l *ledger, now time.Time) (time.Time, error) { return f(l, now) })
}

// writeLedger is changeLedger for who wants to see the record that is changed as well.
func (r *Records) writeLedger(principal string, mend bool, f func(*driver.Record, *ledger, time.Time) (keep time.Time, err error)) (ledger, error) {
	id := driver.LedgerID(r.app, principal)
	mended := false
	rec, err := r.Change(id, &Change{
		Make: func() *driver.Record {
			return &driver.Record{ID: id, Kind: driver.KindLedger, App: r.app, Principal: principal, Created: r.clock.Now()}
		},
		Apply: func(next *driver.Record, now time.Time, _ bool) error {
			l, err := readLedger(next, r.app, principal)
			if mended = err != nil; mended && !mend {
				return err
			}
			next.Kind, next.App, next.Principal = driver.KindLedger, r.app, principal
			// Past their deadline sessions open nowhere, buried or not.
			past := func(e ledgerEntry) bool { return !now.Before(e.deadline().Add(driver.ClockTolerance)) }
			l.Live, l.Ending = slices.DeleteFunc(l.Live, past), slices.DeleteFunc(l.Ending, past)
			keep, err := f(next, &l, now)
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
			if soon := now.Add(r.o.Timeout); len(l.Ending) > 0 && soon.Before(next.Deadline) {
				next.Expires = soon // EndLeftovers finds it by that
			}
			return nil
		},
	})
	if err != nil {
		return ledger{}, err
	}
	if mended {
		r.fault(context.Background(), principal, LedgerUnreadable, id)
	}
	if rec == nil {
		return ledger{}, errUnknown(id, nil)
	}
	return readLedger(rec, r.app, principal)
}

// enterLedger adds a new session to its principal's ledger if the generation is
// still the sign-in's. Over the limit, sessions that are over leave first. The oldest
// of those left that are too many move to ending, in the same write, but not those
// that the sign-in is about to replace. Sessions of which it can't be learned whether
// they are over don't count: the next sign-in makes up for them. It returns all that
// are ending, for finishEnding.
func (r *Records) enterLedger(ctx context.Context, rec *driver.Record, generation driver.WriteID, limit int, replaces []driver.ID) ([]ledgerEntry, error) {
	var there []ledgerEntry
	enter := func(looked bool, over, unread map[driver.ID]bool) (ledger, error) {
		return r.changeLedger(rec.Principal, false, func(l *ledger, now time.Time) (time.Time, error) {
			if l.Generation != generation {
				return now, errRevoked(rec.Principal)
			}
			// A Rebuild may have entered it already.
			l.Live = slices.DeleteFunc(l.Live, func(e ledgerEntry) bool { return over[e.ID] || e.ID == rec.ID })
			excess := 0
			if limit > 0 {
				excess = len(l.Live) + 1 - limit
				for _, e := range l.Live {
					if slices.Contains(replaces, e.ID) {
						excess--
					}
				}
				for _, e := range l.Live {
					if unread[e.ID] {
						excess--
					}
				}
			}
			if excess > 0 && !looked {
				there = slices.DeleteFunc(slices.Clone(l.Live), func(e ledgerEntry) bool { return slices.Contains(replaces, e.ID) })
				return now, errOverLimit
			}
			l.Live = slices.DeleteFunc(l.Live, func(e ledgerEntry) bool {
				if excess <= 0 || slices.Contains(replaces, e.ID) {
					return false
				}
				excess--
				e.OverLimit = true
				l.Ending = append(l.Ending, e)
				return true
			})
			l.Live = append(l.Live, entryOf(rec))
			return rec.Deadline, nil
		})
	}
	l, err := enter(false, nil, nil)
	if errors.Is(err, errOverLimit) && !errors.Is(err, driver.ErrUnknown) {
		over, unread := r.overAmong(ctx, there)
		l, err = enter(true, over, unread)
	}
	if err != nil {
		return nil, err
	}
	if l.Generation != generation { // moved between our write and its resolution
		return nil, errRevoked(rec.Principal)
	}
	return l.Ending, nil
}

// errOverLimit refuses a sign-in that is over the limit until it is known which
// sessions are over.
var errOverLimit = errors.New("cloakroom: over the limit")

func errRevoked(principal string) error {
	return fmt.Errorf("cloakroom: %q: %w", principal, ErrRevoked)
}

// leave takes an id out that has been buried, and ends what is ending.
func (r *Records) leave(ctx context.Context, principal string, id driver.ID) error {
	l, err := r.changeLedger(principal, false, func(l *ledger, now time.Time) (time.Time, error) {
		return now, without(&l.Live, func(e ledgerEntry) bool { return e.ID == id })
	})
	if errors.Is(err, errNoEntry) && !errors.Is(err, driver.ErrUnknown) {
		return nil
	}
	if err == nil {
		_ = r.finishEnding(ctx, principal, l.Ending, once)
	}
	return err
}

// leaveLedger takes a buried session out of its principal's ledger. The burial
// is what counts; an id that stays does no harm.
func (r *Records) leaveLedger(ctx context.Context, rec *driver.Record) {
	if rec.Principal == "" {
		return
	}
	if err := r.leave(ctx, rec.Principal, rec.ID); err != nil {
		r.o.Logger.WarnContext(ctx, "cloakroom: an ended session stays in its principal's ledger for now", "session", rec.ID, "error", err)
	}
}

// Listed is one of a principal's sessions.
type Listed struct {
	*driver.Record
	// Ending: it is being ended. It still opens, as it couldn't be buried yet.
	Ending bool
}

// Live returns a principal's sessions that are neither ended nor expired, in the order
// of sign-in, exactly. What is ending is tried to be ended first, once; what can't be
// comes last. One that is corrupt is passed over: it opens for nobody. One that a
// newer version wrote is driver.ErrNewer for all, as the list would not be exact
// without it.
func (r *Records) Live(ctx context.Context, principal string) ([]Listed, error) {
	ctx, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	l, err := r.ledger(ctx, principal)
	if err != nil {
		return nil, err
	}
	r.tryToFinish(ctx, principal, l.Ending)
	entries := slices.Concat(l.Live, l.Ending)
	ids := make([]driver.ID, len(entries))
	for i, e := range entries {
		ids[i] = e.ID
	}
	var list []Listed
	var unread []error
	for i, o := range r.readEach(ctx, ids, func() error { return nil }, func() {}) {
		switch {
		case errors.Is(o.Err, driver.ErrCorrupt):
		case o.Err != nil:
			unread = append(unread, o.Err)
		case o.Record == nil:
		case o.Record.Principal != principal:
			r.fault(ctx, principal, LedgerForeign, o.ID)
		default:
			list = append(list, Listed{o.Record, i >= len(l.Live)})
		}
	}
	if unread != nil {
		return nil, errors.Join(unread...)
	}
	return list, nil
}

// tryToFinish is finishEnding for who has more to do.
func (r *Records) tryToFinish(ctx context.Context, principal string, ending []ledgerEntry) {
	if len(ending) == 0 {
		return
	}
	_, done, err := r.Begin(ctx)
	if err != nil {
		return
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, r.o.Timeout/2)
	defer cancel()
	_ = r.finishEnding(ctx, principal, ending, once)
}
