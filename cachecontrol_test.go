package cloakroom_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the tests that no cache keeps a token or an error, and of
// Config.NoStore.

// permissions are headers that have one shared cache or another keep a response.
var permissions = map[string]string{
	"Cache-Control":                "public, s-maxage=3600",
	"CDN-Cache-Control":            "max-age=3600",
	"Cloudflare-CDN-Cache-Control": "max-age=3600",
	"Vercel-CDN-Cache-Control":     "max-age=3600",
	"Netlify-CDN-Cache-Control":    "public, durable, max-age=3600",
	"Akamai-Cache-Control":         "max-age=3600",
	"X-LiteSpeed-Cache-Control":    "public, max-age=3600",
	"Surrogate-Control":            "max-age=3600",
	"Edge-Control":                 "cache-maxage=1h",
	"X-Accel-Expires":              "3600",
	"Expires":                      "Fri, 31 Dec 2100 23:59:59 GMT",
}

// wantForbidden checks that a response says no to caches, and nothing else.
func wantForbidden(t *testing.T, what string, h http.Header, cacheControl string) {
	t.Helper()
	if got := strings.Join(h["Cache-Control"], "|"); got != cacheControl {
		t.Errorf("%s: Cache-Control %q, want %q", what, got, cacheControl)
	}
	for name := range permissions {
		if got := h.Values(name); name != "Cache-Control" && len(got) != 0 {
			t.Errorf("%s: a cache may keep it: %s: %s", what, name, got)
		}
	}
}

// TestASVS_14_3_2_NoCacheKeepsCredentials: whatever headers a handler sets, no cache
// keeps a response that hands out or revokes a token, or an error.
func TestASVS_14_3_2_NoCacheKeepsCredentials(t *testing.T) {
	for _, transport := range []cloakroom.Transport{cloakroom.Cookie{Insecure: true}, cloakroom.Bearer{}} {
		for name, value := range permissions {
			t.Run(name, func(t *testing.T) {
				r := newRig(t, &cloakroom.Config{Transport: transport})
				say := func(f page) http.Handler {
					return r.m.With(func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
						w.Header().Set(name, value)
						w.Header()[strings.ToLower(name)] = []string{value} // which goes out as well
						return f(w, req, s)
					})
				}
				var s *cloakroom.Session
				ask := func(f page) (*http.Response, string) {
					v := r.serve(say(func(w http.ResponseWriter, req *http.Request, mine *cloakroom.Session) error {
						s = mine
						return f(w, req, mine)
					}), false)
					req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, v.URL, nil)
					if s != nil {
						r.m.Attach(req, s)
					}
					resp, err := v.c.Do(req)
					if err != nil {
						t.Fatal(err)
					}
					defer resp.Body.Close()
					return resp, resp.Header.Get("Set-Cookie") + resp.Header.Get("Session-Token")
				}
				for _, step := range []struct {
					what string
					do   page
				}{{"begun", visit}, {"renewed", renew}, {"signed in", loginAs("ann", nil)}} {
					resp, token := ask(step.do)
					if token == "" {
						t.Errorf("%s: no token was handed out", step.what)
					}
					wantForbidden(t, step.what, resp.Header, "private, no-store")
				}
				if resp, token := ask(look); token != "" || resp.Header.Get(name) == "" {
					t.Errorf("a look at a page that the handler made public: token %q, headers %v", token, resp.Header)
				}
				resp, _ := ask(func(http.ResponseWriter, *http.Request, *cloakroom.Session) error { return errors.New("broken") })
				wantForbidden(t, "an error", resp.Header, "no-store")
				resp, _ = ask(logout)
				wantForbidden(t, "signed out", resp.Header, "private, no-store")
			})
		}
	}
}

// A response that some cache was allowed to keep gets no token that is signed anew.
func TestRotationAndTargetedCaches(t *testing.T) {
	for name, value := range permissions {
		inBubble(t, func(t *testing.T) {
			k := keysOf(t, oldSecret)
			d := newDeskOn(t, newPlace(t).open(t), k, &cloakroom.Config{Now: time.Now})
			first := tokenIn(d.ask(putPage("bowler")))
			if err := k.Replace(newSecret, oldSecret); err != nil {
				t.Fatal(err)
			}
			resp := d.ask(func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				hat.Get(s)
				w.Header().Set(name, value)
				_, err := io.WriteString(w, "page")
				return err
			}, bring(first))
			if got := resp.Header.Get(name); got != value || len(setCookies(resp)) != 0 {
				t.Errorf("%s: %q became %q, with Set-Cookie %q", name, value, got, setCookies(resp))
			}
		})
	}
}

func TestNoStore(t *testing.T) {
	say := func(name, value string) page {
		return func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			visits.Get(s)
			if name != "" {
				w.Header().Set(name, value)
			}
			_, err := io.WriteString(w, "page")
			return err
		}
	}
	for _, on := range []bool{false, true} {
		r := newRig(t, &cloakroom.Config{NoStore: on})
		signedIn, anonymous := r.as(r.signedIn("ann")), r.as(r.stored(1))
		want := func(what string, h http.Header, want string) {
			t.Helper()
			if got := strings.Join(h["Cache-Control"], "|"); got != want {
				t.Errorf("NoStore %t, %s: Cache-Control %q, want %q", on, what, got, want)
			}
		}
		noStore := map[bool]string{true: "no-store"}[on]
		want("signed in", signedIn.do(say("", "")).Header(), noStore)
		want("signed in, and nothing is written", signedIn.do(look).Header(), noStore)
		want("signed in, a save", signedIn.do(visit).Header(), noStore)
		want("signed in, another header", signedIn.do(say("Vary", "Accept")).Header(), noStore)
		want("anonymous", anonymous.do(say("", "")).Header(), "")
		want("a stranger", r.guest().do(say("", "")).Header(), "")
		want("a new session", r.guest().do(visit).Header(), "private, no-store")
		want("sign-in", anonymous.do(loginAs("bob", nil)).Header(), "private, no-store")
		for name, value := range permissions {
			h := signedIn.do(say(name, value)).Header()
			want("signed in, "+name, h, map[bool]string{true: value}[name == "Cache-Control"])
			if got := h.Get(name); got != value {
				t.Errorf("NoStore %t: %s: %s became %q", on, name, value, got)
			}
		}
		want("signed in, max-age", signedIn.do(say("Cache-Control", "max-age=60")).Header(), "max-age=60")
		unasked := httptest.NewRecorder()
		r.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "style") })).
			ServeHTTP(unasked, signedIn.request(t.Context()))
		want("the session isn't asked for", unasked.Header(), "")
		want("sign-out", signedIn.do(logout).Header(), "private, no-store")
	}
}
