// Package token makes and reads tokens, which clients hold, and verifiers, which records
// hold in place of the secret.
//
// A token is 50 bytes, written as base64url without padding, 67 characters:
//
//	format  1  always 1
//	hint    1  which key of the ring signed
//	id     16  the session's id
//	secret 16  random; no store learns it
//	MAC    16  HMAC-SHA-256 over scope and the 34 bytes before it, cut
//
// A record keeps a verifier, so that a copy of the store opens no session, and an edited
// record opens for nobody. A verifier of version 1 is 33 bytes:
//
//	hint    1  which key of the ring proves
//	MAC    32  HMAC-SHA-256 over the secret and the record's metadata
//
// A verifier of version 2 is 34 bytes. A record has one exactly if its session has an
// idle timeout of its own. Its MAC also covers that timeout and the ledger's generation:
//
//	version 1  always 2
//	hint    1  as in version 1
//	MAC    32  as in version 1, with another label
//
// Version 1 is told by its length. Verifiers of later versions are longer, and begin
// with their version. So an older process knows that it can't check one (Newer), and
// doesn't take it for a verifier that refuses the secret. Nobody gains by that: a
// verifier comes from the store and not from the client, and a newer one opens nothing.
//
// The secrets that renewals replaced are kept in a form of its own, version 2: that
// number, and behind it 1 to 8 entries of 50 bytes, newest first:
//
//	replaced  8  when, in Unix milliseconds
//	ends      8  from when on it means nothing, the same
//	state     1  1: it opens nothing any more; plus 2: the rest is of version 1
//	hint      1  which key of the ring proves
//	MAC      32  HMAC-SHA-256 over the secret, the record's metadata and "replaced",
//	             under another label than a verifier's
//
// So no entry can be put in the place of a verifier, or made younger. In an entry that
// opens nothing any more, a digest replaces the MAC, which can't be undone. Version 1 is
// one verifier of 33 bytes, which ends when the record says.
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

// This file is tokens, verifiers and the ring of keys that makes them.

const (
	format = 1

	// TextLen is the number of characters of a token.
	TextLen = 67
	// MinSecret is the least number of bytes of a ring's secrets.
	MinSecret = 32

	size   = 50
	signed = 34 // the bytes that the MAC covers

	verifierSize  = 1 + sha256.Size // of version 1
	verifierSize2 = 2 + sha256.Size // of version 2
)

// Token is the content of a verified token.
type Token struct {
	ID     [16]byte
	Secret [16]byte
	// Old tells that a later key of the ring signed, so the token should be signed anew.
	Old bool
}

// Scope binds tokens to an app and the name of a transport. Make it once with NewScope.
type Scope []byte

// NewScope returns the scope of an app's tokens for one transport.
func NewScope(app, transport string) Scope {
	return appendString(appendString([]byte("cloakroom token v1"), app), transport)
}

// Ring is a ring of keys derived from secrets. The first signs, all verify. Its keys never
// change, and it is safe for concurrent use.
type Ring struct {
	keys   []key
	passed *passed
}

type key struct {
	hint          byte
	tokens, proof *subKey // of tokens and of verifiers
	imports       *subKey // of the secrets of imported sessions
	sealing       []byte  // of AES-256
}

// NewRing derives a ring from secrets of MinSecret bytes or more (HKDF-SHA-256,
// RFC 5869, a label for each sub-key).
func NewRing(secrets [][]byte) (*Ring, error) {
	if len(secrets) == 0 {
		return nil, errors.New("no secret: at least one is needed")
	}
	r := &Ring{keys: make([]key, len(secrets)), passed: new(passed)}
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
		imports, err4 := hkdf.Expand(sha256.New, prk(s), "cloakroom import key v1", 32)
		sealing, err5 := hkdf.Expand(sha256.New, prk(s), "cloakroom import seal key v1", 32)
		if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
			return nil, fmt.Errorf("secret %d of %d: %w", i+1, len(secrets), err)
		}
		r.keys[i] = key{hint[0], newSubKey(tokens), newSubKey(proof), newSubKey(imports), sealing}
	}
	return r, nil
}

func prk(secret []byte) []byte {
	p, err := hkdf.Extract(sha256.New, secret, nil)
	if err != nil { // FIPS mode refuses some hashes, but not SHA-256
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

// Parse verifies the text of a token. It accepts exactly the results of Sign, by any key
// of the ring, for the same scope.
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

// strict refuses text that doesn't re-encode to itself.
var strict = base64.RawURLEncoding.Strict()

// sign returns the MAC of a token's first bytes, not cut yet.
func (k *key) sign(scope Scope, covered []byte) [sha256.Size]byte {
	m := k.tokens.mac()
	m.text = append(append(m.text, scope...), covered...)
	return k.tokens.sum(m)
}

// Claims is the metadata of a record that a verifier covers, so that edits are noticed.
// Times are Unix milliseconds.
type Claims struct {
	App, Principal                   string
	ID                               [16]byte
	Created, Authenticated, Deadline int64

	// OwnIdle tells that the session has an idle timeout of its own, so that its
	// verifiers are of version 2. Those of version 1 don't cover the fields below.
	OwnIdle    bool
	Idle       int64   // in milliseconds
	Generation [8]byte // of the ledger at the sign-in; zero: none
}

// Verifier returns the verifier of a secret, by the ring's first key.
func (r *Ring) Verifier(c Claims, secret [16]byte) []byte {
	k := &r.keys[0]
	sum := k.prove(&c, secret)
	v := make([]byte, 0, verifierSize2)
	if c.OwnIdle {
		v = append(v, 2)
	}
	return append(append(v, k.hint), sum[:]...)
}

// parts returns the hint and the MAC of a verifier, and whether it is of version 2. ok
// is false if it is of neither version.
func parts(verifier []byte) (hint byte, mac []byte, second, ok bool) {
	switch {
	case len(verifier) == verifierSize:
		return verifier[0], verifier[1:], false, true
	case len(verifier) == verifierSize2 && verifier[0] == 2:
		return verifier[1], verifier[2:], true, true
	}
	return 0, nil, false, false
}

// Check reports whether a key of the ring made the verifier from these claims and this
// secret. old tells that a later key did, so the verifier should be made anew.
func (r *Ring) Check(verifier []byte, c Claims, secret [16]byte) (ok, old bool) {
	hint, mac, second, known := parts(verifier)
	if !known || second != c.OwnIdle {
		return false, false
	}
	if ok, old := r.passed.recall(verifier, &c, secret); ok {
		return true, old
	}
	for i := range r.keys {
		k := &r.keys[i]
		if k.hint != hint {
			continue
		}
		sum := k.prove(&c, secret)
		if subtle.ConstantTimeCompare(sum[:], mac) == 1 {
			r.passed.keep(verifier, &c, secret, i > 0)
			return true, i > 0
		}
	}
	return false, false
}

// Newer reports whether a verifier is of a later version than this package knows. Check
// refuses such a verifier, which tells nothing about the secret.
func Newer(verifier []byte) bool {
	_, _, _, known := parts(verifier)
	return !known && len(verifier) > verifierSize
}

// Newest reports whether only the ring's first key can have made a verifier. Then there
// is no need to make it anew.
func (r *Ring) Newest(verifier []byte) bool {
	hint, _, _, known := parts(verifier)
	return known && hint == r.keys[0].hint &&
		!slices.ContainsFunc(r.keys[1:], func(k key) bool { return k.hint == hint })
}

// prove returns the MAC of a verifier.
func (k *key) prove(c *Claims, secret [16]byte) [sha256.Size]byte {
	m := k.proof.mac()
	label := "cloakroom verifier v1"
	if c.OwnIdle {
		label = "cloakroom verifier v2"
	}
	m.text = append(appendClaims(append(m.text, label...), c), secret[:]...)
	return k.proof.sum(m)
}

// appendClaims appends claims in a way that tells them apart from all others.
func appendClaims(b []byte, c *Claims) []byte {
	b = appendString(b, c.App)
	b = append(b, c.ID[:]...)
	b = appendString(b, c.Principal)
	b = binary.BigEndian.AppendUint64(b, uint64(c.Created))
	b = binary.BigEndian.AppendUint64(b, uint64(c.Authenticated))
	b = binary.BigEndian.AppendUint64(b, uint64(c.Deadline))
	switch {
	case !c.OwnIdle:
		return b
	case c.Generation == [8]byte{}:
		return append(binary.BigEndian.AppendUint64(b, uint64(c.Idle)), 0)
	}
	return append(append(binary.BigEndian.AppendUint64(b, uint64(c.Idle)), 1), c.Generation[:]...)
}

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}
