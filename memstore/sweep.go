package memstore

import (
	"context"
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the sweep.

// Sweep buries sessions that are past Expires, and removes records and graves past their
// deadline; see driver.Store. A session without Expires isn't buried, and a record
// without a deadline isn't removed.
func (s *Store) Sweep(ctx context.Context, now time.Time) (driver.SweepReport, error) {
	var report driver.SweepReport
	for i := range s.shards {
		if err := ctx.Err(); err != nil {
			return report, fmt.Errorf("memstore: sweep: %w", err)
		}
		if err := s.sweep(&s.shards[i], now, &report); err != nil {
			return report, fmt.Errorf("memstore: sweep: %w", err)
		}
	}
	return report, nil
}

// sweep sweeps one shard. It finds records that are over while readers go on, and then
// ends those that haven't changed.
func (s *Store) sweep(sh *shard, now time.Time, report *driver.SweepReport) error {
	type judged struct {
		id      driver.ID
		version driver.Version
		due     driver.Due
		grave   driver.Grave
	}
	var over []judged
	sh.mu.RLock()
	open := sh.each(func(e entry) {
		j := judged{e.ID, e.Version, e.Due(now), driver.Grave{}}
		if j.due == driver.DueBurial {
			r := e.whole() // the verdict saw only its head
			if j.due = r.Due(now); j.due == driver.DueBurial {
				j.grave = r.ExpiredGrave(now)
			}
		}
		if j.due != driver.DueNothing {
			over = append(over, j)
		}
	})
	sh.mu.RUnlock()
	switch {
	case !open:
		return driver.ErrClosed
	case len(over) == 0:
		return nil
	}

	sh.mu.Lock()
	defer sh.mu.Unlock()
	if err := s.fenced(); err != nil {
		return err
	}
	for _, j := range over {
		if sh.state(j.id).version != j.version {
			continue // written meanwhile, or closed
		}
		if j.due == driver.DueRemoval {
			delete(sh.fresh, j.id)
			delete(sh.packed, j.id)
			s.count.Add(-1)
			report.Removed++
			continue
		}
		sh.put(&driver.Record{ID: j.id, Version: s.next(), Grave: &j.grave})
		report.Buried++
	}
	if sh.packed == nil {
		return driver.ErrClosed
	}
	return nil
}
