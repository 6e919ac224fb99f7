package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom/elasticstore"
)

// This file is between: a client that may answer in the engine's place, as a proxy or a
// network does.

type between struct {
	elasticstore.Client
	mu    sync.Mutex
	alter func(req *http.Request, send func() (*http.Response, error)) (*http.Response, error)
}

func newBetween(t tb, url string) *between {
	t.Helper()
	c, err := elasticstore.NewClient(elasticstore.ClientConfig{URLs: []string{url}})
	if err != nil {
		t.Fatal(err)
	}
	return &between{Client: c}
}

// set sets the function that alters; nil alters nothing.
func (b *between) set(alter func(req *http.Request, send func() (*http.Response, error)) (*http.Response, error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.alter = alter
}

// Perform implements elasticstore.Client.
func (b *between) Perform(req *http.Request) (*http.Response, error) {
	b.mu.Lock()
	alter := b.alter
	b.mu.Unlock()
	if alter == nil {
		return b.Client.Perform(req)
	}
	return alter(req, func() (*http.Response, error) { return b.Client.Perform(req) })
}

// says answers every request without asking the engine.
func says(status int, contentType, body string) func(s *stage) {
	return func(s *stage) {
		s.between.set(func(*http.Request, func() (*http.Response, error)) (*http.Response, error) {
			return &http.Response{
				StatusCode: status, Status: http.StatusText(status), Header: http.Header{"Content-Type": {contentType}},
				Body: io.NopCloser(bytes.NewReader([]byte(body))), ContentLength: int64(len(body)),
			}, nil
		})
	}
}

// late has the engine answer that much later.
func late(by time.Duration) func(s *stage) {
	return func(s *stage) {
		s.between.set(func(req *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
			select {
			case <-time.After(by):
				return send()
			case <-req.Context().Done():
				return nil, req.Context().Err()
			}
		})
	}
}

// broken drops every connection after the engine has its request.
func broken(s *stage) {
	s.between.set(func(_ *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if res, err := send(); err == nil {
			_ = res.Body.Close()
		}
		return nil, errors.New("read: connection reset by peer")
	})
}

// direct has the engine answer again.
func (s *stage) direct() { s.between.set(nil) }
