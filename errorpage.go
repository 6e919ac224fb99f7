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
		text = "Sessions are unavailable for the moment. Please try again."
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
