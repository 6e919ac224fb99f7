package token_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom/internal/token"
)

// TestGolden guards the exact bytes of tokens and verifiers.
func TestGolden(t *testing.T) {
	var b bytes.Buffer
	for _, s := range samples() {
		r := mustRing(t, s.ring...)
		fmt.Fprintf(&b, "name          %s\n", s.name)
		for _, secret := range s.ring {
			fmt.Fprintf(&b, "ring secret   %x\n", secret)
		}
		fmt.Fprintf(&b, "app           %q\ntransport     %q\nid            %x\nsecret        %x\n",
			s.app, s.transport, s.claims.ID, s.secret)
		fmt.Fprintf(&b, "principal     %q\ncreated       %d\nauthenticated %d\ndeadline      %d\n",
			s.claims.Principal, s.claims.Created, s.claims.Authenticated, s.claims.Deadline)
		fmt.Fprintf(&b, "token         %s\nverifier      %x\n\n",
			r.Sign(token.NewScope(s.app, s.transport), s.claims.ID, s.secret), r.Verifier(s.claims, s.secret))
	}
	token.Golden(t, "tokens.golden", b.Bytes())
}

// TestVerifier2Golden guards the exact bytes of verifiers of version 2.
func TestVerifier2Golden(t *testing.T) {
	var b bytes.Buffer
	for _, s := range samples2() {
		fmt.Fprintf(&b, "name          %s\nidle          %d\ngeneration    %x\nverifier      %x\n\n",
			s.name, s.claims.Idle, s.claims.Generation, mustRing(t, s.ring...).Verifier(s.claims, s.secret))
	}
	token.Golden(t, "verifiers2.golden", b.Bytes())
}

// good returns a ring, a scope, and a token that they made.
func good(t testing.TB) (*token.Ring, token.Scope, token.Token, string) {
	s := samples()[0]
	r, scope := mustRing(t, s.ring...), token.NewScope(s.app, s.transport)
	tok := token.Token{ID: s.claims.ID, Secret: s.secret}
	return r, scope, tok, r.Sign(scope, tok.ID, tok.Secret)
}

// refuse fails the test if a text is accepted, or if the refusal tells anything.
func refuse(t *testing.T, r *token.Ring, scope token.Scope, text, what string) {
	t.Helper()
	if got, ok := r.Parse(scope, text); ok {
		t.Errorf("%s is accepted: %q", what, text)
	} else if got != (token.Token{}) {
		t.Errorf("%s: refused, but with content: %+v", what, got)
	}
}

func TestRoundTrip(t *testing.T) {
	r, scope, want, text := good(t)
	if got, ok := r.Parse(scope, text); !ok || got != want {
		t.Errorf("Parse of what Sign returned: %v %+v, want %+v", ok, got, want)
	}
}

// TestEveryBit changes each of the 400 bits of a token.
func TestEveryBit(t *testing.T) {
	r, scope, _, text := good(t)
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(raw) {
		forged := slices.Clone(raw)
		forged[bit/8] ^= 1 << (bit % 8)
		refuse(t, r, scope, base64.RawURLEncoding.EncodeToString(forged), fmt.Sprintf("bit %d changed", bit))
	}
}

// TestEveryCharacter puts each other character at each place of a token's text. The last
// character has two bits to spare, which must be zero.
func TestEveryCharacter(t *testing.T) {
	r, scope, _, text := good(t)
	for i := range len(text) {
		for c := range 256 {
			if byte(c) == text[i] {
				continue
			}
			forged := []byte(text)
			forged[i] = byte(c)
			refuse(t, r, scope, string(forged), fmt.Sprintf("character %d changed to %q", i, rune(c)))
		}
	}
}

func TestTwoCharactersSwapped(t *testing.T) {
	r, scope, _, text := good(t)
	for i := range len(text) - 1 {
		if text[i] == text[i+1] {
			continue
		}
		forged := []byte(text)
		forged[i], forged[i+1] = forged[i+1], forged[i]
		refuse(t, r, scope, string(forged), fmt.Sprintf("characters %d and %d swapped", i, i+1))
	}
}

// TestLength gives every other length, up to a megabyte.
func TestLength(t *testing.T) {
	r, scope, _, text := good(t)
	long := strings.Repeat(text, 4)
	for n := range len(long) {
		if n != len(text) {
			refuse(t, r, scope, long[:n], fmt.Sprintf("a text of %d characters", n))
		}
	}
	refuse(t, r, scope, strings.Repeat("A", 1<<20), "a megabyte")
	refuse(t, r, scope, strings.Repeat("A", token.TextLen), "a text of the right length")
	refuse(t, r, scope, text[1:], "all but the first")
}

// TestSpelling writes a good token in other ways.
func TestSpelling(t *testing.T) {
	r, scope, tok, _ := good(t)
	// A token whose text has both characters in which the alphabets differ.
	var text string
	for i := 0; !strings.Contains(text, "-") || !strings.Contains(text, "_"); i++ {
		tok.Secret[0], tok.Secret[5] = byte(i), byte(i>>8)
		text = r.Sign(scope, tok.ID, tok.Secret)
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	spellings := map[string]string{
		"padding":                  text + "=",
		"padding for the last":     text[:66] + "=",
		"standard alphabet":        base64.RawStdEncoding.EncodeToString(raw),
		"standard with padding":    base64.StdEncoding.EncodeToString(raw),
		"URL with padding":         base64.URLEncoding.EncodeToString(raw),
		"hexadecimal":              fmt.Sprintf("%x", raw),
		"bytes":                    string(raw),
		"escaped minus":            strings.Replace(text, "-", "%2D", 1),
		"escaped underscore":       strings.Replace(text, "_", "%5F", 1),
		"escaped letter":           fmt.Sprintf("%%%02X", text[0]) + text[1:],
		"escaped, right length":    fmt.Sprintf("%%%02X", text[0]) + text[1:65],
		"quotes":                   `"` + text + `"`,
		"leading quote, same size": `"` + text[:65] + `"`,
		"upper case":               strings.ToUpper(text),
		"lower case":               strings.ToLower(text),
		"full-width first letter":  "\uff21" + text[1:],
		"NUL at the end":           text + "\x00",
		"NUL for the last":         text[:66] + "\x00",
		"byte order mark":          "\ufeff" + text,
		"empty":                    "",
	}
	for _, space := range []string{" ", "\t", "\n", "\r", "\r\n", "\v", "\u00a0", "\u2028"} {
		for _, at := range []int{0, 1, 33, 66, 67} {
			// The decoder of base64 skips line ends. They are inserted between the 67
			// characters, and put in place of some of them.
			spellings[fmt.Sprintf("%q put in at %d", space, at)] = text[:at] + space + text[at:]
			if n := len(space); at+n <= len(text) {
				spellings[fmt.Sprintf("%q in the place of %d", space, at)] = text[:at] + space + text[at+n:]
			}
		}
	}
	for what, spelling := range spellings {
		if spelling != text {
			refuse(t, r, scope, spelling, what)
		}
	}
	if _, ok := r.Parse(scope, text); !ok {
		t.Error("the token itself is refused")
	}
}

// TestLineEndForZeros uses tokens that end in zero bytes. The decoder of base64 skips
// line ends, so with one in place of the zeros the bytes would be the same.
func TestLineEndForZeros(t *testing.T) {
	r, scope, tok, text := good(t)
	for i := 0; !strings.HasSuffix(text, "AA"); i++ {
		tok.Secret[0], tok.Secret[1] = byte(i), byte(i>>8)
		text = r.Sign(scope, tok.ID, tok.Secret)
	}
	for cut := 1; cut <= 2; cut++ {
		for _, end := range []string{"\n", "\r"} {
			ends := strings.Repeat(end, cut)
			refuse(t, r, scope, text[:67-cut]+ends, fmt.Sprintf("%d times %q behind", cut, end))
			refuse(t, r, scope, ends+text[:67-cut], fmt.Sprintf("%d times %q in front", cut, end))
			refuse(t, r, scope, text[:20]+ends+text[20:67-cut], fmt.Sprintf("%d times %q inside", cut, end))
		}
	}
}

// TestTrailingBits sets the two spare bits of the last character.
func TestTrailingBits(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	r, scope, _, text := good(t)
	last := strings.IndexByte(alphabet, text[66])
	if last%4 != 0 {
		t.Fatalf("the last character of %q has bits that mean nothing", text)
	}
	for spare := 1; spare < 4; spare++ {
		forged := text[:66] + alphabet[last+spare:last+spare+1]
		if lax, err := base64.RawURLEncoding.DecodeString(forged); err != nil || len(lax) != 50 {
			t.Fatalf("%q should decode laxly: %v", forged, err)
		}
		refuse(t, r, scope, forged, fmt.Sprintf("spare bits %02b", spare))
	}
}

// TestFormatByte signs tokens of other formats well.
func TestFormatByte(t *testing.T) {
	s := samples()[0]
	r, scope := mustRing(t, s.ring...), token.NewScope(s.app, s.transport)
	for f := range 256 {
		b := append([]byte{byte(f)}, plainHint(s.ring[0])...)
		b = append(b, s.claims.ID[:]...)
		b = append(b, s.secret[:]...)
		mac := sum(sub(s.ring[0], "cloakroom token key v1", 32), scope, b)
		text := base64.RawURLEncoding.EncodeToString(append(b, mac[:16]...))
		if _, ok := r.Parse(scope, text); ok != (f == 1) {
			t.Errorf("format %d, well signed: accepted %v", f, ok)
		}
	}
}

// TestOtherScope presents a token to other apps and by other transports, with bytes
// moved from one to the other.
func TestOtherScope(t *testing.T) {
	r, _, tok, _ := good(t)
	scopes := [][2]string{
		{"session", "cookie"}, {"session", "bearer"}, {"shop", "cookie"}, {"", "cookie"}, {"session", ""},
		{"sessioncookie", ""}, {"", "sessioncookie"}, {"sessionc", "ookie"}, {"Session", "cookie"},
		{"session\x00", "cookie"}, {"session\x00\x00\x00\x06", "cookie"}, {"cookie", "session"}, {"", ""},
	}
	for _, from := range scopes {
		text := r.Sign(token.NewScope(from[0], from[1]), tok.ID, tok.Secret)
		for _, to := range scopes {
			if _, ok := r.Parse(token.NewScope(to[0], to[1]), text); ok != (from == to) {
				t.Errorf("a token of %q presented as one of %q: accepted %v", from, to, ok)
			}
		}
	}
}

func TestRing(t *testing.T) {
	_, scope, tok, _ := good(t)
	a, b, c := []byte(strings.Repeat("a", 32)), []byte(strings.Repeat("b", 40)), []byte(strings.Repeat("c", 64))
	var claims token.Claims
	type seen struct{ ok, old bool }
	for _, tt := range []struct {
		name   string
		ring   [][]byte
		signer []byte
		want   seen
	}{
		{"alone", [][]byte{a}, a, seen{true, false}},
		{"first", [][]byte{a, b, c}, a, seen{true, false}},
		{"second", [][]byte{a, b, c}, b, seen{true, true}},
		{"last", [][]byte{a, b, c}, c, seen{true, true}},
		{"taken away", [][]byte{a, b}, c, seen{false, false}},
		{"another", [][]byte{a}, b, seen{false, false}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, signer := mustRing(t, tt.ring...), mustRing(t, tt.signer)
			got, ok := r.Parse(scope, signer.Sign(scope, tok.ID, tok.Secret))
			if (seen{ok, got.Old}) != tt.want || ok && (got.ID != tok.ID || got.Secret != tok.Secret) {
				t.Errorf("Parse: %v %+v, want %+v", ok, got, tt.want)
			}
			verifier := signer.Verifier(claims, tok.Secret)
			ok, old := r.Check(verifier, claims, tok.Secret)
			if (seen{ok, old}) != tt.want {
				t.Errorf("Check: %v %v, want %+v", ok, old, tt.want)
			}
			if r.Newest(verifier) != (tt.want == seen{true, false}) {
				t.Errorf("Newest: %v, want that of %+v", r.Newest(verifier), tt.want)
			}
			// The first signs, and it signs alone.
			alone := mustRing(t, tt.ring[0])
			if _, ok := alone.Parse(scope, r.Sign(scope, tok.ID, tok.Secret)); !ok {
				t.Error("Sign didn't use the first key")
			}
			if ok, _ := alone.Check(r.Verifier(claims, tok.Secret), claims, tok.Secret); !ok {
				t.Error("Verifier didn't use the first key")
			}
		})
	}
}

// TestSameHint uses keys with the same hint, as a ring of more than 256 must have: the
// hint must not decide.
func TestSameHint(t *testing.T) {
	_, scope, tok, _ := good(t)
	var claims token.Claims
	byHint := map[byte][]byte{}
	var a, b []byte
	for i := 0; a == nil; i++ {
		secret := fmt.Appendf(nil, "a secret of the search %020d", i)
		hint := plainHint(secret)[0]
		if other, ok := byHint[hint]; ok {
			a, b = other, secret
		}
		byHint[hint] = secret
	}
	both := mustRing(t, a, b)
	for i, secret := range [][]byte{a, b} {
		one := mustRing(t, secret)
		got, ok := both.Parse(scope, one.Sign(scope, tok.ID, tok.Secret))
		if !ok || got.ID != tok.ID || got.Old != (i == 1) {
			t.Errorf("token of secret %d: %v %+v", i, ok, got)
		}
		verifier := one.Verifier(claims, tok.Secret)
		ok, old := both.Check(verifier, claims, tok.Secret)
		if !ok || old != (i == 1) {
			t.Errorf("verifier of secret %d: ok %v, old %v", i, ok, old)
		}
		if !one.Newest(verifier) || both.Newest(verifier) {
			t.Errorf("verifier of secret %d: newest of one %v, of both %v", i, one.Newest(verifier), both.Newest(verifier))
		}
	}
	if _, ok := mustRing(t, a).Parse(scope, mustRing(t, b).Sign(scope, tok.ID, tok.Secret)); ok {
		t.Error("a key accepts the token of another with the same hint")
	}
	if ok, _ := mustRing(t, a).Check(mustRing(t, b).Verifier(claims, tok.Secret), claims, tok.Secret); ok {
		t.Error("a key accepts the verifier of another with the same hint")
	}
}

func TestRingErrors(t *testing.T) {
	const part = "hunter2-hunter2-hunter2-hunter2" // 31 bytes
	long := []byte(part + part)
	for _, tt := range []struct {
		name    string
		secrets [][]byte
		want    string
	}{
		{"none", nil, "no secret"},
		{"an empty list", [][]byte{}, "no secret"},
		{"nil", [][]byte{nil}, "secret 1 of 1 has 0 bytes: at least 32 random bytes are needed"},
		{"31 bytes", [][]byte{[]byte(part)}, "secret 1 of 1 has 31 bytes: at least 32 random bytes are needed"},
		{"the second", [][]byte{long, []byte(part)}, "secret 2 of 2 has 31 bytes"},
		{"twice", [][]byte{long, []byte(part + "another"), long}, "secrets 1 and 3 of 3 are the same"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := token.NewRing(tt.secrets)
			if err == nil || r != nil {
				t.Fatalf("NewRing: %v, %v", r, err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q, want %q", err, tt.want)
			}
			for e := err; e != nil; e = errors.Unwrap(e) {
				if strings.Contains(fmt.Sprintf("%v %+v %#v", e, e, e), "hunter2") {
					t.Errorf("the error shows the secret: %v", e)
				}
			}
		})
	}
	if _, err := token.NewRing([][]byte{[]byte(part + "x")}); err != nil {
		t.Errorf("32 bytes: %v", err)
	}
	// Zero bytes at the end are part of a secret, although HMAC ignores them in a key.
	a, b := bytes.Repeat([]byte("a"), 32), append(bytes.Repeat([]byte("a"), 32), 0)
	_, scope, tok, _ := good(t)
	if _, ok := mustRing(t, a).Parse(scope, mustRing(t, b).Sign(scope, tok.ID, tok.Secret)); ok {
		t.Error("a secret and the same with a zero byte more give the same keys")
	}
}

// TestRingKeepsNoSecrets changes the caller's secret after NewRing.
func TestRingKeepsNoSecrets(t *testing.T) {
	_, scope, tok, _ := good(t)
	secret := bytes.Repeat([]byte("a"), 32)
	r := mustRing(t, secret)
	before := r.Sign(scope, tok.ID, tok.Secret)
	clear(secret)
	if r.Sign(scope, tok.ID, tok.Secret) != before {
		t.Error("the ring changed with the caller's slice")
	}
}

// TestVerifierCovers changes each of the claims.
func TestVerifierCovers(t *testing.T) {
	for _, s := range []sample{samples()[1], samples2()[1], samples2()[0]} {
		t.Run(fmt.Sprint(s.name, s.claims.OwnIdle), func(t *testing.T) { testVerifierCovers(t, s) })
	}
}

func testVerifierCovers(t *testing.T, s sample) {
	r := mustRing(t, s.ring...)
	v := r.Verifier(s.claims, s.secret)
	if ok, old := r.Check(v, s.claims, s.secret); !ok || old {
		t.Fatalf("the verifier itself: ok %v, old %v", ok, old)
	}
	changes := map[string]func(c *token.Claims){
		"app":                  func(c *token.Claims) { c.App = "Shop" },
		"app emptied":          func(c *token.Claims) { c.App = "" },
		"principal":            func(c *token.Claims) { c.Principal = "bob@example.com" },
		"principal emptied":    func(c *token.Claims) { c.Principal = "" },
		"principal lengthened": func(c *token.Claims) { c.Principal += "\x00" },
		"id, first byte":       func(c *token.Claims) { c.ID[0] ^= 1 },
		"id, last byte":        func(c *token.Claims) { c.ID[15] ^= 128 },
		"created":              func(c *token.Claims) { c.Created++ },
		"authenticated":        func(c *token.Claims) { c.Authenticated++ },
		"not authenticated":    func(c *token.Claims) { c.Authenticated = 0 },
		"deadline":             func(c *token.Claims) { c.Deadline += 1 << 40 },
		"times exchanged":      func(c *token.Claims) { c.Created, c.Authenticated = c.Authenticated, c.Created },
		"own idle timeout":     func(c *token.Claims) { c.OwnIdle = !c.OwnIdle },
	}
	if s.claims.OwnIdle {
		changes["idle timeout"] = func(c *token.Claims) { c.Idle++ }
		changes["generation"] = func(c *token.Claims) { c.Generation[7]++ }
		changes["generation, first byte"] = func(c *token.Claims) { c.Generation[0]++ }
		if s.claims.Generation != [8]byte{} {
			changes["no generation"] = func(c *token.Claims) { c.Generation = [8]byte{} }
		}
	}
	if s.claims.Created == 0 || s.claims.Authenticated == 0 {
		delete(changes, "not authenticated")
	}
	if s.claims.Principal == "" {
		delete(changes, "principal emptied")
	}
	for what, change := range changes {
		c := s.claims
		change(&c)
		if ok, old := r.Check(v, c, s.secret); ok || old {
			t.Errorf("%s: the verifier still holds", what)
		}
	}
	for bit := range 8 * len(s.secret) {
		secret := s.secret
		secret[bit/8] ^= 1 << (bit % 8)
		if ok, _ := r.Check(v, s.claims, secret); ok {
			t.Errorf("bit %d of the secret changed: the verifier still holds", bit)
		}
	}
}

// TestVerifierBoundaries moves bytes between claims of variable length and their
// neighbours.
func TestVerifierBoundaries(t *testing.T) {
	r := mustRing(t, samples()[0].ring...)
	var secret [16]byte
	seen := map[string]token.Claims{}
	for _, c := range []token.Claims{
		{App: "shop", Principal: "ann"},
		{App: "sho", Principal: "pann"},
		{App: "shopa", Principal: "nn"},
		{App: "shopann"},
		{Principal: "shopann"},
		{App: "ann", Principal: "shop"},
		{App: "shop\x00", Principal: "ann"},
		{App: "shop", Principal: "ann\x00"},
		{App: "shop", Principal: "ann\x00\x00\x00\x00\x00\x00\x00\x00"},
		{App: "shop", ID: [16]byte{0, 0, 0, 3, 'a', 'n', 'n'}},
		{App: "shop", Principal: "ann", Created: 1},
		{App: "shop", Principal: "ann", Authenticated: 1},
		{App: "shop", Principal: "ann", Deadline: 1},
		{App: "shop", Principal: "ann", Deadline: 1 << 8},
		{App: "shop", Principal: "ann", Deadline: -1},
		{App: "shop", Principal: "ann", OwnIdle: true},
		{App: "shop", Principal: "ann", OwnIdle: true, Idle: 1},
		{App: "shop", Principal: "ann", OwnIdle: true, Idle: 1 << 8},
		{App: "shop", Principal: "ann", OwnIdle: true, Generation: [8]byte{0, 0, 0, 0, 0, 0, 0, 1}},
		{App: "shop", Principal: "ann", OwnIdle: true, Generation: [8]byte{1}},
		{App: "shop", Principal: "ann", OwnIdle: true, Deadline: 1},
	} {
		v := string(r.Verifier(c, secret))
		if other, ok := seen[v]; ok {
			t.Errorf("%+v and %+v have the same verifier", c, other)
		}
		seen[v] = c
	}
}

// TestVerifierDamaged changes, cuts and lengthens a verifier.
func TestVerifierDamaged(t *testing.T) {
	testVerifierDamaged(t, samples()[1])
	testVerifierDamaged(t, samples2()[1])
}

func testVerifierDamaged(t *testing.T, s sample) {
	r := mustRing(t, s.ring...)
	v := r.Verifier(s.claims, s.secret)
	check := func(what string, v []byte) {
		t.Helper()
		if ok, old := r.Check(v, s.claims, s.secret); ok || old {
			t.Errorf("%s is accepted", what)
		}
	}
	check("no verifier", nil)
	for n := range v {
		check(fmt.Sprintf("a verifier cut to %d bytes", n), v[:n])
	}
	for _, more := range [][]byte{{0}, {1}, v} {
		check(fmt.Sprintf("a verifier lengthened by %d bytes", len(more)), slices.Concat(v, more))
		check(fmt.Sprintf("a verifier with %d bytes before it", len(more)), slices.Concat(more, v))
	}
	for bit := range 8 * len(v) {
		forged := slices.Clone(v)
		forged[bit/8] ^= 1 << (bit % 8)
		check(fmt.Sprintf("a verifier with bit %d changed", bit), forged)
	}
	check("zeros", make([]byte, 33))
	check("the hint alone", append(plainHint(s.ring[0]), make([]byte, 32)...))
}

// TestVerifierVersions guards how a verifier's version is told. None of versions 1 and 2
// is taken for a newer one, and nothing else opens.
func TestVerifierVersions(t *testing.T) {
	var b bytes.Buffer
	s := samples()[1]
	r := mustRing(t, s.ring...)
	v1 := r.Verifier(s.claims, s.secret)
	for _, c := range []struct {
		name     string
		verifier []byte
	}{
		{"none", nil},
		{"cut", v1[:32]},
		{"version 1", v1},
		{"version 1, whose hint is 2", append([]byte{2}, v1[1:]...)},
		{"version 2, made of that", append([]byte{2}, v1...)},
		{"version 2, with more", append([]byte{2}, make([]byte, 64)...)},
		{"version 3", append([]byte{3}, v1...)},
		{"version 255", append([]byte{255}, v1...)},
		{"what no version writes: it begins with 1", append([]byte{1}, v1...)},
	} {
		ok, _ := r.Check(c.verifier, s.claims, s.secret)
		fmt.Fprintf(&b, "%s\n%x\nnewer %t, opens %t\n\n", c.name, c.verifier, token.Newer(c.verifier), ok)
	}
	token.Golden(t, "versions.golden", b.Bytes())
	for first := range 256 {
		if v := append([]byte{byte(first)}, v1[1:]...); token.Newer(v) {
			t.Errorf("a verifier of 33 bytes that begins with %d is newer", first)
		}
	}
}

// TestVerifierIsNoToken: with one key for both, a copy of the store could be turned into
// tokens.
func TestVerifierIsNoToken(t *testing.T) {
	s := samples()[0]
	r, scope := mustRing(t, s.ring...), token.NewScope(s.app, s.transport)
	v := r.Verifier(s.claims, s.secret)
	b := append([]byte{1}, v[0])
	b = append(b, s.claims.ID[:]...)
	b = append(b, s.secret[:]...)
	b = append(b, v[1:17]...)
	refuse(t, r, scope, base64.RawURLEncoding.EncodeToString(b), "a token with a verifier's sum")
}
