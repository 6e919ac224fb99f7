package elasticstore

import (
	"context"
	"errors"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is Summarize, for operators.

// Summarize counts the records or graves that a query selects; see driver.Inspector. It
// trails acknowledged writes by Config.RefreshInterval, as Search does. It reads the
// documents that the engine can't judge, as Search does too.
func (s *Store) Summarize(ctx context.Context, q driver.Query) (driver.Summary, error) {
	q.After, q.Limit = driver.Cursor{}, 0
	if err := q.Check(); err != nil {
		return driver.Summary{}, opError("summarize", err)
	}
	sum, err := s.summarize(ctx, &q)
	var cut *driver.TruncatedError
	switch {
	case errors.As(err, &cut):
		return sum, cut
	case err != nil:
		return driver.Summary{}, searchError(ctx, "summarize", err)
	}
	return sum, nil
}

func (s *Store) summarize(ctx context.Context, q *driver.Query) (driver.Summary, error) {
	c := conditionOf(q)
	sum, err := s.summarizeCertain(ctx, c.certain())
	if err != nil || len(c.loose) == 0 {
		return sum, err
	}
	vain := 0
	err = s.walk(ctx, c.uncertain(), func(r *driver.Record, _ int) error {
		if r == nil || !q.Matches(r) {
			if vain++; q.Scan > 0 && vain > q.Scan {
				return &driver.TruncatedError{}
			}
			return nil
		}
		sum.Records++
		if r.Principal != "" || r.Grave != nil && r.Grave.Principal != "" {
			sum.SignedIn++
		}
		return nil
	})
	return sum, err
}

func (s *Store) summarizeCertain(ctx context.Context, query object) (sum driver.Summary, err error) {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return sum, err
	}
	defer done()
	if err := s.prepareToRead(ctx); err != nil {
		return sum, err
	}
	if sum.Records, err = s.count(ctx, s.names.searched(), query); err != nil {
		return driver.Summary{}, err
	}
	if sum.SignedIn, err = s.count(ctx, s.names.searched(), allOf(query, has("principal"))); err != nil {
		return driver.Summary{}, err
	}
	return sum, nil
}
