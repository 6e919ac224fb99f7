package elasticstore

import (
	"context"
	"sync"
	"time"
)

// bounded is a context that ends with the caller's, or some time later. It does
// what that of context.WithTimeout does, but makes a timer and a channel of its
// own only for who asks for Done. A batcher doesn't: it is a batch.Bounded. For a
// gathered read they were an eighth of its processor time.
type bounded struct {
	context.Context //nolint:containedctx // it is a context
	end             time.Time
	late            <-chan struct{} // closed at the end, or a little later

	mu    sync.Mutex
	over  bool
	timed context.Context //nolint:containedctx // the same with a timer; nil: nobody has asked
	stop  context.CancelFunc
}

// leave releases what the context holds.
func (b *bounded) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	if b.timed != nil {
		b.stop()
	}
}

// withTimer returns the same context with a timer.
func (b *bounded) withTimer() context.Context {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timed == nil {
		b.timed, b.stop = context.WithDeadline(b.Context, b.end)
		if b.over {
			b.stop()
		}
	}
	return b.timed
}

// plainly reports whether nobody has asked for a timer, and none has to tell of
// the end.
func (b *bounded) plainly() bool {
	select {
	case <-b.late:
		return false
	default:
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.timed == nil && !b.over
}

// Ends implements batch.Bounded.
func (b *bounded) Ends() (done, late <-chan struct{}) { return b.Context.Done(), b.late }

// Deadline implements context.Context.
func (b *bounded) Deadline() (time.Time, bool) {
	if d, ok := b.Context.Deadline(); ok && d.Before(b.end) {
		return d, true
	}
	return b.end, true
}

// Done implements context.Context.
func (b *bounded) Done() <-chan struct{} { return b.withTimer().Done() }

// Err implements context.Context.
func (b *bounded) Err() error {
	if b.plainly() {
		return b.Context.Err()
	}
	return b.withTimer().Err()
}

// Value implements context.Context. Package context finds in the one with the
// timer why it ended.
func (b *bounded) Value(key any) any {
	if b.plainly() {
		return b.Context.Value(key)
	}
	return b.withTimer().Value(key)
}

// alarms share one timer among all who begin at about the same time.
type alarms struct {
	step time.Duration // how much later than asked for one may go off

	mu   sync.Mutex
	end  time.Time // of the newest
	late chan struct{}
}

// at returns a channel that is closed at a time, or up to a step later.
func (a *alarms) at(end time.Time) <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.late == nil || a.end.Before(end) {
		late := make(chan struct{})
		a.end, a.late = end.Add(a.step), late
		time.AfterFunc(time.Until(a.end), func() { close(late) })
	}
	return a.late
}
