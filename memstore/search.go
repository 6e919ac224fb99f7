package memstore

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is Search.

// Search yields records in the order of Cursor.Compare; see driver.Store. It selects all
// of them before it yields the first. The store may be used meanwhile.
func (s *Store) Search(ctx context.Context, q driver.Query) iter.Seq2[*driver.Record, error] {
	return func(yield func(*driver.Record, error) bool) {
		var found []*driver.Record
		err := s.each(ctx, "search", func(e entry) {
			if !q.Matches(e.Record) {
				return
			}
			if r := e.whole(); driver.CheckFormat(r.Extra) == nil {
				found = append(found, r)
			}
		})
		if err != nil {
			yield(nil, err)
			return
		}
		slices.SortFunc(found, func(a, b *driver.Record) int { return a.Cursor().Compare(b.Cursor()) })
		if q.Limit > 0 && len(found) > q.Limit {
			found = found[:q.Limit]
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
