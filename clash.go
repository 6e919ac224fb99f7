package cloakroom

import (
	"context"
	"fmt"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the check that two managers on one request have tokens that a client can
// tell apart. If it can't, the client keeps one token for both, and each new token of one
// takes the other's place.

// clashKey is the key under which a request's context has a manager that clashes with m.
type clashKey struct{ m *Manager }

// clashes reports whether clients can't tell the tokens of two managers apart. Managers
// of one app don't clash, as they may share the sessions.
func (m *Manager) clashes(other *Manager) bool {
	return m.config.App != other.config.App && sameTransport(m.transport, other.transport)
}

// noticeClash logs and keeps, once for a manager, that its Handler is inside that of a
// manager that it clashes with. ctx is the request's context outside of this manager's
// Handler.
func (m *Manager) noticeClash(ctx context.Context) {
	if m.clash.Load() != nil {
		return
	}
	other, _ := ctx.Value(clashKey{m}).(*Manager)
	if other == nil {
		return
	}
	where := "header, Authorization"
	if c, ok := m.transport.(Cookie); ok {
		where = fmt.Sprintf("cookie, %q", c.Name)
	}
	p := &driver.Problem{
		Code: "transport-clash", Severity: driver.SeverityFail,
		Meaning: fmt.Sprintf("Requests pass the Handlers of two managers, of the apps %q and %q, whose tokens travel in the same %s. A client keeps one, so each takes the place of the other's, and its visitors lose their sessions.", other.config.App, m.config.App, where),
		Remedy:  "Give one of them a Cookie with another Name, or use one manager.",
	}
	if m.clash.CompareAndSwap(nil, p) {
		m.config.Logger.Warn("cloakroom: "+p.String(), "problem", p.Code)
	}
}

// sameTransport reports whether a client keeps one token for two managers.
func sameTransport(a, b Transport) bool {
	if _, ok := a.(Bearer); ok {
		_, ok = b.(Bearer)
		return ok
	}
	k, ok := a.(Cookie)
	l, ok2 := b.(Cookie)
	return ok && ok2 && k.Name == l.Name && k.Domain == l.Domain && k.Path == l.Path && k.Partitioned == l.Partitioned
}
