package gorilla_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/adapters/gorilla"
	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"
)

// This file is the tests of a FilesystemStore's files: what others do with them meanwhile.

// between runs a change of the files between the read of a session and its end.
func between(from cloakroom.Importer, change func()) cloakroom.Importer {
	return &meddler{Importer: from, change: change}
}

type meddler struct {
	cloakroom.Importer
	change func()
}

func (m *meddler) Retire(ctx context.Context, t cloakroom.ForeignToken, version string) error {
	if f := m.change; f != nil {
		m.change = nil
		f()
	}
	return m.Importer.Retire(ctx, t, version)
}

// What an old process saved meanwhile is taken over, and a sign-out there is one here.
func TestFileChangesDuringTheImport(t *testing.T) {
	old := newOldStore(t, true, nil)
	cookie := save(t, old, "session", put("user", "ann", "cart", "full"))
	r := newPort(t, between(old.importer, func() { save(t, old, "session", put("cart", "fuller"), cookie) }))
	c := r.arrive(cookie)
	if v := r.look(c, "session"); v["user"] != "ann" || v["cart"] != "fuller" || len(old.files(t)) > 0 {
		t.Errorf("%v, and %d files are left", v, len(old.files(t)))
	}

	cookie = save(t, old, "session", put("user", "bob"))
	r = newPort(t, between(old.importer, func() {
		save(t, old, "session", func(g *sessions.Session) { g.Options.MaxAge = -1 }, cookie)
	}))
	for range 2 {
		if v := r.look(r.arrive(cookie), "session"); len(v) > 0 {
			t.Errorf("signed out during the import, and still there: %v", v)
		}
	}
}

// A file that is being written when it is to be removed stays, and is taken over later.
func TestFileIsWrittenDuringTheImport(t *testing.T) {
	old := newOldStore(t, true, nil)
	cookie := save(t, old, "session", put("user", "ann", "cart", "full"))
	name := old.files(t)[0]
	var ahead atomic.Int64
	r := newPort(t, between(old.importer, func() { overwrite(t, name, nil, 0) }), func(c *cloakroom.Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	c := r.arrive(cookie)
	if v := r.look(c, "session"); v["cart"] != "full" || len(old.files(t)) != 1 {
		t.Errorf("%v, and %d files", v, len(old.files(t)))
	}
	content, err := securecookie.EncodeMulti("session", map[any]any{"user": "ann", "cart": "fuller"}, old.Store.(*sessions.FilesystemStore).Codecs...)
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, name, []byte(content), 0)
	ahead.Store(int64(5 * time.Minute)) // the process that imported it has given up
	r.change(c, "session", func(g *sessions.Session) { g.Values["later"] = true })
	for n := 0; n < 1000 && len(old.files(t)) > 0; n++ { // no response waits for it
		r.look(c, "session")
	}
	if v := r.look(c, "session"); v["cart"] != "fuller" || v["later"] != true || len(old.files(t)) > 0 {
		t.Errorf("%v, and %d files", v, len(old.files(t)))
	}
}

func TestRetirementOfFiles(t *testing.T) {
	old := newOldStore(t, true, &gorilla.ImportOptions{Others: []string{"flash", "prefs"}})
	main, flash := save(t, old, "session", put("user", "ann")), save(t, old, "flash", put("a", 1))
	broken := save(t, old, "prefs", put("a", 1))
	names := old.files(t)
	for _, name := range names { // what can't be read any more is no session, and goes as well
		if b, _ := os.ReadFile(name); len(b) > 0 && idOf(t, old, broken) == strings.TrimPrefix(filepath.Base(name), "session_") {
			overwrite(t, name, nil, 2*time.Minute)
		}
	}
	token, f, err := old.load(t, main, flash, broken)
	if err != nil || len(f.Values) != 2 {
		t.Fatal(f, err)
	}
	save(t, old, "flash", put("a", 2), flash)
	wantErr(t, "one of several has changed", old.importer.Retire(t.Context(), token, f.Version), cloakroom.ErrConflict)
	if f, err = old.importer.Load(t.Context(), token); err != nil || string(f.Values["flash/a"]) != "2" {
		t.Fatal(f, err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	wantErr(t, "canceled", old.importer.Retire(canceled, token, f.Version), context.Canceled)
	save(t, old, "flash", func(g *sessions.Session) { g.Options.MaxAge = -1 }, flash) // as an earlier try
	if err := old.importer.Retire(t.Context(), token, f.Version); err != nil || len(old.files(t)) > 0 {
		t.Errorf("%v, left: %d", err, len(old.files(t)))
	}
	wantErr(t, "once more", old.importer.Retire(t.Context(), token, f.Version), cloakroom.ErrNotFound)
	_, err = old.importer.Load(t.Context(), token)
	wantErr(t, "afterwards", err, cloakroom.ErrNotFound)
}

// idOf returns the id of a cookie's session.
func idOf(t *testing.T, s *oldStore, cookie *http.Cookie) (id string) {
	t.Helper()
	if err := securecookie.DecodeMulti(cookie.Name, cookie.Value, &id, s.Store.(*sessions.FilesystemStore).Codecs...); err != nil {
		t.Fatal(err)
	}
	return id
}

// overwrite writes a file as if that had been a while ago.
func overwrite(t *testing.T, name string, b []byte, ago time.Duration) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	then := time.Now().Add(-ago)
	if err := os.Chtimes(name, then, then); err != nil {
		t.Fatal(err)
	}
}

// A file that is being written is an outage. One that was cut off long ago is no session.
func TestFilesThatAreCutOff(t *testing.T) {
	old := newOldStore(t, true, nil)
	cookie := save(t, old, "session", put("user", "ann"))
	name := old.files(t)[0]
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	r := newPort(t, old.importer)
	for _, n := range []int{0, 1, len(whole) / 2, len(whole) - 1} {
		overwrite(t, name, whole[:n], time.Second)
		c := r.arrive(cookie)
		r.visit(c, func(_ http.ResponseWriter, req *http.Request) {
			_, err := r.store.Get(req, "session")
			wantErr(t, "while it is written", err, cloakroom.ErrUnavailable)
		})
		if !r.hasCookie(c, "session") || r.token(c) != "" {
			t.Error("the visitor is signed out")
		}
		overwrite(t, name, whole[:n], 2*time.Minute)
		_, _, err := old.load(t, cookie)
		wantErr(t, "long ago", err, cloakroom.ErrNotFound)
	}
	overwrite(t, name, whole, 0)
	if v := r.look(r.arrive(cookie), "session"); v["user"] != "ann" {
		t.Errorf("written to its end it is %v", v)
	}
}

// A directory that can't be read, or isn't there, is an outage.
func TestOutageOfTheDirectory(t *testing.T) {
	old := newOldStore(t, true, nil)
	cookie := save(t, old, "session", put("user", "ann"))
	token, f, err := old.load(t, cookie)
	if err != nil {
		t.Fatal(err)
	}
	away := old.dir + ".away"
	if err := os.Rename(old.dir, away); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{"Load": second(old.importer.Load(t.Context(), token)), "Retire": old.importer.Retire(t.Context(), token, f.Version)} {
		wantErr(t, what, err, cloakroom.ErrUnavailable)
		if strings.Contains(err.Error(), token.ID) {
			t.Errorf("%s: the error has the id", what)
		}
	}
	if err := os.Rename(away, old.dir); err != nil {
		t.Fatal(err)
	}
	name := old.files(t)[0]
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(name, 0o700); err != nil { // what can't be read, for root too
		t.Fatal(err)
	}
	_, err = old.importer.Load(t.Context(), token)
	wantErr(t, "no file", err, cloakroom.ErrUnavailable)
	if strings.Contains(err.Error(), token.ID) {
		t.Error("the error has the id")
	}
}

func second[T any](_ T, err error) error { return err }

// A file beyond the codec's limit is said to be, and nobody is signed out by it.
func TestFileThatIsTooLong(t *testing.T) {
	old := newOldStore(t, true, nil)
	cookie := save(t, old, "session", put("user", strings.Repeat("a", 5000)))
	old.Store.(*sessions.FilesystemStore).MaxLength(4096)
	_, _, err := old.load(t, cookie)
	wantErr(t, "too long", err, cloakroom.ErrUnavailable)
	if err != nil && !strings.Contains(err.Error(), "MaxLength") {
		t.Error(err)
	}
}

// The id is a part of a file's name: one that leads elsewhere is none, whoever signed it.
func TestFilesOutsideOfTheDirectory(t *testing.T) {
	old := newOldStore(t, true, nil)
	codecs := old.Store.(*sessions.FilesystemStore).Codecs
	elsewhere := t.TempDir()
	content, err := securecookie.EncodeMulti("session", map[any]any{"user": "ann"}, codecs...)
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, filepath.Join(elsewhere, "x"), []byte(content), 0)
	if err := os.Mkdir(filepath.Join(old.dir, "session_"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{
		"/../../" + filepath.Base(elsewhere) + "/x", "../x", "..", ".", "/", `..\x`, "", "A", strings.Repeat("A", 15), strings.Repeat("A", 300),
		strings.Repeat("A", 51) + "a", strings.Repeat("A", 51) + "=", strings.Repeat("A", 51) + "\x00", strings.Repeat("A", 51) + "1",
	} {
		value, err := securecookie.EncodeMulti("session", id, codecs...)
		if err != nil {
			t.Fatal(err)
		}
		_, err = old.importer.Find(withCookies(&http.Cookie{Name: "session", Value: value}))
		wantErr(t, "the id "+id, err, cloakroom.ErrForged)
	}
	for _, credential := range []string{"", "[]", "x", "null", `{"Name":"session","Text":"../x"}`} {
		token := cloakroom.ForeignToken{ID: "x", Credential: credential, Rest: "[]"}
		if _, err := old.importer.Load(t.Context(), token); err == nil {
			t.Errorf("the credential %q opens something", credential)
		}
		if err := old.importer.Retire(t.Context(), token, "{}"); err == nil {
			t.Errorf("the credential %q ends something", credential)
		}
	}
}
