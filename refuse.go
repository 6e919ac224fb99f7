package cloakroom

import (
	"log/slog"
	"net/http"

	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is the refusal: the answer to a request that is turned down, because more of
// them come than the store can serve. In a rush most answers are refusals, and what they
// cost is taken from the requests that could be served. So they cost next to nothing, and
// allocate nothing if Config.OnError writes none of them.

// refusal is what each refusal sends. It is made once and only read: nobody is to write
// into the values of a header, which net/http doesn't, nor does http.Header.
type refusal struct {
	plain                                          bool // OnError is the default
	cacheControl, retryAfter, contentType, noSniff []string
	text                                           []byte
}

// retryAfter is the Retry-After of an answer of 503, in seconds.
const retryAfter = "2"

func newRefusal(plain bool) refusal {
	return refusal{
		plain:        plain,
		cacheControl: []string{"no-store"}, retryAfter: []string{retryAfter},
		contentType: []string{"text/plain; charset=utf-8"}, noSniff: []string{"nosniff"},
		text: []byte(textUnavailable + "\n"),
	}
}

// refusesEarly reports whether a request is turned down before its handler begins. It is
// asked about each request, so what is cheap and mostly false goes first.
func (m *Manager) refusesEarly(r *http.Request) bool {
	return m.config.RefuseEarly != nil && m.turnsDown(r) && m.config.RefuseEarly(r)
}

// turnsDown reports whether a request would be turned down if it asked for its session.
// With CacheFor memory may have it, at no cost to the store.
func (m *Manager) turnsDown(r *http.Request) bool {
	return m.config.CacheFor == 0 && m.records.Full() && m.presents(r)
}

// refuseEarly turns a request down before its handler begins. Its headers are those that
// were set outside of Handler.
func (m *Manager) refuseEarly(w http.ResponseWriter, r *http.Request) {
	delete(w.Header(), "Content-Length")
	m.answer(w, r, nil, m.records.TurnDown())
}

// isRefusal reports whether the answer to an error is that of refuse: nothing but the
// refusal is to be told or logged, and OnError is the default. q may be nil.
func (m *Manager) isRefusal(q *request, err error) bool {
	return err == protocol.ErrTooMany && //nolint:errorlint // itself, as a wrapped one has more to say
		m.refusal.plain && (q == nil || q.session.Load() == nil && !q.tellsAnything())
}

// refuse answers a request that was turned down, as answer and plainError would.
func (m *Manager) refuse(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	deleteCaching(h)
	h["Cache-Control"], h["Retry-After"] = m.refusal.cacheControl, m.refusal.retryAfter
	h["Content-Type"], h["X-Content-Type-Options"] = m.refusal.contentType, m.refusal.noSniff
	m.failures.refused(r)
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = w.Write(m.refusal.text)
}

// refused logs a request that was turned down. While a line waits that will tell of it,
// it is only counted.
func (l *failureLog) refused(r *http.Request) {
	const kind = "overloaded" // kindOf(protocol.ErrTooMany)
	if !l.waits(failedRequest + kind) {
		l.tell(r, failure{level: slog.LevelError, what: failedRequest, status: http.StatusServiceUnavailable, err: protocol.ErrTooMany})
	}
}

// waits counts a failure that a line will tell which waits to be written. It reports false
// if there is none.
func (l *failureLog) waits(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.kinds[key]
	if k == nil || k.due == nil {
		return false
	}
	k.requests++
	return true
}
