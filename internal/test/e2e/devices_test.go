package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/devices"
)

// This file tests the visitors' page of devices in browsers. It has no scripts.

// devicesSite is an application with a page of devices, whose clock the test sets.
type devicesSite struct {
	t     *testing.T
	m     *cloakroom.Manager
	url   string
	clock atomic.Int64
}

func openDevicesSite(t *testing.T) *devicesSite {
	t.Helper()
	s := &devicesSite{t: t}
	s.clock.Store(time.Now().UnixMilli())
	now := func() time.Time { return time.UnixMilli(s.clock.Load()).UTC() }
	keys, err := cloakroom.NewKeyring([]byte("a secret of a test: 32 bytes, no more"))
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	s.m, err = cloakroom.New(openFile(t), keys, &cloakroom.Config{
		Transport: cloakroom.Cookie{Insecure: true}, SweepEvery: 1000 * time.Hour, Now: now, Logger: quiet,
		ClientAddr: func(r *http.Request) string { return r.Header.Get("X-Test-Address") },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.m.Close() })
	page, err := devices.New(s.m, "/sign-in?back={back}", &devices.Config{Home: "/", Now: now, Logger: quiet, Place: func(_ context.Context, address string) string {
		return map[string]string{"203.0.113.24": "Ghent, Belgium", "198.51.100.61": "Ghent, Belgium", "192.0.2.77": "Lisbon, Portugal"}[address]
	}})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/devices", page)
	mux.Handle("/sign-in", s.m.With(func(w http.ResponseWriter, r *http.Request, session *cloakroom.Session) error {
		name := r.FormValue("name")
		if name == "" {
			name = session.Principal()
		}
		if name == "" {
			return s.say(w, "Who are you?")
		}
		if err := session.Login(r.Context(), name, &cloakroom.LoginOptions{Remember: r.FormValue("remember") != ""}); err != nil {
			return err
		}
		if r.FormValue("back") == "/devices" {
			http.Redirect(w, r, "/devices", http.StatusSeeOther)
			return nil
		}
		return s.say(w, name)
	}))
	mux.Handle("/", s.m.With(func(w http.ResponseWriter, _ *http.Request, session *cloakroom.Session) error {
		if session.Principal() == "" {
			return s.say(w, "nobody")
		}
		return s.say(w, session.Principal())
	}))
	server := httptest.NewServer(s.m.Handler(mux))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *devicesSite) say(w http.ResponseWriter, text string) error {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, err := fmt.Fprintf(w, `<!DOCTYPE html><title>site</title><link rel="icon" href="data:,"><h1 id="page">%s</h1>`, text)
	return err
}

// device is a browser of a visitor's.
type device struct {
	*browser
	s *devicesSite
}

// signedIn returns a device that somebody signs in to.
func (s *devicesSite) signedIn(b *browser, name, agent, address string, remember bool) device {
	s.t.Helper()
	d := device{b, s}
	b.do("being another browser", command(emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: agent}),
		command(network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"X-Test-Address": address}}))
	q := url.Values{"name": {name}}
	if remember {
		q.Set("remember", "1")
	}
	b.visit(s.url + "/sign-in?" + q.Encode())
	return d
}

// wantIs checks who is signed in at the device's next click.
func (d device) wantIs(who string) {
	d.t.Helper()
	d.visit(d.s.url + "/")
	d.wantText("#page", who)
}

// list opens the page, and returns the titles of its devices.
func (d device) list() []string {
	d.t.Helper()
	d.do("opening the devices", chromedp.Navigate(d.s.url+"/devices"), chromedp.WaitReady(chromedp.CSS("main h1")))
	return evaluate[[]string](d.browser, `[...document.querySelectorAll(".devices h2")].map(h => h.firstChild.textContent.trim())`)
}

func (d device) wantList(want ...string) {
	d.t.Helper()
	if got := d.list(); strings.Join(got, ", ") != strings.Join(want, ", ") {
		d.t.Errorf("the devices are %q, want %q", got, want)
	}
	d.wantText(".devices li:first-child .mark", "This device")
}

// pass lets time pass.
func (s *devicesSite) pass(d time.Duration) { s.clock.Add(d.Milliseconds()) }

// TestDevicesInBrowser ends one device, all others, and all with its proof, and is asked to
// sign in again where that was long ago.
func TestDevicesInBrowser(t *testing.T) {
	s, b := openDevicesSite(t), openBrowser(t)
	tabs := make([]*browser, 5)
	for i := range tabs {
		tabs[i] = b.incognito(t)
	}
	phone := s.signedIn(tabs[0], "mila", safariPhone, "198.51.100.61", true)
	s.pass(25 * time.Hour)
	tablet := s.signedIn(tabs[1], "mila", firefoxLinux, "192.0.2.77", false)
	s.pass(40 * time.Minute)
	stranger := s.signedIn(tabs[2], "jonas", chromeWindows, "203.0.113.99", false)
	laptop := s.signedIn(tabs[3], "mila", chromeWindows, "203.0.113.24", false)
	laptop.wantIs("mila")

	laptop.wantList("Chrome on Windows", "Firefox on Linux", "Safari on iPhone")
	laptop.wantSaid("203.0.113.24", "Ghent, Belgium", "Lisbon, Portugal", "Active now", "Last active 40 minutes ago", "Stays signed in", "Signed in just now", "Signed in 1 day ago")
	laptop.wantUnsaid("203.0.113.99")

	// One, and what is another's is none.
	laptop.click(".devices li:nth-child(2) button")
	laptop.wantText("p.said", "That session has ended. It opens nothing any more.")
	tablet.wantIs("nobody")
	phone.wantIs("mila")
	stranger.list()
	theirs := evaluate[string](stranger.browser, `document.querySelector("button[name=id]").value`)
	laptop.list()
	evaluate[bool](laptop.browser, fmt.Sprintf(`document.querySelector(".devices li:nth-child(2) button").value = %q, true`, theirs))
	laptop.click(".devices li:nth-child(2) button")
	laptop.wantText("p.said", "You have no such session. It may have ended already.")
	if status := evaluate[int](laptop.browser, `performance.getEntriesByType("navigation")[0].responseStatus`); status != http.StatusNotFound {
		t.Errorf("another's session is answered by %d", status)
	}
	laptop.wantComplaint("404")
	stranger.wantIs("jonas")

	// A sign-in of long ago ends nothing, and signs nobody out.
	s.pass(16 * time.Minute)
	laptop.list()
	laptop.wantSaid("To end sessions, sign in again first: you signed in 16 minutes ago. You stay signed in meanwhile.")
	laptop.wantUnsaid("Sign out all others", "Sign out everywhere")
	laptop.wantIs("mila")
	laptop.list()
	laptop.click(".ask a.button")
	laptop.wantText(".all form:first-child button", "Sign out all others")
	laptop.click(`button[value="end-others"]`)
	laptop.wantText("p.said", "No other session is left: this one is the only one that opens.")
	phone.wantIs("nobody")
	laptop.wantList("Chrome on Windows")

	// Everywhere, and the proof of it.
	again := s.signedIn(tabs[4], "mila", edgeWindows, "203.0.113.25", false)
	laptop.list()
	laptop.click(`button[value="end-all"]`)
	laptop.wantText("h1", "Signed out everywhere")
	laptop.wantSaid("2 sessions were open, and have ended.", "Your list was read again after that, and is empty: no session of yours opens any more.")
	again.wantIs("nobody")
	laptop.wantIs("nobody")
	laptop.do("opening the devices", chromedp.Navigate(s.url+"/devices"))
	laptop.wantText("#page", "Who are you?")
	stranger.wantIs("jonas")
	for _, tab := range tabs {
		tab.noComplaints()
	}
}

// TestDevicesAttacked: forms of other origins end nothing, and markup in an agent is text.
func TestDevicesAttacked(t *testing.T) {
	s, evil, b := openDevicesSite(t), openAttacker(t), victim(t)
	other := s.signedIn(b.incognito(t), "mila", "x "+marker("agent"), "192.0.2.77", false)
	d := s.signedIn(b, "mila", chromeWindows, "203.0.113.24", false)
	d.list()
	id := evaluate[string](b, `document.querySelector(".devices li:nth-child(2) button").value`)
	for _, site := range evil.sites() {
		for _, do := range []string{"end", "end-others", "end-all"} {
			b.posts(site, s.url+"/devices", url.Values{"do": {do}, "id": {id}})
			b.wantText("p.said", "The request came from another site.")
			b.wantComplaint("403")
		}
	}
	other.wantIs("mila")
	d.wantIs("mila")
	d.bypassPolicy()
	d.list()
	if evaluate[bool](b, `document.mark !== undefined || document.querySelector("[data-mark]") !== null`) {
		t.Error("the markup got into the page")
	}
	d.noComplaints()
}
