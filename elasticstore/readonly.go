package elasticstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is stores whose login may only read.

// errReadOnly is the error of a write on a store that only reads.
var errReadOnly = fmt.Errorf("%w: Config.ReadOnly is set, so this store writes nothing", driver.ErrInvalid)

// prepareToRead does Setup's work once, for an operation that reads. A login that may not
// do it reads nevertheless: others will have set the engine up.
func (s *Store) prepareToRead(ctx context.Context) error {
	if s.cfg.ReadOnly {
		return nil
	}
	if err := s.prepare(ctx); err != nil && !isForbidden(err) {
		return err
	}
	return nil
}

// isForbidden reports whether an error says that the login lacks a privilege.
func isForbidden(err error) bool {
	var f *fault
	return errors.As(err, &f) && f.forbidden
}

// checkReading fails if the login may not read the store's indices.
func (s *Store) checkReading(ctx context.Context) error {
	_, err := s.count(ctx, s.names.searched(), object{"match_all": object{}})
	return err
}
