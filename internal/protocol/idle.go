package protocol

import (
	"errors"
	"strconv"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the idle timeout of a session: the configuration's, or its own
// (Record.Extra).

// OwnIdle returns the idle timeout of a session's own, in milliseconds, and whether it
// has one. 0: the session never idles out. -1: the member can't be understood; Records
// reads such a record as corrupt.
func OwnIdle(rec *driver.Record) (ms int64, own bool) {
	if len(rec.Extra) == 0 {
		return 0, false
	}
	raw := rec.Extra.Get(driver.ExtraIdle)
	if raw == nil {
		return 0, false
	}
	n, err := strconv.ParseUint(string(raw), 10, 63)
	if err != nil && !errors.Is(err, strconv.ErrRange) { // out of range n is the largest number
		return -1, true
	}
	return int64(n), true
}

// IdleTimeout returns the idle timeout of a session: its own, or else others, that of the
// configuration. It is driver.MaxLifetime for a session without one, as the deadline
// comes first.
func IdleTimeout(rec *driver.Record, others time.Duration) time.Duration {
	ms, own := OwnIdle(rec)
	switch {
	case !own:
		return others
	case ms == 0, ms > driver.MaxLifetime.Milliseconds():
		return driver.MaxLifetime
	}
	return max(time.Duration(ms)*time.Millisecond, 0)
}
