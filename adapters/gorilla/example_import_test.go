package gorilla_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/adapters/gorilla"
	"github.com/cloakroom-go/cloakroom/memstore"
	"github.com/gorilla/sessions"
)

// This file is the example of an application that brings its visitors along.

func ExampleNewCookieImporter() {
	// As the application made it so far. Only the importer has it from now on.
	old := sessions.NewCookieStore([]byte("the key that signed the cookies"))

	from, err := gorilla.NewCookieImporter(old, "session", nil)
	if err != nil {
		log.Fatal(err)
	}
	ring, err := cloakroom.NewKeyring([]byte("32 random bytes, kept as a secret"))
	if err != nil {
		log.Fatal(err)
	}
	manager, err := cloakroom.New(memstore.New(nil), ring, &cloakroom.Config{Import: &cloakroom.Import{
		From:  from,
		Until: time.Now().Add(30 * 24 * time.Hour), // in production a date: that of the move, and MaxAge
		Principal: func(_ context.Context, v cloakroom.Reader) (string, error) {
			user, err := gorilla.Value(v, "session", "user")
			name, _ := user.(string)
			return name, err
		},
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer manager.Close()
	store, err := gorilla.New(manager, "session")
	if err != nil {
		log.Fatal(err)
	}

	var before, after http.Handler
	before = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, _ := old.Get(r, "session")
		session.Values["user"] = "ann" // whose password was checked
		session.AddFlash("Welcome!")
		if err := session.Save(r, w); err != nil {
			log.Print(err)
		}
	})
	after = manager.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := store.Get(r, "session")
		if err != nil {
			manager.Fail(w, r, err)
			return
		}
		fmt.Println(session.Values["user"], session.Flashes())
		if err := session.Save(r, w); err != nil {
			manager.Fail(w, r, err)
		}
	}))

	app := before
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { app.ServeHTTP(w, r) }))
	defer server.Close()
	browser := server.Client()
	browser.Jar, _ = cookiejar.New(nil)
	visit := func() {
		resp, err := browser.Get(server.URL)
		if err != nil {
			log.Fatal(err)
		}
		resp.Body.Close()
	}
	visit()
	app = after // the old process has ended, and the new one is there
	visit()
	visit()
	sessions, err := manager.Admin().Sessions(context.Background(), "ann")
	fmt.Println(len(sessions), err)
	// Output:
	// ann [Welcome!]
	// ann []
	// 1 <nil>
}
