package cloakroom

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/timeout"
)

// writer makes all writes to a store. Every checked write goes through flush,
// the one loop that reads, changes, writes at the version read, and resolves
// conflicts and lost answers.
//
// Changes of one record inside this process never fight: while one is in
// flight, later ones queue in the record's line and go out merged, as one
// write.
type writer struct {
	store   Store
	keeper  driver.OwnedUpdater // the store, if it is one
	app     string
	clock   clock
	timeout time.Duration // Config.SaveTimeout
	idle    time.Duration // Config.IdleTimeout; what a record says counts as well
	events  *Events
	ops     admission

	mu     sync.Mutex
	lines  map[ID]*line // with what is in them
	closed bool
	work   sync.WaitGroup // the lines' goroutines, and what begin began
}

func newWriter(store Store, app string, c clock, timeout, idle time.Duration, events *Events) *writer {
	keeper, _ := store.(driver.OwnedUpdater)
	return &writer{store: store, keeper: keeper, app: app, clock: c, timeout: timeout, idle: idle, events: events, lines: make(map[ID]*line), ops: admission{since: time.Now()}}
}

func (w *writer) now() time.Time { return w.clock.now() }

// close refuses further changes and waits for those accepted.
func (w *writer) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.work.Wait()
}

// line is what this process knows of one record while it has changes of it, or
// requests that hold it open: a queue, worked off by one goroutine at a time
// while there is something in it, and the newest state.
type line struct {
	waiting []*change
	running bool
	holders int32 // requests that hold the session open

	newest *driver.Record // as the last flush left it; nil if that isn't known
	asOf   moment
}

// staleAfter is how old what is known of a record may be to be written over
// without reading it again. A write over a state that is many writes old meets a
// conflict, and by then nobody can tell whether it happened (invariant 13).
const staleAfter = time.Second

// maxWaiting bounds a line's queue.
const maxWaiting = 10_000

// hold keeps the line of a session, so that a request writes over what others
// of this process wrote meanwhile. If there is none it becomes fresh, a zero one.
func (w *writer) hold(id ID, fresh *line) *line {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.lines[id]
	if l == nil {
		l = fresh
		w.lines[id] = l
	}
	l.holders++
	return l
}

// release ends a hold.
func (w *writer) release(id ID, l *line) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l.holders--
	w.drop(id, l)
}

// line returns a record's line, with mu held.
func (w *writer) line(id ID) *line {
	l := w.lines[id]
	if l == nil {
		l = new(line)
		w.lines[id] = l
	}
	return l
}

// drop forgets a line that nothing needs any more, with mu held.
func (w *writer) drop(id ID, l *line) {
	if !l.running && l.holders == 0 {
		delete(w.lines, id)
	}
}

// change is one waiter's part of a checked write.
type change struct {
	base *driver.Record // what the waiter read; nil: read first
	asOf moment         // when it did; at the end, of rec
	// apply makes the change on next, whose fields it may set but not mutate
	// what they point to. It may run more than once. It is now; untouched says
	// that next is what the store keeps at next.Version, without changes of
	// others. An error refuses the change.
	apply func(next *driver.Record, now time.Time, untouched bool) error
	// begin makes the record that is changed where there is none; all changes
	// of a record have the same. nil: a missing record is ErrGone.
	begin func() *driver.Record
	// yields gives the change up, as done, once it meets a conflict.
	yields bool

	left bool          // the waiter has gone; guarded by writer.mu
	done chan struct{} // nil if the waiter carries it out itself, or doesn't wait
	rec  *driver.Record
	err  error

	// What carrying it out takes is here, so that it is allocated in one piece.
	flight timeout.Context
	alone  [1]*change // a batch of itself
}

func (c *change) finish(rec *driver.Record, err error) {
	c.rec, c.err = rec, err
	if c.done != nil {
		close(c.done)
	}
}

// errUnknown is the error of a write whose outcome could not be learned.
func errUnknown(id ID, cause error) error {
	err := fmt.Errorf("cloakroom: %v: %w: %w", id, ErrUnknown, ErrUnavailable)
	switch {
	case cause == nil:
		return err
	case answered(cause): // what the store said is no proof, and would mislead
		return fmt.Errorf("%w: %v", err, cause) //nolint:errorlint // not to be told by errors.Is
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// begin starts what is carried through even if the client hangs up, for as long
// as SaveTimeout, and what close waits for. done has to be called at its end.
func (w *writer) begin(ctx context.Context) (bound context.Context, done func(), err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil, nil, errClosed()
	}
	w.work.Add(1)
	bound, cancel := w.bound(ctx)
	return bound, func() { cancel(); w.work.Done() }, nil
}

// bound returns the context of something to be carried through.
func (w *writer) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), w.timeout)
}

func errClosed() error { return fmt.Errorf("cloakroom: manager: %w", ErrClosed) }

// do carries a change out and waits for it, for as long as SaveTimeout, whatever
// becomes of the caller's request. It returns the record as it was written,
// perhaps with others' changes.
func (w *writer) do(id ID, c *change) (*driver.Record, error) {
	if err := w.ops.admit(true); err != nil {
		return nil, err
	}
	defer w.ops.leave()
	w.mu.Lock()
	l, err := w.open(id)
	if err != nil {
		w.mu.Unlock()
		return nil, err
	}
	if w.start(l) {
		newest, asOf := l.newest, l.asOf
		w.mu.Unlock()
		w.lead(id, l, c, newest, asOf)
		return c.rec, c.err
	}
	c.done = make(chan struct{})
	l.waiting = append(l.waiting, c)
	w.mu.Unlock()
	// A change waits behind one that is in flight: at most twice the time.
	timer := time.NewTimer(2 * w.timeout)
	defer timer.Stop()
	select {
	case <-c.done:
		return c.rec, c.err
	case <-timer.C:
	}
	w.mu.Lock()
	c.left = true
	w.mu.Unlock()
	return nil, errUnknown(id, context.DeadlineExceeded)
}

// enqueue puts a change that nobody waits for into its record's line.
func (w *writer) enqueue(id ID, c *change) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	l, err := w.open(id)
	if err != nil {
		return err
	}
	l.waiting = append(l.waiting, c)
	if w.start(l) {
		go w.run(id, l)
	}
	return nil
}

// open returns a record's line for one more change, with mu held.
func (w *writer) open(id ID) (*line, error) {
	if w.closed {
		return nil, errClosed()
	}
	l := w.line(id)
	if len(l.waiting) >= maxWaiting {
		return nil, fmt.Errorf("cloakroom: %d saves of %v are waiting: %w: %w", maxWaiting, id, ErrOverloaded, ErrUnavailable)
	}
	return l, nil
}

// start reports whether nobody worked the line off, with mu held: the caller has
// to see to it now.
func (w *writer) start(l *line) bool {
	if l.running {
		return false
	}
	l.running = true
	w.work.Add(1)
	return true
}

// putBack puts changes that a flush left alone before those that came since. It
// is for the goroutine of their line.
func (w *writer) putBack(id ID, changes []*change) {
	if len(changes) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.line(id)
	l.waiting = append(changes, l.waiting...)
}

// lead carries out the first change of a line that was at rest, in the
// goroutine of its waiter: to hand it to another and to wait would cost more
// than a write to memory. What has come meanwhile is left to another.
func (w *writer) lead(id ID, l *line, c *change, newest *driver.Record, asOf moment) {
	var left *driver.Record
	defer func() { // also if a store or a hook panics, which net/http survives
		w.mu.Lock()
		defer w.mu.Unlock()
		l.newest, l.asOf = left, asOf
		if !w.rest(id, l) {
			go w.run(id, l)
		}
	}()
	c.alone[0] = c
	left, asOf = w.write(id, c.alone[:], newest, asOf)
}

// run works a line off.
func (w *writer) run(id ID, l *line) {
	for {
		w.mu.Lock()
		if w.rest(id, l) {
			w.mu.Unlock()
			return
		}
		batch, newest, asOf := l.waiting, l.newest, l.asOf
		l.waiting = nil
		w.mu.Unlock()
		newest, asOf = w.write(id, batch, newest, asOf)
		w.mu.Lock()
		l.newest, l.asOf = newest, asOf
		w.mu.Unlock()
	}
}

// rest ends the work on a line, and reports that, if nothing waits in it; with
// mu held.
func (w *writer) rest(id ID, l *line) bool {
	if len(l.waiting) > 0 {
		return false
	}
	l.running = false
	w.drop(id, l)
	w.work.Done()
	return true
}

// write writes a batch of a line over the newest state that its line knows, as of
// some time, and returns what is known then.
func (w *writer) write(id ID, batch []*change, newest *driver.Record, asOf moment) (*driver.Record, moment) {
	for _, c := range batch {
		switch {
		case c.base == nil:
		case newest == nil, c.base.Writes > newest.Writes:
			newest, asOf = c.base, c.asOf
		case c.base.Version == newest.Version:
			asOf = max(asOf, c.asOf) // it was read again
		}
	}
	began, actual := w.clock.both()
	if asOf.since(began) > staleAfter {
		newest = nil
	}
	left := w.flush(id, newest, batch, began, actual)
	if left != newest {
		asOf = momentOf(began)
	}
	return left, asOf
}

// fail ends all that waits in a record's line; what is in flight isn't touched.
func (w *writer) fail(id ID, err error) {
	w.mu.Lock()
	var waiting []*change
	if l := w.lines[id]; l != nil {
		waiting, l.waiting, l.newest = l.waiting, nil, nil
	}
	w.mu.Unlock()
	for _, c := range waiting {
		c.finish(nil, err)
	}
}
