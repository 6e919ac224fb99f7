package protocol

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// This file is the tests of the backoff.

// A pause is random, between half and all of a time that doubles with each try up to
// 256 ms.
func TestBackOff(t *testing.T) {
	for n, longest := range []time.Duration{
		2 * time.Millisecond, 4 * time.Millisecond, 8 * time.Millisecond, 16 * time.Millisecond, 32 * time.Millisecond,
		64 * time.Millisecond, 128 * time.Millisecond, 256 * time.Millisecond, 256 * time.Millisecond, 256 * time.Millisecond,
	} {
		synctest.Test(t, func(t *testing.T) {
			shorter, all := 0, 100
			for range all {
				began := time.Now()
				if !backOff(t.Context(), n) {
					t.Fatalf("try %d: the context had ended", n)
				}
				took := time.Since(began)
				if took < longest/2 || took > longest {
					t.Fatalf("before try %d the pause was %v, want %v to %v", n+1, took, longest/2, longest)
				}
				if took < longest*3/4 {
					shorter++
				}
			}
			if shorter == 0 || shorter == all {
				t.Errorf("before try %d the pauses don't differ: %d of %d were below three quarters of %v", n+1, shorter, all, longest)
			}
		})
	}
}

// A pause ends with the context, and so do the tries.
func TestBackOffEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		began := time.Now()
		if backOff(ctx, 7) || time.Since(began) != time.Millisecond {
			t.Errorf("a pause whose context ended after 1 ms took %v", time.Since(began))
		}
		if backOff(ctx, 0) {
			t.Error("another try, though the context has ended")
		}
	})
}
