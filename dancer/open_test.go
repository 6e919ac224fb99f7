package dancer_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/dancer"
	"github.com/cloakroom-go/cloakroom/elasticstore"
)

// This file tests the sessions that Open makes from a config.yml.

// TestOpen: one call opens running sessions, with a key file of their own beside the
// configuration, which the next process uses as well.
func TestOpen(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	path := l.config("is_lazy: 1", "")
	a := l.open(path, nil)
	keys := filepath.Join(l.dir, "session.keys")
	if a.KeyFile != keys {
		t.Errorf("the key file is %q, want %q", a.KeyFile, keys)
	}
	text, err := os.ReadFile(keys)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), oldSecret) {
		t.Error("the key file has the old secret")
	}
	b := new(browser)
	a.visit(b, 200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		count.Set(s, 1)
		return nil
	})
	next := l.open(path, nil) // as after a restart
	next.visit(b, 200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		if count.Get(s) != 1 {
			t.Errorf("after a restart the cookie opens %v", s)
		}
		return nil
	})
	if again, err := os.ReadFile(keys); err != nil || string(again) != string(text) {
		t.Errorf("the second use changed the key file: %v", err)
	}
	for line := range strings.Lines(a.log.String()) {
		if !strings.Contains(line, "the engine can't be set up yet") { // a busy machine is no failure
			t.Errorf("logged: %s", line)
		}
	}
}

func TestOpenOptions(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	elsewhere := filepath.Join(t.TempDir(), "keys")
	a := l.open(l.config("", ""), &dancer.OpenOptions{KeyFile: elsewhere})
	if _, err := os.Stat(elsewhere); err != nil || a.KeyFile != elsewhere {
		t.Errorf("the key file is %q: %v", a.KeyFile, err)
	}

	l = newLab(t) // the engine refuses a template for part of another's names
	ring, err := cloakroom.NewKeyring([]byte("a secret of a test: 32 bytes, no more"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	text, err := os.ReadFile(l.config("is_lazy: 1\nno_such_setting: 1", ""))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	a = l.open(path, &dancer.OpenOptions{
		Keyring: ring,
		Adjust: func(c *cloakroom.Config) {
			if c.App != "my_session" || c.Save != cloakroom.SaveManual {
				t.Errorf("Adjust was given %+v", c)
			}
			c.Save = cloakroom.SaveOnce
		},
		AdjustStore: func(c *elasticstore.ClientConfig, s *elasticstore.Config) {
			if len(c.URLs) != 1 || s.Index != l.index || s.RequestTimeout != patient {
				t.Errorf("AdjustStore was given %+v, %+v", c, s)
			}
			s.Index += "-new"
		},
	})
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 || a.KeyFile != "" {
		t.Errorf("with a Keyring there are %v and the key file %q", entries, a.KeyFile)
	}
	a.as(a.stored(1)).do(a.Handler(a.With(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		count.Set(s, 2)
		count.Set(s, 3)
		return nil
	})))
	a.wantOps("SaveOnce in the place of is_lazy: 1", "read 1, write 1")
	for _, d := range l.news() {
		if !strings.HasPrefix(d.Index, l.index+"-new-") {
			t.Errorf("a document is in %s", d.Index)
		}
	}
	l.call(http.MethodDelete, "/_index_template/"+l.index+"-new-periods", "")
	if log := a.log.String(); !strings.Contains(log, "no_such_setting") {
		t.Errorf("the warning is not logged: %q", log)
	}
}

// TestOpenErrors: Open refuses wrong options, by itself or because the parts do. No
// error has a secret in it.
func TestOpenErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "config.yml")
	write := func(more string) {
		t.Helper()
		text := "session: ElasticSearch\nsession_options:\n  connection:\n    servers: \"http://shop:pa55word@127.0.0.1:1\"\n" +
			"  index: my_index-2014\n  signing:\n    secret: \"" + oldSecret + "\"\n" + more
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	quiet := slog.New(slog.DiscardHandler)
	adjust := func(f func(*elasticstore.ClientConfig, *elasticstore.Config)) *dancer.OpenOptions {
		return &dancer.OpenOptions{AdjustStore: f}
	}
	for _, test := range []struct {
		what, settings, want string
		options              *dancer.OpenOptions
	}{
		{"one index", "", `OneIndex would have new sessions in the index "my_index-2014" itself`,
			adjust(func(_ *elasticstore.ClientConfig, c *elasticstore.Config) { c.OneIndex = true })},
		{"one index of another name", "", `OneIndex would`,
			adjust(func(_ *elasticstore.ClientConfig, c *elasticstore.Config) { c.OneIndex, c.Index = true, "other" })},
		{"an index that the old one is of", "", `new sessions would live in my_index-*, where the old module's index "my_index-2014" is as well`,
			adjust(func(_ *elasticstore.ClientConfig, c *elasticstore.Config) { c.Index = "my_index" })},
		{"an index that can't be", "", `Config.Index is "My"`,
			adjust(func(_ *elasticstore.ClientConfig, c *elasticstore.Config) { c.Index = "My" })},
		{"a manager's setting", "", `Config.TouchEvery`,
			&dancer.OpenOptions{Adjust: func(c *cloakroom.Config) { c.TouchEvery = 1000 * time.Hour }}},
		{"a domain that browsers refuse", "session_domain: localhost\n", `session_domain is "localhost", which browsers refuse`, nil},
		{"no place for the keys", "", "key file", &dancer.OpenOptions{KeyFile: filepath.Join(dir, "none", "keys")}},
		{"no file", "", "no such file", &dancer.OpenOptions{Load: dancer.LoadOptions{Environment: "production"}}},
	} {
		write(test.settings)
		at := path
		if test.what == "no file" {
			at = filepath.Join(dir, "none.yml")
		}
		options := dancer.OpenOptions{}
		if test.options != nil {
			options = *test.options
		}
		options.Logger = quiet
		s, err := dancer.Open(t.Context(), at, &options)
		if err == nil {
			s.Close()
			t.Errorf("%s: no error", test.what)
			continue
		}
		if got := err.Error(); !strings.HasPrefix(got, "dancer: ") || !strings.Contains(got, test.want) ||
			strings.Contains(got, oldSecret) || strings.Contains(got, "pa55word") {
			t.Errorf("%s: got error %q, want one with %q", test.what, got, test.want)
		}
	}
}

// TestOpenInAnOutage: an engine that is out of reach is no error of Open, but of the
// operations that need it.
func TestOpenInAnOutage(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(nil)
	gone.Close()
	l := &lab{TB: t, url: gone.URL, index: "dancer_none", dir: t.TempDir()}
	a := l.open(l.config("", ""), &dancer.OpenOptions{Adjust: func(c *cloakroom.Config) { c.SaveTimeout = 50 * time.Millisecond }})
	if _, err := a.Create(t.Context()); !errors.Is(err, cloakroom.ErrUnavailable) {
		t.Errorf("Create: %v, want ErrUnavailable", err)
	}
}

// TestCookieName: the cookie has the root's default name, unless the old one has it.
func TestCookieName(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, test := range []struct{ settings, want string }{
		{"", "session"},
		{"session_name: sid", "session"},
		{"session_name: session", "cloakroom"},
		{"session_name: SESSION", "cloakroom"},
		{"session_secure: 1", "__Host-Http-session"},
		{"session_secure: 1\nsession_name: session", "__Host-Http-session"},
		{"session_secure: 1\nsession_name: __host-http-Session", "__Host-Http-cloakroom"},
		{"session_secure: 1\nsession_domain: .shop.example", "__Secure-session"},
		{"session_secure: 1\nsession_domain: .shop.example\nsession_name: __Secure-session", "__Secure-cloakroom"},
		{"session_domain: .shop.example\nsession_name: session", "cloakroom"},
	} {
		a := l.open(l.config("", test.settings), nil)
		old := a.Config.Cookie.Name
		b := &browser{cookies: map[string]string{old: "f49cb62faf84ospJPzsMt4hHBaIB85E4Kglfp2y8"}}
		set := func() string {
			t.Helper()
			res := a.visit(b, 200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				count.Update(s, func(n int) int { return n + 1 })
				return nil
			})
			names := ""
			for _, c := range res.Cookies() {
				names += c.Name
			}
			return names
		}
		if got := set(); got != test.want {
			t.Errorf("%q sets the cookie %q, want %q", test.settings, got, test.want)
		}
		if got := set(); got != "" { // the new cookie was accepted beside the old one
			t.Errorf("%q sets the cookie %q once more", test.settings, got)
		}
		if b.cookies[old] == "" {
			t.Errorf("%q took the old cookie away", test.settings)
		}
		plain := a.Config.NewCookie()
		if plain.Name == "" {
			t.Errorf("%q: NewCookie has no name", test.settings)
		}
		if plain.Name = ""; !strings.HasSuffix(test.want, "cloakroom") {
			byDefault := l.open(l.config("", test.settings), &dancer.OpenOptions{Adjust: func(c *cloakroom.Config) { c.Transport = plain }})
			res := byDefault.visit(new(browser), 200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				count.Set(s, 1)
				return nil
			})
			if got := res.Cookies()[0].Name; got != test.want {
				t.Errorf("%q: the root's default is %q, want %q", test.settings, got, test.want)
			}
		}
	}
}

// TestCookieAttributes: the new cookie has the attributes that config.yml sets.
func TestCookieAttributes(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	begin := func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		count.Set(s, 1)
		return nil
	}
	for _, test := range []struct{ settings, want string }{
		{"", "Path=/; HttpOnly; SameSite=Lax"},
		{"session_secure: 1", "Path=/; HttpOnly; Secure; SameSite=Lax"},
		{"session_same_site: Strict\nsession_is_http_only: 0", "Path=/; HttpOnly; SameSite=Strict"},
		{"session_same_site: None", "Path=/; HttpOnly; SameSite=Lax"},
		{"session_same_site: None\nsession_secure: 1", "Path=/; HttpOnly; Secure; SameSite=None"},
		{"session_domain: .shop.example", "Path=/; Domain=shop.example; HttpOnly; SameSite=Lax"},
	} {
		a := l.open(l.config("", test.settings), nil)
		_, attributes, _ := strings.Cut(a.visit(new(browser), 200, begin).Header.Get("Set-Cookie"), "; ")
		if attributes != test.want {
			t.Errorf("%q: the cookie has %s, want %s", test.settings, attributes, test.want)
		}
		warned := strings.Contains(test.settings, "http_only: 0") || test.settings == "session_same_site: None"
		if log := a.log.String(); strings.Contains(log, "session_") != warned {
			t.Errorf("%q: logged: %s", test.settings, log)
		}
	}

	now := time.Now()
	a := l.open(l.config("", `session_expires: "2 weeks"`), &dancer.OpenOptions{Adjust: func(c *cloakroom.Config) {
		c.Now = func() time.Time { return now }
		if c.IdleTimeout != 14*24*time.Hour || c.AnonymousLifetime != 14*24*time.Hour || c.Lifetime != 30*24*time.Hour {
			t.Errorf("two weeks became %v, %v, %v", c.IdleTimeout, c.AnonymousLifetime, c.Lifetime)
		}
	}})
	b := new(browser)
	if got := a.visit(b, 200, begin).Cookies()[0].MaxAge; got != 14*24*3600 {
		t.Errorf("the cookie lasts for %d seconds, want two weeks", got)
	}
	for _, remember := range []bool{false, true} { // the application's choice
		c := a.visit(b, 200, func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
			return s.Login(r.Context(), "ann", &cloakroom.LoginOptions{Remember: remember})
		}).Cookies()[0]
		if (c.MaxAge > 0) != remember {
			t.Errorf("after a sign-in with Remember %v: %v", remember, c)
		}
	}
}

// TestAfterHook: AfterHook, with everything that stands between a handler and its
// client.
func TestAfterHook(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.open(l.config("is_lazy: 1", ""), nil)
	server := httptest.NewServer(a.Handler(a.AfterHook(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/unused" {
			return
		}
		s, err := a.Session(r.Context())
		if err != nil {
			a.Manager.Fail(w, r, err)
			return
		}
		switch r.URL.Path {
		case "/flush":
			count.Set(s, 1)
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			l.wantValue(s.ID(), "count", "1")
			count.Set(s, 2)
		case "/hijack":
			count.Set(s, 3)
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			l.wantValue(s.ID(), "count", "3")
			io.WriteString(rw, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
			rw.Flush()
			conn.Close()
		case "/deadline":
			if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(patient)); err != nil {
				t.Error(err)
			}
			count.Set(s, 4)
		case "/late":
			io.WriteString(w, "begun")
			count.Set(s, 5)
		}
	}))))
	t.Cleanup(server.Close)
	s := a.stored(0)
	get := func(path string, cookie bool) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if cookie {
			a.Attach(req, s)
		}
		res, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		io.ReadAll(res.Body)
		if res.StatusCode != 200 || len(res.Cookies()) > 0 {
			t.Errorf("%s: status %d, cookies %v", path, res.StatusCode, res.Cookies())
		}
	}
	get("/unused", true)
	a.wantOps("a request that doesn't use it", "nothing")
	get("/", true)
	a.wantOps("one that changes nothing", "read 1")
	get("/flush", true)
	l.wantValue(s.ID(), "count", "2")
	get("/hijack", true)
	get("/deadline", true)
	l.wantValue(s.ID(), "count", "4")

	a.ops.since()
	get("/late", false)
	a.wantOps("one that is begun too late", "nothing")
	if log := a.log.String(); !strings.Contains(log, cloakroom.ErrTooLate.Error()) {
		t.Errorf("logged: %q", log)
	}
}

// TestOpenOfAConfig: a configuration that was read is opened without reading its file
// again.
func TestOpenOfAConfig(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	path := l.config("is_lazy: 1", "")
	config, err := dancer.LoadConfig(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	config.Cookie.Name = "session" // so the new cookie has another name
	s, err := config.Open(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Config != config || s.KeyFile != filepath.Join(filepath.Dir(path), "session.keys") || config.NewCookie().Name != "cloakroom" {
		t.Errorf("%+v", s)
	}
	session, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l.kept(session.ID())
	if _, err := new(dancer.Config).Open(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "LoadConfig") {
		t.Errorf("a Config that nobody read: %v", err)
	}
}
