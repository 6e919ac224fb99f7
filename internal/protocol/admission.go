package protocol

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is admission: which operations are turned down when too many come.

// admission turns down operations that would have to wait for too long, before they
// cost the store anything. A queue that is bounded in number alone doesn't: one that a
// store works off in half a second at its best takes a minute when it is slow,
// and whoever asked has left by then.
//
// The operations under way are the rate at which they are done times the time
// that each takes (Little's law), wherever they wait: in a store's queue, for a
// connection or for a processor. So it limits their number to what was done in
// mostWait at the rate of just now. That is room for what piles up in a store's
// pause. In a rush that lasts it would stay full, and be no more than latency,
// stacks and garbage: then the limit is that of rushWait.
//
// A save is turned down later than a read or a new session: what was done for it
// would be lost. Only where reads are answered from memory (Options.CacheFor) is
// it the saves that are too many.
type admission struct {
	count atomic.Uint64 // operations under way, and above them those done
	limit atomic.Int64  // how many may be under way; 0: as many as come
	ease  atomic.Int64  // so few show that it is no rush that lasts
	busy  atomic.Bool   // more than fewOps came, and didn't fall below half of it since
	eased atomic.Bool   // they fell to ease

	mu    sync.Mutex
	since time.Time // the measured span's beginning
	done  uint64    // operations, by then
	most  int64     // the limit if it is no rush that lasts
	rush  int       // spans without ease
}

const (
	fewOps   = 256                    // so many operations are never too many
	someOps  = 1024                   // so many are no burden to this process
	mostOps  = 1 << 16                // so many always are too many
	mostWait = 150 * time.Millisecond // for one operation; a request has two
	rushWait = 50 * time.Millisecond  // the same, if there are more than someOps
	measured = 100 * time.Millisecond // at least, to know a rate
	lasting  = 3                      // so many spans without ease are a rush that lasts

	oneDone = 1 << 24 // in count
)

// leave counts an operation that is done.
func (a *admission) leave() {
	n := int64(a.count.Add(oneDone-1) % oneDone)
	if n <= a.ease.Load() && !a.eased.Load() {
		a.eased.Store(true)
	}
	if n == fewOps/2 {
		a.busy.Store(false)
	}
}

// full reports whether what begins now would be turned down.
func (a *admission) full() bool {
	c := a.count.Load()
	return int64(c%oneDone) >= fewOps && !a.room(c+1, 1)
}

// admit counts an operation that begins, unless it has to be turned down. One of a
// request that has begun, such as its save, has a limit of its own.
func (a *admission) admit(begun bool) error {
	share := int64(1)
	if begun {
		share = 4
	}
	if c := a.count.Add(1); int64(c%oneDone) > fewOps && !a.room(c, share) {
		a.count.Add(^uint64(0)) // it didn't begin, and isn't done
		return ErrTooMany
	}
	return nil
}

// room reports whether the last of more than fewOps counted operations is within
// so many times the limit.
func (a *admission) room(count uint64, times int64) bool {
	a.measure(count / oneDone)
	n, limit := int64(count%oneDone), a.limit.Load()
	return (limit == 0 || n <= limit*times) && n <= mostOps
}

// ErrTooMany is the error of an operation that is turned down. It certainly did not
// happen.
var ErrTooMany = fmt.Errorf("cloakroom: more operations are under way than the store carries out in time: %w: %w", driver.ErrOverloaded, driver.ErrUnavailable)

// measure adapts the limit to the rate at which operations are done while there
// are enough of them to keep the store busy. done is how many ever were.
func (a *admission) measure(done uint64) {
	if !a.mu.TryLock() {
		return // somebody does
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

// span is a time in which operations were done, up to now.
type span struct {
	now  time.Time
	took time.Duration
	done uint64 // ever
	n    uint64 // in the span
}

// beginRush lets all in until a rate is known. What the store did at leisure it can do.
func (a *admission) beginRush(s span) {
	a.since, a.done, a.most, a.rush = s.now, s.done, 0, 0
	if s.took >= measured {
		a.most = within(s.n, s.took)
	}
	a.limit.Store(0)
}

// adapt sets the limits by what was done in a span, and begins the next.
func (a *admission) adapt(s span) {
	// The limit rises at once and falls by half, since a pause is no slow store.
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
	// A rush that lasts is one in which there was no ease for some spans.
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

// within is how many of the operations that were done in a span are done in mostWait.
func within(n uint64, span time.Duration) int64 {
	return int64(float64(n) * mostWait.Seconds() / span.Seconds())
}
