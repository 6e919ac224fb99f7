package dancer

import (
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
)

// This file tests signed ids against recordings of the old module.

// recordings are the recordings of the old module; "about" in the file describes them.
type recordings struct {
	Signing, Sessions []struct {
		Dancer, Secret string
		Configured     *int `json:"length_configured"`
		Length         int
		Value          string
		Hash, Salt, ID string
		HMAC           string `json:"hmac_sha1_hex"`
		Log            string // of a length that never verified
	}
	Tampered []struct {
		Dancer, Case, Secret string
		Length               int
		CookieWire           string   `json:"cookie_wire"`
		ES                   []string // requests to the engine
	}
	CookieAttributes []struct {
		Dancer, Setting string
		SetCookie       []string `json:"set_cookie"`
		Date            string
	} `json:"cookie_attributes"`
}

func recorded(t testing.TB) *recordings {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	r := new(recordings)
	if err := json.Unmarshal(text, r); err != nil {
		t.Fatal(err)
	}
	if len(r.Signing) < 20 || len(r.Sessions) < 10 || len(r.Tampered) < 20 || len(r.CookieAttributes) < 5 {
		t.Fatalf("testdata/vectors.json holds %d, %d, %d and %d cases: some are missing",
			len(r.Signing), len(r.Sessions), len(r.Tampered), len(r.CookieAttributes))
	}
	return r
}

func TestRecordedSignatures(t *testing.T) {
	r := recorded(t)
	for _, v := range append(r.Signing, r.Sessions...) {
		configured := 0
		if v.Configured != nil {
			configured = *v.Configured
		}
		s, err := NewSigner(v.Secret, configured)
		if configured > MaxLength {
			if err == nil || v.Log == "" {
				t.Errorf("length %d: %v, and recorded was %q", configured, err, v.Log)
			}
			continue
		}
		if v.Secret == "" {
			// An empty secret is refused here. The module's hash is made all the same.
			if err == nil {
				t.Error("an empty secret was taken")
			}
			if got := hash(nil, v.Length, v.ID, v.Salt); got != v.Hash {
				t.Errorf("hash with an empty secret: %q, want %q", got, v.Hash)
			}
			continue
		}
		if err != nil {
			t.Errorf("length %d: %v", configured, err)
			continue
		}
		if s.Length() != v.Length {
			t.Errorf("length %d is %d, want %d", configured, s.Length(), v.Length)
		}
		if id, err := s.Verify(v.Value); err != nil || id != v.ID {
			t.Errorf("%s: id %q, %v; want %q", v.Value, id, err, v.ID)
		}
		if got := s.Hash(v.ID, v.Salt); got != v.Hash || v.Value != got+v.Salt+v.ID || got != v.HMAC[:v.Length] {
			t.Errorf("hash of %s with salt %s: %s, want %s", v.ID, v.Salt, got, v.Hash)
		}
	}
}

// dancerValue is the value of a cookie as Dancer 1 reads it from the request:
// the last of its name, the first of its values, percent-decoded.
func dancerValue(wire string) (value string) {
	for pair := range strings.SplitSeq(wire, "; ") {
		if text, ok := strings.CutPrefix(pair, "dancer.session="); ok {
			text, _, _ = strings.Cut(text, "&")
			value, _ = url.PathUnescape(text)
		}
	}
	return value
}

// accepts1_3521 is the form that Dancer 1.3521 demands of an id before the module sees
// it. cloakroom doesn't: 27 % of the module's own cookies lack it.
var accepts1_3521 = regexp.MustCompile(`^[A-Za-z0-9_~-]+\n?$`)

// TestRecordedTampering: a value opens a document exactly if Dancer asked the engine for
// it.
func TestRecordedTampering(t *testing.T) {
	asked := regexp.MustCompile(`^GET /[^/]+/[^/]+/(\S+) -> `)
	accepted := 0
	for _, v := range recorded(t).Tampered {
		if v.Secret == "" { // cases that the recording adds last
			v.Secret, v.Length = "ldjaldjaklsdanm.m", 10
		}
		want := ""
		begun := false // with a session other than this value's
		for _, line := range v.ES {
			if strings.HasPrefix(line, "POST ") {
				begun = true
			} else if m := asked.FindStringSubmatch(line); m != nil && !begun {
				want = m[1]
			}
		}
		s, err := NewSigner(v.Secret, v.Length)
		if err != nil {
			t.Fatal(err)
		}
		value := dancerValue(v.CookieWire)
		got, err := s.Verify(value)
		if (err == nil) != (got != "") || err != nil && !errors.Is(err, ErrNotVerified) {
			t.Errorf("%s, %s: %q and %v", v.Dancer, v.Case, got, err)
		}
		if err == nil && v.Dancer == "1.3521" && !accepts1_3521.MatchString(value) {
			got = ""
		}
		if got != want {
			t.Errorf("%s, %s: id %q, want %q", v.Dancer, v.Case, got, want)
		}
		if want != "" {
			accepted++
		}
	}
	if accepted < 8 {
		t.Errorf("%d recorded cases were accepted: the test reads the recordings wrongly", accepted)
	}
}

// TestStripping: the same bytes are stripped as by Perl 5.36, found with unpack("A5A*",
// …) for each byte.
func TestStripping(t *testing.T) {
	s := signer(t, "secret", 4)
	for c := range 256 {
		end := string([]byte{byte(c)})
		off := strings.Contains("\x00\t\n\v\f\r ", end)
		for part, value := range map[string]string{
			"id":         s.Hash("id", "salt") + "salt" + "id" + end,
			"salt":       s.Hash("id", "sal") + "sal" + end + "id",
			"whole salt": s.Hash("id", "") + strings.Repeat(end, 4) + "id",
		} {
			if id, err := s.Verify(value); (err == nil) != off || err == nil && id != "id" {
				t.Errorf("%#x at the end of the %s: id %q, %v", c, part, id, err)
			}
		}
		if _, err := s.Sign("id" + end); (err != nil) != off {
			t.Errorf("Sign of an id that ends with %#x: %v", c, err)
		}
		if _, err := s.Verify(s.Hash("id", "salt")[:3] + end + "salt" + "id"); err == nil && end != s.Hash("id", "salt")[3:] {
			t.Errorf("a hash that ends with %#x was taken", c)
		}
	}
	for _, value := range []string{"", " ", s.Hash("", "salt") + "salt", s.Hash("", "salt") + "salt ", s.Hash("", "salt") + "salt\x00\n",
		s.Hash("id", "salt") + "salt" + " id", strings.ToUpper(s.Hash("id", "salt")) + "salt" + "id"} {
		if id, err := s.Verify(value); !errors.Is(err, ErrNotVerified) || id != "" {
			t.Errorf("%q: id %q, %v", value, id, err)
		}
	}
}

func TestSecrets(t *testing.T) {
	const latin = "caf\u00e9 \u00ff"
	s := signer(t, latin, 40)
	if got, want := s.Hash("id", "salt"), hash([]byte("caf\xe9 \xff"), 40, "id", "salt"); got != want {
		t.Errorf("hash %s, want %s", got, want)
	}
	for _, secret := range []string{"", "cafe\u0301", "\u0100", "\U0001F600", "\xe9", "x\xff\xfe"} {
		_, err := NewSigner(secret, 10)
		if err == nil {
			t.Errorf("the secret %q was taken", secret)
		} else if secret != "" && strings.Contains(err.Error(), secret) {
			t.Errorf("an error shows the secret: %v", err)
		}
	}
	for length, ok := range map[int]bool{-1: false, 0: true, 1: true, 40: true, 41: false, 64: false} {
		if _, err := NewSigner("secret", length); (err == nil) != ok {
			t.Errorf("length %d: %v", length, err)
		}
	}
}

// TestZeroSigner: a Signer that NewSigner didn't make verifies and signs nothing.
func TestZeroSigner(t *testing.T) {
	for _, s := range []*Signer{nil, {}, new(Config).Signer()} {
		for _, value := range []string{"", "x", strings.Repeat("f", 50)} {
			if id, err := s.Verify(value); !errors.Is(err, ErrNotVerified) || id != "" {
				t.Errorf("Verify(%q): %q, %v", value, id, err)
			}
		}
		if value, err := s.Sign("id"); err == nil || value != "" {
			t.Errorf("Sign: %q, %v", value, err)
		}
		if s.Hash("id", "salt") != "" || s.Length() != 0 {
			t.Errorf("hash %q, length %d", s.Hash("id", "salt"), s.Length())
		}
	}
}

// TestSalts: every character of the alphabet comes at every position, about equally
// often.
func TestSalts(t *testing.T) {
	s := signer(t, "secret", MaxLength)
	count := map[byte]int{}
	const rounds = 2000
	for range rounds {
		value, err := s.Sign("id")
		if err != nil {
			t.Fatal(err)
		}
		if id, err := s.Verify(value); err != nil || id != "id" {
			t.Fatalf("%q: id %q, %v", value, id, err)
		}
		for _, c := range []byte(value[MaxLength : 2*MaxLength]) {
			count[c]++
		}
	}
	const want = rounds * MaxLength / 64 // 1250, deviation 35
	for _, c := range []byte("./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") {
		if n := count[c]; n < want-350 || n > want+350 {
			t.Errorf("%q came %d times of %d", c, n, want)
		}
		delete(count, c)
	}
	if len(count) > 0 {
		t.Errorf("other characters came: %v", count)
	}
}

func signer(t testing.TB, secret string, length int) *Signer {
	t.Helper()
	s, err := NewSigner(secret, length)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// FuzzSigner: a signed value verifies, and Hash makes the hash of a verified value
// again.
func FuzzSigner(f *testing.F) {
	r := recorded(f)
	for _, v := range r.Signing {
		f.Add(v.Secret, v.Length, v.ID, v.Value)
	}
	for _, v := range r.Tampered {
		f.Add(v.Secret, v.Length, "x", dancerValue(v.CookieWire))
	}
	f.Add("secret", 1, "id\x00", "5 id\n")
	f.Fuzz(func(t *testing.T, secret string, length int, id, value string) {
		s, err := NewSigner(secret, length)
		if err != nil {
			return
		}
		if signed, err := s.Sign(id); err == nil {
			if got, err := s.Verify(signed); err != nil || got != id {
				t.Errorf("Sign(%q) is %q, of which Verify makes %q, %v", id, signed, got, err)
			}
		} else if id != "" && strings.TrimRight(id, stripped) == id {
			t.Errorf("Sign(%q): %v", id, err)
		}
		got, err := s.Verify(value)
		if (err == nil) != (got != "") {
			t.Errorf("Verify(%q): %q, %v", value, got, err)
		}
		if err == nil {
			n := s.Length()
			if h := s.Hash(got, strings.TrimRight(value[n:2*n], stripped)); h != value[:n] {
				t.Errorf("Verify(%q) is %q, of which Hash makes %q", value, got, h)
			}
		}
		// With the right hash in front, any value that has an id verifies.
		if n := s.Length(); len(value) > 2*n {
			salt, rest := strings.TrimRight(value[n:2*n], stripped), strings.TrimRight(value[2*n:], stripped)
			if got, err := s.Verify(s.Hash(rest, salt) + value[n:]); got != rest || (err == nil) != (rest != "") {
				t.Errorf("with the right hash, Verify(%q) is %q, %v", value, got, err)
			}
		}
	})
}
