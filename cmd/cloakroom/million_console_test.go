package main

import (
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/console"
)

// This file measures the operators' console on a store of a million sessions.

// measureConsole loads each page, the overview as long as something is still being counted,
// and that of sessions with each filter.
func measureConsole(t *testing.T, store cloakroom.Store) {
	c, err := console.New(&console.Config{
		Admins: []*cloakroom.Admin{cloakroom.NewAdmin(store, "session")}, Writable: true,
		Authorize: func(*http.Request) (console.Operator, error) {
			return console.Operator{Name: "olga", SeeAddresses: true, End: true}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	load := func(path string) string {
		t.Helper()
		q := httptest.NewRequest(http.MethodGet, path, nil)
		q.Host = "127.0.0.1"
		w := httptest.NewRecorder()
		begun := time.Now()
		c.ServeHTTP(w, q)
		took := time.Since(begun)
		t.Logf("console %-60.60s %6.2f s, %d", path, took.Seconds(), w.Code)
		if took > time.Second || w.Code != http.StatusOK {
			t.Errorf("%s takes %v, %d", path, took, w.Code)
		}
		return w.Body.String()
	}
	for _, path := range []string{"/", "/?range=month"} {
		for range 20 {
			if page := load(path); !regexp.MustCompile("[Ss]till being").MatchString(page) {
				break
			}
			time.Sleep(500 * time.Millisecond)
		}
	}
	load("/health")
	page := load("/sessions")
	next := regexp.MustCompile(`href="(/sessions\?after=[^"]*)" rel="next"`).FindStringSubmatch(page)
	if next == nil {
		t.Fatal("there is no next page")
	}
	load(html.UnescapeString(next[1]))
	last := load("/sessions?order=oldest")
	if next = regexp.MustCompile(`href="(/sessions\?after=[^"]*)" rel="next"`).FindStringSubmatch(last); next != nil {
		before := load(html.UnescapeString(next[1]))
		if back := regexp.MustCompile(`href="(/sessions\?before=[^"]*)" rel="prev"`).FindStringSubmatch(before); back != nil {
			load(html.UnescapeString(back[1]))
		}
	}
	id := regexp.MustCompile(`/session/[^"]+`).FindString(page)
	ended := regexp.MustCompile(`/session/[^"]+`).FindString(load("/sessions?state=ended"))
	for _, path := range []string{
		id, ended, "/sessions?state=all", "/sessions?state=expired", "/sessions?state=ended&reason=revoked", "/sessions?state=ended&order=oldest",
		"/sessions?principal=user77", "/sessions?agent=Firefox", "/sessions?agent=nowhere", "/sessions?address=192.0.2.0/24", "/sessions?address=203.0.113.0/24",
		"/sessions?newer=1h", "/sessions?older=3d", "/sessions?used=1h", "/sessions?idle=3d", "/sessions?order=seen", "/sessions?principal=user77&older=3d&order=seen",
		"/principals", "/principals?principal=user77", "/principals?principal=nobody", "/ending", "/ending?principal=user77", "/ending?older=3d", "/ending?agent=Firefox", "/jobs",
	} {
		load(path)
	}
}
