package gorilla_test

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/adapters/gorilla"
	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"
)

// This file is the tests of what both importers promise.

// The cookies of each pair of keys are imported, and of keys that are unknown none.
func TestImportWithRotatedKeys(t *testing.T) {
	onOldStores(t, func(t *testing.T, files bool) {
		old := newOldStore(t, files, nil, hashKey, blockKey, hashKey, nil, oldHash)
		for name, keys := range map[string][][]byte{
			"the present pair": {hashKey, blockKey}, "without encryption": {hashKey}, "a pair before": {oldHash},
		} {
			var s sessions.Store = sessions.NewCookieStore(keys...)
			if files {
				s = sessions.NewFilesystemStore(old.dir, keys...)
			}
			_, f, err := old.load(t, save(t, s, "session", put("user", "ann")))
			if err != nil || string(f.Values["session/user"]) != `"ann"` {
				t.Errorf("%s: %v, %v", name, f, err)
			}
		}
		stranger := newOldStore(t, files, nil, []byte("another key"))
		_, _, err := old.load(t, save(t, stranger, "session", put("user", "ann")))
		wantErr(t, "a key that isn't given", err, cloakroom.ErrForged)
	})
}

// A cookie that isn't right opens nothing, and another spelling of one that is right is the
// same session.
func TestImportOfTamperedCookies(t *testing.T) {
	onOldStores(t, func(t *testing.T, files bool) {
		old := newOldStore(t, files, nil)
		good := save(t, old, "session", put("user", "ann"))
		token, _, err := old.load(t, good)
		if err != nil {
			t.Fatal(err)
		}
		other := save(t, old, "other", put("user", "ann"))
		for what, value := range map[string]string{
			"the MAC": flip(t, good.Value, -1), "the value": flip(t, good.Value, 20), "the date": flip(t, good.Value, 3),
			"cut off": good.Value[:len(good.Value)-4], "of another name": other.Value, "no value": base64.URLEncoding.EncodeToString([]byte("1||")),
			"longer than a cookie": base64.URLEncoding.EncodeToString([]byte("1|" + strings.Repeat("A", 8000) + "|z")),
		} {
			_, err := old.importer.Find(withCookies(&http.Cookie{Name: "session", Value: value}))
			wantErr(t, what, err, cloakroom.ErrForged)
			if err != nil && strings.Contains(err.Error(), value) {
				t.Errorf("%s: the error quotes the cookie", what)
			}
		}
		for what, cookies := range map[string][]*http.Cookie{
			"no cookie": nil, "an empty one": {{Name: "session"}}, "of another name": {other},
			"another application's": {{Name: "session", Value: "eyJ1c2VyIjoxfQ.ZxYw.c2ln"}}, "garbage": {{Name: "session", Value: "AAAA"}},
			"bars": {{Name: "session", Value: base64.URLEncoding.EncodeToString([]byte("||"))}}, "no date": {{Name: "session", Value: base64.URLEncoding.EncodeToString([]byte("x|y|z"))}},
		} {
			_, err := old.importer.Find(withCookies(cookies...))
			wantErr(t, what, err, cloakroom.ErrNotFound)
		}
		spelled := 0
		for _, key := range []string{"a", "abcd", "abcdefg", "abcdefghij"} { // base64 of some lengths has one spelling
			cookie := save(t, old, "session", put(key, "x"))
			first, err := old.importer.Find(withCookies(cookie))
			if err != nil {
				t.Fatal(err)
			}
			for _, value := range spellings(cookie.Value) {
				spelled++
				again, err := old.importer.Find(withCookies(&http.Cookie{Name: "session", Value: value}))
				if err != nil || again != first {
					t.Errorf("another spelling is another session, or none: %v", err)
				}
			}
		}
		if spelled == 0 && !files { // a file's cookie has one length
			t.Error("no cookie has another spelling")
		}
		if token.ID == "" || token.ID == token.Credential || strings.Contains(good.Value, token.ID) {
			t.Error("the id is the credential")
		}
	})
}

// spellings returns other base64 of the same bytes.
func spellings(value string) (others []string) {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	want, _ := base64.URLEncoding.DecodeString(value)
	end := len(strings.TrimRight(value, "=")) - 1
	for _, d := range digits {
		other := value[:end] + string(d) + value[end+1:]
		if b, err := base64.URLEncoding.DecodeString(other); err == nil && other != value && string(b) == string(want) {
			others = append(others, other)
		}
	}
	return others
}

// A session is imported for as long as gorilla took it, and lasts as long as it would have
// there.
func TestImportOfExpiredSessions(t *testing.T) {
	onOldStores(t, func(t *testing.T, files bool) {
		synctest.Test(t, func(t *testing.T) {
			old := newOldStore(t, files, nil)
			cookie := save(t, old, "session", put("user", "ann"))
			saved := time.Now()
			time.Sleep(30*24*time.Hour - time.Second)
			_, f, err := old.load(t, cookie)
			if err != nil || !f.Deadline.Equal(saved.Add(30*24*time.Hour)) || !f.Remember || f.IdleTimeout != 0 {
				t.Errorf("%v: until %v, remembered %v for %v", err, f.Deadline, f.Remember, f.IdleTimeout)
			}
			if known := !f.Created.IsZero(); known == files || known && !f.Created.Equal(saved) {
				t.Errorf("created %v", f.Created)
			}
			token, err := old.importer.Find(withCookies(cookie))
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
			_, err = old.importer.Find(withCookies(cookie))
			wantErr(t, "an expired cookie", err, cloakroom.ErrNotFound)
			_, err = old.importer.Load(t.Context(), token)
			wantErr(t, "a session that expires between", err, cloakroom.ErrNotFound)
		})
	})
}

// Where MaxAge is 0, cookies last as long as the browser runs, and no time ends them.
func TestImportWithoutMaxAge(t *testing.T) {
	onOldStores(t, func(t *testing.T, files bool) {
		o := &gorilla.ImportOptions{Cookie: &sessions.Options{Path: "/app", Domain: "example.com", Secure: true, Partitioned: true}}
		old := newOldStore(t, files, o)
		_, f, err := old.load(t, save(t, old, "session", put("user", "ann")))
		if err != nil || f.Remember || !f.Deadline.IsZero() {
			t.Errorf("%v: remembered %v, until %v", err, f.Remember, f.Deadline)
		}
		h := http.Header{}
		old.importer.Forget(h)
		if got, want := h.Get("Set-Cookie"), "session=; Path=/app; Domain=example.com; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0; Secure; Partitioned"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// The Manager's cookie may have the name of gorilla's: it takes its place.
func TestImportUnderTheSameCookieName(t *testing.T) {
	onOldStores(t, func(t *testing.T, files bool) {
		old := newOldStore(t, files, nil)
		r := newPort(t, old.importer, func(c *cloakroom.Config) {
			c.Transport = &cloakroom.Cookie{Name: "session", Insecure: true}
		})
		c := r.arrive(save(t, old, "session", put("user", "ann")))
		for range 3 {
			if v := r.look(c, "session"); v["user"] != "ann" {
				t.Errorf("the visitor has %v", v)
			}
		}
		r.change(c, "session", func(g *sessions.Session) { g.Options.MaxAge = -1 })
		if r.hasCookie(c, "session") {
			t.Error("signed out, the browser keeps the cookie")
		}
	})
}

// An application that had moved between gorilla's stores left cookies of the other one in
// browsers: they name no session, and must not be an outage for as long as they last.
func TestCookiesOfTheOtherStore(t *testing.T) {
	onOldStores(t, func(t *testing.T, files bool) {
		old, other := newOldStore(t, files, nil), newOldStore(t, !files, nil)
		_, err := old.importer.Find(withCookies(save(t, other, "session", put("user", "ann"))))
		wantErr(t, "a cookie of the other store", err, cloakroom.ErrNotFound)
	})
}

// Several sessions of one visitor come along as groups of one.
func TestImportOfSeveralNames(t *testing.T) {
	onOldStores(t, func(t *testing.T, files bool) {
		old := newOldStore(t, files, &gorilla.ImportOptions{Others: []string{"flash", "prefs"}})
		main, flash, prefs := save(t, old, "session", put("user", "ann", "a", 1)), save(t, old, "flash", func(g *sessions.Session) { g.AddFlash("hi") }), save(t, old, "prefs", put("a", 2))
		r := newPort(t, old.importer)
		c := r.arrive(main, flash, prefs)
		if v := r.look(c, "session"); !reflect.DeepEqual(v, map[any]any{"user": "ann", "a": 1}) {
			t.Errorf("session: %v", v)
		}
		if v := r.look(c, "flash"); !reflect.DeepEqual(v, map[any]any{"_flash": []any{"hi"}}) {
			t.Errorf("flash: %v", v)
		}
		if v := r.look(c, "prefs"); !reflect.DeepEqual(v, map[any]any{"a": 2}) {
			t.Errorf("prefs: %v", v)
		}
		if left := c.Jar.Cookies(r.url()); len(left) != 1 || len(old.files(t)) > 0 {
			t.Errorf("left: %v, %v", left, old.files(t))
		}

		// The identity is the own session's, whatever comes with it.
		main = save(t, old, "session", put("user", "bob"))
		prefs = save(t, old, "prefs", put("a", 2))
		alone, _, _ := old.load(t, main)
		both, f, err := old.load(t, main, &http.Cookie{Name: "flash", Value: "forged"}, prefs)
		if err != nil || alone.ID != both.ID || len(f.Values) != 2 {
			t.Errorf("%v: the same session %v, values %v", err, alone.ID == both.ID, f)
		}
		if _, f, err := old.load(t, prefs); err != nil || len(f.Values) != 1 {
			t.Errorf("without the own session: %v, %v", f, err)
		}
		_, _, err = old.load(t, &http.Cookie{Name: "session", Value: flip(t, main.Value, -1)}, prefs)
		wantErr(t, "the own cookie forged", err, cloakroom.ErrForged)
	})
}

// The own session's cookie opens what it became, whatever else came along with it then.
func TestImportWithOtherCookies(t *testing.T) {
	onOldStores(t, func(t *testing.T, files bool) {
		old := newOldStore(t, files, &gorilla.ImportOptions{Others: []string{"flash", "prefs"}})
		main, flash, prefs := save(t, old, "session", put("user", "ann")), save(t, old, "flash", put("a", 1)), save(t, old, "prefs", put("a", 2))
		r := newPort(t, old.importer)
		r.look(r.arrive(main, prefs), "session") // its answer is lost
		for _, c := range []*http.Client{r.arrive(main), r.arrive(main, flash, prefs)} {
			if v := r.look(c, "session"); v["user"] != "ann" {
				t.Errorf("the visitor is a stranger: %v", v)
			}
		}
	})
}

// Requests of the same moment become one session.
func TestParallelImports(t *testing.T) {
	onOldStores(t, func(t *testing.T, files bool) {
		old := newOldStore(t, files, nil)
		cookie := save(t, old, "session", put("user", "ann", "cart", "full"))
		r := newPort(t, old.importer)
		var mu sync.Mutex
		tokens := map[string]bool{}
		atOnce(6, func(i int, meet func()) {
			c := r.arrive(cookie)
			meet()
			r.change(c, "session", func(g *sessions.Session) {
				if g.Values["user"] != "ann" || g.Values["cart"] != "full" {
					t.Errorf("a request sees %v", g.Values)
				}
				g.Values[fmt.Sprint("n", i)] = i
			})
			mu.Lock()
			tokens[r.token(c)] = true
			mu.Unlock()
		})
		list, err := r.manager.Admin().Sessions(r.Context(), "ann")
		if err != nil || len(list) != 1 || len(tokens) != 1 || tokens[""] {
			t.Errorf("%d sessions and %d tokens, %v", len(list), len(tokens), err)
		}
		for token := range tokens {
			s, err := r.manager.Retrieve(r.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 6 {
				if _, ok := s.Raw(fmt.Sprint("session/n", i)); !ok {
					t.Errorf("what request %d saved is lost", i)
				}
			}
		}
	})
}

// Who signed out of the imported session doesn't come back by the old cookie. An older
// cookie of a CookieStore is a session of its own, which RevokeAll ends.
func TestSignOutThenTheOldCookie(t *testing.T) {
	onOldStores(t, func(t *testing.T, files bool) {
		old := newOldStore(t, files, nil)
		first := save(t, old, "session", put("user", "ann"))
		second := save(t, old, "session", put("cart", "full"), first)
		third := save(t, old, "session", put("cart", "other"), first)
		if !files { // in a file there is what was saved last
			second, third = third, second
		}
		r := newPort(t, old.importer)
		c := r.arrive(second)
		if v := r.look(c, "session"); v["user"] != "ann" || v["cart"] != "other" {
			t.Fatalf("imported: %v", v)
		}
		r.change(c, "session", func(g *sessions.Session) { g.Options.MaxAge = -1 })
		if v := r.look(r.arrive(second), "session"); len(v) > 0 {
			t.Errorf("the old cookie brings %v back", v)
		}
		if v := r.look(r.arrive(first), "session"); files == (v["user"] == "ann") {
			t.Errorf("an older cookie opens %v", v)
		}
		if err := r.manager.Admin().RevokeAll(r.Context(), "ann"); err != nil {
			t.Fatal(err)
		}
		for _, copied := range []*http.Cookie{first, third} {
			if v := r.look(r.arrive(copied), "session"); v["user"] != nil {
				t.Errorf("after a sign-out everywhere a copy opens %v", v)
			}
		}
	})
}

// Config.NotBefore refuses what may be older.
func TestImportNotBefore(t *testing.T) {
	onOldStores(t, func(t *testing.T, files bool) {
		old := newOldStore(t, files, nil)
		cookie := save(t, old, "session", put("user", "ann"))
		for _, c := range []struct {
			notBefore time.Time
			in        bool
		}{{time.Now().Add(-time.Hour), !files}, {time.Now().Add(time.Hour), false}} {
			r := newPort(t, old.importer, func(config *cloakroom.Config) { config.NotBefore = c.notBefore })
			if v := r.look(r.arrive(cookie), "session"); (v["user"] == "ann") != c.in {
				t.Errorf("NotBefore %v: %v", c.notBefore, v)
			}
		}
	})
}

// The log of an import has nothing secret.
func TestImportLogsNoSecrets(t *testing.T) {
	onOldStores(t, func(t *testing.T, files bool) {
		old := newOldStore(t, files, nil)
		cookie := save(t, old, "session", put("user", "ann", keyType(1), "hunter2"))
		var log strings.Builder
		r := newPort(t, old.importer, func(c *cloakroom.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		resp := r.visit(r.arrive(cookie), func(w http.ResponseWriter, req *http.Request) {
			_, err := r.store.Get(req, "session")
			r.manager.Fail(w, req, err)
		})
		r.manager.Close()
		if resp.StatusCode != 503 || !strings.Contains(log.String(), "the key 1") || strings.Contains(log.String(), "hunter2") || strings.Contains(log.String(), cookie.Value) {
			t.Errorf("%d, log: %s", resp.StatusCode, log.String())
		}
	})
}

func TestImporterConfig(t *testing.T) {
	good, dir := sessions.NewCookieStore(hashKey), t.TempDir()
	files := sessions.NewFilesystemStore(dir, hashKey)
	cookies := func(s *sessions.CookieStore, name string, o *gorilla.ImportOptions) error {
		_, err := gorilla.NewCookieImporter(s, name, o)
		return err
	}
	inFiles := func(s *sessions.FilesystemStore, dir string) error {
		_, err := gorilla.NewFilesystemImporter(s, dir, "session", nil)
		return err
	}
	for _, c := range []struct {
		what string
		err  error
		want string // "": it works
	}{
		{"good", cookies(good, "session", nil), ""},
		{"no store", cookies(nil, "session", nil), "nil"},
		{"no keys", cookies(sessions.NewCookieStore(), "session", nil), "no codecs"},
		{"an empty key", cookies(sessions.NewCookieStore([]byte{}), "session", nil), "codec 1"},
		{"a key that is no AES key", cookies(sessions.NewCookieStore(hashKey, nil, hashKey, []byte("short")), "session", nil), "codec 2"},
		{"another codec", cookies(&sessions.CookieStore{Codecs: []securecookie.Codec{plainCodec{}}, Options: &sessions.Options{}}, "session", nil), "plainCodec"},
		{"no options", cookies(&sessions.CookieStore{Codecs: good.Codecs}, "session", nil), "Options"},
		{"no name", cookies(good, "", nil), `""`},
		{"a name twice", cookies(good, "session", &gorilla.ImportOptions{Others: []string{"a", "session"}}), "twice"},
		{"a bad name", cookies(good, "session", &gorilla.ImportOptions{Others: []string{"a/b"}}), "a/b"},
		{"no file store", inFiles(nil, dir), "nil"},
		{"good files", inFiles(files, dir), ""},
		{"another directory", inFiles(files, t.TempDir()), "directory"},
		{"no directory", inFiles(sessions.NewFilesystemStore(dir+"/x", hashKey), dir+"/x"), "can't be saved"},
	} {
		if (c.err == nil) != (c.want == "") || c.err != nil && !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.what, c.err, c.want)
		}
	}
	if left := (&oldStore{dir: dir}).files(t); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// plainCodec is a codec whose format nobody knows.
type plainCodec struct{}

func (plainCodec) Encode(string, any) (string, error) { return "", nil }
func (plainCodec) Decode(string, string, any) error   { return nil }
