package cloakroom

import (
	"context"
	"net/http"

	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is sessions outside of requests: Create makes one, Attach puts its token on a
// client's request.

// Create makes and stores a new, empty session outside of a request: for tests, and for
// clients that are handed their token in another way. To keep values that are set in it,
// call Session.Save.
func (m *Manager) Create(ctx context.Context) (*Session, error) {
	rec := m.newRecord("", m.config.AnonymousLifetime)
	secret := m.seal(rec)
	rec, err := m.records.Create(ctx, rec)
	if err != nil {
		return nil, err
	}
	s := m.newSession(new(sessionMemory), nil)
	s.at = protocol.MomentOf(rec.Created)
	s.adopt(rec, secret, protocol.MomentOf(rec.Created))
	m.events.created(ctx, rec.Info())
	return s, nil
}

// Attach puts the session's token on a request, as its client would: for tests, and for
// clients written in Go. The session has to be one of a manager with the same App and
// Transport, since another's token opens nothing here.
//
// The token is that of s itself. A response may hand out another, such as when the
// request signs in. That is the token of another Session: take it from the response. If s
// has no token, nothing is put on.
func (m *Manager) Attach(r *http.Request, s *Session) {
	if t := s.Token(); t != "" {
		m.transport.attach(r, t)
	}
}
