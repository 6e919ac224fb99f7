package token

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew; a change of them logs everybody out")

// TestSubKeysGolden guards the derivation of keys from secrets.
func TestSubKeysGolden(t *testing.T) {
	var b bytes.Buffer
	for _, secret := range [][]byte{
		make([]byte, 32),
		[]byte("0123456789abcdef0123456789abcdef"),
		bytes.Repeat([]byte{0xff}, 64),
		bytes.Repeat([]byte("a long secret, longer than a block of SHA-256. "), 3),
	} {
		r, err := NewRing([][]byte{secret})
		if err != nil {
			t.Fatal(err)
		}
		k := r.keys[0]
		fmt.Fprintf(&b, "secret       %x\nhint         %02x\ntoken key    %x\nverifier key %x\n\n", secret, k.hint, k.tokens.bytes, k.proof.bytes)
	}
	golden(t, "subkeys.golden", b.Bytes())
}

// TestScopeGolden guards the scope that a token's MAC covers beside its bytes.
func TestScopeGolden(t *testing.T) {
	var b bytes.Buffer
	for _, s := range [][2]string{{"session", "cookie"}, {"shop", "bearer"}, {"", ""}, {"Gästebuch", "cookie"}} {
		fmt.Fprintf(&b, "app %q transport %q\n%x\n\n", s[0], s[1], []byte(NewScope(s[0], s[1])))
	}
	golden(t, "scopes.golden", b.Bytes())
}

// golden compares with a file, byte by byte.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs: formats must not change, since that logs everybody out.\ngot\n%s\nwant\n%s", path, got, want)
	}
}

// Golden shares golden, and its flag, with package token_test.
var Golden = golden
