package main

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the application on cloakroom.

var (
	keyVisits = cloakroom.NewKey[int]("visits")
	keyCart   = cloakroom.NewKey[string]("cart")
	keyLang   = cloakroom.NewKey[string]("lang")
	keyTheme  = cloakroom.NewKey[string]("theme")
	keyCSRF   = cloakroom.NewKey[string]("csrf")
)

// ours is cloakroom as a library.
type ours struct{ m *cloakroom.Manager }

// newOurs makes a manager as users would, except for plain HTTP.
func newOurs(b *Bench, store cloakroom.Store) (ours, error) { return newOursCaching(b, store, 0) }

// newOursCaching makes a manager with Config.CacheFor.
func newOursCaching(b *Bench, store cloakroom.Store, cacheFor time.Duration) (ours, error) {
	return newOursWith(b, store, func(c *cloakroom.Config) { c.CacheFor = cacheFor })
}

// newOursWith makes a manager with a changed configuration.
func newOursWith(b *Bench, store cloakroom.Store, change func(*cloakroom.Config)) (ours, error) {
	keyring, err := cloakroom.NewKeyring([]byte("a secret of a test: 32 bytes, no more"))
	if err != nil {
		return ours{}, err
	}
	config := &cloakroom.Config{Transport: cloakroom.Cookie{Insecure: true}, Logger: slog.New(slog.DiscardHandler)}
	if b.eager {
		config.RefuseEarly = func(*http.Request) bool { return true } // every page of the application asks for its session
	}
	change(config)
	m, err := cloakroom.New(store, keyring, config)
	if err != nil {
		return ours{}, err
	}
	b.Cleanup(m.Close)
	return ours{m}, nil
}

func (o ours) wrap(h http.Handler) http.Handler { return o.m.Handler(h) }

func (o ours) begin(_ http.ResponseWriter, r *http.Request) error {
	s, err := o.m.Session(r.Context())
	if err != nil {
		return err
	}
	keyVisits.Set(s, 0)
	keyCart.Set(s, cart)
	keyLang.Set(s, lang)
	keyTheme.Set(s, theme)
	keyCSRF.Set(s, csrf)
	return nil
}

func (o ours) read(_ http.ResponseWriter, r *http.Request) (int, error) {
	s, err := o.m.Session(r.Context())
	if err != nil {
		return 0, err
	}
	if keyLang.Get(s) != lang {
		return 0, errLost
	}
	return keyVisits.Get(s), nil
}

func (o ours) all(_ http.ResponseWriter, r *http.Request) (int, error) {
	s, err := o.m.Session(r.Context())
	if err != nil {
		return 0, err
	}
	return keyVisits.Get(s), exact(keyCart.Get(s), keyLang.Get(s), keyTheme.Get(s), keyCSRF.Get(s))
}

func (o ours) visit(_ http.ResponseWriter, r *http.Request) (int, error) {
	s, err := o.m.Session(r.Context())
	if err != nil {
		return 0, err
	}
	if keyLang.Get(s) != lang {
		return 0, errLost
	}
	return keyVisits.Update(s, func(n int) int { return n + 1 }), nil
}

func (o ours) browse(_ http.ResponseWriter, r *http.Request) (int, error) {
	s, err := o.m.Session(r.Context())
	if err != nil {
		return 0, err
	}
	if err := exact(keyCart.Get(s), keyLang.Get(s), keyTheme.Get(s), keyCSRF.Get(s)); err != nil {
		return 0, err
	}
	n := keyVisits.Get(s) + 1
	keyVisits.Set(s, n)
	return n, nil
}

func (o ours) fail(w http.ResponseWriter, r *http.Request, err error) { o.m.Fail(w, r, err) }

// eager opens a site whose application has Config.RefuseEarly for all of its pages.
func eager(open func(*Bench) (*site, error)) func(*Bench) (*site, error) {
	return func(b *Bench) (*site, error) {
		b.eager = true
		defer func() { b.eager = false }()
		s, err := open(b)
		if err == nil {
			s.settings += "; Config.RefuseEarly for all pages"
		}
		return s, err
	}
}
