package cloakroom

import (
	"context"
	"fmt"
	"sync"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file asks the application who is signed in by a foreign session.

// foreignValues are the values that Import.Principal reads. An import is for good, so a
// value of another type than the application thought must not pass for a missing one: its
// visitors would all be signed out.
type foreignValues struct {
	driver.Record // of the values alone

	mu  sync.Mutex
	err error // the first of Key.Get's
}

func (v *foreignValues) keepError(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.err == nil {
		v.err = err
	}
}

func (v *foreignValues) kept() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.err
}

// principal returns who is signed in by a foreign session's values.
func (i *Import) principal(ctx context.Context, list driver.ValueList) (string, error) {
	values := &foreignValues{Record: driver.Record{Values: list}}
	principal, err := i.Principal(ctx, values)
	if err == nil {
		err = values.kept()
	}
	if err == nil && principal != "" {
		err = protocol.CheckPrincipal(principal)
	}
	if err != nil {
		return "", fmt.Errorf("cloakroom: Config.Import.Principal: %w", bare(err))
	}
	return principal, nil
}
