package token_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom/internal/token"
)

var (
	fuzzNew = []byte("the new secret of the fuzz tests, 32 or more")
	fuzzOld = []byte("the old secret of the fuzz tests, 32 or more")
)

// FuzzParse takes any text for a token. If it is accepted, the key that signed it signs
// it to the same text.
func FuzzParse(f *testing.F) {
	scope := token.NewScope("session", "cookie")
	both, current, old := mustRing(f, fuzzNew, fuzzOld), mustRing(f, fuzzNew), mustRing(f, fuzzOld)
	s := samples()[0]
	for _, text := range []string{
		current.Sign(scope, s.claims.ID, s.secret),
		old.Sign(scope, s.claims.ID, s.secret),
		old.Sign(token.NewScope("session", "bearer"), s.claims.ID, s.secret),
		"", strings.Repeat("A", 67), strings.Repeat("\n", 67), strings.Repeat("=", 68),
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := both.Parse(scope, text)
		if !ok {
			if got != (token.Token{}) {
				t.Errorf("refused, but with content: %+v", got)
			}
			return
		}
		signer := current
		if got.Old {
			signer = old
		}
		if again := signer.Sign(scope, got.ID, got.Secret); again != text {
			t.Errorf("%q is accepted, but written %q", text, again)
		}
		if same, ok := both.Parse(scope, text); !ok || same != got {
			t.Errorf("read again: %v %+v, then %+v", ok, same, got)
		}
		for i := range len(text) {
			forged := []byte(text)
			forged[i] ^= 1
			if _, ok := both.Parse(scope, string(forged)); ok {
				t.Errorf("%q is accepted as well as %q", forged, text)
			}
		}
	})
}

// FuzzSigned signs any bytes well, so that the code behind the check of the MAC is
// reached.
func FuzzSigned(f *testing.F) {
	f.Add([]byte{1}, "session", "cookie")
	f.Add([]byte(strings.Repeat("\x01", 34)), "session", "cookie")
	f.Add([]byte{0}, "", "")
	f.Add([]byte{}, "session\x00", "cookie")
	f.Fuzz(func(t *testing.T, head []byte, app, transport string) {
		var b [34]byte
		copy(b[:], head)
		b[1] = plainHint(fuzzNew)[0]
		mac := sum(sub(fuzzNew, "cloakroom token key v1", 32),
			[]byte("cloakroom token v1"), prefixed(app), prefixed(transport), b[:])
		text := base64.RawURLEncoding.EncodeToString(append(b[:], mac[:16]...))
		r := mustRing(t, fuzzNew)
		got, ok := r.Parse(token.NewScope(app, transport), text)
		if ok != (b[0] == 1) {
			t.Fatalf("format %d, well signed: accepted %v", b[0], ok)
		}
		if ok && r.Sign(token.NewScope(app, transport), got.ID, got.Secret) != text {
			t.Errorf("%q is written otherwise", text)
		}
		if _, ok := r.Parse(token.NewScope(app, transport+"x"), text); ok {
			t.Errorf("accepted by another transport")
		}
	})
}

// FuzzCheck takes any bytes for a verifier.
func FuzzCheck(f *testing.F) {
	r := mustRing(f, fuzzNew, fuzzOld)
	s := samples()[1]
	for _, ring := range []*token.Ring{r, mustRing(f, fuzzOld)} {
		f.Add(ring.Verifier(s.claims, s.secret), s.claims.App, s.claims.Principal, s.claims.Created, s.claims.Authenticated, s.claims.Deadline)
	}
	two := samples2()[1]
	f.Add(r.Verifier(two.claims, two.secret), two.claims.App, two.claims.Principal, two.claims.Created, two.claims.Authenticated, two.claims.Deadline)
	f.Add([]byte{}, "", "", int64(0), int64(0), int64(0))
	f.Add(make([]byte, 33), "a", "b", int64(-1), int64(1), int64(1)<<62)
	f.Fuzz(func(t *testing.T, verifier []byte, app, principal string, created, authenticated, deadline int64) {
		c := token.Claims{
			App: app, Principal: principal, ID: s.claims.ID,
			Created: created, Authenticated: authenticated, Deadline: deadline,
		}
		if len(verifier) == 34 {
			c.OwnIdle, c.Idle, c.Generation = true, two.claims.Idle, two.claims.Generation
		}
		ok, old := r.Check(verifier, c, s.secret)
		want, wantOld := false, false
		switch string(verifier) {
		case string(plainVerifier(fuzzNew, c, s.secret)):
			want = true
		case string(plainVerifier(fuzzOld, c, s.secret)):
			want, wantOld = true, true
		}
		if ok != want || old != wantOld {
			t.Errorf("ok %v, old %v; by hand ok %v, old %v", ok, old, want, wantOld)
		}
		// The ring accepts the verifier that it makes of these claims.
		made := r.Verifier(c, s.secret)
		if string(made) != string(plainVerifier(fuzzNew, c, s.secret)) {
			t.Errorf("verifier %x, by hand another", made)
		}
		if ok, old := r.Check(made, c, s.secret); !ok || old {
			t.Errorf("its own verifier: ok %v, old %v", ok, old)
		}
	})
}

// Every request with a session pays for these.
func BenchmarkParse(b *testing.B) {
	r, scope, _, text := good(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := r.Parse(scope, text); !ok {
			b.Fatal("refused")
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	s := samples()[1]
	r := mustRing(b, s.ring...)
	v := r.Verifier(s.claims, s.secret)
	b.ReportAllocs()
	for b.Loop() {
		if ok, _ := r.Check(v, s.claims, s.secret); !ok {
			b.Fatal("refused")
		}
	}
}
