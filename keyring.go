package cloakroom

import (
	"bytes"
	"fmt"
	"sync/atomic"

	"github.com/cloakroom-go/cloakroom/internal/token"
)

// This file is Keyring: the secrets that sign tokens, and their rotation.

// Keyring is the secrets of an application's tokens: the first signs, all verify. To
// rotate, put a new secret in front. Wait until no token of the old one is in use any
// more (the longest lifetime at most), then take the old one away. Tokens met in between
// are signed anew. To go back to the old one, keep both for as long, since tokens that
// were signed anew need the new one. A Keyring is safe for concurrent use.
type Keyring struct{ ring atomic.Pointer[token.Ring] }

// NewKeyring makes a ring. Each secret is 32 random bytes or more, the same in all
// processes of the application, and kept as carefully as a password. A shorter secret is
// an error, and so is one of a single byte repeated.
func NewKeyring(secrets ...[]byte) (*Keyring, error) {
	k := new(Keyring)
	if err := k.Replace(secrets...); err != nil {
		return nil, err
	}
	return k, nil
}

// Replace puts another ring in the place of this one, for all managers that use it, from
// the next request on. On an error the ring stays as it was.
func (k *Keyring) Replace(secrets ...[]byte) error {
	for i, secret := range secrets {
		if len(secret) > 0 && bytes.Count(secret, secret[:1]) == len(secret) {
			return fmt.Errorf("cloakroom: keyring: secret %d of %d is one byte over and over, which anybody can guess: draw random bytes", i+1, len(secrets))
		}
	}
	ring, err := token.NewRing(secrets)
	if err != nil {
		return fmt.Errorf("cloakroom: keyring: %w", err)
	}
	k.ring.Store(ring)
	return nil
}
