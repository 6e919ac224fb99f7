package token_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/cloakroom-go/cloakroom/internal/token"
)

// This file is the tests of the keys of imported sessions.

func TestImportsGolden(t *testing.T) {
	var b bytes.Buffer
	for _, s := range samples() {
		r := mustRing(t, s.ring...)
		for i, secret := range r.ImportSecrets(s.app, "old library", "a cookie") {
			fmt.Fprintf(&b, "%s: key %d: %x\n", s.name, i, secret)
		}
	}
	token.Golden(t, "imports.golden", b.Bytes())
}

// TestSealedGolden opens what an earlier version sealed.
func TestSealedGolden(t *testing.T) {
	s := samples()[0]
	const sealed = "ecabfc4f648355a0312d698655c12dff06941fee98caf63d24e7362110864cd3a372900d64eace3682386807a430c3"
	b, err := hex.DecodeString(sealed)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := mustRing(t, s.ring...).Open(s.app, s.claims.ID, b)
	if err != nil || string(plain) != "what is left to do" {
		t.Errorf("got %q, %v", plain, err)
	}
}

func TestSeal(t *testing.T) {
	s := samples()[0]
	secret := func(b byte) []byte { return bytes.Repeat([]byte{b}, token.MinSecret) }
	old, both := mustRing(t, secret(1)), mustRing(t, secret(2), secret(1))
	sealed, err := old.Seal(s.app, s.claims.ID, []byte("plain"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("plain")) {
		t.Error("it is not sealed")
	}
	if plain, err := both.Open(s.app, s.claims.ID, sealed); err != nil || string(plain) != "plain" {
		t.Errorf("a ring with another key in front: %q, %v", plain, err)
	}
	other := s.claims.ID
	other[0]++
	edited := bytes.Clone(sealed)
	edited[len(edited)-1]++
	for _, c := range []struct {
		name   string
		ring   *token.Ring
		app    string
		id     [16]byte
		sealed []byte
	}{
		{"another session", old, s.app, other, sealed},
		{"another app", old, s.app + "x", s.claims.ID, sealed},
		{"another ring", mustRing(t, secret(3)), s.app, s.claims.ID, sealed},
		{"edited", old, s.app, s.claims.ID, edited},
		{"cut", old, s.app, s.claims.ID, sealed[:5]},
		{"empty", old, s.app, s.claims.ID, nil},
	} {
		if plain, err := c.ring.Open(c.app, c.id, c.sealed); err == nil {
			t.Errorf("%s: opened as %q", c.name, plain)
		}
	}
}
