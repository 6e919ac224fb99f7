package cloakroom

import (
	"bytes"
	"errors"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is the touch: how a visit is recorded so that its session stays alive, when
// that is throttled, and how the first use of a token is recorded.

// freshen brings a record's metadata up to date in a write that is made anyway. It moves
// Seen forward only, and starts the grace of a previous secret at the first use of the
// current one.
func (m *Manager) freshen(next *driver.Record, v visit, now time.Time) {
	if v.used && protocol.IsUnused(next) {
		protocol.MarkUsed(next, now)
	}
	if v.active {
		if at := v.at.Time(); at.After(next.Seen) {
			next.Seen = at
		}
		next.Expires = m.expires(next)
		if v.client != (Client{}) { // outside of requests no client is known
			next.Client = v.client
		}
	}
	if len(next.Previous) > 0 && previousOver(next, now) {
		next.Previous, next.PreviousEnds = nil, time.Time{}
	}
	ring := m.keyring.ring.Load()
	if len(next.Previous) == 0 && ring.Newest(next.Verifier) {
		return // nothing is due, whichever secret it is
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

// graceDue reports whether the first use of a new secret has to be recorded. It leaves an
// end that a machine wrote whose clock is ahead within the tolerance.
func (m *Manager) graceDue(rec *driver.Record) bool {
	return len(rec.Previous) > 0 && rec.PreviousEnds.After(m.now().Add(m.config.RenewGrace+driver.ClockTolerance))
}

// firstUseDue reports whether the visit is the first use of a new token, which has to be
// recorded.
func (m *Manager) firstUseDue(rec *driver.Record, v visit) bool {
	return v.used && (m.graceDue(rec) || protocol.IsUnused(rec))
}

// lateTouch is the longest time that a touch waits for a save with which it could go.
const lateTouch = time.Second

// touchDue reports whether the visitor's activity, or anything else that the request has
// to record beside its changes, isn't recorded yet; with mu held.
func (s *Session) touchDue() bool {
	switch {
	case !s.stored, s.gone, s.touched:
		return false
	case s.used && s.rekey, s.m.firstUseDue(s.rec, s.visit):
		return true
	}
	if !s.active || s.wrote {
		return false
	}
	passed := s.at.Time().Sub(s.rec.Seen)
	return passed > 0 && passed >= s.m.touchEvery(s.rec)
}

// touch records the visitor's activity, and anything else that is due, without waiting.
// It waits in the queue behind a save that is under way, and is given up if that has
// recorded it.
func (s *Session) touch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.touchDue() {
		return
	}
	s.touched, s.rekey = true, false
	visit := s.keptVisit()
	err := s.m.records.ChangeLater(s.rec.ID, &protocol.Change{Base: s.rec, AsOf: s.asOf, Seen: visit.seen(), Apply: func(next *driver.Record, now time.Time, untouched bool) error {
		if err := s.m.stillGood(next, visit.secret, visit.strict); err != nil {
			return err
		}
		moves := visit.active && visit.at.Time().After(next.Seen)
		due := moves || s.m.firstUseDue(next, visit)
		verifier := next.Verifier
		s.m.freshen(next, visit, now)
		if untouched && !due && bytes.Equal(verifier, next.Verifier) {
			return protocol.ErrNeedless
		}
		return nil
	}})
	if err == nil {
		s.m.own.touches.Add(1)
	}
}

// touchInTime has a due touch made while the request lasts, if no save comes with which
// it goes: after lateTouch, or sooner if others would find the session expired by then.
// The end of the request stops the timer, and makes the touch itself.
func (s *Session) touchInTime() *time.Timer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.touchDue() {
		return nil
	}
	end := s.m.expires(s.rec)
	if s.rec.Expires.Before(end) {
		end = s.rec.Expires
	}
	return time.AfterFunc(min(lateTouch, end.Sub(s.at.Time())/2), s.touch)
}

// seen returns when the visitor came; 0 if the request isn't the visitor's doing.
func (v visit) seen() protocol.Moment {
	if !v.active {
		return 0
	}
	return v.at
}

// markUsed records in the store that a request presents the token of a sign-in, before
// the request is answered: from then on the sign-in can't be repeated. A save records it
// as well. If the session has ended meanwhile, that is no error: the request read it
// before.
func (s *Session) markUsed() error {
	s.mu.Lock()
	rec, asOf, visit := s.rec, s.asOf, s.visit
	due := s.stored && !s.gone && visit.used && protocol.IsUnused(rec)
	s.mu.Unlock()
	if !due {
		return nil
	}
	visit = visit.keptVisit()
	s.saving.Lock()
	defer s.saving.Unlock()
	c := &protocol.Change{Base: rec, AsOf: asOf, Seen: visit.seen(), Apply: func(next *driver.Record, now time.Time, _ bool) error {
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
