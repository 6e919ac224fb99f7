// Package token makes and reads what clients hold, and what records hold in
// its place.
//
// A token is 50 bytes, written as base64url without padding, 67 characters:
//
//	format  1  always 1
//	hint    1  which key of the ring signed
//	id     16  the session's id
//	secret 16  random; no store learns it
//	MAC    16  HMAC-SHA-256 over scope and the 34 bytes before it, cut
//
// A verifier is what a record keeps, so that a copy of the store opens no session
// and an edited record opens for nobody. That of version 1, the only one so far,
// is 33 bytes:
//
//	hint    1  which key of the ring proves
//	MAC    32  HMAC-SHA-256 over the secret and the record's metadata
//
// Version 1 is told by its length. Verifiers of later versions are longer, and
// begin with the number of their version. So an older process knows that it can't
// check one (Newer), and doesn't take it for one that refuses the secret. Nobody
// gains by that: a verifier comes from the store and not from the client, and one
// that is newer opens nothing.
//
// What a record keeps of secrets that renewals replaced is at version 2: that number,
// and behind it 1 to 8 entries of 50 bytes, newest first:
//
//	replaced  8  when, in Unix milliseconds
//	ends      8  from when on it means nothing, the same
//	state     1  1: it opens nothing any more; plus 2: the rest is of version 1
//	hint      1  which key of the ring proves
//	MAC      32  HMAC-SHA-256 over the secret, the record's metadata and "replaced",
//	             under another label than a verifier's
//
// So none can be put in the place of a verifier, nor made to be younger. The MAC of one
// that opens nothing any more is replaced by a digest of it, which can't be undone.
// Version 1 is one verifier of 33 bytes, which ends when the record says.
//
// A token of a later version has another first byte or another length. It is
// refused like any that is not ours, since it costs a forger nothing to make.
//
// The formats are stable: golden files guard them.
package token

import (
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

const (
	format = 1

	// TextLen is the number of characters of a token.
	TextLen = 67
	// MinSecret is the least number of bytes of a ring's secrets.
	MinSecret = 32

	size   = 50
	signed = 34 // the bytes that the MAC covers

	verifierSize = 1 + sha256.Size // of version 1
)

// Token is what a token says once it has been verified.
type Token struct {
	ID     [16]byte
	Secret [16]byte
	// Old is true if a later key of the ring signed, so that the token should be
	// signed again.
	Old bool
}

// Scope is what tokens are bound to beside their content: an app and the name
// of a transport. Make it once with NewScope.
type Scope []byte

// NewScope returns the scope of an app's tokens for one transport.
func NewScope(app, transport string) Scope {
	return appendString(appendString([]byte("cloakroom token v1"), app), transport)
}

// Ring is a ring of keys derived from secrets. The first signs, all verify. It
// is immutable and safe for concurrent use.
type Ring struct{ keys []key }

type key struct {
	hint          byte
	tokens, proof *subKey // of tokens and of verifiers
}

// NewRing derives a ring from secrets of MinSecret bytes or more (HKDF-SHA-256,
// RFC 5869, a label for each sub-key).
func NewRing(secrets [][]byte) (*Ring, error) {
	if len(secrets) == 0 {
		return nil, errors.New("no secret: at least one is needed")
	}
	r := &Ring{keys: make([]key, len(secrets))}
	for i, s := range secrets {
		if len(s) < MinSecret {
			return nil, fmt.Errorf("secret %d of %d has %d bytes: at least %d random bytes are needed", i+1, len(secrets), len(s), MinSecret)
		}
		for j := range i {
			if subtle.ConstantTimeCompare(s, secrets[j]) == 1 {
				return nil, fmt.Errorf("secrets %d and %d of %d are the same", j+1, i+1, len(secrets))
			}
		}
		hint, err1 := hkdf.Expand(sha256.New, prk(s), "cloakroom key hint v1", 1)
		tokens, err2 := hkdf.Expand(sha256.New, prk(s), "cloakroom token key v1", 32)
		proof, err3 := hkdf.Expand(sha256.New, prk(s), "cloakroom verifier key v1", 32)
		if err := errors.Join(err1, err2, err3); err != nil {
			return nil, fmt.Errorf("secret %d of %d: %w", i+1, len(secrets), err)
		}
		r.keys[i] = key{hint[0], newSubKey(tokens), newSubKey(proof)}
	}
	return r, nil
}

func prk(secret []byte) []byte {
	p, err := hkdf.Extract(sha256.New, secret, nil)
	if err != nil { // only for hashes that FIPS mode refuses; SHA-256 isn't one
		return nil
	}
	return p
}

// Sign returns the text of a token.
func (r *Ring) Sign(scope Scope, id, secret [16]byte) string {
	var b [size]byte
	b[0], b[1] = format, r.keys[0].hint
	copy(b[2:], id[:])
	copy(b[18:], secret[:])
	sum := r.keys[0].sign(scope, b[:signed])
	copy(b[signed:], sum[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Parse verifies the text of a token. It accepts exactly what Sign returns, by
// any key of the ring, for the same scope.
func (r *Ring) Parse(scope Scope, text string) (Token, bool) {
	if len(text) != TextLen {
		return Token{}, false
	}
	var b [size + 2]byte // the decoder wants room for a whole quantum
	n, err := strict.Decode(b[:], []byte(text))
	if err != nil || n != size || b[0] != format {
		return Token{}, false
	}
	for i := range r.keys {
		k := &r.keys[i]
		if k.hint != b[1] {
			continue
		}
		want := k.sign(scope, b[:signed])
		if subtle.ConstantTimeCompare(want[:size-signed], b[signed:size]) == 1 {
			return Token{ID: [16]byte(b[2:18]), Secret: [16]byte(b[18:34]), Old: i > 0}, true
		}
	}
	return Token{}, false
}

// strict refuses what does not re-encode identically.
var strict = base64.RawURLEncoding.Strict()

// sign returns the MAC of a token's first bytes, not cut yet.
func (k *key) sign(scope Scope, covered []byte) [sha256.Size]byte {
	m := k.tokens.mac()
	m.text = append(append(m.text, scope...), covered...)
	return k.tokens.sum(m)
}

// Claims is the metadata that a verifier covers: what must not be edited in a
// record. Times are Unix milliseconds.
type Claims struct {
	App, Principal                   string
	ID                               [16]byte
	Created, Authenticated, Deadline int64
}

// Verifier returns the verifier of a secret, by the ring's first key.
func (r *Ring) Verifier(c Claims, secret [16]byte) []byte {
	k := &r.keys[0]
	sum := k.prove(c, secret)
	return append(append(make([]byte, 0, 1+len(sum)), k.hint), sum[:]...)
}

// Check reports whether the verifier was made of these claims and this secret
// by a key of the ring. old is true if that was a later key, so that the
// verifier should be made anew.
func (r *Ring) Check(verifier []byte, c Claims, secret [16]byte) (ok, old bool) {
	if len(verifier) != verifierSize {
		return false, false
	}
	for i := range r.keys {
		k := &r.keys[i]
		if k.hint != verifier[0] {
			continue
		}
		sum := k.prove(c, secret)
		if subtle.ConstantTimeCompare(sum[:], verifier[1:]) == 1 {
			return true, i > 0
		}
	}
	return false, false
}

// Newer reports whether a verifier is of a later version than this package knows.
// Check refuses it, which says nothing about the secret.
func Newer(verifier []byte) bool { return len(verifier) > verifierSize }

// Newest reports whether a verifier can only have been made by the ring's first
// key, if by any: then there is no need to make it anew.
func (r *Ring) Newest(verifier []byte) bool {
	return len(verifier) > 0 && verifier[0] == r.keys[0].hint &&
		!slices.ContainsFunc(r.keys[1:], func(k key) bool { return k.hint == verifier[0] })
}

func (k *key) prove(c Claims, secret [16]byte) [sha256.Size]byte {
	m := k.proof.mac()
	b := append(m.text, "cloakroom verifier v1"...)
	b = appendClaims(b, c)
	m.text = append(b, secret[:]...)
	return k.proof.sum(m)
}

func appendClaims(b []byte, c Claims) []byte {
	b = appendString(b, c.App)
	b = append(b, c.ID[:]...)
	b = appendString(b, c.Principal)
	b = binary.BigEndian.AppendUint64(b, uint64(c.Created))
	b = binary.BigEndian.AppendUint64(b, uint64(c.Authenticated))
	return binary.BigEndian.AppendUint64(b, uint64(c.Deadline))
}

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}
