package cloakroom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
	"github.com/cloakroom-go/cloakroom/internal/token"
)

// This file is the sign-in, as the application sees it. internal/protocol/signin.go
// replaces one session by the other.

// LoginAttempt is taken before the password is checked and given to Login after, so
// that a sign-in which checked an old password can't outlive a "password
// changed, sign out everywhere" that comes in between. It is good for half an
// hour. Where signing in takes several requests, keep it in the session, where
// it is encoded as JSON; never hand it to a client.
type LoginAttempt struct{ t loginAttempt }

type loginAttempt struct {
	Principal  string         `json:"principal"`
	Generation driver.WriteID `json:"generation"`
	Issued     time.Time      `json:"issued"`
}

// MarshalJSON encodes the attempt for safe-keeping in a session.
func (t LoginAttempt) MarshalJSON() ([]byte, error) { return json.Marshal(t.t) }

// UnmarshalJSON is the inverse of MarshalJSON.
func (t *LoginAttempt) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &t.t) }

// LoginOptions say how to sign in. nil stands for the zero LoginOptions.
type LoginOptions struct {
	// Attempt is what BeginLogin returned before the password was checked.
	// Without one, a RevokeAll before Login began goes unnoticed.
	Attempt LoginAttempt
	// Remember lets the cookie outlive the browser's run, to the session's end. See
	// IdleTimeout.
	Remember bool
	// Lifetime of the session, at most Config.MaxLifetime. Defaults to
	// Config.Lifetime.
	Lifetime time.Duration
	// IdleTimeout is how long the session lives without a request. Negative: as long
	// as its Lifetime. It is to the millisecond, and Config.TouchEvery a tenth of it at
	// most. Defaults to Config.IdleTimeout; with Remember, to none, since who is to be
	// remembered may be away for as long as the cookie lasts.
	//
	// A session that has one of its own, so with Remember any, is 503 for processes of
	// versions before it could have.
	IdleTimeout time.Duration
}

// BeginLogin begins an attempt to sign a principal in. Call it before the
// password is checked. It costs one read.
//
// ErrInvalid: the principal isn't one; see Session.Login.
func (m *Manager) BeginLogin(ctx context.Context, principal string) (LoginAttempt, error) {
	if err := protocol.CheckPrincipal(principal); err != nil {
		return LoginAttempt{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, m.config.SaveTimeout)
	defer cancel()
	generation, err := m.records.Generation(ctx, principal)
	if err != nil {
		return LoginAttempt{}, err
	}
	return LoginAttempt{loginAttempt{principal, generation, m.now()}}, nil
}

// Login signs a principal in, once you have checked who it is. The session gets
// a new id and a new secret, and whoever knew the old token is out. A visitor
// that was anonymous, or the same principal, keeps the session's values; another
// principal starts empty. Signing in again moves Authenticated. A request that came
// with the tokens of several live sessions starts empty, and ends each of them.
//
// The answer to a sign-in may be lost, or a visitor clicks twice. So for an hour, until
// a request presents the new token, the same principal can sign in once more with the
// token that the sign-in replaced: that ends the session which nobody got, and the new
// one has the values that had gone along into it. By itself the old token opens nothing.
//
// A principal is 1 to 512 bytes of UTF-8 without control characters. If it isn't, that
// is ErrInvalid, which Fail, and so With, answer with 400: it is what a visitor typed.
// ErrInvalid is also an attempt that is for another principal. That is the application's
// fault, and 500.
//
// The response tells the client its new token. So from the first step on its first byte
// waits until Login has ended, also if another goroutine writes it, as
// http.TimeoutHandler does. If the response had begun before, nothing is done, which is
// ErrTooLate.
//
// Errors: ErrRevoked, the principal was signed out everywhere since the
// attempt began; ErrGone, this session was ended meanwhile, other than by a sign-in that
// this one may repeat; ErrConflict, the request came with a token that has been renewed,
// or with more than are looked at; ErrInvalid;
// ErrTooLate; ErrUnavailable. After any of them nobody is signed in by this call, but
// for ErrUnknown.
func (s *Session) Login(ctx context.Context, principal string, o *LoginOptions) (err error) {
	if o == nil {
		o = &LoginOptions{}
	}
	m := s.m
	if err := protocol.CheckPrincipal(principal); err != nil {
		return err
	}
	lifetime := o.Lifetime
	setDefault(&lifetime, m.config.Lifetime)
	if lifetime < time.Millisecond || lifetime > m.config.MaxLifetime {
		return fmt.Errorf("cloakroom: LoginOptions.Lifetime is %v: 0, or from a millisecond to Config.MaxLifetime, %v, is allowed", lifetime, m.config.MaxLifetime)
	}
	const what = "sign in"
	idle, own, err := o.ownIdle()
	if err != nil {
		return err
	}
	if s.q.sent() {
		return errTooLate(what)
	}
	t := o.Attempt
	if t == (LoginAttempt{}) {
		if t, err = m.BeginLogin(ctx, principal); err != nil {
			return err
		}
	}
	if t.t.Principal != principal {
		return fmt.Errorf("cloakroom: the attempt is for %q, not for %q: %w", t.t.Principal, principal, ErrInvalid)
	}
	s.saving.Lock()
	defer s.saving.Unlock()
	if err := s.q.claim(s, what); err != nil {
		return err
	}
	defer func() { err = s.q.release(err) }()
	ctx, done, err := m.records.Begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	l := &login{s: s, m: m}
	for n := 1; ; n++ {
		if err := l.prepare(ctx, principal, lifetime, o.Remember); err != nil {
			return err
		}
		if own {
			m.setOwnIdle(l.next, idle, t.t.Generation)
		}
		err := l.run(ctx, t.t)
		if err == nil {
			return nil
		}
		if signedOut := !l.undo(); signedOut || n == maxSignIns || !l.overtaken(err) {
			return err
		}
	}
}

// maxSignIns bounds how often a sign-in begins again. Each time another one of the same
// visitor's got ahead of it, or a request with the token of one.
const maxSignIns = 8

// undo gives the session the changes back that the sign-in had taken along. It reports
// false if the session was signed out meanwhile by who holds it.
func (l *login) undo() bool {
	s := l.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rec != l.base {
		return false
	}
	s.untake(l.ops)
	return true
}

// overtaken reports whether a sign-in failed because the session that it was to replace
// isn't what it was. What there is now shows when it begins again.
func (l *login) overtaken(err error) bool {
	return errors.Is(err, protocol.ErrUsed) || l.old != nil && errors.Is(err, ErrGone) && !errors.Is(err, ErrUnknown)
}

// login is one sign-in, with the records that it begins with and makes. protocol.SignIn
// replaces the old session by the new one.
type login struct {
	s    *Session
	m    *Manager
	base *driver.Record    // what the session was before
	old  *driver.Record    // the record to be retired, read anew; nil if there is none
	lost bool              // old is of a sign-in whose answer was lost
	also []protocol.Opened // others that the request came with
	ops  []op              // of the old session, not saved yet
	visit
	keep bool // the values go along
	next *driver.Record
}

// prepare makes the new record from the old one, as that is now.
func (l *login) prepare(ctx context.Context, principal string, lifetime time.Duration, remember bool) error {
	s := l.s
	s.mu.Lock()
	err, gone, old, stored, barred, replaced := s.err(), s.gone, s.old, s.stored, s.barred, s.replaced
	l.base, l.old, l.also, l.lost = s.rec, nil, nil, false
	s.mu.Unlock()
	switch {
	case err != nil:
		return err
	case gone && replaced.IsZero():
		return fmt.Errorf("cloakroom: signing in: %w", ErrGone)
	case old:
		return errRenewed()
	case barred != nil && barred.many:
		return barred.err
	case barred != nil:
		l.also = barred.rivals
	}
	if stored {
		var grave *driver.Grave
		if l.old, grave, err = l.m.records.Read(ctx, l.base.ID); err != nil {
			return err
		}
		switch {
		case l.old != nil:
		case grave != nil && l.m.mayRepeat(l.base.ID, grave, s.secret):
			replaced = l.base.ID // just now, by a sign-in of the same moment
		default:
			return fmt.Errorf("cloakroom: signing in from %v: %w", l.base.ID, ErrGone)
		}
	}
	if l.old == nil && !replaced.IsZero() {
		if l.old, err = l.m.records.Successor(ctx, replaced, principal); err != nil {
			return err
		}
		l.lost = l.old != nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rec != l.base {
		return fmt.Errorf("cloakroom: signed out during sign-in: %w", ErrGone)
	}
	var values driver.ValueList
	switch {
	case l.lost:
		values = protocol.Carried(l.old)
	case l.old != nil:
		if ok, _ := l.m.keyring.ring.Load().Check(l.old.Verifier, claims(l.old), s.secret); !ok {
			if token.Newer(l.old.Verifier) {
				return errNewerVerifier(l.old.ID)
			}
			return errRenewed()
		}
		values = l.old.Values
	}
	l.keep = l.old == nil || l.old.Principal == "" || l.old.Principal == principal
	l.next = l.m.newRecord(principal, lifetime)
	l.next.Persistent, l.next.Client = remember, s.client
	if l.old != nil && s.client == (Client{}) { // outside of requests
		l.next.Client = l.old.Client
	}
	if l.keep {
		if l.next.Values, err = replay(values, s.ops); err != nil {
			return err
		}
	}
	l.ops, l.visit = s.take(), s.visit
	return nil
}

func errRenewed() error {
	return fmt.Errorf("cloakroom: signing in: the request's token has been renewed, repeat it with the new one: %w", ErrConflict)
}

// run carries the sign-in out.
func (l *login) run(ctx context.Context, t loginAttempt) error {
	m := l.m
	switch now := l.next.Created; {
	case t.Issued.After(now.Add(driver.ClockTolerance)): // it would be good for longer than half an hour
		return fmt.Errorf("cloakroom: the sign-in's attempt was issued at %v, which is still to come: %w", t.Issued, ErrRevoked)
	case now.After(t.Issued.Add(protocol.AttemptLife)):
		return fmt.Errorf("cloakroom: the sign-in's attempt is older than %v: %w", protocol.AttemptLife, ErrRevoked)
	}
	if err := m.checkSize(l.next); err != nil {
		return err
	}
	secret := m.seal(l.next)
	in := &protocol.SignIn{
		Old: l.old, Repeats: l.lost, Also: l.also, Next: l.next, Generation: t.Generation, Limit: m.config.MaxPerPrincipal,
		Adopt: func(rec *driver.Record) bool { return l.adopt(rec, secret) },
	}
	if !l.lost { // else nobody came with its token
		in.Check = func(old *driver.Record) error { return m.stillGood(old, l.secret, l.strict) }
	}
	if l.keep {
		in.Merge = func(old *driver.Record) (driver.ValueList, error) {
			if l.lost {
				return replay(protocol.Carried(old), l.ops)
			}
			return replay(old.Values, l.ops)
		}
	}
	returned := false
	defer func() { l.s.sinkPanic(returned) }()
	rec, err := m.records.SignIn(ctx, in)
	returned = true
	if err != nil {
		return err
	}
	m.events.signedIn(ctx, rec.Info())
	return nil
}

// adopt makes the new record the session's, unless it was destroyed meanwhile.
func (l *login) adopt(rec *driver.Record, secret [16]byte) bool {
	s := l.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rec != l.base {
		return false
	}
	s.flying = false // what was logged meanwhile stays
	s.barred, s.gone, s.replaced = nil, false, ID{}
	s.adopt(rec, secret, protocol.MomentOf(l.m.now()))
	return true
}
