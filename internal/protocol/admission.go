package protocol

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is admission (load shedding): it limits the operations under way by the rate
// at which the store carries them out, and turns down the others with ErrTooMany.

// admission turns down operations that would have to wait for too long, before they cost
// the store anything. A bound on the number that waits isn't enough: a queue that a fast
// store works off in half a second takes a slow one a minute, and by then the callers
// have left.
//
// By Little's law the number under way is the rate times the time that each takes,
// wherever it waits: in a store's queue, for a connection or for a processor. So the
// limit is the number that is done in mostWait at the current rate. That leaves room for
// what piles up during a store's pause. In a rush that lasts, the room would stay full
// and only add latency, stacks and garbage. Then the limit is that of rushWait.
//
// A save is turned down later than a read or a new session, since its request's work
// would be lost. Saves alone become too many only where reads are answered from memory
// (Options.CacheFor).
type admission struct {
	count atomic.Uint64 // operations under way; above them, in units of oneDone, those done
	limit atomic.Int64  // how many may be under way; 0: as many as come
	ease  atomic.Int64  // a rush in which no more than this are under way doesn't last
	busy  atomic.Bool   // fewOps was exceeded, and the number hasn't fallen to half of it since
	eased atomic.Bool   // the number fell to ease in this span

	turnedDown atomic.Int64 // operations

	mu    sync.Mutex
	since time.Time // when the measured span began
	done  uint64    // operations done by then
	most  int64     // the limit outside of a rush that lasts
	rush  int       // spans in a row that weren't eased
}

const (
	fewOps   = 256                    // operations that are never too many
	someOps  = 1024                   // operations that are no burden to this process
	mostOps  = 1 << 16                // the limit at any rate
	mostWait = 150 * time.Millisecond // for one operation; a request has two
	rushWait = 50 * time.Millisecond  // the same, if there are more than someOps
	measured = 100 * time.Millisecond // the shortest span that shows a rate
	lasting  = 3                      // spans in a row, not eased, that make a rush last

	oneDone = 1 << 24 // one operation done, in count
)

// leave counts an operation as done.
func (a *admission) leave() {
	n := int64(a.count.Add(oneDone-1) % oneDone)
	if n <= a.ease.Load() && !a.eased.Load() {
		a.eased.Store(true)
	}
	if n == fewOps/2 {
		a.busy.Store(false)
	}
}

// underWay returns the number of operations under way.
func (a *admission) underWay() int64 { return int64(a.count.Load() % oneDone) }

// full reports whether an operation that begins now would be turned down.
func (a *admission) full() bool {
	c := a.count.Load()
	return int64(c%oneDone) >= fewOps && !a.room(c+1, 1)
}

// admit counts an operation that begins, or turns it down with ErrTooMany. begun says
// that its request was let in before, as for a save: then four times the limit applies.
func (a *admission) admit(begun bool) error {
	share := int64(1)
	if begun {
		share = 4
	}
	if c := a.count.Add(1); int64(c%oneDone) > fewOps && !a.room(c, share) {
		a.count.Add(^uint64(0)) // it didn't begin, and isn't done
		a.turnedDown.Add(1)
		return ErrTooMany
	}
	return nil
}

// room reports whether the number under way in count is within times the limit. It is
// asked only beyond fewOps.
func (a *admission) room(count uint64, times int64) bool {
	a.measure(count / oneDone)
	n, limit := int64(count%oneDone), a.limit.Load()
	return (limit == 0 || n <= limit*times) && n <= mostOps
}

// ErrTooMany is the error of an operation that was turned down. It certainly didn't
// happen.
var ErrTooMany = fmt.Errorf("cloakroom: more operations are under way than the store carries out in time: %w: %w", driver.ErrOverloaded, driver.ErrUnavailable)

// measure adapts the limit to the rate at which operations are done, while there are
// enough of them to keep the store busy. done is the number done so far.
func (a *admission) measure(done uint64) {
	if !a.mu.TryLock() {
		return // another goroutine measures
	}
	defer a.mu.Unlock()
	s := span{now: time.Now(), done: done}
	s.n, s.took = done-a.done, s.now.Sub(a.since)
	switch {
	case a.busy.CompareAndSwap(false, true):
		a.beginRush(s)
	case s.took >= measured:
		a.adapt(s)
	}
}

// span is the time from the last measurement to now.
type span struct {
	now  time.Time
	took time.Duration
	done uint64 // operations done so far
	n    uint64 // of these, in the span
}

// beginRush lifts the limit until a rate is known. The rate before the rush is a lower
// bound: the store did that at leisure.
func (a *admission) beginRush(s span) {
	a.since, a.done, a.most, a.rush = s.now, s.done, 0, 0
	if s.took >= measured {
		a.most = within(s.n, s.took)
	}
	a.limit.Store(0)
}

// adapt sets the limit by the operations done in a span, and begins the next span.
func (a *admission) adapt(s span) {
	// The limit rises at once and falls by half at most: a store that pauses isn't slow.
	first := a.limit.Load() == 0
	if !first {
		a.most /= 2
	}
	if s.n > 0 {
		a.most = max(a.most, within(s.n, s.took))
	} else if first {
		a.most = mostOps / 4
	}
	a.most = max(a.most, fewOps)
	// A rush lasts once several spans in a row weren't eased.
	fewer := max(a.most*int64(rushWait)/int64(mostWait), min(a.most, someOps))
	a.ease.Store(fewer / 2)
	if a.rush++; a.eased.Swap(false) {
		a.rush = 0
	}
	if a.rush < lasting {
		a.limit.Store(a.most)
	} else {
		a.limit.Store(fewer)
	}
	a.since, a.done = s.now, s.done
}

// within returns how many operations are done in mostWait, at the rate of n in a span.
func within(n uint64, span time.Duration) int64 {
	return int64(float64(n) * mostWait.Seconds() / span.Seconds())
}
