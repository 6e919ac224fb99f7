package cloakroom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"github.com/cloakroom-go/cloakroom/driver"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"
)

// ledger is what the record of kind KindLedger keeps of one principal in one
// app: which of its sessions are live, exactly and at once, so that signing out
// everywhere needs no search. An id is entered before its sign-in returns, and
// leaves only when its record has been buried or its deadline has passed.
type ledger struct {
	// Generation is drawn anew by each RevokeAll. A sign-in that began under
	// another one fails. The zero Rev is that of a missing ledger, and of one
	// that a sign-in made.
	Generation driver.WriteID `json:"generation"`
	Live       []ledgerEntry  `json:"live,omitempty"` // in the order of sign-in
	// Ending are sessions that someone began to end: whoever next writes the
	// ledger buries them before taking them out.
	Ending []ledgerEntry `json:"ending,omitempty"`
}

type ledgerEntry struct {
	ID       ID    `json:"id"`
	Deadline int64 `json:"deadline"` // Unix milliseconds
}

func (e ledgerEntry) deadline() time.Time { return time.UnixMilli(e.Deadline).UTC() }

const (
	ledgerValue = "ledger" // the one value of a ledger's record

	// loginTicketLife is how long a Ticket is good.
	loginAttemptLife = 30 * time.Minute
)

// checkPrincipal says what is wrong with a principal.
func checkPrincipal(p string) error {
	switch {
	case p == "":
		return fmt.Errorf("cloakroom: empty principal: %w", ErrInvalid)
	case len(p) > 512:
		return fmt.Errorf("cloakroom: principal of %d bytes: at most 512 are allowed: %w", len(p), ErrInvalid)
	case !utf8.ValidString(p):
		return fmt.Errorf("cloakroom: principal %q is not valid UTF-8: %w", p, ErrInvalid)
	}
	for _, r := range p {
		if unicode.IsControl(r) {
			return fmt.Errorf("cloakroom: principal %q has a control character: %w", p, ErrInvalid)
		}
	}
	return nil
}

// readLedger understands a ledger's record.
func readLedger(rec *driver.Record, app, principal string) (ledger, error) {
	var l ledger
	raw := rec.Values.Get(ledgerValue)
	if raw == nil { // just begun
		return l, nil
	}
	if rec.Kind != driver.KindLedger || rec.App != app || rec.Principal != principal {
		return l, fmt.Errorf("cloakroom: record %v is not the ledger of %q: %w", rec.ID, principal, ErrCorrupt)
	}
	if err := json.Unmarshal(raw, &l); err != nil {
		return l, fmt.Errorf("cloakroom: ledger of %q: %w: %w", principal, ErrCorrupt, err)
	}
	return l, nil
}

// ledgers reads and writes the ledgers of an app.
type ledgers struct {
	w *writer
	// longest is the longest lifetime that sessions of the app may have.
	longest time.Duration
}

// get returns a principal's ledger; a missing one is empty, of generation zero.
func (ls *ledgers) get(ctx context.Context, principal string) (ledger, error) {
	id := driver.LedgerID(ls.w.app, principal)
	rec, err := ls.w.store.Get(ctx, id)
	if driver.IsNotFound(err) {
		return ledger{}, nil
	}
	if err != nil {
		return ledger{}, readError(id, err)
	}
	return readLedger(rec, ls.w.app, principal)
}

// change writes a principal's ledger by compare-and-set and returns it as it
// was written, perhaps with others' changes. f may run more than once; its
// error refuses the change. keep is the least time that the ledger has to stay.
func (ls *ledgers) change(principal string, f func(*ledger, time.Time) (keep time.Time, err error)) (ledger, error) {
	id := driver.LedgerID(ls.w.app, principal)
	rec, err := ls.w.do(id, &change{
		begin: func() *driver.Record {
			return &driver.Record{ID: id, Kind: driver.KindLedger, App: ls.w.app, Principal: principal, Created: ls.w.now()}
		},
		apply: func(next *driver.Record, now time.Time, _ bool) error {
			l, err := readLedger(next, ls.w.app, principal)
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
			next.Values = driver.ValueList{{Name: ledgerValue, JSON: raw}}
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
	return readLedger(rec, ls.w.app, principal)
}

// enter adds a new session to its principal's ledger if the generation is still
// the sign-in's. Over the limit, the oldest move to ending in the same write, but
// not the one that the sign-in is about to replace. It returns what is ending,
// which is to be finished.
func (ls *ledgers) enter(rec *driver.Record, generation driver.WriteID, limit int, replaces ID) ([]ledgerEntry, error) {
	l, err := ls.change(rec.Principal, func(l *ledger, now time.Time) (time.Time, error) {
		if l.Generation != generation {
			return now, errRevoked(rec.Principal)
		}
		over := 0
		if limit > 0 {
			over = len(l.Live) + 1 - limit
			if slices.ContainsFunc(l.Live, func(e ledgerEntry) bool { return e.ID == replaces }) {
				over--
			}
		}
		l.Live = slices.DeleteFunc(l.Live, func(e ledgerEntry) bool {
			if over <= 0 || e.ID == replaces {
				return false
			}
			over--
			l.Ending = append(l.Ending, e)
			return true
		})
		l.Live = append(l.Live, ledgerEntry{rec.ID, rec.Deadline.UnixMilli()})
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

// leave takes ids out that have been buried.
func (ls *ledgers) leave(principal string, id ID) error {
	_, err := ls.change(principal, func(l *ledger, now time.Time) (time.Time, error) {
		return now, without(&l.Live, func(e ledgerEntry) bool { return e.ID == id })
	})
	if errors.Is(err, errNoEntry) && !errors.Is(err, ErrUnknown) {
		return nil
	}
	return err
}

// errNoEntry refuses a change that would take nothing out.
var errNoEntry = errors.New("cloakroom: not in the ledger")

// without takes entries out of a list.
func without(list *[]ledgerEntry, out func(ledgerEntry) bool) error {
	n := len(*list)
	if *list = slices.DeleteFunc(*list, out); len(*list) == n {
		return errNoEntry
	}
	return nil
}

// revokeAll ends all sessions of a principal but those in except. When it
// returns nil they are buried.
func (ls *ledgers) revokeAll(ctx context.Context, principal string, except []ID) error {
	generation := driver.NewWriteID()
	l, err := ls.change(principal, func(l *ledger, now time.Time) (time.Time, error) {
		l.Generation = generation
		spare := func(e ledgerEntry) bool { return slices.Contains(except, e.ID) }
		for _, e := range l.Live {
			if !spare(e) {
				l.Ending = append(l.Ending, e)
			}
		}
		l.Live = slices.DeleteFunc(l.Live, func(e ledgerEntry) bool { return !spare(e) })
		// A sign-in that holds an older ticket must find this generation.
		return now.Add(loginAttemptLife + ls.longest + driver.ClockTolerance), nil
	})
	if err != nil {
		return err
	}
	return ls.finish(ctx, principal, l.Ending)
}

// finish buries what is ending, and only then takes it out of the ledger.
func (ls *ledgers) finish(ctx context.Context, principal string, ending []ledgerEntry) error {
	if len(ending) == 0 {
		return nil
	}
	if err := eachParallel(len(ending), func(i int) error {
		return ls.w.bury(ctx, ending[i].ID, EndRevoked, ending[i].deadline(), nil)
	}); err != nil {
		return err
	}
	// They are buried, which is what was promised; the ledger is only tidied.
	_, _ = ls.change(principal, func(l *ledger, now time.Time) (time.Time, error) {
		return now, without(&l.Ending, func(e ledgerEntry) bool { return slices.Contains(ending, e) })
	})
	return nil
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
