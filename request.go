package cloakroom

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is one request of a manager: its session, the save before its response, and
// the token that the response hands out.

// request is one request of one manager. It contains the inner request and that one's
// context, so that all are allocated in one piece and are found at no cost.
type request struct {
	m       *Manager
	outer   *http.Request
	ctx     requestContext
	r       http.Request
	w       struct{ response }
	outside http.Header                  // the response's headers when Handler began
	foreign atomic.Pointer[foreignVisit] // that the request presents; set before session; nil: none

	session atomic.Pointer[Session] // once it was asked for and loaded; set with mu held
	asked   atomic.Bool             // somebody asks for the session, or did

	autoSave atomic.Bool // in SaveManual: save as in SaveOnce

	mu     sync.Mutex
	err    error           // of loading the session
	heldID ID              // the record that the request holds open
	held   *protocol.Queue // its queue; nil: none
	over   bool            // the handler has returned
	begun  bool            // first is taken
	alarm  *time.Timer     // of a touch that is due; nil: none

	token    atomic.Int32 // one of the values below
	answered atomic.Bool  // an error was sent in the place of the response, as a whole
	told     bool         // the response hands out or revokes a token

	// Memory that nearly every request with a session needs.
	first sessionMemory // of the first session; others are rare
	vary  [1]string     // the response's Vary, which seldom has more
}

// requestContext is the context of the inner request. It points to the request and
// doesn't contain it, so that printing a context can't reach the header fields.
type requestContext struct {
	context.Context //nolint:containedctx // it is a context
	q               *request
}

// The values of request.token: the response's message about the client's token.
const (
	tokenStays   = iota
	tokenReissue // signed anew; can wait for another response
	tokenIssue   // a new one
	tokenRevoke  // forget it
)

type requestKey struct{ m *Manager }

// isOf reports whether the key is that of a teller's requests.
func (k requestKey) isOf(t *teller) bool { return k.m.events == t }

// Value implements context.Context.
func (c *requestContext) Value(key any) any {
	switch k := key.(type) {
	case requestKey:
		if k.m == c.q.m {
			return c.q
		}
	case readingKey:
		if k.t == c.q.m.events {
			return c.q.asked.Load() && c.q.session.Load() == nil
		}
	case clashKey:
		if k.m.clashes(c.q.m) {
			return c.q.m
		}
	}
	return c.Context.Value(key)
}

// request returns the request that a context belongs to, nil if none.
func (m *Manager) request(ctx context.Context) *request {
	q, _ := ctx.Value(requestKey{m}).(*request)
	return q
}

// is reports whether another http.Request is of the same request: a copy, which has the
// same headers and so the same token. A request that a handler makes itself for another
// client, in the request's context, isn't.
func (q *request) is(r *http.Request) bool {
	return r.Header != nil && reflect.ValueOf(r.Header).Pointer() == reflect.ValueOf(q.outer.Header).Pointer()
}

// newSession returns an empty session for the request.
func (q *request) newSession() *Session {
	memory := &q.first
	if q.begun { // and may still be in use
		memory = new(sessionMemory)
	}
	q.begun = true
	q.m.noticeClash(q.ctx.Context)
	s := q.m.newSession(memory, q)
	c := q.m.config
	s.active = !c.Background(q.outer)
	s.client = Client{Address: clean(c.ClientAddr(q.outer), clientAddrBytes), UserAgent: clean(q.outer.UserAgent(), userAgentBytes)}
	return s
}

// The methods of a nil request do nothing: a session outside of requests.

// claim keeps the response from beginning until release, so that it can tell the token of
// s. It fails if the response has begun, or tells another session's token. what names the
// operation for the error.
func (q *request) claim(s *Session, what string) error {
	switch {
	case q == nil:
		return nil
	case q.session.Load() != s:
		return fmt.Errorf("cloakroom: %w: Manager.Fresh has given the request another one", ErrTooLate)
	case !q.w.claim():
		return errTooLate(what)
	}
	return nil
}

// release ends a claim, and returns err, the error of the operation. If that is nil, but
// the response failed meanwhile, the error says so.
func (q *request) release(err error) error {
	if q != nil && !q.w.release() && err == nil {
		return fmt.Errorf("cloakroom: it was done, and the response has failed meanwhile, so the client doesn't learn its token: %w: %w: %w", ErrTooLate, ErrUnknown, ErrUnavailable)
	}
	return err
}

// errTooLate says which operation should have come before the response began.
func errTooLate(what string) error {
	return fmt.Errorf("cloakroom: %w: %s before writing the response", ErrTooLate, what)
}

// beginning is the context of the save that is part of a response's beginning. That save
// claims nothing.
type beginning struct{ *requestContext }

// sessionID returns the id of the request's session; zero: there is none, or it isn't
// stored.
func (q *request) sessionID() ID {
	if q == nil {
		return ID{}
	}
	if s := q.session.Load(); s != nil {
		return s.ID()
	}
	return ID{}
}

// sent reports whether a response has begun, or an error in its place: no token can go
// out any more.
func (q *request) sent() bool { return q != nil && q.w.state.Load() != responseNew }

func (q *request) issue() {
	if q != nil {
		q.token.Store(tokenIssue)
	}
}

func (q *request) reissue() {
	if q != nil {
		q.token.Store(tokenReissue)
	}
}

// revoke has the client forget the token of a session. It does nothing where
// Manager.Fresh has put another session in its place whose token is handed out: that
// takes the old one's place at the client anyway.
func (q *request) revoke(s *Session) {
	if q != nil && (q.session.Load() == s || q.token.Load() != tokenIssue) {
		q.token.Store(tokenRevoke)
	}
}

// hold holds a session open for the rest of the request, with mu held.
func (q *request) hold(id ID, s *Session) {
	if !q.over {
		q.heldID, q.held = id, q.m.records.Hold(id, &s.queue)
	}
}

// keepAlive has the visitor's activity recorded in time, with mu held.
func (q *request) keepAlive(s *Session) {
	if q.over {
		s.touch()
		return
	}
	q.alarm = s.touchInTime()
}

// letGo ends the hold with the request. If nothing has recorded the visitor's activity,
// it does, whatever the request's outcome.
func (q *request) letGo() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.over = true
	if q.alarm != nil {
		q.alarm.Stop()
		q.session.Load().touch()
	}
	if q.held != nil {
		q.m.records.Release(q.heldID, q.held)
	}
}

// consulted returns the request's session, nil if nobody asked for it. It waits for a
// session that is being loaded.
func (q *request) consulted() *Session {
	if s := q.session.Load(); s != nil || !q.asked.Load() {
		return s
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.session.Load()
}

// commit saves the session, and puts its token into the response's headers.
func (q *request) commit() error {
	s := q.consulted()
	if s == nil {
		return nil
	}
	switch q.saveMode() {
	case SaveOnce:
		if err := s.Save(beginning{&q.ctx}); err != nil {
			return err
		}
	case SaveEach:
		if err := s.Err(); err != nil {
			return err
		}
	}
	if err := s.markUsed(); err != nil {
		return err
	}
	h := q.w.Header()
	vary := h["Vary"]
	if vary == nil {
		vary = q.vary[:0]
	}
	h["Vary"] = append(vary, q.m.transport.vary())
	if q.m.config.NoStore && s.Principal() != "" && silent(h) {
		h.Set("Cache-Control", "no-store")
	}
	if q.tellsAnything() && (!q.canWait() || !public(h, q.m.now())) {
		q.handOut(h)
	}
	return nil
}

// saveMode returns the mode in which the request's changes are saved.
func (q *request) saveMode() SaveMode {
	if q.m.config.Save == SaveManual && q.autoSave.Load() {
		return SaveOnce
	}
	return q.m.config.Save
}

// tellsAnything reports whether there is something to tell the client of its tokens.
func (q *request) tellsAnything() bool {
	return q.token.Load() != tokenStays || q.foreign.Load().forgets()
}

// canWait reports whether that can wait for another response.
func (q *request) canWait() bool {
	is := q.token.Load()
	return is == tokenStays || is == tokenReissue
}

// handOut puts the message about the client's token into headers, and that it can forget a
// foreign cookie.
func (q *request) handOut(h http.Header) {
	forgets := q.foreign.Load().forgets()
	if forgets { // before the token, as both cookies may have one name: the last one stays
		q.m.config.Import.From.Forget(h)
	}
	if q.tellToken(h) || forgets {
		q.told = true
		forbidCaching(h, privately)
	}
}

// tellToken puts the message about the client's token into headers, and reports whether
// there is one.
func (q *request) tellToken(h http.Header) bool {
	switch s := q.consulted(); q.token.Load() {
	case tokenIssue, tokenReissue:
		token := s.Token()
		if token == "" {
			return false
		}
		var until time.Time
		if info := s.Info(); info.Persistent {
			until = info.Deadline
		}
		q.m.transport.issue(h, token, until, q.m.now())
	case tokenRevoke:
		q.m.transport.revoke(h)
	default:
		return false
	}
	return true
}

// finish ends a request whose handler has returned: it sends the response if nothing was
// sent, and saves later changes.
func (q *request) finish() {
	sent := q.w.start()
	if q.told { // a writer further out that gathers the response sends its headers as they are by now
		forbidCaching(q.w.ResponseWriter.Header(), privately)
	}
	if !sent {
		return
	}
	s := q.consulted()
	if s == nil {
		return
	}
	var err error
	switch q.saveMode() {
	case SaveOnce:
		err = s.Save(&q.ctx)
	case SaveEach:
		err = s.Err()
	}
	if err != nil {
		q.m.failures.tell(q.outer, failure{level: slog.LevelError, what: failedLateSave, session: s.ID(), err: err})
	}
}
