package cloakroom_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of imports (invariant 15) against thieves of foreign cookies, and
// against applications and old stores that fail in odd ways.

// TestI15_PrincipalThatAsksForTheSession: it runs while the session is being read, and
// would wait for itself.
func TestI15_PrincipalThatAsksForTheSession(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var p *port
		asks := func(ctx context.Context) error {
			_, err := p.m.Session(ctx)
			if err == nil {
				t.Error("the session that is being imported is handed out")
			}
			_, err = p.m.Fresh(ctx)
			if err == nil {
				t.Error("another session takes the place of the one that is being imported")
			}
			return nil
		}
		p = newPort(t, func(c *cloakroom.Config) {
			c.Import.Principal = func(ctx context.Context, v cloakroom.Reader) (string, error) {
				return oldUser.Get(v), asks(ctx)
			}
		})
		p.arrives("ann", "full").wantSees("ann", "full")
	})
}

// TestI15_RenewStrictOfAnImport: others may know the foreign cookie, and so the first
// token. A strict renewal in the request that imports the session ends both.
func TestI15_RenewStrictOfAnImport(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPort(t, nil)
		v := p.arrives("ann", "full")
		thief := v.copy()
		late := v.copy()
		thief.wantSees("ann", "full") // it isn't known whose the first request is
		token := thief.copy()
		v.want(200, func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
			return s.RenewStrict(r.Context())
		})
		v.wantSees("ann", "full")
		token.wantSees("", "")
		late.wantSees("", "")

		p.lib.put("another", "user", `"cid"`) // so that bob's has an id of its own
		v = p.arrives("bob", "full")
		late = v.copy()
		v.want(200, renew)
		late.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			if s.Principal() != "bob" || s.Token() != "" {
				t.Errorf("a request of the same moment finds %q, and is told the token %.6q", s.Principal(), s.Token())
			}
			return nil
		})
		v.wantSees("bob", "full")
		p.clock.add(30*time.Second + driver.ClockTolerance)
		late.old = "s1.good"
		late.wantSees("", "")
		v.wantSees("bob", "full")
	})
}

// TestI15_SignOutBesideByAClientThatHangsUp: a sign-out is carried through.
func TestI15_SignOutBesideByAClientThatHangsUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPort(t, nil)
		v := p.arrives("ann", "hers")
		s := p.signedIn("bob")
		v.token = s.Token()
		again := v.copy()
		ctx, cancel := context.WithCancel(t.Context())
		req := v.request(ctx)
		req.AddCookie(&http.Cookie{Name: "old", Value: v.old})
		v.send(req, func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
			cancel()
			return s.Destroy(r.Context())
		})
		p.wantGrave(s.ID(), cloakroom.EndDestroyed)
		again.token = ""
		again.wantSees("", "")
	})
}

// TestI15_OldStoreThatHangsBeside: it holds nobody's sign-in or sign-out up for good.
func TestI15_OldStoreThatHangsBeside(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, what := range []string{"load", "retire"} {
			for name, f := range map[string]page{"sign-in": loginAs("bob", nil), "sign-out": logout} {
				p := newPort(t, nil)
				v := &immigrant{guest: p.guest()}
				v.want(200, put("mine"))
				both := p.arrives("ann", "hers")
				both.token = v.token
				again := &immigrant{guest: p.guest(), old: both.old}
				p.lib.hook(func(does string) error {
					if does == what {
						time.Sleep(time.Minute)
						return errors.New("down")
					}
					return nil
				})
				if w := both.do(f); w.Code != 200 {
					t.Errorf("%s while the old store hangs in %s: %d %s", name, what, w.Code, w.Body)
				}
				p.lib.hook(nil)
				again.wantSees("", "")
			}
		}
	})
}

// looseLibrary is an old library whose cookie is judged only when its session is read.
type looseLibrary struct{ *oldLibrary }

func (l looseLibrary) Find(r *http.Request) (t cloakroom.ForeignToken, err error) {
	c, err := r.Cookie("old")
	if err != nil {
		return t, cloakroom.ErrNotFound
	}
	var id string
	_, _ = fmt.Sscanf(c.Value, "%2s", &id)
	return cloakroom.ForeignToken{ID: id, Credential: c.Value}, nil
}

func (l looseLibrary) Load(ctx context.Context, t cloakroom.ForeignToken) (*cloakroom.ForeignSession, error) {
	if t.Credential != t.ID+".good" {
		return nil, cloakroom.ErrForged
	}
	return l.oldLibrary.Load(ctx, t)
}

// TestI15_WrongCookieBesideEndsNothing: whoever knows a foreign id alone can't sign its
// visitor out.
func TestI15_WrongCookieBesideEndsNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for name, f := range map[string]page{"sign-in": loginAs("eve", nil), "sign-out": logout} {
			p := newPort(t, func(c *cloakroom.Config) { c.Import.From = looseLibrary{c.Import.From.(*oldLibrary)} })
			v := p.arrives("ann", "full")
			eve := &immigrant{guest: p.guest()}
			eve.want(200, put("hers"))
			eve.old = v.oldID() + ".bad"
			eve.want(200, f)
			if v.do(look); v.token == "" {
				t.Errorf("eve's %s ends ann's session", name)
			}
			v.wantSees("ann", "full")
		}
	})
}

// TestI15_PrincipalThatFails: its errors are the application's, whatever they wrap, and
// cost no visitor the session.
func TestI15_PrincipalThatFails(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, c := range []struct {
			principal string
			err       error
			status    int
		}{
			{"a\x00", nil, 500},
			{"", errors.New("down"), 500},
			{"", fmt.Errorf("no user: %w", cloakroom.ErrNotFound), 500},
			{"", fmt.Errorf("no user: %w", cloakroom.ErrForged), 500},
			{"", fmt.Errorf("no user: %w", cloakroom.ErrRevoked), 500},
			{"", fmt.Errorf("no user: %w", cloakroom.ErrGone), 500},
			{"", fmt.Errorf("down: %w", cloakroom.ErrUnavailable), 503},
		} {
			fails := true
			p := newPort(t, func(cc *cloakroom.Config) {
				cc.Import.Principal = func(_ context.Context, v cloakroom.Reader) (string, error) {
					if fails {
						return c.principal, c.err
					}
					return oldUser.Get(v), nil
				}
			})
			v := p.arrives("ann", "full")
			old := v.old
			if w := v.do(look); w.Code != c.status {
				t.Errorf("%q, %v: got %d, want %d", c.principal, c.err, w.Code, c.status)
			}
			if v.old != old {
				t.Errorf("%q, %v: the foreign cookie is taken away", c.principal, c.err)
			}
			fails = false
			v.wantSees("ann", "full")
		}
	})
}

// TestI15_CookieThatFitsNoMore: the foreign cookie of a session that it can't open any
// more is taken away, and doesn't keep its visitor from saving for good.
func TestI15_CookieThatFitsNoMore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, c := range []struct {
			name  string
			first int // the answer to the first save
			f     func(p *port, v, late *immigrant)
		}{
			{"NotBefore", 200, func(p *port, v, late *immigrant) {
				p.clock.add(time.Hour)
				p.config.NotBefore = p.clock.now()
				late.m = p.another()
			}},
			{"renewed", 409, func(p *port, v, late *immigrant) {
				v.wantSees("ann", "full")
				v.want(200, renew)
				v.wantSees("ann", "full")
				p.clock.add(30*time.Second + driver.ClockTolerance)
				v.want(200, visit)
			}},
		} {
			p := newPort(t, nil)
			v := p.arrives("ann", "full")
			late := v.copy()
			v.wantSees("ann", "full")
			c.f(p, v, late)
			late.want(c.first, visit)
			late.want(200, visit)
		}
	})
}

// TestI15_OldStoreThatHangsInRetire: nobody's response waits for what is tried again.
func TestI15_OldStoreThatHangsInRetire(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPort(t, nil)
		v := p.arrives("ann", "full")
		p.lib.hook(func(what string) error {
			if what == "retire" {
				return errors.New("down")
			}
			return nil
		})
		v.wantSees("ann", "full")
		p.clock.add(5 * time.Minute)
		n := 0
		p.lib.hook(func(what string) error {
			if n++; n == 1 {
				time.Sleep(time.Second)
			}
			panic("the old store")
		})
		for range 3 {
			begin := time.Now()
			v.want(200, visit)
			if d := time.Since(begin); d > 100*time.Millisecond {
				t.Errorf("a response waits for the old store for %v", d)
			}
		}
		p.m.Close()
		if n != 1 {
			t.Errorf("%d requests try at a time", n)
		}
		v.m = p.another()
		p.lib.hook(nil)
		p.clock.add(time.Hour)
		v.want(200, visit)
		v.m.Close()
		if p.lib.has("s0") {
			t.Error("the old session isn't retired")
		}
	})
}

// TestI15_FailDuringAnImport: an error answers a request whose session another goroutine
// asks for. The race detector judges it.
func TestI15_FailDuringAnImport(t *testing.T) {
	p := newPort(t, nil)
	v := p.arrives("ann", "full")
	loading := make(chan struct{})
	p.lib.hook(func(what string) error {
		if what == "load" {
			close(loading)
		}
		return nil
	})
	req := v.request(t.Context())
	req.AddCookie(&http.Cookie{Name: "old", Value: v.old})
	w := httptest.NewRecorder()
	p.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asks sync.WaitGroup
		asks.Go(func() { _, _ = p.m.Session(r.Context()) })
		<-loading
		p.m.Fail(w, r, errors.New("too slow"))
		asks.Wait()
	})).ServeHTTP(w, req)
	if w.Code != 500 {
		t.Errorf("got %d", w.Code)
	}
}
