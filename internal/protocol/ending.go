package protocol

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the end of several sessions: those that a ledger names as ending, or that
// a search finds, and those that are found idle at the limit per principal (invariant
// 10).

// effort says how often the end of a session is tried.
type effort bool

const (
	once  effort = false // the next caller tries again
	often effort = true  // until the operation's time is over
)

// finishEnding buries the sessions that are ending, and only then takes them out of
// the ledger. Those that can't be buried stay in it, still ending.
func (r *Records) finishEnding(ctx context.Context, principal string, ending []ledgerEntry, how effort) error {
	if len(ending) == 0 {
		return nil
	}
	met, list, err := r.endNamed(ctx, principal, ending, how)
	for i, m := range met {
		if m == metForeign {
			r.fault(ctx, principal, LedgerForeign, ending[i].ID)
		}
	}
	// The burials keep the promise. This only tidies the ledger.
	_, _ = r.changeLedger(principal, false, func(l *ledger, now time.Time) (time.Time, error) {
		return now, without(&l.Ending, func(e ledgerEntry) bool {
			i := slices.IndexFunc(ending, func(x ledgerEntry) bool { return x.ID == e.ID && x.Deadline == e.Deadline })
			return i >= 0 && met[i] != metNoAnswer
		})
	})
	if err != nil {
		r.left.Store(true)
	}
	r.tell(ctx, list...)
	return err
}

// meeting is the state in which a session that had to end was met.
type meeting uint8

const (
	metNoAnswer meeting = iota // it may live on
	metLive                    // it is buried now
	metOver                    // it was over before
	metForeign                 // it is not the principal's, and was left alone
)

// endNamed ends the sessions that are named as a principal's. It returns how each was
// met, and the ends to be told.
func (r *Records) endNamed(ctx context.Context, principal string, named []ledgerEntry, how effort) ([]meeting, []ended, error) {
	met, list := make([]meeting, len(named)), make([]ended, len(named))
	return met, list, eachParallel(len(named), func(i int) error {
		var t trouble
		for n := 1; ; n++ {
			m, e, err := r.tryToEnd(ctx, principal, named[i])
			err = t.with(err)
			switch {
			case err == nil:
				met[i], list[i] = m, e
				return nil
			case isUnfit(err), errors.Is(err, driver.ErrClosed):
				return fmt.Errorf("cloakroom: ending %v: %w", named[i].ID, err)
			case how == once, !backOff(ctx, n):
				return fmt.Errorf("cloakroom: ending %v: %w: %w: %w", named[i].ID, driver.ErrUnknown, driver.ErrUnavailable, err)
			}
		}
	})
}

// tryToEnd reads a session and buries it, if it is the principal's: a ledger that was
// overwritten may name another's. A record that can't be understood is buried, whoever's
// it is.
func (r *Records) tryToEnd(ctx context.Context, principal string, e ledgerEntry) (meeting, ended, error) {
	rec, err := r.store.Get(ctx, e.ID)
	met, g := metLive, driver.Grave{Reason: e.reason(), Until: e.deadline(), App: r.app, Principal: principal}
	switch {
	case driver.IsGone(rec, err):
		if err := r.confirmGrave(ctx, rec); err != nil {
			return metNoAnswer, ended{}, err
		}
		if end, ok := r.endings.ours(e.ID, rec.Grave); ok { // an earlier try buried it
			return metLive, end, nil
		}
		return metOver, ended{}, nil
	case driver.IsNotFound(err):
		met = metOver // but a create may still come
		rec = nil
	case errors.Is(err, driver.ErrCorrupt), errors.Is(err, driver.ErrNewer):
		rec = nil
	case err != nil:
		return metNoAnswer, ended{}, err
	case rec.Kind != driver.KindSession || rec.App != r.app || rec.Principal != principal:
		return metForeign, ended{}, nil
	default:
		g = graveOf(rec, e.reason())
	}
	var end ended
	if met == metLive {
		end = endedOf(e.ID, rec, g)
	}
	if err := r.tryToBury(ctx, e.ID, g, rec, end); err != nil {
		return metNoAnswer, ended{}, err
	}
	return met, end, nil
}

// confirmGrave returns nil if a grave that was read is certainly there: the store vouches
// for its reads, or acknowledges the grave once more.
func (r *Records) confirmGrave(ctx context.Context, grave *driver.Record) error {
	if r.vouch.Reads {
		return nil
	}
	_, err := r.confirm(ctx, grave)
	return err
}

// overAmong reads sessions of a ledger, together. It returns those that certainly open no
// more, and those of which that can't be learned now. Idle ones are buried first, at the
// version that was judged.
func (r *Records) overAmong(ctx context.Context, entries []ledgerEntry) (over, unread map[driver.ID]bool) {
	is, list, errs := make([]bool, len(entries)), make([]ended, len(entries)), make([]error, len(entries))
	_ = eachParallel(len(entries), func(i int) error {
		is[i], list[i], errs[i] = r.endIfIdle(ctx, entries[i])
		return nil
	})
	r.tell(ctx, list...)
	over, unread = make(map[driver.ID]bool), make(map[driver.ID]bool)
	for i, e := range entries {
		switch {
		case errs[i] != nil:
			unread[e.ID] = true
		case is[i]:
			over[e.ID] = true
		}
	}
	return over, unread
}

// endIfIdle reports whether a session certainly opens no more. One that is idle or past
// its deadline is buried first. A record that can't be understood may be live.
func (r *Records) endIfIdle(ctx context.Context, e ledgerEntry) (over bool, end ended, err error) {
	rec, err := r.store.Get(ctx, e.ID)
	switch {
	case driver.IsGone(rec, err):
		return true, end, r.confirmGrave(ctx, rec)
	case driver.IsNotFound(err) && e.ID.Layout() == driver.LayoutImport: // about to be imported, perhaps
		return false, end, err
	case driver.IsNotFound(err): // lost, but a read alone doesn't prove it
		return true, end, r.tryToBury(ctx, e.ID, driver.Grave{Reason: driver.EndExpired, Until: e.deadline(), App: r.app}, nil, end)
	case errors.Is(err, driver.ErrCorrupt), errors.Is(err, driver.ErrNewer):
		return false, end, nil
	case err != nil:
		return false, end, err
	}
	if rec.Kind != driver.KindSession {
		return false, end, nil
	}
	over, at, err := r.overByBoth(ctx, rec, r.clock.Now())
	if err != nil || !over {
		return false, end, err
	}
	// It is buried past the deadline as well, since other clocks may be behind.
	err = r.store.Bury(ctx, e.ID, rec.ExpiredGrave(at), rec.Version)
	switch {
	case err == nil:
		return true, ended{rec.Info(), driver.EndExpired}, nil
	case errors.Is(err, driver.ErrConflict): // used just now
		return false, end, nil
	}
	return true, end, err
}

// EndLeftovers ends the sessions that ledgers name as ending for longer than
// Options.Timeout: whoever began to end them failed, or crashed. It tries each once. It
// finds the ledgers by a search, which may trail: the next call ends what this one
// misses.
//
// Errors: those of the search, of reading and of ending, joined.
func (r *Records) EndLeftovers(ctx context.Context) error {
	r.left.Store(false)
	var errs []error
	for rec, err := range r.store.Search(ctx, driver.Query{Kind: driver.KindLedger, App: r.app, ExpiresTo: r.clock.Now()}) {
		if err != nil {
			r.left.Store(true)
			return errors.Join(append(errs, err)...)
		}
		if err := r.endLeftovers(ctx, rec); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// endLeftovers ends the sessions that a ledger names as ending.
func (r *Records) endLeftovers(ctx context.Context, rec *driver.Record) error {
	l, err := readLedger(rec, r.app, rec.Principal)
	if err != nil || len(l.Ending) == 0 {
		return err
	}
	_, done, err := r.Begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, r.o.Timeout) // not carried through: the next call tries again
	defer cancel()
	return r.finishEnding(ctx, rec.Principal, l.Ending, once)
}

// HasLeftovers reports whether this Records left sessions ending since the last
// EndLeftovers.
func (r *Records) HasLeftovers() bool { return r.left.Load() }
