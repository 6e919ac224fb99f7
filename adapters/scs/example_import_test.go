package scsstore_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/cloakroom-go/cloakroom"
	scsstore "github.com/cloakroom-go/cloakroom/adapters/scs"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// An application moves from scs to cloakroom, and its visitors stay signed in.
func ExampleNewImporter() {
	visitor := newBrowser()

	// The application as it was. Its processes are stopped before the new ones start.
	old := scs.New() // on memory; in your program, on the store that it has
	before := http.NewServeMux()
	before.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		old.Put(r.Context(), "user", "ann")
		old.Put(r.Context(), "cart", []string{"tea"})
		fmt.Fprintln(w, "hello ann, from scs")
	})
	site := httptest.NewServer(old.LoadAndSave(before))
	visitor.visit(site.URL)
	site.Close()

	// The application as it is. The old session manager stays, for the importer.
	importer, err := scsstore.NewImporter(old, nil)
	if err != nil {
		log.Fatal(err)
	}
	user, cart := cloakroom.NewKey[string]("user"), cloakroom.NewKey[[]string]("cart")
	keyring, err := cloakroom.NewKeyring([]byte("32 bytes that nobody else knows.")) // KeyringFile, in your program
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := cloakroom.New(memstore.New(nil), keyring, &cloakroom.Config{ // sqlitestore.Open, in your program
		Transport: cloakroom.Cookie{Insecure: true}, // for this example without HTTPS
		Import: &cloakroom.Import{
			From:  importer,
			Until: time.Now().Add(old.Lifetime), // a fixed date, in your program
			Principal: func(_ context.Context, values cloakroom.Reader) (string, error) {
				return user.Get(values), nil
			},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	site = httptest.NewServer(sessions.Handler(sessions.With(func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		cart.Update(s, func(items []string) []string { return append(items, "milk") })
		_, err := fmt.Fprintf(w, "hello %s, your cart has %q\n", s.Principal(), cart.Get(s))
		return err
	})))
	visitor.visit(site.URL)
	visitor.visit(site.URL)
	site.Close()
	// Output:
	// hello ann, from scs
	// hello ann, your cart has ["tea" "milk"]
	// hello ann, your cart has ["tea" "milk" "milk"]
}
