package cloakroom_test

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// This file is applications that are careless with responses, handlers and settings.

// An OnError that writes nothing, or panics, leaves the status: net/http would say 200
// of what failed.
func TestI7_ErrorPageThatIsNotWritten(t *testing.T) {
	for name, onError := range map[string]func(http.ResponseWriter){
		"nothing":                 func(http.ResponseWriter) {},
		"a panic":                 func(http.ResponseWriter) { panic("a template's") },
		"a body without a status": func(w http.ResponseWriter) { io.WriteString(w, "sorry") },
		"a flush":                 func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
		"a flush by controller":   func(w http.ResponseWriter) { http.NewResponseController(w).Flush() },
		"an early hint": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusEarlyHints)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, &cloakroom.Config{OnError: func(w http.ResponseWriter, _ *http.Request, _ int, _ error) { onError(w) }})
			srv := httptest.NewServer(r.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				defer func() {
					if recover() != nil {
						w.WriteHeader(200)
					}
				}()
				s, err := r.m.Session(req.Context())
				if err != nil {
					t.Error(err)
					return
				}
				visits.Set(s, 1)
				io.WriteString(w, "saved")
			})))
			defer srv.Close()
			r.store.answer(isAny, errFull)
			resp, err := srv.Client().Get(srv.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != 503 {
				t.Errorf("the status is %d, want 503", resp.StatusCode)
			}
		})
	}
}

// What a handler says to caches after its first byte is sent as well, where a writer
// further out gathers the response. It doesn't make a token public.
func TestI7_CacheHeadersAfterTheFirstByte(t *testing.T) {
	r := newRig(t, nil)
	live := r.stored(1)
	for what, f := range map[string]page{
		"issue":  visit,
		"revoke": logout,
	} {
		h := http.TimeoutHandler(r.m.With(func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			if err := f(w, req, s); err != nil {
				return err
			}
			io.WriteString(w, "a")
			w.Header().Set("Cache-Control", "public, max-age=60")
			w.Header()["cdn-cache-control"] = []string{"max-age=60"}
			w.Header().Set("Expires", "Thu, 01 Jan 2099 00:00:00 GMT")
			return nil
		}), time.Minute, "")
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		if what == "revoke" {
			req = presents(live)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		got := w.Result().Header
		if len(got["Set-Cookie"]) != 1 {
			t.Errorf("%s: cookies %q", what, got["Set-Cookie"])
		}
		for name, values := range got {
			lower := strings.ToLower(name)
			switch {
			case lower == "cache-control":
				if strings.Join(values, ",") != "private, no-store" {
					t.Errorf("%s: Cache-Control is %q", what, values)
				}
			case strings.HasSuffix(lower, "cache-control"), lower == "expires":
				t.Errorf("%s: %s is %q", what, name, values)
			}
		}
	}
}

// To destroy a session that Manager.Fresh has replaced leaves the new one's token alone.
func TestI7I9_DestroyOfASessionThatFreshReplaced(t *testing.T) {
	r := newRig(t, nil)
	old := r.stored(1)
	g := r.as(old)
	g.want(200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
		fresh, err := r.m.Fresh(req.Context())
		if err != nil {
			return err
		}
		visits.Set(fresh, 5)
		if err := fresh.Save(req.Context()); err != nil {
			return err
		}
		return s.Destroy(req.Context())
	})
	r.wantGrave(old.ID(), cloakroom.EndDestroyed)
	g.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		if n := visits.Get(s); n != 5 {
			t.Errorf("the new session has visits = %d, want 5", n)
		}
		return nil
	})
	g = r.as(r.stored(1))
	g.want(200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
		if _, err := r.m.Fresh(req.Context()); err != nil {
			return err
		}
		return s.Destroy(req.Context())
	})
	if g.token != "" {
		t.Error("the client keeps the token of what has ended")
	}
}

// Handler around a mux and around a route of it is one Handler: two sessions of one
// request would not know of each other, and a sign-out by one was answered with an error.
func TestI7_HandlerInsideOfHandler(t *testing.T) {
	r := newRig(t, nil)
	for name, between := range map[string]func(http.Handler) http.Handler{
		"nothing":         func(h http.Handler) http.Handler { return h },
		"a copy":          func(h http.Handler) http.Handler { return copies{h} },
		"its own writer":  func(h http.Handler) http.Handler { return http.TimeoutHandler(h, time.Minute, "") },
		"a stripped path": func(h http.Handler) http.Handler { return http.StripPrefix("/", h) },
	} {
		s := r.stored(1)
		g := r.as(s)
		g.want(200, func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			visits.Update(s, plusOne)
			between(r.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				inner, err := r.m.Session(req.Context())
				if err != nil || inner != s {
					t.Errorf("%s: the inner session is %v, %v", name, inner, err)
					return
				}
				if err := inner.Destroy(req.Context()); err != nil {
					t.Error(err)
				}
			}))).ServeHTTP(w, req)
			return nil
		})
		if g.token != "" {
			t.Errorf("%s: the client isn't told to forget its token", name)
		}
	}
	// A request that a handler makes itself is another client's.
	a, b := r.stored(1), r.stored(2)
	r.as(a).want(200, func(_ http.ResponseWriter, req *http.Request, _ *cloakroom.Session) error {
		other := presents(b).WithContext(req.Context())
		r.m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
			if s, err := r.m.Session(req.Context()); err != nil || s.ID() != b.ID() {
				t.Errorf("another client's request has the session %v, %v", s, err)
			}
		})).ServeHTTP(httptest.NewRecorder(), other)
		return nil
	})
}

// copies hands a copy of the request on.
type copies struct{ h http.Handler }

func (c copies) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), copies{}, 1)))
}

// Settings that would overflow, or that no clock of records can tell from none, are
// errors that say what is allowed. With the longest RenewGrace a late request got a cookie.
func TestI11_ExtremeSettings(t *testing.T) {
	r := newRig(t, nil)
	const tiny = time.Millisecond - 1
	for what, c := range map[string]*cloakroom.Config{
		"RenewGrace":        {RenewGrace: math.MaxInt64},
		"SaveTimeout":       {SaveTimeout: math.MaxInt64},
		"Lifetime":          {Lifetime: tiny},
		"AnonymousLifetime": {AnonymousLifetime: tiny},
		"MaxLifetime":       {MaxLifetime: tiny},
		"IdleTimeout":       {IdleTimeout: tiny},
	} {
		m, err := cloakroom.New(r.store, testKeyring(r), c)
		if err == nil {
			m.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "Config."+what) || !strings.Contains(err.Error(), "allowed") {
			t.Errorf("%s: got error %v", what, err)
		}
	}
	for _, lifetime := range []time.Duration{tiny, -1, math.MinInt64, math.MaxInt64} {
		s := r.stored(0)
		if err := s.Login(t.Context(), "ann", &cloakroom.LoginOptions{Lifetime: lifetime}); err == nil || !strings.Contains(err.Error(), "LoginOptions.Lifetime") {
			t.Errorf("signing in for %v: %v", lifetime, err)
		}
	}
	for _, c := range []*cloakroom.Config{
		{RenewGrace: cloakroom.MaxLifetime}, {SweepEvery: math.MaxInt64}, {IdleTimeout: math.MaxInt64, TouchEvery: math.MinInt64},
	} {
		c.Events = &cloakroom.Events{}
		g := r.as(r.stored(1))
		g.m = r.manager(c)
		token := g.token
		g.want(200, visit)
		g.want(200, logout)
		g.token = token
		g.want(http.StatusConflict, visit)
	}
	m := r.manager(&cloakroom.Config{SaveTimeout: cloakroom.MaxLifetime})
	h := m.Handler(http.TimeoutHandler(m.With(visit), time.Minute, ""))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != 200 {
		t.Error(errors.New(w.Body.String()))
	}
}
