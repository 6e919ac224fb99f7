package protocol

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the import of a session from another library: each foreign session becomes
// one session at most.

// Foreign names a session of another library.
type Foreign struct {
	Importer string // the name of the importer
	ID       string // of the session, at that library
}

// ImportID returns the id of the session that a foreign one becomes. It is derived, so
// that requests of the same moment meet in one record.
func (r *Records) ImportID(f Foreign) driver.ID {
	return driver.DerivedID(driver.LayoutImport, "cloakroom import v1", r.app, f.Importer, f.ID)
}

// entryID returns the id of a foreign session's import entry.
func (r *Records) entryID(f Foreign) driver.ID {
	return driver.DerivedID(driver.LayoutLedger, "cloakroom import entry v1", r.app, f.Importer, f.ID)
}

// importEntry says what has become of a foreign session. It stays until the end of
// imports, and so for longer than the session and its grave: it keeps the foreign session
// from being imported twice. It is written before the session.
type importEntry struct {
	Deadline int64 `json:"deadline"` // of the session, in Unix milliseconds; 0: it must not be imported
}

// holds reports whether the entry keeps the foreign session from being imported at now,
// if the session has neither a record nor a grave. Before the deadline those would still
// be there, so the import was begun and not finished. After it they may have been swept.
func (e importEntry) holds(now time.Time) bool {
	return e.Deadline == 0 || !now.Before(time.UnixMilli(e.Deadline))
}

// entryValue is the name of an import entry's one value.
const entryValue = "import"

// readEntry decodes an import entry. ok is false for a record that was just begun.
func (r *Records) readEntry(rec *driver.Record) (e importEntry, ok bool, err error) {
	raw := rec.Values.Get(entryValue)
	if raw == nil {
		return e, false, nil
	}
	if rec.Kind != driver.KindLedger || rec.App != r.app || json.Unmarshal(raw, &e) != nil || e.Deadline < 0 {
		return e, false, fmt.Errorf("cloakroom: record %v is not an import's entry: %w", rec.ID, driver.ErrCorrupt)
	}
	return e, true, nil
}

// Imported is what has become of a foreign session.
type Imported struct {
	Record *driver.Record // of the live session; nil: there is none
	Grave  *driver.Grave  // of the session; nil: there is none
	// Over says that the foreign session is not imported any more: its session has ended,
	// or somebody signed out.
	Over bool
}

// OpenImported returns what has become of a foreign session. The zero Imported stands for
// one that may be imported. Errors: those of Open.
func (r *Records) OpenImported(ctx context.Context, f Foreign) (im Imported, err error) {
	if err := r.load.admit(false); err != nil {
		return im, err
	}
	defer r.load.leave()
	now := r.clock.Now()
	var entry importEntry
	var entered bool
	var e ended
	err = eachParallel(2, func(i int) (err error) {
		if i == 0 {
			im.Record, im.Grave, e, err = r.read(ctx, r.ImportID(f), now)
			return err
		}
		rec, err := r.store.Get(ctx, r.entryID(f))
		switch {
		case driver.IsNotFound(err):
			return nil
		case err != nil:
			return readError(r.entryID(f), err)
		}
		entry, entered, err = r.readEntry(rec)
		return err
	})
	r.tell(ctx, e)
	if err != nil {
		return Imported{}, err
	}
	if im.Record != nil {
		r.skews.look(ctx, im.Record, now)
	}
	im.Over = im.Record == nil && (im.Grave != nil || entered && entry.holds(now))
	return im, nil
}

// ErrImportOver says that a foreign session is not imported, and never will be: imports
// have ended, its session has ended, or it was signed out at the library that it is of.
var ErrImportOver = errors.New("cloakroom: the foreign session is over")

// ErrImported says that somebody else imported the foreign session, or is about to.
var ErrImported = errors.New("cloakroom: the foreign session was imported meanwhile")

// Import is the import of one foreign session.
type Import struct {
	Foreign
	End   time.Time // of imports, as configured
	Limit int       // of the principal's live sessions, as in SignIn

	// Load reads the foreign session and returns its values. driver.ErrNotFound: there is
	// none. It is called again if the session has changed.
	Load func(context.Context) (driver.ValueList, error)

	// Make returns the record of the session that Load read: its id is ImportID, and
	// MarkImported has marked it. If deadline isn't zero, the record has to have it.
	Make func(ctx context.Context, deadline time.Time) (*driver.Record, error)

	// Pending returns the text for MarkImported, of the session that Load read last.
	Pending func() (string, error)

	// Retire ends the foreign session, if it is as Load read it last. driver.ErrConflict:
	// it isn't. driver.ErrNotFound: there is none, and this call didn't end it.
	Retire func(context.Context) error
}

// Import imports a foreign session, for which OpenImported found nothing, and returns the
// record of the session that it becomes. It writes the entry first. Then the session
// enters its principal's ledger, under generation zero: a RevokeAll of the principal,
// whenever it was, refuses it. Only then is the record made, since the requests of the
// same moment open it at once. Last the foreign session is retired, at the state that was
// read: what was written there meanwhile is taken over first. If it can't be retired,
// nothing fails: RetireImported does so later.
//
// Errors: driver.ErrNotFound, there is no foreign session; ErrImportOver; ErrImported,
// call OpenImported again; ErrRevoked, the principal has been signed out everywhere;
// those of Load, Make and of writing. After an error the next call goes on.
func (r *Records) Import(ctx context.Context, in *Import) (*driver.Record, error) {
	ctx, done, err := r.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	end, err := r.importEnd(ctx, in.Importer, in.End)
	if err != nil {
		return nil, err
	}
	if !r.clock.Now().Before(end) {
		return nil, fmt.Errorf("%w: imports of %q ended at %v", ErrImportOver, in.Importer, end)
	}
	values, err := in.Load(ctx)
	if err != nil {
		return nil, err
	}
	next, err := r.enterImport(ctx, in, end)
	if err != nil {
		return nil, err
	}
	var ending []ledgerEntry
	if next.Principal != "" {
		if ending, err = r.enterLedger(ctx, next, driver.WriteID{}, in.Limit, nil); err != nil {
			return nil, err
		}
	}
	rec, err := r.Create(ctx, next)
	if errors.Is(err, driver.ErrGone) && !errors.Is(err, driver.ErrUnknown) {
		return nil, ErrImported
	}
	if err != nil {
		return nil, err
	}
	_ = r.finishEnding(ctx, rec.Principal, ending, often)
	return r.retireForeign(ctx, in, rec, DigestsOf(values), func(rec *driver.Record) (*driver.Record, error) {
		return r.takeBackImport(ctx, rec)
	})
}

// enterImport writes the foreign session's entry, and returns the record to be made. If
// an import was begun before, the record gets the deadline that its entry has.
func (r *Records) enterImport(ctx context.Context, in *Import, end time.Time) (*driver.Record, error) {
	next, err := in.Make(ctx, time.Time{})
	if err != nil {
		return nil, err
	}
	e, err := r.writeEntry(in.Foreign, importEntry{next.Deadline.UnixMilli()}, end)
	switch {
	case err != nil:
		return nil, err
	case e.holds(r.clock.Now()):
		return nil, ErrImported
	case e.Deadline != next.Deadline.UnixMilli():
		return in.Make(ctx, time.UnixMilli(e.Deadline).UTC())
	}
	return next, nil
}

// errEntered leaves an import entry as it is.
var errEntered = errors.New("cloakroom: the foreign session has an entry")

// writeEntry writes a foreign session's entry, unless there is one and e isn't to bar the
// import. It returns the entry as it is then. It stays until end, or longer.
func (r *Records) writeEntry(f Foreign, e importEntry, end time.Time) (importEntry, error) {
	id, met, bars := r.entryID(f), e, e.Deadline == 0
	rec, err := r.Change(id, &Change{
		Make: func() *driver.Record { return r.newMark(id) },
		Apply: func(next *driver.Record, now time.Time, _ bool) error {
			there, entered, err := r.readEntry(next)
			switch {
			case err != nil && !bars:
				return err
			case entered && !bars:
				met = there
				return errEntered
			}
			next.Deadline = later(next.Deadline, end)
			next.Expires = next.Deadline
			return setMark(next, entryValue, e, now)
		},
	})
	switch {
	case errors.Is(err, errEntered) && !errors.Is(err, driver.ErrUnknown):
		return met, nil
	case err != nil:
		return e, err
	case rec == nil:
		return e, errUnknown(id, nil)
	}
	met, _, err = r.readEntry(rec)
	return met, err
}

// newMark makes the record of an import entry, or of the end of imports. It is of the
// kind of ledgers: stores neither bury it nor show it among sessions.
func (r *Records) newMark(id driver.ID) *driver.Record {
	return &driver.Record{ID: id, Kind: driver.KindLedger, App: r.app, Created: r.clock.Now()}
}

// setMark sets the one value of such a record.
func setMark(next *driver.Record, name string, value any, now time.Time) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	next.Values = driver.ValueList{{Name: name, JSON: raw}}
	next.Seen = later(next.Seen, now)
	return nil
}

// BarImport has a foreign session never be imported, and ends the session that it became.
// It is for a sign-out, or a sign-in, of a visitor who presents the foreign session beside
// one of ours. end is the end of imports, as configured. Errors: those of Revoke.
func (r *Records) BarImport(ctx context.Context, f Foreign, end time.Time) error {
	ctx, done, err := r.Begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	if _, err := r.writeEntry(f, importEntry{}, end); err != nil {
		return err
	}
	e, err := r.revoke(ctx, r.ImportID(f)) // an import that is under way finds the grave
	r.tell(ctx, e)
	return err
}
