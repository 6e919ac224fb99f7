package cloakroom

import (
	"context"
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
	"github.com/cloakroom-go/cloakroom/internal/token"
)

// This file is the opening of a session by a token: whether there is a session, and
// whether the token's secret opens its record.

// Retrieve returns the session of a token outside of a request. Like a request, it counts
// as activity, at the time of the call. Later saves don't.
//
// ErrNotFound: the token doesn't verify, or its session has ended or expired. It is an
// *EndedError if the reason and the time are known. A token that is refused is told as in
// a request (Events.Refused).
func (m *Manager) Retrieve(ctx context.Context, text string) (*Session, error) {
	t, ok := m.keyring.ring.Load().Parse(m.scope, text)
	now, actual := m.clock.Both()
	switch {
	case !ok:
		m.events.refused(ctx, ID{}, RefusedForged)
		return nil, fmt.Errorf("cloakroom: session: %w", ErrNotFound)
	case !m.inTime(ctx, ID(t.ID), now):
		m.events.refused(ctx, ID(t.ID), RefusedAge)
		return nil, fmt.Errorf("cloakroom: session %v: %w", ID(t.ID), ErrNotFound)
	}
	s := m.newSession(new(sessionMemory), nil)
	s.at = protocol.MomentOf(now)
	if err := m.load(ctx, s, t, now, actual); err != nil {
		return nil, err
	}
	if !s.stored {
		return nil, notFound(ID(t.ID), s.end)
	}
	if err := s.markUsed(); err != nil {
		return nil, err
	}
	if s.hasEnded() { // meanwhile
		return nil, fmt.Errorf("cloakroom: session %v: %w", ID(t.ID), ErrNotFound)
	}
	s.touch()
	return s, nil
}

// load fills an empty session from the record that a verified token opens. If the token
// opens none, the session stays empty, without an error. now and actual are the two times
// of the clock when the load begins.
func (m *Manager) load(ctx context.Context, s *Session, t token.Token, now, actual time.Time) error {
	if m.openRemembered(s, t, now) {
		return nil
	}
	s.reading.Begin(ctx, actual.Add(m.config.SaveTimeout), nil)
	defer s.reading.End()
	rec, grave, err := m.records.Open(&s.reading, ID(t.ID), now)
	switch {
	case err != nil:
		return err
	case grave != nil:
		m.openEnded(s, grave, t)
	case rec != nil:
		return m.open(&s.reading, s, rec, t, protocol.MomentOf(now))
	}
	return nil
}

// openEnded keeps a late request, whose session has just ended, from beginning an
// anonymous session, whose cookie would take the place of the next sign-in's. A session
// that was ended from elsewhere makes no request late. Nobody has told the client to
// forget that token, so all its requests bring it.
//
// If a sign-in replaced the session, and its answer may have been lost, the visitor can
// sign in again.
func (m *Manager) openEnded(s *Session, grave *driver.Grave, t token.Token) {
	s.end = laterEnd(s.end, grave)
	if m.mayRepeat(ID(t.ID), grave, t.Secret) {
		s.replaced = ID(t.ID)
	}
	if !endedLately(m.config.RenewGrace, grave.At, m.now()) {
		return
	}
	switch grave.Reason {
	case EndReplaced:
		s.gone = true
	case EndDestroyed:
		s.barred = &barrier{err: fmt.Errorf("cloakroom: the request came with the token of a session that was just signed out: %w", ErrGone)}
	}
}

// mayRepeat reports whether the holder of the secret of a session that has ended may
// repeat the sign-in that replaced it: it was lately, and the secret was the current one
// then. That opens nothing. The visitor still has to prove who they are.
func (m *Manager) mayRepeat(id ID, grave *driver.Grave, secret [16]byte) bool {
	old := protocol.ReplacedRecord(id, grave)
	if old == nil || m.now().Sub(grave.At) >= protocol.RepeatWithin {
		return false
	}
	ok, _ := m.keyring.ring.Load().Check(old.Verifier, claims(old), secret)
	return ok
}

// openRemembered fills an empty session from memory, in the place of the store, and
// reports whether it could. It leaves to the store whatever would turn the visitor away
// or hand out a token: a secret that doesn't open the record, which may have been renewed
// elsewhere; a session that is over, which may have been in use elsewhere; a token that
// has to be signed anew.
func (m *Manager) openRemembered(s *Session, t token.Token, now time.Time) bool {
	if t.Old {
		return false
	}
	rec, asOf := m.records.Recall(ID(t.ID), now)
	if rec == nil || rec.Created.Before(m.config.NotBefore) {
		return false
	}
	ok, old := m.keyring.ring.Load().Check(rec.Verifier, claims(rec), t.Secret)
	if !ok {
		return false
	}
	s.secret, s.used, s.rekey, s.strict = t.Secret, true, old, strictOf(rec)
	s.show(rec, asOf)
	m.own.remembered.Add(1)
	return true
}

// opener is the judgement of a token's secret for a session.
type opener struct {
	token.Token
	fits     bool
	previous bool // a renewal replaced it, and it is in its grace
	ended    bool // a strict renewal ended it just now, and it doesn't fit
	oldRing  bool // a later key of the ring made the verifier
}

// openerOf judges a token's secret.
//
// driver.ErrNewer: a newer version made the verifier, so nobody here can tell.
func (m *Manager) openerOf(rec *driver.Record, t token.Token) (opener, error) {
	o := opener{Token: t}
	if rec.Created.Before(m.config.NotBefore) { // which an imported session's id doesn't tell
		return o, nil
	}
	ring, claims := m.keyring.ring.Load(), claims(rec)
	if o.fits, o.oldRing = ring.Check(rec.Verifier, claims, t.Secret); o.fits {
		return o, nil
	}
	if token.Newer(rec.Verifier) {
		return o, errNewerVerifier(rec.ID)
	}
	stands, err := standingOf(ring, rec, t.Secret, m.now())
	o.previous = stands == standsOpen
	o.fits, o.ended = o.previous, stands == standsEnded
	return o, err
}

// open fills the session if the token's secret opens the record, which was read at asOf
// or later. Its error is that of openerOf.
func (m *Manager) open(ctx context.Context, s *Session, rec *driver.Record, t token.Token, asOf protocol.Moment) error {
	o, err := m.openerOf(rec, t)
	switch {
	case err != nil:
		return err
	case !o.fits:
		m.events.refused(ctx, rec.ID, RefusedSecret)
		if o.ended {
			s.barred = &barrier{err: errEnded(rec.ID)}
		}
		return nil
	}
	s.unlock(rec, o, asOf)
	return nil
}

// unlock fills the session from a record that the opener fits.
func (s *Session) unlock(rec *driver.Record, o opener, asOf protocol.Moment) {
	s.secret, s.used, s.rekey, s.old, s.strict = o.Secret, !o.previous, o.oldRing, o.previous, strictOf(rec)
	s.fresh = true
	s.show(rec, asOf)
	if o.Old && !s.old {
		s.q.reissue()
	}
}
