package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/elasticstore"
)

// This file is site: a server with a Store and a Manager of its own.

// siteOptions are what operations change of a server's configuration.
type siteOptions struct {
	store   elasticstore.Config
	manager cloakroom.Config
	client  elasticstore.Client
	keyring *cloakroom.Keyring
}

// site is a server. It has the same address over reopen.
type site struct {
	stage  *stage
	server *httptest.Server

	mu   sync.RWMutex // held by requests, so that reopen waits for them
	open *opened
}

// opened is what a process has until it ends.
type opened struct {
	store   driver.Store
	manager *cloakroom.Manager
	handler http.Handler
}

// newSite opens a server. It ends with the stage.
func newSite(s *stage, change func(*siteOptions)) *site {
	s.Helper()
	site := &site{stage: s}
	site.open = s.openOne(change)
	site.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		site.mu.RLock()
		defer site.mu.RUnlock()
		site.open.handler.ServeHTTP(w, r)
	}))
	s.Cleanup(site.close)
	return site
}

// openOne makes a Store and a Manager.
func (s *stage) openOne(change func(*siteOptions)) *opened {
	s.Helper()
	logger := s.told.logger()
	o := &siteOptions{
		store:   elasticstore.Config{Index: s.index, Logger: logger},
		manager: cloakroom.Config{SweepEvery: -1, SaveTimeout: s.timeout, IdleTimeout: -1, Logger: logger},
		client:  s.between, keyring: s.keyring,
	}
	if s.timeout > 5*time.Second {
		o.store.RequestTimeout = s.timeout
	}
	if change != nil {
		change(o)
	}
	store, err := elasticstore.New(o.client, &o.store)
	if err != nil {
		s.Fatal(err)
	}
	return s.serve(store, o)
}

// serve makes a Manager on a store.
func (s *stage) serve(store driver.Store, o *siteOptions) *opened {
	s.Helper()
	m, err := cloakroom.New(store, o.keyring, &o.manager)
	if err != nil {
		s.Fatal(err)
	}
	return &opened{store, m, pages(m)}
}

// pages are those of the application.
func pages(m *cloakroom.Manager) http.Handler {
	n, pad := cloakroom.NewKey[int]("n"), cloakroom.NewKey[string]("pad")
	mux := http.NewServeMux()
	handle := func(path string, f func(context.Context, *http.Request, *cloakroom.Session) error) {
		mux.Handle(path, m.With(func(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
			if err := f(r.Context(), r, s); err != nil {
				return err
			}
			_, err := fmt.Fprintf(w, "%q %d", s.Principal(), n.Get(s))
			return err
		}))
	}
	handle("/look", func(context.Context, *http.Request, *cloakroom.Session) error { return nil })
	handle("/add", func(_ context.Context, _ *http.Request, s *cloakroom.Session) error {
		n.Update(s, func(n int) int { return n + 1 })
		return nil
	})
	handle("/large", func(_ context.Context, r *http.Request, s *cloakroom.Session) error {
		var size int
		if _, err := fmt.Sscan(r.FormValue("size"), &size); err != nil {
			return err
		}
		pad.Set(s, strings.Repeat("x", size))
		return nil
	})
	handle("/in", func(ctx context.Context, r *http.Request, s *cloakroom.Session) error {
		return s.Login(ctx, r.FormValue("who"), nil)
	})
	handle("/out", func(ctx context.Context, _ *http.Request, s *cloakroom.Session) error { return s.Destroy(ctx) })
	return m.Handler(mux)
}

// reopen ends the process and begins another.
func (s *site) reopen(change func(*siteOptions)) {
	s.stage.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end()
	s.open = s.stage.openOne(change)
}

// end ends the process; the caller holds the lock.
func (s *site) end() {
	if s.open == nil {
		return
	}
	if err := s.open.manager.Close(); err != nil {
		s.stage.Errorf("closing a manager: %v", err)
	}
	if c, ok := s.open.store.(interface{ Close() error }); ok {
		if err := c.Close(); err != nil {
			s.stage.Errorf("closing a store: %v", err)
		}
	}
	s.open = nil
}

// close ends the server. It may be called twice.
func (s *site) close() {
	s.server.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end()
}

func (s *site) manager() *cloakroom.Manager {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.open.manager
}

// store is the server's store, as operators use it.
func (s *site) store() driver.Store {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.open.store
}
