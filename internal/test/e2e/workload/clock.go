package workload

import (
	"sync/atomic"
	"time"
)

// Clock is a clock for Config.Now that stands still until it is moved. It is
// safe for concurrent use.
type Clock struct{ ms atomic.Int64 }

// NewClock returns a clock that shows a time.
func NewClock(at time.Time) *Clock {
	c := &Clock{}
	c.ms.Store(at.UnixMilli())
	return c
}

// Now returns the clock's time.
func (c *Clock) Now() time.Time { return time.UnixMilli(c.ms.Load()) }

// Advance moves the clock forward.
func (c *Clock) Advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// millis returns the clock's time in milliseconds; 0 for no clock.
func (c *Clock) millis() int64 {
	if c == nil {
		return 0
	}
	return c.ms.Load()
}
