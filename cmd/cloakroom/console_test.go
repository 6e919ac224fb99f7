package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file is the test of "cloakroom console", as an operator uses it.

// served is a console that is served, and a browser.
type served struct {
	*testing.T
	out    *watcher
	enter  io.Writer
	client *http.Client
}

// serveConsole runs the command until the test ends, or stop is called. stop returns what it
// printed.
func serveConsole(t *testing.T, args ...string) (s *served, stop func() string) {
	t.Helper()
	noVariables(t)
	ctx, cancel := context.WithCancel(t.Context())
	stdin, enter := io.Pipe()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s = &served{T: t, out: &watcher{}, enter: enter, client: &http.Client{Jar: jar, Transport: &http.Transport{}}}
	var stderr watcher
	exit := make(chan int, 1)
	go func() { exit <- run(ctx, append([]string{"console"}, args...), stdin, s.out, &stderr) }()
	stop = func() string {
		cancel()
		enter.Close()
		s.client.CloseIdleConnections()
		if code := <-exit; code != exitOK || stderr.String() != "" {
			t.Errorf("exit %d: %s", code, stderr.String())
		}
		exit <- exitOK // for the next call
		return s.out.String()
	}
	t.Cleanup(func() { stop() })
	return s, stop
}

// link waits for the nth link, and returns it.
func (s *served) link(n int) string {
	s.Helper()
	links := regexp.MustCompile(`http://127\.0\.0\.1:\d+/[\w-]+/enter/[\w-]+`)
	for begun := time.Now(); time.Since(begun) < 20*time.Second; time.Sleep(5 * time.Millisecond) {
		if all := links.FindAllString(s.out.String(), -1); len(all) >= n {
			return all[n-1]
		}
	}
	s.Fatalf("there is no link %d:\n%s", n, s.out.String())
	return ""
}

// do sends a request as a browser does, and returns the page that it leads to.
func (s *served) do(method, address string, form url.Values) (status int, page string) {
	s.Helper()
	q, err := http.NewRequestWithContext(s.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		s.Fatal(err)
	}
	if form != nil {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	q.Header.Set("Sec-Fetch-Site", "same-origin")
	answer, err := s.client.Do(q)
	if err != nil {
		s.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		s.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// TestConsole: a link lets a browser in, what the operator does is told, and Enter prints
// another link. Programs read testdata/console.golden.
func TestConsole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shop.db")
	ids := fileShop(t, path, false)
	s, stop := serveConsole(t, "--store", "sqlite:"+path, "--write", "--json")
	link := s.link(1)
	base, _, _ := strings.Cut(link, "enter/")
	if status, _ := s.do("GET", base, nil); status != http.StatusUnauthorized {
		t.Errorf("without the link: %d", status)
	}
	if status, page := s.do("POST", link, url.Values{}); status != http.StatusOK || !strings.Contains(page, "<h1>Overview</h1>") {
		t.Fatalf("%d %s", status, page)
	}
	if status, page := s.do("POST", base+"session/"+ids["BOB"].String()+"/end", url.Values{"reason": {"a lost phone"}}); status != http.StatusOK || !strings.Contains(page, "revoked") {
		t.Errorf("%d %s", status, page)
	}
	if status, _ := s.do("POST", base+"session/"+ids["ANN1"].String()+"/values", url.Values{"reason": {"curious"}}); status != http.StatusForbidden {
		t.Errorf("values without --values: %d", status)
	}
	_, page := s.do("GET", base+"principals?principal=ann", nil)
	form := url.Values{"reason": {"left"}}
	for _, m := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`).FindAllStringSubmatch(page, -1) {
		form.Set(m[1], m[2])
	}
	if status, page := s.do("POST", base+"principals/sign-out", form); status != http.StatusOK || !strings.Contains(page, "Signing out <bdi>ann</bdi>") {
		t.Errorf("%d %s", status, page)
	}
	for begun := time.Now(); strings.Count(s.out.String(), `"type":"act"`) < 4 && time.Since(begun) < 20*time.Second; {
		time.Sleep(5 * time.Millisecond) // the job tells its end
	}
	if _, err := s.enter.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	if again := s.link(2); again == link {
		t.Error("it is the same link")
	}
	golden(t, stop(), base, path, ids["BOB"].String())
	store, err := sqlitestore.Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for visitor, live := range map[string]bool{"BOB": false, "ANN1": false, "ANN2": false, "GUEST": true} {
		if _, err := store.Get(t.Context(), ids[visitor]); (err == nil) != live {
			t.Errorf("%s: %v", visitor, err)
		}
	}
}

// golden compares what was printed with testdata/console.golden.
func golden(t *testing.T, printed, base, path, id string) {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	name, _ := json.Marshal(operatorName())
	text := strings.NewReplacer(u.Host, "HOST", strings.Trim(u.Path, "/"), "PATH", path, "FILE", id, "ID", string(name), `"NAME"`).Replace(printed)
	text = regexp.MustCompile(`enter/[\w-]+`).ReplaceAllString(text, "enter/SECRET")
	text = regexp.MustCompile(`20\d\d-\d\d-\d\dT[\d:.]+Z`).ReplaceAllString(text, "TIME")
	text = regexp.MustCompile(`"job":"[\w-]+"`).ReplaceAllString(text, `"job":"JOB"`)
	const file = "testdata/console.golden"
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || text != string(want) {
		t.Errorf("%v: programs read this:\n%s\nwant\n%s", err, text, want)
	}
}
