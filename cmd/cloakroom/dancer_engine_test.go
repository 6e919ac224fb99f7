package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
)

// This file tests the demo with the documented config.yml, on a real engine.

// usage is the text of the module's documentation.
const usage = `session:       "ElasticSearch"
session_options:
  connection:
  ... settings to pass to ElasticSearch
  index: "my_index"               # defaults to "session"
  type:  "my_session"             # defaults to "session"
  signing:
      secret: "ldjaldjaklsdanm.m" # required for signing IDs
      length: 10                  # length of the salt and hash. defaults to 10
  is_lazy:    0                   # (off by default)
`

// engineCall makes a request to an engine.
func engineCall(t *testing.T, method, address, body string) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Close = true
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %d %s %v", method, address, resp.StatusCode, answer, err)
	}
	return answer
}

// TestDancerOnEngine runs the demo on the documented configuration. The shop's sessions
// live in my_index-* and outlive a kill. my_index, with the old module's sessions, is
// left alone.
func TestDancerOnEngine(t *testing.T) {
	for _, lazy := range []string{"0", "1"} {
		t.Run("is_lazy "+lazy, func(t *testing.T) { testDancerOnEngine(t, lazy) })
	}
}

func testDancerOnEngine(t *testing.T, lazy string) {
	noDancerVariables(t)
	engine := testengine.Shared(t)
	// Each run has a name of its own, since the engine is shared.
	index := fmt.Sprintf("my_index%d", time.Now().UnixNano())
	const oldID, oldCookie = "t4hHBaIB85E4Kglfp2y8", "f49cb62faf84ospJPzsMt4hHBaIB85E4Kglfp2y8"
	t.Cleanup(func() {
		removeIndices(t, engine, index)
		engineCall(t, "DELETE", engine+"/"+index, "")
	})
	engineCall(t, "PUT", engine+"/"+index+"/_doc/"+oldID+"?refresh=true", `{"id":"`+oldCookie+`","user":"ann","visits":3,"cart":[{"item":"bowler","amount":1}]}`)
	old := func() string {
		var all []byte
		for _, path := range []string{"/_doc/" + oldID, "/_count", "/_mapping", "/_settings", "/_alias"} {
			all = append(all, engineCall(t, "GET", engine+"/"+index+path, "")...)
		}
		return string(all)
	}
	before := old()

	text := usage
	for _, r := range [][2]string{
		{"... settings to pass to ElasticSearch", `servers: "` + strings.TrimPrefix(engine, "http://") + `"`},
		{`"my_index"  `, `"` + index + `"`},
		{"is_lazy:    0", "is_lazy:    " + lazy},
	} {
		if !strings.Contains(text, r[0]) {
			t.Fatalf("the documented text has no %q", r[0])
		}
		text = strings.Replace(text, r[0], r[1], 1)
	}
	home := t.TempDir()
	path := filepath.Join(home, "config.yml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}

	first := start(t, home, "--config", path)
	v := visitor(t)
	address, err := url.Parse(first.url)
	if err != nil {
		t.Fatal(err)
	}
	// The browser still has the old application's cookie.
	v.Jar.SetCookies(address, []*http.Cookie{{Name: "dancer.session", Value: oldCookie, Path: "/"}})
	page := shopPage(t, v, first.url+"/cart", url.Values{"item": {"scarf"}, "do": {"add"}})
	page += shopPage(t, v, first.url+"/cart", url.Values{"item": {"scarf"}, "do": {"more"}})
	for _, want := range []string{"Added to your cart: Striped scarf.", index + "-*", "is_lazy is "} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q:\n%s", want, page)
		}
	}
	_, made := ask(t, v, "GET", first.url+"/api/session")
	id, _ := made["id"].(string)
	first.signal(os.Kill)
	if got := first.wait().String(); got != "signal: killed" {
		t.Errorf("it ended with %s", got)
	}

	second := start(t, home, "--config", path)
	move(t, v, first.url, second.url)
	_, kept := ask(t, v, "GET", second.url+"/api/session")
	values, _ := kept["values"].(map[string]any)
	if kept["id"] != id || fmt.Sprint(values["cart"]) != "[map[amount:2 item:scarf]]" {
		t.Errorf("after a kill: %v, before: %v", kept, made)
	}
	if page := shopPage(t, v, second.url+"/", nil); !strings.Contains(page, "Remove Striped scarf") {
		t.Errorf("the cart is empty:\n%s", page)
	}
	names := []string{}
	for _, c := range v.Jar.Cookies(address) {
		names = append(names, c.Name)
		if c.Name == "dancer.session" && c.Value != oldCookie {
			t.Errorf("the old cookie is %q", c.Value)
		}
	}
	if slices.Sort(names); !slices.Equal(names, []string{"dancer.session", "session"}) {
		t.Errorf("the browser has the cookies %q", names)
	}
	second.signal(syscall.SIGTERM)
	if got := second.wait().ExitCode(); got != 0 {
		t.Errorf("exit %d\n%s", got, second.stderr)
	}

	engineCall(t, "POST", engine+"/"+index+"-*/_refresh", "")
	var found struct {
		Hits struct {
			Hits []struct {
				Index string `json:"_index"`
				ID    string `json:"_id"`
			}
		}
	}
	answer := engineCall(t, "GET", engine+"/"+index+"-*/_search?q=app:my_session", "")
	if err := json.Unmarshal(answer, &found); err != nil {
		t.Fatal(err)
	}
	if hits := found.Hits.Hits; len(hits) != 1 || hits[0].ID != id || !strings.HasPrefix(hits[0].Index, index+"-") {
		t.Errorf("session %s is kept as %s", id, answer)
	}
	if bytes.Contains(answer, []byte(oldCookie)) {
		t.Errorf("an old cookie is in the new index: %s", answer)
	}
	if after := old(); after != before {
		t.Errorf("the old index was\n%s\nand is\n%s", before, after)
	}
	if _, err := os.Stat(filepath.Join(home, "session.keys")); err != nil {
		t.Error(err)
	}
}

// shopPage returns the page that a form leads to, or without a form that of a GET.
func shopPage(t *testing.T, v *http.Client, address string, form url.Values) string {
	t.Helper()
	method := http.MethodGet
	if form != nil {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := v.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %d %s %v", method, address, resp.StatusCode, body, err)
	}
	return string(body)
}
