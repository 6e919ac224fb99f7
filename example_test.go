package cloakroom_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file is an example of a whole application, and the helpers of the other
// examples.

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

// exampleManager is the application's manager. Its store is in memory.
func exampleManager(config *cloakroom.Config) *cloakroom.Manager {
	sessions, err := cloakroom.New(memstore.New(nil), exampleKeyring(), config)
	if err != nil {
		panic(err)
	}
	return sessions
}

// exampleSession returns the session of a returning visitor: of a user, or of nobody
// ("").
func exampleSession(sessions *cloakroom.Manager, user string) *cloakroom.Session {
	s, err := sessions.Create(context.Background())
	if err == nil && user != "" {
		err = s.Login(context.Background(), user, nil)
	}
	if err != nil {
		panic(err)
	}
	return s
}

// exampleVisitor is a browser that visits a handler, and keeps cookies.
type exampleVisitor struct {
	handler http.Handler
	jar     http.CookieJar
}

func exampleVisit(handler http.Handler) *exampleVisitor {
	jar, _ := cookiejar.New(nil)
	return &exampleVisitor{handler, jar}
}

// get asks for a page, and prints the answer.
func (v *exampleVisitor) get(path string) {
	r := httptest.NewRequest(http.MethodGet, "https://shop.example"+path, nil)
	for _, c := range v.jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	v.handler.ServeHTTP(w, r)
	v.jar.SetCookies(r.URL, w.Result().Cookies())
	fmt.Println(strings.TrimSpace(fmt.Sprint(w.Code, " ", w.Body)))
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
