package protocol

import (
	"context"
	"math/rand/v2"
	"time"
)

// This file is the waiting before something is tried again.

// backOff waits before attempt n+1, some milliseconds at first and a quarter of
// a second at most, by chance between half and all of it. It reports false when
// the context ended.
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
