package protocol

import (
	"context"
	"errors"
	"fmt"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the check of each record that a store returns, before anything else looks
// at it.

// checked is a store whose Get keeps to the contract. It calls a session corrupt if its
// own idle timeout can't be understood.
//
// A wrapper around a store easily drops the record that comes with an error. Without the
// grave nobody knows why and until when a session has ended, and the visitor's next
// request would fail for the same reason, for ever. So that is an outage, and the store's
// fault.
type checked struct{ driver.Store }

// Get implements Store.
func (s checked) Get(ctx context.Context, id driver.ID) (*driver.Record, error) {
	rec, err := s.Store.Get(ctx, id)
	switch {
	case err == nil && rec == nil:
		return nil, fmt.Errorf("%w: %T returned neither a record nor an error", driver.ErrUnavailable, s.Store)
	case errors.Is(err, driver.ErrGone) && !driver.IsGone(rec, err):
		return nil, fmt.Errorf("%w: %T said that a session has ended, and did not return the record with its grave, as Get has to: %v", driver.ErrUnavailable, s.Store, err) //nolint:errorlint // not to be told by errors.Is
	case err == nil && rec.Kind == driver.KindSession:
		if ms, _ := OwnIdle(rec); ms < 0 {
			return nil, fmt.Errorf("%w: its member %q is not an idle timeout, which is a whole number of milliseconds from 0 on", driver.ErrCorrupt, driver.ExtraIdle)
		}
	}
	return rec, err
}
