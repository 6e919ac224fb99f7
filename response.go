package cloakroom

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

// This file is the ResponseWriter that handlers get: it saves the session before the
// first byte, or sends an error in the response's place.

// response wraps a ResponseWriter so that the session is saved before the first byte.
// Handlers get one of the types of writers_generated.go around it. Those call its
// unexported methods for the optional interfaces that the wrapped writer has.
type response struct {
	http.ResponseWriter
	q *request
	gate
	err error // why the handler's response isn't sent
}

// start saves the session before the response's first byte, once. It reports false if the
// response must not be sent, because an error was sent in its place.
func (w *response) start() bool {
	if first, err := w.begin(); first {
		if err == nil {
			err = w.commit()
		}
		if err != nil {
			w.sendError(err)
		} else {
			w.end(responseSent)
		}
	}
	return w.state.Load() == responseSent
}

// begin waits until no operation claims the response, and reports whether the caller
// begins it. If there is an error, that has to be sent in its place. A claim lasts
// Config.SaveTimeout at most, and as long again if the operation is taken back. It lasts
// longer if the caller itself holds up the operation, in a function of Events.
func (w *response) begin() (first bool, err error) {
	if w.state.Load() >= responseSent {
		return false, nil
	}
	first, inTime := w.gate.begin(3 * w.q.m.config.SaveTimeout)
	if !inTime {
		err = fmt.Errorf("cloakroom: a sign-in, a renewal or the first save of a session keeps the response waiting: %w", ErrUnavailable)
	}
	return first, err
}

// commit saves the session. If that panics, the response has not begun.
func (w *response) commit() error {
	returned := false
	defer func() {
		if !returned {
			w.end(responseNew)
		}
	}()
	err := w.q.commit()
	returned = true
	return err
}

// fail sends an error in the place of the response. It reports false if the response has
// begun.
func (w *response) fail(err error) bool {
	first, _ := w.begin()
	if first {
		w.sendError(err)
	}
	return first
}

// sendError sends an error in the place of the response that the caller begins.
// Nothing is saved any more.
func (w *response) sendError(err error) {
	w.err = err
	defer w.end(responseFailed) // not before, since the server ends the request when its handler has returned
	w.q.m.answerError(w.ResponseWriter, w.q.outer, w.q, err)
	w.q.answered.Store(true)
}

// refuse is the error of writing into a response that isn't sent.
func (w *response) refuse() error {
	switch state := w.state.Load(); {
	case state == responseBegins:
		return errors.New("cloakroom: the response is being begun: what is told of an event can't write it")
	case state == responseFailed && w.err != nil:
		return w.err
	}
	return errors.New("cloakroom: the request was answered with an error")
}

// Header implements http.ResponseWriter. After an error was sent in the place of the
// response, it returns headers that are never sent: a server would send some that are set
// late as trailers.
func (w *response) Header() http.Header {
	if w.q.answered.Load() {
		return http.Header{}
	}
	return w.ResponseWriter.Header()
}

// WriteHeader implements http.ResponseWriter. Informational responses (1xx) go
// out as they are; 101 is final.
func (w *response) WriteHeader(status int) {
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		if w.state.Load() != responseFailed {
			w.ResponseWriter.WriteHeader(status)
		}
		return
	}
	if w.start() {
		w.ResponseWriter.WriteHeader(status)
	}
}

// Write implements http.ResponseWriter.
func (w *response) Write(b []byte) (int, error) {
	if !w.start() {
		return 0, w.refuse()
	}
	return w.ResponseWriter.Write(b)
}

// writeString is WriteString of io.StringWriter.
func (w *response) writeString(s string) (int, error) {
	if !w.start() {
		return 0, w.refuse()
	}
	return io.WriteString(w.ResponseWriter, s)
}

// readFrom is ReadFrom of io.ReaderFrom, so that the kernel sends files where it can.
func (w *response) readFrom(r io.Reader) (int64, error) {
	if !w.start() {
		return 0, w.refuse()
	}
	return w.ResponseWriter.(io.ReaderFrom).ReadFrom(r)
}

// flush is Flush of http.Flusher.
func (w *response) flush() { _ = w.FlushError() }

// FlushError is the flush that http.ResponseController calls.
func (w *response) FlushError() error {
	if !w.start() {
		if w.q.answered.Load() { // the error may be waiting for the handler to return
			_ = http.NewResponseController(w.ResponseWriter).Flush()
		}
		return w.refuse()
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// hijack is Hijack of http.Hijacker. The session is saved first. A token that is due can
// only go out if the caller sends the response's headers itself.
func (w *response) hijack() (net.Conn, *bufio.ReadWriter, error) {
	if !w.start() {
		return nil, nil, w.refuse()
	}
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// push is Push of http.Pusher.
func (w *response) push(target string, o *http.PushOptions) error {
	return w.ResponseWriter.(http.Pusher).Push(target, o)
}

// closeNotify is CloseNotify of http.CloseNotifier.
func (w *response) closeNotify() <-chan bool {
	return w.ResponseWriter.(http.CloseNotifier).CloseNotify() //nolint:staticcheck // deprecated, and still called by handlers
}

// Unwrap returns the wrapped writer, for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }
