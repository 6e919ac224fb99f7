package gorilla_test

import (
	"context"
	"encoding/base64"
	"encoding/gob"
	"errors"
	"math"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/adapters/gorilla"
	"github.com/cloakroom-go/cloakroom/memstore"
	"github.com/gorilla/sessions"
)

// This file is the old application of the importers' tests, on gorilla's own stores, and
// the new one that its visitors come to.

var (
	hashKey  = []byte("hash key of 32 bytes, a secret! ")
	blockKey = []byte("block key of 32 bytes, secret!  ")
	oldHash  = []byte("a hash key that was rotated out ")
)

// oldStore is one of gorilla's stores, and the importer of its sessions.
type oldStore struct {
	sessions.Store
	dir      string // of a FilesystemStore
	importer cloakroom.Importer
}

// newOldStore makes a store, and an importer of its sessions of the name "session".
func newOldStore(t *testing.T, files bool, o *gorilla.ImportOptions, keys ...[]byte) *oldStore {
	t.Helper()
	if keys == nil {
		keys = [][]byte{hashKey, blockKey}
	}
	s := &oldStore{dir: t.TempDir()}
	var err error
	if files {
		f := sessions.NewFilesystemStore(s.dir, keys...)
		f.MaxLength(0)
		s.Store = f
		s.importer, err = gorilla.NewFilesystemImporter(f, s.dir, "session", o)
	} else {
		c := sessions.NewCookieStore(keys...)
		s.Store = c
		s.importer, err = gorilla.NewCookieImporter(c, "session", o)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// onOldStores runs a test for each of gorilla's stores.
func onOldStores(t *testing.T, f func(t *testing.T, files bool)) {
	t.Run("CookieStore", func(t *testing.T) { f(t, false) })
	t.Run("FilesystemStore", func(t *testing.T) { f(t, true) })
}

// save saves a session, in a request with cookies, and returns its cookie.
func save(t *testing.T, s sessions.Store, name string, change func(*sessions.Session), cookies ...*http.Cookie) *http.Cookie {
	t.Helper()
	w, r := httptest.NewRecorder(), withCookies(cookies...)
	g, err := s.New(r, name)
	if err == nil {
		change(g)
		err = s.Save(r, w, g)
	}
	if err != nil {
		t.Fatal(err)
	}
	return w.Result().Cookies()[0]
}

func withCookies(cookies ...*http.Cookie) *http.Request {
	r := httptest.NewRequest("GET", "https://example.com/", nil)
	for _, c := range cookies {
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	return r
}

// put returns a change that sets values.
func put(kv ...any) func(*sessions.Session) {
	return func(g *sessions.Session) {
		for i := 0; i < len(kv); i += 2 {
			g.Values[kv[i]] = kv[i+1]
		}
	}
}

// load finds and loads the session of a request's cookies.
func (s *oldStore) load(t *testing.T, cookies ...*http.Cookie) (cloakroom.ForeignToken, *cloakroom.ForeignSession, error) {
	token, err := s.importer.Find(withCookies(cookies...))
	if err != nil {
		return token, nil, err
	}
	f, err := s.importer.Load(t.Context(), token)
	return token, f, err
}

// newPort is a rig that imports, and takes Values["user"] for who is signed in.
func newPort(t *testing.T, from cloakroom.Importer, change ...func(*cloakroom.Config)) *rig {
	return newRig(t, memstore.New(nil), append(change, func(c *cloakroom.Config) {
		c.Import = &cloakroom.Import{From: from, Until: time.Now().Add(90 * 24 * time.Hour), Principal: userOf}
	})...)
}

func userOf(_ context.Context, v cloakroom.Reader) (string, error) {
	user, err := gorilla.Value(v, "session", "user")
	name, _ := user.(string)
	return name, err
}

// arrive returns a browser that has old cookies.
func (r *rig) arrive(cookies ...*http.Cookie) *http.Client {
	c := r.visitor()
	c.Jar, _ = cookiejar.New(nil)
	c.Jar.SetCookies(r.url(), cookies)
	return c
}

func (r *rig) url() *url.URL {
	u, err := url.Parse(r.server.URL)
	if err != nil {
		r.Fatal(err)
	}
	return u
}

// hasCookie reports whether a browser has a cookie.
func (r *rig) hasCookie(c *http.Client, name string) bool {
	for _, cookie := range c.Jar.Cookies(r.url()) {
		if cookie.Name == name {
			return true
		}
	}
	return false
}

// files returns the names of the files that are left.
func (s *oldStore) files(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(s.dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// everyKind is values of every kind that a Store keeps and gob can encode in a map.
func everyKind() map[any]any {
	return map[any]any{
		"string": "<é> & \"", "empty": "", "bytes as a string": "\xff\x00", "bool": true, "false": false,
		"int": 5, "negative": -7, "large": math.MaxInt, "int64": int64(5), "uint8": uint8(5),
		"float": 5.0, "fraction": 0.1, "huge": 1e300, "tiny": -1e-7, "inf": math.Inf(1), "float32": float32(1.5),
		"bytes": []byte{0, 255}, "list": []any{"a", 1, 2.0, user{Name: "x"}}, "nested": []any{[]any{"a"}, "b"},
		"struct": user{"Ann", map[string]int{"a": 1, "b": 2}}, "pointer": &account{"Bob"},
		"map": map[string]int{"a": 1, "b": 2}, "time": time.Date(2026, 11, 30, 1, 2, 3, 4, time.UTC), "": "no name", "a/b é": "odd name",
	}
}

// flip changes one byte of what a cookie is the base64 of.
func flip(t *testing.T, value string, at int) string {
	b, err := base64.URLEncoding.DecodeString(value)
	if err != nil {
		t.Fatal(err)
	}
	b[(at+len(b))%len(b)] ^= 1
	return base64.URLEncoding.EncodeToString(b)
}

type keyType int

func init() {
	gob.Register(keyType(0))
	gob.Register(map[any]any{})
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}
