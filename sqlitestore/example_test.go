package sqlitestore_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// A session that outlives the program.
func ExampleOpen() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example") // a folder that stays, in your program
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	keyring, err := cloakroom.KeyringFile(filepath.Join(dir, "session.keys"))
	if err != nil {
		log.Fatal(err)
	}
	visits := cloakroom.NewKey[int]("visits")
	token := ""

	for range 3 { // runs of a program
		store, err := sqlitestore.Open(ctx, filepath.Join(dir, "sessions.db"), nil)
		if err != nil {
			log.Fatal(err)
		}
		sessions, err := cloakroom.New(store, keyring, nil)
		if err != nil {
			log.Fatal(err)
		}
		session, err := sessions.Retrieve(ctx, token)
		if err != nil {
			session, err = sessions.Create(ctx)
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("visit", visits.Update(session, func(n int) int { return n + 1 }))
		if err := session.Save(ctx); err != nil {
			log.Fatal(err)
		}
		token = session.Token()
		sessions.Close()
		store.Close()
	}
	// Output:
	// visit 1
	// visit 2
	// visit 3
}
