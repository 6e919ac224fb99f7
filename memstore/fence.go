package memstore

import (
	"context"
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the fence.

// Fence has the store refuse all writes; see driver.Fencer.
func (s *Store) Fence(ctx context.Context, since time.Time) error {
	if err := s.ready(ctx, "fence"); err != nil {
		return err
	}
	s.fence.CompareAndSwap(nil, &since)
	for i := range s.shards { // a write that didn't see the fence holds its shard's lock
		s.shards[i].mu.Lock()
		s.shards[i].mu.Unlock() //nolint:staticcheck // the lock is all that is wanted
	}
	return nil
}

// Unfence has the store take writes again; see driver.Fencer.
func (s *Store) Unfence(ctx context.Context) error {
	err := s.ready(ctx, "unfence")
	if err == nil {
		s.fence.Store(nil)
	}
	return err
}

// Fenced returns since when the store is fenced; see driver.Fencer.
func (s *Store) Fenced(ctx context.Context) (time.Time, error) {
	err := s.ready(ctx, "fenced")
	if since := s.fence.Load(); err == nil && since != nil {
		return *since, nil
	}
	return time.Time{}, err
}

// ready returns the error of an operation that can't begin.
func (s *Store) ready(ctx context.Context, op string) error {
	err := ctx.Err()
	if err == nil {
		sh := &s.shards[0]
		sh.mu.RLock()
		if sh.packed == nil {
			err = driver.ErrClosed
		}
		sh.mu.RUnlock()
	}
	if err != nil {
		return fmt.Errorf("memstore: %s: %w", op, err)
	}
	return nil
}

// fenced returns the error of a write while the store is fenced. A lock of a shard is held.
func (s *Store) fenced() error {
	since := s.fence.Load()
	if since == nil {
		return nil
	}
	return fmt.Errorf("%w: writes are refused since %s, as the sessions move to another store; Unfence ends that",
		driver.ErrUnavailable, since.UTC().Format(time.RFC3339))
}
