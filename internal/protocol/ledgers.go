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

// This file is the use of a principal's ledger: a sign-in enters it, within the limit per
// principal, an ended session leaves it, and Live lists it (invariant 10). revoke.go
// signs a principal out everywhere.

// ErrRevoked says that the principal was signed out everywhere while this sign-in
// was under way.
var ErrRevoked = errors.New("signed out everywhere during sign-in")

// AttemptLife is the time that a sign-in may take after it has read the ledger's
// generation.
const AttemptLife = 30 * time.Minute

// Generation returns the generation of a principal's ledger, which a sign-in has to find
// unchanged (invariant 10). It is zero for a missing ledger.
func (r *Records) Generation(ctx context.Context, principal string) (driver.WriteID, error) {
	l, err := r.ledger(ctx, principal)
	return l.Generation, err
}

// ledger returns a principal's ledger, which is empty if it is missing.
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

// changeLedger writes a principal's ledger by compare-and-set and returns it as written,
// perhaps with others' changes. f may run more than once. Its error refuses the change.
// The ledger has to stay until keep, or longer.
//
// With mend, a ledger that can't be understood is replaced by an empty one, to which f
// has to give a generation. Without mend it is driver.ErrCorrupt.
func (r *Records) changeLedger(principal string, mend bool, f func(*ledger, time.Time) (keep time.Time, err error)) (ledger, error) {
	return r.writeLedger(principal, mend, func(_ *driver.Record, l *ledger, now time.Time) (time.Time, error) { return f(l, now) })
}

// writeLedger is changeLedger with an f that gets the record as well.
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
			at := now
			past := func(e ledgerEntry) bool { return !at.Before(e.deadline().Add(driver.ClockTolerance)) }
			if slices.ContainsFunc(l.Live, past) || slices.ContainsFunc(l.Ending, past) {
				at = r.witness.judgingSoon(now)
			}
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
				next.Expires = soon // by which EndLeftovers finds it
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

// enterLedger adds a new session to its principal's ledger if the generation is still the
// sign-in's. Over the limit, sessions that are over leave first. If that isn't enough,
// the oldest move to ending in the same write, but not those that the sign-in is about to
// replace. A session of which can't be learned whether it is over doesn't count: the next
// sign-in makes up for it. enterLedger returns all that are ending, for finishEnding.
func (r *Records) enterLedger(ctx context.Context, rec *driver.Record, generation driver.WriteID, limit int, replaces []driver.ID) ([]ledgerEntry, error) {
	e := &entrance{rec: rec, generation: generation, limit: limit, replaces: replaces}
	l, err := r.changeLedger(rec.Principal, false, e.enter)
	if errors.Is(err, errOverLimit) && !errors.Is(err, driver.ErrUnknown) {
		// To learn which of them are over costs a read of each, so that is left until
		// now.
		e.over, e.unread = r.overAmong(ctx, e.rivals)
		e.looked = true
		l, err = r.changeLedger(rec.Principal, false, e.enter)
	}
	if err != nil {
		return nil, err
	}
	if l.Generation != generation { // moved between our write and its resolution
		return nil, errRevoked(rec.Principal)
	}
	return l.Ending, nil
}

// entrance is the entering of a new session into its principal's ledger.
type entrance struct {
	rec        *driver.Record
	generation driver.WriteID
	limit      int
	replaces   []driver.ID

	rivals       []ledgerEntry // at the limit: the live entries but those that are replaced
	looked       bool          // over and unread are known
	over, unread map[driver.ID]bool
}

// enter changes the ledger. It returns errOverLimit where it has to know first which
// sessions are over.
func (e *entrance) enter(l *ledger, now time.Time) (keep time.Time, err error) {
	if l.Generation != e.generation {
		return now, errRevoked(e.rec.Principal)
	}
	l.Live = slices.DeleteFunc(l.Live, func(there ledgerEntry) bool {
		return e.over[there.ID] || there.ID == e.rec.ID // a Rebuild may have entered the new one
	})
	excess := e.excess(l.Live)
	if excess > 0 && !e.looked {
		e.rivals = slices.DeleteFunc(slices.Clone(l.Live), e.isReplaced)
		return now, errOverLimit
	}
	l.Live = slices.DeleteFunc(l.Live, func(there ledgerEntry) bool {
		if excess <= 0 || e.isReplaced(there) {
			return false
		}
		excess--
		there.OverLimit = true
		l.Ending = append(l.Ending, there)
		return true
	})
	l.Live = append(l.Live, entryOf(e.rec))
	return e.rec.Deadline, nil
}

// excess returns the number of sessions beyond the limit, with the new one. Those that it
// replaces, and those that couldn't be read, don't count.
func (e *entrance) excess(live []ledgerEntry) int {
	if e.limit <= 0 {
		return 0
	}
	n := len(live) + 1 - e.limit
	for _, there := range live {
		if e.isReplaced(there) || e.unread[there.ID] {
			n--
		}
	}
	return n
}

// isReplaced reports whether an entry is of a session that the new one replaces.
func (e *entrance) isReplaced(there ledgerEntry) bool { return slices.Contains(e.replaces, there.ID) }

// errOverLimit refuses a sign-in that is over the limit until it is known which
// sessions are over.
var errOverLimit = errors.New("cloakroom: over the limit")

func errRevoked(principal string) error {
	return fmt.Errorf("cloakroom: %q: %w", principal, ErrRevoked)
}

// leave takes the id of a buried session out of the ledger, and ends what is ending.
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

// leaveLedger is leave for a record, and logs a failure. Only the burial counts: an id
// that stays in the ledger does no harm.
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
	// Ending says that the session has to end, and couldn't be buried yet. It still
	// opens.
	Ending bool
}

// Live returns a principal's sessions that are neither ended nor expired, exactly, in the
// order of sign-in. It first tries to end those that are ending, once; those that are
// left come last. A corrupt session is left out: it opens for nobody. For one that a
// newer version wrote the call fails with driver.ErrNewer, as the list would not be exact
// without it. Of the ledger it reads a part, and older is the number of sessions that it
// leaves out.
func (r *Records) Live(ctx context.Context, principal string, part Part) (list []Listed, older int, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	l, err := r.ledger(ctx, principal)
	if err != nil {
		return nil, 0, err
	}
	r.tryToFinish(ctx, principal, l.Ending)
	ids, ending, older := l.ids(part)
	var errs []error
	for i, o := range r.readEach(ctx, ids, func() error { return nil }, func() {}) {
		switch {
		case errors.Is(o.Err, driver.ErrCorrupt):
		case o.Err != nil:
			errs = append(errs, o.Err)
		case o.Record == nil:
		case o.Record.Principal != principal:
			r.fault(ctx, principal, LedgerForeign, o.ID)
		default:
			list = append(list, Listed{o.Record, i >= ending})
		}
	}
	if errs != nil {
		return nil, 0, errors.Join(errs...)
	}
	return list, older, nil
}

// tryToFinish is finishEnding for a caller that has more to do: it takes half of
// Options.Timeout at most, and leaves a failure to the next caller.
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
