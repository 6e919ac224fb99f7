package cloakroom

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/token"
)

// Manager makes sessions out of a store's records. It is safe for concurrent
// use. Make one per application with New, and Close it at the end, before the
// store.
type Manager struct {
	keys      *Keyring
	config    *Config
	clock     clock
	transport Transport
	scope     token.Scope
	layout    driver.Layout
	empty     *driver.Record // of sessions that are not stored
	events    *Events
	w         *writer
	ledgers   *ledgers
	sweeper   *sweeper
	cache     *cache // the writer's store, if Config.CacheFor is set
}

// New makes a Manager. It does no I/O; the store may be out of reach. The store
// stays the caller's to close. nil stands for a Config of defaults.
func New(store Store, keys *Keyring, config *Config) (*Manager, error) {
	switch {
	case store == nil:
		return nil, errors.New("cloakroom: no store given")
	case keys == nil || keys.ring.Load() == nil:
		return nil, errors.New("cloakroom: no keys given: make them with NewKeys or KeyFile")
	}
	c, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	t, err := c.Transport.check()
	if err != nil {
		return nil, err
	}
	var own clock
	if config != nil {
		own.custom = config.Now
	}
	m := &Manager{
		keys: keys, config: c, clock: own, transport: t, scope: token.NewScope(c.App, t.name()),
		layout: driver.LayoutFor(c.MaxLifetime), empty: &driver.Record{App: c.App}, events: c.Events,
	}
	m.sweeper = startSweeper(store, c)
	if c.CacheFor > 0 {
		m.cache = newCache(store, c.App, c.Now, c.CacheFor, cacheBytes)
		store = m.cache
	}
	m.w = newWriter(store, c.App, own, c.SaveTimeout, c.IdleTimeout, c.Events)
	m.ledgers = &ledgers{w: m.w, longest: c.MaxLifetime}
	return m, nil
}

// Close waits for saves in flight, which takes no longer than SaveTimeout
// allows, and ends the manager's goroutines. Sessions can't be saved afterwards
// (ErrClosed). It doesn't close the store. Closing again does nothing.
func (m *Manager) Close() error {
	m.sweeper.stop()
	m.w.close()
	return nil
}

// now is the time in the precision of records.
func (m *Manager) now() time.Time { return m.clock.now() }

// expires returns when a record expires unless there is activity.
func (m *Manager) expires(r *driver.Record) time.Time {
	if e := r.Seen.Add(m.config.IdleTimeout); e.Before(r.Deadline) {
		return e
	}
	return r.Deadline
}

// newRecord returns the record of a new session, without verifier.
func (m *Manager) newRecord(principal string, lifetime time.Duration) *driver.Record {
	now := m.now()
	r := &driver.Record{
		ID: driver.NewID(m.layout, now), Kind: driver.KindSession, App: m.config.App, Principal: principal,
		Created: now, Seen: now, Deadline: now.Add(lifetime).Truncate(time.Millisecond),
	}
	if principal != "" {
		r.Authenticated = now
	}
	r.Expires = m.expires(r)
	return r
}

func (m *Manager) checkSize(r *driver.Record) error {
	if n := r.Values.Bytes(); m.config.MaxBytes >= 0 && n > m.config.MaxBytes {
		return fmt.Errorf("cloakroom: the session's values take %d bytes: Config.MaxBytes allows %d: %w", n, m.config.MaxBytes, ErrTooLarge)
	}
	return nil
}

// newSession makes of s, which is zero, an empty session that is not stored.
func (m *Manager) newSession(s *Session, q *request) *Session {
	s.m, s.q, s.rec, s.exact, s.active = m, q, m.empty, true, true
	return s
}

// Create makes and stores a new, empty session outside of a request: for tests,
// and for clients that are handed their token in another way. Save what is put
// into it with Session.Save.
func (m *Manager) Create(ctx context.Context) (*Session, error) {
	rec, secret, err := m.create(ctx, m.newRecord("", m.config.AnonymousLifetime))
	if err != nil {
		return nil, err
	}
	s := m.newSession(new(Session), nil)
	s.adopt(rec, secret, momentOf(rec.Created))
	m.events.created(ctx, rec.Info())
	return s, nil
}

// create stores the record of a new session under a new secret.
func (m *Manager) create(ctx context.Context, rec *driver.Record) (*driver.Record, [16]byte, error) {
	var secret [16]byte
	if err := m.checkSize(rec); err != nil {
		return nil, secret, err
	}
	_, _ = rand.Read(secret[:]) // never fails (crypto/rand)
	rec.Verifier = m.keys.ring.Load().Verifier(claims(rec), secret)
	ctx, done, err := m.w.begin(ctx)
	if err != nil {
		return nil, secret, err
	}
	defer done()
	if err := m.w.ops.admit(false); err != nil {
		return nil, secret, err
	}
	defer m.w.ops.leave()
	saved, err := m.w.create(ctx, rec)
	return saved, secret, err
}

// Retrieve returns the session of a token outside of a request. Like a request,
// it counts as activity.
//
// ErrNotFound: the token doesn't verify, or its session has ended or expired.
func (m *Manager) Retrieve(ctx context.Context, text string) (*Session, error) {
	t, ok := m.keys.ring.Load().Parse(m.scope, text)
	now, actual := m.clock.both()
	if !ok || !m.inTime(ID(t.ID), now) {
		return nil, fmt.Errorf("cloakroom: session: %w", ErrNotFound)
	}
	s := m.newSession(new(Session), nil)
	if err := m.load(ctx, s, t, now, actual); err != nil {
		return nil, err
	}
	if !s.stored {
		return nil, fmt.Errorf("cloakroom: session %v: %w", ID(t.ID), ErrNotFound)
	}
	s.touch()
	return s, nil
}

// load fills an empty session with what a verified token opens. It stays empty,
// without an error, if that is nothing. It begins at a time, as the clock told it.
func (m *Manager) load(ctx context.Context, s *Session, t token.Token, now, actual time.Time) error {
	if m.openRemembered(s, t, now) {
		return nil
	}
	s.reading.Begin(ctx, actual.Add(m.config.SaveTimeout), nil)
	defer s.reading.End()
	if err := m.w.ops.admit(false); err != nil {
		return err
	}
	defer m.w.ops.leave()
	rec, grave, err := m.w.read(&s.reading, ID(t.ID))
	switch {
	case err != nil:
		return err
	case grave != nil:
		// A late request with the token that a sign-in replaced gets no session,
		// lest its cookie put itself in the place of the new one.
		s.gone = grave.Reason == EndReplaced && m.now().Sub(grave.At) < m.config.RenewGrace
	case rec != nil:
		m.open(&s.reading, s, rec, t, momentOf(now))
	}
	return nil
}

// open fills the session if the token's secret opens the record, which was read
// no earlier than asOf.
func (m *Manager) open(ctx context.Context, s *Session, rec *driver.Record, t token.Token, asOf moment) {
	ring, claims, secret := m.keys.ring.Load(), claims(rec), t.Secret
	ok, old := ring.Check(rec.Verifier, claims, secret)
	if !ok {
		if !m.now().Before(rec.PreviousEnds) {
			m.events.refused(ctx, rec.ID, RefusedSecret)
			return
		}
		if ok, _ = ring.Check(rec.Previous, claims, secret); !ok {
			m.events.refused(ctx, rec.ID, RefusedSecret)
			return
		}
		s.old = true
	}
	s.secret, s.used, s.rekey = secret, !s.old, old && !s.old
	s.settle(rec, asOf)
	if t.Old && !s.old {
		s.q.reissue()
	}
}

// Attach puts the session's token on a request, as its client would: for tests,
// and for clients written in Go.
func (m *Manager) Attach(r *http.Request, s *Session) {
	if t := s.Token(); t != "" {
		m.transport.attach(r, t)
	}
}

// Admin returns the view of the app's sessions by id and principal.
func (m *Manager) Admin() *Admin { return &Admin{m.ledgers, m.checkSize} }

// leaveLedger takes a buried session out of its principal's ledger. The burial
// is what counts; an id that stays does no harm.
func (m *Manager) leaveLedger(ctx context.Context, rec *driver.Record) {
	if rec.Principal == "" {
		return
	}
	if err := m.ledgers.leave(rec.Principal, rec.ID); err != nil {
		m.config.Logger.WarnContext(ctx, "cloakroom: an ended session stays in its principal's ledger for now", "session", rec.ID, "error", err)
	}
}
