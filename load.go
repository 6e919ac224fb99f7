package cloakroom

import (
	"context"
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
	"github.com/cloakroom-go/cloakroom/internal/token"
)

// This file is the opening of a session: whether there is one, and whether the
// token's secret opens its record.

// Retrieve returns the session of a token outside of a request. Like a request,
// it counts as activity, of this moment: what is saved later doesn't.
//
// ErrNotFound: the token doesn't verify, or its session has ended or expired.
func (m *Manager) Retrieve(ctx context.Context, text string) (*Session, error) {
	t, ok := m.keyring.ring.Load().Parse(m.scope, text)
	now, actual := m.clock.Both()
	if !ok || !m.inTime(ID(t.ID), now) {
		return nil, fmt.Errorf("cloakroom: session: %w", ErrNotFound)
	}
	s := m.newSession(new(Session), nil)
	s.at = protocol.MomentOf(now)
	if err := m.load(ctx, s, t, now, actual); err != nil {
		return nil, err
	}
	if !s.stored {
		return nil, fmt.Errorf("cloakroom: session %v: %w", ID(t.ID), ErrNotFound)
	}
	s.touch()
	return s, nil
}

// load fills an empty session from the record that a verified token opens. It stays
// empty, without an error, if the token opens none. now and actual are the two times
// of the clock when it begins.
func (m *Manager) load(ctx context.Context, s *Session, t token.Token, now, actual time.Time) error {
	if m.openRemembered(s, t, now) {
		return nil
	}
	s.reading.Begin(ctx, actual.Add(m.config.SaveTimeout), nil)
	defer s.reading.End()
	rec, grave, err := m.records.Open(&s.reading, ID(t.ID))
	switch {
	case err != nil:
		return err
	case grave != nil:
		m.openEnded(s, grave)
	case rec != nil:
		return m.open(&s.reading, s, rec, t, protocol.MomentOf(now))
	}
	return nil
}

// openEnded keeps a late request, whose session has just ended, from beginning an
// anonymous one: its cookie would put itself in the place of the next sign-in's. A
// request with a token that a sign-in replaced can't sign in either. A session that
// was ended from elsewhere makes no request late: nobody told the client to forget the
// token, so all that the client sends comes with it.
func (m *Manager) openEnded(s *Session, grave *driver.Grave) {
	if m.now().Sub(grave.At) >= m.config.RenewGrace {
		return
	}
	switch grave.Reason {
	case EndReplaced:
		s.gone = true
	case EndDestroyed:
		s.barred = &barrier{err: fmt.Errorf("cloakroom: the request came with the token of a session that was just signed out: %w", ErrGone)}
	}
}

// openRemembered fills an empty session from memory, in the place of the store,
// and reports whether it could. Whatever would turn the visitor away or hand out a
// token is left to the store: a secret that doesn't open the record, which may have
// been renewed elsewhere; a session that is over, which may have been in use
// elsewhere; a token that has to be signed anew.
func (m *Manager) openRemembered(s *Session, t token.Token, now time.Time) bool {
	if t.Old {
		return false
	}
	rec, asOf := m.records.Recall(ID(t.ID), now)
	if rec == nil {
		return false
	}
	ok, old := m.keyring.ring.Load().Check(rec.Verifier, claims(rec), t.Secret)
	if !ok {
		return false
	}
	s.secret, s.used, s.rekey = t.Secret, true, old
	s.show(rec, asOf)
	return true
}

// opener is what a token's secret is to a session.
type opener struct {
	token.Token
	fits     bool
	previous bool // it is the one of before the last renewal
	oldRing  bool // a later key of the ring made the verifier
}

// openerOf judges a token's secret.
//
// driver.ErrNewer: a newer version made the verifier, so nobody here can tell.
func (m *Manager) openerOf(rec *driver.Record, t token.Token) (opener, error) {
	o := opener{Token: t}
	ring, claims := m.keyring.ring.Load(), claims(rec)
	if o.fits, o.oldRing = ring.Check(rec.Verifier, claims, t.Secret); o.fits {
		return o, nil
	}
	inGrace := m.now().Before(rec.PreviousEnds)
	if token.Newer(rec.Verifier) || inGrace && token.Newer(rec.Previous) {
		return o, errNewerVerifier(rec.ID)
	}
	if inGrace {
		o.fits, _ = ring.Check(rec.Previous, claims, t.Secret)
		o.previous = o.fits
	}
	return o, nil
}

// open fills the session if the token's secret opens the record, which was read
// no earlier than asOf. Its error is that of openerOf.
func (m *Manager) open(ctx context.Context, s *Session, rec *driver.Record, t token.Token, asOf protocol.Moment) error {
	o, err := m.openerOf(rec, t)
	switch {
	case err != nil:
		return err
	case !o.fits:
		m.events.refused(ctx, rec.ID, RefusedSecret)
		return nil
	}
	s.unlock(rec, o, asOf)
	return nil
}

// unlock fills the session from a record that an opener fits.
func (s *Session) unlock(rec *driver.Record, o opener, asOf protocol.Moment) {
	s.secret, s.used, s.rekey, s.old = o.Secret, !o.previous, o.oldRing, o.previous
	s.fresh = true
	s.show(rec, asOf)
	if o.Old && !s.old {
		s.q.reissue()
	}
}

// errNewerVerifier is the error where it would take a newer version to tell whether a
// secret opens a session.
func errNewerVerifier(id ID) error {
	return fmt.Errorf("cloakroom: verifier of %v: %w", id, driver.ErrNewer)
}
