package gorilla_test

import (
	"encoding/gob"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/adapters/gorilla"
	"github.com/gorilla/sessions"
)

// This file is the tests of a session's way through requests.

type user struct {
	Name string
	Tags map[string]int
}

type account struct{ Name string }

type unregistered struct{ Password string }

func init() {
	gob.Register(user{})
	gob.Register(&account{})
	gob.Register(map[string]int{})
	gob.Register(time.Time{})
}

// Values come back with their types.
func TestValuesComeBackAsTheyWere(t *testing.T) {
	want := everyKind()
	maps.Copy(want, map[any]any{ // which gob can't encode in a map
		"nil": nil, "list": []any{"a", 1, 2.0, nil, user{Name: "x"}}, "empty list": []any{},
	})
	onStores(t, func(r *rig) {
		c := r.visitor()
		r.change(c, "session", func(g *sessions.Session) {
			if !g.IsNew || g.ID != "" || len(g.Values) > 0 {
				r.Errorf("a new session is %+v", g)
			}
			maps.Copy(g.Values, want)
		})
		got := r.look(c, "session")
		for k, v := range want {
			if list, ok := v.([]any); ok && len(list) == 0 {
				if l, ok := got[k].([]any); !ok || len(l) > 0 {
					r.Errorf("%v came back as %#v", k, got[k])
				}
			} else if !reflect.DeepEqual(got[k], v) {
				r.Errorf("%v: %#v came back as %#v", k, v, got[k])
			}
		}
		if len(got) != len(want) {
			r.Errorf("%d values came back as %d", len(want), len(got))
		}
		before := r.down.written.Load()
		r.change(c, "session", func(*sessions.Session) {})
		if n := r.down.written.Load() - before; n > 1 { // one: the sign that the token has been presented
			r.Errorf("saving what wasn't changed took %d writes", n)
		}
	})
}

// What can't be kept is an error that names the key, and never the value.
func TestWhatCannotBeKept(t *testing.T) {
	onStores(t, func(r *rig) {
		for name, f := range map[string]func(map[any]any){
			"the key 42":     func(v map[any]any) { v[42] = "x" },
			`the key "\xff"`: func(v map[any]any) { v["\xff"] = "x" },
			`"secret"`:       func(v map[any]any) { v["secret"] = unregistered{"hunter2"} },
			`"channel"`:      func(v map[any]any) { v["channel"] = make(chan int) },
		} {
			c := r.visitor()
			r.visit(c, func(w http.ResponseWriter, req *http.Request) {
				g := r.get(req, "session")
				f(g.Values)
				g.Values["good"] = "x"
				err := g.Save(req, w)
				if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "hunter2") {
					r.Errorf("%s: %v", name, err)
				}
			})
			if r.token(c) != "" {
				r.Errorf("%s: a part of it was saved", name)
			}
		}
	})
}

// A value that can't be read is an error beside the others, and stays.
func TestValueThatCannotBeRead(t *testing.T) {
	onStores(t, func(r *rig) {
		c := r.visitor()
		raw := cloakroom.NewKey[map[string]string]("session/foreign")
		r.visit(c, func(_ http.ResponseWriter, req *http.Request) {
			s, _ := r.store.Session(req)
			raw.Set(s, map[string]string{"a": "hunter2"})
			cloakroom.NewKey[string]("session/good").Set(s, "x")
		})
		r.visit(c, func(w http.ResponseWriter, req *http.Request) {
			g, err := r.store.Get(req, "session")
			if g == nil || err == nil || !strings.Contains(err.Error(), `"foreign"`) || strings.Contains(err.Error(), "hunter2") || g.Values["good"] != "x" {
				r.Errorf("%v, %v", g.Values, err)
			}
			g.Values["good"] = "y"
			if err := g.Save(req, w); err != nil {
				r.Error(err)
			}
		})
		s, err := r.manager.Retrieve(r.Context(), r.token(c))
		if err != nil || raw.Get(s)["a"] != "hunter2" || cloakroom.NewKey[string]("session/good").Get(s) != "y" {
			r.Errorf("%v, %v", raw.Get(s), err)
		}
	})
}

// The cookie is the Manager's, whatever a session's Options say.
func TestCookieIsTheManagers(t *testing.T) {
	onStores(t, func(r *rig) {
		resp := r.visit(r.visitor(), func(w http.ResponseWriter, req *http.Request) {
			g := r.get(req, "session")
			g.Options = &sessions.Options{Path: "/x", Domain: "example.com", MaxAge: 5}
			g.Values["a"] = "b"
			if err := sessions.Save(req, w); err != nil || g.ID == "" {
				r.Errorf("%q, %v", g.ID, err)
			}
		})
		cookies := resp.Cookies()
		if len(cookies) != 1 || !strings.HasPrefix(cookies[0].Raw, "__Host-Http-session=") || !strings.HasSuffix(cookies[0].Raw, "; Path=/; HttpOnly; Secure; SameSite=Lax") {
			r.Errorf("%v", cookies)
		}
		if resp := r.visit(r.visitor(), func(_ http.ResponseWriter, req *http.Request) { r.get(req, "session") }); len(resp.Cookies()) > 0 {
			r.Errorf("a look sets %v", resp.Cookies())
		}
	})
}

// MaxAge of 0 or less signs out; in a session of another name it empties that.
func TestMaxAgeDeletes(t *testing.T) {
	for _, age := range []int{0, -1} {
		onStores(t, func(r *rig) {
			c := r.visitor()
			r.change(c, "session", func(g *sessions.Session) { g.Values["user"] = "ann" })
			r.change(c, "other", func(g *sessions.Session) { g.Values["a"] = 1 })
			token := r.token(c)
			r.change(c, "other", func(g *sessions.Session) { g.Options.MaxAge = age })
			if other, main := r.look(c, "other"), r.look(c, "session"); len(other) > 0 || main["user"] != "ann" {
				r.Errorf("deleting another session left %v and %v", other, main)
			}
			r.change(c, "session", func(g *sessions.Session) { g.Options.MaxAge = age })
			if !r.over(token) || r.token(c) != "" {
				r.Error("the session goes on, or the browser keeps its cookie")
			}
		})
	}
}

// A message saved after a sign-out begins another session.
func TestFlashAfterSignOut(t *testing.T) {
	onStores(t, func(r *rig) {
		c := r.visitor()
		r.change(c, "session", func(g *sessions.Session) { g.Values["user"] = "ann" })
		token := r.token(c)
		r.visit(c, func(w http.ResponseWriter, req *http.Request) {
			g, flash := r.get(req, "session"), r.get(req, "flash")
			g.Options.MaxAge = -1
			flash.AddFlash("bye")
			if err := errors.Join(g.Save(req, w), flash.Save(req, w)); err != nil {
				r.Error(err)
			}
		})
		if v := r.look(c, "flash"); !r.over(token) || !reflect.DeepEqual(v["_flash"], []any{"bye"}) || len(r.look(c, "session")) > 0 {
			r.Errorf("%v", v)
		}
	})
}

// A flash is shown once, and several added at once are all shown.
func TestFlashes(t *testing.T) {
	onStores(t, func(r *rig) {
		c := r.visitor()
		r.change(c, "session", func(g *sessions.Session) { g.Values["user"] = "ann" })
		atOnce(5, func(i int, meet func()) {
			r.visit(c, func(w http.ResponseWriter, req *http.Request) {
				g := r.get(req, "session")
				meet()
				g.AddFlash(fmt.Sprint(i))
				if err := g.Save(req, w); err != nil {
					r.Error(err)
				}
			})
		})
		seen := map[any]bool{}
		r.change(c, "session", func(g *sessions.Session) {
			for _, f := range g.Flashes() {
				seen[f] = true
			}
		})
		if len(seen) != 5 {
			r.Errorf("of 5 flashes %v are shown", seen)
		}
		r.change(c, "session", func(g *sessions.Session) {
			if f := g.Flashes(); len(f) > 0 {
				r.Errorf("%v are shown again", f)
			}
			g.AddFlash("old")
		})
		atOnce(2, func(i int, meet func()) { // one shows, the other adds
			r.visit(c, func(w http.ResponseWriter, req *http.Request) {
				g := r.get(req, "session")
				meet()
				if i == 0 {
					g.Flashes()
				} else {
					g.AddFlash("new")
				}
				if err := g.Save(req, w); err != nil {
					r.Error(err)
				}
			})
		})
		r.change(c, "session", func(g *sessions.Session) {
			if f := g.Flashes(); !reflect.DeepEqual(f, []any{"new"}) {
				r.Errorf("%v are left", f)
			}
		})
	})
}

// atOnce runs n goroutines, which wait for each other in meet.
func atOnce(n int, f func(i int, meet func())) {
	var all, met sync.WaitGroup
	met.Add(n)
	for i := range n {
		all.Go(func() { f(i, func() { met.Done(); met.Wait() }) })
	}
	all.Wait()
}

// Requests at once that change different keys lose nothing, and delete what they deleted.
func TestParallelRequests(t *testing.T) {
	onStores(t, func(r *rig) {
		c := r.visitor()
		const n = 8
		many := map[string]int{}
		for i := range 20 {
			many[fmt.Sprint(i)] = i
		}
		r.change(c, "session", func(g *sessions.Session) {
			g.Values["many"] = many // gob encodes it in another order each time
			for i := range n {
				g.Values[fmt.Sprint("old", i)] = i
			}
		})
		atOnce(n+1, func(i int, meet func()) {
			r.visit(c, func(w http.ResponseWriter, req *http.Request) {
				g := r.get(req, "session")
				meet()
				if i == n {
					g.Values["many"] = map[string]int{}
				} else {
					g.Values[fmt.Sprint("new", i)] = i
					delete(g.Values, fmt.Sprint("old", i))
				}
				if err := g.Save(req, w); err != nil {
					r.Error(err)
				}
			})
		})
		got := r.look(c, "session")
		for i := range n {
			if got[fmt.Sprint("new", i)] != i {
				r.Errorf("new%d is lost", i)
			}
		}
		if len(got) != n+1 || len(got["many"].(map[string]int)) != 0 {
			r.Errorf("left: %v", got)
		}
	})
}

// An outage is an error beside an empty session, and isn't saved over.
func TestOutage(t *testing.T) {
	onStores(t, func(r *rig) {
		c := r.visitor()
		r.change(c, "session", func(g *sessions.Session) { g.Values["user"] = "ann" })
		token := r.token(c)
		r.down.reads.Store(true)
		resp := r.visit(c, func(w http.ResponseWriter, req *http.Request) {
			g, err := r.store.Get(req, "session")
			if g == nil || !g.IsNew || len(g.Values) > 0 || !errors.Is(err, cloakroom.ErrUnavailable) {
				r.Errorf("%v, %v", g, err)
			}
			r.down.reads.Store(false) // what was not read must not be written over later in the request
			g.Values["user"] = "bob"
			if err := g.Save(req, w); !errors.Is(err, cloakroom.ErrUnavailable) {
				r.Errorf("saved: %v", err)
			}
		})
		if len(resp.Cookies()) > 0 || r.token(c) != token || r.look(c, "session")["user"] != "ann" {
			r.Error("an outage signed out")
		}

		r.down.writes.Store(true)
		resp = r.visit(c, func(w http.ResponseWriter, req *http.Request) {
			g := r.get(req, "session")
			g.Values["user"] = "bob"
			if err := g.Save(req, w); !errors.Is(err, cloakroom.ErrUnavailable) {
				r.Errorf("saved: %v", err)
			}
			w.WriteHeader(200) // a handler that ignores errors
		})
		r.down.writes.Store(false)
		if resp.StatusCode != 503 || r.look(c, "session")["user"] != "ann" {
			r.Errorf("a failed save is %d", resp.StatusCode)
		}
	})
}

// A forged cookie is a new session without an error, and reads nothing.
func TestTamperedCookies(t *testing.T) {
	onStores(t, func(r *rig) {
		c := r.visitor()
		r.change(c, "session", func(g *sessions.Session) { g.Values["user"] = "ann" })
		token := r.token(c)
		r.down.reads.Store(true) // forged tokens don't get as far
		for _, forged := range []string{"", "x", token[1:], "A" + token[1:], token[:66] + "_", strings.ToUpper(token)} {
			if forged == token {
				continue
			}
			req := httptest.NewRequest("GET", "/", nil)
			req.Header.Set("Cookie", "__Host-Http-session="+forged)
			r.manager.Handler(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
				if g := r.get(req, "session"); !g.IsNew || len(g.Values) > 0 {
					r.Errorf("%q opens %v", forged, g.Values)
				}
			})).ServeHTTP(httptest.NewRecorder(), req)
		}
	})
}

// Outside of Manager.Handler there is an empty session beside an error, and no save.
func TestOutsideOfHandler(t *testing.T) {
	onStores(t, func(r *rig) {
		req := httptest.NewRequest("GET", "/", nil)
		for _, name := range []string{"session", "a/b", ""} {
			g, err := r.store.New(req, name)
			if g == nil || err == nil || name == "session" && !strings.Contains(err.Error(), "Manager.Handler") {
				r.Errorf("%q: %v, %v", name, g, err)
			}
			if err := r.store.Save(req, httptest.NewRecorder(), g); err == nil {
				r.Errorf("%q: saved", name)
			}
		}
	})
	if _, err := gorilla.New(nil, "session"); err == nil {
		t.Error("a Store without a Manager")
	}
	if s, err := gorilla.New(&cloakroom.Manager{}, "a/b"); err == nil {
		t.Errorf("%T with the name a/b", s)
	}
}

// Values that were replaced as a whole are saved so, and a session that was made by hand
// takes the place of what was there.
func TestReplacedValues(t *testing.T) {
	onStores(t, func(r *rig) {
		c := r.visitor()
		r.change(c, "session", func(g *sessions.Session) { g.Values["a"], g.Values["b"] = 1, 2 })
		r.change(c, "session", func(g *sessions.Session) {
			g.Values = map[any]any{"b": 3}
			g.Options = nil
		})
		if v := r.look(c, "session"); !reflect.DeepEqual(v, map[any]any{"b": 3}) {
			r.Errorf("%v", v)
		}
		r.visit(c, func(w http.ResponseWriter, req *http.Request) {
			g := sessions.NewSession(r.store, "session")
			g.Options.MaxAge = 1
			g.Values["c"] = 4
			if err := g.Save(req, w); err != nil {
				r.Error(err)
			}
			g.Values["d"] = 5
			if err := g.Save(req, w); err != nil {
				r.Error(err)
			}
		})
		if v := r.look(c, "session"); !reflect.DeepEqual(v, map[any]any{"c": 4, "d": 5}) {
			r.Errorf("%v", v)
		}
	})
}
