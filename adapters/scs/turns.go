package scsstore

import (
	"context"
	"sync"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the turns of Commits: those of one session in this process go one after
// the other, since together they would only conflict.

type turns struct {
	mu sync.Mutex
	of map[driver.ID]*turn // of the sessions that somebody commits
}

type turn struct {
	free chan struct{} // has an element while it is nobody's turn
	n    int           // those that have their turn or wait for it
}

// take waits for the caller's turn, which lasts until done is called. The error is the
// context's.
func (t *turns) take(ctx context.Context, id driver.ID) (done func(), err error) {
	t.mu.Lock()
	own := t.of[id]
	if own == nil {
		own = &turn{free: make(chan struct{}, 1)}
		own.free <- struct{}{}
		t.of[id] = own
	}
	own.n++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if own.n--; own.n == 0 {
			delete(t.of, id)
		}
	}
	select {
	case <-own.free:
		return func() { own.free <- struct{}{}; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}
