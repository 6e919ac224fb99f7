package cloakroom_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file is examples of the secrets that tokens are signed with.

// A new secret signs, while the old one still verifies. Once the longest lifetime has
// passed, the old one can be taken away.
func ExampleKeyring_Replace() {
	ctx := context.Background()
	oldSecret, newSecret := []byte("32 random bytes or more, the old"), []byte("32 random bytes or more, the new")
	keyring, err := cloakroom.NewKeyring(oldSecret)
	if err != nil {
		fmt.Println(err)
		return
	}
	sessions, err := cloakroom.New(memstore.New(nil), keyring, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sessions.Close()
	token := exampleSession(sessions, "ann").Token()

	fmt.Println("rotated:", keyring.Replace(newSecret, oldSecret))
	s, err := sessions.Retrieve(ctx, token)
	fmt.Println("still opens:", err)
	fmt.Println("signed anew:", s.Token() != token)
	fmt.Println("the old one taken away:", keyring.Replace(newSecret))
	_, err = sessions.Retrieve(ctx, token)
	fmt.Println("not found:", errors.Is(err, cloakroom.ErrNotFound))
	// Output:
	// rotated: <nil>
	// still opens: <nil>
	// signed anew: true
	// the old one taken away: <nil>
	// not found: true
}

// A file of secrets, made on first use. To rotate, put a new line in front and start anew:
// tokens that the other lines signed stay good.
func ExampleKeyringFile() {
	dir, err := os.MkdirTemp("", "shop")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "session.keys")
	_, err = cloakroom.KeyringFile(path)
	fmt.Println("made:", err)

	old, err := os.ReadFile(path)
	fmt.Println("read:", err)
	secret := make([]byte, 32)
	rand.Read(secret)
	lines := "# since the autumn\n" + base64.StdEncoding.EncodeToString(secret) + "\n" + string(old)
	fmt.Println("written:", os.WriteFile(path, []byte(lines), 0o600))
	_, err = cloakroom.KeyringFile(path)
	fmt.Println("two secrets:", err)
	// Output:
	// made: <nil>
	// read: <nil>
	// written: <nil>
	// two secrets: <nil>
}
