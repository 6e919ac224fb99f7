package cloakroom

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
	"github.com/cloakroom-go/cloakroom/internal/token"
)

// This file is the renewal: a new secret for a session, in place.

// maxRenewGrace is how long an old secret stays good at most when nobody uses
// the new one: its token may have been lost on its way to the client.
const maxRenewGrace = time.Hour

// errNotCurrent says that the secret is no longer the current one.
var errNotCurrent = errors.New("cloakroom: not the current secret")

// Renew gives the session a new secret, and so a new token, in place: do it
// when privileges change. The old one stays good until Config.RenewGrace after
// the new one is first used, and at most an hour, so that parallel requests and
// a lost response log nobody out.
//
// It does nothing if the session's token hasn't come from the client yet, since
// then nobody else can know it, nor if the secret is no longer the current one,
// since then someone has renewed it already.
func (s *Session) Renew(ctx context.Context) error {
	s.saving.Lock()
	defer s.saving.Unlock()
	s.mu.Lock()
	rec, asOf, visit, gone := s.rec, s.asOf, s.visit, s.gone
	s.mu.Unlock()
	switch {
	case gone:
		return fmt.Errorf("cloakroom: renewing: %w", ErrGone)
	case !visit.used:
		return nil
	case s.q.sent():
		return fmt.Errorf("cloakroom: %w: renew before writing the response", ErrTooLate)
	}
	var secret [16]byte
	_, _ = rand.Read(secret[:]) // never fails (crypto/rand)
	m := s.m
	c := &protocol.Change{Base: rec, AsOf: asOf, Seen: visit.seen(), Apply: func(next *driver.Record, now time.Time, _ bool) error {
		m.freshen(next, visit, now)
		ring, claims := m.keyring.ring.Load(), claims(next)
		if ok, _ := ring.Check(next.Verifier, claims, visit.secret); !ok {
			if token.Newer(next.Verifier) {
				return errNewerVerifier(next.ID)
			}
			return errNotCurrent
		}
		next.Previous, next.PreviousEnds = next.Verifier, now.Add(maxRenewGrace)
		next.Verifier = ring.Verifier(claims, secret)
		return nil
	}}
	saved, err := m.records.Change(rec.ID, c)
	if errors.Is(err, errNotCurrent) && !errors.Is(err, ErrUnknown) {
		return nil
	}
	if err == nil && saved == nil {
		err = fmt.Errorf("cloakroom: renewing %v: %w", rec.ID, ErrGone)
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rec == rec {
		s.adopt(saved, secret, c.AsOf)
	}
	m.events.renewed(ctx, saved.Info())
	return nil
}
