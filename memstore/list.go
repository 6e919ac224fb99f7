package memstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is List.

// List returns the next part of all records and graves: those of one lock; see
// driver.Lister. It can't tell what was written since: it lists everything again.
func (s *Store) List(ctx context.Context, after string) (driver.Part, error) {
	if err := ctx.Err(); err != nil {
		return driver.Part{}, fmt.Errorf("memstore: list: %w", err)
	}
	n, err := 0, error(nil)
	if after != "" {
		if n, err = strconv.Atoi(after); err == nil && (n < 1 || n >= shardCount || strconv.Itoa(n) != after) {
			err = errors.New("out of range")
		}
	}
	if err != nil {
		return driver.Part{}, fmt.Errorf("memstore: list: %w: no listing goes on at %q", driver.ErrInvalid, after)
	}
	var part driver.Part
	sh := &s.shards[n]
	sh.mu.RLock()
	open := sh.each(func(e entry) {
		r := e.whole()
		l := driver.Listed{ID: r.ID, Record: r}
		if r.Grave == nil {
			l.Record, l.Err = known(r)
		}
		part.Items = append(part.Items, l)
	})
	sh.mu.RUnlock()
	if !open {
		return driver.Part{}, fmt.Errorf("memstore: list: %w", driver.ErrClosed)
	}
	if n++; n == shardCount {
		part.End = true
		return part, nil
	}
	part.Next = strconv.Itoa(n)
	return part, nil
}
