package console_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/console"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file is the tests of the configuration, the guard and the headers.

// TestProcessSince: what this process has done began when it began, whatever the console's
// clock says.
func TestProcessSince(t *testing.T) {
	r := newRig(t, nil, func(c *console.Config) {
		c.Now = func() time.Time { return time.Now().Add(-72 * time.Hour) }
	})
	var said string
	r.until("the calls of the store", func() bool {
		said = text(r.page("/"))
		return strings.Contains(said, "Calls of the store since")
	})
	if strings.Contains(said, "Calls of the store since in") {
		t.Errorf("they began in a time to come: %s", said)
	}
}

// TestNew: a configuration that can't work says what is wrong.
func TestNew(t *testing.T) {
	store := memstore.New(nil)
	defer store.Close()
	a := cloakroom.NewAdmin(store, "")
	who := func(*http.Request) (console.Operator, error) { return all, nil }
	for want, c := range map[string]*console.Config{
		"Admins is empty": nil,
		"Authorize is":    {Admins: []*cloakroom.Admin{a}},
		"an app twice":    {Admins: []*cloakroom.Admin{a, a}, Authorize: who},
		"has a nil":       {Admins: []*cloakroom.Admin{nil}, Authorize: who},
		"Colour is":       {Admins: []*cloakroom.Admin{a}, Authorize: who, Colour: "red"},
		"Path is":         {Admins: []*cloakroom.Admin{a}, Authorize: who, Path: "console"},
		"Hosts has":       {Admins: []*cloakroom.Admin{a}, Authorize: who, Hosts: []string{"https://ops.example.com"}},
		"letters":         {Admins: []*cloakroom.Admin{a}, Authorize: who, Path: "/{x}/"},
		"between slashes": {Admins: []*cloakroom.Admin{a}, Authorize: who, Path: "/a/../b"},
		"digits":          {Admins: []*cloakroom.Admin{a}, Authorize: who, Path: "/a b/"},
	} {
		if _, err := console.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// paths are those that tests go through.
func paths() []string {
	return []string{"/", "/sessions", "/session/AaCGUF5AAlI9brXgbqNiHQ", "/principals", "/principals?principal=ann", "/ending?principal=ann",
		"/jobs", "/jobs/x", "/health", "/nowhere", "/sessions?state=no", "/assets/nothing.css"}
}

// TestHeaders: each answer, also an error, keeps scripts and frames of others out.
func TestHeaders(t *testing.T) {
	r := newRig(t, nil)
	check := func(what string, w *httptest.ResponseRecorder) {
		t.Helper()
		h := w.Header()
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "X-Frame-Options": "DENY", "Cache-Control": "no-store",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s is %q", what, name, got)
			}
		}
		policy := h.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'", "script-src 'self';"} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s: the policy %q lacks %s", what, policy, part)
			}
		}
		if strings.Contains(policy, "unsafe") {
			t.Errorf("%s: %s", what, policy)
		}
		if body := w.Body.String(); strings.Contains(body, "style=") || strings.Contains(body, "<style") || strings.Contains(body, "<script>") || strings.Contains(body, "javascript:") {
			t.Errorf("%s: something is inline\n%s", what, body)
		}
	}
	for _, path := range paths() {
		check(path, r.do(http.MethodGet, path, nil))
		check("POST "+path, r.do(http.MethodPost, path, url.Values{}))
		check("cross "+path, r.do(http.MethodPost, path, url.Values{}, "Sec-Fetch-Site", "cross-site"))
		check("host "+path, r.do(http.MethodGet, path, nil, "Host", "evil.example"))
	}
}

// TestHeadersGolden: the headers of a page are these and no others.
func TestHeadersGolden(t *testing.T) {
	r := newRig(t, nil)
	var b strings.Builder
	if err := r.do(http.MethodGet, "/sessions", nil).Header().Write(&b); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/headers.golden")
	if got := strings.ReplaceAll(b.String(), "\r\n", "\n"); err != nil || got != string(want) {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
}

// TestHost: a name that was made to point here is refused, whatever the path.
func TestHost(t *testing.T) {
	for _, c := range []struct {
		hosts []string
		host  string
		ok    bool
	}{
		{nil, "127.0.0.1", true}, {nil, "127.0.0.1:99", true}, {nil, "[::1]:99", true}, {nil, "localhost:99", true}, {nil, "LOCALHOST", true},
		{nil, "evil.example", false}, {nil, "localhost.evil.example", false}, {nil, "192.0.2.1", false}, {nil, "", false}, {nil, "127.0.0.1.evil.example", false},
		{[]string{"ops.example.com"}, "ops.example.com", true}, {[]string{"ops.example.com"}, "OPS.example.com:8443", true},
		{[]string{"ops.example.com"}, "127.0.0.1", false}, {[]string{"ops.example.com"}, "example.com", false},
		{[]string{"ops.example.com:8443"}, "ops.example.com:8443", true}, {[]string{"ops.example.com:8443"}, "ops.example.com", false},
		{[]string{"ops.example.com:8443"}, "ops.example.com:8444", false},
	} {
		r := newRig(t, nil, func(config *console.Config) { config.Hosts = c.hosts })
		for _, path := range paths() {
			w := r.do(http.MethodGet, path, nil, "Host", c.host)
			if refused := w.Code == http.StatusMisdirectedRequest; refused == c.ok {
				t.Errorf("%v, host %q, %s: %d", c.hosts, c.host, path, w.Code)
			}
		}
	}
}

// TestCrossSite: a page of another site changes nothing, whatever cookies the browser adds.
func TestCrossSite(t *testing.T) {
	r := newRig(t, nil)
	id := r.comes(comer{principal: "ann"})
	form := url.Values{"reason": {"attack"}, "principal": {"ann"}, "count": {"1"}, "job": {"AAAAAAAAAAAAAAAAAAAAAA"}, "at": {"1"}}
	for _, path := range []string{"/session/" + id.String() + "/end", "/session/" + id.String() + "/values", "/principals/sign-out", "/ending?principal=ann", "/jobs/x/cancel"} {
		for name, headers := range map[string][]string{
			"cross-site":  {"Sec-Fetch-Site", "cross-site"},
			"same-site":   {"Sec-Fetch-Site", "same-site"},
			"null origin": {"Sec-Fetch-Site", "", "Origin", "null"},
			"origin":      {"Sec-Fetch-Site", "", "Origin", "https://evil.example"},
		} {
			if w := r.do(http.MethodPost, path, form, headers...); w.Code != http.StatusForbidden {
				t.Errorf("%s of %s: %d", path, name, w.Code)
			}
		}
		if w := r.do(http.MethodGet, path, nil); w.Code == http.StatusSeeOther {
			t.Errorf("GET %s: %d", path, w.Code)
		}
	}
	if _, err := r.manager.Admin().Find(t.Context(), id); err != nil || len(r.told()) > 0 {
		t.Errorf("%v %v", err, r.told())
	}
}

// TestAuthorize: each path asks who it is, and shows nothing to who isn't let in.
func TestAuthorize(t *testing.T) {
	var say error
	name := "olga"
	r := newRig(t, nil, func(c *console.Config) {
		c.Authorize = func(*http.Request) (console.Operator, error) { return console.Operator{Name: name}, say }
	})
	id := r.comes(comer{principal: "secretann"})
	for _, c := range []struct {
		err    error
		status int
	}{{console.ErrUnauthorized, 401}, {console.ErrForbidden, 403}, {errors.New("the directory is down"), 500}} {
		say = c.err
		for _, path := range append(paths(), "/session/"+id.String()) {
			if strings.HasPrefix(path, "/assets/") {
				continue
			}
			w := r.do(http.MethodGet, path, nil)
			if w.Code != c.status {
				t.Errorf("%s: %d, want %d", path, w.Code, c.status)
			}
			r.lacks(w.Body.String(), "secretann", "directory", "Principals")
		}
	}
	if !strings.Contains(r.log.String(), "the directory is down") {
		t.Error("the log doesn't say why")
	}
	say, name = nil, ""
	if w := r.do(http.MethodGet, "/", nil); w.Code != 500 {
		t.Errorf("an operator without a name: %d", w.Code)
	}
}

// TestReadOnly: neither a console that isn't writable nor an operator who may not end ends
// anything, and no page asks.
func TestReadOnly(t *testing.T) {
	for name, adjust := range map[string]func(*rig, *console.Config){
		"console":  func(_ *rig, c *console.Config) { c.Writable = false },
		"operator": func(*rig, *console.Config) {},
	} {
		var r *rig
		r = newRig(t, nil, func(c *console.Config) { adjust(r, c) })
		if name == "operator" {
			r.op.End = false
		}
		id := r.comes(comer{principal: "ann"})
		for _, path := range []string{"/sessions", "/session/" + id.String(), "/principals?principal=ann"} {
			r.lacks(r.page(path), "class=\"button danger\"", "class=\"danger\"")
		}
		form := url.Values{"reason": {"try"}, "principal": {"ann"}, "count": {"1"}, "typed": {"1"}, "job": {"AAAAAAAAAAAAAAAAAAAAAA"}, "at": {"1"}}
		for _, path := range []string{"/session/" + id.String() + "/end", "/principals/sign-out", "/ending?principal=ann", "/jobs/x/cancel"} {
			if w := r.do(http.MethodPost, path, form); w.Code != http.StatusForbidden {
				t.Errorf("%s: POST %s: %d", name, path, w.Code)
			}
		}
		if w := r.do(http.MethodGet, "/ending?principal=ann", nil); w.Code != http.StatusForbidden {
			t.Errorf("%s: GET /ending: %d", name, w.Code)
		}
		if _, err := r.manager.Admin().Find(t.Context(), id); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAddresses: who may not see addresses doesn't see one anywhere, and can't look for one.
func TestAddresses(t *testing.T) {
	r := newRig(t, nil)
	id := r.comes(comer{principal: "ann", address: "203.0.113.77"})
	r.later()
	r.post("/ending?address=203.0.113.77", forEnding(r, "/ending?address=203.0.113.77"))
	r.until("the job to be over", func() bool { return strings.Contains(text(r.page("/jobs")), "done") })
	again := r.comes(comer{principal: "ann", address: "203.0.113.77"})
	r.wants(r.page("/sessions"), "203.0.113.77")
	r.op.SeeAddresses = false
	for _, path := range []string{"/", "/sessions", "/sessions?state=all", "/session/" + id.String(), "/session/" + again.String(), "/principals?principal=ann", "/ending?principal=ann", "/jobs"} {
		r.lacks(r.page(path), "203.0.113.77", "f-address")
	}
	for _, x := range r.told() {
		r.lacks(r.page("/jobs/"+x.Job), "203.0.113.77")
	}
	for _, path := range []string{"/sessions?address=203.0.113.77", "/ending?address=203.0.113.77", "/sessions?address=203.0.113.77&since=1"} {
		if w := r.do(http.MethodGet, path, nil); w.Code != http.StatusForbidden {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// TestMounted: below a path all links lead below it.
func TestMounted(t *testing.T) {
	r := newRig(t, nil, func(c *console.Config) { c.Path = "/admin/sessions" })
	id := r.comes(comer{principal: "ann"})
	for _, path := range []string{"", "sessions", "session/" + id.String(), "principals?principal=ann", "jobs", "health", "ending?principal=ann", "nowhere"} {
		body := r.do(http.MethodGet, "/admin/sessions/"+path, nil).Body.String()
		for _, part := range strings.Split(body, `href="`)[1:] {
			if link, _, _ := strings.Cut(part, `"`); !strings.HasPrefix(link, "/admin/sessions/") && link != "#main" {
				t.Errorf("%s: the link %q", path, link)
			}
		}
	}
	if w := r.do(http.MethodGet, "/sessions", nil); w.Code != http.StatusNotFound {
		t.Error(w.Code)
	}
}

// TestAssets: files are kept for ever under an address that has their hash.
func TestAssets(t *testing.T) {
	r := newRig(t, nil)
	page := r.page("/")
	n := 0
	for _, part := range strings.FieldsFunc(page, func(c rune) bool { return c == '"' }) {
		if !strings.HasPrefix(part, "/assets/") {
			continue
		}
		n++
		w := r.do(http.MethodGet, part, nil)
		if w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || w.Header().Get("Content-Type") == "" {
			t.Errorf("%s: %d %v", part, w.Code, w.Header())
		}
	}
	if n < 4 {
		t.Errorf("%d files", n)
	}
}
