package demo

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/cloakroom-go/cloakroom"
)

func TestShop(t *testing.T) {
	eachStore(t, func(t *testing.T, s *site) {
		b := s.browser()
		s.wantCost("the first visit", 0, 1, func() { wantIn(t, b.page(), `<span>visit</span><b>1</b>`) })
		var page string
		s.wantCost("another visit", 1, 1, func() { page = b.page() })
		wantIn(t, page, `<span>visit</span><b>2</b>`)
		wantIn(t, page, `<b>1</b> read<`)
		wantIn(t, page, `<b>1</b> write<`)
		wantIn(t, page, `<span>1 reads · 2 writes</span>`)
		wantIn(t, page, "Empty hangers")
		wantIn(t, page, "this request")

		page = b.post("/cart", "item", "bowler", "do", "add")
		wantIn(t, page, "Added to your cart: Bowler hat.")
		wantIn(t, page, "POST /cart")
		wantNotIn(t, b.page(), "Added to your cart")
		b.post("/cart", "item", "scarf", "do", "add")
		page = b.post("/cart", "item", "bowler", "do", "more")
		wantIn(t, page, `<b class="count">3</b>`)
		wantIn(t, page, "<b>€ 210</b>")
		page = b.post("/cart", "item", "scarf", "do", "less")
		wantIn(t, page, "<b>€ 170</b>")
		page = b.post("/cart", "item", "bowler", "do", "remove")
		wantIn(t, page, "Taken out of your cart: Bowler hat.")
		wantIn(t, page, "Empty hangers")
		for _, form := range []url.Values{{"item": {"crown"}, "do": {"add"}}, {"item": {"scarf"}, "do": {"steal"}}, {}} {
			if a := b.do("POST", "/cart", form); a.status != 400 {
				t.Errorf("%v: %d", form, a.status)
			}
		}
	})
}

func TestParallelCart(t *testing.T) {
	s := memorySite(t)
	b := s.browser()
	b.page()
	var all sync.WaitGroup
	for i := range 60 {
		all.Go(func() {
			item := []string{"bowler", "scarf", "trench"}[i%3]
			b.do("POST", "/cart", url.Values{"item": {item}, "do": {"add"}})
		})
	}
	all.Wait()
	page := b.page()
	wantIn(t, page, `<b class="count">60</b>`)
	wantIn(t, page, "<b>€ 7300</b>")
}

func TestSignIn(t *testing.T) {
	eachStore(t, func(t *testing.T, s *site) {
		a, b := s.browser(), s.browser()
		a.post("/cart", "item", "scarf", "do", "add")
		page := a.post("/signin", "name", "  Ann ", "remember", "1")
		wantIn(t, page, `Signed in as <span class="who">Ann</span>`)
		wantIn(t, page, "Welcome, Ann.")
		wantIn(t, page, `<b class="count">1</b>`)
		wantIn(t, page, "POST /signin")
		wantIn(t, page, "Remembered: you stay signed in")
		page = b.post("/signin", "name", "Ann")
		wantIn(t, page, "Until the browser is closed")
		s.wantCost("a visit of somebody signed in", 1, 1, func() {
			page := a.page()
			wantIn(t, page, `<b>1</b> read<`)
			wantIn(t, page, `<b>1</b> write<`)
		})

		page = b.post("/signout")
		wantIn(t, page, "You are signed out.")
		wantIn(t, page, "Sign in</h2>")
		wantIn(t, page, "bury")
		wantIn(t, a.page(), `Signed in as`)
		for _, name := range []string{"", "   ", strings.Repeat("x", 61), "a\x00b", "a\xffb"} {
			if a := a.do("POST", "/signin", url.Values{"name": {name}}); a.status != 400 {
				t.Errorf("name %q: %d", name, a.status)
			}
		}
	})
}

// TestDevices: the shop's page of devices ends sessions, and its page to sign in again
// leads back there, and nowhere else.
func TestDevices(t *testing.T) {
	eachStore(t, func(t *testing.T, s *site) {
		a, b := s.browser(), s.browser()
		a.post("/cart", "item", "scarf", "do", "add")
		a.post("/signin", "name", "Ann", "remember", "1")
		b.post("/signin", "name", "Ann")
		page := a.do("GET", "/devices", nil).body
		if n := strings.Count(page, "Go program"); n < 2 || strings.Count(page, "This device") != 1 {
			t.Errorf("Ann has two sessions, one of them this one:\n%s", page)
		}
		wantIn(t, page, "/assets/devices.css")
		wantIn(t, a.post("/devices", "do", "end-others"), "No other session is left")
		wantIn(t, b.page(), "Sign in</h2>")

		page = a.do("GET", "/signin?back=/devices", nil).body
		wantIn(t, page, "Is it still you?")
		wantIn(t, page, `name="remember" value="1"`)
		wantIn(t, a.post("/signin", "name", "Ann", "remember", "1", "back", "/devices"), "Where you are signed in")
		wantIn(t, a.post("/signin", "name", "Ann", "back", "https://evil.example/"), "Signed in as")
		wantIn(t, a.page(), `<b class="count">1</b>`)
		wantIn(t, b.do("GET", "/signin", nil).body, "Sign in</h2>")

		b.post("/signin", "name", "Ann")
		page = a.post("/devices", "do", "end-all")
		wantIn(t, page, "2 sessions were open, and have ended.")
		wantIn(t, page, "is empty")
		wantIn(t, a.page(), "Sign in</h2>")
		wantIn(t, b.page(), "Sign in</h2>")
	})
}

// TestPageKeepsSecretsAndEscapes: the page must not have the secret, which a script
// could find there, nor a visitor's input unescaped.
func TestPageKeepsSecretsAndEscapes(t *testing.T) {
	s := memorySite(t)
	b := s.browser()
	const evil = `<script>alert("x")</script>'"&`
	b.do("POST", "/api/set?key="+url.QueryEscape(evil)+"&value="+url.QueryEscape(evil), nil)
	page := b.post("/signin", "name", evil)
	page += b.page()
	wantNotIn(t, page, "<script>alert")
	wantIn(t, page, `&lt;script&gt;alert(`)
	at, _ := url.Parse(s.URL)
	token := b.client.Jar.Cookies(at)[0].Value
	for i := 24; i+8 < 46; i++ { // the secret's place
		wantNotIn(t, page, token[i:i+8])
	}
	parts := cutToken(token)
	if secret := parts[3]; secret.Name != "secret" || len(secret.Text) != 2 || len([]rune(secret.Hidden)) != 30 {
		t.Errorf("the secret is shown as %+v", secret)
	}
	wantIn(t, page, parts[2].Text)
}

func TestCutToken(t *testing.T) {
	for _, text := range []string{"", "x", strings.Repeat("A", 66), "!"} {
		if parts := cutToken(text); parts != nil {
			t.Errorf("%q: %v", text, parts)
		}
	}
}

// TestMend: a script sets the shop's names to other values. That doesn't lock the
// visitor out.
func TestMend(t *testing.T) {
	s := memorySite(t)
	b := s.browser()
	for _, key := range []string{"cart", "visits"} {
		b.api("POST", "/api/set?key="+key+"&value=nonsense", 200)
	}
	wantIn(t, b.page(), `<span>visit</span><b>1</b>`)
	b.api("POST", "/api/set?key=cart&value=nonsense", 200)
	wantIn(t, b.post("/cart", "item", "scarf", "do", "add"), `<b class="count">1</b>`)
	b.api("POST", "/api/incr?key=notice", 200)
	b.page()
}

func TestCorruptRecord(t *testing.T) {
	s := memorySite(t)
	b := s.browser()
	b.page()
	s.gate.corrupt.Store(true)
	a := b.do("GET", "/", nil)
	if a.status != 500 || !strings.Contains(a.body, `action="/anew"`) {
		t.Errorf("a corrupt record: %d %s", a.status, a.body)
	}
	if a := b.do("GET", "/api/session", nil); a.status != 500 || !strings.HasPrefix(a.body, `{"error":`) {
		t.Errorf("a corrupt record: %d %s", a.status, a.body)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/anew", nil)
	if err != nil {
		t.Fatal(err)
	}
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if a := b.send(r); a.status != 303 || len(a.header["Set-Cookie"]) != 1 {
		t.Errorf("a new session: %d %v", a.status, a.header)
	}
	s.gate.corrupt.Store(false)
	page := b.page()
	wantIn(t, page, `<b>1</b></p>`)
	wantIn(t, page, "You have a new, empty session.")
}

func TestAssets(t *testing.T) {
	s := memorySite(t)
	b := s.browser()
	page := b.page()
	paths := regexp.MustCompile(`(?:href|src)="(/assets/[^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(paths) < 4 {
		t.Fatalf("the page names %d assets", len(paths))
	}
	s.wantCost("assets", 0, 0, func() {
		for _, p := range paths {
			a := b.do("GET", p[1], nil)
			if a.status != 200 || !strings.Contains(a.header.Get("Cache-Control"), "immutable") || len(a.header["Set-Cookie"]) > 0 {
				t.Errorf("%s: %d %v", p[1], a.status, a.header)
			}
		}
		for path, status := range map[string]int{
			"/assets/style.css": 200, "/favicon.ico": 200, "/assets/": 404, "/assets/nothing": 404, "/nothing": 404, "/cart": 404,
		} {
			if a := b.do("GET", path, nil); a.status != status {
				t.Errorf("%s: %d, want %d", path, a.status, status)
			}
		}
		if a := b.do("POST", "/nothing", nil); a.status != 405 {
			t.Errorf("POST: %d", a.status)
		}
	})
}

// TestContentPolicy: nothing in the page may need anything that its policy forbids.
func TestContentPolicy(t *testing.T) {
	s := memorySite(t)
	b := s.browser()
	a := b.do("GET", "/", nil)
	csp := a.header.Get("Content-Security-Policy")
	if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy: %s", csp)
	}
	for _, bad := range []string{`style="`, `<style`, `onclick`, `javascript:`, `http://`, `https://`, `<script>`} {
		wantNotIn(t, regexp.MustCompile(`(?s)<pre.*?</pre>`).ReplaceAllString(a.body, ""), bad)
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cache-Control": "private, no-store"} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if cookie := a.header.Get("Set-Cookie"); !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Lax") || strings.Contains(cookie, "Secure") {
		t.Errorf("cookie: %s", cookie)
	}
}

func TestApart(t *testing.T) {
	s := memorySite(t)
	b := s.browser()
	b.api("POST", "/api/login?user=ann", 200)
	admin := cloakroom.NewAdmin(s.gate, "")
	if err := admin.RevokeAll(t.Context(), "ann"); err != nil {
		t.Fatal(err)
	}
	if v := b.api("GET", "/api/session", 200); v["principal"] != "ann" {
		t.Error("another application signed out a principal of the demo")
	}
}

// TestLinkConsole: the page links to the operators' console where there is one.
func TestLinkConsole(t *testing.T) {
	shop := memorySite(t).shop
	page := func() string {
		w := httptest.NewRecorder()
		shop.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1/", nil))
		return w.Body.String()
	}
	wantNotIn(t, page(), "console")
	shop.LinkConsole("http://127.0.0.1:4321/")
	wantIn(t, page(), `<a href="http://127.0.0.1:4321/">The operators’ console</a>`)
}
