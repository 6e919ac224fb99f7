package cloakroom

import (
	"errors"
	"net/http"
)

// This file is the look of an error: its status and text.

// statusOf returns the status that an error is answered with.
func statusOf(err error) int {
	switch {
	case errors.Is(err, ErrGone):
		return http.StatusConflict
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrClosed):
		return http.StatusServiceUnavailable
	case errors.Is(err, ErrConflict), errors.Is(err, ErrRevoked):
		return http.StatusConflict
	case errors.Is(err, ErrTooLarge):
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusInternalServerError
}

// plainError is the default of Config.OnError.
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
