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

// This file is the one loop that writes (compare-and-set): it reads, changes, writes at
// the version read, and resolves conflicts and lost answers.

// flush writes a batch of changes of one record as one, and gives each its result. cur is
// the newest state of the record that is known, or nil. now and actual are the two times
// of the clock. flush returns the state that it left, or nil if that isn't known.
func (r *Records) flush(id driver.ID, cur *driver.Record, batch []*Change, now, actual time.Time) *driver.Record {
	ctx := &batch[0].flight
	if ctx.Context != nil { // an earlier flush used it, and the store may still look at it
		ctx = new(timeout.Context)
	}
	ctx.Begin(context.Background(), actual.Add(r.o.Timeout), nil)
	defer ctx.End()
	w := &flushing{r: r, id: id, batch: batch, now: now, cur: cur, makeNew: batch[0].Make}
	if cur == nil {
		w.read(ctx)
	} else {
		w.checkApp()
	}
	for !w.done {
		w.try(ctx)
	}
	return w.left
}

// flushing is a flush that is under way.
type flushing struct {
	r       *Records
	id      driver.ID
	batch   []*Change // those without a result yet
	makeNew func() *driver.Record
	now     time.Time

	cur      *driver.Record // the newest state that is known
	justRead bool           // cur was read by this flush, after its changes were asked for

	overtaken bool // a write lost against another's

	// open are the attempts that were neither refused for certain nor confirmed to have
	// failed: each may have happened, or happen yet. A certain answer rules out its own
	// attempt alone.
	open []attempt

	trouble    trouble
	unanswered int // writes that weren't answered

	done bool
	left *driver.Record // the state left, once done; nil: not known
}

// read begins with the state that the store has.
func (w *flushing) read(ctx context.Context) {
	rec, err := w.r.store.Get(ctx, w.id)
	switch {
	case err == nil:
		w.cur, w.justRead = rec, true
	case driver.IsNotFound(err) && w.makeNew != nil:
		w.cur = w.makeNew()
	case driver.IsNotFound(err), driver.IsGone(rec, err):
		w.fail(errGone(w.id))
		return
	default:
		w.fail(readError(w.id, err))
		return
	}
	w.checkApp()
	w.passTime()
}

// checkApp refuses a record of another app.
func (w *flushing) checkApp() {
	if w.cur.App != w.r.app {
		w.fail(fmt.Errorf("cloakroom: %v belongs to another app: %w", w.id, driver.ErrGone))
	}
}

// passTime reads the clock again, unless the flush is done.
func (w *flushing) passTime() {
	if !w.done {
		w.now = w.r.clock.Now()
	}
}

// try goes through the phases of a write once. It ends the flush, or leaves what it has
// learned to the next try.
func (w *flushing) try(ctx context.Context) {
	defer w.passTime()
	// An idle session is ended first, and its changes find it gone.
	over, err := w.r.endIfOver(ctx, w.cur, w.now, w.batch)
	if over {
		w.expire()
		return
	}
	if err != nil {
		w.learn(ctx, err)
		return
	}
	// The changes are made on the newest state that is known.
	next, refuses := w.merge()
	if len(w.batch) == 0 {
		w.end(w.cur)
		return
	}
	if refuses {
		w.disprove(ctx)
		return
	}
	// A state without a change need not be written.
	if w.skip(ctx, next) {
		return
	}
	// The state is written at the version that it was made on.
	w.write(ctx, next)
}

// expire fails all changes, since the session is over. Past the deadline nothing was
// buried, so an earlier attempt is still unconfirmed.
func (w *flushing) expire() {
	if len(w.open) > 0 && !w.now.Before(w.cur.Deadline) {
		w.fail(errUnknown(w.id, nil))
		return
	}
	w.fail(fmt.Errorf("cloakroom: %v has expired: %w", w.id, driver.ErrGone))
}

// skip spares a write that would leave the values as they are, and reports whether this
// try is over. While an earlier attempt is unresolved no write is spared: the attempt may
// happen yet.
func (w *flushing) skip(ctx context.Context, next *driver.Record) bool {
	if len(w.open) > 0 || !w.r.skippable(w.cur, next, w.batch) {
		return false
	}
	if w.justRead || allFresh(w.batch) {
		for _, c := range w.batch {
			c.Skipped = true
		}
		w.succeed(w.cur)
		return true
	}
	// Others may have changed the record since it was read, so it is read again. If that
	// fails, the write is made.
	rec, err := w.r.store.Get(ctx, w.id)
	if err != nil {
		return false
	}
	w.cur, w.justRead = rec, true
	return true
}

// write sends the next state, and acts on the answer.
func (w *flushing) write(ctx context.Context, next *driver.Record) {
	writeID := driver.NewWriteID()
	next.Writes++
	next.WriteIDs = driver.PushWriteID(w.cur.WriteIDs, writeID)
	saved, err := w.r.send(ctx, next)
	switch {
	case err == nil:
		w.written(saved)
	case refused(err) && len(w.open) > 0:
		w.disprove(ctx)
	case isUnfit(err) && len(w.batch) > 1: // one by one, the invalid change fails alone
		left := w.cur
		for _, c := range w.batch {
			left = w.r.flush(w.id, left, []*Change{c}, w.now, time.Now())
		}
		w.end(left)
	case refused(err):
		w.refuse(errRefused(w.id, err))
	default:
		if !w.r.certain(err) {
			w.open = append(w.open, attempt{id: writeID, base: w.cur.Writes, answered: answered(err)})
			keepOutcomes(w.batch, writeID)
		}
		w.learn(ctx, err)
	}
}

// disprove goes on after a refusal while an earlier attempt is unresolved. Whatever a
// read shows, that attempt may have happened, until the record has been written once
// more.
func (w *flushing) disprove(ctx context.Context) {
	confirmed, err := w.r.confirm(ctx, w.cur)
	switch {
	case err == nil:
		w.cur, w.open = confirmed, nil
	case refused(err):
		w.refuse(errUnknown(w.id, err))
	default:
		w.learn(ctx, err)
	}
}

// learn resolves the open attempts after a write that failed with cause, and goes on with
// the state that is there now.
func (w *flushing) learn(ctx context.Context, cause error) {
	cause = w.trouble.with(cause)
	l := w.r.learnOutcome(ctx, w.cur, w.open, cause, w.unanswered)
	if !answered(cause) {
		w.unanswered++
	}
	switch {
	case l.verdict == verdictApplied:
		settleOutcomes(w.batch, l.attempts[0].id)
		w.written(l.rec) // nil if it was ended since
		return
	case l.verdict == verdictUnknown && len(w.open) == 0:
		w.fail(errUnread(w.id, cause))
		return
	case l.verdict == verdictUnknown && l.state == stateGrave: // over, but perhaps after our write
		w.fail(fmt.Errorf("%w: %w", errUnknown(w.id, nil), driver.ErrGone))
		return
	case l.verdict == verdictUnknown:
		w.fail(errUnknown(w.id, cause))
		return
	case l.state == stateGrave, l.state == stateMissing && w.makeNew == nil:
		w.fail(errGone(w.id))
		return
	}
	w.cur, w.open, w.justRead = l.rec, l.attempts, l.state == stateLive
	w.overtaken = w.overtaken || w.justRead && answered(cause)
	if l.state == stateMissing {
		w.cur = w.makeNew()
	}
}

// The ways in which a flush ends.

// written is succeed for a state that was written, and not only found.
func (w *flushing) written(rec *driver.Record) {
	w.r.merges.wrote(len(w.batch), w.overtaken)
	w.succeed(rec)
}

// succeed gives each change the state in which the record was left.
func (w *flushing) succeed(rec *driver.Record) { w.tell(rec, nil); w.end(rec) }

// fail gives each change an error after which the record's state isn't known.
func (w *flushing) fail(err error) { w.tell(nil, err); w.end(nil) }

// refuse gives each change an error that leaves the record as it was.
func (w *flushing) refuse(err error) { w.tell(nil, err); w.end(w.cur) }

// tell gives each change that has no result yet this one.
func (w *flushing) tell(rec *driver.Record, err error) {
	for _, c := range w.batch {
		c.AsOf = MomentOf(w.now)
		c.finish(rec, err)
	}
}

// end ends the flush with the state that it left, nil if that isn't known.
func (w *flushing) end(left *driver.Record) { w.done, w.left = true, left }

// keepOutcomes keeps the outcome of each change's last run beside the write id of its
// attempt, since the attempt may turn out to have happened.
func keepOutcomes(batch []*Change, id driver.WriteID) {
	for _, c := range batch {
		if c.Outcome != nil {
			c.unsure = append(c.unsure, unsureOutcome{id, c.Outcome})
		}
	}
}

// settleOutcomes sets each change's outcome to that of the run whose write happened.
// Later runs may rest on the state that an isolated node showed.
func settleOutcomes(batch []*Change, id driver.WriteID) {
	for _, c := range batch {
		for _, u := range c.unsure {
			if u.id == id {
				c.Outcome = u.outcome
			}
		}
	}
}

// skippable reports whether a batch need not be written: each change allows it, the
// values stay as they are, and the store vouches for its reads.
func (r *Records) skippable(cur, next *driver.Record, batch []*Change) bool {
	return r.vouch.Reads && !cur.Version.IsZero() &&
		!slices.ContainsFunc(batch, func(c *Change) bool { return !c.MaySkip }) &&
		equalValues(cur.Values, next.Values)
}

// allFresh reports whether each change of a batch was asked for before its base was read.
// The state that they meet is their base, or newer.
func allFresh(batch []*Change) bool {
	return !slices.ContainsFunc(batch, func(c *Change) bool { return !c.Fresh })
}

// merge applies the batch's changes to the record, one on top of the other. It finishes
// those that refuse, that are needless and that are abandoned, and takes them out of the
// batch.
//
// A change that is refused on top of changes not yet written goes back to the queue: if
// those fail, the refusal was wrong. While an earlier attempt is unresolved no change may
// be refused. merge reports that one would be, and the caller confirms the record first.
func (w *flushing) merge() (next *driver.Record, refuses bool) {
	w.dropAbandoned()
	next = new(driver.Record)
	*next = *w.cur
	merged := w.batch[:0]
	var again []*Change
	for i, c := range w.batch {
		before := *next
		err := c.Apply(next, w.now, len(merged) == 0)
		if err == nil {
			if !c.carries {
				keepCarried(&before, next)
			}
			merged = append(merged, c)
			continue
		}
		*next = before
		switch {
		case errors.Is(err, ErrNeedless):
			c.finish(nil, nil)
		case len(w.open) > 0:
			w.batch = append(merged, w.batch[i:]...)
			return nil, true
		case len(merged) > 0:
			again = append(again, c)
		default:
			c.finish(nil, err)
		}
	}
	w.batch = merged
	w.r.putBack(w.id, again)
	return next, false
}

// dropAbandoned takes out the changes whose waiters have gone.
func (w *flushing) dropAbandoned() {
	w.batch = slices.DeleteFunc(w.batch, func(c *Change) bool {
		gone := w.r.isAbandoned(c)
		if gone {
			c.finish(nil, nil)
		}
		return gone
	})
}

// send writes a record at its version, or creates it if it has none. It returns next
// itself, with its new version.
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
