package cloakroom

import (
	"errors"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is activity: how a visit keeps its session alive, and how the first one is
// known as such.

// freshen brings a record's metadata up to date in a write that happens now anyway.
// It moves Seen forward only, and starts the grace of a previous secret at the
// first use of the current one.
func (m *Manager) freshen(next *driver.Record, v visit, now time.Time) {
	if v.used && protocol.IsUnused(next) {
		protocol.MarkUsed(next)
	}
	if v.active {
		next.Seen = later(next.Seen, now)
		next.Expires = m.expires(next)
		if v.client != (Client{}) { // outside of requests nobody knows
			next.Client = v.client
		}
	}
	if len(next.Previous) > 0 && previousOver(next, now) {
		next.Previous, next.PreviousEnds = nil, time.Time{}
	}
	ring := m.keyring.ring.Load()
	if len(next.Previous) == 0 && ring.Newest(next.Verifier) {
		return // there is nothing to be done, whosever secret it is
	}
	ok, old := ring.Check(next.Verifier, claims(next), v.secret)
	if !ok {
		return // the secret is the previous one
	}
	if old {
		next.Verifier = ring.Verifier(claims(next), v.secret)
	}
	if v.used && m.graceDue(next) {
		next.PreviousEnds = now.Add(m.config.RenewGrace)
	}
}

// graceDue reports whether the first use of a new secret has to be recorded. An end that
// a machine wrote whose clock is ahead as far as is tolerated stays.
func (m *Manager) graceDue(rec *driver.Record) bool {
	return len(rec.Previous) > 0 && rec.PreviousEnds.After(m.now().Add(m.config.RenewGrace+driver.ClockTolerance))
}

// touch records the visitor's activity, and what else is due, without waiting.
// It yields to any conflict, as whoever wrote was active as well; but not if it
// begins the grace of a renewed secret.
func (s *Session) touch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stored || s.gone {
		return
	}
	grace := s.used && s.m.graceDue(s.rec)
	unused := s.used && protocol.IsUnused(s.rec)
	if unused || s.active && !s.wrote && s.m.now().Sub(s.rec.Seen) >= s.m.config.TouchEvery || s.used && s.rekey || grace {
		s.rekey = false
		visit := s.visit
		_ = s.m.records.ChangeLater(s.rec.ID, &protocol.Change{Base: s.rec, AsOf: s.asOf, Yields: !grace && !unused, Apply: func(next *driver.Record, now time.Time, _ bool) error {
			if err := s.m.stillGood(next, visit.secret, visit.strict); err != nil {
				return err
			}
			s.m.freshen(next, visit, now)
			return nil
		}})
	}
}

// markUsed has the store know that a request presents the token of a sign-in, before the
// request is answered: from then on the sign-in isn't to be repeated. A save does so as
// well. That the session has ended meanwhile is no error: the request read it before.
func (s *Session) markUsed() error {
	s.mu.Lock()
	rec, asOf, visit := s.rec, s.asOf, s.visit
	due := s.stored && !s.gone && visit.used && protocol.IsUnused(rec)
	s.mu.Unlock()
	if !due {
		return nil
	}
	s.saving.Lock()
	defer s.saving.Unlock()
	c := &protocol.Change{Base: rec, AsOf: asOf, Apply: func(next *driver.Record, now time.Time, _ bool) error {
		if err := s.m.stillGood(next, visit.secret, visit.strict); err != nil {
			return err
		}
		if !protocol.IsUnused(next) {
			return protocol.ErrUsed
		}
		s.m.freshen(next, visit, now)
		return nil
	}}
	saved, err := s.m.records.Change(rec.ID, c)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case errors.Is(err, ErrUnknown):
		return err
	case errors.Is(err, protocol.ErrUsed): // by a request of the same moment
		return nil
	case errors.Is(err, ErrGone), err == nil && saved == nil:
		s.gone = s.gone || s.rec == rec
		return nil
	case err != nil:
		return err
	}
	if s.rec == rec {
		s.wrote, s.rekey = true, false
		s.show(saved, c.AsOf)
	}
	return nil
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
