package protocol

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is reading records, and the judgement that a session is over: idle, or past
// its deadline.

// endIfOver reports whether a session is over, by this machine's clock and by that of the
// store's engine. An idle one is buried first, at the version that was judged, so that no
// save under way revives a session that was called expired. Past the deadline no burial is
// needed, as the deadline never moves. After an error it isn't known, and the caller has
// to re-read.
//
// A session isn't idle if one of the changes about to be written is of a visitor who came
// in time, however long the change has taken to get here.
func (r *Records) endIfOver(ctx context.Context, rec *driver.Record, now time.Time, changes []*Change) (bool, error) {
	over, e, err := r.buryIfOver(ctx, rec, now, changes)
	r.tell(ctx, e)
	return over, err
}

// buryIfOver is endIfOver, and leaves the telling to its caller.
func (r *Records) buryIfOver(ctx context.Context, rec *driver.Record, now time.Time, changes []*Change) (over bool, e ended, err error) {
	if rec.Kind != driver.KindSession || !r.over(rec, now) || r.inUse(rec, now, now, changes) {
		return false, e, nil
	}
	over, at, err := r.overByBoth(ctx, rec, now)
	switch {
	case err != nil || !over || r.inUse(rec, now, at, changes):
		return false, e, err
	case !at.Before(rec.Deadline):
		return true, e, nil
	}
	if err := r.store.Bury(ctx, rec.ID, rec.ExpiredGrave(at), rec.Version); err != nil {
		return false, e, err
	}
	return true, ended{rec.Info(), driver.EndExpired}, nil
}

// ErrForeign says that a record is none of this app's sessions. It comes with
// driver.ErrCorrupt.
var ErrForeign = errors.New("not a session of this app")

// Read returns the record of a session that is live. If the session has ended it returns
// the grave, or neither if there is none. If Read finds the session over, it returns a
// grave that says EndExpired, at the deadline or now. Before the deadline it has buried
// the session, which so stays over (invariants 2 and 11). The time of the call counts,
// not that of the store's answer.
//
// The record may be stale, or a phantom, as far as the store allows. A change on top of
// it finds that out.
//
// Errors: ErrForeign; those of reading.
func (r *Records) Read(ctx context.Context, id driver.ID) (*driver.Record, *driver.Grave, error) {
	return r.readAt(ctx, id, r.clock.Now())
}

// readAt is Read at a time.
func (r *Records) readAt(ctx context.Context, id driver.ID, now time.Time) (*driver.Record, *driver.Grave, error) {
	rec, grave, e, err := r.read(ctx, id, now)
	r.tell(ctx, e)
	if rec != nil {
		r.skews.look(ctx, rec, now)
	}
	return rec, grave, err
}

// read is readAt, and leaves the telling to its caller.
func (r *Records) read(ctx context.Context, id driver.ID, now time.Time) (live *driver.Record, grave *driver.Grave, e ended, err error) {
	for n := 1; ; n++ {
		rec, err := r.store.Get(ctx, id)
		switch {
		case driver.IsGone(rec, err):
			return nil, rec.Grave, e, nil
		case driver.IsNotFound(err):
			return nil, nil, e, nil
		case err != nil:
			return nil, nil, e, readError(id, err)
		case rec.App != r.app || rec.Kind != driver.KindSession:
			return nil, nil, e, fmt.Errorf("cloakroom: record %v is %w: %w", id, ErrForeign, driver.ErrCorrupt)
		}
		over, e, err := r.buryIfOver(ctx, rec, now, nil)
		switch {
		case over:
			at := now
			if rec.Deadline.Before(now) {
				at = rec.Deadline
			}
			g := rec.GraveFor(driver.EndExpired, at, driver.WriteID{})
			return nil, &g, e, nil
		case err == nil:
			return rec, nil, e, nil
		case !errors.Is(err, driver.ErrConflict) && !errors.Is(err, driver.ErrGone) && !driver.IsNotFound(err) || !backOff(ctx, n):
			return nil, nil, e, readError(id, err)
		}
	}
}

// Open is Read for a request that brings a token, at the time of its call, which the caller
// has read already. It returns ErrTooMany while more operations are under way than the store
// carries out in time.
func (r *Records) Open(ctx context.Context, id driver.ID, now time.Time) (*driver.Record, *driver.Grave, error) {
	if err := r.load.admit(false); err != nil {
		return nil, nil, err
	}
	defer r.load.leave()
	return r.readAt(ctx, id, now)
}

// Opened is the result of Open for one id.
type Opened struct {
	ID     driver.ID
	Record *driver.Record
	Grave  *driver.Grave
	Err    error
}

// OpenEach is Open for several ids at once, so that a store can gather the reads.
func (r *Records) OpenEach(ctx context.Context, ids []driver.ID) []Opened {
	return r.readEach(ctx, ids, func() error { return r.load.admit(false) }, r.load.leave)
}

// readEach is Read for several ids at once, between admit and leave for each. It tells
// their ends in the goroutine of the caller.
func (r *Records) readEach(ctx context.Context, ids []driver.ID, admit func() error, leave func()) []Opened {
	all, list := make([]Opened, len(ids)), make([]ended, len(ids))
	now := r.clock.Now()
	_ = eachParallel(len(ids), func(i int) error {
		o := &all[i]
		o.ID = ids[i]
		if o.Err = admit(); o.Err == nil {
			defer leave()
			o.Record, o.Grave, list[i], o.Err = r.read(ctx, o.ID, now)
		}
		return nil
	})
	r.tell(ctx, list...)
	for _, o := range all {
		if o.Record != nil {
			r.skews.look(ctx, o.Record, now)
		}
	}
	return all
}

// Recall returns a session as it was less than Options.CacheFor ago, and the moment at
// which the store was asked for it. It returns nil if the session isn't remembered, or is
// over at now. All that this Records has changed or ended since is in it. Recall costs no
// store operation.
func (r *Records) Recall(id driver.ID, now time.Time) (*driver.Record, Moment) {
	if r.cache == nil {
		return nil, 0
	}
	rec, asOf := r.cache.recall(id)
	if rec == nil || r.over(rec, now) {
		return nil, 0
	}
	return rec, MomentOf(asOf)
}

// Newest returns a record as the store has it, over or not.
//
// Errors: driver.ErrGone, there is no record, or a grave; those of reading.
func (r *Records) Newest(ctx context.Context, id driver.ID) (*driver.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	rec, err := r.store.Get(ctx, id)
	switch {
	case driver.IsNotFound(err), errors.Is(err, driver.ErrGone):
		return nil, errGone(id)
	case err != nil:
		return nil, readError(id, err)
	}
	return rec, nil
}

// overByBoth returns the time of judgement, and whether a session is over at it. The
// engine's clock is asked only if the session is over by this machine's.
func (r *Records) overByBoth(ctx context.Context, rec *driver.Record, now time.Time) (over bool, at time.Time, err error) {
	if !r.over(rec, now) {
		return false, now, nil
	}
	at, err = r.witness.judging(ctx, now)
	return err == nil && r.over(rec, at), at, err
}

// IsOver reports whether a session is past its idle timeout or its deadline, by the time
// of the call.
func (r *Records) IsOver(rec *driver.Record) bool { return r.over(rec, r.clock.Now()) }

// Now returns the time of records.
func (r *Records) Now() time.Time { return r.clock.Now() }

// over reports whether a session is past its idle timeout or its deadline at now.
func (r *Records) over(rec *driver.Record, now time.Time) bool {
	return !now.Before(rec.Expires) || !now.Before(rec.Deadline) || now.Sub(rec.Seen) >= IdleTimeout(rec, r.o.Idle)
}

// inUse reports whether a session that looks idle isn't: one of the changes about to be
// written is of a visitor who came within the idle timeout. Each such visitor found the
// session live. now is this machine's time, and at that of judgement.
func (r *Records) inUse(rec *driver.Record, now, at time.Time, changes []*Change) bool {
	return at.Before(rec.Deadline) && slices.ContainsFunc(changes, func(c *Change) bool {
		return c.Seen != 0 && c.Seen.since(now) < IdleTimeout(rec, r.o.Idle)
	})
}
