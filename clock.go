package cloakroom

import "time"

// clock tells the time of records, which is Config.Now's to the millisecond, and
// beside it the real one, by which timeouts run. To look at a clock costs as much
// as a look-up in memory, so each step of a request looks once.
type clock struct {
	custom func() time.Time // nil: the real time
}

// now is the time of records.
func (c clock) now() time.Time {
	now, _ := c.both()
	return now
}

// both returns the time of records and the real one.
func (c clock) both() (now, actual time.Time) {
	actual = time.Now()
	now = actual
	if c.custom != nil {
		now = c.custom()
	}
	return time.UnixMilli(now.UnixMilli()).UTC(), actual
}

// moment is a time in Unix milliseconds, in a third of a time.Time's memory.
type moment int64

func momentOf(t time.Time) moment { return moment(t.UnixMilli()) }

// since returns what has passed since the moment.
func (m moment) since(now time.Time) time.Duration {
	return time.Duration(momentOf(now)-m) * time.Millisecond
}
