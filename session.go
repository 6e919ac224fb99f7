package cloakroom

import (
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
	"github.com/cloakroom-go/cloakroom/internal/timeout"
)

// This file is Session: what a request reads, and the log of its changes.

// Session is one visitor's session, as one request sees it. It is safe for
// concurrent use.
//
// It reads as it was when it was loaded, or at the last Save or Refresh, with this
// request's own changes. What others change meanwhile is merged when it is saved:
// different names don't disturb each other, of two values set for one name the later
// save's stays, and Key.Update and Session.Update are run again.
type Session struct {
	*sessionState // behind a pointer, so that nothing that prints a Session comes to its secret and values
}

// sessionMemory is a Session and its state, allocated in one piece.
type sessionMemory struct {
	session Session
	state   sessionState
}

// sessionState is what a Session is made of.
type sessionState struct {
	m *Manager
	q *request // nil outside of requests

	saving sync.Mutex // held by a save, sign-in or renewal; taken before mu

	mu sync.Mutex // of what follows
	known
	credential
	closing
	activity
	changes

	// The memory that reading takes is here, so that all is allocated in one piece.
	reading timeout.Context
	queue   protocol.Queue // of the record, if no other request holds it
}

// known is the newest state that the request knows.
type known struct {
	rec    *driver.Record  // as it was last read or written; empty before that
	asOf   protocol.Moment // when that was
	stored bool            // rec is in the store
	fresh  bool            // rec was read from the store, or written, by this Session itself
}

// credential is how the token opened the session, beside what visit has of it.
type credential struct {
	old   bool // it came with a previous secret
	rekey bool // the verifier was made by a later key of the ring
	visit
}

// visit is what a request tells about the session's use.
type visit struct {
	secret [16]byte        // of the token
	strict string          // of the record whose secret it was: see strictOf
	used   bool            // the token came from the client, with the current secret
	active bool            // the visitor is at work: writing moves Seen
	at     protocol.Moment // when the request came
	client Client
}

// closing is what keeps the request from using the session, or from beginning one.
type closing struct {
	gone     bool          // it has ended: saving is ErrGone
	barred   *barrier      // nil: an anonymous session may be begun
	replaced ID            // the session of the token, if a sign-in replaced it that can be repeated
	end      *driver.Grave // of the session of the token, if that has ended; else nil
}

// barrier keeps a request from beginning an anonymous session. It may sign in.
type barrier struct {
	err    error             // of saving a value
	rivals []protocol.Opened // sessions that the request presents, of which none is used
	many   bool              // there are more than are read: nor can it sign in or out
}

// activity is whether the visit has been recorded.
type activity struct {
	wrote   bool // with a write of this Session's
	touched bool // or it is being recorded
}

// changes are those that have not been saved, and what is read with them.
type changes struct {
	view   valueSet   // rec's values with ops
	exact  bool       // no op failed when view was made
	ops    []op       // not saved yet
	flying bool       // a save or sign-in has taken earlier ones along
	errs   nameErrors // values that can't be encoded or decoded
	sunk   error      // an error that no further save can mend
}

// newSession makes of memory, which is zero, an empty session that is not stored.
func (m *Manager) newSession(memory *sessionMemory, q *request) *Session {
	s := &memory.session
	s.sessionState = &memory.state
	s.m, s.q, s.rec, s.exact, s.active = m, q, m.empty, true, true
	return s
}

// ID returns the session's id. It is zero until the session is stored for the
// first time.
func (s *Session) ID() ID { return s.Info().ID }

// Info returns the session's metadata as it was last read or saved. Before the session is
// stored for the first time (IsNew) it is zero but for App: the zero Deadline is none.
func (s *Session) Info() Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rec.Info()
}

// Principal returns who is signed in, "" for nobody.
func (s *Session) Principal() string { return s.Info().Principal }

// Authenticated returns when the principal last proved who it is; the zero time
// if nobody is signed in. Ask for the password again before what is delicate.
func (s *Session) Authenticated() time.Time { return s.Info().Authenticated }

// IsNew reports whether the session is not stored yet.
func (s *Session) IsNew() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.stored
}

// Token returns the session's token, a credential: who has it is the visitor.
// It is "" before the session is stored, and for a request that came with a
// secret that has been renewed. A cookie manager sends it by itself.
func (s *Session) Token() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stored || s.old || s.gone {
		return ""
	}
	return s.m.keyring.ring.Load().Sign(s.m.scope, s.rec.ID, s.secret)
}

// hasEnded reports whether the session is known to have ended since it was opened.
func (s *Session) hasEnded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone
}

// Err returns why the session can't be saved, nil if it can: values that could
// not be encoded or decoded, or a save that failed for good.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err()
}

func (s *Session) err() error {
	if len(s.errs) == 0 && s.sunk == nil {
		return nil
	}
	return errors.Join(s.errs.join(), s.sunk)
}

// Raw implements Values.
func (s *Session) Raw(name string) (json.RawMessage, bool) {
	s.refresh()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view.get(name)
}

// Names implements Values.
func (s *Session) Names() iter.Seq[string] {
	s.refresh()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view.names()
}

// SetRaw implements Values.
func (s *Session) SetRaw(name string, value json.RawMessage) {
	raw, err := compactJSON(name, value)
	if err != nil {
		s.keepError(name, err, true)
		return
	}
	s.replace(name, raw)
}

// Unset implements Values.
func (s *Session) Unset(name string) {
	s.mu.Lock()
	s.errs.clear(name)
	s.forgetOps(name)
	s.view.unset(name)
	s.ops = append(s.ops, op{kind: opUnset, name: name})
	s.mu.Unlock()
	s.saveEach()
}

// Clear removes all values.
func (s *Session) Clear() {
	s.mu.Lock()
	s.errs = nil
	s.view, s.ops, s.exact = valueSet{owned: true}, nil, true
	if s.stored || s.flying {
		s.ops = []op{{kind: opClear}}
	}
	s.mu.Unlock()
	s.saveEach()
}

func (s *Session) sealed() sealedValues { return s }

func (s *Session) keepError(name string, err error, lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs.add(name, err, lost)
}

func (s *Session) replace(name string, raw json.RawMessage) {
	if err := checkName(name); err != nil {
		s.keepError(name, err, true)
		return
	}
	s.mu.Lock()
	s.errs.clear(name)
	s.forgetOps(name)
	s.view.set(name, raw)
	// Also if it is what this request has read: others may have changed it since, and
	// who is told that it was saved relies on it.
	s.ops = append(s.ops, op{kind: opSet, name: name, raw: raw})
	s.mu.Unlock()
	s.saveEach()
}

func (s *Session) change(name string, c changer) {
	if err := checkName(name); err != nil {
		s.keepError(name, err, true)
		return
	}
	s.refresh()
	if err := s.logChange(name, c); err != nil {
		s.keepError(name, err, true)
		return
	}
	s.saveEach()
}

func (s *Session) logChange(name string, c changer) error {
	s.mu.Lock()
	defer s.mu.Unlock() // also if the user's function panics
	old, ok := s.view.get(name)
	raw, err := c.first(old, ok)
	if err != nil {
		return err
	}
	s.view.set(name, raw)
	s.ops = append(s.ops, op{kind: opChange, name: name, change: c})
	return nil
}

// forgetOps takes the logged changes of a name out, which a later set or unset
// makes pointless.
func (s *Session) forgetOps(name string) {
	s.ops = slices.DeleteFunc(s.ops, func(o op) bool { return o.kind != opClear && o.name == name })
}
