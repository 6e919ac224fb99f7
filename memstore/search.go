package memstore

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is Search.

// Search yields records and graves in the query's order; see driver.Store. It selects all
// of them before it yields the first. The store may be used meanwhile. It has no indexes,
// and ignores Query.Scan: it looks at every record.
func (s *Store) Search(ctx context.Context, q driver.Query) iter.Seq2[*driver.Record, error] {
	return func(yield func(*driver.Record, error) bool) {
		found, err := s.find(ctx, q)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, r := range found {
			if err := ctx.Err(); err != nil {
				yield(nil, fmt.Errorf("memstore: search: %w", err))
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

// find returns what a query selects, in order. With a limit it keeps a few times as many
// records at a time, and not all that match.
func (s *Store) find(ctx context.Context, q driver.Query) (found []*driver.Record, err error) {
	if err := q.Check(); err != nil {
		return nil, fmt.Errorf("memstore: search: %w", err)
	}
	var last driver.Cursor // nothing behind it is among the first
	cut := func() {
		slices.SortFunc(found, q.Compare)
		if q.Limit > 0 && len(found) >= q.Limit {
			clear(found[q.Limit:])
			found = found[:q.Limit]
			last = q.Cursor(found[q.Limit-1])
		}
	}
	const spare = 256
	err = s.each(ctx, "search", func(e entry) {
		if !q.Matches(e.Record) || last != (driver.Cursor{}) && q.Cursor(e.Record).Compare(last) > 0 {
			return
		}
		if r := e.whole(); driver.CheckFormat(r.Extra) == nil {
			found = append(found, r)
		}
		if q.Limit > 0 && (len(found)-spare)/2 >= q.Limit {
			cut()
		}
	})
	cut()
	return found, err
}
