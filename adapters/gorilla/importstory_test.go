package gorilla_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
	"github.com/gorilla/sessions"
)

// This file is the story of an application that moves: the same handlers, first on gorilla's
// FilesystemStore, then on a Store and an importer.

// shop is an application on gorilla's API, whatever the store.
func shop(t *testing.T, store sessions.Store, see func(v map[any]any)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g, err := store.Get(r, "session")
		if err != nil {
			t.Error(err)
		}
		switch r.URL.Path {
		case "/login":
			g.Values["user"] = r.FormValue("user")
			g.Values["who"] = user{Name: r.FormValue("user")}
			g.AddFlash("welcome")
		case "/buy":
			cart, _ := g.Values["cart"].(map[string]int)
			if cart == nil {
				cart = map[string]int{}
			}
			cart[r.FormValue("what")]++
			g.Values["cart"] = cart
		case "/logout":
			g.Options.MaxAge = -1
		case "/":
			see(g.Values)
			return
		}
		if err := g.Save(r, w); err != nil {
			t.Error(err)
		}
	})
}

// TestAMove moves the application under its visitors: nobody is signed out, nothing is
// lost, and nobody is back who had signed out.
func TestAMove(t *testing.T) {
	old := newOldStore(t, true, nil)
	db, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "sessions.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, db, func(c *cloakroom.Config) {
		c.Import = &cloakroom.Import{From: old.importer, Until: time.Now().Add(30 * 24 * time.Hour), Principal: userOf}
	})
	var seen map[any]any
	see := func(v map[any]any) { seen = v }
	var app atomic.Value // http.HandlerFunc
	app.Store(http.HandlerFunc(shop(t, old, see).ServeHTTP))
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		app.Load().(http.HandlerFunc)(w, req)
	}))
	defer server.Close()
	r.server = server // where the rig looks for browsers' cookies

	visit := func(c *http.Client, path string) {
		t.Helper()
		resp, err := c.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	look := func(c *http.Client) map[any]any {
		t.Helper()
		seen = nil
		visit(c, "/")
		return seen
	}
	copyOf := func(c *http.Client) *http.Client {
		jar, _ := cookiejar.New(nil)
		jar.SetCookies(r.url(), c.Jar.Cookies(r.url()))
		return &http.Client{Transport: c.Transport, Jar: jar}
	}

	ann, bob, guest, gone := r.visitor(), r.visitor(), r.visitor(), r.visitor()
	visit(ann, "/login?user=ann")
	visit(ann, "/buy?what=tea")
	visit(bob, "/login?user=bob")
	visit(guest, "/buy?what=milk")
	visit(gone, "/login?user=gone")
	kept := copyOf(gone)
	visit(gone, "/logout")
	annBefore, bobBefore, guestBefore := look(ann), look(bob), look(guest)
	bobsCopy := copyOf(bob)

	app.Store(http.HandlerFunc(r.manager.Handler(shop(t, r.store, see)).ServeHTTP)) // the old process has ended, the new one begins
	for _, v := range []struct {
		name   string
		c      *http.Client
		before map[any]any
	}{{"ann", ann, annBefore}, {"bob", bob, bobBefore}, {"guest", guest, guestBefore}} {
		for range 2 {
			if got := look(v.c); !reflect.DeepEqual(got, v.before) || len(got) == 0 {
				t.Errorf("%s has %v, and had %v", v.name, got, v.before)
			}
		}
		if r.hasCookie(v.c, "session") {
			t.Errorf("%s still has the old cookie", v.name)
		}
	}
	for name, c := range map[string]*http.Client{"who signed out": gone, "a copy of who signed out": kept} {
		if v := look(c); len(v) > 0 {
			t.Errorf("%s is back: %v", name, v)
		}
	}
	visit(ann, "/buy?what=tea")
	if v := look(ann); !reflect.DeepEqual(v["cart"], map[string]int{"tea": 2}) {
		t.Errorf("ann's cart: %v", v["cart"])
	}
	visit(bob, "/logout")
	for name, c := range map[string]*http.Client{"bob": bob, "a copy of bob": bobsCopy} {
		if v := look(c); len(v) > 0 {
			t.Errorf("%s is back: %v", name, v)
		}
	}
	if list, err := r.manager.Admin().Sessions(t.Context(), "ann"); err != nil || len(list) != 1 {
		t.Errorf("ann has %d sessions, %v", len(list), err)
	}
	if left := old.files(t); len(left) > 0 {
		t.Errorf("files are left: %d", len(left))
	}
}
