package cloakroom

import (
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
	"github.com/cloakroom-go/cloakroom/internal/token"
)

// This file is Manager, how it is made and closed, and the records of new sessions.

// Manager makes sessions of a store's records. It is safe for concurrent use. Make one
// per application with New, and Close it at the end, before the store.
type Manager struct {
	keyring   *Keyring
	config    *Config
	clock     protocol.Clock
	transport Transport
	scope     token.Scope
	layout    driver.Layout
	empty     *driver.Record // of sessions that are not stored
	events    *teller
	store     Store
	records   *protocol.Records
	sweeps    *sweeping
	sweeper   *sweeper
	failures  failureLog
	refusal   refusal
	imports   importLimit
	own       ownFigures
	clash     atomic.Pointer[driver.Problem] // with another manager; nil: none was met
}

// New makes a Manager. It does no I/O; the store may be out of reach. The caller closes
// the store. A nil Config is the zero one. New warns in the log of settings that are
// dangerous where clocks lie apart.
//
// Errors: no store, no keyring, or a Config that can't work.
func New(store Store, keyring *Keyring, config *Config) (*Manager, error) {
	switch {
	case store == nil, isNilPointer(store):
		return nil, errors.New("cloakroom: no store given: it is nil")
	case keyring == nil || keyring.ring.Load() == nil:
		return nil, errors.New("cloakroom: no keyring given: make one with NewKeyring or KeyringFile")
	}
	c, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	t, err := c.Transport.check()
	if err != nil {
		return nil, err
	}
	var clock protocol.Clock
	if config != nil {
		clock.Custom = config.Now
	}
	m := &Manager{
		keyring: keyring, config: c, clock: clock, transport: t, scope: token.NewScope(c.App, t.name()),
		layout: driver.LayoutFor(c.MaxLifetime), empty: &driver.Record{App: c.App}, store: store,
		failures: failureLog{logger: c.Logger}, refusal: newRefusal(config == nil || config.OnError == nil), own: ownFigures{since: time.Now()},
	}
	m.events = newTeller(c.Events, c.Logger)
	m.records = protocol.New(store, protocol.Options{
		App: c.App, Clock: clock, Timeout: c.SaveTimeout, Idle: c.IdleTimeout, MaxLifetime: c.MaxLifetime,
		CacheFor: c.CacheFor, Imports: c.Import != nil, Logger: c.Logger, Ended: m.events.ended,
		Fault: faultTeller(m.events), Ahead: m.events.clockSkew, Apart: m.events.clockApart,
	})
	for _, p := range clockProblems(c) {
		c.Logger.Warn("cloakroom: "+p.String(), "problem", p.Code)
	}
	m.sweeps = &sweeping{records: m.records, now: c.Now, every: c.SweepEvery, since: time.Now()}
	m.sweeper = startSweeper(m.sweeps, m.records, c)
	return m, nil
}

// Close waits for saves in flight, for SaveTimeout at most, and ends the manager's
// goroutines. Sessions can't be saved afterwards (ErrClosed). It doesn't close the store.
// Closing again does nothing.
func (m *Manager) Close() error {
	m.sweeper.stop()
	m.records.Close()
	m.failures.close()
	return nil
}

// now returns the time in the precision of records.
func (m *Manager) now() time.Time { return m.clock.Now() }

// newRecord returns the record of a new session, without a verifier.
func (m *Manager) newRecord(principal string, lifetime time.Duration) *driver.Record {
	now := m.now()
	r := &driver.Record{
		ID: driver.NewID(m.layout, now), Kind: driver.KindSession, App: m.config.App, Principal: principal,
		Created: now, Seen: now, Deadline: now.Add(lifetime).Truncate(time.Millisecond),
	}
	if principal != "" {
		r.Authenticated = now
	} else {
		r.Persistent = m.transport.rememberAnonymous()
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

// seal gives a record that isn't stored yet the verifier of a new secret, and returns
// the secret.
func (m *Manager) seal(rec *driver.Record) (secret [16]byte) {
	_, _ = rand.Read(secret[:]) // never fails (crypto/rand)
	rec.Verifier = m.keyring.ring.Load().Verifier(claims(rec), secret)
	return secret
}

// claims returns the parts of a record that its verifier covers.
func claims(r *driver.Record) token.Claims {
	c := token.Claims{
		App: r.App, Principal: r.Principal, ID: r.ID,
		Created: millis(r.Created), Authenticated: millis(r.Authenticated), Deadline: millis(r.Deadline),
	}
	if c.Idle, c.OwnIdle = protocol.OwnIdle(r); c.OwnIdle {
		c.Generation = protocol.GenerationOf(r)
	}
	return c
}

// isNilPointer reports whether a store is a nil pointer, such as a failed Open returns
// beside its error.
func isNilPointer(store Store) bool {
	v := reflect.ValueOf(store)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// millis returns a time in Unix milliseconds, 0 for the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
