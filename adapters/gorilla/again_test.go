package gorilla_test

import (
	"errors"
	"maps"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/gorilla/sessions"
)

// This file is the tests of what comes after a change: a sign-in with changes that aren't
// saved, a deletion that is saved again, a session that is saved in another request.

// A sign-in changes the token, and brings the session up to date.
func TestLogin(t *testing.T) {
	onStores(t, func(r *rig) {
		c := r.visitor()
		login := func(principal string, check func(g *sessions.Session)) {
			r.visit(c, func(w http.ResponseWriter, req *http.Request) {
				g := r.get(req, "session")
				g.Values["user"] = principal
				delete(g.Values, "greeting")
				if err := r.store.Login(req, g, principal, nil); err != nil {
					r.Error(err)
				}
				check(g)
				if err := g.Save(req, w); err != nil {
					r.Error(err)
				}
			})
		}
		r.change(c, "session", func(g *sessions.Session) { g.Values["cart"], g.Values["greeting"] = "tea", "hello" })
		first := r.token(c)
		login("ann", func(g *sessions.Session) {
			if !reflect.DeepEqual(g.Values, map[any]any{"cart": "tea", "user": "ann"}) {
				r.Errorf("%v", g.Values)
			}
		})
		second := r.token(c)
		if second == first || !r.over(first) || len(r.look(c, "session")) != 2 {
			r.Error("the token or the values stayed")
		}
		login("bob", func(g *sessions.Session) {
			if !reflect.DeepEqual(g.Values, map[any]any{"user": "bob"}) {
				r.Errorf("somebody else got %v", g.Values)
			}
		})
		if v := r.look(c, "session"); !reflect.DeepEqual(v, map[any]any{"user": "bob"}) {
			r.Errorf("%v", v)
		}
		if err := r.manager.Admin().RevokeAll(r.Context(), "bob"); err != nil || len(r.look(c, "session")) > 0 {
			r.Errorf("sign-out everywhere: %v", err)
		}
	})
}

// A sign-in brings along what the request changed, not the rest of a list that it changed:
// flashes that others added stay, and flashes of who was signed in before don't.
func TestLoginAndFlashes(t *testing.T) {
	onStores(t, func(r *rig) {
		signIn := func(c *http.Client, principal string, meanwhile func()) (seen []any) {
			r.visit(c, func(w http.ResponseWriter, req *http.Request) {
				g := r.get(req, "session")
				g.AddFlash("welcome " + principal)
				meanwhile()
				if err := r.store.Login(req, g, principal, nil); err != nil {
					r.Error(err)
				}
				seen, _ = g.Values["_flash"].([]any)
				if err := g.Save(req, w); err != nil {
					r.Error(err)
				}
			})
			return seen
		}
		c := r.visitor()
		r.change(c, "session", func(g *sessions.Session) { g.AddFlash("first") })
		seen := signIn(c, "ann", func() {
			r.change(c, "session", func(g *sessions.Session) { g.AddFlash("meanwhile") })
		})
		want := []any{"first", "meanwhile", "welcome ann"}
		if kept := r.look(c, "session")["_flash"]; !reflect.DeepEqual(seen, want) || !reflect.DeepEqual(kept, want) {
			r.Errorf("the request sees %v, the next %v, want %v", seen, kept, want)
		}
		seen, want = signIn(c, "bob", func() {}), []any{"welcome bob"}
		if kept := r.look(c, "session")["_flash"]; !reflect.DeepEqual(seen, want) || !reflect.DeepEqual(kept, want) {
			r.Errorf("bob sees %v, then %v, want %v", seen, kept, want)
		}
	})
}

// A deletion that is saved again, as sessions.Save does at the end of a request, doesn't
// take what was begun since.
func TestDeletedTwice(t *testing.T) {
	onStores(t, func(r *rig) {
		c := r.visitor()
		r.change(c, "session", func(g *sessions.Session) { g.Values["user"] = "ann" })
		token := r.token(c)
		r.visit(c, func(w http.ResponseWriter, req *http.Request) {
			g, flash := r.get(req, "session"), r.get(req, "flash")
			g.Options.MaxAge = -1
			flash.AddFlash("bye")
			if err := errors.Join(g.Save(req, w), flash.Save(req, w), g.Save(req, w), sessions.Save(req, w)); err != nil {
				r.Error(err)
			}
		})
		if v := r.look(c, "flash"); !r.over(token) || !reflect.DeepEqual(v["_flash"], []any{"bye"}) {
			r.Errorf("the message is %v", v)
		}
		r.visit(c, func(w http.ResponseWriter, req *http.Request) {
			g := r.get(req, "session")
			g.Options.MaxAge = -1
			if err := g.Save(req, w); err != nil {
				r.Error(err)
			}
			again, err := r.store.New(req, "session")
			if err != nil {
				r.Error(err)
			}
			again.Values["user"] = "bob"
			if err := errors.Join(again.Save(req, w), g.Save(req, w)); err != nil {
				r.Error(err)
			}
		})
		if v := r.look(c, "session"); len(v) > 0 {
			r.Errorf("a deletion left %v, which was set since", v)
		}
		r.visit(c, func(w http.ResponseWriter, req *http.Request) {
			g := r.get(req, "session")
			g.Options.MaxAge = -1
			beneath, _ := r.store.Session(req)
			if err := errors.Join(g.Save(req, w), beneath.Login(req.Context(), "bob", nil), g.Save(req, w)); err != nil {
				r.Error(err)
			}
		})
		if list, err := r.manager.Admin().Sessions(r.Context(), "bob"); err != nil || len(list) > 0 {
			r.Errorf("a deletion left bob signed in, %v", err)
		}
	})
}

// Keys of every text come back.
func TestOddKeys(t *testing.T) {
	onStores(t, func(r *rig) {
		want := map[any]any{}
		for _, key := range []string{"\x00", "\n", "\u2028", "/", "//", "\"", `\`, "__proto__", ".", "a.b", " ", strings.Repeat("k", 2000)} {
			want[key] = key
		}
		c := r.visitor()
		r.change(c, "session", func(g *sessions.Session) { maps.Copy(g.Values, want) })
		if got := r.look(c, "session"); !reflect.DeepEqual(got, want) {
			r.Errorf("got %q", got)
		}
	})
}

// A session that was kept from another visitor's request takes the group's place as a
// whole: what it was read with isn't what this visitor has.
func TestSessionOfAnotherRequest(t *testing.T) {
	onStores(t, func(r *rig) {
		var kept *sessions.Session
		r.change(r.visitor(), "session", func(g *sessions.Session) { g.Values["a"], kept = 1, g })
		c := r.visitor()
		r.change(c, "session", func(g *sessions.Session) { g.Values["b"] = 2 })
		r.visit(c, func(w http.ResponseWriter, req *http.Request) {
			if err := r.store.Save(req, w, kept); err != nil {
				r.Error(err)
			}
		})
		if v := r.look(c, "session"); !reflect.DeepEqual(v, map[any]any{"a": 1}) {
			r.Errorf("%v", v)
		}
	})
}
