package e2e

import (
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/memstore"
)

const (
	appHost   = "app.example.test"
	evilHost  = "evil.example.test" // of the same site, so it may set cookies for app too
	appCookie = "__Host-Http-session"
)

// TestPlantedCookies has a sibling domain plant the attacker's own token in a real
// browser, under names that look like the session's. The visitor of the app gets
// neither into the attacker's session nor out of their own.
func TestPlantedCookies(t *testing.T) {
	app := openPlantedApp(t)
	b := openBrowser(t, chromedp.Flag("host-resolver-rules", "MAP *.example.test 127.0.0.1"), chromedp.IgnoreCertErrors)
	for _, tt := range []struct {
		before string // the name
		kept   bool   // whether browsers keep such a cookie with a Domain
	}{
		// What strings.TrimSpace cuts, a browser takes for the beginning of a name, which
		// then lacks the prefix.
		{"\u0085", true},
		{"\u00a0", true},
		{"\u1680", true},
		{"\u2000", true}, {"\u2001", true}, {"\u2002", true}, {"\u2003", true}, {"\u2004", true}, {"\u2005", true},
		{"\u2006", true}, {"\u2007", true}, {"\u2008", true}, {"\u2009", true}, {"\u200a", true},
		{"\u2028", true},
		{"\u2029", true},
		{"\u202f", true},
		{"\u205f", true},
		{"\u3000", true},
		{"\u200b", true},
		{"\ufeff", true},
		{"x", true},
		// What the server cuts, the browser has cut before, and found the prefix.
		{"", false},
		{" ", false},
		{"\t", false},
		// No name has a control character.
		{"\v", false},
		// A cookie without a name is sent as its value, which may not look like ours.
		{"=", false},
		{" = ", false},
	} {
		t.Run(fmt.Sprintf("%+q", tt.before), func(t *testing.T) {
			victim := b.incognito(t)
			var token, planted string
			plant := func(how string) {
				t.Helper()
				token = app.signIn(t, "attacker")
				planted = tt.before + appCookie + "=" + token
				victim.visit("https://" + evilHost + ":" + app.port + "/" + how + "?line=" +
					url.QueryEscape(planted+"; Domain=example.test; Path=/; Secure"))
			}
			open := func(path, who string) {
				t.Helper()
				victim.visit("https://" + appHost + ":" + app.port + path)
				if got := victim.read("#page"); got != who {
					t.Errorf("%s: the session is of %s, want %s", path, got, who)
				}
				// Where the browser sent no such cookie, the app has proved nothing.
				switch sent := app.sent(path); {
				case tt.kept && !slices.Contains(sent, planted):
					t.Errorf("%s: the browser sent %+q, want %+q among them", path, sent, planted)
				case !tt.kept && strings.Contains(strings.Join(sent, ";"), token):
					t.Errorf("%s: the browser sent %+q, but should have refused %+q", path, sent, planted)
				}
			}
			plant("header")
			open("/by-header", "nobody")
			plant("script") // in the place of the one before
			open("/by-script", "nobody")
			open("/login", "victim")
			open("/again", "victim")
		})
	}
}

// incognito returns a tab with cookies of its own.
func (b *browser) incognito(t *testing.T) *browser {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return watch(ctx, t)
}

// read returns what an element says.
func (b *browser) read(element string) string {
	b.t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](fmt.Sprintf("document.querySelector(%q).textContent", element)))
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

// plantedApp is an app with sessions, and the attacker's site beside it.
type plantedApp struct {
	m    *cloakroom.Manager
	port string

	mu      sync.Mutex
	cookies map[string][]string // which the last request for each path brought
}

var plantedPage = template.Must(template.New("").Parse(`<!DOCTYPE html><link rel="icon" href="data:,"><body id="page">
{{- with .Script}}<script>document.cookie = {{.}}</script>{{end}}{{.Who -}}
</body>`))

func openPlantedApp(t *testing.T) *plantedApp {
	t.Helper()
	store := memstore.New(nil)
	t.Cleanup(func() { store.Close() })
	keyring, err := cloakroom.NewKeyring([]byte("a secret of a test: 32 bytes, no more"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := cloakroom.New(store, keyring, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	app := &plantedApp{m: m, cookies: map[string][]string{}}
	page := func(w http.ResponseWriter, script, who string) error {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		return plantedPage.Execute(w, struct{ Script, Who string }{script, who})
	}
	mux := http.NewServeMux()
	mux.HandleFunc(evilHost+"/header", func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Set-Cookie"] = []string{r.FormValue("line")}
		_ = page(w, "", "")
	})
	mux.HandleFunc(evilHost+"/script", func(w http.ResponseWriter, r *http.Request) { _ = page(w, r.FormValue("line"), "") })
	mux.Handle(appHost+"/", m.With(func(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		app.note(r)
		if r.URL.Path == "/login" {
			if err := s.Login(r.Context(), "victim", nil); err != nil {
				return err
			}
		}
		who := s.Principal()
		if who == "" {
			who = "nobody"
		}
		return page(w, "", who)
	}))
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	if _, app.port, err = net.SplitHostPort(server.Listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	return app
}

// signIn returns the token of a new session of somebody, which it opens.
func (a *plantedApp) signIn(t *testing.T, who string) string {
	t.Helper()
	s, err := a.m.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Login(t.Context(), who, nil), s.Save(t.Context())); err != nil {
		t.Fatal(err)
	}
	opened, err := a.m.Retrieve(t.Context(), s.Token())
	if err != nil || opened.Principal() != who {
		t.Fatalf("the token doesn't open the session of %s: %v", who, err)
	}
	return s.Token()
}

// note keeps what cookies a request brought, byte for byte.
func (a *plantedApp) note(r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cookies[r.URL.Path] = strings.Split(strings.Join(r.Header["Cookie"], "; "), "; ")
}

func (a *plantedApp) sent(path string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cookies[path]
}
