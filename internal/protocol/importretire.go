package protocol

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the retirement of a foreign session: what was written there since it was
// read is taken over, and it is ended at its own library.

// maxRetirements bounds the number of times that a foreign session is read anew because
// it has changed.
const maxRetirements = 8

// retireForeign retires the foreign session that rec was made of. digests are of the
// values that were read. It returns the record as it is then, as far as that is known. A
// failure to retire it is none: RetireImported tries again. If somebody else ended the
// foreign session, the result is that of gone.
func (r *Records) retireForeign(ctx context.Context, in *Import, rec *driver.Record, digests Digests, gone func(*driver.Record) (*driver.Record, error)) (*driver.Record, error) {
	for n := 1; ; n++ {
		err := in.Retire(ctx)
		switch {
		case err == nil:
			return r.forgetPending(rec), nil
		case driver.IsNotFound(err):
			return gone(rec)
		case !errors.Is(err, driver.ErrConflict) || n == maxRetirements:
			r.o.Logger.WarnContext(ctx, "cloakroom: a foreign session that was imported isn't retired yet; it is tried again", "session", rec.ID, "importer", in.Importer, "error", err)
			return rec, nil
		}
		next, d, err := r.followForeign(ctx, in, rec, digests)
		switch {
		case driver.IsNotFound(err): // Retire tells why
			continue
		case err != nil:
			r.o.Logger.WarnContext(ctx, "cloakroom: changes of a foreign session that was imported aren't taken over yet; it is tried again", "session", rec.ID, "importer", in.Importer, "error", err)
			return rec, nil
		case next == nil: // somebody else is at it
			return rec, nil
		}
		rec, digests = next, d
	}
}

// errFollowed leaves a session as it is, as somebody else has taken the foreign one's
// changes over, or has retired it.
var errFollowed = errors.New("cloakroom: somebody else retires the foreign session")

// followForeign reads a foreign session anew and takes its changes over. It returns the
// record as it is then, nil if somebody else was faster.
//
// Errors: driver.ErrNotFound, the foreign session is gone; those of reading and writing.
func (r *Records) followForeign(ctx context.Context, in *Import, rec *driver.Record, digests Digests) (*driver.Record, Digests, error) {
	values, err := in.Load(ctx)
	if err != nil {
		return nil, nil, err
	}
	pending, err := in.Pending()
	if err != nil {
		return nil, nil, err
	}
	known := PendingOf(rec)
	saved, err := r.Change(rec.ID, &Change{Base: rec, AsOf: MomentOf(r.clock.Now()), Apply: func(next *driver.Record, _ time.Time, _ bool) error {
		m, _ := importMarkOf(next)
		if m.Pending != known {
			return errFollowed
		}
		m.Pending = pending
		m.putInto(next)
		next.Values = digests.follow(next.Values, values)
		return nil
	}})
	switch {
	case errors.Is(err, errFollowed) && !errors.Is(err, driver.ErrUnknown):
		return nil, nil, nil
	case err == nil && saved == nil: // ended since
		return nil, nil, nil
	}
	return saved, DigestsOf(values), err
}

// takeBackImport ends the session that was just imported, as its foreign session was
// ended at its library meanwhile. Nobody else of ours can have retired that yet (see
// RetireDue), unless the session was signed out since. The error is ErrImportOver.
func (r *Records) takeBackImport(ctx context.Context, rec *driver.Record) (*driver.Record, error) {
	if err := ctx.Err(); err != nil { // somebody else may have
		return nil, errUnread(rec.ID, err)
	}
	e, err := r.end(ctx, rec, driver.EndRevoked)
	r.tell(ctx, e)
	if err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%w: it was ended at its library during the import", ErrImportOver)
}

// RetireDue reports whether a foreign session is left to be retired by others than the
// process that imported it, which has given up by now.
func (r *Records) RetireDue(rec *driver.Record) bool {
	return PendingOf(rec) != "" && r.clock.Now().After(rec.Created.Add(r.o.Timeout+driver.ClockTolerance))
}

// maxRetiring bounds the foreign sessions that are retired at a time after their imports.
const maxRetiring = 16

// RetireImported retires the foreign session of one that was imported, if RetireDue says
// so. It doesn't wait: the foreign store may be slow, and nobody needs to know. in needs
// no Make. digests are of the foreign session's values as they were read for
// PendingOf(rec). A failure is logged, and of more than some at a time none is begun:
// call it again later.
func (r *Records) RetireImported(in *Import, rec *driver.Record, digests Digests) {
	if !r.beginRetiring(rec.ID) {
		return
	}
	ctx, done, err := r.Begin(context.Background())
	if err != nil {
		r.endRetiring(rec.ID)
		return
	}
	go func() {
		defer done()
		defer r.endRetiring(rec.ID)
		defer func() { // nobody else recovers from a panic of the importer
			if p := recover(); p != nil {
				r.o.Logger.Error("cloakroom: retiring a foreign session panicked; it is tried again", "session", rec.ID, "importer", in.Importer, "panic", PanicText(p), "stack", string(debug.Stack()))
			}
		}()
		_, _ = r.retireForeign(ctx, in, rec, digests, func(rec *driver.Record) (*driver.Record, error) {
			return r.forgetPending(rec), nil // the process that imported it ended it, perhaps
		})
	}()
}

// beginRetiring reports whether the foreign session of id may be retired now: nobody here
// is at it, nor at too many others.
func (r *Records) beginRetiring(id driver.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.retiring[id] || len(r.retiring) >= maxRetiring {
		return false
	}
	if r.retiring == nil {
		r.retiring = make(map[driver.ID]bool)
	}
	r.retiring[id] = true
	return true
}

func (r *Records) endRetiring(id driver.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.retiring, id)
}

// forgetPending records that the foreign session has been retired, and returns the record
// as it is then, as far as that is known. A failure is none: it is retired once more.
func (r *Records) forgetPending(rec *driver.Record) *driver.Record {
	known := PendingOf(rec)
	saved, err := r.Change(rec.ID, &Change{Base: rec, AsOf: MomentOf(r.clock.Now()), Apply: func(next *driver.Record, _ time.Time, _ bool) error {
		m, _ := importMarkOf(next)
		if m.Pending != known || known == "" {
			return errFollowed
		}
		m.Pending = ""
		m.putInto(next)
		return nil
	}})
	if err != nil || saved == nil {
		return rec
	}
	return saved
}
