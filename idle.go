package cloakroom

import (
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is the idle timeout in a record: when a session expires without a request,
// and how often its activity is recorded.

// expires returns when a record expires unless there is activity.
func (m *Manager) expires(r *driver.Record) time.Time {
	if e := r.Seen.Add(protocol.IdleTimeout(r, m.config.IdleTimeout)); e.Before(r.Deadline) {
		return e
	}
	return r.Deadline
}

// touchEvery returns the time in which a session's activity is recorded by itself at most
// once.
func (m *Manager) touchEvery(r *driver.Record) time.Duration {
	every := m.config.TouchEvery
	if ms, own := protocol.OwnIdle(r); own && ms > 0 {
		every = min(every, time.Duration(ms)*time.Millisecond/10)
	}
	return every
}

// setOwnIdle gives the record of a sign-in, which isn't stored yet, an idle timeout of
// its own, in milliseconds.
func (m *Manager) setOwnIdle(r *driver.Record, ms int64, g driver.WriteID) {
	r.Extra = protocol.OwnIdleOf(ms, g)
	r.Expires = m.expires(r)
}
