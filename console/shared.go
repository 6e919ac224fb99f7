package console

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is what the store was asked, shared by all who look at it: each figure is
// counted by one at a time, and not again before its interval is over. So the store has the
// same load however many look.

// share is the part of the time that may go into counting one figure: a tenth.
const share = 10

// The bounds of the figures that are remembered, of which each waits for its turn.
const (
	mostEntries = 500
	mostTidings = 100 // of those that tell what is new
)

// shortest is the least interval of a figure.
const shortest = 5 * time.Second

// shared remembers figures.
type shared struct {
	now func() time.Time
	run func(func())    // in a goroutine that has an owner
	ctx context.Context //nolint:containedctx // that owner's

	most     int           // entries
	room     chan struct{} // of the counts that are under way
	plotting chan struct{} // of the plot that is being counted

	mu      sync.Mutex
	entries map[string]*entry
}

func (c *Console) newShared(atOnce, most int) *shared {
	return &shared{now: c.config.Now, run: c.run, ctx: c.ctx, most: most, room: make(chan struct{}, atOnce), plotting: make(chan struct{}, 1), entries: map[string]*entry{}}
}

// entry is a figure, or one that is being counted.
type entry struct {
	done chan struct{} // closed when value and err are known
	// The fields below are written before that.
	value any
	err   error
	until time.Time // it is good
	every time.Duration
}

// figure is a figure as a page shows it.
type figure[T any] struct {
	Value   T
	Ready   bool          // else it is still being counted
	Every   time.Duration // ask again after this
	Problem string        // why it can't be counted
}

// aMoment bounds a count for which the store may have no index.
const aMoment = time.Second

// errSlow says that a count takes longer than a moment.
var errSlow = errors.New("counting takes longer than a moment")

// atOnce is the number of counts that are under way together, so that pages don't wait for
// them.
const atOnce = 2

// summarize counts, when it is its turn.
func (s *shared) summarize(ctx context.Context, a *cloakroom.Admin, q driver.Query) (driver.Summary, error) {
	select {
	case s.room <- struct{}{}:
	case <-ctx.Done():
		return driver.Summary{}, ctx.Err()
	}
	defer func() { <-s.room }()
	return a.Summarize(ctx, q)
}

// summarizeSoon is summarize for at most a moment, without the time until it is its turn.
// What takes longer is errSlow.
func (s *shared) summarizeSoon(ctx context.Context, a *cloakroom.Admin, q driver.Query) (driver.Summary, error) {
	select {
	case s.room <- struct{}{}:
	case <-ctx.Done():
		return driver.Summary{}, ctx.Err()
	}
	defer func() { <-s.room }()
	bounded, cancel := context.WithTimeout(ctx, aMoment)
	defer cancel()
	sum, err := a.Summarize(bounded, q)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		err = errSlow
	}
	return sum, err
}

// waits reports whether the figure is still being counted.
func (f figure[T]) waits() bool { return !f.Ready && f.Problem == "" }

// patience is how long a page waits for a figure. It is shown without it then.
const patience = 600 * time.Millisecond

// countWithin bounds the time of one figure, of a plot from its turn on.
const countWithin = 20 * time.Second

// figureOf returns a figure, which f counts if need be. It waits for patience at most.
func figureOf[T any](ctx context.Context, s *shared, key string, f func(context.Context) (T, error)) figure[T] {
	e := s.begin(key, func(ctx context.Context) (any, error) { return f(ctx) })
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-e.done:
	case <-timer.C:
		return figure[T]{Every: time.Second}
	case <-ctx.Done():
		return figure[T]{Every: time.Second}
	}
	value, _ := e.value.(T)
	got := figure[T]{Value: value, Ready: true, Every: e.every}
	if e.err != nil {
		got.Ready, got.Problem = false, e.err.Error()
	}
	return got
}

// begin returns the figure's entry: one that is good, one that is being counted, or a new
// one.
func (s *shared) begin(key string, f func(context.Context) (any, error)) *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if e := s.entries[key]; e != nil && (!e.isDone() || now.Before(e.until)) {
		return e
	}
	for k, e := range s.entries {
		if e.isDone() && !now.Before(e.until) {
			delete(s.entries, k)
		}
	}
	e := &entry{done: make(chan struct{})}
	if len(s.entries) >= s.most {
		e.err = errors.New("too much is counted at once: try again soon")
		close(e.done)
		return e
	}
	s.entries[key] = e
	s.run(func() {
		defer close(e.done)
		defer func() {
			if p := recover(); p != nil { // it would end the process
				e.err, e.until = fmt.Errorf("counting panicked: %v", p), s.now()
			}
		}()
		ctx, cancel := context.WithTimeout(s.ctx, countWithin)
		defer cancel()
		begun := time.Now()
		e.value, e.err = f(ctx)
		e.every = interval(time.Since(begun))
		e.until = s.now().Add(e.every)
	})
	return e
}

func (e *entry) isDone() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}

// interval returns how often something may be counted that takes so long.
func interval(took time.Duration) time.Duration {
	return max(shortest, (share-1)*took).Round(time.Second)
}
