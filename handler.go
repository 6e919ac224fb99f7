package cloakroom

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// Handler gives the requests of h sessions: Session works inside of it. A
// request that never asks for its session costs no store operation. Changes are
// saved before the first byte of the response goes out; if they can't be, the
// client gets an error (Fail) in the place of the response. What is changed
// later is saved when h returns. If h panics, nothing more is saved.
func (m *Manager) Handler(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.serve(w, r, h) })
}

// serve serves a request of Handler. It is no closure in there, since one that is
// inlined into another package doesn't inline WithContext, and then the copy that
// this makes is allocated by itself.
func (m *Manager) serve(w http.ResponseWriter, r *http.Request, h http.Handler) {
	q := &request{Context: r.Context(), m: m, outer: r}
	q.w.ResponseWriter, q.w.q = w, q
	q.r = *r.WithContext(q)
	returned := false
	defer func() {
		q.letGo()
		// Routers and form parsers write into the copy of the request; who
		// wraps us, and net/http itself, look at the original.
		r.Pattern, r.MultipartForm = q.r.Pattern, q.r.MultipartForm
		if !returned {
			q.w.state.Store(responseFailed) // panicking: nothing may be claimed or saved
		}
	}()
	h.ServeHTTP(&q.w, &q.r)
	returned = true
	q.finish()
}

// With is a handler that needs its session: it is loaded first, and h isn't
// called if that fails. An error of h, or of loading, is answered by Fail; what h
// changed in the session and hasn't saved is dropped then. It works inside
// Handler and without.
func (m *Manager) With(h func(http.ResponseWriter, *http.Request, *Session) error) http.Handler {
	inside := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := m.Session(r.Context())
		if err == nil {
			err = h(w, r, s)
		}
		if err != nil {
			m.Fail(w, r, err)
		}
	})
	alone := m.Handler(inside)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m.request(r.Context()) != nil {
			inside(w, r)
			return
		}
		alone.ServeHTTP(w, r)
	})
}

// Session returns the session of the request that the context belongs to. The
// first call in a request reads it from the store, if the client sent a token;
// later ones return the same.
//
// Errors: ErrUnavailable; ErrCorrupt, see Fresh; and if the context is not that
// of a request inside this manager's Handler, one that says so.
func (m *Manager) Session(ctx context.Context) (*Session, error) {
	q := m.request(ctx)
	if q == nil {
		return nil, errors.New("cloakroom: the context has no session of this manager: wrap the handler with Manager.Handler, and pass on the request's context")
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if s := q.session.Load(); s != nil || q.err != nil {
		return s, q.err
	}
	q.asked.Store(true)
	if m.cache == nil && m.w.ops.full() && m.presents(q.outer) { // who isn't to be served shall cost little
		q.err = errTooMany
		return nil, q.err
	}
	s := q.begin()
	now, actual := m.clock.both()
	if t, ok := m.presented(q.outer, now); ok {
		q.hold(ID(t.ID), s)
		if q.err = m.load(ctx, s, t, now, actual); q.err != nil {
			return nil, q.err
		}
	}
	q.session.Store(s)
	return s, nil
}

// Fresh gives the request a new, empty session in the place of the one that its
// token opens, which is neither read nor ended: the way out of ErrCorrupt. Once
// a value is set, the client gets a new token.
func (m *Manager) Fresh(ctx context.Context) (*Session, error) {
	q := m.request(ctx)
	if q == nil {
		return m.Session(ctx) // which says what is wrong
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.begin()
	q.session.Store(s)
	q.err = nil
	return s, nil
}

// Fail answers a request with an error, in the place of what the handler was
// about to send: 503 with Retry-After if the store is unavailable, 409 if the
// session ended or changed under the request, 413 if it became too large, 500
// else. Config.OnError may write the body. The session's unsaved changes are
// dropped, and the client's token is left alone, but for a sign-in, renewal or
// sign-out that has happened already. Once a response has begun,
// Fail can only log.
func (m *Manager) Fail(w http.ResponseWriter, r *http.Request, err error) {
	q := m.request(r.Context())
	switch {
	case q == nil:
		m.answerError(w, r, nil, err)
	case q.w.state.Load() == responseNew:
		q.w.fail(err)
	case q.w.state.Load() == responseSent && r.Context().Err() == nil: // else the client has gone, which is no fault
		m.config.Logger.ErrorContext(r.Context(), "cloakroom: a request failed after its response had begun", "error", err)
	}
}

// answerError writes an error's response. A sign-in, renewal or sign-out that has
// happened before it is told all the same. q may be nil.
func (m *Manager) answerError(w http.ResponseWriter, r *http.Request, q *request, err error) {
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, ErrGone):
		status = http.StatusConflict
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrClosed):
		status = http.StatusServiceUnavailable
	case errors.Is(err, ErrConflict), errors.Is(err, ErrRevoked):
		status = http.StatusConflict
	case errors.Is(err, ErrTooLarge):
		status = http.StatusRequestEntityTooLarge
	}
	h := w.Header()
	for _, name := range []string{
		"Accept-Ranges", "Cache-Control", "Content-Digest", "Content-Disposition", "Content-Encoding", "Content-Language",
		"Content-Length", "Content-Location", "Content-Range", "Content-Type", "Etag", "Expires", "Last-Modified", "Link",
		"Location", "Refresh", "Repr-Digest", "Set-Cookie", "Trailer",
	} {
		delete(h, name) // they speak of a response that isn't sent
	}
	h.Set("Cache-Control", "no-store")
	if q != nil && q.token.Load() != tokenReissue {
		q.handOut(h)
	}
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "2")
	}
	if status >= 500 && (!errors.Is(err, ErrOverloaded) || m.w.ops.tell(r.Context(), m.config.Logger)) {
		m.config.Logger.ErrorContext(r.Context(), "cloakroom: request failed", "status", status, "error", err)
	}
	m.config.OnError(w, r, status, err)
}

func plainError(w http.ResponseWriter, _ *http.Request, status int, _ error) {
	text := "The session could not be used."
	switch status {
	case http.StatusServiceUnavailable:
		text = "Sessions are unavailable for the moment. Please try again."
	case http.StatusConflict:
		text = "Your session changed while this request was under way. Please reload."
	case http.StatusRequestEntityTooLarge:
		text = "The session has no room for that."
	}
	http.Error(w, text, status)
}

// request is what one request has to do with one manager. It is the context of
// the inner request, so that finding it costs nothing, and has that in it, so that
// both are allocated in one piece.
type request struct {
	context.Context //nolint:containedctx // it is a context
	m               *Manager
	outer           *http.Request
	r               http.Request
	w               response

	session atomic.Pointer[Session] // once somebody got it; set with mu held
	asked   atomic.Bool             // somebody does, or did

	mu     sync.Mutex
	err    error // of loading it
	heldID ID    // the record that the request holds open
	held   *line // its line; nil: none
	over   bool  // the handler has returned
	begun  bool  // first is in use

	token atomic.Int32 // one of the following

	// Memory for what nearly every request that is looked at needs.
	first Session   // the one that is begun first, and hardly ever another
	vary  [1]string // the response's Vary, which seldom has more
}

// What the response has to say about the client's token.
const (
	tokenStays   = iota
	tokenReissue // signed anew; can wait for another response
	tokenIssue   // a new one
	tokenRevoke  // forget it
)

type requestKey struct{ m *Manager }

// Value implements context.Context.
func (q *request) Value(key any) any {
	if k, ok := key.(requestKey); ok && k.m == q.m {
		return q
	}
	return q.Context.Value(key)
}

// request returns the request that a context belongs to, nil if none.
func (m *Manager) request(ctx context.Context) *request {
	q, _ := ctx.Value(requestKey{m}).(*request)
	return q
}

// begin returns an empty session for the request.
func (q *request) begin() *Session {
	s := &q.first
	if q.begun { // and somebody may have it still
		s = new(Session)
	}
	q.begun = true
	q.m.newSession(s, q)
	c := q.m.config
	s.active = !c.Background(q.outer)
	agent := q.outer.UserAgent()
	agent = agent[:min(len(agent), userAgentBytes)]
	if !utf8.ValidString(agent) { // which is quick, as nearly all are ASCII
		agent = strings.ToValidUTF8(agent, "")
	}
	s.client = Client{Address: c.ClientAddr(q.outer), UserAgent: agent}
	return s
}

// The methods of a nil request do nothing: a session outside of requests.

// sent reports whether a response has begun, be it an error in its place: no
// token can go out any more.
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

func (q *request) revoke() {
	if q != nil {
		q.token.Store(tokenRevoke)
	}
}

// hold holds a session open for the rest of the request, with mu held.
func (q *request) hold(id ID, s *Session) {
	if !q.over {
		q.heldID, q.held = id, q.m.w.hold(id, &s.line)
	}
}

// letGo ends the hold with the request.
func (q *request) letGo() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.over = true
	if q.held != nil {
		q.m.w.release(q.heldID, q.held)
	}
}

// consulted returns the request's session if anybody asked for it, and waits for
// it if it is being loaded.
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
	switch q.m.config.Save {
	case SaveOnce:
		if err := s.Save(q); err != nil {
			return err
		}
	case SaveEach:
		if err := s.Err(); err != nil {
			return err
		}
	}
	h := q.w.Header()
	vary := h["Vary"]
	if vary == nil {
		vary = q.vary[:0]
	}
	h["Vary"] = append(vary, q.m.transport.vary())
	if q.token.Load() != tokenReissue || !public(h) {
		q.handOut(h)
	}
	return nil
}

// handOut puts what there is to say about the client's token into headers.
func (q *request) handOut(h http.Header) {
	switch s := q.consulted(); q.token.Load() {
	case tokenIssue, tokenReissue:
		token := s.Token()
		if token == "" {
			return
		}
		var until time.Time
		if info := s.Info(); info.Persistent {
			until = info.Deadline
		}
		q.m.transport.issue(h, token, until, q.m.now())
	case tokenRevoke:
		q.m.transport.revoke(h)
	default:
		return
	}
	h.Set("Cache-Control", "private, no-store")
}

// public reports whether caches may keep the response.
func public(h http.Header) bool {
	cc := strings.ToLower(strings.Join(h.Values("Cache-Control"), ","))
	return strings.Contains(cc, "public") || strings.Contains(cc, "s-maxage") || strings.Contains(cc, "immutable")
}

// finish ends a request whose handler has returned.
func (q *request) finish() {
	switch q.w.state.Load() {
	case responseNew:
		if !q.w.begin() {
			return
		}
	case responseFailed:
		return
	}
	s := q.consulted()
	if s == nil {
		return
	}
	var err error
	switch q.m.config.Save {
	case SaveOnce:
		err = s.Save(q)
	case SaveEach:
		err = s.Err()
	}
	if err != nil {
		q.m.config.Logger.ErrorContext(q, "cloakroom: what a handler changed after its response had begun was not saved", "error", err)
	}
	s.touch()
}
