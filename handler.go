package cloakroom

import (
	"context"
	"errors"
	"net/http"

	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is how requests get their sessions.

// Handler gives the requests of h sessions: Session works inside of it. A
// request that never asks for its session costs no store operation. Changes are
// saved before the first byte of the response goes out; if they can't be, the
// client gets an error (Fail) in the place of the response. What is changed
// later is saved when h returns.
//
// Handler does nothing more for a request that it already has in hand, as where it wraps a
// mux and a route of it as well.
//
// If h panics, nothing more is saved, whoever recovers further out. What recovers inside
// of h, as most routers can, is none of that: h answers then, and what had been changed
// before the panic is saved with the answer. Recover outside of Handler, or call
// Session.Discard in what recovers.
//
// An error has the headers that were set outside of Handler, and none that h set. So a
// compressor may be on either side, and what belongs on each page, such as headers for
// security and for other origins, is set outside.
//
// h's ResponseWriter is an http.Flusher, http.Hijacker, http.Pusher, io.ReaderFrom,
// io.StringWriter and http.CloseNotifier if and only if the one that Handler is given
// is, and a Flusher or Hijacker too if that unwraps to one. It always has FlushError
// and Unwrap, for http.ResponseController.
func (m *Manager) Handler(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.serve(w, r, h) })
}

// serve serves a request of Handler. It is no closure in there, since one that is
// inlined into another package doesn't inline WithContext, and then the copy that
// this makes is allocated by itself.
func (m *Manager) serve(w http.ResponseWriter, r *http.Request, h http.Handler) {
	if q := m.request(r.Context()); q != nil && q.is(r) {
		h.ServeHTTP(w, r)
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
		// Routers and form parsers write into the copy of the request; who
		// wraps us, and net/http itself, look at the original.
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
// SaveOnce does: before the first byte of the response, and what is changed later
// when the outermost handler returns. In other modes it does nothing. It works inside
// Handler and without.
//
// A panic of h that reaches AutoSave saves nothing more, whoever recovers from it
// further out and answers. One that h recovers from itself never reaches it.
func (m *Manager) AutoSave(h http.Handler) http.Handler {
	return m.anywhere(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q, returned := m.request(r.Context()), false
		q.autoSave.Store(true)
		defer func() {
			if !returned {
				q.autoSave.Store(false) // panicking, and what recovers may well write an answer
			}
		}()
		h.ServeHTTP(w, r)
		returned = true
	}))
}

// anywhere is a handler that runs inside Handler, and goes there if it isn't.
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

// With is a handler that needs its session: it is loaded first, and h isn't
// called if that fails. An error of h, or of loading, is answered by Fail; what h
// changed in the session and hasn't saved is dropped then. It works inside
// Handler and without.
//
// Fail knows an error of h that isn't a session's for the application's: 500, and a line
// of its own in the log. A panic of h isn't caught: see Handler.
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

// Session returns the session of the request that the context belongs to. The
// first call in a request reads it from the store, if the client sent a token;
// later ones return the same.
//
// Of several tokens that of the one live session counts. If several sessions are
// live, none is used: the session is empty, and saving a value is ErrConflict. Login
// and Destroy end them.
//
// Errors: ErrUnavailable; ErrCorrupt, see Fresh; and if the context is not that
// of a request inside this manager's Handler, one that says so.
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
	if m.config.CacheFor == 0 && m.records.Full() && m.presents(q.outer) { // who isn't to be served shall cost little
		q.err = protocol.ErrTooMany
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
	if q.err != nil {
		return nil, q.err
	}
	q.session.Store(s)
	q.keepAlive(s)
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
	s := q.newSession()
	q.session.Store(s)
	q.err = nil
	return s, nil
}
