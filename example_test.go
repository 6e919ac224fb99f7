package cloakroom_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// exampleKeyring stands for secrets that an application gets from its own
// configuration.
func exampleKeyring() *cloakroom.Keyring {
	secret, _ := base64.StdEncoding.DecodeString("c2l4dGVlbi1ieXRlcy1hcmUtbm90LWVub3VnaC1mb3ItdGhpcw==")
	keyring, err := cloakroom.NewKeyring(secret)
	if err != nil {
		panic(err)
	}
	return keyring
}

// exampleBrowser returns a client that keeps cookies.
func exampleBrowser() *http.Client {
	jar, _ := cookiejar.New(nil)
	return &http.Client{Jar: jar}
}

func exampleGet(c *http.Client, url string) {
	resp, err := c.Get(url)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	var b strings.Builder
	_, _ = fmt.Fprint(&b, resp.Status, " ")
	buf := make([]byte, 100)
	n, _ := resp.Body.Read(buf)
	b.Write(buf[:n])
	fmt.Println(strings.TrimSpace(b.String()))
}

// A counter that never loses a visit, however many tabs are open.
func Example() {
	store := memstore.New(nil)
	defer store.Close()
	sessions, err := cloakroom.New(store, exampleKeyring(), &cloakroom.Config{
		Transport: cloakroom.Cookie{Insecure: true}, // plain HTTP, for this example
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sessions.Close()

	visits := cloakroom.NewKey[int]("visits")
	mux := http.NewServeMux()
	mux.Handle("/", sessions.With(func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		n := visits.Update(s, func(n int) int { return n + 1 })
		_, err := fmt.Fprintf(w, "visit %d", n)
		return err
	}))

	server := httptest.NewServer(sessions.Handler(mux))
	defer server.Close()
	ann, bob := exampleBrowser(), exampleBrowser()
	exampleGet(ann, server.URL)
	exampleGet(ann, server.URL)
	exampleGet(bob, server.URL)
	// Output:
	// 200 OK visit 1
	// 200 OK visit 2
	// 200 OK visit 1
}

// Signing in by an attempt that began before the password was checked, so that
// "password changed, sign out everywhere" wins over a sign-in that checked the old
// password.
func ExampleSession_Login() {
	store := memstore.New(nil)
	defer store.Close()
	sessions, err := cloakroom.New(store, exampleKeyring(), &cloakroom.Config{Transport: cloakroom.Cookie{Insecure: true}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sessions.Close()
	passwordIsRight := func(user, password string) bool { return password == "secret of "+user }

	mux := http.NewServeMux()
	mux.Handle("/login", sessions.With(func(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		user := r.FormValue("user")
		attempt, err := sessions.BeginLogin(r.Context(), user) // before the password is checked
		if err != nil {
			return err // 400 if that can't be a name, 503 if the store is out of reach
		}
		if !passwordIsRight(user, r.FormValue("password")) {
			http.Error(w, "wrong name or password", http.StatusForbidden)
			return nil
		}
		return s.Login(r.Context(), user, &cloakroom.LoginOptions{Attempt: attempt, Remember: true})
	}))
	mux.Handle("/", sessions.With(func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		_, err := fmt.Fprintf(w, "hello %q", s.Principal())
		return err
	}))

	server := httptest.NewServer(sessions.Handler(mux))
	defer server.Close()
	browser := exampleBrowser()
	exampleGet(browser, server.URL+"/login?user=&password=wrong")
	exampleGet(browser, server.URL+"/login?user=ann&password=wrong")
	exampleGet(browser, server.URL+"/login?user=ann&password=secret+of+ann")
	exampleGet(browser, server.URL)
	// Output:
	// 400 Bad Request A name to sign in with has 1 to 512 bytes of UTF-8, without control characters.
	// 403 Forbidden wrong name or password
	// 200 OK
	// 200 OK hello "ann"
}

// Signing a user out everywhere, from a job or an administrator's page.
func ExampleAdmin_RevokeAll() {
	ctx := context.Background()
	store := memstore.New(nil)
	defer store.Close()
	sessions, err := cloakroom.New(store, exampleKeyring(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sessions.Close()

	s, err := sessions.Create(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := s.Login(ctx, "ann", nil); err != nil {
		fmt.Println(err)
		return
	}
	if err := sessions.Admin().RevokeAll(ctx, "ann"); err != nil {
		fmt.Println(err)
		return
	}
	_, err = sessions.Retrieve(ctx, s.Token())
	fmt.Println(err != nil)
	// Output: true
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

// The client's address behind a load balancer and an ingress, both in one network. What
// the client itself claims, on the left, isn't believed.
func ExampleTrustedProxies() {
	config := &cloakroom.Config{ClientAddr: cloakroom.TrustedProxies(netip.MustParsePrefix("10.0.0.0/8"))}

	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = "10.0.0.1:41234" // the ingress
	r.Header.Set("X-Forwarded-For", "198.51.100.99, 192.0.2.1, 10.0.0.2")
	fmt.Println(config.ClientAddr(r))

	r.RemoteAddr = "203.0.113.7:41234" // somebody who found a way around them
	fmt.Println(config.ClientAddr(r))
	// Output:
	// 192.0.2.1
	// 203.0.113.7
}

// What recovers from a panic inside of Handler answers the request, and with the answer
// all is saved that had been changed. Discard drops it.
func ExampleSession_Discard() {
	store := memstore.New(nil)
	defer store.Close()
	sessions, err := cloakroom.New(store, exampleKeyring(), &cloakroom.Config{Transport: cloakroom.Cookie{Insecure: true}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sessions.Close()

	recovering := func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				if recover() == nil {
					return
				}
				if s, err := sessions.Session(r.Context()); err == nil {
					s.Discard()
				}
				http.Error(w, "sorry", http.StatusInternalServerError)
			}()
			h.ServeHTTP(w, r)
		})
	}
	paid := cloakroom.NewKey[bool]("paid")
	mux := http.NewServeMux()
	mux.Handle("/pay", sessions.With(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		paid.Set(s, true)
		panic("the bank is closed")
	}))
	mux.Handle("/", sessions.With(func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		_, err := fmt.Fprintf(w, "paid: %v", paid.Get(s))
		return err
	}))

	server := httptest.NewServer(sessions.Handler(recovering(mux)))
	defer server.Close()
	browser := exampleBrowser()
	exampleGet(browser, server.URL+"/pay")
	exampleGet(browser, server.URL)
	// Output:
	// 500 Internal Server Error sorry
	// 200 OK paid: false
}

// A page that says why its visitor isn't signed in any more. It has the client forget the
// token, so that the next page doesn't say so again.
func ExampleSession_Ended() {
	store := memstore.New(nil)
	defer store.Close()
	sessions, err := cloakroom.New(store, exampleKeyring(), &cloakroom.Config{Transport: cloakroom.Cookie{Insecure: true}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sessions.Close()

	mux := http.NewServeMux()
	mux.Handle("/login", sessions.With(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		return s.Login(r.Context(), "ann", nil)
	}))
	mux.Handle("/", sessions.With(func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		why, _, ended := s.Ended()
		if ended {
			if err := s.Forget(); err != nil {
				return err
			}
		}
		switch {
		case why == cloakroom.EndRevoked:
			_, err = fmt.Fprint(w, "you were signed out from elsewhere")
		case ended:
			_, err = fmt.Fprint(w, "please sign in again")
		default:
			_, err = fmt.Fprintf(w, "hello %q", s.Principal())
		}
		return err
	}))

	server := httptest.NewServer(sessions.Handler(mux))
	defer server.Close()
	browser := exampleBrowser()
	exampleGet(browser, server.URL+"/login")
	exampleGet(browser, server.URL)
	if err := sessions.Admin().RevokeAll(context.Background(), "ann"); err != nil {
		fmt.Println(err)
	}
	exampleGet(browser, server.URL)
	exampleGet(browser, server.URL)
	// Output:
	// 200 OK
	// 200 OK hello "ann"
	// 200 OK you were signed out from elsewhere
	// 200 OK hello ""
}
