package cloakroom_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the tests of the optional interfaces of a handler's ResponseWriter
// (invariant 7).

// interfaces are the optional interfaces that a ResponseWriter has.
func interfaces(w http.ResponseWriter) string {
	var has []string
	add := func(name string, ok bool) {
		if ok {
			has = append(has, name)
		}
	}
	_, ok := w.(http.Flusher)
	add("Flusher", ok)
	_, ok = w.(http.Hijacker)
	add("Hijacker", ok)
	_, ok = w.(http.Pusher)
	add("Pusher", ok)
	_, ok = w.(io.ReaderFrom)
	add("ReaderFrom", ok)
	_, ok = w.(io.StringWriter)
	add("StringWriter", ok)
	_, ok = w.(http.CloseNotifier) //nolint:staticcheck // deprecated, and some handlers rely on it
	add("CloseNotifier", ok)
	return strings.Join(has, " ")
}

// writers make requests to a handler with the ResponseWriters that there are.
var writers = []struct {
	name    string
	outside string // the optional interfaces that it has
	inside  string // and that handlers are to see: the same, if empty
	send    func(r *rig, h http.Handler)
}{
	{"HTTP/1.1", "Flusher Hijacker ReaderFrom StringWriter CloseNotifier", "", func(r *rig, h http.Handler) { r.serve(h, false).get("/") }},
	{"HTTP/2", "Flusher Pusher StringWriter CloseNotifier", "", func(r *rig, h http.Handler) { r.serve(h, true).get("/") }},
	{"ResponseRecorder", "Flusher StringWriter", "", func(r *rig, h http.Handler) {
		h.ServeHTTP(httptest.NewRecorder(), r.guest().request(r.Context()))
	}},
	{"TimeoutHandler, HTTP/1.1", "Pusher", "", func(r *rig, h http.Handler) {
		r.serve(http.TimeoutHandler(h, time.Hour, ""), false).get("/")
	}},
	{"TimeoutHandler, HTTP/2", "Pusher", "", func(r *rig, h http.Handler) {
		r.serve(http.TimeoutHandler(h, time.Hour, ""), true).get("/")
	}},
	{"none", "", "", func(r *rig, h http.Handler) {
		h.ServeHTTP(bare{http.Header{}}, r.guest().request(r.Context()))
	}},
	{"none, that unwraps to HTTP/1.1", "", "Flusher Hijacker", func(r *rig, h http.Handler) {
		r.serve(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { h.ServeHTTP(unwraps{w}, req) }), false).get("/")
	}},
	{"none, that unwraps to HTTP/2", "", "Flusher", func(r *rig, h http.Handler) {
		r.serve(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { h.ServeHTTP(unwraps{w}, req) }), true).get("/")
	}},
	{"FlushError alone", "", "Flusher", func(r *rig, h http.Handler) {
		h.ServeHTTP(flushError{bare{http.Header{}}}, r.guest().request(r.Context()))
	}},
}

type unwraps struct{ w http.ResponseWriter }

func (u unwraps) Header() http.Header         { return u.w.Header() }
func (u unwraps) Write(b []byte) (int, error) { return u.w.Write(b) }
func (u unwraps) WriteHeader(status int)      { u.w.WriteHeader(status) }
func (u unwraps) Unwrap() http.ResponseWriter { return u.w }

type flushError struct{ http.ResponseWriter }

func (flushError) FlushError() error { return nil }

// Handlers see an optional interface if and only if the outer writer has it, or
// http.ResponseController would find it, also through several managers.
func TestI7_OptionalInterfaces(t *testing.T) {
	for _, tt := range writers {
		for _, managers := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s, %d managers", tt.name, managers), func(t *testing.T) {
				r := newRig(t, &cloakroom.Config{Transport: cloakroom.Cookie{}})
				var inside, outside string
				var flush, hijack error
				h := r.m.With(func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
					inside = interfaces(w)
					visits.Set(s, 1)
					c := http.NewResponseController(w)
					flush = c.Flush()
					r.wantOps("create 1")
					conn, _, err := c.Hijack()
					if hijack = err; err == nil {
						io.WriteString(conn, "0\r\n\r\n") // of a body in chunks
						conn.Close()
					}
					return nil
				})
				for range managers - 1 {
					other := r.manager(&cloakroom.Config{Transport: cloakroom.Cookie{Name: "__Host-other"}})
					h = other.Handler(h)
				}
				tt.send(r, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					outside = interfaces(w)
					h.ServeHTTP(w, req)
				}))
				want := tt.inside
				if want == "" {
					want = tt.outside
				}
				if outside != tt.outside || inside != want {
					t.Errorf("the handler sees %q, want %q; outside there is %q, want %q", inside, want, outside, tt.outside)
				}
				if got, want := !errors.Is(flush, http.ErrNotSupported), strings.Contains(want, "Flusher"); got != want {
					t.Errorf("http.ResponseController can flush: %t, want %t", got, want)
				}
				if got, want := !errors.Is(hijack, http.ErrNotSupported), strings.Contains(want, "Hijacker"); got != want {
					t.Errorf("http.ResponseController can hijack: %t, want %t", got, want)
				}
			})
		}
	}
}

// CloseNotify is the server's own.
func TestCloseNotify(t *testing.T) {
	eachProtocol(t, func(t *testing.T, r *rig, http2 bool) {
		here, gone := newSignal(), newSignal()
		v := r.serve(r.m.With(func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			visits.Set(s, 1)
			closed := w.(http.CloseNotifier).CloseNotify() //nolint:staticcheck // deprecated, and some handlers rely on it
			w.(http.Flusher).Flush()
			here.give()
			<-closed
			gone.give()
			return nil
		}), http2)
		ctx, hangUp := context.WithCancel(t.Context())
		defer hangUp()
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, v.URL, nil)
		resp, err := v.c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		<-here.c
		hangUp()
		<-gone.c
	})
}

// Push goes out before the response, and begins none.
func TestPush(t *testing.T) {
	r := newRig(t, nil)
	w := &pushed{ResponseRecorder: httptest.NewRecorder()}
	r.m.With(func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		err := w.(http.Pusher).Push("/style.css", nil)
		visits.Set(s, 1)
		return err
	}).ServeHTTP(w, r.guest().request(t.Context()))
	if w.targets != "/style.css" || len(w.Result().Cookies()) != 1 {
		t.Errorf("pushed %q, and got %v", w.targets, w.Header())
	}
}

type pushed struct {
	*httptest.ResponseRecorder
	targets string
}

func (p *pushed) Push(target string, _ *http.PushOptions) error {
	p.targets += target
	return nil
}
