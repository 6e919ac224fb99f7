package protocol

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is signing a principal out everywhere (RevokeAll), and rebuilding its ledger.
// Both search for the principal's sessions (invariant 10).

// RevokeAll ends all sessions of a principal but those in except. When it returns nil
// they are buried, and a sign-in of an older generation fails (invariant 10). Call it
// within Begin.
//
// The ledger makes it exact against sign-ins at the same moment. For the case that the
// ledger was lost, it also searches for sessions. Those that were signed in under its own
// generation, or under the one that the ledger has by then, are of later sign-ins and
// stay. An unreadable ledger is replaced.
//
// Errors: driver.ErrUnavailable, some sessions couldn't be ended, or the search failed
// after the sessions in the ledger were ended; driver.ErrCorrupt, the store can't
// understand the ledger's record, and the sessions that the search found have been ended.
// After an error some sessions may be left. The next sign-in or RevokeAll ends those that
// the ledger knew, the next RevokeAll all.
func (r *Records) RevokeAll(ctx context.Context, principal string, except []driver.ID) error {
	generation := driver.NewWriteID()
	l, err := r.changeLedger(principal, true, func(l *ledger, now time.Time) (time.Time, error) {
		l.SignedOut = l.signedOutAt(now, generation, len(except) == 0)
		l.Generation = generation
		spare := func(e ledgerEntry) bool { return slices.Contains(except, e.ID) }
		for _, e := range l.Live {
			if !spare(e) {
				l.Ending = append(l.Ending, e)
			}
		}
		l.Live = slices.DeleteFunc(l.Live, func(e ledgerEntry) bool { return !spare(e) })
		return r.keepGeneration(now), nil
	})
	if err != nil && !errors.Is(err, driver.ErrCorrupt) {
		return err
	}
	return errors.Join(err, r.finishEnding(ctx, principal, l.Ending, often), r.endFound(ctx, principal, generation, except))
}

// keepGeneration returns until when a ledger with a new generation has to stay: a sign-in
// that began earlier must find it. So must each import, whatever end of imports other
// processes have: none is further ahead than the longest lifetime.
func (r *Records) keepGeneration(now time.Time) time.Time {
	if r.o.Imports {
		return now.Add(driver.MaxLifetime + driver.ClockTolerance)
	}
	return now.Add(AttemptLife + r.o.MaxLifetime + driver.ClockTolerance)
}

// endFound ends the sessions of a principal that a search finds, but those in except and
// those of later sign-ins. generation is that which the caller has drawn.
func (r *Records) endFound(ctx context.Context, principal string, generation driver.WriteID, except []driver.ID) error {
	found, err := r.find(ctx, principal)
	found = slices.DeleteFunc(found, func(rec *driver.Record) bool {
		return slices.Contains(except, rec.ID) || GenerationOf(rec) == generation
	})
	if len(found) == 0 {
		return err
	}
	l, e := r.ledger(ctx, principal)
	if e != nil && !errors.Is(e, driver.ErrCorrupt) {
		return errors.Join(err, e)
	}
	found = slices.DeleteFunc(found, func(rec *driver.Record) bool {
		g := GenerationOf(rec)
		return g == l.Generation && g != driver.WriteID{} // a ledger that was lost just now has the zero one
	})
	entries := make([]ledgerEntry, len(found))
	for i, rec := range found {
		entries[i] = entryOf(rec)
	}
	met, list, e := r.endNamed(ctx, principal, entries, often)
	for i, rec := range found {
		// A sign-in that is under way has yet to enter its session, and will fail.
		if settled := rec.Created.Add(r.o.Timeout + driver.ClockTolerance); met[i] == metLive && r.clock.Now().After(settled) {
			r.fault(ctx, principal, LedgerIncomplete, rec.ID)
		}
	}
	r.tell(ctx, list...)
	return errors.Join(err, e)
}

// find returns the records of a principal's sessions, all that were acknowledged before
// the call. With an error, which is driver.ErrUnavailable, there may be more.
func (r *Records) find(ctx context.Context, principal string) (found []*driver.Record, err error) {
	if r.refresher != nil {
		if err := r.refreshes.do(ctx, r.refresher.Refresh); err != nil {
			return nil, fmt.Errorf("cloakroom: refreshing the search for sessions: %w: %w", driver.ErrUnavailable, err)
		}
	}
	for rec, err := range r.store.Search(ctx, driver.Query{Kind: driver.KindSession, App: r.app, Principal: principal}) {
		if err != nil {
			return found, fmt.Errorf("cloakroom: searching for sessions: %w: %w", driver.ErrUnavailable, err)
		}
		found = append(found, rec)
	}
	return found, nil
}

// Rebuild enters the sessions of a principal that a search finds and its ledger lacks,
// and returns their number. It takes nothing out, and enters none that is ending. Call it
// within Begin.
//
// A ledger that is missing, empty or unreadable gets a new generation: sign-ins that
// began before fail.
//
// Errors: driver.ErrUnavailable, nothing was entered; driver.ErrConflict, the ledger was
// written during each of several searches.
func (r *Records) Rebuild(ctx context.Context, principal string) (entered int, err error) {
	id := driver.LedgerID(r.app, principal)
	for n := 1; ; n++ {
		rec, err := r.store.Get(ctx, id)
		if err != nil && !driver.IsNotFound(err) {
			return 0, readError(id, err)
		}
		var at driver.Version
		if rec != nil {
			at = rec.Version
		}
		found, err := r.find(ctx, principal)
		if err != nil {
			return 0, err
		}
		entered, err = r.enterFound(ctx, principal, at, found)
		if !errors.Is(err, errMoved) || errors.Is(err, driver.ErrUnknown) || n == 5 || !backOff(ctx, n) {
			return entered, err
		}
	}
}

// errMoved refuses to enter sessions if the ledger was written after the search, since
// they may have been ended.
var errMoved = fmt.Errorf("cloakroom: the ledger was written meanwhile: %w", driver.ErrConflict)

// enterFound enters sessions into a ledger if that is at the version at, zero if it is
// missing. It returns how many were entered.
func (r *Records) enterFound(ctx context.Context, principal string, at driver.Version, found []*driver.Record) (int, error) {
	var entered []driver.ID
	_, err := r.writeLedger(principal, true, func(next *driver.Record, l *ledger, now time.Time) (time.Time, error) {
		if next.Version != at {
			return now, errMoved
		}
		entered = nil
		for _, rec := range found {
			is := func(e ledgerEntry) bool { return e.ID == rec.ID }
			if !slices.ContainsFunc(l.Live, is) && !slices.ContainsFunc(l.Ending, is) && (!r.over(rec, now) || !r.over(rec, r.witness.judgingSoon(now))) {
				l.Live = append(l.Live, entryOf(rec))
				entered = append(entered, rec.ID)
			}
		}
		if len(entered) == 0 {
			return now, errNoEntry
		}
		slices.SortStableFunc(l.Live, func(a, b ledgerEntry) int { return a.ID.Time().Compare(b.ID.Time()) })
		if l.Generation == (driver.WriteID{}) {
			l.Generation = driver.NewWriteID()
			return r.keepGeneration(now), nil
		}
		return now, nil
	})
	switch {
	case errors.Is(err, errNoEntry) && !errors.Is(err, driver.ErrUnknown):
		return 0, nil
	case err != nil:
		return 0, err
	}
	for _, id := range entered {
		r.fault(ctx, principal, LedgerIncomplete, id)
	}
	return len(entered), nil
}

func entryOf(rec *driver.Record) ledgerEntry {
	return ledgerEntry{ID: rec.ID, Deadline: rec.Deadline.UnixMilli()}
}
