package cloakroom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is the sign-in, as the application sees it: BeginLogin and Login.
// internal/protocol/signin.go replaces one session by the other.

// LoginAttempt is a sign-in that has begun. Take it from BeginLogin before the password
// is checked, and give it to Login after. So a sign-in that checked an old password can't
// outlive a "password changed, sign out everywhere" that comes in between. It is good for
// half an hour. If signing in takes several requests, keep it in the session, where it is
// encoded as JSON. Never hand it to a client.
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
	// Attempt is the result of BeginLogin before the password was checked. Without one, a
	// RevokeAll before Login began goes unnoticed.
	Attempt LoginAttempt
	// Remember lets the cookie outlive the browser's run, to the session's end. See
	// IdleTimeout.
	Remember bool
	// Lifetime is the session's lifetime, at most Config.MaxLifetime. Defaults to
	// Config.Lifetime.
	Lifetime time.Duration
	// IdleTimeout is how long the session lives without a request, to the millisecond.
	// Negative: as long as its Lifetime. For this session Config.TouchEvery is a tenth of
	// it at most. Defaults to Config.IdleTimeout; with Remember to none, since a visitor
	// who is remembered may be away for as long as the cookie lasts.
	//
	// A session with an idle timeout of its own, so any with Remember, is 503 for
	// processes of versions that don't know it.
	IdleTimeout time.Duration
}

// BeginLogin begins an attempt to sign a principal in. Call it before the password is
// checked. It costs one read.
//
// ErrInvalid: the text is no principal; see Session.Login.
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

// Login signs a principal in, once you have checked who it is. The session gets a new id
// and a new secret, and the old token opens nothing any more. A visitor who was
// anonymous, or the same principal, keeps the session's values; another principal starts
// empty. Signing in again moves Authenticated. A request that came with the tokens of
// several live sessions starts empty, and ends each of them.
//
// The answer to a sign-in may be lost, or a visitor may click twice. So for an hour,
// until a request presents the new token, the same principal can sign in once more with
// the token that the sign-in replaced. That ends the session which nobody got. The new
// one has the values that had been carried into it. By itself the old token opens
// nothing.
//
// A principal is 1 to 512 bytes of UTF-8 without control characters. Any other text is
// ErrInvalid, which Fail, and so With, answer with 400: a visitor typed it. An attempt
// for another principal is ErrInvalid as well. That is the application's fault, and 500.
//
// The response tells the client its new token. So its first byte waits from Login's first
// step until Login has ended, also if another goroutine writes it, as http.TimeoutHandler
// does. If the response had begun before, Login does nothing and returns ErrTooLate.
//
// Errors: ErrRevoked, the principal was signed out everywhere since the attempt began;
// ErrGone, this session was ended meanwhile, other than by a sign-in that this one may
// repeat; ErrConflict, the request came with a token that has been renewed, or with more
// than are looked at; ErrInvalid; ErrTooLate; ErrUnavailable. After any of them but
// ErrUnknown this call has signed nobody in.
func (s *Session) Login(ctx context.Context, principal string, o *LoginOptions) (err error) {
	if o == nil {
		o = &LoginOptions{}
	}
	m := s.m
	if err := protocol.CheckPrincipal(principal); err != nil {
		return err
	}
	principal = strings.Clone(principal) // it may be a request's, as in visit.keptVisit
	lifetime := o.Lifetime
	setDefault(&lifetime, m.config.Lifetime)
	if lifetime < time.Millisecond || lifetime > m.config.MaxLifetime {
		return fmt.Errorf("cloakroom: LoginOptions.Lifetime is %v: 0, or from a millisecond to Config.MaxLifetime, %v, is allowed", lifetime, m.config.MaxLifetime)
	}
	const what = "sign in"
	idle, own, err := ownIdle(o.Remember, o.IdleTimeout)
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
	if err := s.endForeign(ctx); err != nil {
		return err
	}
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

// maxSignIns bounds the number of times that a sign-in is tried. Each time another
// sign-in of the same visitor, or a request with the token of one, was faster.
const maxSignIns = 8

// undo gives the changes that the sign-in had taken along back to the session. It reports
// false if the session was signed out meanwhile by its holder.
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
// has changed. The next try begins with the present state.
func (l *login) overtaken(err error) bool {
	ended := errors.Is(err, ErrGone) && !errors.Is(err, ErrUnknown)
	return errors.Is(err, protocol.ErrUsed) || ended && l.old != nil
}

// login is one sign-in, with the records that it begins with and makes. protocol.SignIn
// replaces the old session by the new one.
type login struct {
	s    *Session
	m    *Manager
	base *driver.Record    // the session's record before
	old  *driver.Record    // the record to be retired, read anew; nil if there is none
	lost bool              // old is of a sign-in whose answer was lost
	also []protocol.Opened // others that the request came with
	ops  []op              // of the old session, not saved yet
	visit
	keep bool // the values are carried over
	next *driver.Record
}

// prepare makes the new record from the present state of the old one.
func (l *login) prepare(ctx context.Context, principal string, lifetime time.Duration, remember bool) error {
	from, err := l.begin()
	if err != nil {
		return err
	}
	if err := l.findOld(ctx, from, principal); err != nil {
		return err
	}
	s := l.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rec != l.base {
		return fmt.Errorf("cloakroom: signed out during sign-in: %w", ErrGone)
	}
	values, err := l.valuesOfOld()
	if err != nil {
		return err
	}
	l.keep = l.old == nil || l.old.Principal == "" || l.old.Principal == principal
	l.next = l.m.newRecord(principal, lifetime)
	l.visit = s.keptVisit()
	l.next.Persistent, l.next.Client = remember, l.client
	if l.old != nil && s.client == (Client{}) { // outside of requests
		l.next.Client = l.old.Client
	}
	if l.keep {
		if l.next.Values, err = replay(values, s.ops); err != nil {
			return err
		}
	}
	l.ops = s.take()
	return nil
}

// loginFrom is the session's state when a sign-in begins, beside its record.
type loginFrom struct {
	stored   bool // the session is stored
	replaced ID   // the session of the token, if a sign-in replaced it that can be repeated
}

// begin looks at the session, which may have been given up since.
func (l *login) begin() (loginFrom, error) {
	s := l.s
	s.mu.Lock()
	defer s.mu.Unlock()
	l.base, l.old, l.also, l.lost = s.rec, nil, nil, false
	switch err := s.err(); {
	case err != nil:
		return loginFrom{}, err
	case s.gone && s.replaced.IsZero():
		return loginFrom{}, fmt.Errorf("cloakroom: signing in: %w", ErrGone)
	case s.old:
		return loginFrom{}, errRenewed("signing in")
	case s.barred != nil && s.barred.many:
		return loginFrom{}, s.barred.err
	case s.barred != nil:
		l.also = s.barred.rivals
	}
	return loginFrom{s.stored, s.replaced}, nil
}

// findOld finds the record to be retired: the session's own, or that of a sign-in whose
// answer was lost.
func (l *login) findOld(ctx context.Context, from loginFrom, principal string) (err error) {
	if from.stored {
		var grave *driver.Grave
		if l.old, grave, err = l.m.records.Read(ctx, l.base.ID); err != nil || l.old != nil {
			return err
		}
		if grave == nil || !l.m.mayRepeat(l.base.ID, grave, l.s.secret) {
			return fmt.Errorf("cloakroom: signing in from %v: %w", l.base.ID, ErrGone)
		}
		from.replaced = l.base.ID // just now, by a sign-in of the same moment
	}
	if from.replaced.IsZero() {
		return nil
	}
	l.old, err = l.m.records.Successor(ctx, from.replaced, principal)
	l.lost = l.old != nil
	return err
}

// valuesOfOld returns the values that may be carried over; with the session's mu held.
func (l *login) valuesOfOld() (driver.ValueList, error) {
	switch {
	case l.lost:
		return protocol.Carried(l.old), nil
	case l.old == nil:
		return nil, nil
	}
	switch ok, err := l.m.isCurrent(l.old, l.s.secret); {
	case err != nil:
		return nil, err
	case !ok:
		return nil, errRenewed("signing in")
	}
	return l.old.Values, nil
}

// run carries the sign-in out.
func (l *login) run(ctx context.Context, t loginAttempt) error {
	m := l.m
	switch now := l.next.Created; {
	case t.Issued.After(now.Add(driver.ClockTolerance)): // else it would be good for longer than half an hour
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
	if l.old != nil {
		m.retireEnded(ctx, l.old)
	}
	return nil
}

// adopt makes the new record the session's, unless the session was destroyed meanwhile.
func (l *login) adopt(rec *driver.Record, secret [16]byte) bool {
	s := l.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rec != l.base {
		return false
	}
	s.flying = false // changes that were logged meanwhile stay
	s.barred, s.gone, s.replaced = nil, false, ID{}
	s.adopt(rec, secret, protocol.MomentOf(l.m.now()))
	return true
}
