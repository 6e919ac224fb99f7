package story

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the store whose saves fail while a test wants it.

// Failing is a store that can be read always, and written only at times.
type Failing struct {
	cloakroom.Store
	fails atomic.Bool
}

// Fail says whether writes fail from now on.
func (s *Failing) Fail(yes bool) { s.fails.Store(yes) }

func (s *Failing) refuse() error {
	if s.fails.Load() {
		return fmt.Errorf("a test refuses: %w", cloakroom.ErrOverloaded)
	}
	return nil
}

// Create implements driver.Store.
func (s *Failing) Create(ctx context.Context, r *driver.Record) (driver.Version, error) {
	if err := s.refuse(); err != nil {
		return driver.Version{}, err
	}
	return s.Store.Create(ctx, r)
}

// Update implements driver.Store.
func (s *Failing) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	if err := s.refuse(); err != nil {
		return driver.Version{}, err
	}
	return s.Store.Update(ctx, r)
}

// Bury implements driver.Store.
func (s *Failing) Bury(ctx context.Context, id driver.ID, g driver.Grave, v driver.Version) error {
	if err := s.refuse(); err != nil {
		return err
	}
	return s.Store.Bury(ctx, id, g, v)
}
