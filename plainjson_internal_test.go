package cloakroom

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

// This file is the tests that the shortcut past encoding/json does the same.

// checkPlain checks that both directions do the same as encoding/json, and returns
// whether they did it themselves.
func checkPlain[T comparable](t *testing.T, raw string) bool {
	t.Helper()
	var want T
	err := json.Unmarshal([]byte(raw), &want)
	got, ok := decodePlain[T](json.RawMessage(raw))
	if ok && (err != nil || got != want) {
		t.Errorf("%.80q decoded into %T is %v; encoding/json says %v, %v", raw, got, got, want, err)
	}
	if err != nil {
		return ok
	}
	text, _ := json.Marshal(want)
	if raw, ok := encodePlain(want); ok && string(raw) != string(text) {
		t.Errorf("%#v encoded is %q; encoding/json says %q", want, raw, text)
	}
	return ok
}

func checkAllPlain(t *testing.T, raw string) (is struct{ text, number, flag bool }) {
	t.Helper()
	is.text, is.flag = checkPlain[string](t, raw), checkPlain[bool](t, raw)
	is.number = checkPlain[int64](t, raw)
	if checkPlain[int](t, raw) != is.number && math.MaxInt > math.MaxInt32 {
		t.Errorf("%q is plain for one size of integer only", raw)
	}
	return is
}

func TestPlainValues(t *testing.T) {
	for _, raw := range []string{`""`, `"a"`, `"alice@example.com"`, `"` + strings.Repeat("x", 1000) + `"`, `" ~!#'"`} {
		if !checkAllPlain(t, raw).text {
			t.Errorf("%.80s is plain", raw)
		}
	}
	for _, raw := range []string{"0", "-0", "7", "-7", "999999999999999999", "-999999999999999999"} {
		if !checkAllPlain(t, raw).number {
			t.Errorf("%s is plain", raw)
		}
	}
	for _, raw := range []string{"true", "false"} {
		if !checkAllPlain(t, raw).flag {
			t.Errorf("%s is plain", raw)
		}
	}
	for _, raw := range []string{
		``, ` `, `"`, `"""`, `"\"`, `"\n"`, "\"\n\"", "\"\x7f\"", `"<b>"`, `"a&b"`, `"ä"`, "\"\xff\"", `"a" `, `'a'`,
		"-", "+1", "007", "-01", "1e3", "1.0", " 1", "1 ", "0x1", "1_0", "9223372036854775807", "-9223372036854775808", "9223372036854775808",
		"null", "True", "tru", "truee", "[1]", `{"a":1}`,
	} {
		if is := checkAllPlain(t, raw); is.text || is.number || is.flag {
			t.Errorf("%q is taken for plain: %+v", raw, is)
		}
	}
	for _, n := range []int64{math.MaxInt64, math.MinInt64, math.MaxInt32, math.MinInt32} {
		raw, _ := encodePlain(n)
		if want, _ := json.Marshal(n); string(raw) != string(want) {
			t.Errorf("%d is encoded as %s", n, raw)
		}
	}
	type text string // may have methods of its own
	if _, ok := encodePlain(text("a")); ok {
		t.Error("a type of the user's is taken for plain")
	}
	if _, ok := decodePlain[text](json.RawMessage(`"a"`)); ok {
		t.Error("a type of the user's is taken for plain")
	}
}

// TestPlainBytes tries each byte in each place.
func TestPlainBytes(t *testing.T) {
	for c := range 256 {
		for _, raw := range []string{"\"" + string([]byte{byte(c)}) + "\"", string([]byte{byte(c)}), string([]byte{'1', byte(c)}), string([]byte{byte(c), '1'})} {
			checkAllPlain(t, raw)
		}
		s := "a" + string([]byte{byte(c)}) + "b"
		want, _ := json.Marshal(s)
		if raw, ok := encodePlain(s); ok && string(raw) != string(want) {
			t.Errorf("%q is encoded as %q, want %q", s, raw, want)
		}
	}
}

func FuzzPlain(f *testing.F) {
	for _, s := range []string{"0", "-12", `"a"`, "true", `"<"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		checkAllPlain(t, s)
		want, _ := json.Marshal(s)
		if raw, ok := encodePlain(s); ok && string(raw) != string(want) {
			t.Errorf("%q is encoded as %q, want %q", s, raw, want)
		}
	})
}
