package sqlitestore

import "github.com/cloakroom-go/cloakroom/figures"

// This file is driver.Counter: what this process does in the file.

// Figures returns what the store has done since it was opened; see driver.Counter.
func (s *Store) Figures() figures.Store {
	f := figures.Store{
		Since:   s.opened,
		Reads:   figures.Batches{Sizes: s.lookups.sizes.Histogram(), Waiting: s.lookups.count()},
		Writes:  figures.Batches{Sizes: s.writer.sizes.Histogram(), Waiting: int64(s.saves.Waiting()) + s.writer.unbegun.Load()},
		Retries: s.lookups.retries.Load() + s.writer.retries.Load(),
	}
	f.Requests = f.Reads.Sizes.Count + f.Writes.Sizes.Count + s.readers.queries.Load()
	return f
}

// count returns the number of look-ups that wait.
func (l *lookups) count() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(len(l.waiting))
}
