package cloakroom

import (
	"errors"
	"net/http"

	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is the error page: an error's status and text.

// statusHungUp is the status of a request whose client has gone, for those that count
// answers further out. The number is nginx's, and no server's error.
const statusHungUp = 499

// statusOf returns the status that an error is answered with.
func statusOf(err error) int {
	switch {
	case errors.Is(err, ErrGone):
		return http.StatusConflict
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrClosed):
		return http.StatusServiceUnavailable
	case errors.Is(err, ErrConflict), errors.Is(err, ErrRevoked):
		return http.StatusConflict
	case errors.Is(err, ErrTooLarge), isBodyTooLarge(err):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, protocol.ErrPrincipal):
		return http.StatusBadRequest
	case errors.Is(err, ErrNotFound):
		return http.StatusNotFound
	}
	return http.StatusInternalServerError
}

// textUnavailable is the text of 503.
const textUnavailable = "Sessions are unavailable for the moment. Please try again."

// errorWriter is the ResponseWriter of Config.OnError. If OnError writes nothing, or
// panics before it does, the answer has the status and no body: net/http would say 200.
type errorWriter struct {
	http.ResponseWriter
	status int
	begun  bool
}

func (w *errorWriter) begin() {
	if !w.begun {
		w.WriteHeader(w.status)
	}
}

// WriteHeader implements http.ResponseWriter.
func (w *errorWriter) WriteHeader(status int) {
	w.begun = w.begun || status >= 200 || status == http.StatusSwitchingProtocols
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *errorWriter) Write(b []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(b)
}

// Flush implements http.Flusher.
func (w *errorWriter) Flush() { _ = w.FlushError() }

// FlushError is the flush that http.ResponseController calls.
func (w *errorWriter) FlushError() error {
	w.begin()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap returns the wrapped writer, for http.ResponseController.
func (w *errorWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// plainError is the default of Config.OnError.
func plainError(w http.ResponseWriter, _ *http.Request, status int, err error) {
	text := "The session could not be used."
	switch status {
	case http.StatusInternalServerError:
		if kindOf(err) == "" {
			text = "Something went wrong here."
		}
	case http.StatusBadRequest:
		text = "A name to sign in with has 1 to 512 bytes of UTF-8, without control characters."
	case http.StatusNotFound:
		text = "There is no such session."
	case http.StatusServiceUnavailable:
		text = textUnavailable
	case http.StatusConflict:
		text = "Your session changed while this request was under way. Please reload."
	case http.StatusRequestEntityTooLarge:
		text = "The session has no room for that."
		if isBodyTooLarge(err) {
			text = "The request is too large."
		}
	}
	http.Error(w, text, status)
}

// isBodyTooLarge reports whether an error is that of an http.MaxBytesReader: a fault of
// the client, not of the application.
func isBodyTooLarge(err error) bool {
	_, ok := errors.AsType[*http.MaxBytesError](err)
	return ok
}
