package cloakroom_test

import (
	"compress/gzip"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the tests of the headers of an error page.

// Headers and cookies that were set outside of Handler are the error page's too; those
// that were set inside are not, be they new, more values, or others in the place of
// those from outside.
func TestI7_ErrorPageHasTheHeadersOfOutside(t *testing.T) {
	broken := errors.New("broken")
	fails := map[string]func(r *rig, w http.ResponseWriter, req *http.Request) error{
		"by the handler": func(*rig, http.ResponseWriter, *http.Request) error { return broken },
		"by Fail": func(r *rig, w http.ResponseWriter, req *http.Request) error {
			r.m.Fail(w, req, broken)
			w.Header().Set("X-Inside", "too late")
			w.Header().Set(http.TrailerPrefix+"X-Inside", "too late")
			return nil
		},
		"in the save": func(r *rig, w http.ResponseWriter, _ *http.Request) error {
			r.store.answer(isOp("create"), errFull)
			_, err := io.WriteString(w, "secret")
			r.wantErr("Write", err, cloakroom.ErrUnavailable)
			return nil
		},
	}
	eachProtocol(t, func(t *testing.T, r *rig, http2 bool) {
		for name, fail := range fails {
			for _, empty := range []bool{false, true} {
				t.Run(name, func(t *testing.T) {
					inner := r.m.With(func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
						visits.Set(s, 1)
						h := w.Header()
						h.Add("Set-Cookie", "inside=1")
						h.Add("X-Both", "inside")
						h.Set("X-Outside", "inside")
						h.Set("X-Inside", "inside")
						h.Set("X-Accel-Redirect", "/inside")
						h.Del("X-Gone")
						if !empty {
							h["X-Edited"][0] = "inside"
						}
						for k, v := range bodyHeaders {
							h.Set(k, v)
						}
						return fail(r, w, req)
					})
					v := r.serve(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
						if h := w.Header(); !empty {
							h.Set("Set-Cookie", "outside=1")
							h.Set("X-Both", "outside")
							h.Set("X-Outside", "outside")
							h.Set("X-Gone", "outside")
							h.Set("X-Edited", "outside")
							h.Set("Content-Language", "fr")
							h.Set("Content-Length", "3")
							h.Set("Cache-Control", "public")
							h.Set("CDN-Cache-Control", "max-age=60")
						}
						inner.ServeHTTP(w, req)
					}), http2)
					resp, body := v.get("/")
					r.store.heal()
					if resp.StatusCode < 500 || !strings.HasSuffix(body, ".\n") {
						t.Errorf("got %d %q, want an error page", resp.StatusCode, body)
					}
					want := []string{"Cache-Control: no-store", "Content-Type: text/plain; charset=utf-8", "X-Content-Type-Options: nosniff"}
					if resp.StatusCode == 503 {
						want = append(want, "Retry-After: 2")
					}
					if !empty {
						want = append(want, "Set-Cookie: outside=1", "X-Both: outside", "X-Outside: outside", "X-Gone: outside",
							"X-Edited: outside", "Content-Language: fr")
					}
					var got []string
					for _, k := range slices.Sorted(maps.Keys(resp.Header)) {
						if k != "Date" && k != "Content-Length" {
							got = append(got, k+": "+strings.Join(resp.Header[k], "|"))
						}
					}
					if slices.Sort(want); !slices.Equal(got, want) {
						t.Errorf("the error page has the headers\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
					}
					if len(resp.Trailer) != 0 {
						t.Errorf("the error page has the trailers %v", resp.Trailer)
					}
				})
			}
		}
	})
}

// compressor compresses responses, as middleware does. It says so in the headers before
// it calls the handler, or when that writes the response's headers.
func compressor(h http.Handler, early bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if early {
			w.Header().Set("Content-Encoding", "gzip")
		}
		w.Header().Set("Vary", "Accept-Encoding")
		c := &compressing{ResponseWriter: w, z: gzip.NewWriter(w)}
		defer c.z.Close()
		h.ServeHTTP(c, r)
	})
}

type compressing struct {
	http.ResponseWriter
	z     *gzip.Writer
	begun bool
}

func (c *compressing) WriteHeader(status int) {
	if !c.begun {
		c.begun = true
		c.Header().Set("Content-Encoding", "gzip")
		c.Header().Del("Content-Length")
	}
	c.ResponseWriter.WriteHeader(status)
}

func (c *compressing) Write(b []byte) (int, error) {
	if !c.begun {
		c.WriteHeader(http.StatusOK)
	}
	return c.z.Write(b)
}

func (c *compressing) FlushError() error {
	c.z.Flush()
	return http.NewResponseController(c.ResponseWriter).Flush()
}

// A client can read the error page wherever responses are compressed.
func TestI7_ErrorPageAndCompressors(t *testing.T) {
	eachProtocol(t, func(t *testing.T, r *rig, http2 bool) {
		backend := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, strings.Repeat("secret", 1<<16))
		})
		for name, page := range map[string]http.Handler{"page": backend, "proxy": r.proxy(backend, 0)} {
			h := r.m.With(func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
				visits.Set(s, 7)
				page.ServeHTTP(w, req)
				return nil
			})
			inside := func(early bool) http.Handler {
				return r.m.Handler(compressor(h, early))
			}
			for where, h := range map[string]http.Handler{
				"outside, early": compressor(h, true), "outside, late": compressor(h, false),
				"inside, early": inside(true), "inside, late": inside(false),
				"on both sides": compressor(inside(true), false),
			} {
				t.Run(name+", "+where, func(t *testing.T) {
					v := r.serve(h, http2)
					r.store.answer(isOp("create"), errFull)
					resp, body := v.get("/") // the client unpacks by the headers
					if resp.StatusCode != 503 || !strings.Contains(body, "try again") {
						t.Errorf("got %d %.100q, want the error page", resp.StatusCode, body)
					}
					if packed := strings.HasPrefix(where, "o"); resp.Uncompressed != packed {
						t.Errorf("the error page came compressed: %t, want %t", resp.Uncompressed, packed)
					}
					r.store.heal()
					if where == "on both sides" {
						return
					}
					if resp, body := v.get("/"); resp.StatusCode != 200 || !strings.HasPrefix(body, "secretsecret") {
						t.Errorf("with a store that works: got %d %.100q", resp.StatusCode, body)
					}
				})
			}
		}
	})
}

// Outside of Handler nobody knows who set a header: those about a body go.
func TestFailOutsideOfHandler(t *testing.T) {
	r := newRig(t, nil)
	w := httptest.NewRecorder()
	for k, v := range bodyHeaders {
		w.Header().Set(k, v)
	}
	w.Header().Set("X-Frame-Options", "DENY")
	w.Header().Set("CDN-Cache-Control", "max-age=60")
	r.m.Fail(w, r.guest().request(t.Context()), cloakroom.ErrUnavailable)
	for k, v := range bodyHeaders {
		if got := w.Result().Header.Get(k); got == v {
			t.Errorf("the error page has %s: %s", k, v)
		}
	}
	if h := w.Result().Header; h.Get("X-Frame-Options") != "DENY" || h.Get("CDN-Cache-Control") != "" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("the error page has the headers %v", h)
	}
}
