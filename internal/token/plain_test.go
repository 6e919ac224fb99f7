package token_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom/internal/token"
)

// This file knows the formats from their description alone. It uses nothing of
// the package but its types, so that a slip in the package can't hide.

// sub returns a sub-key: HKDF-SHA-256 (RFC 5869) without a salt, its two steps written
// out. One block of output is enough for every key here.
func sub(secret []byte, label string, n int) []byte {
	extract := hmac.New(sha256.New, make([]byte, sha256.Size))
	extract.Write(secret)
	expand := hmac.New(sha256.New, extract.Sum(nil))
	expand.Write([]byte(label))
	expand.Write([]byte{1})
	return expand.Sum(nil)[:n]
}

// prefixed returns a string behind its length, in 4 bytes.
func prefixed(s string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(s))), s...)
}

func sum(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

func plainHint(secret []byte) []byte { return sub(secret, "cloakroom key hint v1", 1) }

// plainToken makes a token by the description.
func plainToken(secret []byte, app, transport string, id, sessionSecret [16]byte) string {
	b := append([]byte{1}, plainHint(secret)...)
	b = append(b, id[:]...)
	b = append(b, sessionSecret[:]...)
	mac := sum(sub(secret, "cloakroom token key v1", 32),
		[]byte("cloakroom token v1"), prefixed(app), prefixed(transport), b)
	return base64.URLEncoding.WithPadding(base64.NoPadding).EncodeToString(append(b, mac[:16]...))
}

// plainVerifier makes a verifier by the description.
func plainVerifier(secret []byte, c token.Claims, sessionSecret [16]byte) []byte {
	number := func(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }
	if c.OwnIdle {
		generation := []byte{0}
		if c.Generation != [8]byte{} {
			generation = append([]byte{1}, c.Generation[:]...)
		}
		return append(append([]byte{2}, plainHint(secret)...), sum(sub(secret, "cloakroom verifier key v1", 32),
			[]byte("cloakroom verifier v2"), prefixed(c.App), c.ID[:], prefixed(c.Principal),
			number(c.Created), number(c.Authenticated), number(c.Deadline),
			number(c.Idle), generation, sessionSecret[:])...)
	}
	return append(plainHint(secret), sum(sub(secret, "cloakroom verifier key v1", 32),
		[]byte("cloakroom verifier v1"), prefixed(c.App), c.ID[:], prefixed(c.Principal),
		number(c.Created), number(c.Authenticated), number(c.Deadline), sessionSecret[:])...)
}

// sample is one fixed input of the formats.
type sample struct {
	name           string
	ring           [][]byte
	app, transport string
	claims         token.Claims // its App is app
	secret         [16]byte
}

func samples() []sample {
	bytesFrom := func(first byte) (b [16]byte) {
		for i := range b {
			b[i] = first + byte(i)
		}
		return b
	}
	long := strings.Repeat("a long secret, longer than a block of SHA-256. ", 3)
	all := []sample{
		{
			name: "plain", ring: [][]byte{[]byte("0123456789abcdef0123456789abcdef")},
			app: "session", transport: "cookie",
			claims: token.Claims{ID: bytesFrom(0x10), Created: 1_700_000_000_000, Deadline: 1_702_592_000_000},
			secret: bytesFrom(0xa0),
		},
		{
			name: "signed in", ring: [][]byte{[]byte(long), []byte("0123456789abcdef0123456789abcdef")},
			app: "shop", transport: "bearer",
			claims: token.Claims{
				ID: bytesFrom(0xf8), Principal: "ann@example.com",
				Created: 1_700_000_000_001, Authenticated: 1_700_000_000_002, Deadline: 1_700_003_600_000,
			},
			secret: bytesFrom(0x00),
		},
		{
			name: "zeros", ring: [][]byte{make([]byte, 32)},
			transport: "cookie",
		},
		{
			name: "ones", ring: [][]byte{[]byte(strings.Repeat("\xff", 64))},
			app: "Gästebuch", transport: "cookie",
			claims: token.Claims{
				ID: [16]byte([]byte(strings.Repeat("\xff", 16))), Principal: "Łukasz",
				Created: -1, Authenticated: 1<<63 - 1, Deadline: -1 << 63,
			},
			secret: [16]byte([]byte(strings.Repeat("\xff", 16))),
		},
	}
	for i := range all {
		all[i].claims.App = all[i].app
	}
	return all
}

// samples2 are the same inputs for verifiers of version 2.
func samples2() []sample {
	all := samples()
	for i := range all {
		c := &all[i].claims
		c.OwnIdle, c.Idle = true, []int64{0, 1_800_000, 1, -1}[i]
		copy(c.Generation[:], []string{"", "abcdefgh", "\x00\x00\x00\x00\x00\x00\x00\x01", "\xff\xff\xff\xff\xff\xff\xff\xff"}[i])
	}
	return all
}

func mustRing(t testing.TB, secrets ...[]byte) *token.Ring {
	t.Helper()
	r, err := token.NewRing(secrets)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestFormatsByHand compares tokens and verifiers with those that are computed from the
// description of their bytes.
func TestFormatsByHand(t *testing.T) {
	for _, s := range append(samples(), samples2()...) {
		t.Run(fmt.Sprint(s.name, s.claims.OwnIdle), func(t *testing.T) {
			r := mustRing(t, s.ring...)
			if got, want := r.Sign(token.NewScope(s.app, s.transport), s.claims.ID, s.secret),
				plainToken(s.ring[0], s.app, s.transport, s.claims.ID, s.secret); got != want {
				t.Errorf("token\n%s, by hand\n%s", got, want)
			}
			if got, want := r.Verifier(s.claims, s.secret), plainVerifier(s.ring[0], s.claims, s.secret); string(got) != string(want) {
				t.Errorf("verifier\n%x, by hand\n%x", got, want)
			}
			// The same with each of the ring's keys, as another process with another
			// order of secrets would make them.
			for i, secret := range s.ring {
				text := plainToken(secret, s.app, s.transport, s.claims.ID, s.secret)
				want := token.Token{ID: s.claims.ID, Secret: s.secret, Old: i > 0}
				if got, ok := r.Parse(token.NewScope(s.app, s.transport), text); !ok || got != want {
					t.Errorf("token by hand of secret %d: %v %+v", i, ok, got)
				}
				ok, old := r.Check(plainVerifier(secret, s.claims, s.secret), s.claims, s.secret)
				if !ok || old != (i > 0) {
					t.Errorf("verifier by hand of secret %d: ok %v, old %v", i, ok, old)
				}
			}
		})
	}
}

// TestFormatNumbers guards the sizes that design.md names.
func TestFormatNumbers(t *testing.T) {
	s := samples()[0]
	r := mustRing(t, s.ring...)
	text := r.Sign(token.NewScope(s.app, s.transport), s.claims.ID, s.secret)
	raw, err := base64.RawURLEncoding.DecodeString(text)
	switch {
	case err != nil:
		t.Fatal(err)
	case len(text) != 67 || token.TextLen != 67 || len(raw) != 50:
		t.Errorf("a token has %d characters (TextLen %d) and %d bytes, want 67 and 50", len(text), token.TextLen, len(raw))
	case raw[0] != 1:
		t.Errorf("format %d, want 1", raw[0])
	case string(raw[2:18]) != string(s.claims.ID[:]) || string(raw[18:34]) != string(s.secret[:]):
		t.Errorf("id and secret are not at bytes 2 and 18: %x", raw)
	}
	if n := len(r.Verifier(s.claims, s.secret)); n != 33 {
		t.Errorf("a verifier has %d bytes, want 33", n)
	}
	if v := r.Verifier(samples2()[0].claims, s.secret); len(v) != 34 || v[0] != 2 || v[1] != plainHint(s.ring[0])[0] {
		t.Errorf("a verifier of version 2 is %x, want 34 bytes from 2 and the hint on", v)
	}
	if token.MinSecret != 32 {
		t.Errorf("MinSecret is %d, want 32", token.MinSecret)
	}
}
