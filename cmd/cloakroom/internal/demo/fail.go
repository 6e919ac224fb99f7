package demo

import (
	"errors"
	"net/http"
	"strings"

	"github.com/cloakroom-go/cloakroom"
)

// This file answers requests that fail.

// onError is the manager's Config.OnError: it answers a request whose session could not
// be used. The log has the details; visitors get plain words.
func (s *Shop) onError(w http.ResponseWriter, r *http.Request, status int, err error) {
	s.answer(w, r, failure{
		Status: status,
		Text:   explain(status, err),
		Anew:   errors.Is(err, cloakroom.ErrCorrupt),
		Retry:  status == http.StatusServiceUnavailable && r.Method == http.MethodGet,
	})
}

func explain(status int, err error) string {
	switch {
	case status == http.StatusServiceUnavailable && errors.Is(err, cloakroom.ErrUnknown):
		return "The store did not answer in time: your change may or may not have been saved."
	case status == http.StatusServiceUnavailable:
		return "The store is out of reach for the moment. You stay signed in; please try again."
	case errors.Is(err, cloakroom.ErrGone):
		return "This session has ended."
	case errors.Is(err, cloakroom.ErrRevoked):
		return "This name was signed out everywhere while you signed in. Please sign in again."
	case status == http.StatusConflict:
		return "Your session changed while this request was under way. Please try again."
	case status == http.StatusRequestEntityTooLarge:
		return "The session has no room for that."
	case errors.Is(err, cloakroom.ErrCorrupt):
		return "The record of this session can't be understood."
	}
	return "Something went wrong. The log of the demo tells what."
}

// answerError answers a request with an error that isn't the session's.
func (s *Shop) answerError(w http.ResponseWriter, r *http.Request, status int, text string) {
	w.Header().Set("Cache-Control", "no-store")
	s.answer(w, r, failure{Status: status, Text: text})
}

// failure is the answer to a request that failed.
type failure struct {
	Status int
	Text   string
	Anew   bool // a new session helps
	Retry  bool // the page tries again by itself
}

// Title is the failure's headline.
func (f failure) Title() string {
	switch f.Status {
	case http.StatusServiceUnavailable:
		return "The counter is closed for a moment"
	case http.StatusConflict:
		return "Somebody was faster"
	case http.StatusNotFound:
		return "Nothing here"
	}
	return http.StatusText(f.Status)
}

// answer writes a failure: as JSON to scripts, as a page to people. The manager may have
// set headers already.
func (s *Shop) answer(w http.ResponseWriter, r *http.Request, f failure) {
	if strings.HasPrefix(r.URL.Path, "/api/") {
		_ = writeJSON(w, f.Status, map[string]string{"error": f.Text}) // the client hung up
		return
	}
	s.render(w, f.Status, "failure", f)
}

// readForm reads the parameters of a request.
func readForm(r *http.Request) error {
	switch err := r.ParseForm(); {
	case err == nil:
		return nil
	case isTooLong(err):
		return &complaint{http.StatusRequestEntityTooLarge, "That is too much for one request."}
	default:
		return &complaint{http.StatusBadRequest, "The parameters can't be understood."}
	}
}

func isTooLong(err error) bool {
	_, ok := errors.AsType[*http.MaxBytesError](err)
	return ok
}
