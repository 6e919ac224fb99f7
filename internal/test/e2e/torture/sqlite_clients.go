package torture

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/workload"
)

// clients counts what clients are answered.
type clients struct {
	path string // of the file that errors name

	mu      sync.Mutex
	count   counts
	changed chan struct{} // closed at the next answer; nil: nobody waits
}

// counts are answers: reads and writes that were done, and errors that name the
// file. What is unknown only because a session ended meanwhile, as always
// happens, is none of these.
type counts struct{ reads, writes, errors int }

func (c counts) minus(d counts) counts {
	return counts{c.reads - d.reads, c.writes - d.writes, c.errors - d.errors}
}

// of returns an executor whose answers are counted.
func (c *clients) of(e workload.Executor) workload.Executor { return &countedExecutor{e, c} }

type countedExecutor struct {
	workload.Executor
	clients *clients
}

// Do implements workload.Executor.
func (e *countedExecutor) Do(ctx context.Context, op workload.Op) workload.Result {
	r := e.Executor.Do(ctx, op)
	e.clients.add(op.Kind, &r)
	return r
}

func (c *clients) add(kind history.Kind, r *workload.Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case r.Outcome == history.Done && kind == history.Get:
		c.count.reads++
	case r.Outcome == history.Done:
		c.count.writes++
	case (r.Outcome == history.Unavailable || r.Outcome == history.Unknown) && strings.Contains(r.Note, c.path):
		c.count.errors++
	default:
		return
	}
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

func (c *clients) now() counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count
}

// await waits until so many more answers of each sort have come.
func (c *clients) await(ctx context.Context, more counts) error {
	const limit = 2 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	from := c.now()
	for {
		c.mu.Lock()
		got := c.count.minus(from)
		if got.reads >= more.reads && got.writes >= more.writes && got.errors >= more.errors {
			c.mu.Unlock()
			return nil
		}
		if c.changed == nil {
			c.changed = make(chan struct{})
		}
		changed := c.changed
		c.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("in %v clients got %d reads, %d writes and %d errors, but not %d, %d and %d",
				limit, got.reads, got.writes, got.errors, more.reads, more.writes, more.errors)
		}
	}
}
