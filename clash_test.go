package cloakroom_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the test of two managers whose tokens a client can't tell apart.

// Two managers whose tokens a client would mix up, on one request, are told once.
func TestTwoManagersWithOneCookie(t *testing.T) {
	keyring, store := testKeyring(t), openStore(t)
	shop := cloakroom.Config{App: "shop"}
	for name, c := range map[string]struct {
		outer, inner cloakroom.Config
		clash        string
	}{
		"another app":     {shop, cloakroom.Config{App: "forum"}, `cookie, "__Host-Http-session"`},
		"the same":        {shop, shop, ""},
		"another name":    {shop, cloakroom.Config{App: "forum", Transport: cloakroom.Cookie{Name: "__Host-forum"}}, ""},
		"another path":    {shop, cloakroom.Config{App: "forum", Transport: cloakroom.Cookie{Path: "/forum"}}, ""},
		"a bearer":        {shop, cloakroom.Config{App: "forum", Transport: cloakroom.Bearer{}}, ""},
		"bearers of both": {cloakroom.Config{Transport: cloakroom.Bearer{}}, cloakroom.Config{App: "forum", Transport: cloakroom.Bearer{Header: "Forum-Token"}}, "header, Authorization"},
	} {
		t.Run(name, func(t *testing.T) {
			outer, inner := newDeskOn(t, store, keyring, &c.outer), newDeskOn(t, store, keyring, &c.inner)
			for range 3 {
				ask := outer.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					inner.m.With(func(http.ResponseWriter, *http.Request, *cloakroom.Session) error { return nil }).ServeHTTP(w, r)
				}))
				ask.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
			}
			want := 0
			if c.clash != "" {
				want = 1
			}
			log := inner.log.String()
			if n := strings.Count(log, "transport-clash"); n != want || want == 1 && !strings.Contains(strings.ReplaceAll(log, `\"`, `"`), c.clash) {
				t.Errorf("told %d times, want %d of %s: %s", n, want, c.clash, log)
			}
			report, err := inner.m.Admin().Report(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, p := range report.Problems {
				if p.Code == "transport-clash" {
					n++
				}
			}
			if n != want {
				t.Errorf("the report has %d such problems, want %d: %v", n, want, report.Problems)
			}
		})
	}
}
