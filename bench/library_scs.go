package main

import (
	"net/http"

	"github.com/alexedwards/scs/v2"
)

// This file is the application on scs.

// scsLibrary is scs, version 2.
type scsLibrary struct{ m *scs.SessionManager }

func newSCS(store scs.Store) scsLibrary {
	m := scs.New()
	m.Store = store
	return scsLibrary{m}
}

func (l scsLibrary) wrap(h http.Handler) http.Handler { return l.m.LoadAndSave(h) }

func (l scsLibrary) begin(_ http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	l.m.Put(ctx, "visits", 0)
	l.m.Put(ctx, "cart", cart)
	l.m.Put(ctx, "lang", lang)
	l.m.Put(ctx, "theme", theme)
	l.m.Put(ctx, "csrf", csrf)
	return nil
}

func (l scsLibrary) read(_ http.ResponseWriter, r *http.Request) (int, error) {
	ctx := r.Context()
	if l.m.GetString(ctx, "lang") != lang {
		return 0, errLost
	}
	return l.m.GetInt(ctx, "visits"), nil
}

func (l scsLibrary) all(_ http.ResponseWriter, r *http.Request) (int, error) {
	ctx := r.Context()
	return l.m.GetInt(ctx, "visits"),
		exact(l.m.GetString(ctx, "cart"), l.m.GetString(ctx, "lang"), l.m.GetString(ctx, "theme"), l.m.GetString(ctx, "csrf"))
}

func (l scsLibrary) visit(w http.ResponseWriter, r *http.Request) (int, error) {
	n, err := l.read(w, r)
	if err != nil {
		return 0, err
	}
	l.m.Put(r.Context(), "visits", n+1)
	return n + 1, nil
}

func (l scsLibrary) browse(w http.ResponseWriter, r *http.Request) (int, error) {
	n, err := l.all(w, r)
	if err != nil {
		return 0, err
	}
	l.m.Put(r.Context(), "visits", n+1)
	return n + 1, nil
}
