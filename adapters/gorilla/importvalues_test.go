package gorilla_test

import (
	"encoding/gob"
	"errors"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/adapters/gorilla"
	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"
)

// This file is the tests of imported values: all that can be kept comes along, and what
// can't is an outage that says so.

// A Store finds what gorilla's store had, under the same names and with the same types.
func TestImportedValuesAreAsTheyWere(t *testing.T) {
	onOldStores(t, func(t *testing.T, files bool) {
		old := newOldStore(t, files, nil)
		want := everyKind()
		cookie := save(t, old, "session", func(g *sessions.Session) {
			g.Values = everyKind()
			g.AddFlash("hello")
			g.AddFlash(user{Name: "x"})
			g.AddFlash("careful", "warnings")
		})
		r := newPort(t, old.importer)
		c := r.arrive(cookie)
		var flashes, warnings []any
		r.change(c, "session", func(g *sessions.Session) {
			flashes, warnings = g.Flashes(), g.Flashes("warnings")
			if g.IsNew {
				t.Error("the session is new")
			}
		})
		if !reflect.DeepEqual(flashes, []any{"hello", user{Name: "x"}}) || !reflect.DeepEqual(warnings, []any{"careful"}) {
			t.Errorf("flashes: %v, %v", flashes, warnings)
		}
		if got := r.look(c, "session"); !reflect.DeepEqual(got, want) {
			t.Errorf("got %#v,\nwant %#v", got, want)
		}
		if r.token(c) == "" || r.hasCookie(c, "session") || len(old.files(t)) > 0 {
			t.Errorf("token %q, cookies %v, files %v", r.token(c), c.Jar.Cookies(r.url()), old.files(t))
		}
	})
}

// An application that moves to cloakroom's keys gets JSON, named as it likes.
func TestImportForKeys(t *testing.T) {
	onOldStores(t, func(t *testing.T, files bool) {
		old := newOldStore(t, files, &gorilla.ImportOptions{JSON: true, Key: func(name string, key any) string {
			if key == "dropped" {
				return ""
			}
			return strings.TrimPrefix(fmt.Sprint(name, ".", key), "session.")
		}})
		cookie := save(t, old, "session", put("user", user{"Ann", map[string]int{"a": 1}}, keyType(7), int64(8), "dropped", "x"))
		_, f, err := old.load(t, cookie)
		if err != nil || len(f.Values) != 2 || string(f.Values["user"]) != `{"Name":"Ann","Tags":{"a":1}}` || string(f.Values["7"]) != "8" {
			t.Errorf("%v: %v", f, err)
		}
	})
}

// What can't be imported is an outage that names the key and never the value, so that
// nobody is signed out by it.
func TestWhatCannotBeImported(t *testing.T) {
	onOldStores(t, func(t *testing.T, files bool) {
		same := func(string, any) string { return "same" }
		for what, c := range map[string]struct {
			o      *gorilla.ImportOptions
			change func(*sessions.Session)
			want   string
		}{
			"a key that is no string": {nil, put(keyType(42), "hunter2"), "the key 42 "},
			"a key that isn't UTF-8":  {nil, put("\xff", "hunter2"), `the key "\xff"`},
			"one name for two":        {&gorilla.ImportOptions{Key: same}, put("a", "hunter2", "b", "hunter2"), `"same"`},
			"no JSON":                 {&gorilla.ImportOptions{JSON: true}, put("secret", map[any]any{"hunter2": "hunter2"}), `"secret"`},
			"no UTF-8":                {&gorilla.ImportOptions{JSON: true}, put("secret", "hunter2\xff"), `"secret"`},
			"no number":               {&gorilla.ImportOptions{JSON: true}, put("secret", math.Inf(1)), `"secret"`},
		} {
			old := newOldStore(t, files, c.o)
			cookie := save(t, old, "session", c.change)
			_, _, err := old.load(t, cookie)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v, want it to name %s", what, err, c.want)
			}
			r := newPort(t, old.importer)
			b := r.arrive(cookie)
			r.visit(b, func(_ http.ResponseWriter, req *http.Request) {
				_, err := r.store.Get(req, "session")
				wantErr(t, what, err, cloakroom.ErrUnavailable)
			})
			if !r.hasCookie(b, "session") || files && len(old.files(t)) != 1 {
				t.Errorf("%s: the visitor is signed out", what)
			}
		}
	})
}

// A type that the application doesn't register any more is an outage too.
func TestImportOfUnknownTypes(t *testing.T) {
	type removed struct{ Password string }
	onOldStores(t, func(t *testing.T, files bool) {
		old := newOldStore(t, files, nil)
		const name = "gorilla_test.removed"
		gob.RegisterName(name, removed{})
		var codecs []securecookie.Codec
		switch s := old.Store.(type) {
		case *sessions.CookieStore:
			codecs = s.Codecs
		case *sessions.FilesystemStore:
			codecs = s.Codecs
		}
		for _, c := range codecs {
			c.(*securecookie.SecureCookie).SetSerializer(renaming{name})
		}
		cookie := save(t, old, "session", put("a", removed{"hunter2"}))
		_, _, err := old.load(t, cookie)
		if !errors.Is(err, cloakroom.ErrUnavailable) || errors.Is(err, cloakroom.ErrForged) || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "test.REMOVED") {
			t.Errorf("got %v, want an outage that names the type", err)
		}
	})
}

// renaming is gob, with a type's name in capitals, which isn't registered.
type renaming struct{ name string }

func (s renaming) Serialize(v any) ([]byte, error) {
	b, err := securecookie.GobEncoder{}.Serialize(v)
	return []byte(strings.ReplaceAll(string(b), s.name, "gorilla_test.REMOVED")), err
}

func (renaming) Deserialize(b []byte, v any) error {
	return securecookie.GobEncoder{}.Deserialize(b, v)
}
