package main

import (
	"net/http"

	"github.com/gorilla/sessions"
)

// This file is the application on gorilla/sessions.

// gorilla is gorilla/sessions, with one of its stores.
type gorilla struct{ store sessions.Store }

// wrap gives each request a context of its own, as a server does: the library keeps its
// session there.
func (g gorilla) wrap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r.WithContext(r.Context())) })
}

func (g gorilla) begin(w http.ResponseWriter, r *http.Request) error {
	s, err := g.store.Get(r, "session")
	if err != nil {
		return err
	}
	s.Values["visits"], s.Values["cart"], s.Values["lang"], s.Values["theme"], s.Values["csrf"] = 0, cart, lang, theme, csrf
	return s.Save(r, w)
}

func (g gorilla) read(_ http.ResponseWriter, r *http.Request) (int, error) {
	s, err := g.store.Get(r, "session")
	if err != nil {
		return 0, err
	}
	if s.Values["lang"] != lang {
		return 0, errLost
	}
	n, _ := s.Values["visits"].(int)
	return n, nil
}

func (g gorilla) all(_ http.ResponseWriter, r *http.Request) (int, error) {
	s, err := g.store.Get(r, "session")
	if err != nil {
		return 0, err
	}
	return g.values(s)
}

func (g gorilla) values(s *sessions.Session) (int, error) {
	n, _ := s.Values["visits"].(int)
	c, _ := s.Values["cart"].(string)
	l, _ := s.Values["lang"].(string)
	t, _ := s.Values["theme"].(string)
	f, _ := s.Values["csrf"].(string)
	return n, exact(c, l, t, f)
}

func (g gorilla) visit(w http.ResponseWriter, r *http.Request) (int, error) {
	n, err := g.read(w, r)
	if err != nil {
		return 0, err
	}
	return g.save(w, r, n+1)
}

func (g gorilla) browse(w http.ResponseWriter, r *http.Request) (int, error) {
	n, err := g.all(w, r)
	if err != nil {
		return 0, err
	}
	return g.save(w, r, n+1)
}

func (g gorilla) save(w http.ResponseWriter, r *http.Request, n int) (int, error) {
	s, err := g.store.Get(r, "session") // the request's own, which the library keeps
	if err != nil {
		return 0, err
	}
	s.Values["visits"] = n
	return n, s.Save(r, w)
}
