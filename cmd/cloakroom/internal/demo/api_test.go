package demo

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

func TestAPI(t *testing.T) {
	eachStore(t, func(t *testing.T, s *site) {
		b := s.browser()
		s.wantCost("a visitor without a session", 0, 0, func() {
			v := b.api("GET", "/api/session", 200)
			if got := fmt.Sprint(v); got != "map[created:<nil> expires:<nil> id: principal: reads:0 values:map[] writes:0]" {
				t.Errorf("session of nobody: %s", got)
			}
		})
		s.wantCost("/api/static without a session", 0, 0, func() { b.api("GET", "/api/static", 200) })
		var id string
		s.wantCost("the first change", 0, 1, func() {
			v := b.api("POST", "/api/set?key=colour&value=red", 200)
			if id, _ = v["id"].(string); len(id) != 22 || v["key"] != "colour" || v["value"] != "red" {
				t.Errorf("set: %v", v)
			}
		})
		s.wantCost("a counting request", 1, 1, func() {
			if v := b.api("POST", "/api/incr?key=n", 200); v["value"] != 1.0 || v["id"] != id {
				t.Errorf("incr: %v", v)
			}
		})
		s.wantCost("setting what is set", 1, 0, func() { b.api("POST", "/api/set?key=colour&value=red", 200) })
		s.wantCost("a reading request", 1, 0, func() {
			v := b.api("GET", "/api/session", 200)
			if v["id"] != id || fmt.Sprint(v["values"]) != "map[colour:red n:1]" || v["created"] == nil || v["expires"] == nil {
				t.Errorf("session: %v", v)
			}
			if v["reads"] != float64(s.shop.meter.reads.Load()) || v["writes"] != 2.0 {
				t.Errorf("session: %v reads, %v writes", v["reads"], v["writes"])
			}
		})
		s.wantCost("/api/static", 0, 0, func() { b.api("GET", "/api/static", 200) })

		v := b.api("POST", "/api/login?user=ann", 200)
		if v["principal"] != "ann" || v["id"] == id || v["id"] == "" {
			t.Errorf("login: %v", v)
		}
		if v := b.api("POST", "/api/incr?key=n", 200); v["value"] != 2.0 {
			t.Errorf("incr after signing in: %v", v)
		}
		if v := b.api("POST", "/api/logout", 200); v["id"] != "" {
			t.Errorf("logout: %v", v)
		}
		if v := b.api("GET", "/api/session", 200); v["id"] != "" || v["principal"] != "" {
			t.Errorf("after logout: %v", v)
		}
	})
}

func TestTwoBrowsers(t *testing.T) {
	eachStore(t, func(t *testing.T, s *site) {
		a, b := s.browser(), s.browser()
		a.api("POST", "/api/incr?key=n", 200)
		a.api("POST", "/api/incr?key=n", 200)
		if v := b.api("POST", "/api/incr?key=n", 200); v["value"] != 1.0 {
			t.Errorf("the other browser counts %v", v["value"])
		}
		if v := a.api("GET", "/api/session", 200); fmt.Sprint(v["values"]) != "map[n:2]" {
			t.Errorf("the first browser has %v", v["values"])
		}
	})
}

func TestChangedTokenCostsNothing(t *testing.T) {
	s := memorySite(t)
	b := s.browser()
	b.api("POST", "/api/incr?key=n", 200)
	at, _ := url.Parse(s.URL)
	cookie := b.client.Jar.Cookies(at)[0]
	for i := range cookie.Value {
		other := byte('A')
		if cookie.Value[i] == 'A' {
			other = 'B'
		}
		c := *cookie
		c.Value = cookie.Value[:i] + string(other) + cookie.Value[i+1:]
		thief := s.browser()
		thief.client.Jar.SetCookies(at, []*http.Cookie{&c})
		s.wantCost(fmt.Sprintf("a token with another character %d", i), 0, 0, func() {
			if v := thief.api("GET", "/api/session", 200); v["id"] != "" {
				t.Errorf("a token with another character %d opens %v", i, v["id"])
			}
		})
	}
}

func TestParallelIncrements(t *testing.T) {
	eachStore(t, func(t *testing.T, s *site) {
		const n = 160
		b := s.browser()
		b.api("POST", "/api/set?key=begun&value=yes", 200)
		var all sync.WaitGroup
		for range n {
			all.Go(func() { b.api("POST", "/api/incr?key=n", 200) })
		}
		all.Wait()
		if v := b.api("GET", "/api/session", 200); fmt.Sprint(v["values"]) != fmt.Sprintf("map[begun:yes n:%d]", n) {
			t.Errorf("%d parallel increments make %v", n, v["values"])
		}
	})
}

// TestSignOutDuringIncrements: parallel changes that meet a sign-out leave nothing of
// the session.
func TestSignOutDuringIncrements(t *testing.T) {
	eachStore(t, func(t *testing.T, s *site) {
		b := s.browser()
		b.api("POST", "/api/login?user=ann", 200)
		id := b.api("POST", "/api/incr?key=n", 200)["id"].(string)
		at, _ := url.Parse(s.URL)
		cookies := b.client.Jar.Cookies(at)
		same := func() *browser { // the same token, but no jar to share: late cookies stay apart
			c := s.browser()
			c.client.Jar.SetCookies(at, cookies)
			return c
		}
		var all sync.WaitGroup
		for i := range 160 {
			all.Go(func() {
				c := same()
				if i == 80 {
					c.api("POST", "/api/logout", 200)
					return
				}
				if a := c.do("POST", "/api/incr?key=n", nil); a.status != 200 && a.status != 409 {
					t.Errorf("incr: %d %s", a.status, a.body)
				}
			})
		}
		all.Wait()
		if v := same().api("GET", "/api/session", 200); v["id"] != "" {
			t.Errorf("the token opens %v after the sign-out", v)
		}
		parsed, err := cloakroom.ParseID(id)
		if err != nil {
			t.Fatal(err)
		}
		if rec, err := s.gate.Get(t.Context(), parsed); err == nil {
			t.Errorf("the record is there: %v", rec)
		}
		for rec, err := range s.gate.Search(t.Context(), driver.Query{App: App, Principal: "ann"}) {
			t.Errorf("a session of ann's is left: %v %v", rec, err)
		}
	})
}

func TestAPIErrors(t *testing.T) {
	s := memorySite(t)
	b := s.browser()
	b.api("POST", "/api/set?key=word&value=x", 200)
	long := strings.Repeat("x", 70<<10)
	for _, c := range []struct {
		method, path string
		status       int
		want         string
	}{
		{"GET", "/api/nothing", 404, "no such endpoint"},
		{"GET", "/api/set?key=a&value=b", 405, "Use POST"},
		{"POST", "/api/session", 405, "Use GET"},
		{"DELETE", "/api/static", 405, "Use GET"},
		{"POST", "/api/set?value=b", 400, "key is missing"},
		{"POST", "/api/set?key=%ff&value=b", 400, "key is not valid UTF-8"},
		{"POST", "/api/set?key=a&value=%ff", 400, "value is not valid UTF-8"},
		{"POST", "/api/set?key=a&value=%zz", 400, "can't be understood"},
		{"POST", "/api/incr", 400, "key is missing"},
		{"POST", "/api/incr?key=word", 400, "not a whole number"},
		{"POST", "/api/login", 400, "name"},
		{"POST", "/api/login?user=a%0Ab", 400, "control characters"},
		{"POST", "/api/login?user=" + strings.Repeat("a", 513), 400, "512 bytes"},
		{"POST", "/api/set?key=a&value=" + long, 413, "no room"},
	} {
		v := b.api(c.method, c.path, c.status)
		text, _ := v["error"].(string)
		if len(v) != 1 || !strings.Contains(text, c.want) {
			t.Errorf("%s %.40s: %v, want one error with %q", c.method, c.path, v, c.want)
		}
	}
	if v := b.api("GET", "/api/session", 200); fmt.Sprint(v["values"]) != "map[word:x]" {
		t.Errorf("errors left %v", v["values"])
	}
	if a := b.do("POST", "/api/set?key=a", url.Values{"value": {strings.Repeat("x", maxBody)}}); a.status != 413 {
		t.Errorf("a body that is too long: %d %s", a.status, a.body)
	}
	if a := b.do("HEAD", "/api/session", nil); a.status != 200 || a.body != "" {
		t.Errorf("HEAD: %d %q", a.status, a.body)
	}
}

func TestOtherSitesChangeNothing(t *testing.T) {
	s := memorySite(t)
	b := s.browser()
	b.api("POST", "/api/incr?key=n", 200)
	for name, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "http://elsewhere.example"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/api/incr?key=n", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(name, value)
		s.wantCost("a request from another site", 0, 0, func() {
			if a := b.send(r); a.status != 403 || !strings.HasPrefix(a.body, `{"error":`) {
				t.Errorf("with %s: %d %s", name, a.status, a.body)
			}
		})
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/signout", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if a := b.send(r); a.status != 403 || !strings.Contains(a.body, "<h1>") {
		t.Errorf("a form of another site: %d %s", a.status, a.body)
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if a := b.send(r); a.status != 200 {
		t.Errorf("a form of our own: %d %s", a.status, a.body)
	}
}

func TestOutage(t *testing.T) {
	s := memorySite(t)
	b := s.browser()
	b.api("POST", "/api/incr?key=n", 200)
	at, _ := url.Parse(s.URL)
	cookie := b.client.Jar.(*cookiejar.Jar).Cookies(at)[0].Value

	s.gate.down.Store(true)
	for range 2 {
		a := b.do("GET", "/api/session", nil)
		if a.status != 503 || a.header.Get("Retry-After") == "" || !strings.HasPrefix(a.body, `{"error":`) || len(a.header["Set-Cookie"]) > 0 {
			t.Errorf("session: %d %v %s", a.status, a.header, a.body)
		}
	}
	a := b.do("GET", "/", nil)
	if a.status != 503 || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "tries again") || len(a.header["Set-Cookie"]) > 0 {
		t.Errorf("page: %d %v %s", a.status, a.header, a.body)
	}
	if a := b.do("POST", "/cart", url.Values{"item": {"bowler"}, "do": {"add"}}); a.status != 503 || strings.Contains(a.body, "tries again") {
		t.Errorf("cart: %d %s", a.status, a.body)
	}
	b.api("GET", "/api/static", 200)
	if n := strings.Count(s.log.String(), "out of reach"); n != 1 {
		t.Errorf("the log tells of the outage %d times:\n%s", n, s.log)
	}

	s.gate.down.Store(false)
	if v := b.api("POST", "/api/incr?key=n", 200); v["value"] != 2.0 {
		t.Errorf("after the outage: %v", v)
	}
	if now := b.client.Jar.Cookies(at)[0].Value; now != cookie {
		t.Error("the outage cost the visitor the cookie")
	}
	if !strings.Contains(s.log.String(), "the store is back") {
		t.Errorf("the log doesn't tell of the end:\n%s", s.log)
	}
}

// TestStoreThatTakesNoWrites: a store that answers reads and refuses writes, as while its
// sessions move, is told of once, and is back when it takes a write.
func TestStoreThatTakesNoWrites(t *testing.T) {
	s := memorySite(t)
	b := s.browser()
	b.api("POST", "/api/incr?key=n", 200)
	s.gate.fenced.Store(true)
	b.api("POST", "/api/incr?key=n", 503) // which reads and writes again and again
	if log := s.log.String(); strings.Count(log, "takes no writes") != 1 || strings.Contains(log, "the store is back") {
		t.Errorf("the log:\n%s", log)
	}
	s.gate.fenced.Store(false)
	b.api("POST", "/api/incr?key=n", 200)
	if log := s.log.String(); strings.Count(log, "the store is back") != 1 {
		t.Errorf("the log:\n%s", log)
	}
}
