package protocol

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// This file is the test of calls that share a run.

// Calls share a run that begins after them, and none joins one that has begun: it may
// miss what was acknowledged since.
func TestSharedRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s shared
		var mu sync.Mutex
		var began []time.Time
		f := func(context.Context) error {
			mu.Lock()
			began = append(began, time.Now())
			mu.Unlock()
			time.Sleep(time.Second)
			return nil
		}
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 100 * time.Millisecond)
				called := time.Now()
				if err := s.do(t.Context(), f); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				for _, b := range began {
					if !b.Before(called) && !time.Now().Before(b.Add(time.Second)) {
						return
					}
				}
				t.Errorf("a call at %v shared no run that began after it", called)
			})
		}
		all.Wait()
		if len(began) != 3 {
			t.Errorf("20 calls in two seconds took %d runs of a second, want 3", len(began))
		}

		broken := errors.New("broken")
		if err := s.do(t.Context(), func(context.Context) error { return broken }); !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
		if err := s.do(t.Context(), f); err != nil {
			t.Errorf("after a failure: %v", err)
		}
	})
}
