package protocol

import (
	"context"
	"math/rand/v2"
	"time"
)

// This file is the backoff: the pause before an operation is tried again.

// backOff waits before try n+1, for a random time between half and all of 2 ms << n, at
// most 256 ms. It reports false when the context ended.
func backOff(ctx context.Context, n int) bool {
	d := 2 * time.Millisecond << min(n, 7)
	d = d/2 + rand.N(d/2)
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
