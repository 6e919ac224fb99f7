package cloakroom_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the tests of the error page in the place of a proxied response.

// proxied are the answers of backends.
var proxied = map[string]http.HandlerFunc{
	"nothing": func(http.ResponseWriter, *http.Request) {},
	"a small page": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Set-Cookie", "backend=1")
		io.WriteString(w, "secret")
	},
	"a large page": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(6<<18))
		io.WriteString(w, strings.Repeat("secret", 1<<18))
	},
	"a large page in pieces": func(w http.ResponseWriter, _ *http.Request) {
		for range 1 << 8 {
			io.WriteString(w, strings.Repeat("secret", 1<<10))
			w.(http.Flusher).Flush()
		}
	},
	"a page that breaks off": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000000")
		io.WriteString(w, "secret")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	},
	"compressed": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "br")
		io.WriteString(w, "secret")
	},
	"no body but trailers": func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	},
	"trailers that are announced": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "Grpc-Status")
		io.WriteString(w, "secret")
		w.Header().Set("Grpc-Status", "0")
	},
	"early hints": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		io.WriteString(w, "secret")
	},
	"a failure": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "secret", 502) },
}

// proxy returns a proxy to a backend.
func (r *rig) proxy(backend http.Handler, flush time.Duration) *httputil.ReverseProxy {
	r.Helper()
	to, err := url.Parse(r.serve(backend, false).URL)
	if err != nil {
		r.Fatal(err)
	}
	return &httputil.ReverseProxy{
		Rewrite:       func(p *httputil.ProxyRequest) { p.SetURL(to) },
		FlushInterval: flush,
		ErrorLog:      log.New(io.Discard, "", 0),
	}
}

// A ReverseProxy can't write a backend's answer once the save has failed, at which it
// panics with http.ErrAbortHandler. The error page arrives all the same.
func TestI7_ErrorPageInPlaceOfAReverseProxy(t *testing.T) {
	eachProtocol(t, func(t *testing.T, r *rig, http2 bool) {
		r.store.answer(isOp("create"), errFull)
		for name, backend := range proxied {
			for _, flush := range []time.Duration{0, -1} {
				t.Run(fmt.Sprint(name, ", flush interval ", flush), func(t *testing.T) {
					proxy := r.proxy(backend, flush)
					h := r.m.With(func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
						visits.Set(s, 7)
						proxy.ServeHTTP(w, req)
						return nil
					})
					v := r.serve(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
						w.Header().Set("X-Frame-Options", "DENY")
						h.ServeHTTP(w, req)
					}), http2)
					resp, body := v.get("/")
					if resp.StatusCode != 503 || !strings.Contains(body, "try again") || strings.Contains(body, "secret") {
						t.Errorf("got %d %.100q, want the error page", resp.StatusCode, body)
					}
					if got := resp.Header.Get("X-Frame-Options"); got != "DENY" {
						t.Errorf("X-Frame-Options, which was set outside, is %q", got)
					}
					for _, name := range []string{"Set-Cookie", "Content-Encoding", "Link"} {
						if got := resp.Header.Get(name); got != "" {
							t.Errorf("the error page has the backend's %s: %s", name, got)
						}
					}
					if len(resp.Trailer) != 0 {
						t.Errorf("the error page has the trailers %v", resp.Trailer)
					}
				})
			}
		}
	})
}

// A backend that streams may have nothing to say for long. The error page arrives
// before.
func TestI7_ErrorPageInPlaceOfASilentStream(t *testing.T) {
	eachProtocol(t, func(t *testing.T, r *rig, http2 bool) {
		r.store.answer(isOp("create"), errFull)
		end := newSignal()
		defer end.give()
		proxy := r.proxy(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream") // has the proxy flush at once
			w.(http.Flusher).Flush()
			<-end.c
			io.WriteString(w, "data: secret\n\n")
		}), 0)
		v := r.serve(r.m.With(func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			visits.Set(s, 7)
			proxy.ServeHTTP(w, req)
			return nil
		}), http2)
		resp, err := v.c.Get(v.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		in := bufio.NewReader(resp.Body)
		if line, err := in.ReadString('\n'); resp.StatusCode != 503 || !strings.Contains(line, "try again") {
			t.Errorf("got %d %q, %v", resp.StatusCode, line, err)
		}
		end.give()
		if rest, err := io.ReadAll(in); len(rest) != 0 || err != nil {
			t.Errorf("after the page: %q, %v", rest, err)
		}
	})
}

// With a store that works the proxy's page goes through as it is, and one that breaks
// off still does.
func TestI7_ReverseProxy(t *testing.T) {
	eachProtocol(t, func(t *testing.T, r *rig, http2 bool) {
		for name, backend := range proxied {
			t.Run(name, func(t *testing.T) {
				proxy := r.proxy(backend, 0)
				v := r.serve(r.routes("/", func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
					visits.Set(s, 7)
					proxy.ServeHTTP(w, req)
					return nil
				}), http2)
				resp, err := v.c.Get(v.URL)
				if err == nil {
					_, err = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				if broken := name == "a page that breaks off"; broken == (err == nil) {
					t.Errorf("reading the page: %v", err)
				}
				if name != "a page that breaks off" { // of which nothing arrives, the cookie included
					v.wantVisits(7)
				}
			})
		}
	})
}

// Only that panic of a handler is taken away, and only once the error page is complete.
func TestI7_PanicAfterTheErrorPage(t *testing.T) {
	mine := errors.New("mine")
	for _, tt := range []struct {
		name    string
		value   any
		answer  bool // the request
		onError func(http.ResponseWriter, *http.Request, int, error)
		passes  any
	}{
		{"abort", http.ErrAbortHandler, true, nil, nil},
		{"abort, without an error page", http.ErrAbortHandler, false, nil, http.ErrAbortHandler},
		{"one that wraps abort", fmt.Errorf("%w", http.ErrAbortHandler), true, nil, "net/http: abort Handler"},
		{"another", mine, true, nil, mine},
		{"of what can't be compared", []int{1}, true, nil, "[1]"},
		{"in the error page", nil, true, func(w http.ResponseWriter, _ *http.Request, status int, _ error) {
			w.WriteHeader(status)
			panic(http.ErrAbortHandler)
		}, http.ErrAbortHandler},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, &cloakroom.Config{OnError: tt.onError})
			h := r.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if tt.answer {
					r.m.Fail(w, req, cloakroom.ErrGone)
				}
				panic(tt.value)
			}))
			w := httptest.NewRecorder()
			passed := func() (p any) {
				defer func() { p = recover() }()
				h.ServeHTTP(w, r.guest().request(t.Context()))
				return nil
			}()
			if fmt.Sprint(passed) != fmt.Sprint(tt.passes) {
				t.Errorf("the panic came out as %v, want %v", passed, tt.passes)
			}
			if want := 409; tt.answer && w.Code != want {
				t.Errorf("got status %d, want %d", w.Code, want)
			}
		})
	}
}
