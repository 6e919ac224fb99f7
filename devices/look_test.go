package devices_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/devices"
)

// This file is the tests of the page's HTML, texts and configuration.

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden compares each kind of page with testdata.
func TestGolden(t *testing.T) {
	s := memory(t, &cloakroom.Config{TouchEvery: 5 * time.Minute, SaveTimeout: 500 * time.Millisecond}, &devices.Config{Place: func(_ context.Context, a string) string {
		return map[string]string{"192.0.2.1": "Ghent, Belgium"}[a]
	}})
	s.clock.Store(time.Date(2030, 4, 1, 12, 0, 0, 0, time.UTC).UnixMilli())
	phone := s.browser(iphone, "203.0.113.9")
	phone.do(http.MethodGet, "/sign-in?name=ann&remember=1", nil)
	phone.who()
	id := phone.id().String()
	s.add(50 * time.Hour)
	old := s.signedIn("ann", chrome, "192.0.2.1")
	s.add(time.Minute)
	s.signedIn("ann", "curl/8.5.0", "192.0.2.2")
	s.add(20 * time.Minute)
	laptop := s.signedIn("ann", chrome, "192.0.2.1")
	golden := func(name string, page string) {
		t.Helper()
		page = strings.ReplaceAll(page, id, "ID-OF-THE-PHONE")
		page = regexp.MustCompile(`value="[\w-]{22}"`).ReplaceAllString(page, `value="ID"`)
		page = regexp.MustCompile(`(?s)<style>.*</style>`).ReplaceAllString(page, "<style>…</style>")
		file := "testdata/" + name + ".html"
		if *update {
			if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil || string(want) != page {
			t.Errorf("%s is not what the page is (%v); -update writes it anew:\n%s", file, err, page)
		}
	}
	golden("list", laptop.list())
	golden("not-found", laptop.post("end", "x").Body.String())
	golden("sign-in", s.browser(chrome, "192.0.2.1").post("end", "x").Body.String())
	golden("senseless", laptop.post("x", "").Body.String())
	s.store.all.Store(true)
	golden("uncertain", laptop.post("end", id).Body.String())
	s.store.all.Store(false)
	golden("ended", laptop.post("end", id).Body.String())
	// From here on the old session's visits move its last activity, at a moment of their own.
	golden("list-sign-in-again", old.list())
	golden("sign-in-again", old.post("end-others", "").Body.String())
	golden("others-ended", laptop.post("end-others", "").Body.String())
	golden("all-ended", laptop.post("end-all", "").Body.String())
}

// texts returns the texts of texts.txt.
func texts(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile("texts.txt")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

// TestTexts: texts.txt has the texts of the page, and no others.
func TestTexts(t *testing.T) {
	var found []string
	for file, call := range map[string]string{
		"page.html": `\.T "([^"]+)"`,
		"render.go": `d\.T\("([^"]+)"`,
		"words.go":  `w\.T\("([^"]+)"`,
	} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		calls := [][]byte(nil)
		for _, m := range regexp.MustCompile(call).FindAllSubmatch(b, -1) {
			calls = append(calls, m[1])
		}
		for _, line := range regexp.MustCompile(`(?m)^.*(?:d\.count\(|u = unit\{).*$`).FindAll(b, -1) {
			for _, m := range regexp.MustCompile(`"([^"]+)"`).FindAllSubmatch(line, -1) {
				calls = append(calls, m[1])
			}
		}
		for _, c := range calls {
			found = append(found, string(c))
		}
	}
	slices.Sort(found)
	found = slices.Compact(found)
	if *update {
		if err := os.WriteFile("texts.txt", []byte(strings.Join(found, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have := texts(t); !slices.Equal(have, found) {
		t.Errorf("texts.txt has\n%s\nand the code has\n%s", strings.Join(have, "\n"), strings.Join(found, "\n"))
	}
}

// A translator sees each text that a page shows, for its request.
func TestTranslation(t *testing.T) {
	known := texts(t)
	s := memory(t, nil, &devices.Config{Text: func(r *http.Request, english string) string {
		if !slices.Contains(known, english) {
			t.Errorf("texts.txt has no %q", english)
		}
		if r.Header.Get("Accept-Language") != "de" {
			return english
		}
		return map[string]string{"en": "de", "%s on %s": "%s unter %s", "Sign out": "Abmelden <"}[english]
	}})
	b := s.signedIn("ann", chrome, "192.0.2.1")
	s.wantIn(b.list(), `Chrome on Windows`)
	b.header.Set("Accept-Language", "de")
	page := b.list()
	s.wantIn(page, `Chrome unter Windows`, "Abmelden &lt;", "Where you are signed in")
	if !strings.Contains(page, `<html lang="de"`) {
		t.Error("the page isn't German")
	}
}

func TestTimes(t *testing.T) {
	s := memory(t, &cloakroom.Config{IdleTimeout: 90 * 24 * time.Hour, TouchEvery: time.Hour}, &devices.Config{MaxAge: -1})
	s.signedIn("ann", iphone, "203.0.113.9")
	for _, tt := range []struct {
		later time.Duration
		want  string
	}{
		{0, "Active within the last hour"}, // which is as exact as it is known
		{time.Hour + time.Minute, "Active within the last 2 hours"},
		{4 * time.Hour, "Active within the last 4 hours"},
		{4*time.Hour + time.Minute, "Last active 4 hours ago"},
		{24 * time.Hour, "Last active 1 day ago"},
		{14 * 24 * time.Hour, "Last active 14 days ago"},
	} {
		began := s.now()
		s.add(tt.later)
		s.wantIn(s.signedIn("ann", chrome, "192.0.2.1").list(), tt.want)
		s.clock.Store(began.UnixMilli())
	}
}

// An application writes the page itself, from the View alone, and its forms work.
func TestRender(t *testing.T) {
	own := template.Must(template.New("").Parse(`{{.Outcome}}{{range .Devices}}{{if not .Current}} <form method="post" action="?"><input type="hidden" name="do" value="end"><button name="id" value="{{.ID}}">{{end}}{{end}}{{with .Repeat.Do}} again {{.}} {{$.Repeat.ID}}{{end}}`))
	s := memory(t, &cloakroom.Config{SaveTimeout: 500 * time.Millisecond}, &devices.Config{Render: func(w io.Writer, _ *http.Request, v *devices.View) error {
		return own.Execute(w, v)
	}})
	phone, laptop := s.signedIn("ann", iphone, "203.0.113.9"), s.signedIn("ann", chrome, "192.0.2.1")
	fields := regexp.MustCompile(`name="(do|id)" value="([^"]*)"`).FindAllStringSubmatch(laptop.list(), -1)
	filled := url.Values{}
	for _, f := range fields {
		filled.Set(f[1], f[2])
	}
	s.store.all.Store(true)
	if page, want := s.wantPage(503, laptop.do(http.MethodPost, path, filled)), "uncertain again end "+phone.id().String(); page != want {
		t.Errorf("got %q, want %q", page, want)
	}
	s.store.all.Store(false)
	if page := s.wantPage(200, laptop.post(filled.Get("do"), filled.Get("id"))); page != "ended" || phone.who() != "" {
		t.Errorf("got %q, and the phone is signed in as %q", page, phone.who())
	}
}

// What Render gets is the data of the page, and what it fails with is answered.
func TestRenderData(t *testing.T) {
	fail := false
	s := memory(t, nil, &devices.Config{Render: func(w io.Writer, r *http.Request, v *devices.View) error {
		if fail {
			return errors.New("no template")
		}
		for _, d := range v.Devices {
			_, _ = fmt.Fprintln(w, d.Name(), d.Kind, d.Current, d.SeenWithin)
		}
		_, err := fmt.Fprintln(w, r.URL.Path, v.Outcome, v.Status, v.MayEnd)
		return err
	}})
	b := s.signedIn("ann", chrome, "192.0.2.1")
	a := b.do(http.MethodGet, path, nil)
	if want := "Chrome on Windows desktop true 1m0s\n/account/devices listed 200 true\n"; a.Body.String() != want {
		t.Errorf("got %q, want %q", a.Body, want)
	}
	if csp := a.Header().Get("Content-Security-Policy"); csp != "form-action 'self'; base-uri 'none'; frame-ancestors 'none'" {
		t.Errorf("policy %q", csp)
	}
	fail = true
	s.wantPage(500, b.do(http.MethodGet, path, nil))
	s.wantPage(500, b.do(http.MethodPost, path, form("x", "")))
	b.header.Set("Sec-Fetch-Site", "cross-site")
	s.wantPage(500, b.do(http.MethodPost, path, form("x", "")))
}

// The page may be mounted anywhere: its forms and redirects lead to where it is.
func TestMounting(t *testing.T) {
	s := memory(t, nil, nil)
	phone, laptop := s.signedIn("ann", iphone, "203.0.113.9"), s.signedIn("ann", chrome, "192.0.2.1")
	laptop.site = &site{TB: t, Handler: http.StripPrefix("/a/b", s.page), m: s.m} // and without Handler
	a := laptop.do(http.MethodPost, "/a/b/c", form("end", phone.id().String()))
	if to := a.Header().Get("Location"); a.Code != 303 || !strings.HasPrefix(to, "?ended=") {
		t.Errorf("%d to %q", a.Code, to)
	}
	laptop.cookie = nil
	if to := laptop.do(http.MethodGet, "/a/b/c", nil).Header().Get("Location"); to != "/sign-in?back=%2Fa%2Fb%2Fc" {
		t.Errorf("to %q", to)
	}
}

func TestNew(t *testing.T) {
	s := memory(t, nil, nil)
	for _, tt := range []struct {
		what   string
		signIn string
		config *devices.Config
		want   string // of the error; "" for none
	}{
		{"a path", "/in", nil, ""},
		{"another host", "https://id.example/in?to={back}", nil, ""},
		{"none", "", nil, `devices: signIn is "": a path, such as /sign-in, or a URL with http or https is allowed`},
		{"a script", "javascript:alert(1)", nil, `signIn is "javascript:alert(1)"`},
		{"no scheme", "//evil.example/", nil, "signIn"},
		{"a backslash", `/\evil.example/`, nil, "signIn"},
		{"no URL", "/%", nil, "it is no URL"},
		{"relative", "in", nil, "signIn"},
		{"again", "/in", &devices.Config{SignInAgain: "data:x"}, "Config.SignInAgain"},
		{"style", "/in", &devices.Config{Stylesheet: "x.css"}, "Config.Stylesheet"},
	} {
		_, err := devices.New(s.m, tt.signIn, tt.config)
		if tt.want == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.what, err, tt.want)
		}
	}
	if _, err := devices.New(nil, "/in", nil); err == nil {
		t.Error("no manager is needed")
	}
}

// Another manager's page, and one outside of any request, have no session to look at.
func TestDevicesOfNoRequest(t *testing.T) {
	s := memory(t, nil, nil)
	if list, _, err := s.page.Devices(t.Context()); err == nil {
		t.Errorf("%v", list)
	}
}

// An imported session doesn't know when its visitor signed in.
func TestWithoutATimeOfSigningIn(t *testing.T) {
	s := memory(t, &cloakroom.Config{Import: &cloakroom.Import{From: badge{}, Until: time.Now().Add(time.Hour), Principal: func(context.Context, cloakroom.Reader) (string, error) {
		return "ann", nil
	}}}, nil)
	s.signedIn("ann", iphone, "203.0.113.9")
	b := s.browser(chrome, "192.0.2.1")
	b.cookie = &http.Cookie{Name: "badge", Value: "ann"}
	page := b.list()
	s.wantIn(page, "To end sessions, sign in again first. You stay signed in meanwhile.")
	s.wantNotIn(page, "days ago")
	s.wantPage(403, b.post("end-others", ""))
}

// badge is an importer of sessions that are a name.
type badge struct{}

func (badge) Name() string { return "badge" }

func (badge) Find(r *http.Request) (cloakroom.ForeignToken, error) {
	c, err := r.Cookie("badge")
	if err != nil {
		return cloakroom.ForeignToken{}, cloakroom.ErrNotFound
	}
	return cloakroom.ForeignToken{ID: c.Value, Credential: c.Value}, nil
}

func (badge) Load(_ context.Context, t cloakroom.ForeignToken) (*cloakroom.ForeignSession, error) {
	return &cloakroom.ForeignSession{Version: "1"}, nil
}

func (badge) Retire(context.Context, cloakroom.ForeignToken, string) error { return nil }

func (badge) Forget(http.Header) {}
