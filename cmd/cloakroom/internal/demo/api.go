package demo

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the API for scripts, under /api/.

func (s *Shop) routeAPI(mux *http.ServeMux) {
	api := func(method, path string, h handler) {
		mux.Handle(path, s.only(method, s.sessions.With(s.claiming(h))))
	}
	api(http.MethodGet, "/api/session", s.apiSession)
	api(http.MethodPost, "/api/set", s.apiSet)
	api(http.MethodPost, "/api/incr", s.apiIncr)
	api(http.MethodPost, "/api/login", s.apiLogin)
	api(http.MethodPost, "/api/logout", s.apiLogout)
	mux.Handle("/api/static", s.only(http.MethodGet, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = writeJSON(w, http.StatusOK, map[string]bool{"static": true})
	})))
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		s.answerError(w, r, http.StatusNotFound, "There is no such endpoint.")
	})
}

// only passes on one method, and HEAD with GET. The mux would answer other methods in
// plain text.
func (s *Shop) only(method string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method && (method != http.MethodGet || r.Method != http.MethodHead) {
			w.Header().Set("Allow", method)
			s.answerError(w, r, http.StatusMethodNotAllowed, "Use "+method+" here.")
			return
		}
		h.ServeHTTP(w, r)
	})
}

// sessionAnswer is the answer of /api/session.
type sessionAnswer struct {
	ID        string                     `json:"id"` // "": no session is stored
	Principal string                     `json:"principal"`
	Values    map[string]json.RawMessage `json:"values"`
	Created   *time.Time                 `json:"created"` // null: no session is stored
	Expires   *time.Time                 `json:"expires"`
	Reads     int64                      `json:"reads"` // reads of the store by this process so far
	Writes    int64                      `json:"writes"`
}

func (s *Shop) apiSession(w http.ResponseWriter, _ *http.Request, session *cloakroom.Session) error {
	answer := sessionAnswer{
		ID:     idText(session),
		Values: make(map[string]json.RawMessage),
		Reads:  s.meter.reads.Load(),
		Writes: s.meter.writes.Load(),
	}
	if info := session.Info(); !info.ID.IsZero() {
		answer.Principal, answer.Created, answer.Expires = info.Principal, &info.Created, &info.Expires
	}
	for name := range session.Names() {
		answer.Values[name], _ = session.Raw(name)
	}
	return writeJSON(w, http.StatusOK, answer)
}

func (s *Shop) apiSet(w http.ResponseWriter, r *http.Request, session *cloakroom.Session) error {
	name, err := keyName(r)
	if err != nil {
		return err
	}
	value := r.Form.Get("value")
	if !utf8.ValidString(value) {
		return &complaint{http.StatusBadRequest, "The value is not valid UTF-8."}
	}
	cloakroom.NewKey[string](name).Set(session, value)
	if err := session.Save(r.Context()); err != nil { // now, so that a new session has its id
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{"id": idText(session), "key": name, "value": value})
}

func (s *Shop) apiIncr(w http.ResponseWriter, r *http.Request, session *cloakroom.Session) error {
	name, err := keyName(r)
	if err != nil {
		return err
	}
	key := cloakroom.NewKey[int64](name)
	if _, _, err := key.Lookup(session); err != nil {
		return &complaint{http.StatusBadRequest, fmt.Sprintf("The value of %q is not a whole number.", name)}
	}
	key.Update(session, func(n int64) int64 { return n + 1 })
	if err := session.Save(r.Context()); err != nil { // now, so that the answer includes others' increments
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{"id": idText(session), "key": name, "value": key.Get(session)})
}

func (s *Shop) apiLogin(w http.ResponseWriter, r *http.Request, session *cloakroom.Session) error {
	if err := readForm(r); err != nil {
		return err
	}
	if err := s.login(r.Context(), session, r.Form.Get("user"), nil); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{"id": idText(session), "principal": session.Principal()})
}

func (s *Shop) apiLogout(w http.ResponseWriter, r *http.Request, session *cloakroom.Session) error {
	if err := session.Destroy(r.Context()); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{"id": "", "principal": ""})
}

// keyName returns the name of the value that a request is about.
func keyName(r *http.Request) (string, error) {
	if err := readForm(r); err != nil {
		return "", err
	}
	switch name := r.Form.Get("key"); {
	case name == "":
		return "", &complaint{http.StatusBadRequest, "The parameter key is missing."}
	case !utf8.ValidString(name):
		return "", &complaint{http.StatusBadRequest, "The key is not valid UTF-8."}
	default:
		return name, nil
	}
}

// idText returns a session's id, "" if it isn't stored.
func idText(session *cloakroom.Session) string {
	if session.IsNew() {
		return ""
	}
	return session.ID().String()
}

// writeJSON sends a JSON answer to a script.
func writeJSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
	}
	w.WriteHeader(status)
	// After an error the client has hung up, or the session could not be saved and
	// another answer was sent in place of this one.
	_, _ = w.Write(append(body, '\n'))
	return nil
}
