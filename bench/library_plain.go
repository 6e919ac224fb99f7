package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"time"
)

// This file is the application on sessions as Dancer::Session::ElasticSearch keeps
// them.

// plain keeps each session as one document, as Dancer::Session::ElasticSearch does: it
// reads and writes a session whole, with a request to the engine for each. The last
// writer wins. Its cookie is the bare id, which costs less than the original's
// signature.
//
// Eager (is_lazy 0) is as documented there: each get reads the session, and each set
// writes it. Lazy (is_lazy 1) reads once, and writes when the application flushes.
type plain struct {
	engine *raw
	index  string
	eager  bool
}

const plainCookie = "plain"

// plainValues is the whole session.
type plainValues struct {
	Visits int    `json:"visits"`
	Cart   string `json:"cart"`
	Lang   string `json:"lang"`
	Theme  string `json:"theme"`
	CSRF   string `json:"csrf"`

	// Deadline is the one field that the index has a tree of, so that expired sessions can
	// be found. Each write moves it on.
	Deadline int64 `json:"deadline"`
}

func plainSite(eager bool) func(*Bench) (*site, error) {
	return func(b *Bench) (*site, error) {
		e, name, err := b.engine()
		if err != nil {
			return nil, err
		}
		if err := e.makeIndex(b, name); err != nil {
			return nil, err
		}
		if err := e.durable(b, name); err != nil {
			return nil, err
		}
		mode := "lazy"
		if eager {
			mode = "eager"
		}
		s := newSite("plain-"+mode, engineSettings+"; no compare-and-set, the last writer wins", plain{e, name, eager})
		s.lossy = true
		return s, nil
	}
}

func (p plain) wrap(h http.Handler) http.Handler { return h }

func (p plain) path(id string) string { return "/" + p.index + "/_doc/" + id }

func (p plain) retrieve(ctx context.Context, id string) (*plainValues, error) {
	var answer struct {
		Source plainValues `json:"_source"`
	}
	b, err := p.engine.ask(ctx, http.MethodGet, p.path(id), nil, nil)
	if err != nil {
		return nil, err
	}
	return &answer.Source, json.Unmarshal(b, &answer)
}

func (p plain) flush(ctx context.Context, id string, v *plainValues) error {
	v.Deadline = time.Now().Add(30 * 24 * time.Hour).UnixMilli()
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = p.engine.ask(ctx, http.MethodPut, p.path(id), b, nil)
	return err
}

func (p plain) begin(w http.ResponseWriter, r *http.Request) error {
	id := rand.Text()
	http.SetCookie(w, &http.Cookie{Name: plainCookie, Value: id, Path: "/", HttpOnly: true})
	return p.flush(r.Context(), id, &plainValues{Cart: cart, Lang: lang, Theme: theme, CSRF: csrf})
}

// gets reads the session for n gets of values.
func (p plain) gets(r *http.Request, n int) (id string, v *plainValues, err error) {
	c, err := r.Cookie(plainCookie)
	if err != nil {
		return "", nil, err
	}
	if !p.eager {
		n = 1
	}
	for range n {
		if v, err = p.retrieve(r.Context(), c.Value); err != nil {
			return "", nil, err
		}
	}
	return c.Value, v, nil
}

func (p plain) read(_ http.ResponseWriter, r *http.Request) (int, error) {
	_, v, err := p.gets(r, 2)
	if err != nil {
		return 0, err
	}
	if v.Lang != lang {
		return 0, errLost
	}
	return v.Visits, nil
}

func (p plain) all(_ http.ResponseWriter, r *http.Request) (int, error) {
	_, v, err := p.gets(r, 5)
	if err != nil {
		return 0, err
	}
	return v.Visits, exact(v.Cart, v.Lang, v.Theme, v.CSRF)
}

func (p plain) visit(_ http.ResponseWriter, r *http.Request) (int, error) { return p.count(r, 2) }

func (p plain) browse(_ http.ResponseWriter, r *http.Request) (int, error) { return p.count(r, 5) }

func (p plain) count(r *http.Request, gets int) (int, error) {
	id, v, err := p.gets(r, gets)
	if err != nil {
		return 0, err
	}
	if v.Lang != lang {
		return 0, errLost
	}
	v.Visits++
	return v.Visits, p.flush(r.Context(), id, v)
}
