package batch

import (
	"context"
	"errors"
	"fmt"
)

// This file is the errors of a Batcher.

var (
	// ErrNotSent tells that the operation was never handed to Flush, so it
	// certainly had no effect. It is matched with errors.Is.
	ErrNotSent = errors.New("batch: not sent")

	// ErrFull tells that the queue of unsent operations is at one of its
	// bounds. It matches ErrNotSent.
	ErrFull = fmt.Errorf("%w: queue full", ErrNotSent)

	// ErrTooLarge tells that the item alone is above Config.QueueBytes, so that it is
	// refused even when the queue is empty. It matches ErrNotSent.
	ErrTooLarge = fmt.Errorf("%w: the item is larger than the queue", ErrNotSent)

	// ErrClosed tells that the Batcher was closed before Do was called. It
	// matches ErrNotSent.
	ErrClosed = fmt.Errorf("%w: closed", ErrNotSent)

	errGoexit = errors.New("batch: Flush ended its goroutine, outcome unknown")
)

// PanicError is given to every item of a flush whose Flush panicked. The
// outcome of the items is unknown.
type PanicError struct {
	Value any    // the argument of panic
	Stack []byte // of the panicking goroutine, as debug.Stack prints it
}

// Error returns the panic value followed by the stack, on several lines.
func (e *PanicError) Error() string {
	return fmt.Sprintf("batch: panic in Flush, outcome unknown: %v\n\n%s", e.Value, e.Stack)
}

// Unwrap returns the panic value if it is an error. It withholds one that matches
// ErrNotSent, since these items were sent.
func (e *PanicError) Unwrap() error {
	if err, ok := e.Value.(error); ok && !errors.Is(err, ErrNotSent) {
		return err
	}
	return nil
}

// leaveError returns the error of a caller that leaves before it has a result.
func leaveError(ctx context.Context, sent bool) error {
	why, cause := ctx.Err(), context.Cause(ctx)
	switch {
	case errors.Is(cause, ErrNotSent):
		// The failure of another operation ended ctx, as in an errgroup. If it were
		// wrapped, the error would claim that this operation was not sent either.
		why = fmt.Errorf("%w (%v)", why, cause) //nolint:errorlint // see above
	case !errors.Is(cause, why):
		why = fmt.Errorf("%w: %w", why, cause)
	default:
		why = cause
	}
	if sent {
		return fmt.Errorf("batch: sent, outcome unknown: %w", why)
	}
	return fmt.Errorf("%w: %w", ErrNotSent, why)
}

// countError is the error if Flush returned a wrong number of results.
func countError(got, want int) error {
	return fmt.Errorf("batch: Flush returned %d results for %d items, outcome unknown", got, want)
}
