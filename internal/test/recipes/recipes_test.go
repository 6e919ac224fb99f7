package recipes

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file is what the recipes do.

func TestCart(t *testing.T) {
	keyring, err := cloakroom.NewKeyring([]byte("only for tests, 32 bytes or more"))
	if err != nil {
		t.Fatal(err)
	}
	sessions, err = cloakroom.New(memstore.New(nil), keyring, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer sessions.Close()

	s, err := sessions.Create(t.Context()) // without a request
	if err != nil {
		t.Fatal(err)
	}
	say(s, "Welcome back.")
	if err := s.Login(t.Context(), "ann", nil); err != nil { // saves as well
		t.Fatal(err)
	}

	r := httptest.NewRequest(http.MethodGet, "/", nil)
	sessions.Attach(r, s) // the token, as ann's browser would send it
	w := httptest.NewRecorder()
	sessions.Handler(sessions.With(home)).ServeHTTP(w, r)
	if want := "<p>Welcome back.</p><p>Hello ann</p>"; w.Body.String() != want {
		t.Errorf("got %q, want %q", w.Body, want)
	}
}

// staff are users who know each other's passwords and codes.
type staff map[string]bool // who is locked

func (s staff) find(_ context.Context, name string) string { return name }
func (s staff) passwordIsRight(_ context.Context, id, password string) bool {
	return id != "" && password == "secret of "+id
}
func (s staff) mayEnter(_ context.Context, id string) bool         { return !s[id] }
func (s staff) codeIsRight(_ context.Context, _, code string) bool { return code == "123456" }

// idp is an OpenID provider that knows ann.
type idp struct{}

func (idp) address(state, verifier string) string {
	return "/back?" + url.Values{"state": {state}, "code": {"for " + verifier}}.Encode()
}

func (idp) exchange(_ context.Context, code, verifier string) (string, string, error) {
	if code != "for "+verifier {
		return "", "", errors.New("another's code")
	}
	return "https://id.example", "ann", nil
}

// app is an application of the recipes.
func app(t *testing.T) (site string, browser *http.Client) {
	keyring, err := cloakroom.NewKeyring([]byte("only for tests, 32 bytes or more"))
	if err != nil {
		t.Fatal(err)
	}
	config := &cloakroom.Config{Transport: cloakroom.Cookie{Insecure: true}}
	private(config)
	if sessions, err = cloakroom.New(memstore.New(nil), keyring, config); err != nil {
		t.Fatal(err)
	}
	theUsers, theProvider = staff{}, idp{}
	mux := http.NewServeMux()
	for path, f := range map[string]func(http.ResponseWriter, *http.Request, *cloakroom.Session) error{
		"POST /sign-in": signIn, "POST /password": password, "POST /code": code, "POST /sign-out": signOut, "/to": toProvider, "/back": fromProvider,
		"/{$}": home, "POST /rename": rename, "/news": news, "/product/{id}": product, "/socket": socket,
	} {
		mux.Handle(path, sessions.With(f))
	}
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("oops") })
	server := httptest.NewServer(withoutAgent(handler(mux)))
	t.Cleanup(func() { server.Close(); sessions.Close() })
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return server.URL, &http.Client{Jar: jar}
}

func send(t *testing.T, browser *http.Client, method, address string, form url.Values, headers ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w, err := browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	text := make([]byte, 200)
	n, _ := w.Body.Read(text)
	return w.StatusCode, strings.TrimSpace(string(text[:n]))
}

func TestRecipes(t *testing.T) {
	site, browser := app(t)
	want := func(method, path string, form url.Values, status int, text string, headers ...string) {
		t.Helper()
		got, body := send(t, browser, method, site+path, form, headers...)
		if got != status || !strings.Contains(body, text) {
			t.Errorf("%s %s: %d %q, want %d %q", method, path, got, body, status, text)
		}
	}
	ann := url.Values{"name": {"ann"}, "password": {"secret of ann"}, "remember": {"yes"}}
	want("GET", "/", nil, 200, "Hello stranger")
	want("GET", "/product/7", nil, 200, "a hat")
	if u, _ := url.Parse(site); len(browser.Jar.Cookies(u)) != 0 {
		t.Error("a visitor who did nothing has a cookie")
	}
	want("GET", "/panic", nil, 500, "")
	want("POST", "/sign-in", url.Values{"name": {"ann"}}, 403, "wrong name or password")
	want("POST", "/sign-in", ann, 403, "", "Sec-Fetch-Site", "cross-site")
	want("POST", "/sign-in", ann, 200, "Hello ann")
	want("POST", "/rename", nil, 200, "<p>Your name has been changed.</p><p>Hello ann</p>")
	want("GET", "/", nil, 200, "<p>Hello ann</p>")

	want("POST", "/sign-out", nil, 200, "Hello stranger")
	want("POST", "/sign-in", ann, 200, "Hello ann")

	other, _ := cookiejar.New(nil)
	browser.Jar = other
	want("POST", "/password", url.Values{"name": {""}}, 403, "wrong name or password")
	want("POST", "/code", url.Values{"code": {"123456"}}, 403, "wrong code")
	want("POST", "/password", ann, 405, "") // /code by GET is for a form
	want("POST", "/code", url.Values{"code": {"123456"}}, 200, "Hello ann")
	want("GET", "/to", nil, 200, "Hello https://id.example ann")
	want("GET", "/back?state=forged", nil, 400, "please sign in again")
	theUsers = staff{"https://id.example ann": true}
	want("GET", "/to", nil, 403, "locked")

	all, err := export(t.Context(), "ann")
	if err != nil || len(all) != 1 {
		t.Errorf("exported %d sessions, %v", len(all), err)
	}
	for _, e := range all {
		if e.Client != (cloakroom.Client{}) {
			t.Errorf("it keeps the client %+v", e.Client)
		}
	}
	if text, err := json.Marshal(all); err != nil || !strings.Contains(string(text), `"Principal":"ann"`) {
		t.Errorf("%s, %v", text, err)
	}
	if err := forget(t.Context(), "ann"); err != nil {
		t.Error(err)
	}
	if all, err = export(t.Context(), "ann"); err != nil || len(all) != 0 {
		t.Errorf("exported %d sessions, %v", len(all), err)
	}
}

func TestNews(t *testing.T) {
	site, browser := app(t)
	ann := url.Values{"name": {"ann"}, "password": {"secret of ann"}}
	if status, _ := send(t, browser, "GET", site+"/news", nil); status != http.StatusForbidden {
		t.Errorf("to who isn't signed in: %d", status)
	}
	send(t, browser, "POST", site+"/sign-in", ann)
	if status, text := send(t, browser, "GET", site+"/news", nil); status != http.StatusOK || text != "data: news for ann" {
		t.Errorf("%d %q", status, text)
	}
	s, err := sessions.Create(t.Context())
	if err == nil {
		err = s.Login(t.Context(), "ann", nil)
	}
	if err != nil || !stillOpen(t.Context(), s) {
		t.Errorf("a session that was just begun doesn't open: %v", err)
	}
	if err := forget(t.Context(), "ann"); err != nil || stillOpen(t.Context(), s) {
		t.Errorf("a session that has ended opens: %v", err)
	}
}

func TestTwoManagers(t *testing.T) {
	keyring, err := cloakroom.NewKeyring([]byte("only for tests, 32 bytes or more"))
	if err != nil {
		t.Fatal(err)
	}
	store := memstore.New(nil)
	visitors, people, err := twoManagers(store, keyring)
	if err != nil {
		t.Fatal(err)
	}
	defer visitors.Close()
	defer people.Close()
	manager, err := api(store, keyring)
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	theUsers, sessions = staff{}, visitors
	h := manager.Handler(apiSignIn(manager))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "/", strings.NewReader(`{"name": "ann", "password": "secret of ann"}`)))
	if w.Code != http.StatusNoContent || w.Header().Get("Session-Token") == "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if _, err := manager.Retrieve(t.Context(), w.Header().Get("Session-Token")); err != nil {
		t.Error(err)
	}
	if list, err := visitors.Admin().Sessions(t.Context(), "ann"); err != nil || len(list) != 1 {
		t.Errorf("%d sessions of ann, %v", len(list), err)
	}
	if err := rotate(keyring, []byte("the new one, also 32 bytes or more"), []byte("only for tests, 32 bytes or more")); err != nil {
		t.Error(err)
	}
	if _, err := manager.Retrieve(t.Context(), w.Header().Get("Session-Token")); err != nil {
		t.Error(err)
	}
	config := &cloakroom.Config{App: "shop", Transport: cloakroom.Bearer{}}
	if everyoneOut(config, time.Now()); config.NotBefore.Before(time.Now().Add(driver.ClockTolerance - time.Minute)) {
		t.Error("sessions that a machine with a clock ahead makes now are let in")
	}
}

func TestBehindProxies(t *testing.T) {
	config := &cloakroom.Config{}
	behindProxies(config)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("X-Forwarded-For", "203.0.113.1, 192.0.2.7")
	for from, want := range map[string]string{"10.1.2.3:4": "192.0.2.7", "192.0.2.99:4": "192.0.2.99"} {
		r.RemoteAddr = from
		if got := config.ClientAddr(r); got != want {
			t.Errorf("from %s it is %q, want %q", from, got, want)
		}
	}
}
