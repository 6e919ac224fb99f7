package cloakroom_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the tests of Handler, With and Manager.Session: which session a request
// gets, and managers inside of managers.

type outerKey struct{}

func TestI6_LazyHandler(t *testing.T) {
	r := newRig(t, nil)
	s := r.stored(1)
	ask := func(h http.HandlerFunc) http.Header {
		w := httptest.NewRecorder()
		r.m.Handler(h).ServeHTTP(w, r.as(s).request(t.Context()))
		return w.Header()
	}
	h := ask(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "static") })
	r.wantOps("nothing")
	if len(h["Vary"]) != 0 || len(h["Set-Cookie"]) != 0 || len(h["Cache-Control"]) != 0 {
		t.Errorf("a response without session has the headers %v", h)
	}
	h = ask(func(_ http.ResponseWriter, req *http.Request) {
		if _, err := r.m.Session(req.Context()); err != nil {
			t.Error(err)
		}
	})
	r.wantOps("get 1")
	if h.Get("Vary") != "Cookie" || len(h["Set-Cookie"]) != 0 {
		t.Errorf("a response that looked at the session has the headers %v", h)
	}
}

// begunWriter tells when a response's header goes out.
type begunWriter struct {
	*httptest.ResponseRecorder
	begun chan struct{}
}

func (w *begunWriter) WriteHeader(status int) {
	close(w.begun)
	w.ResponseRecorder.WriteHeader(status)
}

// TestVaryWhileBeingLoaded: a session that another goroutine is about to get
// counts as consulted, so the response that begins meanwhile waits for it.
func TestVaryWhileBeingLoaded(t *testing.T) {
	r := newRig(t, nil)
	s := r.stored(1)
	w := &begunWriter{httptest.NewRecorder(), make(chan struct{})}
	reading := make(chan struct{})
	r.store.hook(func(*call) fate {
		close(reading)
		select {
		case <-w.begun: // as it must not
		case <-time.After(50 * time.Millisecond):
		}
		return pass
	})
	var loading sync.WaitGroup
	r.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		loading.Go(func() {
			if _, err := r.m.Session(req.Context()); err != nil {
				t.Error(err)
			}
		})
		<-reading
		w.WriteHeader(http.StatusOK)
		loading.Wait()
	})).ServeHTTP(w, r.as(s).request(t.Context()))
	if got := w.Result().Header.Get("Vary"); got != "Cookie" {
		t.Errorf("Vary is %q", got)
	}
}

func TestI6_NoTokenNoRead(t *testing.T) {
	r := newRig(t, nil)
	r.guest().want(200, look)
	r.wantOps("nothing")
	g := r.guest()
	g.token = "forged"
	g.want(200, look)
	r.wantOps("nothing")
}

func TestSessionIsOnePerRequest(t *testing.T) {
	const n = 40
	key := func(i int) cloakroom.Key[int] { return cloakroom.NewKey[int](fmt.Sprint("key", i)) }
	r := newRig(t, nil)
	s := r.stored(1)
	var seen [n]*cloakroom.Session
	r.as(s).want(200, func(_ http.ResponseWriter, req *http.Request, mine *cloakroom.Session) error {
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() {
				ctx, cancel := context.WithCancel(context.WithValue(req.Context(), outerKey{}, i))
				defer cancel()
				s, err := r.m.Session(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				seen[i] = s
				key(i).Set(s, i)
				visits.Update(s, plusOne)
				_ = s.Info()
			})
		}
		all.Wait()
		for i := range seen {
			if seen[i] != mine {
				t.Fatalf("goroutine %d got another session", i)
			}
		}
		return nil
	})
	r.wantOps("get 1, update 1")
	r.wantVisits(s.ID(), n+1)
	again := r.open(s)
	for i := range n {
		if got := key(i).Get(again); got != i {
			t.Errorf("key %d keeps %d", i, got)
		}
	}
}

func TestSessionIsLoadedOnce(t *testing.T) {
	r := newRig(t, nil)
	s := r.stored(1)
	g := r.store.hold(isOp("get"))
	w := httptest.NewRecorder()
	h := r.m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		var all sync.WaitGroup
		var got [8]*cloakroom.Session
		for i := range got {
			all.Go(func() { got[i], _ = r.m.Session(req.Context()) })
		}
		<-g.reached
		g.let(pass)
		all.Wait()
		for i := range got {
			if got[i] == nil || got[i] != got[0] {
				t.Errorf("goroutine %d got %p, the first %p", i, got[i], got[0])
			}
		}
	}))
	h.ServeHTTP(w, r.as(s).request(t.Context()))
	r.wantOps("get 1")
}

func TestContextPassesThrough(t *testing.T) {
	r := newRig(t, nil)
	started, ended := make(chan struct{}), make(chan error, 2)
	inner := r.m.With(func(_ http.ResponseWriter, req *http.Request, _ *cloakroom.Session) error {
		ctx := req.Context()
		if got := ctx.Value(outerKey{}); got != "outer" {
			t.Errorf("the outer value reads as %v", got)
		}
		if _, ok := ctx.Value(http.ServerContextKey).(*http.Server); !ok {
			t.Error("http.ServerContextKey is not visible")
		}
		if _, ok := ctx.Value(http.LocalAddrContextKey).(net.Addr); !ok {
			t.Error("http.LocalAddrContextKey is not visible")
		}
		child, cancel := context.WithCancel(ctx)
		defer cancel()
		after := make(chan error, 1)
		stop := context.AfterFunc(ctx, func() { after <- ctx.Err() })
		defer stop()
		if err := ctx.Err(); err != nil {
			t.Errorf("at the start: %v", err)
		}
		close(started)
		<-child.Done()
		ended <- child.Err()
		ended <- <-after
		return nil
	})
	v := r.serve(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		inner.ServeHTTP(w, req.WithContext(context.WithValue(req.Context(), outerKey{}, "outer")))
	}), false)
	ctx, hangUp := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, v.URL, nil)
	go func() {
		<-started
		hangUp()
	}()
	if resp, err := v.c.Do(req); err == nil {
		resp.Body.Close()
		t.Error("the request wasn't cancelled")
	}
	for range 2 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the handler's context ended with %v", err)
		}
	}
}

func TestContextDeadlinePassesThrough(t *testing.T) {
	r := newRig(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 1)
	defer cancel()
	w := httptest.NewRecorder()
	r.m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		want, _ := ctx.Deadline()
		if got, ok := req.Context().Deadline(); !ok || !got.Equal(want) {
			t.Errorf("deadline %v, %v; want %v", got, ok, want)
		}
		<-req.Context().Done()
		if err := req.Context().Err(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended with %v", err)
		}
	})).ServeHTTP(w, r.guest().request(ctx))
}

func TestPatternIsGivenBack(t *testing.T) {
	r := newRig(t, nil)
	mux := http.NewServeMux()
	mux.Handle("GET /hat/{id}", r.m.With(func(_ http.ResponseWriter, req *http.Request, _ *cloakroom.Session) error {
		if got := req.PathValue("id"); got != "7" {
			t.Errorf("path value %q", got)
		}
		return nil
	}))
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	logged := func(h http.Handler, path string) (pattern string) {
		req := httptest.NewRequest(http.MethodGet, path, nil)
		defer func() {
			_ = recover()
			pattern = req.Pattern
		}()
		h.ServeHTTP(httptest.NewRecorder(), req)
		return ""
	}
	h := r.m.Handler(mux)
	for path, want := range map[string]string{"/hat/7": "GET /hat/{id}", "/panic": "/panic", "/nowhere": ""} {
		if got := logged(h, path); got != want {
			t.Errorf("after %s, who wraps the handler sees the pattern %q, want %q", path, got, want)
		}
	}
}

func TestManagersNest(t *testing.T) {
	r := newRig(t, nil)
	bearer := r.manager(&cloakroom.Config{Transport: cloakroom.Bearer{}})
	inner := bearer.With(func(w http.ResponseWriter, req *http.Request, b *cloakroom.Session) error {
		c, err := r.m.Session(req.Context())
		if err != nil {
			return err
		}
		if c == b {
			t.Error("two managers share a session")
		}
		visits.Update(c, plusOne)
		visits.Update(b, func(n int) int { return n + 10 })
		_, err = fmt.Fprint(w, visits.Get(c), " ", visits.Get(b))
		return err
	})
	h := r.m.Handler(bearer.Handler(inner))
	ask := func(cookie, token, want string) (string, string) {
		t.Helper()
		g := r.guest()
		g.token = cookie
		req := g.request(t.Context())
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code != 200 || w.Body.String() != want {
			t.Errorf("got %d %q, want %q", w.Code, w.Body, want)
		}
		for _, c := range w.Result().Cookies() {
			cookie = c.Value
		}
		if h := w.Header().Get("Session-Token"); h != "" {
			token = h
		}
		if vary := strings.Join(w.Header().Values("Vary"), ","); !strings.Contains(vary, "Cookie") || !strings.Contains(vary, "Authorization") {
			t.Errorf("got Vary: %q", vary)
		}
		return cookie, token
	}
	cookie, token := ask("", "", "1 10")
	ask(cookie, token, "2 20")
	ask(cookie, "", "3 10")
	ask("", token, "1 30")
	ask(token, cookie, "1 10") // a token is good for its own transport only
}

// TestI7_ManagersNestInFailure has the inner manager's save fail: the outer one's token
// and headers go out with the error.
func TestI7_ManagersNestInFailure(t *testing.T) {
	r := newRig(t, nil)
	down := newFaulty(openStore(t))
	inner, err := cloakroom.New(down, testKeyring(t), &cloakroom.Config{
		Transport: cloakroom.Bearer{}, SweepEvery: -1, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	down.answer(isOp("create"), errFull)
	h := r.m.Handler(inner.With(func(w http.ResponseWriter, req *http.Request, b *cloakroom.Session) error {
		c, err := r.m.Session(req.Context())
		if err != nil {
			return err
		}
		visits.Set(c, 1)
		visits.Set(b, 1)
		_, err = io.WriteString(w, "secret")
		return err
	}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r.guest().request(t.Context()))
	if w.Code != 503 || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("got %d %q", w.Code, w.Body)
	}
	if len(w.Result().Cookies()) != 1 || w.Header().Get("Session-Token") != "" {
		t.Errorf("the outer manager's token should go out and not the inner's: %v", w.Header())
	}
}

func TestWithInsideAndOutsideHandler(t *testing.T) {
	r := newRig(t, nil)
	s := r.stored(1)
	with := r.m.With(func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
		if again, err := r.m.Session(req.Context()); again != s || err != nil {
			t.Errorf("Session in With: %p, %v; want %p", again, err, s)
		}
		visits.Update(s, plusOne)
		return nil
	})
	for name, h := range map[string]http.Handler{
		"alone": with, "inside": r.m.Handler(with), "deep inside": r.m.Handler(http.NotFoundHandler()),
	} {
		if name == "deep inside" {
			mux := http.NewServeMux()
			mux.Handle("/", with)
			h = r.m.Handler(http.StripPrefix("", mux))
		}
		r.store.since()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r.as(s).request(t.Context()))
		if w.Code != 200 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if got := r.store.since(); got != "get 1, update 1" {
			t.Errorf("%s: store operations %s", name, got)
		}
	}
	r.wantVisits(s.ID(), 4)
}

func TestWithOfAnotherManagersHandler(t *testing.T) {
	r := newRig(t, nil)
	other := r.manager(&cloakroom.Config{App: "other", Transport: cloakroom.Bearer{}})
	w := httptest.NewRecorder()
	other.Handler(r.m.With(visit)).ServeHTTP(w, r.guest().request(t.Context()))
	if w.Code != 200 || len(w.Result().Cookies()) != 1 {
		t.Errorf("got %d with cookies %v", w.Code, w.Result().Cookies())
	}
}

func TestSessionOfAForeignContext(t *testing.T) {
	r := newRig(t, nil)
	other := r.manager(nil)
	r.guest().want(200, func(_ http.ResponseWriter, req *http.Request, _ *cloakroom.Session) error {
		if _, err := other.Session(req.Context()); err == nil || !strings.Contains(err.Error(), "Manager.Handler") {
			t.Errorf("Session of another manager: %v", err)
		}
		if _, err := other.Fresh(req.Context()); err == nil || !strings.Contains(err.Error(), "Manager.Handler") {
			t.Errorf("Fresh of another manager: %v", err)
		}
		return nil
	})
}

// A goroutine that outlives its request may still save into a stored session.
func TestSessionAfterTheRequest(t *testing.T) {
	r := newRig(t, nil)
	s := r.stored(1)
	var kept, begun *cloakroom.Session
	ctx, cancel := context.WithCancel(t.Context())
	g := r.as(s)
	g.send(g.request(ctx), func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		kept = s
		return nil
	})
	cancel()
	visits.Update(kept, plusOne)
	if err := kept.Save(ctx); err != nil {
		t.Errorf("Save after the request: %v", err)
	}
	r.wantVisits(s.ID(), 2)
	r.guest().do(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		begun = s
		return nil
	})
	visits.Set(begun, 1)
	r.wantErr("beginning a session after the request", begun.Save(t.Context()), cloakroom.ErrTooLate)
}

func TestBareResponseWriter(t *testing.T) {
	r := newRig(t, nil)
	r.m.With(func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		visits.Set(s, 1)
		c := http.NewResponseController(w)
		if err := c.Flush(); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("Flush: %v", err)
		}
		if _, _, err := c.Hijack(); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("Hijack: %v", err)
		}
		if n, err := io.Copy(w, strings.NewReader("copied")); n != 6 || err != nil {
			t.Errorf("Copy: %d, %v", n, err)
		}
		return nil
	}).ServeHTTP(bare{http.Header{}}, r.guest().request(t.Context()))
	r.wantOps("create 1")
}

// bare has none of the optional methods.
type bare struct{ h http.Header }

func (b bare) Header() http.Header         { return b.h }
func (b bare) Write(p []byte) (int, error) { return len(p), nil }
func (b bare) WriteHeader(int)             {}
