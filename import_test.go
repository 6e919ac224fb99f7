package cloakroom_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of imports (invariant 15): each foreign session becomes one of
// ours, once, whatever happens meanwhile.

// oldLibrary is another library with its store: sessions with versions, whose cookie is
// an id and a signature.
type oldLibrary struct {
	mu       sync.Mutex
	sessions map[string]*oldSession
	before   func(what string) error // called before each operation; nil: nothing
}

type oldSession struct {
	version  int
	values   map[string]json.RawMessage
	created  time.Time
	deadline time.Time
}

func newOldLibrary() *oldLibrary { return &oldLibrary{sessions: map[string]*oldSession{}} }

// put makes a session, or changes one, as a process of the old library does.
func (l *oldLibrary) put(id, name, value string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sessions[id]
	if s == nil {
		s = &oldSession{values: map[string]json.RawMessage{}}
		l.sessions[id] = s
	}
	s.version++
	s.values = maps.Clone(s.values)
	s.values[name] = json.RawMessage(value)
}

// end ends a session, as a sign-out of the old library does.
func (l *oldLibrary) end(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.sessions, id)
}

func (l *oldLibrary) has(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sessions[id] != nil
}

func (l *oldLibrary) hook(f func(what string) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.before = f
}

func (l *oldLibrary) begin(what string) error {
	l.mu.Lock()
	f := l.before
	l.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(what)
}

func (l *oldLibrary) Name() string { return "old" }

func (l *oldLibrary) Find(r *http.Request) (t cloakroom.ForeignToken, err error) {
	c, err := r.Cookie("old")
	if err != nil {
		return t, cloakroom.ErrNotFound
	}
	id, sum, _ := strings.Cut(c.Value, ".")
	if sum != "good" {
		return t, fmt.Errorf("the cookie's signature: %w", cloakroom.ErrForged)
	}
	return cloakroom.ForeignToken{ID: id, Credential: c.Value}, nil
}

func (l *oldLibrary) Load(_ context.Context, t cloakroom.ForeignToken) (*cloakroom.ForeignSession, error) {
	if err := l.begin("load"); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sessions[t.ID]
	if s == nil {
		return nil, cloakroom.ErrNotFound
	}
	return &cloakroom.ForeignSession{Version: fmt.Sprint(s.version), Values: s.values, Created: s.created, Deadline: s.deadline}, nil
}

func (l *oldLibrary) Retire(_ context.Context, t cloakroom.ForeignToken, version string) error {
	if err := l.begin("retire"); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sessions[t.ID]
	switch {
	case s == nil:
		return cloakroom.ErrNotFound
	case fmt.Sprint(s.version) != version:
		return cloakroom.ErrConflict
	}
	delete(l.sessions, t.ID)
	return nil
}

func (l *oldLibrary) Forget(h http.Header) {
	h.Add("Set-Cookie", (&http.Cookie{Name: "old", MaxAge: -1}).String())
}

// immigrant is a browser that has the old library's cookie.
type immigrant struct {
	*guest
	old string
}

func (i *immigrant) do(f page) *httptest.ResponseRecorder {
	req := i.request(context.Background())
	if i.old != "" {
		req.AddCookie(&http.Cookie{Name: "old", Value: i.old})
	}
	w := i.send(req, f)
	for _, c := range w.Result().Cookies() {
		if c.Name == "old" && c.MaxAge < 0 {
			i.old = ""
		}
	}
	return w
}

func (i *immigrant) want(status int, f page) {
	i.r.Helper()
	if w := i.do(f); w.Code != status {
		i.r.Errorf("got status %d %q, want %d", w.Code, w.Body, status)
	}
}

// wantSees checks what a request finds: the principal, the cart.
func (i *immigrant) wantSees(principal, cart string) {
	i.r.Helper()
	i.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		if s.Principal() != principal || basket.Get(s) != cart {
			i.r.Errorf("the request finds %q with the cart %q, want %q with %q", s.Principal(), basket.Get(s), principal, cart)
		}
		return nil
	})
}

// copy returns another browser in the same state.
func (i *immigrant) copy() *immigrant {
	return &immigrant{guest: &guest{r: i.r, m: i.m, token: i.token}, old: i.old}
}

var oldUser = cloakroom.NewKey[string]("user")

// port is where immigrants arrive: a rig whose managers import from an old library.
type port struct {
	*rig
	lib    *oldLibrary
	config cloakroom.Config
}

func newPort(t *testing.T, change func(*cloakroom.Config)) *port {
	t.Helper()
	p := &port{lib: newOldLibrary()}
	p.config.Import = &cloakroom.Import{
		From: p.lib, Until: time.Now().Add(90 * 24 * time.Hour),
		Principal: func(_ context.Context, v cloakroom.Reader) (string, error) { return oldUser.Get(v), nil },
	}
	if change != nil {
		change(&p.config)
	}
	p.rig = newRig(t, &p.config)
	return p
}

// another is one more process.
func (p *port) another() *cloakroom.Manager {
	p.Helper()
	return p.manager(&p.config)
}

// arrives is a browser with an old session: of a user if that isn't "", and with a cart.
func (p *port) arrives(user, cart string) *immigrant {
	id := fmt.Sprint("s", len(p.lib.sessions))
	p.lib.put(id, "basket", fmt.Sprintf("%q", cart))
	if user != "" {
		p.lib.put(id, "user", fmt.Sprintf("%q", user))
	}
	return &immigrant{guest: p.guest(), old: id + ".good"}
}

func (i *immigrant) oldID() string {
	id, _, _ := strings.Cut(i.old, ".")
	return id
}

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

func TestI15_BesideOurToken(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, how := range []struct {
			name string
			f    page
		}{{"sign-out", logout}, {"sign-in", loginAs("bob", nil)}} {
			p := newPort(t, nil)
			v := &immigrant{guest: p.guest()}
			v.want(200, put("mine"))
			both := p.arrives("ann", "hers")
			id := both.oldID()
			both.token = v.token
			stays := both.copy()
			both.wantSees("", "mine")
			if !p.lib.has(id) {
				t.Errorf("%s: the old session was imported beside a token that opens a session", how.name)
			}
			stays.want(200, how.f)
			if p.lib.has(id) {
				t.Errorf("%s: the old session is still there", how.name)
			}
			p.lib.put(id, "user", `"ann"`) // as if it couldn't be ended
			again := &immigrant{guest: p.guest(), old: id + ".good"}
			again.wantSees("", "")
		}
	})
}

// TestI15_BesideOurTokenForged: whoever signs out beside a cookie that verifies, and isn't
// the session's own, doesn't end that session.
func TestI15_BesideOurTokenForged(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPort(t, nil)
		v := p.arrives("ann", "hers")
		forger := v.copy()
		forger.token = p.signedIn("bob").Token()
		p.lib.hook(func(what string) error {
			if what == "load" {
				return fmt.Errorf("the session has another cookie: %w", cloakroom.ErrForged)
			}
			return nil
		})
		forger.want(200, logout)
		p.lib.hook(nil)
		v.wantSees("ann", "hers")
	})
}

// hanging is an old library whose store doesn't answer.
type hanging struct{ *oldLibrary }

func (hanging) Load(ctx context.Context, _ cloakroom.ForeignToken) (*cloakroom.ForeignSession, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestI15_BesideOurTokenHangs: who signs in or out beside a foreign cookie doesn't need the
// old library's store for it.
func TestI15_BesideOurTokenHangs(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for name, f := range map[string]page{"sign-out": logout, "sign-in": loginAs("bob", nil)} {
			p := newPort(t, nil)
			v := p.arrives("ann", "hers")
			again := v.copy()
			v.token = p.signedIn("cid").Token()
			im := *p.config.Import
			im.From = hanging{p.lib}
			p.config.Import = &im
			v.m = p.another()
			if w := v.do(f); w.Code != 200 {
				t.Errorf("%s: got status %d %q, want 200", name, w.Code, w.Body)
			}
			again.wantSees("", "")
		}
	})
}

// TestI15_OurTokenCanNotBeRead: an outage is not an import.
func TestI15_OurTokenCanNotBeRead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPort(t, nil)
		v := p.arrives("ann", "hers")
		s := p.signedIn("bob")
		v.token = s.Token()
		p.store.answer(isOn("get", s.ID()), errors.New("down"))
		v.want(503, look)
		p.store.heal()
		v.wantSees("bob", "")
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

// TestI15_WrittenMeanwhile: an old process goes on writing until the old session is
// retired, and the new one is in use already.
func TestI15_WrittenMeanwhile(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPort(t, nil)
		v := p.arrives("ann", "full")
		id := v.oldID()
		peer := v.copy()
		n := 0
		p.lib.hook(func(what string) error {
			if what != "retire" {
				return nil
			}
			if n++; n <= 3 {
				p.lib.put(id, fmt.Sprint("late", n), fmt.Sprint(n))
			}
			if n == 2 {
				peer.want(200, put("emptied"))
			}
			return nil
		})
		v.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			for n := 1; n <= 3; n++ {
				if raw, _ := s.Raw(fmt.Sprint("late", n)); string(raw) != fmt.Sprint(n) {
					t.Errorf("late%d is %s", n, raw)
				}
			}
			if basket.Get(s) != "emptied" {
				t.Errorf("the cart is %q: what the old library didn't change has to stay", basket.Get(s))
			}
			return nil
		})
		if p.lib.has(id) {
			t.Error("the old session is still there")
		}
	})
}

// TestI15_RetirementFails: it fails nothing, and is tried again.
func TestI15_RetirementFails(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPort(t, nil)
		v := p.arrives("ann", "full")
		id := v.oldID()
		down := true
		p.lib.hook(func(what string) error {
			if what == "retire" && down {
				return errors.New("down")
			}
			return nil
		})
		v.wantSees("ann", "full")
		var session cloakroom.ID
		v.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error { session = s.ID(); return nil })
		if !p.lib.has(id) {
			t.Fatal("it was retired")
		}
		p.lib.put(id, "late", `1`)
		down = false
		p.clock.add(5 * time.Minute) // the process that imported it has given up
		v.wantSees("ann", "full")    // a touch is due
		synctest.Wait()
		if p.lib.has(id) {
			t.Error("the old session isn't retired")
		}
		v.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			if raw, _ := s.Raw("late"); string(raw) != "1" {
				t.Errorf("what was written to it meanwhile is lost: %s", raw)
			}
			return nil
		})
		if err := p.m.Close(); err != nil { // waits for what nobody waits for
			t.Fatal(err)
		}
		rec, err := p.kept(session)
		if err != nil {
			t.Fatal(err)
		}
		if mark := string(rec.Extra.Get(driver.ExtraImport)); strings.Contains(mark, "pending") || !strings.Contains(mark, "used") {
			t.Errorf("the mark is %s", mark)
		}
	})
}

// TestI15_RetirementFailsBeforeTheEnd: a session whose foreign one isn't retired yet signs out,
// or in. Nobody will come back to it, so the foreign one is ended then.
func TestI15_RetirementFailsBeforeTheEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for name, f := range map[string]page{"sign-out": logout, "sign-in": loginAs("ann", nil)} {
			p := newPort(t, nil)
			v := p.arrives("ann", "full")
			id := v.oldID()
			p.lib.hook(func(what string) error {
				if what == "retire" {
					return errors.New("down")
				}
				return nil
			})
			v.wantSees("ann", "full")
			p.lib.put(id, "late", `1`)
			v.want(200, f) // and it doesn't matter that the old library is down still
			if !p.lib.has(id) {
				t.Fatalf("%s: it was retired", name)
			}
			p = newPort(t, nil)
			v = p.arrives("ann", "full")
			id = v.oldID()
			n := 0
			p.lib.hook(func(what string) error {
				if what == "retire" {
					if n++; n == 1 {
						return errors.New("down")
					}
				}
				return nil
			})
			v.wantSees("ann", "full")
			p.lib.put(id, "late", `1`)
			v.want(200, f)
			if p.lib.has(id) {
				t.Errorf("%s: the old session is still there, for old processes", name)
			}
		}
	})
}

// TestI15_EndedMeanwhile: the visitor signs out at the old library while the session is
// being imported.
func TestI15_EndedMeanwhile(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPort(t, nil)
		v := p.arrives("ann", "full")
		id := v.oldID()
		again := v.copy()
		p.lib.hook(func(what string) error {
			if what == "retire" {
				p.lib.end(id)
			}
			return nil
		})
		v.wantSees("", "")
		again.wantSees("", "")
		if list, err := p.m.Admin().Sessions(t.Context(), "ann"); err != nil || len(list) != 0 {
			t.Errorf("ann has %d sessions (%v)", len(list), err)
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

// TestForeignCookiesThatAreWrong: beyond a rate none is looked at for a while.
func TestForeignCookiesThatAreWrong(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var refused, rate int
		p := newPort(t, func(c *cloakroom.Config) {
			c.Events = &cloakroom.Events{Refused: func(_ context.Context, _ cloakroom.ID, why cloakroom.Refusal) {
				switch why {
				case cloakroom.RefusedForeign:
					refused++
				case cloakroom.RefusedForeignRate:
					rate++
				}
			}}
		})
		wrong := p.arrives("", "")
		wrong.old = "x.bad"
		for range 1000 {
			wrong.want(200, look)
		}
		good := p.arrives("ann", "full")
		good.copy().wantSees("ann", "full")
		wrong.want(200, look)
		if refused != 1001 || rate != 1 {
			t.Errorf("%d refusals and %d pauses were told, want 1001 and 1", refused, rate)
		}
		good.want(503, look)
		wrong.want(503, look)
		p.guest().want(200, visit)
		p.clock.add(10 * time.Second)
		good.wantSees("ann", "full")
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
