package cloakroom_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of imports (invariant 15): each foreign session becomes one of
// ours, once, whatever happens meanwhile.

func TestI15_Import(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPort(t, nil)
		v := p.arrives("ann", "full")
		id := v.oldID()
		v.wantSees("ann", "full")
		switch {
		case v.token == "":
			t.Fatal("the response handed out no token")
		case v.old != "":
			t.Error("the response left the old cookie")
		case p.lib.has(id):
			t.Error("the old session is still there")
		}
		v.wantSees("ann", "full")
		list, err := p.m.Admin().Sessions(t.Context(), "ann")
		if err != nil || len(list) != 1 {
			t.Errorf("ann's ledger has %d sessions (%v), want 1", len(list), err)
		}
		v.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			if !s.Authenticated().IsZero() {
				t.Error("the imported session says when ann proved who she is, which nobody knows")
			}
			return nil
		})
		v.want(200, loginAs("ann", nil))
		v.wantSees("ann", "full")
		v.want(200, logout)
		v.wantSees("", "")
	})
}

// TestI15_LostAnswer: the browser never got the response, and comes again with the old
// cookie, to another process, whose keys have been rotated.
func TestI15_LostAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPort(t, nil)
		v := p.arrives("ann", "full")
		lost := v.copy()
		v.wantSees("ann", "full")
		v.m = p.another()
		lost.m = p.another()
		lost.wantSees("ann", "full")
		if lost.token != v.token {
			t.Error("the second answer brings another token")
		}
		lost.wantSees("ann", "full")
	})
}

func TestI15_FirstRequestsOfOneMoment(t *testing.T) {
	p := newPort(t, nil)
	v := p.arrives("ann", "full")
	other := p.another()
	var all sync.WaitGroup
	// Of more saves at once the outcome is unknown where the store doesn't vouch for its
	// answers.
	visitors := make([]*immigrant, 6)
	for n := range visitors {
		visitors[n] = v.copy()
		if n%2 == 1 {
			visitors[n].m = other
		}
		all.Go(func() { visitors[n].want(200, visit) })
	}
	all.Wait()
	for _, w := range visitors {
		if w.token == "" || w.token != visitors[0].token {
			t.Errorf("the requests were given the tokens %.10q… and %.10q…", w.token, visitors[0].token)
		}
	}
	v.token, v.old = visitors[0].token, ""
	v.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		if visits.Get(s) != len(visitors) || basket.Get(s) != "full" {
			t.Errorf("%d visits of %d were saved, cart %q", visits.Get(s), len(visitors), basket.Get(s))
		}
		return nil
	})
}

// TestI15_LateForeignCookie: requests that the browser sent with the old cookie before it
// had the token, and somebody who kept the old cookie.
func TestI15_LateForeignCookie(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPort(t, nil)
		v := p.arrives("ann", "full")
		thief := v.copy()
		late := v.copy()
		v.wantSees("ann", "full")
		v.wantSees("ann", "full") // presents the token
		late.want(200, func(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
			if s.Token() != "" {
				t.Error("a late request is told the token")
			}
			p.wantErr("Login", s.Login(r.Context(), "ann", nil), cloakroom.ErrConflict)
			return visit(w, r, s)
		})
		if late.token != "" {
			t.Error("a late request got a token")
		}
		v.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			if visits.Get(s) != 1 {
				t.Errorf("the late request's save is lost: %d visits", visits.Get(s))
			}
			return nil
		})
		p.clock.add(30*time.Second + driver.ClockTolerance)
		thief.want(409, func(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
			if s.Principal() != "" || basket.Get(s) != "" {
				t.Error("the old cookie still opens the session")
			}
			return visit(w, r, s)
		})
		if thief.token != "" {
			t.Error("it begins a session")
		}
		v.wantSees("ann", "full")
		thief.want(200, visit) // its cookie has been taken away
	})
}

// TestI15_LateForeignCookieAfterARenewal: an old process has set the foreign cookie once
// more, and the session's first secret has long been replaced.
func TestI15_LateForeignCookieAfterARenewal(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPort(t, nil)
		v := p.arrives("ann", "full")
		late := v.copy()
		v.wantSees("ann", "full")
		v.want(200, func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error { return s.Renew(r.Context()) })
		v.wantSees("ann", "full") // presents the new token
		p.clock.add(2 * time.Hour)
		late.want(409, visit)
		late.want(200, visit) // its cookie has been taken away
		v.wantSees("ann", "full")
	})
}

// TestI15_LostAnswerOfASignIn: the request that imports signs in, and its answer is lost.
// The visitor looks at the form again before signing in once more.
func TestI15_LostAnswerOfASignIn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPort(t, nil)
		v := p.arrives("", "full")
		v.copy().want(200, loginAs("ann", nil))
		p.clock.add(time.Minute)
		v.want(200, look)
		v.want(200, loginAs("ann", nil))
		v.wantSees("ann", "full")
		if list, err := p.m.Admin().Sessions(t.Context(), "ann"); err != nil || len(list) != 1 {
			t.Errorf("ann has %d sessions (%v), want 1: that of the lost answer was to be replaced", len(list), err)
		}
		v.wantSees("ann", "full")
		if v.old != "" {
			t.Error("the foreign cookie stays")
		}
	})
}

// TestI15_NotTwice: what ended stays ended, for as long as there are imports.
func TestI15_NotTwice(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, end := range []struct {
			name string
			f    func(p *port, v *immigrant)
		}{
			{"signed out", func(p *port, v *immigrant) { v.want(200, logout) }},
			{"left alone", func(p *port, v *immigrant) {}},
			{"signed out everywhere", func(p *port, v *immigrant) {
				if err := p.m.Admin().RevokeAll(p.Context(), "ann"); err != nil {
					t.Fatal(err)
				}
			}},
		} {
			p := newPort(t, nil)
			v := p.arrives("ann", "full")
			id := v.oldID()
			v.wantSees("ann", "full")
			v.wantSees("ann", "full")
			end.f(p, v)
			for day := range 80 {
				p.clock.add(24 * time.Hour)
				if _, err := p.store.Sweep(t.Context(), p.clock.now()); err != nil {
					t.Fatal(err)
				}
				p.lib.put(id, "user", `"ann"`) // an old process, or a backup
				again := &immigrant{guest: p.guest(), old: id + ".good"}
				again.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
					if s.Principal() != "" {
						t.Errorf("%s: day %d: the old cookie brings ann back", end.name, day+1)
					}
					return nil
				})
			}
		}
	})
}

func TestI15_SignedOutEverywhereBefore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		everywhere := func(p *port) {
			if err := p.m.Admin().RevokeAll(t.Context(), "ann"); err != nil {
				t.Error(err)
			}
		}
		p := newPort(t, nil)
		v := p.arrives("ann", "full")
		id := v.oldID()
		again := v.copy()
		everywhere(p)
		p.clock.add(60 * 24 * time.Hour) // longer than any session lives
		if _, err := p.store.Sweep(t.Context(), p.clock.now()); err != nil {
			t.Fatal(err)
		}
		v.wantSees("", "")
		again.wantSees("", "")
		if p.lib.has(id) {
			t.Error("the old session is still there")
		}

		p = newPort(t, nil)
		v = p.arrives("ann", "full")
		p.lib.hook(func(what string) error {
			if what == "load" {
				everywhere(p)
			}
			return nil
		})
		v.wantSees("", "")
		p.lib.hook(nil)

		p = newPort(t, nil)
		v = p.arrives("ann", "full")
		p.lib.hook(func(what string) error {
			if what == "retire" {
				everywhere(p)
			}
			return nil
		})
		v.do(look) // its answer doesn't matter
		p.lib.hook(nil)
		v.wantSees("", "")
	})
}

// TestI15_AtTheLimit: a session that is being imported is in the ledger before it is in
// the store, and a sign-in over the limit doesn't take it for a lost one.
func TestI15_AtTheLimit(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPort(t, func(c *cloakroom.Config) { c.MaxPerPrincipal = 1 })
		v := p.arrives("ann", "full")
		other := p.guest()
		other.want(200, visit)
		once := false
		p.store.hook(func(c *call) fate {
			if c.op == "create" && c.id.Layout() == driver.LayoutImport && !once {
				once = true
				other.want(200, loginAs("ann", nil))
			}
			return pass
		})
		v.wantSees("ann", "full")
		v.wantSees("ann", "full")
	})
}

func TestI15_NotBefore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPort(t, nil)
		v := p.arrives("ann", "full")
		v.wantSees("ann", "full")
		p.clock.add(time.Hour)
		p.config.NotBefore = p.clock.now()
		v.m = p.another()
		v.wantSees("", "")
		old, recent := p.arrives("ann", "full"), p.arrives("bob", "full")
		p.lib.sessions[recent.oldID()].created = p.clock.now()
		old.m, recent.m = v.m, v.m
		old.wantSees("", "")
		recent.wantSees("bob", "full")
		recent.wantSees("bob", "full")
	})
	inBubble(t, func(t *testing.T) { // of a session whose token got lost
		p := newPort(t, nil)
		v := p.arrives("ann", "full")
		v.copy().wantSees("ann", "full")
		p.clock.add(time.Hour)
		p.config.NotBefore = p.clock.now()
		v.m = p.another()
		v.want(200, visit)
		v.wantSees("", "")
		if v.old != "" || v.token == "" {
			t.Error("the visitor is no stranger, who begins anew")
		}
	})
}

func TestI15_EndOfImports(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPort(t, func(c *cloakroom.Config) { c.IdleTimeout = -1 })
		first, second, third := p.arrives("ann", "full"), p.arrives("bob", "full"), p.arrives("cid", "full")
		first.wantSees("ann", "full")
		end := p.config.Import.Until
		move := func(to time.Time) *cloakroom.Manager {
			im := *p.config.Import
			im.Until = to
			p.config.Import = &im
			return p.another()
		}
		later := move(end.Add(24 * time.Hour))
		report, err := later.Admin().Report(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(report.Problems, func(p driver.Problem) bool { return p.Code == "import-until" }) {
			t.Errorf("the end was moved to a later time, and Report doesn't say so: %v", report.Problems)
		}
		early := p.clock.now().Add(24 * time.Hour)
		second.m = move(early)
		second.wantSees("bob", "full")
		p.clock.add(25 * time.Hour)
		for _, m := range []*cloakroom.Manager{p.m, later, second.m} {
			third.m = m
			third.wantSees("", "")
		}
		second.m = later
		second.wantSees("bob", "full")
	})
}

// TestI15_OutageOfTheOldStore: an outage is not a sign-out.
func TestI15_OutageOfTheOldStore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPort(t, nil)
		v := p.arrives("ann", "full")
		p.lib.hook(func(string) error { return errors.New("down") })
		old := v.old
		v.want(503, look)
		if v.token != "" || v.old != old {
			t.Error("the outage cost the visitor the cookie")
		}
		p.lib.hook(nil)
		v.wantSees("ann", "full")
	})
}

// TestI15_FaultsOfAnImport: each write of an import fails, in each way; the visitor comes
// again.
func TestI15_FaultsOfAnImport(t *testing.T) {
	t.Parallel()
	for _, f := range []fate{lost, dropped, delayed, denied} {
		for n := range 4 {
			runInBubble(t, fmt.Sprint(f, " write ", n), func(t *testing.T) {
				p := newPort(t, nil)
				v := p.arrives("ann", "full")
				i := -1
				p.store.hook(func(c *call) fate {
					if isWrite(c) {
						if i++; i == n {
							return f
						}
					}
					return pass
				})
				again := v.copy()
				v.do(look)
				p.store.heal()
				p.store.deliver()
				again.m = p.another()
				again.wantSees("ann", "full")
				again.wantSees("ann", "full")
				list, err := p.m.Admin().Sessions(t.Context(), "ann")
				if err != nil || len(list) != 1 {
					t.Errorf("ann's ledger has %d sessions (%v), want 1", len(list), err)
				}
			})
		}
	}
}

// TestForeignCookieOfOurName: the old cookie has the name of ours. What takes it away must
// not take ours.
func TestForeignCookieOfOurName(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPort(t, func(c *cloakroom.Config) { c.Transport = cloakroom.Cookie{Name: "old", Insecure: true} })
		v := p.arrives("ann", "full")
		var refused int
		value := v.old
		for range 3 {
			req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			req.AddCookie(&http.Cookie{Name: "old", Value: value})
			w := httptest.NewRecorder()
			p.m.With(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				if s.Principal() != "ann" {
					refused++
				}
				return nil
			}).ServeHTTP(w, req)
			for _, k := range w.Result().Cookies() { // as a browser: the last one stays
				value = k.Value
			}
		}
		if refused > 0 || value == "" {
			t.Errorf("ann was a stranger %d times, and has the cookie %q", refused, value)
		}
	})
}

func TestImportConfig(t *testing.T) {
	for _, c := range []struct {
		name string
		im   cloakroom.Import
		want string
	}{
		{"no importer", cloakroom.Import{Until: time.Now().Add(time.Hour)}, "From is nil"},
		{"no end", cloakroom.Import{From: newOldLibrary()}, "Until isn't set"},
		{"an end too far", cloakroom.Import{From: newOldLibrary(), Until: time.Now().Add(401 * 24 * time.Hour)}, "400 days"},
	} {
		_, err := cloakroom.New(openStore(t), testKeyring(t), &cloakroom.Config{Import: &c.im, SweepEvery: -1})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.want)
		}
	}
}
