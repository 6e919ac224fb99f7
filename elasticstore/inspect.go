package elasticstore

import (
	"context"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is Summarize, for operators.

// Summarize counts the records that a query selects; see driver.Inspector. It trails
// acknowledged writes by Config.RefreshInterval, as Search does.
func (s *Store) Summarize(ctx context.Context, q driver.Query) (driver.Summary, error) {
	sum, err := s.summarize(ctx, q)
	if err != nil {
		return sum, searchError(ctx, "summarize", err)
	}
	return sum, nil
}

func (s *Store) summarize(ctx context.Context, q driver.Query) (sum driver.Summary, err error) {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return sum, err
	}
	defer done()
	if err := s.prepareToRead(ctx); err != nil {
		return sum, err
	}
	query := selected(q)
	if sum.Records, err = s.count(ctx, s.names.searched(), query); err != nil {
		return driver.Summary{}, err
	}
	query = allOf(query, object{"exists": object{"field": "principal"}})
	if sum.SignedIn, err = s.count(ctx, s.names.searched(), query); err != nil {
		return driver.Summary{}, err
	}
	return sum, nil
}
