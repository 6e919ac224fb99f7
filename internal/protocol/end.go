package protocol

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the end of single sessions: sign-out, the end of a device or of an id, and
// the burial that they share.

// End buries a session whose record was read, and takes it out of its principal's ledger.
// When it returns nil nothing can bring the session back (invariant 2), and the changes
// that waited in its queue have failed with driver.ErrGone. It doesn't wait for changes.
//
// After an error the session may have ended or not: end it again.
func (r *Records) End(ctx context.Context, rec *driver.Record, why driver.EndReason) error {
	ctx, done, err := r.Begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	e, err := r.end(ctx, rec, why)
	r.tell(ctx, e)
	return err
}

// end is End within Begin, and leaves the telling to its caller, as all do that return an
// ended.
func (r *Records) end(ctx context.Context, rec *driver.Record, why driver.EndReason) (ended, error) {
	e := ended{rec.Info(), why}
	if err := r.bury(ctx, rec.ID, graveOf(rec, why), rec, e); err != nil {
		return ended{}, err
	}
	r.leaveLedger(ctx, rec)
	return e, nil
}

// EndEach ends several sessions that OpenEach returned, as End does. One without a
// record, which is corrupt, is ended as by Revoke.
//
// After an error some may have ended: end them again.
func (r *Records) EndEach(ctx context.Context, all []Opened, why driver.EndReason) error {
	ctx, done, err := r.Begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	list := make([]ended, len(all))
	err = eachParallel(len(all), func(i int) (err error) {
		rec := all[i].Record
		if rec == nil {
			list[i], err = r.revoke(ctx, all[i].ID)
		} else {
			list[i], err = r.end(ctx, rec, why)
		}
		return err
	})
	r.tell(ctx, list...)
	return err
}

// Revoke ends a session of the app by its id, live or not. Afterwards no record of this
// id can be made (invariant 2). A missing session is no error. A record that is corrupt,
// or that a newer version wrote, is ended whatever its app, since that can't be read.
//
// Errors: driver.ErrInvalid, the id is no session's; driver.ErrNotFound, the session is
// another app's. After any other error the session may have ended or not.
func (r *Records) Revoke(ctx context.Context, id driver.ID) error {
	if l := id.Layout(); l == driver.LayoutLedger || l.MaxLifetime() == 0 {
		return fmt.Errorf("cloakroom: %v is not the id of a session: %w", id, driver.ErrInvalid)
	}
	ctx, done, err := r.Begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	e, err := r.revoke(ctx, id)
	r.tell(ctx, e)
	return err
}

// revoke is Revoke of a session's id within Begin. It leaves the telling to its caller.
func (r *Records) revoke(ctx context.Context, id driver.ID) (e ended, err error) {
	rec, err := r.store.Get(ctx, id)
	missing := driver.IsNotFound(err)
	g := driver.Grave{Reason: driver.EndRevoked, Until: r.clock.Now().Add(driver.MaxLifetime)} // for an id without a time
	if made := id.Time(); !made.IsZero() {
		g.Until = made.Add(id.Layout().MaxLifetime())
	}
	switch {
	case driver.IsGone(rec, err):
		if err := r.confirmGrave(ctx, rec); err != nil { // the grave may be a phantom
			return e, fmt.Errorf("cloakroom: ending %v: %w: %w: %w", id, driver.ErrUnknown, driver.ErrUnavailable, err)
		}
		e, _ = r.endings.ours(id, rec.Grave)
		return e, nil
	case missing, errors.Is(err, driver.ErrCorrupt), errors.Is(err, driver.ErrNewer):
		rec = nil
	case err != nil:
		return e, readError(id, err)
	case rec.Kind != driver.KindSession || rec.App != r.app:
		return e, fmt.Errorf("cloakroom: session %v of app %q: %w", id, r.app, driver.ErrNotFound)
	default:
		g = graveOf(rec, driver.EndRevoked)
	}
	if !missing {
		e = endedOf(id, rec, g)
	}
	if err := r.bury(ctx, id, g, rec, e); err != nil {
		return ended{}, err
	}
	if rec != nil && rec.Principal != "" {
		_ = r.leave(ctx, rec.Principal, id) // only the burial counts
	}
	return e, nil
}

// EndOf ends a session if its record names the principal, even if the principal's ledger
// lost it. It is carried through as End is.
//
// Errors: driver.ErrNotFound, with one text: the session is another's or another app's,
// it has ended, it is corrupt, or there is none. A grave of the principal's is confirmed
// first, as it may be a phantom. After driver.ErrUnavailable the session may have ended
// or not.
func (r *Records) EndOf(ctx context.Context, principal string, id driver.ID, why driver.EndReason) error {
	ctx, done, err := r.Begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	now := r.clock.Now()
	for n := 1; ; n++ {
		rec, err := r.liveOf(ctx, principal, id, now)
		switch {
		case err == nil:
			e, err := r.end(ctx, rec, why)
			r.tell(ctx, e)
			return err
		case !errors.Is(err, errOvertaken):
			return err
		case !backOff(ctx, n):
			return readError(id, err)
		}
	}
}

// errOvertaken says that the record isn't as it was read.
var errOvertaken = errors.New("written meanwhile")

// overtaken returns the error for a burial at a version, or a confirmation, that failed.
func overtaken(id driver.ID, err error) error {
	if answered(err) {
		return fmt.Errorf("cloakroom: %v: %w", id, errOvertaken)
	}
	return readError(id, err)
}

// liveOf returns the record of a session if it is live and a principal's. Its errors are
// those of EndOf, and errOvertaken.
func (r *Records) liveOf(ctx context.Context, principal string, id driver.ID, now time.Time) (*driver.Record, error) {
	rec, err := r.store.Get(ctx, id)
	switch {
	case driver.IsGone(rec, err):
		if rec.Grave.App == r.app && rec.Grave.Principal == principal {
			if err := r.confirmGrave(ctx, rec); err != nil {
				return nil, overtaken(id, err)
			}
			if e, ok := r.endings.ours(id, rec.Grave); ok {
				r.tell(ctx, e)
			}
		}
		return nil, errNotOf(principal, id)
	case driver.IsNotFound(err), errors.Is(err, driver.ErrCorrupt):
		return nil, errNotOf(principal, id)
	case err != nil:
		return nil, readError(id, err)
	case rec.Kind != driver.KindSession || rec.App != r.app || rec.Principal != principal:
		return nil, errNotOf(principal, id)
	}
	switch over, err := r.endIfOver(ctx, rec, now, nil); {
	case err != nil:
		return nil, overtaken(id, err)
	case over:
		return nil, errNotOf(principal, id)
	}
	return rec, nil
}

// errNotOf is the error for an id that names no live session of the principal.
func errNotOf(principal string, id driver.ID) error {
	return fmt.Errorf("cloakroom: session %v of %q: %w", id, principal, driver.ErrNotFound)
}

// graveOf returns the grave for a burial whatever the version. It lacks the write count
// and the write ids, which only the newest state has.
func graveOf(rec *driver.Record, why driver.EndReason) driver.Grave {
	return driver.Grave{Reason: why, Until: rec.Deadline, App: rec.App, Principal: rec.Principal}
}

// bury ends a session whatever its version. It tries again while there is no answer. g
// says why and until when. known is the record as it was last read, or nil. e is the end
// to be told, if any.
func (r *Records) bury(ctx context.Context, id driver.ID, g driver.Grave, known *driver.Record, e ended) error {
	var t trouble
	for n := 1; ; n++ {
		err := t.with(r.tryToBury(ctx, id, g, known, e))
		switch {
		case err == nil:
			return nil
		case isUnfit(err) || errors.Is(err, driver.ErrClosed):
			return fmt.Errorf("cloakroom: ending %v: %w", id, err)
		case !backOff(ctx, n):
			return fmt.Errorf("cloakroom: ending %v: %w: %w: %w", id, driver.ErrUnknown, driver.ErrUnavailable, err)
		}
		known = nil
	}
}

// tryToBury buries a session whatever its version. If known is the newest state, the
// grave gets its write count and write ids, so that a save under way learns whether it
// was in time.
func (r *Records) tryToBury(ctx context.Context, id driver.ID, g driver.Grave, known *driver.Record, e ended) error {
	writeID := driver.NewWriteID()
	if known == nil || r.store.Bury(ctx, id, known.GraveFor(g.Reason, r.clock.Now(), writeID), known.Version) != nil {
		g.At, g.WriteIDs = r.clock.Now(), []driver.WriteID{writeID}
		if err := r.store.Bury(ctx, id, g, driver.Version{}); err != nil {
			r.endings.doubt(e, writeID)
			return err
		}
	}
	// Only now: if the burial had failed, the session would go on.
	r.refuseWaiting(id, errGone(id))
	return nil
}
