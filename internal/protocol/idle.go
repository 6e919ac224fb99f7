package protocol

import (
	"errors"
	"strconv"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the idle timeout that a session may have of its own, in Record.Extra.

// OwnIdle returns the idle timeout that a session has of its own, in milliseconds, and
// whether it has one. 0: its own is that it has none. It is -1 if it can't be
// understood, which no record that was read here is.
func OwnIdle(rec *driver.Record) (ms int64, own bool) {
	if len(rec.Extra) == 0 {
		return 0, false
	}
	raw := rec.Extra.Get(driver.ExtraIdle)
	if raw == nil {
		return 0, false
	}
	n, err := strconv.ParseUint(string(raw), 10, 63)
	if err != nil && !errors.Is(err, strconv.ErrRange) { // beyond that n is the most there is
		return -1, true
	}
	return int64(n), true
}

// IdleTimeout returns the idle timeout of a session, where others have the second.
// driver.MaxLifetime: it has none, as the deadline comes first.
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
