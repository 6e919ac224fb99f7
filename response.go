package cloakroom

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
)

// This file is the ResponseWriter that handlers write to.

// response wraps a ResponseWriter so that the session is saved before the first
// byte. It has the optional methods that handlers look for, each passed on to
// what it wraps, or answered as not supported; Unwrap lets
// http.ResponseController find the rest.
type response struct {
	http.ResponseWriter
	q     *request
	state atomic.Int32 // one of the following; sessions in other goroutines look at it
	err   error        // why the handler's response isn't sent
}

// The values of response.state.
const (
	responseNew    = iota
	responseSent   // headers are out
	responseFailed // an error was sent in its place, or the handler panicked
)

var (
	_ http.Flusher    = (*response)(nil)
	_ http.Hijacker   = (*response)(nil)
	_ http.Pusher     = (*response)(nil)
	_ io.ReaderFrom   = (*response)(nil)
	_ io.StringWriter = (*response)(nil)
)

// start saves the session before the response's first byte, once. It reports
// false if the response must not be sent, because another was.
func (w *response) start() bool {
	if w.state.Load() == responseNew {
		if err := w.q.commit(); err != nil {
			w.sendError(err)
		} else {
			w.state.Store(responseSent)
		}
	}
	return w.state.Load() == responseSent
}

// sendError sends an error in the place of the response. Nothing is saved any more.
func (w *response) sendError(err error) {
	w.err = err
	w.state.Store(responseFailed)
	w.q.m.answerError(w.ResponseWriter, w.q.outer, w.q, err)
}

// refuse is the error of writing into a response that isn't sent.
func (w *response) refuse() error {
	if w.err != nil {
		return w.err
	}
	return errors.New("cloakroom: the request was answered with an error")
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

// WriteString implements io.StringWriter.
func (w *response) WriteString(s string) (int, error) {
	if !w.start() {
		return 0, w.refuse()
	}
	return io.WriteString(w.ResponseWriter, s)
}

// ReadFrom implements io.ReaderFrom, so that files are sent by the kernel where
// that is possible.
func (w *response) ReadFrom(r io.Reader) (int64, error) {
	if !w.start() {
		return 0, w.refuse()
	}
	if f, ok := w.ResponseWriter.(io.ReaderFrom); ok {
		return f.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{w.ResponseWriter}, r)
}

// Flush implements http.Flusher.
func (w *response) Flush() { _ = w.FlushError() }

// FlushError is what http.ResponseController calls.
func (w *response) FlushError() error {
	if !w.start() {
		return w.refuse()
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack implements http.Hijacker. The session is saved first; a token that is
// due can only go out if the caller sends the response's headers itself.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if !w.start() {
		return nil, nil, w.refuse()
	}
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// Push implements http.Pusher.
func (w *response) Push(target string, o *http.PushOptions) error {
	if p, ok := w.ResponseWriter.(http.Pusher); ok {
		return p.Push(target, o)
	}
	return http.ErrNotSupported
}

// Unwrap lets http.ResponseController reach what is wrapped.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }
