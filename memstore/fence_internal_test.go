package memstore

import (
	"runtime"
	"testing"
	"time"
)

// This file tests that a fence waits for the writes that are under way.

// TestFenceWaits: Fence returns when no write that didn't see it is under way any more.
func TestFenceWaits(t *testing.T) {
	s := New(nil)
	defer func() { _ = s.Close() }()
	for i := range s.shards {
		s.shards[i].mu.Lock() // as a write does that is under way
		returned := make(chan error, 1)
		go func() { returned <- s.Fence(t.Context(), time.Now()) }()
		for range 100 {
			runtime.Gosched()
		}
		early := len(returned) > 0
		s.shards[i].mu.Unlock()
		if err := <-returned; err != nil || early {
			t.Errorf("Fence returned beside a write in shard %d: %v", i, early)
		}
	}
}
