package cloakroom

import (
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is how long a session lives without a request.

// expires returns when a record expires unless there is activity.
func (m *Manager) expires(r *driver.Record) time.Time {
	if e := r.Seen.Add(protocol.IdleTimeout(r, m.config.IdleTimeout)); e.Before(r.Deadline) {
		return e
	}
	return r.Deadline
}

// touchEvery returns how often, at most, a session's activity is recorded by itself.
func (m *Manager) touchEvery(r *driver.Record) time.Duration {
	every := m.config.TouchEvery
	if ms, own := protocol.OwnIdle(r); own && ms > 0 {
		every = min(every, time.Duration(ms)*time.Millisecond/10)
	}
	return every
}

// setOwnIdle gives a record that is about to be signed in an idle timeout of its own,
// in milliseconds.
func (m *Manager) setOwnIdle(r *driver.Record, ms int64, g driver.WriteID) {
	r.Extra = protocol.OwnIdleOf(ms, g)
	r.Expires = m.expires(r)
}
