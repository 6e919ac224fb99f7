package elasticstore

import (
	"sync/atomic"
	"time"

	"github.com/cloakroom-go/cloakroom/figures"
)

// This file is driver.Counter: what this process asks of the engine.

// counts are what a Store has done since it was made.
type counts struct {
	since         time.Time
	reads, writes figures.Tally[int64] // the sizes of flushes

	requests, retries, copyHits atomic.Int64
}

// Figures returns what the Store has done since it was made; see driver.Counter. A request
// that the client repeated on another node counts once.
func (s *Store) Figures() figures.Store {
	c := &s.counts
	return figures.Store{
		Since:    c.since,
		Reads:    figures.Batches{Sizes: c.reads.Histogram(), Waiting: int64(s.reads.Waiting())},
		Writes:   figures.Batches{Sizes: c.writes.Histogram(), Waiting: int64(s.writes.Waiting())},
		Requests: c.requests.Load(), Retries: c.retries.Load(), CopyHits: c.copyHits.Load(),
	}
}
