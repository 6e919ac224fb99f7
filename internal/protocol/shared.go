package protocol

import (
	"context"
	"sync"
)

// This file is shared: callers at the same time share one run of a function, such as a
// store's refresh.

// shared has calls of one function share a run that begins after all of them.
type shared struct {
	mu   sync.Mutex
	last *run // the newest; callers that come before it has begun join it
}

type run struct {
	begun bool
	done  chan struct{}
	err   error
}

// do has f run once between the call and its return. Parallel calls share that run.
func (s *shared) do(ctx context.Context, f func(context.Context) error) error {
	s.mu.Lock()
	before := s.last
	if before != nil && !before.begun {
		s.mu.Unlock()
		select {
		case <-before.done:
			return before.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	mine := &run{done: make(chan struct{})}
	s.last = mine
	s.mu.Unlock()
	defer close(mine.done)
	if before != nil { // runs come one after the other, so that many callers share the next
		select {
		case <-before.done:
		case <-ctx.Done():
		}
	}
	s.mu.Lock()
	mine.begun = true
	s.mu.Unlock()
	mine.err = f(ctx)
	return mine.err
}
