package protocol

import "time"

// This file is the clock, and moments of it.

// Clock tells the time of records, to the millisecond, and beside it the real
// one, by which timeouts run. To look at a clock costs as much as a look-up in
// memory, so each step of a request looks once. The zero Clock is the real time.
type Clock struct {
	Custom func() time.Time // Config.Now; nil: the real time
}

// Now returns the time of records.
func (c Clock) Now() time.Time {
	now, _ := c.Both()
	return now
}

// Both returns the time of records and the real one.
func (c Clock) Both() (now, actual time.Time) {
	actual = time.Now()
	now = actual
	if c.Custom != nil {
		now = c.Custom()
	}
	return time.UnixMilli(now.UnixMilli()).UTC(), actual
}

// Moment is a time in Unix milliseconds, in a third of a time.Time's memory.
type Moment int64

// MomentOf returns the moment of a time.
func MomentOf(t time.Time) Moment { return Moment(t.UnixMilli()) }

// Time returns the time of the moment.
func (m Moment) Time() time.Time { return time.UnixMilli(int64(m)).UTC() }

// since returns what has passed since the moment.
func (m Moment) since(now time.Time) time.Duration {
	return time.Duration(MomentOf(now)-m) * time.Millisecond
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
