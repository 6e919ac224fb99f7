package cloakroom

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/timeout"
)

// flush writes a batch of changes of one record as one, and gives each its
// result. cur is the newest state of the record that is known, if any; now and
// actual are what the clock tells. It returns the state that it left, or nil if that
// isn't known.
func (w *writer) flush(id ID, cur *driver.Record, batch []*change, now, actual time.Time) *driver.Record {
	ctx := &batch[0].flight
	if ctx.Context != nil { // of a flush before, which the store may still look at
		ctx = new(timeout.Context)
	}
	ctx.Begin(context.Background(), actual.Add(w.timeout), nil)
	defer ctx.End()
	give := func(rec *driver.Record, err error) *driver.Record {
		for _, c := range batch {
			c.asOf = momentOf(now)
			c.finish(rec, err)
		}
		return rec
	}
	begin := batch[0].begin
	known := cur != nil
	if !known {
		rec, err := w.store.Get(ctx, id)
		switch {
		case err == nil:
			cur = rec
		case driver.IsNotFound(err) && begin != nil:
			cur = begin()
		case driver.IsNotFound(err), driver.IsGone(rec, err):
			return give(nil, fmt.Errorf("cloakroom: %v: %w", id, ErrGone))
		default:
			return give(nil, readError(id, err))
		}
	}
	if cur.App != w.app {
		return give(nil, fmt.Errorf("cloakroom: %v belongs to another app: %w", id, ErrGone))
	}
	var open []attempt // what was sent, and may have happened or happen yet for all that is confirmed
	for try := 0; ; try++ {
		if try > 0 || !known { // time went by
			now = w.now()
		}
		over, err := w.endIfOver(ctx, cur, now)
		if over {
			if len(open) > 0 && !now.Before(cur.Deadline) { // else its burial has confirmed what it was dug for
				return give(nil, errUnknown(id, nil))
			}
			return give(nil, fmt.Errorf("cloakroom: %v has expired: %w", id, ErrGone))
		}
		if err == nil {
			var next, saved *driver.Record
			var refuses bool
			if next, batch, refuses = w.merge(cur, batch, now, try > 0, len(open) > 0); len(batch) == 0 {
				return cur
			}
			rev := driver.NewWriteID()
			if !refuses {
				next.Writes++
				next.WriteIDs = driver.PushWriteID(cur.WriteIDs, rev)
				saved, err = w.put(ctx, next)
			}
			switch {
			case refuses, refused(err) && len(open) > 0:
				// What was sent may be in, for all that a read tells. It isn't
				// once this has been acknowledged.
				confirmed, e := w.confirm(ctx, cur)
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
			case errors.Is(err, ErrInvalid) && len(batch) > 1:
				for _, c := range batch { // whose fault it is shows one by one
					cur = w.flush(id, cur, []*change{c}, now, time.Now())
				}
				return cur
			case refused(err):
				give(nil, err)
				return cur
			case allYield(batch):
				give(nil, nil)
				return nil
			default:
				open = append(open, attempt{rev: rev, base: cur.Writes, answered: answered(err)})
			}
		}
		rec, state, verdict, pending := w.settle(ctx, cur, open, err)
		switch {
		case verdict == verdictApplied:
			return give(rec, nil) // nil if it was ended since
		case verdict == verdictUnknown && len(open) == 0:
			return give(nil, readError(id, err))
		case verdict == verdictUnknown && state == stateGrave: // over, but perhaps after our write
			return give(nil, fmt.Errorf("%w: %w", errUnknown(id, nil), ErrGone))
		case verdict == verdictUnknown:
			return give(nil, errUnknown(id, err))
		case state == stateGrave, state == stateMissing && begin == nil:
			return give(nil, fmt.Errorf("cloakroom: %v: %w", id, ErrGone))
		case state == stateMissing:
			rec = begin()
		}
		cur, open = rec, pending
	}
}

// allYield reports whether nobody wants to know what became of a batch.
func allYield(batch []*change) bool {
	return !slices.ContainsFunc(batch, func(c *change) bool { return !c.yields })
}

// left reports whether nobody waits for a change any more.
func (w *writer) left(c *change) bool {
	if c.done == nil { // nobody else does, or nobody ever did
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return c.left
}

// merge makes the next state of a record of a batch of changes, and returns the
// changes that are in it. It finishes those that refuse, that yield to a
// conflict, and that nobody waits for any more. It takes them out of batch itself.
//
// What refuses after changes that aren't written yet is put back into the line:
// they may never be, and then the refusal would rest on nothing. And in doubt,
// where a change may have been written along with an earlier attempt, none is
// refused: merge reports that one would be.
func (w *writer) merge(cur *driver.Record, batch []*change, now time.Time, conflict, inDoubt bool) (next *driver.Record, kept []*change, refuses bool) {
	batch = slices.DeleteFunc(batch, func(c *change) bool {
		gone := w.left(c) || c.yields && conflict
		if gone {
			c.finish(nil, nil)
		}
		return gone
	})
	next = new(driver.Record)
	*next = *cur
	kept = batch[:0]
	var again []*change
	for _, c := range batch {
		before := *next
		if err := c.apply(next, now, len(kept) == 0); err != nil {
			*next = before
			switch {
			case inDoubt: // and so nothing was taken out before
				return nil, batch, true
			case len(kept) > 0:
				again = append(again, c)
			default:
				c.finish(nil, err)
			}
			continue
		}
		kept = append(kept, c)
	}
	w.putBack(cur.ID, again)
	return next, kept, false
}

// put writes a record at its version, or creates it where it has none. It
// returns next itself, at the version that it has got.
func (w *writer) put(ctx context.Context, next *driver.Record) (*driver.Record, error) {
	var v driver.Version
	var err error
	switch {
	case next.Version.IsZero():
		v, err = w.store.Create(ctx, next)
	case w.keeper != nil:
		if err := w.keeper.UpdateOwned(ctx, next); err != nil {
			return nil, err
		}
		return next, nil
	default:
		v, err = w.store.Update(ctx, next)
	}
	if err != nil {
		return nil, err
	}
	next.Version = v
	return next, nil
}

// refused reports whether the store's error says that nothing was written and
// that there is no point in looking.
func refused(err error) bool {
	return errors.Is(err, ErrInvalid) || errors.Is(err, ErrOverloaded) || errors.Is(err, ErrClosed)
}

// endIfOver reports whether a session is past its end now. Idle ones are buried
// first, at the version that was judged, so that no save that is on its way can
// revive what is about to be called expired. Past the deadline there is no
// need: it never moves. An error leaves it open, and a re-read is due.
func (w *writer) endIfOver(ctx context.Context, rec *driver.Record, now time.Time) (bool, error) {
	switch {
	case rec.Kind != driver.KindSession || !w.over(rec, now):
		return false, nil
	case !now.Before(rec.Deadline):
		return true, nil
	}
	err := w.store.Bury(ctx, rec.ID, rec.ExpiredGrave(now), rec.Version)
	if err == nil {
		w.events.ended(ctx, rec.ID, EndExpired)
	}
	return err == nil, err
}

// errForeign: the record is none of this app's sessions.
var errForeign = errors.New("not a session of this app")

// read returns the record of a session that is live. If it has ended it returns
// its grave, if any, and if there is none neither. Who is told that a session is
// over before its deadline can rely on it: the record has been buried.
func (w *writer) read(ctx context.Context, id ID) (*driver.Record, *driver.Grave, error) {
	for n := 1; ; n++ {
		rec, err := w.store.Get(ctx, id)
		switch {
		case driver.IsGone(rec, err):
			return nil, rec.Grave, nil
		case driver.IsNotFound(err):
			return nil, nil, nil
		case err != nil:
			return nil, nil, readError(id, err)
		case rec.App != w.app || rec.Kind != driver.KindSession:
			return nil, nil, fmt.Errorf("cloakroom: record %v is %w: %w", id, errForeign, ErrCorrupt)
		}
		over, err := w.endIfOver(ctx, rec, w.now())
		switch {
		case over:
			return nil, nil, nil
		case err == nil:
			return rec, nil, nil
		case !errors.Is(err, ErrConflict) && !errors.Is(err, ErrGone) && !driver.IsNotFound(err) || !backOff(ctx, n):
			return nil, nil, readError(id, err)
		}
	}
}

// over reports whether a session is past its idle timeout or its deadline.
func (w *writer) over(rec *driver.Record, now time.Time) bool {
	return !now.Before(rec.Expires) || !now.Before(rec.Deadline) || now.Sub(rec.Seen) >= w.idle
}

// settle re-reads a record after a write that met a conflict, or wasn't
// answered, until it knows what became of the attempts. It asks again, backing
// off, while the store doesn't answer, and for a while when what it reads has
// not advanced past the conflict.
//
// That one of them was applied takes more than a read, which may be answered by a
// node of the engine that was cut off, has the write alone, and is about to lose
// it. The same goes for a grave. So what was read is written once more, at its
// version: if that is acknowledged then so is what it was written over.
func (w *writer) settle(ctx context.Context, cur *driver.Record, open []attempt, cause error) (*driver.Record, recordState, verdict, []attempt) {
	conflict := answered(cause)
	for n := 0; ; n++ {
		if n > 0 || !conflict {
			if !backOff(ctx, n) {
				return nil, stateUnread, verdictUnknown, nil
			}
		}
		rec, err := w.store.Get(ctx, cur.ID)
		seen, ok := see(rec, err)
		if !ok {
			continue
		}
		v, pending := judge(open, seen)
		switch {
		case v == verdictNotApplied && conflict && n < 4 && !advanced(cur, rec, seen):
			continue
		case v == verdictApplied, seen.state == stateGrave:
			if rec, err = w.confirm(ctx, rec); err != nil {
				continue
			}
		}
		if seen.state != stateLive {
			rec = nil
		}
		if seen.state == stateGrave {
			pending = nil // whatever is still on its way meets the grave
		}
		return rec, seen.state, v, pending
	}
}

// confirm writes what was read once more, unchanged, at its version.
func (w *writer) confirm(ctx context.Context, rec *driver.Record) (*driver.Record, error) {
	switch {
	case rec.Grave != nil:
		return rec, w.store.Bury(ctx, rec.ID, *rec.Grave, rec.Version)
	case rec.Version.IsZero(): // nothing was read, and what was sent may still come
		return nil, errNotThere
	}
	next := *rec
	next.Writes++
	next.WriteIDs = driver.PushWriteID(rec.WriteIDs, driver.NewWriteID())
	return w.put(ctx, &next)
}

var errNotThere = errors.New("nothing is there")

// answered reports whether the store said that a compare-and-set, or a create,
// met something else.
func answered(err error) bool {
	return errors.Is(err, ErrConflict) || errors.Is(err, driver.ErrExists) || errors.Is(err, ErrGone) || driver.IsNotFound(err)
}

// advanced reports whether what was read is another state than cur.
func advanced(cur, rec *driver.Record, seen sighting) bool {
	switch seen.state {
	case stateLive:
		return rec.Version != cur.Version
	case stateMissing:
		return !cur.Version.IsZero()
	}
	return true
}

// create stores the record of a new id. A lost answer is resolved by its rev.
func (w *writer) create(ctx context.Context, rec *driver.Record) (*driver.Record, error) {
	rev := driver.NewWriteID()
	rec.Writes, rec.WriteIDs = 1, []driver.WriteID{rev}
	for n := 0; ; n++ {
		saved, err := w.put(ctx, rec)
		switch {
		case err == nil:
			return saved, nil
		case refused(err):
			if n > 0 {
				return nil, errUnknown(rec.ID, err)
			}
			return nil, fmt.Errorf("cloakroom: creating %v: %w", rec.ID, err)
		}
		seen, state, verdict, _ := w.settle(ctx, &driver.Record{ID: rec.ID}, []attempt{{rev: rev}}, err)
		switch {
		case verdict == verdictApplied && seen != nil:
			return seen, nil
		case verdict == verdictUnknown && state != stateGrave:
			return nil, errUnknown(rec.ID, err)
		case state != stateMissing: // ended already, or made by someone else: ids are never reused
			return nil, fmt.Errorf("cloakroom: creating %v: %w", rec.ID, ErrGone)
		}
	}
}

// bury ends a session whatever its version, and returns when it is answered.
// known is the record as it was last read, or nil: as long as that is the
// newest, its count and revs go into the grave, so that a save that was under
// way learns whether it was in time.
func (w *writer) bury(ctx context.Context, id ID, why EndReason, until time.Time, known *driver.Record) error {
	rev := driver.NewWriteID()
	if known == nil || w.store.Bury(ctx, id, known.GraveFor(why, w.now(), rev), known.Version) != nil {
		if err := w.buryUnchecked(ctx, id, driver.Grave{Reason: why, At: w.now(), Until: until, WriteIDs: []driver.WriteID{rev}}); err != nil {
			return err
		}
	}
	// Not before: if it had failed, the session would go on.
	w.fail(id, fmt.Errorf("cloakroom: %v: %w", id, ErrGone))
	return nil
}

// buryUnchecked buries what is there, and tries again while there is no answer.
func (w *writer) buryUnchecked(ctx context.Context, id ID, g driver.Grave) error {
	for n := 1; ; n++ {
		err := w.store.Bury(ctx, id, g, driver.Version{})
		switch {
		case err == nil:
			return nil
		case errors.Is(err, ErrInvalid) || errors.Is(err, ErrClosed):
			return fmt.Errorf("cloakroom: ending %v: %w", id, err)
		case !backOff(ctx, n):
			return fmt.Errorf("cloakroom: ending %v: %w: %w: %w", id, ErrUnknown, ErrUnavailable, err)
		}
	}
}

// backOff waits before attempt n+1, some milliseconds at first and a quarter of
// a second at most, by chance between half and all of it. It reports false when
// the context ended.
func backOff(ctx context.Context, n int) bool {
	d := 2 * time.Millisecond << min(n, 7)
	d = d/2 + rand.N(d/2)
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// readError is the error for a read that failed.
func readError(id ID, err error) error {
	if errors.Is(err, ErrCorrupt) || errors.Is(err, ErrUnavailable) || errors.Is(err, ErrClosed) || errors.Is(err, ErrInvalid) {
		return fmt.Errorf("cloakroom: reading %v: %w", id, err)
	}
	return fmt.Errorf("cloakroom: reading %v: %w: %w", id, ErrUnavailable, err)
}

func IsNotFound(err error) bool { return errors.Is(err, ErrNotFound) }

// isGone reports whether Store.Get returned a grave.
func IsGone(rec *driver.Record, err error) bool {
	return errors.Is(err, ErrGone) && rec != nil && rec.Grave != nil
}
