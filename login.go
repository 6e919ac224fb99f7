package cloakroom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"github.com/cloakroom-go/cloakroom/driver"
	"time"
)

// Ticket is taken before the password is checked and given to Login after, so
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

// MarshalJSON encodes the ticket for safe-keeping in a session.
func (t LoginAttempt) MarshalJSON() ([]byte, error) { return json.Marshal(t.t) }

// UnmarshalJSON is the inverse of MarshalJSON.
func (t *LoginAttempt) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &t.t) }

// LoginOptions say how to sign in. nil stands for the zero LoginOptions.
type LoginOptions struct {
	// Ticket is what BeginLogin returned before the password was checked.
	// Without one, a RevokeAll before Login began goes unnoticed.
	Attempt LoginAttempt
	// Remember lets the cookie outlive the browser's run, to the session's end.
	Remember bool
	// Lifetime of the session, at most Config.MaxLifetime. Defaults to
	// Config.Lifetime.
	Lifetime time.Duration
}

// BeginLogin takes a ticket for signing a principal in. Call it before the
// password is checked. It costs one read.
func (m *Manager) BeginLogin(ctx context.Context, principal string) (LoginAttempt, error) {
	if err := checkPrincipal(principal); err != nil {
		return LoginAttempt{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, m.config.SaveTimeout)
	defer cancel()
	l, err := m.ledgers.get(ctx, principal)
	if err != nil {
		return LoginAttempt{}, err
	}
	return LoginAttempt{loginAttempt{principal, l.Generation, m.now()}}, nil
}

// Login signs a principal in, once you have checked who it is. The session gets
// a new id and a new secret, and whoever knew the old token is out. A visitor
// that was anonymous, or the same principal, keeps the session's values; another
// principal starts empty. Signing in again moves Authenticated.
//
// A principal is 1 to 512 bytes of UTF-8 without control characters.
//
// Errors: ErrRevoked, the principal was signed out everywhere since the ticket
// was taken; ErrGone, this session was ended meanwhile; ErrConflict, the request
// came with a token that has been renewed; ErrTooLate; ErrUnavailable. After
// any of them nobody is signed in by this call, but for ErrUnknown.
func (s *Session) Login(ctx context.Context, principal string, o *LoginOptions) error {
	if o == nil {
		o = &LoginOptions{}
	}
	m := s.m
	if err := checkPrincipal(principal); err != nil {
		return err
	}
	lifetime := o.Lifetime
	setDefault(&lifetime, m.config.Lifetime)
	if lifetime < 0 || lifetime > m.config.MaxLifetime {
		return fmt.Errorf("cloakroom: LoginOptions.Lifetime is %v: from 0 to Config.MaxLifetime, %v, is allowed", lifetime, m.config.MaxLifetime)
	}
	if s.q.sent() {
		return fmt.Errorf("cloakroom: %w: sign in before writing the response", ErrTooLate)
	}
	t := o.Attempt
	if t == (LoginAttempt{}) {
		var err error
		if t, err = m.BeginLogin(ctx, principal); err != nil {
			return err
		}
	}
	if t.t.Principal != principal {
		return fmt.Errorf("cloakroom: the ticket is for %q, not for %q: %w", t.t.Principal, principal, ErrInvalid)
	}
	s.saving.Lock()
	defer s.saving.Unlock()
	ctx, done, err := m.w.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	l := &login{s: s, m: m}
	if err := l.prepare(ctx, principal, lifetime, o.Remember); err != nil {
		return err
	}
	err = l.run(ctx, t.t)
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.rec == l.base { // else it was signed out meanwhile
			s.untake(l.ops)
		}
	}
	return err
}

// login is one sign-in: create the new record, enter it into the ledger, and
// last retire exactly that version of the old record that was copied.
type login struct {
	s    *Session
	m    *Manager
	base *driver.Record // what the session was before
	old  *driver.Record // the record to be retired, read anew; nil if there is none
	ops  []op           // of the old session, not saved yet
	keep bool           // the values go along
	next *driver.Record
}

// prepare makes the new record of what the old one is now.
func (l *login) prepare(ctx context.Context, principal string, lifetime time.Duration, remember bool) error {
	s := l.s
	s.mu.Lock()
	err, gone, old, stored := s.err(), s.gone, s.old, s.stored
	l.base = s.rec
	s.mu.Unlock()
	switch {
	case err != nil:
		return err
	case gone:
		return fmt.Errorf("cloakroom: signing in: %w", ErrGone)
	case old:
		return errRenewed()
	}
	if stored {
		if l.old, _, err = l.m.w.read(ctx, l.base.ID); err != nil {
			return err
		}
		if l.old == nil {
			return fmt.Errorf("cloakroom: signing in from %v: %w", l.base.ID, ErrGone)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rec != l.base {
		return fmt.Errorf("cloakroom: signed out during sign-in: %w", ErrGone)
	}
	var values driver.ValueList
	if l.old != nil {
		if ok, _ := l.m.keys.ring.Load().Check(l.old.Verifier, claims(l.old), s.secret); !ok {
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
	l.ops = s.take()
	return nil
}

func errRenewed() error {
	return fmt.Errorf("cloakroom: signing in: the request's token has been renewed, repeat it with the new one: %w", ErrConflict)
}

func (l *login) run(ctx context.Context, t loginAttempt) error {
	m := l.m
	if l.next.Created.After(t.Issued.Add(loginAttemptLife)) {
		return fmt.Errorf("cloakroom: the sign-in's ticket is older than %v: %w", loginAttemptLife, ErrRevoked)
	}
	rec, secret, err := m.create(ctx, l.next)
	if err != nil {
		return err
	}
	l.next = rec
	ending, err := m.ledgers.enter(rec, t.Generation, m.config.MaxPerPrincipal, l.replaces())
	if err == nil && l.old != nil {
		err = l.retire(ctx)
	}
	if err == nil && !l.adopt(secret) {
		err = fmt.Errorf("cloakroom: signed out during sign-in: %w", ErrGone)
	}
	if err != nil {
		if !errors.Is(err, errRetire) {
			l.abandon(ctx)
		}
		return err
	}
	if l.old != nil {
		m.events.ended(ctx, l.old.ID, EndReplaced)
		m.leaveLedger(ctx, l.old)
	}
	// What can't be ended now is left to the next who writes the ledger.
	_ = m.ledgers.finish(ctx, rec.Principal, ending)
	m.events.signedIn(ctx, l.next.Info())
	return nil
}

// replaces returns the id that leaves the principal's ledger with this sign-in.
func (l *login) replaces() ID {
	if l.old != nil && l.old.Principal == l.next.Principal {
		return l.old.ID
	}
	return ID{}
}

// adopt makes the new record the session's, unless it was destroyed meanwhile.
func (l *login) adopt(secret [16]byte) bool {
	s := l.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rec != l.base {
		return false
	}
	s.flying = false // what was logged meanwhile stays
	s.adopt(l.next, secret, momentOf(l.m.now()))
	return true
}

// errRetire marks an unknown outcome of the retirement: the old session may
// have been replaced by the new one, and to bury that could lose what was saved
// in both.
var errRetire = errors.New("cloakroom: whether the old session was replaced is unknown")

// abandon takes the new session back.
func (l *login) abandon(ctx context.Context) {
	// The context may have run out over what failed.
	ctx, cancel := l.m.w.bound(ctx)
	defer cancel()
	if err := l.m.w.bury(ctx, l.next.ID, EndAbandoned, l.next.Deadline, l.next); err != nil {
		// Nobody has its token, and the ledger ends it with the others.
		l.m.config.Logger.WarnContext(ctx, "cloakroom: a sign-in that failed leaves a session behind", "session", l.next.ID, "error", err)
		return
	}
	l.m.leaveLedger(ctx, l.next)
}

// retire buries the old record at the version that was copied. A save that came
// in between is taken over into the new record first.
func (l *login) retire(ctx context.Context) error {
	w, old, rev := l.m.w, l.old, driver.NewWriteID()
	for n := 1; ; n++ {
		g := old.GraveFor(EndReplaced, w.now(), rev)
		g.Successor = l.next.ID
		err := w.store.Bury(ctx, old.ID, g, old.Version)
		if err == nil {
			w.fail(old.ID, fmt.Errorf("cloakroom: %v was replaced by a sign-in: %w", old.ID, ErrGone))
			return nil
		}
		if errors.Is(err, ErrOverloaded) || errors.Is(err, ErrInvalid) || errors.Is(err, ErrClosed) {
			if n == 1 {
				return fmt.Errorf("cloakroom: replacing %v: %w", old.ID, err)
			}
		}
		rec, state, verdict, _ := w.settle(ctx, old, []attempt{{rev: rev, base: old.Writes, answered: answered(err)}}, err)
		switch {
		case verdict == verdictApplied:
			return nil
		case state == stateUnread:
			return fmt.Errorf("%w: %w", errRetire, errUnknown(old.ID, err))
		case state != stateLive: // somebody else ended it, whatever became of our attempts
			return fmt.Errorf("cloakroom: %v was ended during sign-in: %w", old.ID, ErrGone)
		case verdict == verdictUnknown:
			return fmt.Errorf("%w: %w", errRetire, errUnknown(old.ID, err))
		case rec.Version == old.Version: // not yet
			if !backOff(ctx, n) {
				return fmt.Errorf("%w: %w", errRetire, errUnknown(old.ID, err))
			}
		default:
			if err := l.merge(rec); err != nil {
				return err
			}
			old = rec
		}
	}
}

// merge takes what others saved in the old session meanwhile over into the new
// one, which only this sign-in knows.
func (l *login) merge(old *driver.Record) error {
	if !l.keep {
		return nil
	}
	values, err := replay(old.Values, l.ops)
	if err != nil {
		return err
	}
	known := l.next.Writes
	rec, err := l.m.w.do(l.next.ID, &change{base: l.next, asOf: momentOf(l.m.now()), apply: func(next *driver.Record, _ time.Time, _ bool) error {
		if next.Writes != known {
			return fmt.Errorf("cloakroom: %v was changed during sign-in: %w", next.ID, ErrConflict)
		}
		next.Values = values
		return nil
	}})
	if err == nil && rec == nil { // ended from elsewhere
		err = fmt.Errorf("cloakroom: %v was ended during sign-in: %w", l.next.ID, ErrGone)
	}
	if err == nil {
		l.next = rec
	}
	return err
}
