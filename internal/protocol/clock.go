package protocol

import "time"

// This file is Clock, the time of records (Config.Now) and the real one, and Moment, a
// time in little memory.

// Clock tells the time of records, in whole milliseconds, and the real time, by which
// timeouts run. To read a clock costs as much as a look-up in memory, so each step of a
// request reads it once. The zero Clock tells the real time for both.
type Clock struct {
	Custom func() time.Time // Config.Now; nil: the real time
}

// Now returns the time of records, in UTC.
func (c Clock) Now() time.Time {
	now, _ := c.Both()
	return now
}

// Both returns the time of records, in UTC, and the real one.
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

// Time returns the time of the moment, in UTC.
func (m Moment) Time() time.Time { return time.UnixMilli(int64(m)).UTC() }

// since returns the time passed from the moment to now.
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
