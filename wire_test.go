package cloakroom_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of requests on real connections, which wait, overtake each
// other or are cut at a chosen step.

// shop is an application that a browser uses over the network. Its pages wait
// where a test wants them to.
type shop struct {
	*remote
	// early and late are called by the page /add: before it asks for its session,
	// and before it returns; renewing by /renew when it has its session.
	early, late, renewing func(*http.Request)
}

// newShop opens a shop of a rig's manager.
func newShop(r *rig, http2 bool) *shop {
	nothing := func(*http.Request) {}
	s := &shop{early: nothing, late: nothing, renewing: nothing}
	mux := http.NewServeMux()
	mux.HandleFunc("/add", func(w http.ResponseWriter, req *http.Request) {
		s.early(req)
		mine, err := r.m.Session(req.Context())
		if err != nil {
			r.m.Fail(w, req, err)
			return
		}
		cart.Update(mine, func(c []string) []string { return append(c, req.URL.RawQuery) })
		s.late(req)
	})
	mux.Handle("/cart", r.m.With(func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		_, err := fmt.Fprint(w, s.Principal(), ": ", strings.Join(cart.Get(s), " "))
		return err
	}))
	mux.Handle("/login", r.m.With(loginAs("ann", nil)))
	mux.Handle("/renew", r.m.With(func(w http.ResponseWriter, req *http.Request, mine *cloakroom.Session) error {
		s.renewing(req)
		return renew(w, req, mine)
	}))
	s.remote = r.serve(r.m.Handler(mux), http2)
	return s
}

// begin makes a request beside the test.
func (s *shop) begin(ctx context.Context, path string) <-chan *http.Response {
	s.r.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, nil)
	if err != nil {
		s.r.Fatal(err)
	}
	return later(func() *http.Response {
		resp, err := s.c.Do(req)
		if err != nil {
			if ctx.Err() == nil {
				s.r.Errorf("GET %s: %v", path, err)
			}
			return &http.Response{}
		}
		resp.Body.Close()
		return resp
	})
}

// wantQuiet checks a response that must not touch the browser's cookie.
func (s *shop) wantQuiet(resp *http.Response, status int) {
	s.r.Helper()
	if set := resp.Header.Values("Set-Cookie"); resp.StatusCode != status || len(set) != 0 {
		s.r.Errorf("got status %d and Set-Cookie %q, want %d and none", resp.StatusCode, set, status)
	}
}

// wantCart checks the browser's principal and its cart.
func (s *shop) wantCart(want string) {
	s.r.Helper()
	if _, got := s.get("/cart"); got != want {
		s.r.Errorf("the browser sees %q, want %q", got, want)
	}
}

// signal is something that happens once, and that others wait for.
type signal struct {
	once sync.Once
	c    chan struct{}
}

func newSignal() *signal { return &signal{c: make(chan struct{})} }
func (s *signal) give()  { s.once.Do(func() { close(s.c) }) }

// A client hangs up while its page is being made, or is being saved: its changes are
// saved all the same.
func TestI1_ClientThatHangsUpOnTheWire(t *testing.T) {
	for _, when := range []string{"in the handler", "during the save"} {
		t.Run(when, func(t *testing.T) {
			eachProtocol(t, func(t *testing.T, r *rig, http2 bool) {
				s := newShop(r, http2)
				s.get("/add?coat")
				here, gone, returned := newSignal(), newSignal(), newSignal()
				s.late = func(req *http.Request) {
					if when == "in the handler" {
						here.give()
					}
					go func() {
						defer gone.give()
						<-req.Context().Done()
					}()
					if when == "in the handler" {
						<-gone.c
					}
				}
				r.store.hook(func(c *call) fate {
					if isOp("update")(c) {
						here.give()
						<-gone.c
						returned.give()
					}
					return pass
				})
				ctx, hangUp := context.WithCancel(t.Context())
				defer hangUp()
				done := s.begin(ctx, "/add?hat")
				<-here.c
				hangUp()
				<-done
				<-returned.c
				r.await("the hat is in the cart", func() bool {
					_, got := s.get("/cart")
					return got == ": coat hat"
				})
			})
		})
	}
}

// While a visitor signs in, another request puts something into the cart. If it
// is told that this was saved, the cart has it after the sign-in; if not, it
// gets an error. In no case does it touch the new cookie.
func TestI9_LoginDuringASaveOnTheWire(t *testing.T) {
	t.Run("the save comes first", func(t *testing.T) {
		eachProtocol(t, func(t *testing.T, r *rig, http2 bool) {
			s := newShop(r, http2)
			s.get("/add?coat")
			retiring := r.store.hold(isOp("bury"))
			login := s.begin(t.Context(), "/login")
			<-retiring.reached
			resp, _ := s.get("/add?hat")
			s.wantQuiet(resp, 200)
			retiring.let(pass)
			if resp := <-login; resp.StatusCode != 200 || len(resp.Cookies()) != 1 {
				t.Errorf("the sign-in got status %d and cookies %v", resp.StatusCode, resp.Cookies())
			}
			s.wantCart("ann: coat hat")
		})
	})
	t.Run("the save comes last", func(t *testing.T) {
		eachProtocol(t, func(t *testing.T, r *rig, http2 bool) {
			s := newShop(r, http2)
			s.get("/add?coat")
			saving := r.store.hold(isOp("update"))
			adding := s.begin(t.Context(), "/add?hat")
			<-saving.reached
			s.get("/login")
			s.wantCart("ann: coat")
			saving.let(pass)
			s.wantQuiet(<-adding, 409)
			s.wantCart("ann: coat")
		})
	})
}

// A request that was sent with the token of before a sign-in is answered after
// it: it can't put another cookie in the place of the new one.
func TestI9_LateResponseOnTheWire(t *testing.T) {
	for _, when := range []string{"it has read its session", "it reads its session later"} {
		t.Run(when, func(t *testing.T) {
			eachProtocol(t, func(t *testing.T, r *rig, http2 bool) {
				s := newShop(r, http2)
				s.get("/add?coat")
				here, open := newSignal(), newSignal()
				wait := func(*http.Request) { here.give(); <-open.c }
				if s.early = wait; when == "it has read its session" {
					s.early, s.late = s.late, wait
				}
				adding := s.begin(t.Context(), "/add?hat")
				<-here.c
				s.get("/login")
				open.give()
				s.wantQuiet(<-adding, 409)
				s.wantCart("ann: coat")
			})
		})
	}
}

// Ten requests are under way with the old token when one more renews it, or when
// each of two does: all succeed, and the browser is left with a good token.
func TestI9_RenewalDuringTenRequestsOnTheWire(t *testing.T) {
	for _, renewals := range []int{1, 2} {
		t.Run(fmt.Sprint(renewals, " renewals"), func(t *testing.T) {
			eachProtocol(t, func(t *testing.T, r *rig, http2 bool) {
				const n = 10
				s := newShop(r, http2)
				s.get("/add?0")
				var here sync.WaitGroup
				here.Add(n)
				open := newSignal()
				s.late = func(*http.Request) { here.Done(); <-open.c }
				var adding []<-chan *http.Response
				for i := range n {
					adding = append(adding, s.begin(t.Context(), fmt.Sprint("/add?", i+1)))
				}
				here.Wait()
				here.Add(renewals)
				s.renewing = func(*http.Request) { here.Done(); here.Wait() } // all come with the old token
				var renewing []<-chan *http.Response
				for range renewals {
					renewing = append(renewing, s.begin(t.Context(), "/renew"))
				}
				cookies := 0
				for _, c := range renewing {
					resp := <-c
					cookies += len(resp.Cookies())
					if resp.StatusCode != 200 {
						t.Errorf("a renewal got status %d", resp.StatusCode)
					}
				}
				if cookies != 1 {
					t.Errorf("the renewals handed out %d tokens, want 1", cookies)
				}
				open.give()
				for _, c := range adding {
					s.wantQuiet(<-c, 200)
				}
				for _, when := range []string{"at once", "after the grace"} {
					_, got := s.get("/cart")
					if items := strings.Fields(strings.TrimPrefix(got, ": ")); len(items) != n+1 {
						t.Errorf("%s the browser sees %q, want %d things", when, got, n+1)
					}
					r.await("the first use of the new secret is noted", func() bool { return r.graceRuns() })
					r.clock.add(time.Minute + driver.ClockTolerance)
				}
			})
		})
	}
}

// graceRuns reports whether the grace of the previous secret of the browser's
// session has begun, or is over.
func (r *rig) graceRuns() bool {
	for rec, err := range r.m.Admin().Search(r.Context(), driver.Query{}) {
		if err != nil {
			r.Fatal(err)
		}
		if now, err := r.kept(rec.ID); err == nil && now.PreviousEnds.Before(r.clock.now().Add(time.Minute)) {
			return true
		}
	}
	return false
}
