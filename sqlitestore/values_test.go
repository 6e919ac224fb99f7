package sqlitestore

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/cloakroom-go/cloakroom/driver"
)

func FuzzDecodeValues(f *testing.F) {
	for _, text := range []string{
		`{}`, ` { } `, `{"a":1}`, `{"a" : [1, {"b":"}"}] , "c":"\"\\"}`, `{"":null,"\u0000":true,"é":"\ud800"}`,
		`{"a":1,"a":2}`, `{"n":-0.10E+400}`, `[]`, `[1]`, `"x"`, `null`, `1`, ``, `{`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a":1}}`,
		`{"a":tru}`, "{\"a\":\n[]\t}", "{\"a\x00\":1}", `{"\ud83e\udde5":"🧥"}`, "{\"\xff\":1}",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var want map[string]json.RawMessage
		wantErr := json.Unmarshal(text, &want)
		got, err := decodeValues(text)
		if wantErr == nil && want == nil { // the literal null
			if err == nil {
				t.Fatalf("%q was accepted", text)
			}
			return
		}
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: %v; encoding/json: %v", text, err, wantErr)
		}
		if err == nil && !sameValues(got, driver.NewValueList(want)) {
			t.Fatalf("%q: %q; encoding/json: %q", text, got, want)
		}
	})
}

func sameValues(a, b driver.ValueList) bool {
	return slices.EqualFunc(a, b, func(v, w driver.Value) bool { return v.Name == w.Name && bytes.Equal(v.JSON, w.JSON) })
}

func FuzzValuesRoundTrip(f *testing.F) {
	f.Add("name", []byte(`{"a": [1, 2.50, "x\u0000"]}`), "", []byte(`null`))
	f.Add(`"\`, []byte(`"\ud800"`), "\u2028<&>\x7f\x00", []byte(`1e400`))
	f.Add("\xff", []byte(`1`), "é", []byte(`[]`))
	f.Fuzz(func(t *testing.T, name1 string, raw1 []byte, name2 string, raw2 []byte) {
		if !json.Valid(raw1) || !json.Valid(raw2) {
			t.Skip("values are valid JSON")
		}
		trim := func(b []byte) json.RawMessage { return bytes.Trim(b, " \t\r\n") }
		values := driver.NewValueList(map[string]json.RawMessage{name1: raw1, name2: raw2})
		want := driver.NewValueList(map[string]json.RawMessage{name1: trim(raw1), name2: trim(raw2)})
		text, err := encodeValues(values)
		if valid := utf8.ValidString(name1) && utf8.ValidString(name2); (err == nil) != valid {
			t.Fatalf("%q: %v", values, err)
		}
		if err != nil {
			return
		}
		got, err := decodeValues([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if !sameValues(got, want) {
			t.Fatalf("%q came back as %q", values, got)
		}
	})
}

// TestValuesDontOverlap appends to a value that was read.
func TestValuesDontOverlap(t *testing.T) {
	got, err := decodeValues([]byte(`{"a":1,"b":2}`))
	if err != nil {
		t.Fatal(err)
	}
	_ = append(got.Get("a"), "xxxxxxxx"...)
	if string(got.Get("b")) != "2" {
		t.Errorf("an append to one value changed another to %s", got.Get("b"))
	}
}

func TestEncodeWriteIDs(t *testing.T) {
	for n := range 9 {
		ids := sample(0).WriteIDs[:min(n, 8)]
		got, err := decodeWriteIDs([]byte(encodeWriteIDs(ids)))
		if err != nil || len(got) != len(ids) {
			t.Fatalf("%d write ids: %v, %v", n, got, err)
		}
		for i := range got {
			if got[i] != ids[i] {
				t.Errorf("write id %d of %d differs", i, n)
			}
		}
	}
	for _, text := range []string{" ", "x", "AAAAAAAAAAA ", "AAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAA=AAAAAAAAAAA", "AAAAAAAAAA!", "AAAAAAAAAAB"} {
		if ids, err := decodeWriteIDs([]byte(text)); err == nil {
			t.Errorf("%q was read as %v", text, ids)
		}
	}
}
