package cloakroom_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of the gate: a sign-in, a renewal or a first save in a handler
// whose response an http.TimeoutHandler inside of Manager.Handler has begun, or is
// about to.

// pipes is a network in memory, on which fake time goes on.
type pipes struct {
	conns chan net.Conn
	done  *signal
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done.c:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.done.give(); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// impatience is when the rig's server answers in a handler's place.
const impatience = time.Second

// hurried is a guest of a server that answers after impatience, even if the handler
// isn't done. It belongs to a bubble.
type hurried struct {
	*guest
	f page
	c http.Client
	// told is given by the handler when it returns.
	told chan error
}

func (r *rig) hurried(g *guest, auto bool) *hurried {
	h := &hurried{guest: g, told: make(chan error, 1)}
	var handler http.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		s, err := r.m.Session(req.Context())
		if err == nil {
			err = h.f(w, req, s)
		}
		h.told <- err
	})
	if auto {
		handler = r.m.AutoSave(handler)
	}
	net := &pipes{make(chan net.Conn), newSignal()}
	srv := &http.Server{Handler: r.m.Handler(http.TimeoutHandler(handler, impatience, "too slow"))}
	go srv.Serve(net)
	r.Cleanup(func() { srv.Close() })
	h.c.Transport = &http.Transport{DialContext: net.dial, DisableKeepAlives: true}
	return h
}

// ask makes a request beside the test, and keeps the token that comes back.
func (h *hurried) ask(f page) <-chan *http.Response {
	h.f = f
	req := h.request(context.Background())
	req.RequestURI, req.URL.Scheme, req.URL.Host = "", "http", "shop.test"
	return later(func() *http.Response {
		resp, err := h.c.Do(req)
		if err != nil {
			h.r.Errorf("no response: %v", err)
			return &http.Response{}
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		for _, c := range resp.Cookies() {
			h.mu.Lock()
			h.token = c.Value
			h.mu.Unlock()
		}
		return resp
	})
}

// telling is an operation that makes a token which the response has to tell.
type telling struct {
	name   string
	save   cloakroom.SaveMode
	auto   bool    // in AutoSave
	signed bool    // the visitor is signed in before
	stored bool    // or has a session
	op     matcher // the first that changes anything
	do     func(*rig) page
}

func tellings() (all []telling) {
	is := func(p page) func(*rig) page { return func(*rig) page { return p } }
	save := func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
		visits.Set(s, 7)
		return s.Save(req.Context())
	}
	update := func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
		return s.Update(req.Context(), func(tx *cloakroom.Tx) error { visits.Set(tx, 7); return nil })
	}
	set := func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		visits.Set(s, 7)
		return s.Err()
	}
	fresh := func(r *rig) page {
		return func(w http.ResponseWriter, req *http.Request, _ *cloakroom.Session) error {
			s, err := r.m.Fresh(req.Context())
			if err != nil {
				return err
			}
			return save(w, req, s)
		}
	}
	create, login := isOp("create"), is(loginAs("ann", nil))
	for _, mode := range []cloakroom.SaveMode{cloakroom.SaveOnce, cloakroom.SaveEach, cloakroom.SaveManual} {
		first := is(save)
		if mode == cloakroom.SaveEach {
			first = is(set)
		}
		for _, c := range []telling{
			{name: "first save", op: create, do: first},
			{name: "first save by Update", op: create, do: is(update)},
			{name: "first save after Fresh", stored: true, op: create, do: fresh},
			{name: "Login", stored: true, op: create, do: login},
			{name: "Login, at the ledger", stored: true, op: isLedger("create"), do: login},
			{name: "Login, at the old session", stored: true, op: isOp("bury"), do: login},
			{name: "Login without a session", op: create, do: login},
			{name: "Login once more", signed: true, op: create, do: login},
			{name: "Renew", signed: true, op: isOp("update"), do: is(renew)},
		} {
			c.save = mode
			c.name += [...]string{" in SaveOnce", " in SaveEach", " in SaveManual"}[mode]
			all = append(all, c)
		}
	}
	return append(all, telling{name: "first save in AutoSave", save: cloakroom.SaveManual, auto: true, op: create, do: is(save)})
}

// visitor makes the guest that a telling begins with, and the session that it has.
func (c *telling) visitor(t *testing.T) (*rig, *hurried, *cloakroom.Session) {
	r := newRig(t, &cloakroom.Config{Save: c.save})
	g := r.guest()
	var s *cloakroom.Session
	if c.signed || c.stored {
		s = r.stored(3)
		if c.signed {
			if err := s.Login(t.Context(), "ann", nil); err != nil {
				t.Fatal(err)
			}
			r.open(s) // it has been used
			if err := s.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		g = r.as(s)
	}
	r.store.since()
	return r, r.hurried(g, c.auto), s
}

// If the response comes first, nothing is done, and the handler is told.
func TestI7I9_ToldThatItIsTooLate(t *testing.T) {
	for _, c := range tellings() {
		for _, when := range []string{"after the response", "at its first read"} {
			if when == "at its first read" && !strings.HasPrefix(c.name, "Login") {
				continue // it has none, or its store tells no more than that
			}
			runInBubble(t, c.name+", "+when, func(t *testing.T) {
				r, h, before := c.visitor(t)
				token := h.token
				answered := newSignal()
				read := &gate{reached: answered.c}
				if when == "at its first read" {
					read = r.store.hold(isLedger("get"))
				}
				resp := h.ask(func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
					if read.open == nil {
						<-answered.c
					} else { // or the read ends with the request
						req = req.WithContext(context.WithoutCancel(req.Context()))
					}
					return c.do(r)(w, req, s)
				})
				if got := <-resp; got.StatusCode != http.StatusServiceUnavailable || len(got.Cookies()) != 0 {
					t.Errorf("got status %d with cookies %v", got.StatusCode, got.Cookies())
				}
				answered.give()
				if read.open != nil {
					<-read.reached
					read.let(pass)
				}
				r.wantErr(c.name, <-h.told, cloakroom.ErrTooLate)
				synctest.Wait()
				if ops := r.store.since(); strings.ContainsAny(ops, "cu") { // create, update, bury
					t.Errorf("the store was asked to do %s", ops)
				}
				for rec, err := range r.m.Admin().Search(t.Context(), driver.Query{}) {
					if err != nil || before == nil || rec.ID != before.ID() {
						t.Errorf("a session that nobody has a token of: %v, %v", rec, err)
					}
				}
				if h.token != token {
					t.Error("the client has another token")
				}
				if before != nil {
					r.wantVisits(before.ID(), 3)
					r.wantOpen("as nothing was done", token, true)
				}
				if !c.signed {
					r.wantDevices("ann")
				}
			})
		}
	}
}

// A response that begins later waits until the operation has ended, and tells its
// token. If the operation fails, no cookie tells it.
func TestI7I9_ResponseWaitsForWhatItTells(t *testing.T) {
	for _, c := range tellings() {
		for _, fails := range []bool{false, true} {
			runInBubble(t, c.name+map[bool]string{false: ", done", true: ", failed"}[fails], func(t *testing.T) {
				r, h, before := c.visitor(t)
				token := h.token
				op := r.store.hold(c.op)
				resp := h.ask(c.do(r))
				<-op.reached
				time.Sleep(2 * impatience)
				synctest.Wait()
				select {
				case got := <-resp:
					t.Fatalf("the response, %d with cookies %v, didn't wait", got.StatusCode, got.Cookies())
				default:
				}
				if fails {
					r.store.answer(isWrite, errFull)
					op.let(dropped)
				} else {
					op.let(pass)
				}
				got, err := <-resp, <-h.told
				r.store.heal()
				if got.StatusCode != http.StatusServiceUnavailable {
					t.Errorf("got status %d", got.StatusCode)
				}
				if fails {
					if err == nil || len(got.Cookies()) != 0 || h.token != token {
						t.Errorf("the handler was told %v, the client %v", err, got.Cookies())
					}
					return
				}
				if err != nil || len(got.Cookies()) != 1 || h.token == token {
					t.Errorf("the handler was told %v, the client %v", err, got.Cookies())
				}
				s := r.openBy(r.m, h.token)
				want := map[bool]int{true: 3, false: 7}[strings.HasPrefix(c.name, "Login") || c.signed]
				if before == nil && want == 3 {
					want = 0
				}
				if got := visits.Get(s); got != want {
					t.Errorf("the client's token opens a session with %d visits, want %d", got, want)
				}
				if who := s.Principal(); (who == "ann") != (want != 7) {
					t.Errorf("the client is %q", who)
				}
			})
		}
	}
}

// A function of Events may not write the response, whose beginning waits for that
// function. If it does, nothing is stuck: the response fails, and the handler isn't
// told nil.
func TestI7I9_EventThatWritesTheResponse(t *testing.T) {
	save := func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
		visits.Set(s, 1)
		return s.Save(req.Context())
	}
	for name, c := range map[string]struct {
		do   page
		save cloakroom.SaveMode
		late bool // it is the response itself that saves
	}{
		"SignedIn":                {do: loginAs("ann", nil)},
		"SignedIn in SaveManual":  {do: loginAs("ann", nil), save: cloakroom.SaveManual},
		"Renewed":                 {do: renew},
		"Created":                 {do: save},
		"Created by the response": {do: visit, late: true},
	} {
		for _, fail := range []bool{false, true} {
			runInBubble(t, name+map[bool]string{false: ", Write", true: ", Fail"}[fail], func(t *testing.T) {
				var write func()
				told := func(context.Context, cloakroom.Info) { write() }
				var events cloakroom.Events
				r := newRig(t, &cloakroom.Config{Save: c.save, SaveTimeout: time.Second, Events: &events})
				g := r.guest()
				if name == "Renewed" {
					g = r.as(r.signedIn("ann"))
				}
				events.SignedIn, events.Renewed, events.Created = told, told, told
				began := time.Now()
				var err error
				w := g.do(func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
					write = func() {
						if fail {
							r.m.Fail(w, req, errors.New("broken"))
						} else if _, err := io.WriteString(w, "hello"); err == nil {
							t.Error("it wrote")
						}
					}
					err = c.do(w, req, s)
					return err
				})
				if took := time.Since(began); took > 4*time.Second {
					t.Errorf("it was stuck for %v", took)
				}
				if c.late {
					if w.Code != http.StatusOK || g.token == "" {
						t.Errorf("got status %d and the token %q", w.Code, g.token)
					}
					return
				}
				r.wantErr("the handler", err, cloakroom.ErrTooLate, cloakroom.ErrUnknown, cloakroom.ErrUnavailable)
				if want := map[bool]int{false: http.StatusServiceUnavailable, true: http.StatusInternalServerError}[fail]; w.Code != want {
					t.Errorf("got status %d, want %d", w.Code, want)
				}
			})
		}
	}
}

// A handler that panics while another goroutine of its signs in: that isn't told nil.
func TestI7I9_PanicDuringALogin(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		op := r.store.hold(isOp("create"))
		var told <-chan error
		func() {
			defer func() { recover() }()
			r.guest().do(func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
				told = later(func() error { return s.Login(req.Context(), "ann", nil) })
				<-op.reached
				panic("a handler's")
			})
		}()
		op.let(pass)
		r.wantErr("Login", <-told, cloakroom.ErrTooLate, cloakroom.ErrUnknown)
	})
}

// A panic of the store releases the response.
func TestI7I9_StoreThatPanics(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		began := time.Now()
		g := r.as(r.stored(1))
		panicsOnce(r.store, isOp("create"))
		token := g.token
		g.want(503, func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			visits.Update(s, plusOne) // goes along, and so isn't to be claimed
			defer func() { recover() }()
			return s.Login(req.Context(), "ann", nil)
		})
		if g.token != token || time.Since(began) > 0 {
			t.Errorf("the client has %q, after %v", g.token, time.Since(began))
		}
	})
}

// panicsOnce has the store panic at the next operation that matches.
func panicsOnce(store *faulty, match matcher) {
	var once sync.Once
	store.hook(func(c *call) fate {
		if match(c) {
			once.Do(func() { panic("the store's") })
		}
		return pass
	})
}

// What the response itself panics of was taken along, and is lost with it. Whoever recovers
// from that and answers must not claim it.
func TestI7_PanicOfTheSaveBeforeTheFirstByte(t *testing.T) {
	for _, name := range []string{"update", "create"} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := newRig(t, nil)
				g := r.guest()
				if name == "update" {
					g = r.as(r.stored(1))
				}
				panicsOnce(r.store, isOp(name))
				g.want(503, func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
					visits.Update(s, plusOne)
					func() {
						defer func() { recover() }()
						io.WriteString(w, "first")
					}()
					_, err := io.WriteString(w, "second")
					r.wantErr("writing", err, cloakroom.ErrUnknown, cloakroom.ErrUnavailable)
					return err
				})
			})
		})
	}
}

// A session that Manager.Fresh has put another in the place of is the client's no more.
func TestI7I9_LoginOfASessionThatFreshReplaced(t *testing.T) {
	r := newRig(t, nil)
	g := r.as(r.stored(3))
	token := g.token
	g.want(200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
		if _, err := r.m.Fresh(req.Context()); err != nil {
			return err
		}
		r.wantErr("Login", s.Login(req.Context(), "ann", nil), cloakroom.ErrTooLate)
		r.wantErr("Renew", s.Renew(req.Context()), cloakroom.ErrTooLate)
		return nil
	})
	if g.token != token {
		t.Error("the client has another token")
	}
	r.wantOpen("as nothing was done", token, true)
}
