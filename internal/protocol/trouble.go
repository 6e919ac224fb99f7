package protocol

import (
	"context"
	"errors"
	"fmt"
)

// This file is trouble: why a store failed, kept until the time is over.

// trouble is what the store answered to the attempts of an operation. The attempt that the
// end of the time cuts off has an error that tells of that alone, and operators need to
// know what to do: "the index takes no writes".
type trouble struct{ told error }

// with returns the error of an attempt, with what was told before if it tells nothing
// itself. That is text: what became of an earlier attempt proves nothing of this one.
func (t *trouble) with(err error) error {
	switch {
	case err == nil:
	case !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled):
		t.told = err
	case t.told != nil:
		return fmt.Errorf("%w, after: %v", err, t.told) //nolint:errorlint // not to be told by errors.Is
	}
	return err
}
