package cloakroom

import (
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
	"github.com/cloakroom-go/cloakroom/internal/timeout"
)

// This file is Session: the values and metadata that a request reads, and the log of its
// changes.

// Session is one visitor's session, as one request sees it. It is safe for concurrent
// use.
//
// It reads as it was when it was loaded, or at the last Save or Refresh, with this
// request's own changes. Changes of others meanwhile are merged when it is saved.
// Different names don't disturb each other. Of two values set for one name the later
// save's stays. Key.Update and Session.Update are run again.
type Session struct {
	*sessionState // behind a pointer, so that printing a Session can't reach its secret and values
}

// sessionMemory is a Session and its state, allocated in one piece.
type sessionMemory struct {
	session Session
	state   sessionState
}

// sessionState is the content of a Session.
type sessionState struct {
	m *Manager
	q *request // nil outside of requests

	saving sync.Mutex // held by a save, sign-in or renewal; taken before mu

	mu sync.Mutex // guards the fields below
	known
	credential
	closing
	activity
	changes

	// The memory for a read is here, so that all is allocated in one piece.
	reading timeout.Context
	queue   protocol.Queue // of the record, if no other request holds it
}

// known is the newest state of the session that the request knows.
type known struct {
	rec    *driver.Record  // as it was last read or written; empty before that
	asOf   protocol.Moment // when that was
	stored bool            // rec is in the store
	fresh  bool            // rec was read from the store, or written, by this Session itself
}

// credential is the token that opened the session, beside the fields of visit.
type credential struct {
	old   bool // the request came with a previous secret
	rekey bool // the verifier was made by a later key of the ring
	visit
}

// visit is the request's use of the session.
type visit struct {
	secret  [16]byte        // of the token
	strict  string          // strictOf the record when the secret opened it
	used    bool            // the token came from the client, with the current secret
	foreign bool            // the secret is of a foreign cookie, so others may know it
	active  bool            // the visitor's doing: a write moves Seen
	at      protocol.Moment // when the request asked for its session
	client  Client          // as in the request's memory: see keptVisit
}

// keptVisit returns a visit for a write, which may outlive the request. fasthttp's adaptor, and
// so fiber's, hands out texts that the next request on the connection overwrites.
func (v visit) keptVisit() visit {
	text := v.client.Address + v.client.UserAgent
	if v.client.Address == "" || v.client.UserAgent == "" {
		text = strings.Clone(text) // a sum with "" is no copy
	}
	v.client.Address, v.client.UserAgent = text[:len(v.client.Address)], text[len(v.client.Address):]
	return v
}

// closing is the reason why the request may not use the session, or begin one.
type closing struct {
	gone     bool          // it has ended: saving is ErrGone
	barred   *barrier      // nil: an anonymous session may be begun
	replaced ID            // the session of the token, if a sign-in replaced it that can be repeated
	end      *driver.Grave // of the session of the token, if that has ended; else nil
}

// barrier keeps a request from beginning an anonymous session. The request may sign in.
type barrier struct {
	err    error             // of saving a value
	rivals []protocol.Opened // sessions that the request presents, of which none is used
	many   bool              // the request presents more than are read, and can't sign in or out either
}

// activity says whether the visit has been recorded.
type activity struct {
	wrote   bool // with a write of this Session's
	touched bool // a touch is recording it, or did
}

// changes are the unsaved changes, and the values with them.
type changes struct {
	view   valueSet   // rec's values with ops
	exact  bool       // no op failed when view was made
	ops    []op       // not saved yet
	flying bool       // a save or sign-in has taken earlier ones along
	errs   nameErrors // values that can't be encoded or decoded
	sunk   error      // an error that no further save can mend
}

// newSession makes an empty session that is not stored in memory, which is zero.
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
// stored for the first time (IsNew) it is zero but for App: the zero Deadline means none.
func (s *Session) Info() Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rec.Info()
}

// Principal returns the principal that is signed in, "" for none.
func (s *Session) Principal() string { return s.Info().Principal }

// Authenticated returns when the principal last proved their identity; the zero time if
// nobody is signed in, or if that isn't known, as of an imported session. Ask for the
// password again before delicate operations.
func (s *Session) Authenticated() time.Time { return s.Info().Authenticated }

// IsNew reports whether the session is not stored yet.
func (s *Session) IsNew() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.stored
}

// Token returns the session's token, a credential: whoever has it is the visitor. It is
// "" before the session is stored, after it has ended, and for a request that came with a
// secret that has been renewed. Responses hand it out where the client needs it.
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

// Err returns the error for which the session can't be saved, nil if it can: values that
// could not be encoded or decoded, or a save that failed for good.
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
	// Logged even if it equals the value that this request has read: others may have
	// changed it since, and the caller relies on its being saved.
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

// forgetOps takes the logged changes of a name out, since a later set or unset makes them
// pointless.
func (s *Session) forgetOps(name string) {
	s.ops = slices.DeleteFunc(s.ops, func(o op) bool { return o.kind != opClear && o.name == name })
}
