package console_test

import (
	"context"
	"log"
	"net/http"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/console"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// An application mounts the console for its operators. It says who they are, and what they
// may.
func Example() {
	keys, err := cloakroom.NewKeyring([]byte("a secret of 16 bytes or more, from a file"))
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := cloakroom.New(memstore.New(nil), keys, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()

	ops, err := console.New(&console.Config{
		Manager:     sessions,
		Path:        "/ops/sessions/",
		Hosts:       []string{"ops.example.com"},
		Writable:    true,
		Environment: "staging",
		Authorize: func(r *http.Request) (console.Operator, error) {
			name, _, ok := r.BasicAuth() // which the proxy in front has checked
			if !ok {
				return console.Operator{}, console.ErrUnauthorized
			}
			return console.Operator{Name: name, SeeAddresses: true, End: true}, nil
		},
		Audit: func(_ context.Context, a console.Act) error {
			log.Println(a.Actor, a.Action, a.Reason, a.Result)
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer ops.Close()
	http.Handle("/ops/sessions/", ops)
	// Output:
}
