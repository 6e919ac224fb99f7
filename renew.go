package cloakroom

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is the renewal, Renew and RenewStrict: a new secret for a session, in place.

// errNotCurrent says that the secret is no longer the current one.
var errNotCurrent = errRenewed("renewing")

// Renew gives the session a new secret, and so a new token, in place: do it when
// privileges change. The old secret stays good until Config.RenewGrace and
// driver.ClockTolerance (2 minutes: clocks may lie apart) after the new one is first
// used, and at most an hour. So parallel requests and a lost response log nobody out. The
// record keeps the last 8 secrets that renewals replaced, each for as long after the
// first use of the next one.
//
// Renew does nothing if the client hasn't sent the session's token yet, since then nobody
// else can know it; but for a foreign cookie (Config.Import), which others may. Nor does it if the secret is no longer the current one, since then
// another renewal came first.
//
// The response's first byte waits until Renew has ended, as with Login. ErrTooLate: the
// response had begun, and nothing was done.
func (s *Session) Renew(ctx context.Context) error {
	err := s.renew(ctx, false)
	if errors.Is(err, errNotCurrent) && !errors.Is(err, ErrUnknown) {
		return nil
	}
	return err
}

// RenewStrict is Renew without any grace. Once it has returned nil, the old secret and
// all that earlier renewals replaced open nothing and save nothing, in requests that are
// under way as well. For Config.RenewGrace, at most an hour, and driver.ClockTolerance
// more, a late request with one is treated as after a sign-out: it gets no cookie, and
// saving a value is ErrGone. Login works, and starts empty.
//
// The cost: if the response is lost, the visitor is signed out, and parallel requests
// with the old token fail. Use it where an old token may be in the wrong hands, and Renew
// elsewhere. With Config.CacheFor, other processes may show their remembered state of the
// session to an old secret for that long.
//
// RenewStrict does nothing if nobody else can know a token of the session. If the secret
// is no longer the current one, it ends none and returns ErrConflict.
//
// Errors: ErrConflict, the request came with a token that has been renewed, or with
// several of which none is used; ErrGone, the session has ended, or the request's secret;
// ErrTooLate; ErrUnavailable, and with it ErrUnknown if old secrets may have ended or
// not.
func (s *Session) RenewStrict(ctx context.Context) error { return s.renew(ctx, true) }

// renew puts a new secret in the place of the current one. It returns errNotCurrent if
// that isn't the session's.
func (s *Session) renew(ctx context.Context, strict bool) (err error) {
	s.saving.Lock()
	defer s.saving.Unlock()
	s.mu.Lock()
	rec, asOf, visit, gone, old, barred := s.rec, s.asOf, s.keptVisit(), s.gone, s.old, s.barred
	s.mu.Unlock()
	switch {
	case gone:
		return fmt.Errorf("cloakroom: renewing: %w", ErrGone)
	case strict && barred != nil:
		return barred.err
	case strict && old:
		return errNotCurrent
	case !visit.used && !visit.foreign && (!strict || len(rec.Previous) == 0): // else it was renewed in this request
		return nil
	}
	if err := s.q.claim(s, "renew"); err != nil {
		return err
	}
	defer func() { err = s.q.release(err) }()
	var secret [16]byte
	_, _ = rand.Read(secret[:]) // never fails (crypto/rand)
	m := s.m
	c := &protocol.Change{Base: rec, AsOf: asOf, Seen: visit.seen(), Apply: func(next *driver.Record, now time.Time, _ bool) error {
		m.freshen(next, visit, now)
		switch ok, err := m.isCurrent(next, visit.secret); {
		case err != nil:
			return err
		case !ok:
			return errNotCurrent
		}
		return replaceSecret(m.keyring.ring.Load(), next, visit.secret, secret, now, strict, m.config.RenewGrace)
	}}
	saved, err := m.records.Change(rec.ID, c)
	if err == nil && saved == nil {
		err = fmt.Errorf("cloakroom: renewing %v: %w", rec.ID, ErrGone)
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	if s.rec == rec {
		s.adopt(saved, secret, c.AsOf)
	}
	s.mu.Unlock()
	m.events.renewed(ctx, saved.Info())
	return nil
}
