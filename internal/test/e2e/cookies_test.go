package e2e

import (
	"errors"
	"fmt"
	"html/template"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/memstore"
)

const (
	siteDomain = "example.test"
	shopHost   = "shop.example.test" // beside appHost
	outerHost  = "news.outer.test"   // of another site, which embeds app
	thirdHost  = "blog.third.test"   // of one more
)

// TestCookieRulesOfBrowsers has a browser judge cookies with each prefix and set of
// attributes. It has to keep exactly those that cloakroom.New accepts.
func TestCookieRulesOfBrowsers(t *testing.T) {
	site := openCookieSite(t)
	cookies := map[string]cloakroom.Cookie{}
	add := func(name string, c cloakroom.Cookie) {
		c.Name = fmt.Sprintf("%s%d", name, len(cookies)) // names are told apart by their ends
		cookies[c.Name] = c
	}
	prefixes := []string{
		"", "__Secure-", "__Host-", "__Http-", "__Host-Http-", "__SECURE-", "__hOsT-", "__http-", "__HOST-http-",
		"__Host", "_Host-", "x__Host-", "__HttpOnly-", "__Securely-",
	}
	for _, prefix := range prefixes {
		for _, insecure := range []bool{false, true} {
			for _, domain := range []string{"", siteDomain} {
				for _, path := range []string{"", "/sub"} {
					add(prefix, cloakroom.Cookie{Insecure: insecure, Domain: domain, Path: path})
				}
			}
		}
	}
	for _, domain := range []string{
		".example.test", "EXAMPLE.TEST", appHost, // the domain of it, and what is the same
		"test", ".test", "..example.test", "example.test.", "https://example.test", "example.test:443", "example.test/",
		"*.example.test", "127.0.0.1", ".127.0.0.1", "0x7f.0x1", "[::1]",
	} {
		add("d", cloakroom.Cookie{Domain: domain})
	}
	for _, insecure := range []bool{false, true} {
		add("p", cloakroom.Cookie{Insecure: insecure, Partitioned: true})
		add("s", cloakroom.Cookie{Insecure: insecure, SameSite: http.SameSiteNoneMode})
		add("s", cloakroom.Cookie{Insecure: insecure, SameSite: http.SameSiteStrictMode})
		add("ps", cloakroom.Cookie{Insecure: insecure, Partitioned: true, SameSite: http.SameSiteNoneMode})
	}

	type judged struct {
		line string // of Set-Cookie
		err  error  // of New
	}
	all := map[string]judged{}
	accepted := 0
	for name, c := range cookies {
		line, err := setLine(t, c)
		if err != nil {
			line = plainLine(c)
		} else {
			accepted++
		}
		all[name] = judged{line, err}
	}
	if accepted < 30 || len(cookies)-accepted < 30 {
		t.Fatalf("New accepts %d of %d", accepted, len(cookies))
	}
	// New has no way to leave HttpOnly out, which some prefixes need.
	readable := errors.New("without HttpOnly")
	for prefix, err := range map[string]error{
		"__Http-": readable, "__Host-Http-": readable, "__http-": readable, "__HOST-HTTP-": readable, "__Host-": nil, "__Secure-": nil,
	} {
		name := prefix + "readable"
		all[name] = judged{name + "=x; Path=/; Secure", err}
	}

	b := openSiteBrowser(t)
	kept := map[string]bool{}
	for some := range slices.Chunk(slices.Sorted(maps.Keys(all)), 60) { // as a browser keeps 180 of a site
		tab := b.incognito(t)
		var lines []string
		for _, name := range some {
			lines = append(lines, all[name].line)
		}
		site.set(lines)
		tab.visit(site.url(appHost, "/sub/set"))
		tab.visit(site.url(appHost, "/sub/look"))
		for name := range site.sent(appHost, "/sub/look") {
			kept[name] = true
		}
	}
	for name, j := range all {
		if kept[name] != (j.err == nil) {
			t.Errorf("%s\nthe browser keeps it: %v; New: %v", j.line, kept[name], j.err)
		}
	}
}

// TestDomainCookie: hosts beside the one that set it get a cookie with a Domain, and
// can take it back.
func TestDomainCookie(t *testing.T) {
	site := openCookieSite(t)
	site.app(t, "", cloakroom.Cookie{Domain: siteDomain, Path: "/shop"})
	b := openSiteBrowser(t)
	visit := func(host, path, who string) {
		t.Helper()
		b.visit(site.url(host, path))
		if got := b.read("#page"); got != who {
			t.Errorf("%s%s: the session is of %s, want %s", host, path, got, who)
		}
	}
	visit(appHost, "/shop/login", "ann")
	visit(shopHost, "/shop/look", "ann")
	visit(siteDomain, "/shop", "ann")
	visit(shopHost, "/shopping", "nobody") // not in the path
	visit(outerHost, "/shop/look", "nobody")
	if name := "__Secure-session"; site.sent(shopHost, "/shop/look")[name] == "" || site.sent(shopHost, "/shopping")[name] != "" {
		t.Errorf("the browser sent %v and %v", site.sent(shopHost, "/shop/look"), site.sent(shopHost, "/shopping"))
	}
	visit(shopHost, "/shop/logout", "nobody")
	visit(appHost, "/shop/look", "nobody")
	if sent := site.sent(appHost, "/shop/look"); len(sent) > 0 {
		t.Errorf("after the sign-out the browser still sends %v", sent)
	}
}

// TestPartitionedCookie: a page that is embedded has one cookie for each site that
// embeds it, and a sign-out takes that one back.
func TestPartitionedCookie(t *testing.T) {
	site := openCookieSite(t)
	site.app(t, appHost, cloakroom.Cookie{Partitioned: true, SameSite: http.SameSiteNoneMode, RememberAnonymous: true})
	b := openSiteBrowser(t)
	embed := func(outer, path, who string) {
		t.Helper()
		b.visit(site.url(outer, "/embed"+path))
		b.do("waiting for the embedded page", chromedp.Poll[chromedp.Void](`window.told !== undefined`))
		if got, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`window.told`)); err != nil || got != who {
			t.Errorf("%s embeds %s: the session is of %s, %v, want %s", outer, path, got, err, who)
		}
	}
	embed(outerHost, "/look", "nobody")
	embed(outerHost, "/login", "ann")
	embed(outerHost, "/look", "ann")
	embed(thirdHost, "/look", "nobody")
	b.visit(site.url(appHost, "/look"))
	if got := b.read("#page"); got != "nobody" {
		t.Errorf("by itself: the session is of %s", got)
	}
	embed(outerHost, "/logout", "nobody")
	embed(outerHost, "/again", "nobody")
	if sent := site.sent(appHost, "/again"); len(sent) > 0 {
		t.Errorf("after the sign-out the browser still sends %v", sent)
	}
}

// openSiteBrowser finds all hosts of these tests on this machine.
func openSiteBrowser(t *testing.T) *browser {
	t.Helper()
	return openBrowser(t, chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1"), chromedp.IgnoreCertErrors)
}

// cookieManager makes a Manager whose tokens travel so, or says what is wrong.
func cookieManager(t *testing.T, c cloakroom.Cookie) (*cloakroom.Manager, error) {
	t.Helper()
	store := memstore.New(nil)
	t.Cleanup(func() { store.Close() })
	keys, err := cloakroom.NewKeyring([]byte("a secret of a test: 32 bytes, no more"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := cloakroom.New(store, keys, &cloakroom.Config{Transport: c, SweepEvery: -1})
	if err == nil {
		t.Cleanup(func() { m.Close() })
	}
	return m, err
}

// setLine returns the Set-Cookie line of a new session, or the error of New.
func setLine(t *testing.T, c cloakroom.Cookie) (string, error) {
	t.Helper()
	m, err := cookieManager(t, c)
	if err != nil {
		return "", err
	}
	w := httptest.NewRecorder()
	m.Handler(m.With(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		visits.Set(s, 1)
		return nil
	})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	return w.Header().Get("Set-Cookie"), nil
}

var visits = cloakroom.NewKey[int]("visits")

// plainLine is the Set-Cookie line of what New refuses, with nothing left out.
func plainLine(c cloakroom.Cookie) string {
	line := c.Name + "=x; HttpOnly; Path=/"
	if c.Path != "" {
		line = c.Name + "=x; HttpOnly; Path=" + c.Path
	}
	if c.Domain != "" {
		line += "; Domain=" + c.Domain
	}
	if !c.Insecure {
		line += "; Secure"
	}
	if c.SameSite == http.SameSiteNoneMode {
		line += "; SameSite=None"
	}
	if c.Partitioned {
		line += "; Partitioned"
	}
	return line
}

// cookieSite is a server of all hosts.
type cookieSite struct {
	port string
	mux  *http.ServeMux

	mu   sync.Mutex
	next []string                     // the lines that the next page sets
	seen map[string]map[string]string // the cookies that the last request for each address brought
}

var (
	sitePage = template.Must(template.New("").Parse(`<!DOCTYPE html><link rel="icon" href="data:,"><p id="page">{{.}}</p>
<script>parent.postMessage({{.}}, "*")</script>`))
	outerPage = template.Must(template.New("").Parse(`<!DOCTYPE html><link rel="icon" href="data:,"><p id="page"></p>
<script>onmessage = e => { window.told = e.data }</script><iframe src="{{.}}"></iframe>`))
)

func openCookieSite(t *testing.T) *cookieSite {
	t.Helper()
	chromium(t)
	site := &cookieSite{mux: http.NewServeMux(), seen: map[string]map[string]string{}}
	show := func(w http.ResponseWriter, page *template.Template, what string) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = page.Execute(w, what)
	}
	site.mux.HandleFunc("/sub/set", func(w http.ResponseWriter, _ *http.Request) {
		site.mu.Lock()
		w.Header()["Set-Cookie"] = site.next
		site.mu.Unlock()
		show(w, sitePage, "set")
	})
	site.mux.HandleFunc("/sub/look", func(w http.ResponseWriter, _ *http.Request) { show(w, sitePage, "look") })
	site.mux.HandleFunc("/embed/", func(w http.ResponseWriter, r *http.Request) {
		show(w, outerPage, site.url(appHost, strings.TrimPrefix(r.URL.Path, "/embed")))
	})
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		brought := map[string]string{}
		for pair := range strings.SplitSeq(strings.Join(r.Header["Cookie"], "; "), "; ") {
			if name, value, ok := strings.Cut(pair, "="); ok {
				brought[name] = value
			}
		}
		host, _, _ := net.SplitHostPort(r.Host)
		site.mu.Lock()
		site.seen[host+r.URL.Path] = brought
		site.mu.Unlock()
		site.mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	var err error
	if _, site.port, err = net.SplitHostPort(server.Listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	return site
}

// app serves, on one host or on all, pages that tell whose session it is. The path's
// last part says what to do first.
func (s *cookieSite) app(t *testing.T, host string, c cloakroom.Cookie) {
	t.Helper()
	m, err := cookieManager(t, c)
	if err != nil {
		t.Fatal(err)
	}
	s.mux.Handle(host+"/", m.Handler(m.With(func(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		var err error
		switch {
		case strings.HasSuffix(r.URL.Path, "/login"):
			err = s.Login(r.Context(), "ann", nil)
		case strings.HasSuffix(r.URL.Path, "/logout"):
			err = s.Destroy(r.Context())
		}
		if err != nil {
			return err
		}
		who := s.Principal()
		if who == "" {
			who = "nobody"
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		return sitePage.Execute(w, who)
	})))
}

func (s *cookieSite) url(host, path string) string { return "https://" + host + ":" + s.port + path }

// set says which lines the page /sub/set sets.
func (s *cookieSite) set(lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = lines
}

// sent returns what cookies the last request for an address brought.
func (s *cookieSite) sent(host, path string) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[host+path]
}
