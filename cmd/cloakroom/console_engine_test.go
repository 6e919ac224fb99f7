package main

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/elasticstore"
)

// TestConsoleOnEngine goes through the console's pages on a real engine, and ends sessions
// there.
func TestConsoleOnEngine(t *testing.T) {
	e := newEngineStore(t)
	store := e.open(elasticstore.Config{})
	shop := newShop(t, store, "")
	shop.fill()
	e.refresh(store)
	s, _ := serveConsole(t, "--store", e.engine+"/"+e.index, "--write", "--json")
	link := s.link(1)
	base, _, _ := strings.Cut(link, "enter/")
	page := func(method, path string, form url.Values, want ...string) string {
		t.Helper()
		var status int
		var text string
		for begun := time.Now(); time.Since(begun) < 20*time.Second; time.Sleep(100 * time.Millisecond) {
			status, text = s.do(method, base+path, form)
			said := strings.Join(strings.Fields(html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(text, " "))), " ")
			lacks := ""
			for _, w := range want {
				if !strings.Contains(said, w) {
					lacks = w
				}
			}
			if lacks == "" && status == http.StatusOK {
				return text
			}
			if form != nil {
				break
			}
		}
		t.Errorf("%s %s: %d, want %q\n%s", method, path, status, want, text)
		return text
	}
	if status, _ := s.do("POST", link, url.Values{}); status != http.StatusOK {
		t.Fatal(status)
	}
	id := func(visitor string) string { return shop.ids[visitor].String() }
	page("GET", "", nil, "Active 4", "signed in 3", "Begun, and still there", "Time to live")
	page("GET", "sessions", nil, id("GUEST"), id("ANN1"))
	page("GET", "sessions?state=ended", nil, id("CAROL"), "signed out")
	page("GET", "sessions?state=all&order=oldest", nil, id("EVE"), id("DAVE"))
	page("GET", "sessions?address=203.0.113.0/26&agent=firefox", nil, id("ANN1"))
	page("GET", "sessions?order=seen", nil, id("ANN1"))
	page("GET", "session/"+id("ANN2"), nil, "theme", "Deadline")
	page("GET", "session/"+id("CAROL"), nil, "Ended", "signed out")
	page("GET", "principals?principal=ann", nil, "2 sessions in the app session", id("ANN1"))
	page("GET", "health", nil, "Periods", "Documents")
	form := url.Values{"reason": {"a test"}}
	for _, m := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`).FindAllStringSubmatch(page("GET", "ending?agent=curl", nil, "End 2 sessions?"), -1) {
		form.Set(m[1], m[2])
	}
	job := page("POST", "ending?agent=curl", form, "Ending sessions")
	name := regexp.MustCompile(`/jobs/[\w-]+`).FindString(job)
	if name == "" {
		name = "/jobs/" + form.Get("job")
	}
	page("GET", strings.TrimPrefix(name, "/"), nil, "done", "2 of 2 ended", "None is left")
	for visitor, live := range map[string]bool{"BOB": false, "ANN2": false, "ANN1": true, "GUEST": true} {
		if rec, err := store.Get(t.Context(), shop.ids[visitor]); driver.IsGone(rec, err) == live {
			t.Errorf("%s: %v", visitor, err)
		}
	}
}
