package protocol

import (
	"context"
	"errors"
	"fmt"
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

// idleChecked is a store to which a session is corrupt whose own idle timeout can't be
// understood.
type idleChecked struct{ driver.Store }

// Get implements Store.
func (s idleChecked) Get(ctx context.Context, id driver.ID) (*driver.Record, error) {
	rec, err := s.Store.Get(ctx, id)
	if err == nil && rec.Kind == driver.KindSession {
		if ms, _ := OwnIdle(rec); ms < 0 {
			return nil, fmt.Errorf("%w: its member %q is not an idle timeout, which is a whole number of milliseconds from 0 on", driver.ErrCorrupt, driver.ExtraIdle)
		}
	}
	return rec, err
}
