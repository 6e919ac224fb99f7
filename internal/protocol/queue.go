package protocol

import (
	"context"
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/timeout"
)

// This file is the queue of a record: changes of one process wait in it, and are written
// as one.

// Queue holds the changes of one record that wait in this process, and the newest state
// of the record that the process knows. One goroutine at a time works it off. It lasts
// while there are changes of the record, or requests that hold it open. Give a zero Queue
// to Records.Hold.
type Queue struct {
	waiting []*Change
	running bool
	holders int32 // requests that hold the session open

	newest *driver.Record // as the last flush left it; nil: not known
	asOf   Moment
}

const (
	// staleAfter is the age beyond which a state is read again before it is written over.
	// A write over a state that is many writes old meets a conflict, and by then nobody
	// can tell whether it happened (invariant 13).
	staleAfter = time.Second

	// maxWaiting is the most changes that wait in a queue.
	maxWaiting = 10_000
)

// Change is one waiter's part of a write by compare-and-set.
type Change struct {
	Base *driver.Record // the record as the waiter read it; nil: it is read first
	AsOf Moment         // when Base was read; after Records.Change, the time of the state that it returned

	// Apply makes the change on next. It may set the fields of next, but must not change
	// what they point to. It may run more than once, in any goroutine. now is the time of
	// this run. untouched says that next is as the store keeps it at next.Version,
	// without changes of others. An error refuses the change, and ErrNeedless gives it
	// up.
	Apply func(next *driver.Record, now time.Time, untouched bool) error

	// Make makes the record where there is none. All changes of a record have the same.
	// nil: a missing record is driver.ErrGone.
	Make func() *driver.Record

	// Seen is when the visitor who makes the change arrived, and found the session live;
	// 0: it is no visitor's. Apply sets Record.Seen to that or later.
	Seen Moment

	// MaySkip says that nothing need be written if the change leaves the values as they
	// are. That takes a state that the store certainly had after the change was asked
	// for: the store vouches for its reads (driver.Assurances), and the state was read
	// since. Fresh says that this holds for Base, and so for any later state.
	MaySkip, Fresh bool

	// carries says that the change is the sign-in's own, which carries values into its
	// session.
	carries bool

	// Skipped is set if nothing was written, as MaySkip allows.
	Skipped bool

	// Outcome is a result that Apply may leave. After Records.Change it is that of the
	// run whose write happened, which need not be the last run.
	Outcome any
	unsure  []unsureOutcome

	abandoned bool          // the waiter has gone; guarded by Records.mu
	done      chan struct{} // nil if the waiter carries it out itself, or doesn't wait
	rec       *driver.Record
	err       error

	// The memory that a flush takes is here, so that all is allocated in one piece.
	flight timeout.Context
	alone  [1]*Change // a batch of itself
}

// unsureOutcome is the outcome of a run whose write was sent and has no certain answer.
type unsureOutcome struct {
	id      driver.WriteID
	outcome any
}

func (c *Change) finish(rec *driver.Record, err error) {
	c.rec, c.err = rec, err
	if c.done != nil {
		close(c.done)
	}
}

// Hold keeps the queue of a session until Release, so that a request writes over the
// state that others of this process left meanwhile. It returns the session's queue. If
// there is none, fresh, a zero one, becomes it. The caller has to call Release at the end
// of the request. Hold and Release cost no store operation.
func (r *Records) Hold(id driver.ID, fresh *Queue) *Queue {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := r.queues[id]
	if q == nil {
		q = fresh
		r.queues[id] = q
	}
	q.holders++
	return q
}

// Release ends a Hold.
func (r *Records) Release(id driver.ID, q *Queue) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q.holders--
	r.drop(id, q)
}

// queue returns a record's queue, with mu held.
func (r *Records) queue(id driver.ID) *Queue {
	q := r.queues[id]
	if q == nil {
		q = new(Queue)
		r.queues[id] = q
	}
	return q
}

// drop forgets a queue that is at rest and not held, with mu held.
func (r *Records) drop(id driver.ID, q *Queue) {
	if !q.running && q.holders == 0 {
		delete(r.queues, id)
	}
}

// Change carries a change out and waits for it, even if the caller's request ends: at
// most Options.Timeout, or twice that behind a change in flight. It returns the record as
// it was written, perhaps with others' changes. It returns nil if the record was written,
// and has ended since.
//
// Changes of one record that come together are written as one (invariant 3). Each is
// refused or written by itself. A refusal rests on an acknowledged state, never on
// another's change that isn't written yet (invariant 13). An idle session is ended first,
// and the change fails with driver.ErrGone (invariants 2 and 11), unless Change.Seen
// shows that the session isn't idle.
//
// Errors: that of Apply, where it refused. driver.ErrGone: the session has ended, or is
// another app's; with driver.ErrUnknown beside it, the session has ended, perhaps after
// the change. driver.ErrOverloaded: nothing was written.
func (r *Records) Change(id driver.ID, c *Change) (*driver.Record, error) {
	if err := r.load.admit(true); err != nil {
		return nil, err
	}
	defer r.load.leave()
	r.mu.Lock()
	q, err := r.enter(id)
	if err != nil {
		r.mu.Unlock()
		return nil, err
	}
	if r.wake(q) {
		newest, asOf := q.newest, q.asOf
		r.mu.Unlock()
		r.writeFirst(id, q, c, newest, asOf)
		return c.rec, c.err
	}
	c.done = make(chan struct{})
	q.waiting = append(q.waiting, c)
	r.mu.Unlock()
	// A change waits behind one that is in flight, so at most twice the time.
	timer := time.NewTimer(2 * r.o.Timeout)
	defer timer.Stop()
	select {
	case <-c.done:
		return c.rec, c.err
	case <-timer.C:
	}
	r.mu.Lock()
	c.abandoned = true
	r.mu.Unlock()
	return nil, errUnknown(id, context.DeadlineExceeded)
}

// ChangeLater puts a change that nobody waits for into its record's queue, and
// returns at once. Close waits for it.
//
// Errors: driver.ErrOverloaded, the queue is full; driver.ErrClosed.
func (r *Records) ChangeLater(id driver.ID, c *Change) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	q, err := r.enter(id)
	if err != nil {
		return err
	}
	q.waiting = append(q.waiting, c)
	if r.wake(q) {
		go r.drain(id, q)
	}
	return nil
}

// enter returns a record's queue for one more change, with mu held.
func (r *Records) enter(id driver.ID) (*Queue, error) {
	if r.closed {
		return nil, errClosed()
	}
	q := r.queue(id)
	if len(q.waiting) >= maxWaiting {
		return nil, fmt.Errorf("cloakroom: %d saves of %v are waiting: %w: %w", maxWaiting, id, driver.ErrOverloaded, driver.ErrUnavailable)
	}
	return q, nil
}

// wake reports whether the queue was at rest, so that the caller has to see to its work
// now. mu is held.
func (r *Records) wake(q *Queue) bool {
	if q.running {
		return false
	}
	q.running = true
	r.work.Add(1)
	return true
}

// rest ends the work on a queue if nothing waits in it, and reports whether it did. mu is
// held.
func (r *Records) rest(id driver.ID, q *Queue) bool {
	if len(q.waiting) > 0 {
		return false
	}
	q.running = false
	r.drop(id, q)
	r.work.Done()
	return true
}

// writeFirst carries out the first change of a queue that was at rest, in the goroutine
// of its waiter. To hand it to another and to wait would cost more than a write to
// memory. Changes that came meanwhile are left to another.
func (r *Records) writeFirst(id driver.ID, q *Queue, c *Change, newest *driver.Record, asOf Moment) {
	var latest *driver.Record
	defer func() { // also if a store or a hook panics, which net/http survives
		r.mu.Lock()
		defer r.mu.Unlock()
		q.newest, q.asOf = latest, asOf
		if !r.rest(id, q) {
			go r.drain(id, q)
		}
	}()
	c.alone[0] = c
	latest, asOf = r.writeBatch(id, c.alone[:], newest, asOf)
}

// drain works a queue off.
func (r *Records) drain(id driver.ID, q *Queue) {
	for {
		r.mu.Lock()
		if r.rest(id, q) {
			r.mu.Unlock()
			return
		}
		batch, newest, asOf := q.waiting, q.newest, q.asOf
		q.waiting = nil
		r.mu.Unlock()
		newest, asOf = r.writeGuarded(id, batch, newest, asOf)
		r.mu.Lock()
		q.newest, q.asOf = newest, asOf
		r.mu.Unlock()
	}
}

// writeBatch writes a batch of a queue over the newest state that is known: that of the
// queue, as of asOf, or a change's base. It returns the newest state afterwards.
func (r *Records) writeBatch(id driver.ID, batch []*Change, newest *driver.Record, asOf Moment) (*driver.Record, Moment) {
	for _, c := range batch {
		switch {
		case c.Base == nil:
		case newest == nil, c.Base.Writes > newest.Writes:
			newest, asOf = c.Base, c.AsOf
		case c.Base.Version == newest.Version:
			asOf = max(asOf, c.AsOf) // it was read again
		}
	}
	began, actual := r.clock.Both()
	if asOf.since(began) > staleAfter {
		newest = nil
	}
	latest := r.flush(id, newest, batch, began, actual)
	if latest != newest {
		asOf = MomentOf(began)
	}
	return latest, asOf
}

// putBack puts changes that have no result yet back into their queue, before those that
// came since. Only the goroutine that works the queue off may call it.
func (r *Records) putBack(id driver.ID, changes []*Change) {
	if len(changes) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	q := r.queue(id)
	q.waiting = append(changes, q.waiting...)
}

// refuseWaiting ends the changes that wait in a record's queue with an error. Those
// in flight aren't touched.
func (r *Records) refuseWaiting(id driver.ID, err error) {
	r.mu.Lock()
	var waiting []*Change
	if q := r.queues[id]; q != nil {
		waiting, q.waiting, q.newest = q.waiting, nil, nil
	}
	r.mu.Unlock()
	for _, c := range waiting {
		c.finish(nil, err)
	}
}

// isAbandoned reports whether nobody waits for a change any more.
func (r *Records) isAbandoned(c *Change) bool {
	if c.done == nil { // its waiter carries it out, or nobody ever waited
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return c.abandoned
}
