package protocol

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/timeout"
)

// This file is the one loop that writes: it reads, changes, writes at the version
// read, and resolves conflicts and lost answers.

// flush writes a batch of changes of one record as one, and gives each its
// result. cur is the newest state of the record that is known, if any. now and
// actual are the two times of the clock. It returns the state that it left, or nil
// if that isn't known.
func (r *Records) flush(id driver.ID, cur *driver.Record, batch []*Change, now, actual time.Time) *driver.Record {
	ctx := &batch[0].flight
	if ctx.Context != nil { // of a flush before, which the store may still look at
		ctx = new(timeout.Context)
	}
	ctx.Begin(context.Background(), actual.Add(r.o.Timeout), nil)
	defer ctx.End()
	give := func(rec *driver.Record, err error) *driver.Record {
		for _, c := range batch {
			c.AsOf = MomentOf(now)
			c.finish(rec, err)
		}
		return rec
	}
	justRead := false // cur was read by this flush, after all that is asked for
	makeNew := batch[0].Make
	known := cur != nil
	if !known {
		rec, err := r.store.Get(ctx, id)
		switch {
		case err == nil:
			cur, justRead = rec, true
		case driver.IsNotFound(err) && makeNew != nil:
			cur = makeNew()
		case driver.IsNotFound(err), driver.IsGone(rec, err):
			return give(nil, errGone(id))
		default:
			return give(nil, readError(id, err))
		}
	}
	if cur.App != r.app {
		return give(nil, fmt.Errorf("cloakroom: %v belongs to another app: %w", id, driver.ErrGone))
	}
	// Sent, and neither refused for certain nor confirmed to have failed: each may have
	// happened, or happen yet. An answer that is certain rules out its own attempt alone.
	var open []attempt
	for try := 0; ; try++ {
		if try > 0 || !known { // time went by
			now = r.clock.Now()
		}
		over, err := r.endIfOver(ctx, cur, now, batch)
		if over {
			// Past the deadline nothing was buried, so an earlier attempt is still
			// unconfirmed.
			if len(open) > 0 && !now.Before(cur.Deadline) {
				return give(nil, errUnknown(id, nil))
			}
			return give(nil, fmt.Errorf("cloakroom: %v has expired: %w", id, driver.ErrGone))
		}
		if err == nil {
			var next, saved *driver.Record
			var refuses bool
			if next, batch, refuses = r.merge(cur, batch, now, len(open) > 0); len(batch) == 0 {
				return cur
			}
			// While an earlier attempt is unresolved nothing is skipped: it may yet happen.
			if !refuses && len(open) == 0 && r.skippable(cur, next, batch) {
				if justRead || allFresh(batch) {
					for _, c := range batch {
						c.Skipped = true
					}
					return give(cur, nil)
				}
				// Others may have changed it since it was read: it is asked for again. If
				// that fails, the write tells more.
				if rec, err := r.store.Get(ctx, id); err == nil {
					cur, justRead = rec, true
					continue
				}
			}
			writeID := driver.NewWriteID()
			if !refuses {
				next.Writes++
				next.WriteIDs = driver.PushWriteID(cur.WriteIDs, writeID)
				saved, err = r.send(ctx, next)
			}
			switch {
			case refuses, refused(err) && len(open) > 0:
				// An earlier attempt may have happened, whatever a read shows. Once
				// this write is acknowledged, it has not.
				confirmed, e := r.confirm(ctx, cur)
				if e == nil {
					cur, open = confirmed, nil
					continue
				}
				if refused(e) {
					give(nil, errUnknown(id, e))
					return cur
				}
				err = e
			case err == nil:
				return give(saved, nil)
			case errors.Is(err, driver.ErrInvalid) && len(batch) > 1:
				for _, c := range batch { // whose fault it is shows one by one
					cur = r.flush(id, cur, []*Change{c}, now, time.Now())
				}
				return cur
			case refused(err):
				give(nil, errRefused(id, err))
				return cur
			case !r.certain(err):
				open = append(open, attempt{id: writeID, base: cur.Writes, answered: answered(err)})
				keepOutcomes(batch, writeID)
			}
		}
		rec, state, verdict, pending := r.learnOutcome(ctx, cur, open, err)
		switch {
		case verdict == verdictApplied:
			settleOutcomes(batch, pending[0].id)
			return give(rec, nil) // nil if it was ended since
		case verdict == verdictUnknown && len(open) == 0:
			return give(nil, errUnread(id, err))
		case verdict == verdictUnknown && state == stateGrave: // over, but perhaps after our write
			return give(nil, fmt.Errorf("%w: %w", errUnknown(id, nil), driver.ErrGone))
		case verdict == verdictUnknown:
			return give(nil, errUnknown(id, err))
		case state == stateGrave, state == stateMissing && makeNew == nil:
			return give(nil, errGone(id))
		case state == stateMissing:
			rec = makeNew()
		}
		cur, open, justRead = rec, pending, state == stateLive
	}
}

// keepOutcomes keeps what the last run of each change of a batch left, since it may
// turn out later that its write happened.
func keepOutcomes(batch []*Change, id driver.WriteID) {
	for _, c := range batch {
		if c.Outcome != nil {
			c.unsure = append(c.unsure, unsureOutcome{id, c.Outcome})
		}
	}
}

// settleOutcomes gives each change of a batch what was left by the run whose write
// happened. Later runs may have been made on what a node showed that was cut off.
func settleOutcomes(batch []*Change, id driver.WriteID) {
	for _, c := range batch {
		for _, u := range c.unsure {
			if u.id == id {
				c.Outcome = u.outcome
			}
		}
	}
}

// skippable reports whether a batch leaves the values as they are, and the store
// vouches for its reads, so that nothing need be written.
func (r *Records) skippable(cur, next *driver.Record, batch []*Change) bool {
	return r.vouch.Reads && !cur.Version.IsZero() &&
		!slices.ContainsFunc(batch, func(c *Change) bool { return !c.MaySkip }) &&
		equalValues(cur.Values, next.Values)
}

// allFresh reports whether all changes of a batch were asked for before their base was
// read. The state that they meet is their base, or newer.
func allFresh(batch []*Change) bool {
	return !slices.ContainsFunc(batch, func(c *Change) bool { return !c.Fresh })
}

// merge makes the next state of a record of a batch of changes, and returns the
// changes that are in it. It finishes those that refuse, that are needless, and that
// nobody waits for any more. It takes them out of batch itself.
//
// A change that is refused on top of changes not yet written goes back to the queue:
// if those fail, the refusal was wrong. While an earlier attempt is unresolved
// (inDoubt) no change may be refused. merge reports that one would be, and the caller
// confirms the record first.
func (r *Records) merge(cur *driver.Record, batch []*Change, now time.Time, inDoubt bool) (next *driver.Record, kept []*Change, refuses bool) {
	batch = slices.DeleteFunc(batch, func(c *Change) bool {
		gone := r.isAbandoned(c)
		if gone {
			c.finish(nil, nil)
		}
		return gone
	})
	next = new(driver.Record)
	*next = *cur
	kept = batch[:0]
	var again []*Change
	for i := 0; i < len(batch); i++ {
		c, before := batch[i], *next
		if err := c.Apply(next, now, len(kept) == 0); err != nil {
			*next = before
			switch {
			case errors.Is(err, ErrNeedless):
				c.finish(nil, nil)
				batch = slices.Delete(batch, i, i+1)
				i--
			case inDoubt: // and so nothing was taken out before
				return nil, batch, true
			case len(kept) > 0:
				again = append(again, c)
			default:
				c.finish(nil, err)
			}
			continue
		}
		if !c.carries {
			keepCarried(&before, next)
		}
		kept = append(kept, c)
	}
	r.putBack(cur.ID, again)
	return next, kept, false
}

// send writes a record at its version, or creates it where it has none. It
// returns next itself, at the version that it has got.
func (r *Records) send(ctx context.Context, next *driver.Record) (*driver.Record, error) {
	var v driver.Version
	var err error
	switch {
	case next.Version.IsZero():
		v, err = r.store.Create(ctx, next)
	case r.owned != nil:
		if err := r.owned.UpdateOwned(ctx, next); err != nil {
			return nil, err
		}
		return next, nil
	default:
		v, err = r.store.Update(ctx, next)
	}
	if err != nil {
		return nil, err
	}
	next.Version = v
	return next, nil
}
