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
	since           time.Time
	d               time.Duration

	mu    sync.Mutex
	ended bool
	timed *timer // nil: nobody has asked for it
}

// timer is the same context with a timer.
type timer struct {
	context.Context //nolint:containedctx // it is a context
	stop            context.CancelFunc
}

// begin makes a zero timeout one that runs for d since a time.
func (t *timeout) begin(parent context.Context, since time.Time, d time.Duration) {
	t.Context, t.since, t.d = parent, since, d
}

// end releases what the context holds, and whoever waits for it.
func (t *timeout) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	if t.timed != nil {
		t.timed.stop()
	}
}

// withTimer returns the same context with a timer.
func (t *timeout) withTimer() context.Context {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timed == nil {
		ctx, stop := context.WithDeadline(t.Context, t.since.Add(t.d))
		t.timed = &timer{ctx, stop}
		if t.ended {
			stop()
		}
	}
	return t.timed.Context
}

// lazily reports whether the context has no timer and has not ended by itself.
func (t *timeout) lazily() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.timed == nil && !t.ended && time.Since(t.since) < t.d
}

// Deadline implements context.Context.
func (t *timeout) Deadline() (time.Time, bool) {
	until := t.since.Add(t.d)
	if d, ok := t.Context.Deadline(); ok && d.Before(until) {
		return d, true
	}
	return until, true
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
