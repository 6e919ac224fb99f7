package recipes

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file is what the recipes of a whole program do.

// visitor is a browser that keeps one cookie, and sends it over plain HTTP as well.
type visitor struct {
	t      *testing.T
	site   string
	cookie *http.Cookie
}

func (v *visitor) ask(method, path, form string) *http.Response {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.site+path, strings.NewReader(form))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if v.cookie != nil {
		r.AddCookie(v.cookie)
	}
	w, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() { _ = w.Body.Close() })
	for _, c := range w.Cookies() {
		if v.cookie = c; c.MaxAge < 0 {
			v.cookie = nil
		}
	}
	return w
}

// want makes a request, and returns the answer's text.
func (v *visitor) want(method, path, form string, status int, text string) string {
	v.t.Helper()
	w := v.ask(method, path, form)
	got, err := io.ReadAll(w.Body)
	if err != nil || w.StatusCode != status || !strings.Contains(string(got)+w.Header.Get("Location"), text) {
		v.t.Errorf("%s %s: %d %q, %v; want %d %q", method, path, w.StatusCode, got, err, status, text)
	}
	return string(got)
}

// started runs the program. What it returns stops it.
func started(t *testing.T, dir string) (site string, stop func()) {
	t.Helper()
	theUsers = staff{}
	closing, endStreams = context.WithCancel(context.Background())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, l, dir) }()
	return "http://" + l.Addr().String(), func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("stopped: %v", err)
		}
	}
}

func TestServe(t *testing.T) {
	const ann = "name=ann&password=secret+of+ann"
	dir := t.TempDir()
	site, stop := started(t, dir)
	a := &visitor{t: t, site: site}
	a.want("GET", "/devices", "", 303, "/sign-in")
	a.want("GET", "/sign-in", "", 200, "<form")
	a.want("POST", "/sign-in", ann, 303, "/")
	a.want("GET", "/devices", "", 200, "This device")
	stream := a.ask("GET", "/news", "")
	if line, err := bufio.NewReader(stream.Body).ReadString('\n'); err != nil || line != "data: news for ann\n" {
		t.Fatalf("%q, %v", line, err)
	}
	stop() // the stream goes on, and holds nothing up

	site, stop = started(t, dir)
	defer func() { stop() }()
	a.site = site
	a.want("GET", "/", "", 200, "Hello ann")
	b := &visitor{t: t, site: site}
	b.want("POST", "/sign-in", ann, 303, "/")
	others := regexp.MustCompile(`value="(.{22})" class="plain">Sign out`).FindStringSubmatch(b.want("GET", "/devices", "", 200, "Sign out all others"))
	if len(others) != 2 {
		t.Fatalf("b sees %q", others)
	}
	b.want("POST", "/devices", "do=end&id="+others[1], 303, "?ended="+others[1])
	b.want("POST", "/devices", "do=end&id="+others[1], 404, "may have ended already") // a second click
	b.want("POST", "/devices", "do=end&id=junk", 404, "no such session")
	a.want("GET", "/sign-in", "", 200, "ended from elsewhere")
	if a.cookie != nil {
		t.Error("a's browser keeps a token that opens nothing")
	}
	a.want("POST", "/sign-in", ann, 303, "/")
	b.want("POST", "/elsewhere", "", 303, "/devices")
	a.want("GET", "/devices", "", 303, "/sign-in")
	b.want("GET", "/devices", "", 200, "This device")
}

// attached is a request of somebody who is signed in as ann.
func attached(t *testing.T, method, path, form string) (*http.Request, *cloakroom.Session) {
	t.Helper()
	keyring, err := cloakroom.NewKeyring([]byte("only for tests, 32 bytes or more"))
	if err != nil {
		t.Fatal(err)
	}
	if sessions, err = cloakroom.New(memstore.New(nil), keyring, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sessions.Close() })
	s, err := sessions.Create(t.Context())
	if err == nil {
		err = s.Login(t.Context(), "ann", nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(method, path, strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	sessions.Attach(r, s)
	return r, s
}

func TestBehind(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("X-User"); got != "ann" || len(r.Cookies()) != 0 {
			t.Errorf("the server behind is told %q, with %d cookies", got, len(r.Cookies()))
		}
		w.Header().Set("Set-Cookie", "__Host-Http-session=another; Path=/; Secure; HttpOnly")
		_, _ = io.WriteString(w, "behind")
	}))
	defer backend.Close()
	address, err := url.Parse(backend.URL)
	if err != nil {
		t.Fatal(err)
	}
	r, s := attached(t, "GET", "/", "")
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-User", "bob")
	w := httptest.NewRecorder()
	sessions.Handler(behind(address)).ServeHTTP(w, r)
	if w.Body.String() != "behind" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	for _, c := range w.Result().Cookies() {
		if c.Value == "another" {
			t.Error("the server behind puts another token in the place of the visitor's")
		}
	}
}

func TestKeepNote(t *testing.T) {
	for form, want := range map[string]int{
		"note=milk":                             303,
		"note=%ff":                              303,
		"note=%zz":                              400,
		"note=" + strings.Repeat("milk", 2<<10): 413,
	} {
		r, s := attached(t, "POST", "/", form)
		w := httptest.NewRecorder()
		sessions.Handler(sessions.With(keepNote)).ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%.20s: %d %q, want %d", form, w.Code, w.Body, want)
		}
		if err := s.Refresh(t.Context()); err != nil || (note.Get(s) == "") == (want == 303) {
			t.Errorf("%.20s: the note is %q, %v", form, note.Get(s), err)
		}
	}
}

// A page that is too slow for an http.TimeoutHandler: what the recipes say becomes of
// its changes.
func TestTooSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, saves := range []bool{false, true} {
			r, s := attached(t, "GET", "/", "")
			done := make(chan error, 1)
			slow := sessions.With(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) (err error) {
				lastSeen.Set(s, []string{"before"})
				time.Sleep(10 * time.Second)
				note.Set(s, "after")
				if saves {
					err = s.Save(r.Context())
				}
				done <- err
				return err
			})
			w := httptest.NewRecorder()
			sessions.Handler(http.TimeoutHandler(slow, 5*time.Second, "too slow")).ServeHTTP(w, r)
			if err := <-done; err != nil || w.Code != 503 || w.Body.String() != "too slow" {
				t.Errorf("%d %q, %v", w.Code, w.Body, err)
			}
			synctest.Wait()
			if err := s.Refresh(t.Context()); err != nil || len(lastSeen.Get(s)) != 1 || (note.Get(s) == "after") != saves {
				t.Errorf("saved: %q and %q, %v", lastSeen.Get(s), note.Get(s), err)
			}
			sessions.Close()
		}
	})
}
