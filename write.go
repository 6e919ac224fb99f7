package cloakroom

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
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
	now     func() time.Time
	timeout time.Duration // Config.SaveTimeout
	idle    time.Duration // Config.IdleTimeout; what a record says counts as well

	mu     sync.Mutex
	lines  map[ID]*line
	closed bool
	work   sync.WaitGroup // the lines' goroutines
}

func newWriter(store Store, now func() time.Time, timeout, idle time.Duration) *writer {
	return &writer{store: store, now: now, timeout: timeout, idle: idle, lines: make(map[ID]*line)}
}

// close refuses further changes and waits for those accepted.
func (w *writer) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.work.Wait()
}

// line is the queue of one record. It exists, with a goroutine that works it
// off, while there are changes.
type line struct{ waiting []*change }

// change is one waiter's part of a checked write.
type change struct {
	base *Record // what the waiter read; nil: read first
	// apply makes the change on next, whose fields it may set but not mutate
	// what they point to. It may run more than once. untouched says that next
	// is what the store keeps at next.Version, without changes of others. An
	// error refuses the change.
	apply func(next *Record, untouched bool) error
	// begin makes the record that is changed where there is none; all changes
	// of a record have the same. nil: a missing record is ErrGone.
	begin func() *Record
	// yields gives the change up, as done, once it meets a conflict.
	yields bool

	left bool // the waiter has gone; guarded by writer.mu
	done chan struct{}
	rec  *Record
	err  error
}

func (c *change) finish(rec *Record, err error) {
	c.rec, c.err = rec, err
	close(c.done)
}

// errUnknown is the error of a write whose outcome could not be learned.
func errUnknown(id ID, cause error) error {
	err := fmt.Errorf("cloakroom: %v: %w: %w", id, ErrUnknown, ErrUnavailable)
	if cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	return err
}

// bound returns a context for what is carried through even if the client hangs
// up, for as long as SaveTimeout.
func (w *writer) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), w.timeout)
}

// do carries a change out and waits for it, for as long as SaveTimeout, whatever
// becomes of the caller's request. It returns the record as it was written,
// perhaps with others' changes.
func (w *writer) do(id ID, c *change) (*Record, error) {
	if err := w.enqueue(id, c); err != nil {
		return nil, err
	}
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

// enqueue puts a change into its record's line and starts the line's goroutine
// if it has none.
func (w *writer) enqueue(id ID, c *change) error {
	c.done = make(chan struct{})
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return fmt.Errorf("cloakroom: manager: %w", ErrClosed)
	}
	l := w.lines[id]
	if l == nil {
		l = new(line)
		w.lines[id] = l
		w.work.Add(1)
		go w.run(id, l)
	}
	l.waiting = append(l.waiting, c)
	return nil
}

// run works a line off.
func (w *writer) run(id ID, l *line) {
	defer w.work.Done()
	var last *Record // as the previous flush left it
	for {
		w.mu.Lock()
		batch := l.waiting
		l.waiting = nil
		if len(batch) == 0 {
			delete(w.lines, id)
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		for _, c := range batch {
			if c.base != nil && (last == nil || c.base.Writes > last.Writes) {
				last = c.base
			}
		}
		last = w.flush(id, last, batch)
	}
}

// fail ends all that waits in a record's line; what is in flight isn't touched.
func (w *writer) fail(id ID, err error) {
	w.mu.Lock()
	var waiting []*change
	if l := w.lines[id]; l != nil {
		waiting, l.waiting = l.waiting, nil
	}
	w.mu.Unlock()
	for _, c := range waiting {
		c.finish(nil, err)
	}
}
