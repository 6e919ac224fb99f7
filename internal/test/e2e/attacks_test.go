package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/cloakroom-go/cloakroom"
)

// This file attacks the console and the page of devices, by a real browser. All who reach
// the console are let in here, so that no cookie's SameSite stands before its own guard.

// attacker is the site of an attacker, at another origin of the same site and at one of
// another site.
type attacker struct{ port string }

var attackerPage = template.Must(template.New("").Parse(`<!DOCTYPE html><title>attack</title><link rel="icon" href="data:,"><body id="page">
{{with .Frame}}<iframe src="{{.}}" width="600" height="400"></iframe>{{end}}
{{with .Post}}<form method="post" action="{{.}}">{{range $name, $values := $.Fields}}<input name="{{$name}}" value="{{index $values 0}}">{{end}}</form>
<script>document.forms[0].submit()</script>{{end}}</body>`))

func openAttacker(t *testing.T) attacker {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		fields, _ := url.ParseQuery(q.Get("fields"))
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = attackerPage.Execute(w, struct {
			Frame, Post string
			Fields      url.Values
		}{q.Get("frame"), q.Get("post"), fields})
	}))
	t.Cleanup(server.Close)
	return attacker{server.URL[strings.LastIndex(server.URL, ":"):]}
}

// sites are the attacker's origins.
func (a attacker) sites() []string {
	return []string{"http://" + evilHost + a.port + "/?", "http://127.0.0.1" + a.port + "/?"}
}

// victim is a browser in which the attacker's name leads to the attacker.
func victim(t *testing.T) *browser {
	return openBrowser(t, chromedp.Flag("host-resolver-rules", "MAP *.example.test 127.0.0.1"))
}

// posts has the browser open the attacker's page, which sends a form.
func (b *browser) posts(site, to string, fields url.Values) {
	b.t.Helper()
	q := url.Values{"post": {to}, "fields": {fields.Encode()}}
	b.do("opening the attacker's page", chromedp.Navigate(site+q.Encode()))
	b.until("where the form leads", fmt.Sprintf(`document.readyState === "complete" && location.href === %q`, to))
}

// TestCrossSiteForms: a page of another origin ends no session and reveals no values.
func TestCrossSiteForms(t *testing.T) {
	s, evil, b := openConsoleSite(t, openFile(t)), openAttacker(t), victim(t)
	_, id := s.comes(phone())
	s.pass(time.Second)
	at := fmt.Sprint(s.now().UnixMilli())
	fields := url.Values{"reason": {"attack"}, "principal": {"mila.novak"}, "count": {"1"}, "at": {at}, "job": {"AAAAAAAAAAAAAAAAAAAAAA"}}
	for _, site := range evil.sites() {
		for _, path := range []string{"session/" + id.String() + "/end", "session/" + id.String() + "/values", "ending?principal=mila.novak", "principals/sign-out"} {
			b.posts(site, s.url+path, fields)
			b.wantText("h1", "Another site sent this")
			b.wantUnsaid("umbrella", "mila.novak")
		}
	}
	s.wantLive(id, true)
	if told := s.told(); len(told) > 0 {
		t.Errorf("%q", told)
	}
	o := s.operator(b) // the console's own form does what these tried
	o.open("session/" + id.String())
	o.fill("#end-reason", "a lost phone")
	o.follow("button.danger", "revoked")
}

// TestForeignFrames: no other origin has the console or the page of devices in a frame.
func TestForeignFrames(t *testing.T) {
	s, evil, b := openConsoleSite(t, openFile(t)), openAttacker(t), victim(t)
	d := openDevicesSite(t)
	b.visit(d.url + "/sign-in?name=mila")
	for name, framed := range map[string]string{"the console": s.url + "principals", "the devices": d.url + "/devices"} {
		for _, site := range evil.sites() {
			assets := s.asked("GET /assets/")
			b.do("opening the attacker's page", chromedp.Navigate(site+url.Values{"frame": {framed}}.Encode()), chromedp.WaitReady(chromedp.CSS("iframe")))
			b.until("the frame", `document.readyState === "complete"`)
			if shown := b.frames(framed); shown > 0 || s.asked("GET /assets/") > assets {
				t.Errorf("%s has %s in a frame", site, name)
			}
			// Another site's frame brings the devices no cookie, and so is sent to sign in.
			if framed != d.url+"/devices" || !strings.Contains(site, evilHost) {
				b.wantComplaint("frame-ancestors")
			}
		}
	}
	b.noComplaints()
}

// frames returns how many frames of the page, in its process, show a page of this address.
func (b *browser) frames(address string) (n int) {
	b.t.Helper()
	tree, err := chromedp.Run(b.ctx, chromedp.Action[page.GetFrameTreeResult](func(ctx context.Context, t *chromedp.Target) (page.GetFrameTreeResult, error) {
		return cdp.Call(ctx, t, page.GetFrameTree, cdp.Empty{})
	}))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, f := range tree.FrameTree.ChildFrames {
		if f.Frame.URL == address {
			n++
		}
	}
	return n
}

// wantComplaint waits until the browser has complained of something, and leaves what it
// complained of so far out of account.
func (b *browser) wantComplaint(of string) {
	b.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		b.mu.Lock()
		all := strings.Join(b.bad, "\n")
		if strings.Contains(all, of) {
			b.bad = nil
			b.mu.Unlock()
			return
		}
		b.mu.Unlock()
		if time.Now().After(end) {
			b.t.Fatalf("the browser doesn't complain of %s: %q", of, all)
		}
	}
}

// TestReboundHost: a foreign name that was made to point to the console shows nothing of it.
func TestReboundHost(t *testing.T) {
	s, b := openConsoleSite(t, openFile(t)), victim(t)
	_, id := s.comes(phone())
	_, port, _ := strings.Cut(strings.TrimPrefix(s.url, "http://"), ":")
	for _, path := range []string{"", "sessions", "session/" + id.String(), "principals?principal=mila.novak", "health"} {
		b.do("opening "+path, chromedp.Navigate("http://"+evilHost+":"+port+path), chromedp.WaitReady(chromedp.CSS("h1")))
		b.wantText("h1", "This isn't known by that name")
		b.wantUnsaid("mila.novak", "shop", "198.51.100.61", "SQLite")
	}
	// The page is of the name's own origin, so a script there could send forms.
	got := evaluate[int](b, fmt.Sprintf(`fetch("/session/%v/end", {method: "POST", body: new URLSearchParams({reason: "attack"})}).then(r => r.status)`, id))
	if got != http.StatusMisdirectedRequest {
		t.Errorf("a form of the name's own origin: %d", got)
	}
	s.wantLive(id, true)
}

// marker is markup that would leave a mark on the page that it gets into.
func marker(where string) string {
	return fmt.Sprintf(`"'><b data-mark=%q></b><script>document.mark="%[1]s"</script><img src=x onerror="document.mark='%[1]s'">`, where)
}

// TestStoredMarkup: markup in what visitors and operators bring is text on each page, also
// where no policy would stop it. Beside that the policy stops what gets into a page, and is
// heard of.
func TestStoredMarkup(t *testing.T) {
	s, b := openConsoleSite(t, openFile(t)), openBrowser(t)
	evil := shopper{principal: marker("principal"), agent: marker("agent"), address: "192.0.2.7", came: time.Hour, seen: time.Minute}
	_, id := s.comes(evil)
	s.value(id, marker("name"), marker("value"))
	_, ended := s.comes(evil)
	s.pass(time.Second)
	o := s.operator(b)
	o.bypassPolicy()
	principal := url.Values{"principal": {evil.principal}}.Encode()
	unmarked := func(what string, texts ...string) {
		t.Helper()
		o.until(what, `document.readyState === "complete"`)
		if marked := evaluate[bool](b, `document.mark !== undefined || document.querySelector("[data-mark]") !== null`); marked {
			t.Errorf("%s: the markup got into the page", what)
		}
		if source := evaluate[string](b, `document.documentElement.textContent`); len(texts) > 0 {
			for _, text := range texts {
				if !strings.Contains(source, text) {
					t.Errorf("%s: the page lacks the text %q", what, text)
				}
			}
		}
	}
	for path, texts := range map[string][]string{
		"": nil, "sessions": {evil.principal}, "sessions?state=all": {evil.principal}, "session/" + id.String(): {evil.principal, evil.agent, marker("name")},
		"principals?" + principal: {evil.principal}, "ending?" + principal: {evil.principal}, "sessions?agent=" + url.QueryEscape(marker("agent")): nil,
	} {
		o.open(path)
		unmarked(path, texts...)
	}
	o.open("session/" + id.String())
	o.fill("#reveal-reason", marker("reason"))
	o.click(".ask button.plain")
	o.until("the values", `document.querySelector("pre") !== null`)
	unmarked("the values", marker("name"))
	o.open("session/" + ended.String())
	o.fill("#end-reason", marker("reason"))
	o.follow("button.danger", "revoked")
	unmarked("an end", evil.principal)
	o.open("principals?" + principal)
	o.fill("#out-reason", marker("reason"))
	o.follow("button.danger", "Signing out")
	unmarked("a job", evil.principal, marker("reason"))
	o.open("jobs")
	unmarked("jobs", evil.principal, marker("reason"))
	o.noComplaints()

	guarded := s.operator(b.incognito(t))
	guarded.open("sessions")
	guarded.noComplaints()
	evaluate[bool](guarded.browser, fmt.Sprintf(`document.body.insertAdjacentHTML("beforeend", %q), document.body.append(Object.assign(document.createElement("script"), {textContent: "document.mark = 1"})), true`, marker("page")))
	guarded.wantComplaint("Content Security Policy")
	if evaluate[bool](guarded.browser, `document.mark !== undefined`) {
		t.Error("a script that got into the page ran")
	}
}

// value gives a session a value.
func (s *consoleSite) value(id cloakroom.ID, name, text string) {
	s.t.Helper()
	rec, err := s.store.Get(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	raw, err := json.Marshal(text)
	if err != nil {
		s.t.Fatal(err)
	}
	next := *rec
	next.Values = next.Values.With(name, raw)
	if _, err := s.store.Update(s.t.Context(), &next); err != nil {
		s.t.Fatal(err)
	}
}
