package elasticstore_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/elasticstore"
)

func ExampleOpen() {
	keyring, err := cloakroom.KeyringFile("session.keys")
	if err != nil {
		log.Fatal(err)
	}
	store, err := elasticstore.Open(context.Background(), elasticstore.ClientConfig{
		URLs: []string{"http://127.0.0.1:9200"},
	}, &elasticstore.Config{Index: "shop-session", RefreshInterval: time.Second})
	if err != nil {
		log.Fatal(err) // the configuration is wrong; an engine that is down is no error
	}
	defer store.Close()
	sessions, err := cloakroom.New(store, keyring, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()

	visits := cloakroom.NewKey[int]("visits")
	mux := http.NewServeMux()
	mux.Handle("/", sessions.With(func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		n := visits.Update(s, func(n int) int { return n + 1 })
		_, err := fmt.Fprintf(w, "visit %d", n)
		return err
	}))
	log.Print(http.ListenAndServe("127.0.0.1:8080", sessions.Handler(mux)))
}
