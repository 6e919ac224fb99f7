// Package batch turns many concurrent single operations into few grouped
// ones, for engines whose cost per request or per sync to disk is far above
// their cost per item.
//
// A [Batcher] sends the first operation at once. Operations that arrive while flushes
// are in flight gather. The next flush takes its share of them, up to a limit of items
// and of bytes. No operation waits for more to come: an idle Batcher adds no latency,
// and a busy one fills its batches by itself. An idle Batcher has no goroutine.
//
// # The items of a flush
//
// An operation only ever joins a batch that has not been sent. [Batcher.Do] adds it to
// the queue of unsent operations, and a flush takes its items off that queue before it
// calls Config.Flush. So each operation is sent after the call of Do that asked for it.
// A read through Do sees everything that was complete in the engine before Do was
// called; it is never answered from a request that was already under way.
//
// # Order
//
// The queue is first in, first out: batches are cut from it in the order of arrival, and
// keep that order inside. With InFlight above 1 flushes run side by side, and nothing
// orders one against another. A caller that needs one operation to come after another
// waits for the first to return.
//
// # Certain and uncertain outcomes
//
// An error that matches [ErrNotSent] tells that the operation was never handed to Flush,
// so it had no effect. Any other error leaves the outcome open, unless Flush itself
// returned it for this item.
package batch

import (
	"context"
	"sync"
	"time"
)

// This file is Batcher: its configuration, and an operation's way from Do to its result.

// Result is the outcome of one item of a flush.
type Result[R any] struct {
	Value R     // returned by Do
	Err   error // returned by Do as it is; nil for success
}

// Config describes a [Batcher]. Only Flush is required. Limits that are zero or negative
// mean no limit, except for InFlight.
type Config[T, R any] struct {
	// Flush carries out items and returns one Result for each, in the same order. It is
	// called from up to InFlight goroutines at once. Its context is no caller's: it
	// carries no values, and ends only after FlushTimeout.
	//
	// Flush must return soon after its context ends, since nothing else bounds it. It
	// must not keep items after it has returned: the slice is used again. It must not
	// call Do or Close of the same Batcher, which may wait for this very flush.
	//
	// If Flush panics, ends its goroutine, or returns a wrong number of results, every
	// item of that flush gets an error, and the Batcher goes on with the next.
	Flush func(ctx context.Context, items []T) []Result[R]

	// Size returns the bytes that an item counts for MaxBytes and QueueBytes. It is
	// called once per item, from the goroutine that called Do. Negative results count as
	// 0. If Size is nil, every item counts as 0.
	Size func(item T) int

	// MaxItems and MaxBytes limit one flush. A single item above MaxBytes is
	// sent alone. Zero: no limit.
	MaxItems, MaxBytes int

	// QueueItems and QueueBytes bound the unsent items; Do refuses an item beyond with
	// ErrFull. Items already sent do not count. An item above QueueBytes is always
	// refused, with ErrTooLarge. Zero: no bound.
	QueueItems, QueueBytes int

	// InFlight is the number of flushes that may run at once. Zero: 1.
	InFlight int

	// FlushTimeout is the deadline of one flush, counted from its start. Zero:
	// none.
	FlushTimeout time.Duration
}

// Batcher groups operations into flushes. Make one with [New]. All methods may
// be called from any number of goroutines at once.
type Batcher[T, R any] struct {
	cfg   Config[T, R]
	calls sync.Pool // of *call[T, R], each with an empty done channel

	// flushers counts the running flusher goroutines. While the queue isn't empty there
	// is at least one. So after Close it cannot rise from zero.
	flushers sync.WaitGroup

	mu      sync.Mutex
	queue   queue[T, R] // unsent, in order of arrival
	closed  bool
	taker   bool            // a flusher is about to take a batch; at most one
	air     []*flight[T, R] // batches taken whose results aren't all handed out
	flying  int             // items of those batches
	last    int             // items of the batch that was taken last
	watched *time.Timer     // see watch; nil: not running
	spare   []*flight[T, R] // buffers for later flushers, at most InFlight
}

// New returns a Batcher. It starts no goroutine until there is work. It panics
// if c.Flush is nil.
func New[T, R any](c Config[T, R]) *Batcher[T, R] {
	if c.Flush == nil {
		panic("batch: Config.Flush is nil")
	}
	c.InFlight = max(c.InFlight, 1)
	return &Batcher[T, R]{cfg: c}
}

// Bounded is a context that ends when either of two channels is closed. It makes one
// channel of both only if asked for Done: that costs a timer for each operation, while
// contexts can share these two.
type Bounded interface {
	context.Context
	// Ends returns the two channels. Once one of them is closed, Err isn't nil.
	Ends() (done, late <-chan struct{})
}

// Ends returns the channels that tell the end of ctx: those of a [Bounded], and
// otherwise Done and nil.
func Ends(ctx context.Context) (done, late <-chan struct{}) {
	if e, ok := ctx.(Bounded); ok {
		return e.Ends()
	}
	return ctx.Done(), nil
}

// Do hands item to a flush and waits for its result. The value and error are
// those of its [Result], unless one of these comes first:
//
//   - ErrFull, ErrTooLarge or ErrClosed, at once, when the item was not accepted.
//   - The end of ctx. The error wraps ctx.Err() and the cause of ctx. If the
//     item had not been sent it never will be, and the error also matches
//     ErrNotSent. If it had been sent, the flush goes on undisturbed, and the
//     outcome is unknown.
//   - An error that all items of the flush share, because Flush panicked (a
//     [*PanicError]) or broke its contract. The outcome is unknown.
//
// If ctx is a [Bounded], Do asks for its Ends and not for its Done.
//
// A ctx that has already ended is never queued. A cause of ctx may itself match
// ErrNotSent, as the failure of another operation. Its text is part of the error, but it
// is not wrapped, so that it says nothing about this operation.
func (b *Batcher[T, R]) Do(ctx context.Context, item T) (R, error) {
	var zero R
	if ctx.Err() != nil {
		return zero, leaveError(ctx, false)
	}
	size := 0
	if b.cfg.Size != nil {
		size = max(b.cfg.Size(item), 0)
	}
	c := b.newCall(item, size)
	if err := b.enqueue(c); err != nil {
		b.recycle(c)
		return zero, err
	}
	done, late := Ends(ctx)
	select {
	case r := <-c.done:
		b.recycle(c)
		return r.Value, r.Err
	case <-done:
	case <-late:
	}
	if b.withdraw(c) {
		b.recycle(c)
		return zero, leaveError(ctx, false)
	}
	select {
	case r := <-c.done: // the result came just in time
		b.recycle(c)
		return r.Value, r.Err
	default:
		// The flusher still holds c and will send on its channel, so c must not be used
		// again.
		return zero, leaveError(ctx, true)
	}
}

// Waiting returns the number of operations that wait to be sent.
func (b *Batcher[T, R]) Waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.queue.items
}

// Close refuses new operations from now on. It returns once all accepted operations have
// finished and no goroutine of b is left, which takes no longer than the flushes do. A
// further call waits the same way.
func (b *Batcher[T, R]) Close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.flushers.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.watched != nil {
		b.watched.Stop()
		b.watched = nil
	}
}

// enqueue queues c, and makes sure that a flusher will take it.
func (b *Batcher[T, R]) enqueue(c *call[T, R]) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return ErrClosed
	case b.cfg.QueueBytes > 0 && c.size > b.cfg.QueueBytes:
		return ErrTooLarge
	case b.cfg.QueueItems > 0 && b.queue.items >= b.cfg.QueueItems,
		b.cfg.QueueBytes > 0 && c.size > b.cfg.QueueBytes-b.queue.bytes:
		return ErrFull
	}
	b.queue.push(c)
	b.start()
	return nil
}

// withdraw takes c back if it has not been sent, and reports whether it did.
func (b *Batcher[T, R]) withdraw(c *call[T, R]) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !c.queued {
		return false
	}
	b.queue.remove(c)
	return true
}
