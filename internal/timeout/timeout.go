// Package timeout bounds operations in time. It makes a timer only if somebody waits,
// and then one that many share.
package timeout

import (
	"context"
	"sync"
	"time"
)

// This file is Context.

// Context is a context that ends with its parent, at a time, or by End. It behaves as
// that of context.WithDeadline, but makes no timer and no channel until somebody asks
// for Done. Stores in memory never ask: a timer costs more than their whole read. A
// batcher doesn't either, since a Context is a batch.Bounded.
//
// The zero Context has not begun. It must not be copied. After Begin its methods may be
// called from any number of goroutines at once.
type Context struct {
	context.Context //nolint:containedctx // it is a context; nil: not begun
	end             time.Time
	alarms          *Alarms

	mu    sync.Mutex
	ended bool
	timed *timer // nil until somebody asks for it
}

// timer is the same context with a timer.
type timer struct {
	context.Context //nolint:containedctx // it is a context
	stop            context.CancelFunc
}

// Begin makes a zero Context one that runs until end. Ends uses alarms; if they are nil,
// it uses a timer of the Context's own.
func (c *Context) Begin(parent context.Context, end time.Time, alarms *Alarms) {
	c.Context, c.end, c.alarms = parent, end, alarms
}

// End releases the context's resources, and wakes those that wait for Done. It may be
// called more than once.
func (c *Context) End() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.timed != nil {
		c.timed.stop()
	}
}

// withTimer returns the same context with a timer.
func (c *Context) withTimer() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timed == nil {
		ctx, stop := context.WithDeadline(c.Context, c.end)
		c.timed = &timer{ctx, stop}
		if c.ended {
			stop()
		}
	}
	return c.timed.Context
}

// lazily reports whether the context has no timer and has not ended by itself.
func (c *Context) lazily() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.timed == nil && !c.ended && time.Until(c.end) > 0
}

// Ends implements batch.Bounded. The first channel is closed when the parent ends. The
// second is closed when the time is over, or up to a step of the alarms later. End
// closes neither, nor does a parent's End: it is called when nobody waits any more.
//
// A parent that is a Context too isn't asked for its Done, so it makes no timer. Its own
// parent's channel, and the earlier of the two times, stand in for it.
func (c *Context) Ends() (done, late <-chan struct{}) {
	if c.alarms == nil {
		return c.Done(), nil
	}
	end, parent := c.end, c.Context
	for p, ok := parent.(*Context); ok; p, ok = parent.(*Context) {
		parent = p.Context
		if p.end.Before(end) {
			end = p.end
		}
	}
	return parent.Done(), c.alarms.at(end)
}

// Deadline implements context.Context.
func (c *Context) Deadline() (time.Time, bool) {
	if d, ok := c.Context.Deadline(); ok && d.Before(c.end) {
		return d, true
	}
	return c.end, true
}

// Done implements context.Context.
func (c *Context) Done() <-chan struct{} { return c.withTimer().Done() }

// Err implements context.Context.
func (c *Context) Err() error {
	if c.lazily() {
		return c.Context.Err()
	}
	return c.withTimer().Err()
}

// Value implements context.Context. Once there is a timer it asks the context with the
// timer, in which package context finds its own.
func (c *Context) Value(key any) any {
	if c.lazily() {
		return c.Context.Value(key)
	}
	return c.withTimer().Value(key)
}
