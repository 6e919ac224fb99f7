package torture

import (
	"context"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/workload"
)

// answers watches when clients are answered. The zero answers watch nobody yet.
type answers struct {
	mu      sync.Mutex
	on      bool
	count   int
	last    time.Time
	longest time.Duration // without any answer
	waiting []waiter
	cuts    []cut
}

// cut is a time in which a node may answer reads that doesn't know yet that it
// is no longer part of its cluster.
type cut struct {
	since    time.Time // when it last was
	from, to time.Time // when it may answer; to is zero as long as it may
	reads    int       // how many answers came then
}

type waiter struct {
	count int
	done  chan struct{}
}

func (a *answers) start() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.on, a.last = true, time.Now()
}

func (a *answers) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.on {
		a.longest = max(a.longest, time.Since(a.last))
	}
	a.on = false
}

func (a *answers) answered() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.count++
	if now := time.Now(); a.on {
		a.longest = max(a.longest, now.Sub(a.last))
		a.last = now
	}
	left := a.waiting[:0]
	for _, w := range a.waiting {
		if w.count > a.count {
			left = append(left, w)
		} else {
			close(w.done)
		}
	}
	a.waiting = left
}

// lag returns how much older than its call what an operation read may be.
func (a *answers) lag(call, end time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	var most time.Duration
	for i := range a.cuts {
		c := &a.cuts[i]
		if end.After(c.from) && (c.to.IsZero() || call.Before(c.to)) {
			c.reads++
			most = max(most, call.Sub(c.since))
		}
	}
	return most
}

// await reports whether so many more answers came before ctx ended.
func (a *answers) await(ctx context.Context, more int) bool {
	a.mu.Lock()
	w := waiter{a.count + more, make(chan struct{})}
	a.waiting = append(a.waiting, w)
	a.mu.Unlock()
	select {
	case <-w.done:
		return true
	case <-ctx.Done():
		return false
	}
}

// watchedExecutor tells of answers. Who is refused waits a little, as clients
// do, so that an outage isn't a busy loop which uses all the families up.
type watchedExecutor struct {
	workload.Executor
	answers *answers
}

const refusedWait = 500 * time.Millisecond

// Do implements workload.Executor.
func (w *watchedExecutor) Do(ctx context.Context, op workload.Op) workload.Result {
	call := time.Now()
	r := w.Executor.Do(ctx, op)
	r.Lag = w.answers.lag(call, time.Now())
	switch r.Outcome {
	case history.Unknown:
	case history.Unavailable:
		t := time.NewTimer(refusedWait)
		defer t.Stop()
		select {
		case <-ctx.Done():
		case <-t.C:
		}
	default:
		w.answers.answered()
	}
	return r
}

// merge adds a report to another one.
func merge(into, h *history.Report) {
	into.Families += h.Families
	into.Ops += h.Ops
	into.Undecided += h.Undecided
	into.Phantoms += h.Phantoms
	into.Open = append(into.Open, h.Open...)
	into.Failed += h.Failed
	into.Longest = max(into.Longest, h.Longest)
	into.Failures = append(into.Failures, h.Failures...)
	if into.Counts == nil {
		into.Counts = map[history.Kind]map[history.Outcome]int{}
	}
	for k, outcomes := range h.Counts {
		if into.Counts[k] == nil {
			into.Counts[k] = map[history.Outcome]int{}
		}
		for o, n := range outcomes {
			into.Counts[k][o] += n
		}
	}
}
