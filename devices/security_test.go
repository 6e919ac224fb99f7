package devices_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/devices"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of what attackers try.

func form(do, id string) url.Values { return url.Values{"do": {do}, "id": {id}} }

// A form that another site sends changes nothing, nor does one of a sibling domain.
func TestCrossSiteForms(t *testing.T) {
	each(t, func(t *testing.T, open func(*cloakroom.Config, *devices.Config) *site) {
		s := open(nil, nil)
		phone, laptop := s.signedIn("ann", iphone, "203.0.113.9"), s.signedIn("ann", chrome, "192.0.2.1")
		for _, header := range []http.Header{
			{"Sec-Fetch-Site": {"cross-site"}},
			{"Sec-Fetch-Site": {"same-site"}},
			{"Origin": {"https://evil.example"}},
			{"Origin": {"null"}},
		} {
			for _, f := range []url.Values{form("end", phone.id().String()), form("end-others", ""), form("end-all", ""), form("end", laptop.id().String())} {
				laptop.header = header
				a := laptop.do(http.MethodPost, path, f)
				s.wantIn(s.wantPage(403, a), "Nothing was changed")
				laptop.header = http.Header{}
			}
		}
		if phone.who() != "ann" || laptop.who() != "ann" {
			t.Fatal("a form of another site signed somebody out")
		}
		laptop.header = http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {"http://example.com"}}
		s.wantPage(200, laptop.post("end", phone.id().String()))
		s.wantLive("ann", 1)
	})
}

// A GET changes nothing, whatever is in its URL, and a link makes no claim.
func TestGetChangesNothing(t *testing.T) {
	s := memory(t, nil, nil)
	phone, laptop := s.signedIn("ann", iphone, "203.0.113.9"), s.signedIn("ann", chrome, "192.0.2.1")
	bob := s.signedIn("bob", chrome, "192.0.2.7")
	for _, query := range []string{"ended=" + bob.id().String(), "ended=" + driver.NewID(driver.LayoutDay, time.Now()).String(), "do=end&id=" + phone.id().String(), "do=end-others", "do=end-all", "ended=others", "ended=" + phone.id().String(), "ended=" + laptop.id().String(), "ended=x"} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			page := s.wantPage(200, laptop.do(method, path+"?"+query, nil))
			s.wantNotIn(page, "has ended", "is left")
		}
	}
	// The fields of a form are in its body.
	s.wantPage(400, laptop.do(http.MethodPost, path+"?do=end-all", url.Values{}))
	s.wantLive("ann", 2)
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch} {
		if a := laptop.do(method, path, form("end-all", "")); a.Code != 405 || a.Header().Get("Allow") == "" {
			t.Errorf("%s: %d", method, a.Code)
		}
	}
	s.wantLive("ann", 2)
}

func TestSenselessForms(t *testing.T) {
	s := memory(t, nil, nil)
	ann := s.signedIn("ann", chrome, "192.0.2.1")
	for _, f := range []url.Values{{}, {"do": {"steal"}}, {"id": {ann.id().String()}}} {
		s.wantPage(400, ann.do(http.MethodPost, path, f))
	}
	s.wantPage(413, ann.do(http.MethodPost, path, form("end", strings.Repeat("x", 8<<10))))
	s.wantLive("ann", 1)
}

// Markup that a client, a place or a principal brings is text.
func TestStoredMarkup(t *testing.T) {
	const evil = `<img src=x onerror="alert(1)">'"&</h2></li></ul>`
	s := memory(t, &cloakroom.Config{ClientAddr: func(*http.Request) string { return `<i>"` }},
		&devices.Config{Place: func(context.Context, string) string { return evil }})
	s.signedIn(evil, evil, "192.0.2.1")
	s.signedIn(evil, "x"+evil, "192.0.2.1")
	b := s.signedIn(evil, chrome, "192.0.2.1")
	page := b.list()
	s.wantNotIn(page, "<img", "<i>", `alert(1)">`)
	s.wantIn(page, "&lt;img src=x onerror", "&lt;i&gt;")
	for _, a := range []string{"end", "end-others"} {
		s.wantNotIn(b.post(a, evil).Body.String(), "<img", "<i>")
	}
	s.wantNotIn(b.do(http.MethodGet, path+"?ended="+url.QueryEscape(evil), nil).Body.String(), "<img")
}

// A character that turns the direction of text turns none but the text that it is in.
func TestDirections(t *testing.T) {
	const turn = "\u202e"
	s := memory(t, &cloakroom.Config{ClientAddr: func(*http.Request) string { return "192.0.2.1" + turn }},
		&devices.Config{Place: func(context.Context, string) string { return "Ghent" + turn }})
	page := s.signedIn("ann", "curl"+turn+"/8.5.0", "192.0.2.1").list()
	s.wantIn(page, "<bdi>curl</bdi>", "<bdi>Ghent"+turn+"</bdi>", `<bdi>192.0.2.1\u202e</bdi>`)
	if n := strings.Count(page, turn); n != 1 {
		t.Errorf("it is there %d times", n)
	}
}

// No page has a token, which a script or an extension could find there.
func TestNoTokens(t *testing.T) {
	s := memory(t, nil, nil)
	phone, laptop := s.signedIn("ann", iphone, "203.0.113.9"), s.signedIn("ann", chrome, "192.0.2.1")
	page := laptop.list() + laptop.post("end", "x").Body.String()
	for _, b := range []*browser{phone, laptop} {
		for i := 24; i+8 < 46; i++ { // the secret's place
			s.wantNotIn(page, b.cookie.Value[i:i+8])
		}
	}
}

func TestHeaders(t *testing.T) {
	s := memory(t, nil, nil)
	ann := s.signedIn("ann", chrome, "192.0.2.1")
	s.add(time.Hour)
	nobody, foreign := s.browser(chrome, "192.0.2.1"), s.browser(chrome, "192.0.2.1")
	foreign.header.Set("Sec-Fetch-Site", "cross-site")
	for what, a := range map[string]http.Header{
		"list":    ann.do(http.MethodGet, path, nil).Header(),
		"403":     ann.do(http.MethodPost, path, form("end-others", "")).Header(),
		"404":     ann.do(http.MethodPost, path, form("end", "x")).Header(),
		"401":     nobody.do(http.MethodPost, path, form("end", "x")).Header(),
		"foreign": foreign.do(http.MethodPost, path, form("end", "x")).Header(),
	} {
		for name, want := range map[string]string{
			"Referrer-Policy": "same-origin", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"Content-Type": "text/html; charset=utf-8", "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := a.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", what, name, got, want)
			}
		}
		if c := a.Get("Cache-Control"); !strings.Contains(c, "no-store") {
			t.Errorf("%s: Cache-Control %q", what, c)
		}
		csp := a.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"} {
			if !strings.Contains(csp, part) {
				t.Errorf("%s: the policy %q has no %s", what, csp, part)
			}
		}
		if strings.Contains(csp, "unsafe") {
			t.Errorf("%s: %s", what, csp)
		}
	}
}

// The page needs nothing that its policy forbids: its style has the hash that is in it.
func TestPolicyFitsThePage(t *testing.T) {
	s := memory(t, nil, &devices.Config{Stylesheet: "https://static.example/look.css"})
	ann := s.signedIn("ann", chrome, "192.0.2.1")
	a := ann.do(http.MethodGet, path, nil)
	page, csp := a.Body.String(), a.Header().Get("Content-Security-Policy")
	_, style, _ := strings.Cut(page, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	if want := "style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "' https://static.example;"; !strings.Contains(csp, want) {
		t.Errorf("the policy %q has no %s", csp, want)
	}
	if n := strings.Count(page, "<style"); n != 1 || len(style) < 1000 {
		t.Errorf("%d styles, the first of %d bytes", n, len(style))
	}
	s.wantIn(page, `<link rel="stylesheet" href="https://static.example/look.css">`)
	if found := regexp.MustCompile(`(?i)<script|style="|\son\w+=|javascript:`).FindString(page); found != "" {
		t.Errorf("the page has %q", found)
	}
}

// Whatever path a browser asks for, the way back leads to this site.
func TestBackStaysHere(t *testing.T) {
	s := memory(t, nil, nil)
	for _, target := range []string{"//evil.example/devices", `/\evil.example/devices`, "/x/../devices?a=b", "http://evil.example/devices"} {
		b := s.browser(chrome, "192.0.2.1")
		b.site = &site{TB: t, Handler: s.page}
		to, err := url.Parse(b.do(http.MethodGet, target, nil).Header().Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		way, err := url.Parse(to.Query().Get("back"))
		if err != nil || way.Host != "" || !strings.HasPrefix(way.Path, "/") || strings.HasPrefix(way.String(), "//") || strings.HasPrefix(way.String(), `/\`) {
			t.Errorf("%s: back to %q", target, to.Query().Get("back"))
		}
	}
}
