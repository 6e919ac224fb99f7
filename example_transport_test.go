package cloakroom_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file is examples of how tokens travel, of several managers on one store, and of
// where requests come from.

// A client that is no browser: it signs in, keeps the token of the answer, and sends it
// in a header.
func ExampleBearer() {
	sessions := exampleManager(&cloakroom.Config{Transport: cloakroom.Bearer{}})
	defer sessions.Close()
	mux := http.NewServeMux()
	mux.Handle("POST /login", sessions.With(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		return s.Login(r.Context(), "ann", nil)
	}))
	mux.Handle("GET /", sessions.With(func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		_, err := fmt.Fprintf(w, "hello %q", s.Principal())
		return err
	}))
	handler := sessions.Handler(mux)

	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/login", nil))
	token := w.Header().Get("Session-Token")

	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w = httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	fmt.Println(w.Body)
	// Output: hello "ann"
}

// One manager for visitors and one for the staff, on one store. Their sessions, users and
// tokens are worlds apart.
func ExampleNew_twoManagers() {
	ctx := context.Background()
	store, keyring := memstore.New(nil), exampleKeyring()
	visitors, err := cloakroom.New(store, keyring, &cloakroom.Config{App: "shop"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer visitors.Close()
	staff, err := cloakroom.New(store, keyring, &cloakroom.Config{
		App:         "shop-staff",
		Transport:   cloakroom.Cookie{Name: "__Host-staff", SameSite: http.SameSiteStrictMode},
		IdleTimeout: 30 * time.Minute,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer staff.Close()

	s := exampleSession(visitors, "ann")
	_, err = staff.Retrieve(ctx, s.Token())
	fmt.Println("no token for the staff's pages:", errors.Is(err, cloakroom.ErrNotFound))
	fmt.Println("the staff's ann signed out:", staff.Admin().RevokeAll(ctx, "ann"))
	_, err = visitors.Retrieve(ctx, s.Token())
	fmt.Println("the visitor:", err)
	// Output:
	// no token for the staff's pages: true
	// the staff's ann signed out: <nil>
	// the visitor: <nil>
}

// With CacheFor a session that another process ended may still open here, but for
// no longer than that.
func ExampleConfig_cacheFor() {
	store := memstore.New(nil)
	defer store.Close()
	now := time.Now()
	clock := func() time.Time { return now }
	here, err := cloakroom.New(store, exampleKeyring(), &cloakroom.Config{Now: clock, CacheFor: 5 * time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer here.Close()

	ctx := context.Background()
	s, err := here.Create(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	elsewhere := cloakroom.NewAdmin(store, "") // as in another process
	fmt.Println("revoked:", elsewhere.Revoke(ctx, s.ID()))

	_, err = here.Retrieve(ctx, s.Token())
	fmt.Println("at once:", err)
	now = now.Add(5 * time.Second)
	_, err = here.Retrieve(ctx, s.Token())
	fmt.Println("5 s later, not found:", errors.Is(err, cloakroom.ErrNotFound))
	// Output:
	// revoked: <nil>
	// at once: <nil>
	// 5 s later, not found: true
}

// While more requests come than the store can serve, pages may be refused before their
// handlers begin. What is answered without a session isn't.
func ExampleConfig_refuseEarly() {
	store := memstore.New(nil)
	defer store.Close()
	m, err := cloakroom.New(store, exampleKeyring(), &cloakroom.Config{
		RefuseEarly: func(r *http.Request) bool { return !strings.HasPrefix(r.URL.Path, "/static/") },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	h := m.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "a page") }))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	fmt.Println(w.Code, w.Body, "- turned down so far:", m.Figures().TurnedDown)
	// Output: 200 a page - turned down so far: 0
}

// The client's address behind a load balancer and an ingress, both in one network. The
// addresses on the left, which the client itself sent, aren't believed.
func ExampleTrustedProxies() {
	config := &cloakroom.Config{ClientAddr: cloakroom.TrustedProxies(netip.MustParsePrefix("10.0.0.0/8"))}

	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = "10.0.0.1:41234" // the ingress
	r.Header.Set("X-Forwarded-For", "198.51.100.99, 192.0.2.1, 10.0.0.2")
	fmt.Println(config.ClientAddr(r))

	r.RemoteAddr = "203.0.113.7:41234" // a client that found a way around them
	fmt.Println(config.ClientAddr(r))
	// Output:
	// 192.0.2.1
	// 203.0.113.7
}
