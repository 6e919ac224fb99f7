package cloakroom

import (
	"context"
	"errors"
	"net/http"

	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is Handler and With, by which requests get their sessions, and Session, Fresh
// and AutoSave.

// Handler gives the requests of h sessions: Session works inside of it. A request that
// never asks for its session costs no store operation. Changes are saved before the first
// byte of the response goes out. If they can't be, the client gets an error (Fail) in the
// place of the response. Changes after the first byte are saved when h returns.
//
// Handler does nothing more for a request that is inside of it already, as where it wraps a
// mux and a route of it as well.
//
// An http.TimeoutHandler inside of h returns before the page does. Session.Save alone
// saves values that the page sets after that.
//
// If h panics, nothing more is saved, even if someone recovers further out. If someone
// recovers inside of h, as most routers can, h answers, and the changes made before the
// panic are saved with the answer. So recover outside of Handler, or call Session.Discard
// where you recover.
//
// An error has the headers that were set outside of Handler, and none that h set. So a
// compressor may be on either side. Headers that belong on each page, such as those for
// security and for other origins, are to be set outside.
//
// h's ResponseWriter is an http.Flusher, http.Hijacker, http.Pusher, io.ReaderFrom,
// io.StringWriter and http.CloseNotifier if and only if the one that Handler is given is,
// and a Flusher or Hijacker too if that unwraps to one. It always has FlushError and
// Unwrap, for http.ResponseController.
func (m *Manager) Handler(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.serve(w, r, h) })
}

// serve serves a request of Handler. It is no closure there: one that is inlined into
// another package doesn't inline WithContext, whose copy is then allocated by itself.
func (m *Manager) serve(w http.ResponseWriter, r *http.Request, h http.Handler) {
	if q := m.request(r.Context()); q != nil && q.is(r) {
		h.ServeHTTP(w, r)
		return
	}
	if m.config.RefuseEarly != nil && m.turnsDown(r) && m.config.RefuseEarly(r) {
		delete(w.Header(), "Content-Length") // whoever set it, a refusal has another
		m.answer(w, r, nil, m.records.TurnDown())
		return
	}
	q := &request{m: m, outer: r}
	q.ctx.Context, q.ctx.q = r.Context(), q
	q.w.ResponseWriter, q.w.q = w, q
	q.r = *r.WithContext(&q.ctx)
	if h := w.Header(); len(h) > 0 {
		q.outside = h.Clone()
	}
	returned := false
	defer func() {
		q.letGo()
		if returned {
			q.retireForeign()
		}
		// Routers and form parsers write into the copy of the request. Wrappers around
		// Handler, and net/http itself, look at the original.
		r.Pattern, r.MultipartForm = q.r.Pattern, q.r.MultipartForm
		if !returned {
			q.w.abandon() // panicking: nothing may be claimed or saved
			// An httputil.ReverseProxy panics if it can't write what it has read. The
			// client has its answer, which this panic would have the server drop.
			if q.answered.Load() {
				if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // itself, as net/http compares it
					panic(p)
				}
			}
		}
	}()
	h.ServeHTTP(withOptional(&q.w, optionalOf(w)), &q.r)
	returned = true
	q.finish()
}

// AutoSave has a manager of SaveManual save the sessions of h's requests as one of
// SaveOnce does: before the first byte of the response, and later changes when the
// outermost handler returns. In other modes it does nothing. It works inside Handler and
// without.
//
// After a panic of h that reaches AutoSave nothing more is saved, even if someone
// recovers further out and answers. A panic that h recovers from itself never reaches it.
func (m *Manager) AutoSave(h http.Handler) http.Handler {
	return m.anywhere(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q, returned := m.request(r.Context()), false
		q.autoSave.Store(true)
		defer func() {
			if !returned {
				q.autoSave.Store(false) // panicking, and whoever recovers may write an answer
			}
		}()
		h.ServeHTTP(w, r)
		returned = true
	}))
}

// anywhere returns a handler that works inside Handler, and that puts itself into it
// elsewhere.
func (m *Manager) anywhere(inside http.Handler) http.Handler {
	alone := m.Handler(inside)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m.request(r.Context()) != nil {
			inside.ServeHTTP(w, r)
			return
		}
		alone.ServeHTTP(w, r)
	})
}

// With returns a handler that gets its session, which is loaded first. h isn't called if
// that fails. Fail answers an error of h, or of loading; then the changes that h made in
// the session and hasn't saved are dropped. With works inside Handler and without.
//
// To Fail an error of h that isn't a session's is the application's: 500, and a line of
// its own in the log. With doesn't recover from a panic of h: see Handler.
func (m *Manager) With(h func(http.ResponseWriter, *http.Request, *Session) error) http.Handler {
	return m.anywhere(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := m.Session(r.Context())
		if err == nil {
			err = h(w, r, s)
		}
		if err != nil {
			m.Fail(w, r, err)
		}
	}))
}

// Session returns the session of the request that the context belongs to. The first call
// in a request reads it from the store, if the client sent a token; later calls return
// the same. It is safe for concurrent use.
//
// Of several tokens that of the one live session counts. If several sessions are live,
// none is used: the session is empty, and saving a value is ErrConflict. Login and
// Destroy end them.
//
// Errors: ErrUnavailable; ErrCorrupt, see Fresh; and if the context is not that of a
// request inside this manager's Handler, one that says so.
func (m *Manager) Session(ctx context.Context) (*Session, error) {
	q := m.request(ctx)
	if q == nil {
		if _, reading := ctx.Value(requestKey{m}).(*readingContext); reading {
			return nil, errors.New("cloakroom: a function of Events asks for the session of a request while that is being read")
		}
		return nil, errors.New("cloakroom: the context has no session of this manager: wrap the handler with Manager.Handler, and pass on the request's context")
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if s := q.session.Load(); s != nil || q.err != nil {
		return s, q.err
	}
	q.asked.Store(true)
	if m.turnsDown(q.outer) {
		q.err = m.records.TurnDown()
		return nil, q.err
	}
	s := q.newSession()
	now, actual := m.clock.Both()
	s.at = protocol.MomentOf(now)
	switch t, ok, more := m.presented(q.outer, now); {
	case ok:
		q.hold(ID(t.ID), s)
		q.err = m.load(ctx, s, t, now, actual)
	case more != nil:
		if q.err = m.loadSeveral(ctx, s, more, now, actual); s.stored {
			q.hold(s.rec.ID, s)
		}
	}
	if q.err == nil && m.config.Import != nil {
		if q.err = q.openForeign(ctx, s, now); q.err == nil && q.held == nil && s.stored {
			q.hold(s.rec.ID, s)
		}
	}
	if q.err != nil {
		return nil, q.err
	}
	q.session.Store(s)
	q.keepAlive(s)
	return s, nil
}

// turnsDown reports whether a request is turned down if it asks for its session. With
// CacheFor memory may have it, at no cost to the store.
func (m *Manager) turnsDown(r *http.Request) bool {
	return m.config.CacheFor == 0 && m.records.Full() && m.presents(r)
}

// Fresh gives the request a new, empty session in the place of the one that its token
// opens. That one is neither read nor ended: it is the way out of ErrCorrupt. Setting a
// value gives the client a new token.
//
// Errors: that of Session for a context without a session.
func (m *Manager) Fresh(ctx context.Context) (*Session, error) {
	q := m.request(ctx)
	if q == nil {
		return m.Session(ctx) // for its error
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.newSession()
	q.session.Store(s)
	q.err = nil
	return s, nil
}
