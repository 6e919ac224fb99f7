package cloakroom_test

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file is the tests of a cookie's attributes, and of the configurations that
// browsers would refuse.

// TestSetCookie compares each Set-Cookie line of one visitor's way through an app with
// testdata/setcookie.golden. The line that sets a cookie and the one that takes it back
// have to agree in name, Domain, Path and Partitioned; else browsers keep it.
func TestSetCookie(t *testing.T) {
	const path = "testdata/setcookie.golden"
	var got bytes.Buffer
	for _, tt := range []struct {
		name   string
		cookie cloakroom.Cookie
	}{
		{"by default", cloakroom.Cookie{}},
		{"anonymous visitors are remembered", cloakroom.Cookie{RememberAnonymous: true}},
		{"for a domain", cloakroom.Cookie{Domain: ".example.com"}},
		{"for a path", cloakroom.Cookie{Path: "/shop"}},
		{"partitioned", cloakroom.Cookie{Partitioned: true, SameSite: http.SameSiteNoneMode}},
		{"SameSite Strict", cloakroom.Cookie{SameSite: http.SameSiteStrictMode}},
		{"plain HTTP", cloakroom.Cookie{Insecure: true}},
		{"plain HTTP, with domain, path and remembered", cloakroom.Cookie{Insecure: true, Domain: "example.com", Path: "/shop/", RememberAnonymous: true}},
		{"all of it", cloakroom.Cookie{
			Name: "__Http-shop", Domain: "Example.com", Path: "/shop", Partitioned: true, SameSite: http.SameSiteNoneMode, RememberAnonymous: true,
		}},
	} {
		fmt.Fprintf(&got, "== %s\n\n", tt.name)
		inBubble(t, func(t *testing.T) { visitLines(t, tt.cookie, &got) })
		fmt.Fprintln(&got)
	}
	if *updateGolden {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if line, got, want := firstDifference(got.String(), string(want)); line > 0 {
		t.Errorf("line %d of %s: got\n%s\nwant\n%s", line, path, got, want)
	}
}

// visitLines goes one visitor's way, and writes the lines that each step sets.
func visitLines(t *testing.T, c cloakroom.Cookie, w io.Writer) {
	d := newDesk(t, &cloakroom.Config{Transport: c, AnonymousLifetime: 48 * time.Hour, Lifetime: 10 * time.Hour})
	var name, tok string
	step := func(what string, page deskPage) {
		t.Helper()
		resp := d.ask(page, cookie(name, tok))
		synctest.Wait()
		if resp.StatusCode != http.StatusOK || len(setCookies(resp)) != 1 {
			t.Fatalf("%s: %d, Set-Cookie %q", what, resp.StatusCode, setCookies(resp))
		}
		line := setCookies(resp)[0]
		if tok = tokenIn(resp); tok != "" {
			line = strings.Replace(line, tok, "TOKEN", 1)
		}
		name, _, _ = strings.Cut(line, "=")
		fmt.Fprintf(w, "%-11s %s\n", what, line)
		d.clock.advance(time.Hour)
	}
	login := func(o *cloakroom.LoginOptions) deskPage {
		return func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
			return s.Login(r.Context(), "ann", o)
		}
	}
	step("begun", putPage("bowler"))
	if err := d.keyring.Replace([]byte("a newer secret, of a later day: 32"), []byte("a secret of a test: 32 bytes, no more")); err != nil {
		t.Fatal(err)
	}
	step("signed anew", lookPage)
	step("signed in", login(nil))
	step("remembered", login(&cloakroom.LoginOptions{Remember: true}))
	step("renewed", func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error { return s.Renew(r.Context()) })
	step("signed out", func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		return s.Destroy(r.Context())
	})
}

// TestRememberAnonymous: the record says that the cookie lasts, and the cookie never
// lasts beyond the record's deadline, not even by part of a second.
func TestRememberAnonymous(t *testing.T) {
	d := newDesk(t, &cloakroom.Config{
		Transport: cloakroom.Cookie{RememberAnonymous: true}, AnonymousLifetime: 10*time.Second + 700*time.Millisecond,
	})
	created, err := d.m.Create(t.Context())
	if err != nil || !created.Info().Persistent {
		t.Errorf("made outside of a request: %+v, %v", created.Info(), err)
	}
	d.clock.advance(250 * time.Millisecond)
	var s *cloakroom.Session
	resp := d.ask(func(w http.ResponseWriter, r *http.Request, begun *cloakroom.Session) error {
		s = begun
		return putPage("bowler")(w, r, begun)
	})
	deadline := s.Info().Deadline
	for d.clock.now().Before(deadline) {
		if len(setCookies(resp)) != 1 {
			t.Fatalf("Set-Cookie %q", setCookies(resp))
		}
		c, err := http.ParseSetCookie(setCookies(resp)[0])
		if err != nil {
			t.Fatal(err)
		}
		left := deadline.Sub(d.clock.now())
		lasts := c.Expires.Sub(d.clock.now())
		if c.MaxAge != 0 { // which comes first
			lasts = time.Duration(c.MaxAge) * time.Second
		}
		if c.Expires.IsZero() || c.Expires.After(deadline) || lasts > left || lasts <= left-time.Second {
			t.Errorf("%v before the deadline the cookie is to last %v: %s", left, lasts, setCookies(resp)[0])
		}
		tok := tokenIn(resp)
		d.clock.advance(450 * time.Millisecond)
		resp = d.ask(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error { return s.Renew(r.Context()) }, bring(tok))
	}
}

// TestCookieRules: a cookie that browsers would refuse, or that net/http would leave
// out of Set-Cookie, is an error that says what is allowed. For an accepted one the
// test has the name. A test with a browser has the same rules (internal/test/e2e).
func TestCookieRules(t *testing.T) {
	type c = cloakroom.Cookie
	const (
		none     = http.SameSiteNoneMode
		prefixed = ` has a prefix that needs Path=/ and no Domain: leave Cookie.Domain and Cookie.Path out, or begin the name with __Secure-`
		insecure = ` needs Secure, which Cookie.Insecure leaves out: use a name without the prefix`
		noHost   = ` isn't the name of a host: write it in ASCII, without scheme, port, path and spaces, such as example.com`
		address  = ` is an IP address, which has no hosts below it: leave Cookie.Domain out`
		single   = ` is a single label, which browsers refuse: name a domain of your own, such as example.com, or leave Cookie.Domain out`
		noPath   = ` isn't a path as browsers send it: percent-encode what isn't plain ASCII, and leave out what follows ? or #`
		badName  = ` can't name a cookie: use letters, digits, - and _`
	)
	name := func(name string) string { return fmt.Sprintf("Cookie.Name %q", name) }
	domain := func(domain string) string { return fmt.Sprintf("Cookie.Domain %q", domain) }
	path := func(path string) string { return fmt.Sprintf("Cookie.Path %q", path) }
	for _, tt := range []struct {
		cookie c
		name   string // that the cookie gets; "" if it is refused
		err    string // what New says after "cloakroom: "
	}{
		// Names by default.
		{c{}, "__Host-Http-session", ""},
		{c{Path: "/"}, "__Host-Http-session", ""},
		{c{Path: "/shop"}, "__Secure-session", ""},
		{c{Domain: "example.com"}, "__Secure-session", ""},
		{c{Domain: "example.com", Path: "/shop"}, "__Secure-session", ""},
		{c{Partitioned: true, SameSite: none}, "__Host-Http-session", ""},
		{c{Insecure: true}, "session", ""},
		{c{Insecure: true, Domain: "example.com", Path: "/shop"}, "session", ""},

		// Prefixes, in each way of writing them.
		{c{Name: "__Host-a"}, "__Host-a", ""},
		{c{Name: "__Host-Http-a"}, "__Host-Http-a", ""},
		{c{Name: "__Secure-a"}, "__Secure-a", ""},
		{c{Name: "__Http-a"}, "__Http-a", ""},
		{c{Name: "__Secure-a", Domain: "example.com", Path: "/shop"}, "__Secure-a", ""},
		{c{Name: "__Http-a", Domain: "example.com", Path: "/shop"}, "__Http-a", ""},
		{c{Name: "__Host-a", Domain: "example.com"}, "", name("__Host-a") + prefixed},
		{c{Name: "__Host-a", Path: "/shop"}, "", name("__Host-a") + prefixed},
		{c{Name: "__Host-Http-a", Domain: "example.com"}, "", name("__Host-Http-a") + prefixed},
		{c{Name: "__Host-Http-a", Path: "/shop"}, "", name("__Host-Http-a") + prefixed},
		{c{Name: "__hOST-a", Domain: "example.com"}, "", name("__hOST-a") + prefixed},
		{c{Name: "__HOST-HTTP-a", Path: "/shop"}, "", name("__HOST-HTTP-a") + prefixed},
		{c{Name: "__Host-", Path: "/shop"}, "", name("__Host-") + prefixed},
		{c{Name: "__Host-a", Insecure: true}, "", name("__Host-a") + insecure},
		{c{Name: "__Host-Http-a", Insecure: true}, "", name("__Host-Http-a") + insecure},
		{c{Name: "__Secure-a", Insecure: true}, "", name("__Secure-a") + insecure},
		{c{Name: "__Http-a", Insecure: true}, "", name("__Http-a") + insecure},
		{c{Name: "__secure-a", Insecure: true}, "", name("__secure-a") + insecure},
		{c{Name: "__HTTP-a", Insecure: true}, "", name("__HTTP-a") + insecure},
		{c{Name: "__Http-", Insecure: true}, "", name("__Http-") + insecure},

		// Names that only look like it.
		{c{Name: "__Host", Insecure: true, Domain: "example.com"}, "__Host", ""},
		{c{Name: "_Host-a", Insecure: true, Path: "/shop"}, "_Host-a", ""},
		{c{Name: "a__Host-a", Insecure: true, Path: "/shop"}, "a__Host-a", ""},
		{c{Name: "__HttpOnly-a", Insecure: true}, "__HttpOnly-a", ""},
		{c{Name: "__Securea", Insecure: true}, "__Securea", ""},

		// Names as such.
		{c{Name: "a b"}, "", name("a b") + badName},
		{c{Name: "a=b"}, "", name("a=b") + badName},
		{c{Name: "a;b"}, "", name("a;b") + badName},
		{c{Name: "é"}, "", name("é") + badName},
		{c{Name: "__Ho\u017ft-a"}, "", name("__Ho\u017ft-a") + badName}, // ſ is an s in another case
		{c{Name: strings.Repeat("n", 4096-67)}, strings.Repeat("n", 4096-67), ""},
		{c{Name: strings.Repeat("n", 4096-66)}, "", "Cookie.Name has 4030 bytes: at most 4029 are allowed"},

		// Domains.
		{c{Domain: ".example.com"}, "__Secure-session", ""},
		{c{Domain: "a-1.EXAMPLE.xn--p1ai"}, "__Secure-session", ""},
		{c{Domain: "1.2.example.com"}, "__Secure-session", ""},
		{c{Domain: "co.uk"}, "__Secure-session", ""}, // as can't be known
		{c{Domain: "com"}, "", domain("com") + single},
		{c{Domain: ".com"}, "", domain(".com") + single},
		{c{Domain: "localhost", Insecure: true}, "", domain("localhost") + single},
		{c{Domain: "192.0.2.1"}, "", domain("192.0.2.1") + address},
		{c{Domain: ".192.0.2.1"}, "", domain(".192.0.2.1") + address},
		{c{Domain: "0x7f.0x1"}, "", domain("0x7f.0x1") + address},
		{c{Domain: "2001:db8::1"}, "", domain("2001:db8::1") + noHost},
		{c{Domain: "[2001:db8::1]"}, "", domain("[2001:db8::1]") + noHost},
		{c{Domain: "https://example.com"}, "", domain("https://example.com") + noHost},
		{c{Domain: "example.com:443"}, "", domain("example.com:443") + noHost},
		{c{Domain: "example.com/"}, "", domain("example.com/") + noHost},
		{c{Domain: " example.com"}, "", domain(" example.com") + noHost},
		{c{Domain: "example.com "}, "", domain("example.com ") + noHost},
		{c{Domain: "example.com; Path=/x"}, "", domain("example.com; Path=/x") + noHost},
		{c{Domain: "example.com\r\nX: y"}, "", domain("example.com\r\nX: y") + noHost},
		{c{Domain: "münchen.example"}, "", domain("münchen.example") + noHost},
		{c{Domain: "my_shop.example"}, "", domain("my_shop.example") + noHost},
		{c{Domain: "*.example.com"}, "", domain("*.example.com") + noHost},
		{c{Domain: "example.com."}, "", domain("example.com.") + noHost},
		{c{Domain: "..example.com"}, "", domain("..example.com") + noHost},
		{c{Domain: "example..com"}, "", domain("example..com") + noHost},
		{c{Domain: "-example.com"}, "", domain("-example.com") + noHost},
		{c{Domain: "."}, "", domain(".") + noHost},
		{c{Domain: strings.Repeat("a", 64) + ".com"}, "", domain(strings.Repeat("a", 64)+".com") + noHost},

		// Paths.
		{c{Path: "/shop/"}, "__Secure-session", ""},
		{c{Path: "/shop/caf%C3%A9,~'(1)=@:&"}, "__Secure-session", ""},
		{c{Path: "/" + strings.Repeat("p", 1023)}, "__Secure-session", ""},
		{c{Path: "/" + strings.Repeat("p", 1024)}, "", "Cookie.Path has 1025 bytes: at most 1024 are allowed"},
		{c{Path: "shop"}, "", path("shop") + " doesn't begin with /"},
		{c{Path: " /shop"}, "", path(" /shop") + " doesn't begin with /"},
		{c{Path: "https://example.com/"}, "", path("https://example.com/") + " doesn't begin with /"},
		{c{Path: "/a;b"}, "", path("/a;b") + " has a semicolon, where the attribute would end: use a path above it"},
		{c{Path: "/a b"}, "", path("/a b") + noPath},
		{c{Path: "/a "}, "", path("/a ") + noPath},
		{c{Path: "/a\r\nX: y"}, "", path("/a\r\nX: y") + noPath},
		{c{Path: "/a\x00"}, "", path("/a\x00") + noPath},
		{c{Path: "/a\x7f"}, "", path("/a\x7f") + noPath},
		{c{Path: "/café"}, "", path("/café") + noPath},
		{c{Path: "/a?b"}, "", path("/a?b") + noPath},
		{c{Path: "/a#b"}, "", path("/a#b") + noPath},
		{c{Path: `/a\b`}, "", path(`/a\b`) + noPath},

		// Other settings that need Secure.
		{c{Partitioned: true}, "__Host-Http-session", ""},
		{c{Partitioned: true, Insecure: true}, "", "Cookie.Partitioned needs Secure, which Cookie.Insecure leaves out"},
		{c{SameSite: none, Insecure: true}, "", "Cookie.SameSite None needs Secure, which Cookie.Insecure leaves out"},
		{c{SameSite: 99}, "", "Cookie.SameSite is 99: use one of net/http's modes"},
	} {
		t.Run(fmt.Sprintf("%.60q", fmt.Sprintf("%+v", tt.cookie)), func(t *testing.T) {
			line, err := cookieLine(t, tt.cookie)
			if tt.name == "" {
				if err == nil || err.Error() != "cloakroom: "+tt.err {
					t.Errorf("New: %v\nwant: cloakroom: %s", err, tt.err)
				}
				return
			}
			if err != nil || !strings.HasPrefix(line, tt.name+"=") {
				t.Errorf("New: %v, Set-Cookie: %s", err, line)
			}
		})
	}
}

// cookieLine returns the Set-Cookie line of a new session, or the error of New.
func cookieLine(t *testing.T, c cloakroom.Cookie) (string, error) {
	t.Helper()
	mem := memstore.New(nil)
	defer mem.Close()
	m, err := cloakroom.New(mem, testKeyring(t), &cloakroom.Config{Transport: c, SweepEvery: -1})
	if err != nil {
		return "", err
	}
	defer m.Close()
	lines := setCookies(serve(m.Handler(m.With(putPage("bowler")))))
	if len(lines) != 1 {
		t.Fatalf("Set-Cookie %q", lines)
	}
	return lines[0], nil
}

// FuzzCookie: an accepted configuration is in Set-Cookie as it was given. net/http logs
// if it leaves something out.
func FuzzCookie(f *testing.F) {
	f.Add("session", "example.com", "/shop", false)
	f.Add("__Host-session", "", "", false)
	f.Add("", ".example.com", "/a;b", true)
	f.Add("__http-x", "127.1", "/\x7f", true)
	f.Fuzz(func(t *testing.T, name, domain, path string, insecure bool) {
		before := log.Writer()
		defer log.SetOutput(before)
		logged := new(logLines)
		log.SetOutput(logged)
		line, err := cookieLine(t, cloakroom.Cookie{Name: name, Domain: domain, Path: path, Insecure: insecure})
		if logged.String() != "" && err == nil {
			t.Errorf("net/http says: %s", logged)
		}
		if err != nil {
			return
		}
		gotName, _, attrs := attributes(line)
		if name != "" && gotName != name {
			t.Errorf("%q is named %q", line, gotName)
		}
		if path == "" {
			path = "/"
		}
		want := []string{"HttpOnly", "Path=" + path, "SameSite=Lax"}
		if domain != "" {
			want = append(want, "Domain="+strings.TrimPrefix(domain, "."))
		}
		if !insecure {
			want = append(want, "Secure")
		}
		if slices.Sort(want); !slices.Equal(attrs, want) {
			t.Errorf("the attributes are %q, want %q", attrs, want)
		}
	})
}

// TestCookieElsewhere: Domain and Path say where browsers send a cookie. A request
// that carries it is taken as any other.
func TestCookieElsewhere(t *testing.T) {
	d := newDesk(t, &cloakroom.Config{Transport: cloakroom.Cookie{Domain: "example.com", Path: "/shop"}})
	tok, id := d.stored("bowler")
	for _, at := range []string{"https://example.com/shop", "https://other.test/", "http://127.0.0.1/x"} {
		r := httptest.NewRequest(http.MethodGet, at, nil)
		r.Header.Set("Cookie", "__Secure-session="+tok)
		d.m.Handler(d.m.With(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			if s.ID() != id {
				t.Errorf("%s: the session is %v", at, s.ID())
			}
			return nil
		})).ServeHTTP(httptest.NewRecorder(), r)
	}
}
