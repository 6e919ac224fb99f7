package cloakroom

import (
	"context"
	"sync"
	"time"
)

// timeout is a context that ends with its parent, after a time, or at end. It
// does what that of context.WithTimeout does, but makes no timer until somebody
// asks for Done, which stores in memory never do: a timer costs more than such a
// store's whole read. It must not be copied.
type timeout struct {
	context.Context //nolint:containedctx // it is a context
	until           time.Time

	mu    sync.Mutex
	ended bool
	timed context.Context //nolint:containedctx // the same with a timer; nil: nobody has asked
	stop  context.CancelFunc
}

// begin makes a zero timeout one that runs for d since a time.
func (t *timeout) begin(parent context.Context, since time.Time, d time.Duration) {
	t.Context, t.until = parent, since.Add(d)
}

// end releases what the context holds, and whoever waits for it.
func (t *timeout) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	if t.timed != nil {
		t.stop()
	}
}

// withTimer returns the same context with a timer.
func (t *timeout) withTimer() context.Context {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timed == nil {
		t.timed, t.stop = context.WithDeadline(t.Context, t.until)
		if t.ended {
			t.stop()
		}
	}
	return t.timed
}

// lazily reports whether the context has no timer and has not ended by itself.
func (t *timeout) lazily() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.timed == nil && !t.ended && time.Until(t.until) > 0
}

// Deadline implements context.Context.
func (t *timeout) Deadline() (time.Time, bool) {
	if d, ok := t.Context.Deadline(); ok && d.Before(t.until) {
		return d, true
	}
	return t.until, true
}

// Done implements context.Context.
func (t *timeout) Done() <-chan struct{} { return t.withTimer().Done() }

// Err implements context.Context.
func (t *timeout) Err() error {
	if t.lazily() {
		return t.Context.Err()
	}
	return t.withTimer().Err()
}

// Value implements context.Context. Once there is a timer it asks that context,
// in which package context finds its own.
func (t *timeout) Value(key any) any {
	if t.lazily() {
		return t.Context.Value(key)
	}
	return t.withTimer().Value(key)
}
