package gorilla_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/adapters/gorilla"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file is the example of an application on gorilla's API.

func Example() {
	// In place of sessions.NewCookieStore(key). In production the store is a
	// sqlitestore or an elasticstore, and the ring is from a file.
	ring, err := cloakroom.NewKeyring([]byte("32 random bytes, kept as a secret"))
	if err != nil {
		log.Fatal(err)
	}
	manager, err := cloakroom.New(memstore.New(nil), ring, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer manager.Close()
	store, err := gorilla.New(manager, "session")
	if err != nil {
		log.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		session, err := store.Get(r, "session")
		if err != nil {
			manager.Fail(w, r, err)
			return
		}
		session.Values["user"] = "ann" // whose password was checked
		session.AddFlash("Welcome!")
		if err = store.Login(r, session, "ann", nil); err == nil {
			err = session.Save(r, w)
		}
		if err != nil {
			manager.Fail(w, r, err)
		}
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		session, err := store.Get(r, "session")
		if err != nil {
			manager.Fail(w, r, err)
			return
		}
		user, flashes := session.Values["user"], session.Flashes()
		if err := session.Save(r, w); err != nil { // before the response is written
			manager.Fail(w, r, err)
			return
		}
		fmt.Fprintln(w, user, flashes)
	})
	mux.HandleFunc("/logout", func(w http.ResponseWriter, r *http.Request) {
		session, err := store.Get(r, "session")
		if err == nil {
			session.Options.MaxAge = -1
			err = session.Save(r, w)
		}
		if err != nil {
			manager.Fail(w, r, err)
		}
	})

	server := httptest.NewTLSServer(manager.Handler(mux))
	defer server.Close()
	browser := server.Client()
	browser.Jar, _ = cookiejar.New(nil)
	for _, path := range []string{"/login", "/", "/", "/logout", "/"} {
		resp, err := browser.Get(server.URL + path)
		if err != nil {
			log.Fatal(err)
		}
		page, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		fmt.Println(strings.TrimSpace(fmt.Sprintf("%s: %d %s", path, resp.StatusCode, page)))
	}
	// Output:
	// /login: 200
	// /: 200 ann [Welcome!]
	// /: 200 ann []
	// /logout: 200
	// /: 200 <nil> []
}
