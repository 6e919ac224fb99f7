package cloakroom

import (
	"errors"
	"net/http"
)

// This file is Fail: the answer to a request whose session could not be used.

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
	case q.w.fail(err):
	case q.w.state.Load() == responseSent && r.Context().Err() == nil: // else the client has gone, which is no fault
		m.config.Logger.ErrorContext(r.Context(), "cloakroom: a request failed after its response had begun", "error", err)
	}
}

// answerError writes an error's response. A sign-in, renewal or sign-out that has
// happened before it is told all the same. q may be nil.
func (m *Manager) answerError(w http.ResponseWriter, r *http.Request, q *request, err error) {
	status := statusOf(err)
	h := w.Header()
	if q != nil {
		takeBack(h, q.outside)
	} else {
		takeBackAny(h)
	}
	forbidCaching(h, "no-store")
	if q != nil && q.token.Load() != tokenReissue {
		q.handOut(h)
	}
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "2")
	}
	if status >= 500 && (!errors.Is(err, ErrOverloaded) || m.records.TellRefusal(r.Context(), m.config.Logger)) {
		m.config.Logger.ErrorContext(r.Context(), "cloakroom: request failed", "status", status, "error", err)
	}
	m.config.OnError(w, r, status, err)
}
