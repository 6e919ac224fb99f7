package cloakroom

import (
	"log/slog"
	"net/http"

	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is Fail: the error in the place of a response whose session could not be
// used.

// Fail answers a request with an error, in the place of the response that the handler was
// about to send:
//
//   - 503 with Retry-After, if the store is unavailable,
//   - 409, if the session ended or changed under the request,
//   - 413, if the session became too large, or the request's body is
//     (http.MaxBytesReader),
//   - 400, if a principal isn't one: see Session.Login,
//   - 404, if there is no such session (ErrNotFound), or an id isn't one (ParseID),
//   - 500 else: an error of the application's, or one of its faults, such as a login
//     attempt that is another principal's (ErrInvalid).
//
// Config.OnError may write the body. The session's unsaved changes are dropped. The
// client's token is left alone, except that a sign-in, renewal or sign-out that has
// happened already is told. Once a response has begun, Fail can only log.
//
// Errors of 500 and more are logged, with the request's method and path; 413 is a
// warning. An error of a session has a kind, such as "unavailable", and each kind gets
// one line a second with the number of requests since the last. An application's errors
// are logged one by one.
//
// A client that hung up is no error, whether the session was being read or the handler
// returns the request context's error, wrapped or not (context.Canceled): nothing is
// logged, and OnError isn't called. Nor is anything logged if the client has gone in the
// midst of a response.
func (m *Manager) Fail(w http.ResponseWriter, r *http.Request, err error) {
	q := m.request(r.Context())
	switch {
	case q == nil:
		m.answerError(w, r, nil, err)
	case q.w.fail(err):
	case q.w.state.Load() == responseSent && !hasGone(q.outer): // else it can't be sent, which is no fault
		m.failures.tell(q.outer, failure{level: slog.LevelError, what: failedLate, session: q.sessionID(), err: err})
	}
}

// answerError deletes the headers of the response in whose place an error's is written, and
// writes that. q may be nil.
func (m *Manager) answerError(w http.ResponseWriter, r *http.Request, q *request, err error) {
	if h := w.Header(); q != nil {
		takeBack(h, q.outside)
	} else {
		takeBackAny(h)
	}
	m.answer(w, r, q, err)
}

// answer writes an error's response. It also tells the client of a sign-in, renewal or
// sign-out that has happened before. q may be nil.
func (m *Manager) answer(w http.ResponseWriter, r *http.Request, q *request, err error) {
	if m.isRefusal(q, err) {
		m.failures.refused(r)
		m.refusal.write(w)
		return
	}
	status := statusOf(err)
	h := w.Header()
	forbidCaching(h, "no-store")
	if q != nil && q.token.Load() != tokenReissue {
		q.handOut(h)
	}
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", retryAfter)
	}
	if hungUp(r, err) { // nobody reads the answer, and nobody is at fault
		w.WriteHeader(statusHungUp)
		return
	}
	m.failures.answered(r, q.sessionID(), status, err)
	e := &errorWriter{ResponseWriter: w, status: status}
	defer e.begin()
	m.config.OnError(e, r, status, err)
}

// isRefusal reports whether refusal has the whole answer to an error: OnError is the
// default, and there is no token to hand out and no session to log. q may be nil.
func (m *Manager) isRefusal(q *request, err error) bool {
	return err == protocol.ErrTooMany && //nolint:errorlint // itself, as a wrapped one has more to say
		m.refusal.plain && (q == nil || q.session.Load() == nil && !q.tellsAnything())
}
