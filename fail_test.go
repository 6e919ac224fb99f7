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
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of the error page, and of requests in an outage (invariants
// 7, 8 and 12).

// bodyHeaders are headers about a handler's body, or about the client's use of the
// response: none of them may go out with another body.
var bodyHeaders = map[string]string{
	"Accept-Ranges":       "bytes",
	"Cache-Control":       "public, max-age=3600",
	"Content-Digest":      "sha-256=:AA==:",
	"Content-Disposition": "attachment",
	"Content-Encoding":    "gzip",
	"Content-Language":    "de",
	"Content-Length":      "6",
	"Content-Location":    "/other",
	"Content-Range":       "bytes 0-5/6",
	"Content-Type":        "image/png",
	"Etag":                `"tag"`,
	"Expires":             "Thu, 01 Jan 2099 00:00:00 GMT",
	"Last-Modified":       "Thu, 01 Jan 2015 00:00:00 GMT",
	"Link":                "</style.css>; rel=preload",
	"Location":            "/elsewhere",
	"Refresh":             "0; url=/elsewhere",
	"Repr-Digest":         "sha-256=:AA==:",
	"Set-Cookie":          "flash=saved",
}

func TestI7_FailedSaveGivesTheErrorPage(t *testing.T) {
	ways := map[string]func(w http.ResponseWriter) error{
		"WriteHeader": func(w http.ResponseWriter) error {
			w.WriteHeader(200)
			_, err := io.WriteString(w, "secret")
			return err
		},
		"Write":       func(w http.ResponseWriter) error { _, err := w.Write([]byte("secret")); return err },
		"WriteString": func(w http.ResponseWriter) error { _, err := io.WriteString(w, "secret"); return err },
		"ReadFrom": func(w http.ResponseWriter) error {
			_, err := io.Copy(w, strings.NewReader("secret"))
			return err
		},
		"Flush":  func(w http.ResponseWriter) error { return http.NewResponseController(w).Flush() },
		"Hijack": func(w http.ResponseWriter) error { _, _, err := http.NewResponseController(w).Hijack(); return err },
		"Flusher": func(w http.ResponseWriter) error {
			w.(http.Flusher).Flush()
			_, err := io.WriteString(w, "secret")
			return err
		},
	}
	eachProtocol(t, func(t *testing.T, r *rig, http2 bool) {
		r.store.answer(isOp("create"), errFull)
		for name, way := range ways {
			if name == "Hijack" && http2 {
				continue // whose writer has none
			}
			t.Run(name, func(t *testing.T) {
				v := r.serve(r.routes("/", func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
					visits.Set(s, 7)
					w.Header().Set("X-Frame-Options", "DENY")
					for k, v := range bodyHeaders {
						w.Header().Set(k, v)
					}
					r.wantErr(name, way(w), cloakroom.ErrUnavailable)
					n, err := w.Write([]byte("more"))
					r.wantErr("Write afterwards", err, cloakroom.ErrUnavailable)
					if n != 0 {
						t.Errorf("Write afterwards took %d bytes", n)
					}
					w.WriteHeader(201)
					w.WriteHeader(http.StatusEarlyHints)
					return err
				}), http2)
				resp, body := v.get("/")
				if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
					t.Errorf("got %d with Retry-After: %q, want 503", resp.StatusCode, resp.Header.Get("Retry-After"))
				}
				if strings.Contains(body, "secret") || strings.Contains(body, "more") || !strings.Contains(body, "try again") {
					t.Errorf("got the body %q", body)
				}
				for k, v := range bodyHeaders {
					if got := resp.Header.Get(k); got == v {
						t.Errorf("the error page has the handler's %s: %s", k, v)
					}
				}
				if got := resp.Header.Get("Cache-Control"); got != "no-store" {
					t.Errorf("the error page has Cache-Control: %q", got)
				}
				if got := resp.Header.Get("X-Frame-Options"); got != "" {
					t.Errorf("X-Frame-Options, which was set inside, is %q", got)
				}
			})
		}
		if got := r.log.take(); !strings.Contains(got, "request failed") {
			t.Errorf("logged: %q", got)
		}
	})
}

func TestI7_FailedSaveAtTheEndGivesTheErrorPage(t *testing.T) {
	r := newRig(t, nil)
	s := r.stored(1)
	r.store.answer(isOp("update"), errFull)
	w := r.as(s).want(503, visit)
	if len(w.Result().Cookies()) != 0 {
		t.Errorf("the response touches the cookie: %v", w.Result().Cookies())
	}
	r.wantVisits(s.ID(), 1)
}

func TestFailStatus(t *testing.T) {
	broken := errors.New("broken")
	_, noID := cloakroom.ParseID("junk")
	_, tooLarge := io.ReadAll(http.MaxBytesReader(httptest.NewRecorder(), io.NopCloser(strings.NewReader("form")), 1))
	for _, test := range []struct {
		err    error
		status int
		retry  bool
		logged bool
	}{
		{broken, 500, false, true},
		{fmt.Errorf("reading: %w", cloakroom.ErrUnavailable), 503, true, true},
		{errFull, 503, true, true},
		{fmt.Errorf("%w: %w", cloakroom.ErrUnknown, cloakroom.ErrUnavailable), 503, true, true},
		{cloakroom.ErrClosed, 503, true, true},
		{cloakroom.ErrGone, 409, false, false},
		{cloakroom.ErrConflict, 409, false, false},
		{cloakroom.ErrRevoked, 409, false, false},
		{cloakroom.ErrTooLarge, 413, false, true},
		{fmt.Errorf("reading the form: %w", tooLarge), 413, false, true},
		{cloakroom.ErrNotFound, 404, false, false},
		{noID, 404, false, false},
		{cloakroom.ErrCorrupt, 500, false, true},
		{cloakroom.ErrTooLate, 500, false, true},
		{cloakroom.ErrInvalid, 500, false, true},
	} {
		t.Run(test.err.Error(), func(t *testing.T) {
			r := newRig(t, nil)
			s := r.stored(1)
			w := r.as(s).want(test.status, func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				visits.Set(s, 2) // is dropped
				w.Header().Set("Content-Length", "100")
				return test.err
			})
			if got := w.Header().Get("Retry-After") != ""; got != test.retry {
				t.Errorf("Retry-After: %q", w.Header().Get("Retry-After"))
			}
			if strings.Contains(w.Body.String(), test.err.Error()) {
				t.Errorf("the page tells the client %q", w.Body)
			}
			if got := strings.Contains(r.log.take(), test.err.Error()); got != test.logged {
				t.Errorf("logged: %v, want %v", got, test.logged)
			}
			r.wantOps("get 1")
			r.wantVisits(s.ID(), 1)
		})
	}
}

func TestFailByHand(t *testing.T) {
	r := newRig(t, nil)
	w := httptest.NewRecorder()
	for _, name := range []string{"X-Accel-Redirect", "X-Sendfile", "Content-Encoding"} {
		w.Header().Set(name, "of another response")
	}
	w.Header().Set("X-Frame-Options", "DENY")
	r.m.Fail(w, r.guest().request(t.Context()), cloakroom.ErrUnavailable) // outside of Handler
	h := w.Header()
	if w.Code != 503 || h.Get("X-Accel-Redirect")+h.Get("X-Sendfile")+h.Get("Content-Encoding") != "" || h.Get("X-Frame-Options") != "DENY" {
		t.Errorf("outside of Handler: %d with %v", w.Code, h)
	}
	s := r.stored(1)
	w = r.as(s).want(409, func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
		visits.Set(s, 2)
		r.m.Fail(w, req, cloakroom.ErrGone)
		r.m.Fail(w, req, cloakroom.ErrUnavailable) // there is an answer already
		_, err := io.WriteString(w, "more")
		r.wantErr("Write after Fail", err, cloakroom.ErrGone)
		return nil
	})
	if strings.Contains(w.Body.String(), "more") {
		t.Errorf("got %q", w.Body)
	}
	r.wantVisits(s.ID(), 1)
}

// A handler between the manager's and this one may wrap the ResponseWriter: the
// error goes out all the same.
func TestFailPastAWrapper(t *testing.T) {
	r := newRig(t, nil)
	w := httptest.NewRecorder()
	r.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.m.Fail(struct{ http.ResponseWriter }{w}, req, cloakroom.ErrGone)
	})).ServeHTTP(w, r.guest().request(t.Context()))
	if w.Code != 409 {
		t.Errorf("got %d", w.Code)
	}
}

func TestI7_FailAfterTheFirstByteOnlyLogs(t *testing.T) {
	r := newRig(t, nil)
	w := r.guest().want(200, func(w http.ResponseWriter, _ *http.Request, _ *cloakroom.Session) error {
		io.WriteString(w, "begun")
		return errors.New("broken")
	})
	if w.Body.String() != "begun" {
		t.Errorf("got %q", w.Body)
	}
	if got := r.log.take(); !strings.Contains(got, "broken") || !strings.Contains(got, "level=ERROR") {
		t.Errorf("logged: %q", got)
	}
}

// A sign-in, renewal or sign-out that has happened is told to the client, although the
// request fails.
func TestI7_FailTellsWhatHappened(t *testing.T) {
	broken := errors.New("broken")
	after := func(f page) page {
		return func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			if err := f(w, req, s); err != nil {
				t.Error(err)
			}
			return broken
		}
	}
	r := newRig(t, nil)
	s := r.stored(1)
	g := r.as(s)
	g.want(500, after(loginAs("ann", nil)))
	g.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		if s.Principal() != "ann" {
			t.Errorf("after a sign-in whose request failed, %q is signed in", s.Principal())
		}
		return nil
	})
	token := g.token
	g.want(500, after(renew))
	if g.token == token {
		t.Error("the token of a renewal got lost")
	}
	g.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		if s.Principal() != "ann" {
			t.Errorf("after a renewal whose request failed, %q is signed in", s.Principal())
		}
		return nil
	})
	g.want(500, after(logout))
	if g.token != "" {
		t.Error("the client wasn't told to forget its token")
	}
}

func TestOnError(t *testing.T) {
	var status int
	var cause error
	r := newRig(t, &cloakroom.Config{OnError: func(w http.ResponseWriter, _ *http.Request, s int, err error) {
		status, cause = s, err
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, `{"sorry":true}`)
	}})
	r.store.answer(isOp("create"), errFull)
	w := r.guest().want(http.StatusTeapot, visit)
	if status != 503 || !errors.Is(cause, cloakroom.ErrOverloaded) || w.Body.String() != `{"sorry":true}` || w.Header().Get("Retry-After") == "" {
		t.Errorf("got %d, %v, %q, %v", status, cause, w.Body, w.Header())
	}
}

func TestI8_OutageOfReads(t *testing.T) {
	r := newRig(t, nil)
	s := r.signedIn("ann")
	g := r.as(s)
	g.want(200, visit)
	down := fmt.Errorf("dial: connection refused") // of no kind that cloakroom knows
	r.store.answer(isAny, down)
	called := false
	w := g.want(503, func(http.ResponseWriter, *http.Request, *cloakroom.Session) error {
		called = true
		return nil
	})
	if called {
		t.Error("the handler was called without a session")
	}
	if len(w.Result().Cookies()) != 0 || w.Header().Get("Retry-After") == "" {
		t.Errorf("the response has the headers %v", w.Header())
	}
	r.store.heal()
	g.want(200, visit)
	r.wantVisits(s.ID(), 2)
}

func TestI8_OutageOfWrites(t *testing.T) {
	r := newRig(t, nil)
	s := r.signedIn("ann")
	g := r.as(s)
	r.store.answer(isWrite, errFull)
	for name, f := range map[string]page{"save": visit, "logout": logout, "sign-in": loginAs("ann", nil), "renewal": renew} {
		if name == "logout" {
			continue // tries for as long as SaveTimeout: see TestI8_OutageOfDestroy
		}
		if w := g.want(503, f); len(w.Result().Cookies()) != 0 {
			t.Errorf("%s touches the cookie: %v", name, w.Result().Cookies())
		}
	}
	g.want(200, look) // reading goes on
	r.store.heal()
	g.want(200, visit)
	r.wantVisits(s.ID(), 1)
}

// Without a session nobody notices.
func TestI8_OutageForStrangers(t *testing.T) {
	r := newRig(t, nil)
	r.store.answer(isAny, errNoAnswer)
	r.guest().want(200, look)
}

// poison makes the store answer that a record can't be understood.
func (r *rig) poison(id cloakroom.ID) { r.store.answer(isOn("get", id), cloakroom.ErrCorrupt) }

func TestI12_CorruptRecord(t *testing.T) {
	r := newRig(t, nil)
	s, healthy := r.stored(1), r.stored(1)
	r.poison(s.ID())
	g := r.as(s)
	w := g.want(500, look)
	if len(w.Result().Cookies()) != 0 {
		t.Errorf("the response touches the cookie: %v", w.Result().Cookies())
	}
	if got := r.log.take(); !strings.Contains(got, s.ID().String()) {
		t.Errorf("logged: %q, which doesn't name the session", got)
	}
	r.as(healthy).want(200, visit)
	if _, err := r.m.Retrieve(t.Context(), g.token); !errors.Is(err, cloakroom.ErrCorrupt) {
		t.Errorf("Retrieve: %v", err)
	}

	h := r.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, err := r.m.Session(req.Context())
		if !errors.Is(err, cloakroom.ErrCorrupt) {
			t.Errorf("Session: %v", err)
		}
		s, err := r.m.Fresh(req.Context())
		if err != nil {
			t.Errorf("Fresh: %v", err)
		}
		if again, err := r.m.Session(req.Context()); again != s || err != nil {
			t.Errorf("Session after Fresh: %p, %v; want %p", again, err, s)
		}
		visits.Set(s, 5)
		io.WriteString(w, "ok")
	}))
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, g.request(t.Context()))
	cookies := rec.Result().Cookies()
	if rec.Code != 200 || len(cookies) != 1 {
		t.Fatalf("got %d with cookies %v, want a new token", rec.Code, cookies)
	}
	fresh := r.openBy(r.m, cookies[0].Value)
	if fresh.ID() == s.ID() || visits.Get(fresh) != 5 {
		t.Errorf("Fresh: id %v with %d visits", fresh.ID(), visits.Get(fresh))
	}
	r.wantVisits(s.ID(), 1) // neither read nor ended
}

// A store that answers with another app's record, or a ledger, doesn't open it.
func TestI12_ForeignRecord(t *testing.T) {
	r := newRig(t, nil)
	s := r.stored(1)
	rec, err := r.kept(s.ID())
	if err != nil {
		t.Fatal(err)
	}
	changed := *rec
	changed.App = "other"
	if _, err := r.store.Store.Update(t.Context(), &changed); err != nil {
		t.Fatal(err)
	}
	r.as(s).want(500, look)
	if _, err := r.m.Retrieve(t.Context(), s.Token()); !errors.Is(err, cloakroom.ErrCorrupt) {
		t.Errorf("Retrieve: %v", err)
	}
}

func TestI8_SaveTimeoutBoundsWaiting(t *testing.T) {
	const limit = 3 * time.Second
	for name, test := range map[string]struct {
		stuck string
		f     func(r *rig, s *cloakroom.Session) error
	}{
		"a read": {"get", func(r *rig, s *cloakroom.Session) error {
			_, err := r.m.Retrieve(context.Background(), s.Token())
			return err
		}},
		"a save": {"update", func(_ *rig, s *cloakroom.Session) error {
			visits.Set(s, 2)
			return s.Save(context.Background())
		}},
		"a new session": {"create", func(r *rig, _ *cloakroom.Session) error {
			_, err := r.m.Create(context.Background())
			return err
		}},
		"an ending": {"bury", func(_ *rig, s *cloakroom.Session) error { return s.Destroy(context.Background()) }},
		"a renewal": {"update", func(r *rig, s *cloakroom.Session) error { return r.open(s).Renew(context.Background()) }},
		"an attempt to sign in": {"get", func(r *rig, _ *cloakroom.Session) error {
			_, err := r.m.BeginLogin(context.Background(), "ann")
			return err
		}},
		"an admin's update": {"get", func(r *rig, s *cloakroom.Session) error {
			return r.m.Admin().Update(context.Background(), s.ID(), func(*cloakroom.Tx) error { return nil })
		}},
		"an admin's revocation": {"get", func(r *rig, s *cloakroom.Session) error {
			return r.m.Admin().Revoke(context.Background(), s.ID())
		}},
		"an admin's search": {"get", func(r *rig, s *cloakroom.Session) error {
			_, err := r.m.Admin().Find(context.Background(), s.ID())
			return err
		}},
		"signing out everywhere": {"get", func(r *rig, _ *cloakroom.Session) error {
			return r.m.Admin().RevokeAll(context.Background(), "ann")
		}},
	} {
		runInBubble(t, name, func(t *testing.T) {
			r := newRig(t, &cloakroom.Config{SaveTimeout: limit})
			s := r.stored(1)
			r.store.hook(func(c *call) fate {
				if c.op != test.stuck {
					return pass
				}
				<-c.ctx.Done()
				return dropped
			})
			begun := time.Now()
			r.wantErr(name, test.f(r, s), cloakroom.ErrUnavailable)
			if d := time.Since(begun); d > limit {
				t.Errorf("it took %v, want at most %v", d, limit)
			}
		})
	}
}

// A save that waits behind another one takes twice the time at most, and one
// whose waiter has left isn't written any more.
func TestI8_QueuedSaveIsBounded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const limit = 3 * time.Second
		r := newRig(t, &cloakroom.Config{SaveTimeout: limit})
		s := r.stored(0)
		r.blocked(s) // and stays so, until its time is over
		r.store.hook(func(c *call) fate {
			if isWrite(c) {
				<-c.ctx.Done()
				return dropped
			}
			return pass
		})
		second := r.open(s)
		visits.Set(second, 1)
		begun := time.Now()
		r.wantErr("the save behind", second.Save(t.Context()), cloakroom.ErrUnavailable)
		if d := time.Since(begun); d > 2*limit {
			t.Errorf("it took %v, want at most %v", d, 2*limit)
		}
	})
}

func TestI8_CloseWaitsForSavesInFlight(t *testing.T) {
	for name, test := range map[string]struct {
		held matcher
		f    func(ctx context.Context, s *cloakroom.Session) error
	}{
		"save":    {isOp("update"), func(ctx context.Context, s *cloakroom.Session) error { visits.Set(s, 2); return s.Save(ctx) }},
		"sign-in": {isLedger("create"), func(ctx context.Context, s *cloakroom.Session) error { return s.Login(ctx, "ann", nil) }},
	} {
		runInBubble(t, name, func(t *testing.T) {
			r := newRig(t, nil)
			s := r.stored(1)
			g := r.store.hold(test.held)
			saved := later(func() error { return test.f(t.Context(), s) })
			<-g.reached
			closed := later(r.m.Close)
			synctest.Wait()
			select {
			case <-closed:
				t.Fatal("Close returned although a save was in flight")
			default:
			}
			g.let(pass)
			if err := <-saved; err != nil && name == "save" {
				t.Errorf("the save in flight: %v", err)
			}
			if err := <-closed; err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

func TestI8_CloseWaitsForNewSessionsInFlight(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		g := r.store.hold(isOp("create"))
		made := later(func() error {
			_, err := r.m.Create(t.Context())
			return err
		})
		<-g.reached
		closed := later(r.m.Close)
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close returned although a session was being stored: its store may be closed next")
		default:
		}
		g.let(pass)
		if err := <-made; err != nil {
			t.Error(err)
		}
	})
}

func TestAfterCloseIsErrClosed(t *testing.T) {
	r := newRig(t, nil)
	s, ann := r.stored(1), r.signedIn("ann")
	used := r.open(s)
	ctx := t.Context()
	if err := errors.Join(r.m.Close(), r.m.Close()); err != nil {
		t.Errorf("Close, twice: %v", err)
	}
	visits.Set(s, 2)
	for name, f := range map[string]func() error{
		"Save":   func() error { return s.Save(ctx) },
		"Update": func() error { return s.Update(ctx, func(*cloakroom.Tx) error { return nil }) },
		"Renew":  func() error { return used.Renew(ctx) },
		"Create": func() error { _, err := r.m.Create(ctx); return err },
		"Login":  func() error { return ann.Login(ctx, "ann", nil) },
		"RevokeAll": func() error {
			return r.m.Admin().RevokeAll(ctx, "ann")
		},
	} {
		r.wantErr(name, f(), cloakroom.ErrClosed)
	}
	r.wantVisits(s.ID(), 1)
	r.guest().want(503, visit)
}

func TestI8_OutageOfDestroy(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		s := r.signedIn("ann")
		g := r.as(s)
		r.store.answer(isOp("bury"), errNoAnswer)
		begun := time.Now()
		w := g.want(503, logout)
		if d := time.Since(begun); d > 5*time.Second {
			t.Errorf("it took %v", d)
		}
		if len(w.Result().Cookies()) != 0 {
			t.Errorf("the cookie is touched, although the session may live: %v", w.Result().Cookies())
		}
		g.want(200, visit)
		mine := r.open(s)
		r.wantErr("Destroy", mine.Destroy(t.Context()), cloakroom.ErrUnknown, cloakroom.ErrUnavailable)
		r.store.heal()
		if err := mine.Destroy(t.Context()); err != nil { // call it again
			t.Error(err)
		}
		r.wantGrave(s.ID(), cloakroom.EndDestroyed)
	})
}

// Once the error page has gone out, no token can: nothing that needs one may
// happen, or a visitor would be signed in, or out, without learning of it.
func TestI7_AfterTheErrorPageIsTooLate(t *testing.T) {
	for name, first := range map[string]func(*rig, http.ResponseWriter, *http.Request, *cloakroom.Session){
		"a save that failed": func(r *rig, w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) {
			visits.Set(s, 2)
			r.store.answer(isWrite, errFull)
			io.WriteString(w, "saved")
			r.store.heal()
		},
		"Fail": func(r *rig, w http.ResponseWriter, req *http.Request, _ *cloakroom.Session) {
			r.m.Fail(w, req, errors.New("broken"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			g := r.as(r.stored(1))
			token := g.token
			g.do(func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
				first(r, w, req, s)
				r.wantErr("Login", s.Login(req.Context(), "ann", nil), cloakroom.ErrTooLate)
				r.wantErr("Renew", s.Renew(req.Context()), cloakroom.ErrTooLate)
				return nil
			})
			r.wantDevices("ann")
			r.wantOpen("afterwards", token, true)
			r.guest().do(func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
				first(r, w, req, s)
				visits.Set(s, 3)
				r.wantErr("beginning a session", s.Save(req.Context()), cloakroom.ErrTooLate)
				return nil
			})
		})
	}
}

// A store may say that it is overloaded, and no more: it is unavailable all the same.
func TestI8_BareOverload(t *testing.T) {
	inBubble(t, func(t *testing.T) { // a burial is tried again for as long as a save may take
		for _, op := range []string{"get", "create", "update", "bury"} {
			r := newRig(t, nil)
			g := r.as(r.stored(1))
			r.store.answer(isOp(op), fmt.Errorf("no room: %w", driver.ErrOverloaded))
			page := map[string]page{"get": look, "create": loginAs("ann", nil), "update": visit, "bury": loginAs("ann", nil)}[op]
			g.want(503, func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
				err := page(w, req, s)
				if err != nil {
					r.wantErr(op, err, cloakroom.ErrUnavailable, cloakroom.ErrOverloaded)
				}
				return err
			})
			r.store.heal()
			r.wantVisits(r.openBy(r.m, g.token).ID(), 1)
		}
	})
}
