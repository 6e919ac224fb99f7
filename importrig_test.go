package cloakroom_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// This file is port, where the tests of imports have browsers arrive with the cookies of an
// old library.

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

// hanging is an old library whose store doesn't answer.
type hanging struct{ *oldLibrary }

func (hanging) Load(ctx context.Context, _ cloakroom.ForeignToken) (*cloakroom.ForeignSession, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}
