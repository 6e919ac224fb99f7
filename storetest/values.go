package storetest

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is values that have to come back, and in which spelling.

// testValues checks that values come back as the same JSON.
func testValues(e *env) {
	e.openStore()
	for _, set := range valueSets() {
		e.run(set.name, func(e *env) {
			r := e.record(driver.LayoutDay)
			r.Values = set.values
			kept := e.mustCreate(r)
			e.wantRecord(kept)

			// The same by an update of other values, and what Search yields.
			r = e.record(driver.LayoutImport)
			r.Values = r.Values.With("leaves", json.RawMessage(`{"with": "the update"}`))
			u := e.mustCreate(r)
			u.Values = set.values
			u = e.mustUpdate(u)
			e.wantRecord(u)
			e.settle()
			found := e.mustSearch(driver.Query{App: e.app})
			if len(found) != 2 {
				e.Fatalf("Search found %d records, want 2", len(found))
			}
			for _, want := range []*driver.Record{kept, u} {
				for _, got := range found {
					if got.ID != want.ID {
						continue
					}
					if d := diff(got, want); d != "" {
						e.Errorf("Search yields a record that differs from what was saved:\n%s", d)
					}
				}
			}
		})
	}

	e.run("types_may_change", func(e *env) {
		// A store that guesses at types would choke on the second.
		texts := []string{`1`, `"text"`, `{"a": 1}`, `[1, "x"]`, `"2026-01-02"`, `true`, `null`, `{"a": {"b": 2}}`, `1.5`, `{"a": "x"}`}
		last := e.record(driver.LayoutDay)
		last.Values = driver.NewValueList(map[string]json.RawMessage{"v": json.RawMessage(`0`)})
		last = e.mustCreate(last)
		for _, text := range texts {
			last = next(last)
			last.Values = last.Values.With("v", json.RawMessage(text))
			last = e.mustUpdate(last)
			e.wantRecord(last)
			other := e.record(driver.LayoutDay)
			other.Values = driver.NewValueList(map[string]json.RawMessage{"v": json.RawMessage(text)})
			e.wantRecord(e.mustCreate(other))
		}
	})
}

type valueSet struct {
	name   string
	values driver.ValueList
}

// valueSets are the values that must come back: every kind of JSON, and names
// that engines have a meaning of their own for.
func valueSets() []valueSet {
	return []valueSet{
		{"none", nil},
		{"empty_list", driver.ValueList{}},
		{"literals", texts(`null`, `true`, `false`)},
		{"numbers", texts(numbers...)},
		{"strings", texts(stringTexts...)},
		{"arrays", texts(`[]`, `[[]]`, `[null]`, `[1,1.0,"1",true,null,{},[]]`, `[[1,[2,[3,[4]]]],[]]`,
			"["+strings.TrimSuffix(strings.Repeat(`1,`, 5000), ",")+"]")},
		{"objects", texts(`{}`, `{"":{}}`, `{"a":{"b":{"c":[{"d":null}]}}}`, `{"a.b":1,"a":{"b":2}}`,
			`{"A":1,"a":2}`, `{"__proto__":{"x":1},"constructor":null}`, `{"$ref":"#","_id":"x","_source":false}`,
			`{"type":"nested","properties":{"x":{"type":"date"}}}`)},
		{"white_space", texts(" 1 ", "\n{\t\"a\" :\r[ 1 , 2 ] }\n", `" kept  inside "`)},
		{"nested_deeply", texts(strings.Repeat(`[`, 200)+strings.Repeat(`]`, 200),
			strings.Repeat(`{"a":`, 200)+`1`+strings.Repeat(`}`, 200))},
		{"names", named(valueNames)},
		{"long_names", named([]string{strings.Repeat("n", 255), strings.Repeat("n", 256), strings.Repeat("m", 10_000),
			strings.Repeat("🧥", 2000), strings.Repeat("a.", 500) + "a"})},
		{"empty_name_alone", driver.NewValueList(map[string]json.RawMessage{"": json.RawMessage(`""`)})},
		{"names_of_one_object", driver.NewValueList(map[string]json.RawMessage{"a": json.RawMessage(`1`), "a.b": json.RawMessage(`2`),
			"a.b.c": json.RawMessage(`3`), "a.": json.RawMessage(`4`), ".a": json.RawMessage(`5`), "a..b": json.RawMessage(`6`)})},
		{"1000_names", manyNames(1000)},
		{"1_MiB_in_one", driver.NewValueList(map[string]json.RawMessage{"big": quote(strings.Repeat("a coat \u2028 ", 1<<20/12))})},
		{"1_MiB_in_many", manyKilobytes(1024)},
		{"1_MiB_of_escapes", driver.NewValueList(map[string]json.RawMessage{"big": json.RawMessage(`"` + strings.Repeat(`\u0000`, 1<<20/6) + `"`)})},
	}
}

// numbers must keep their spelling: a float64 can't hold most of them.
var numbers = []string{
	`0`, `-0`, `0.0`, `-0.0`, `1`, `-1`, `1.0`, `1.10`, `0.1`, `100`, `1e2`, `1E2`, `1e+2`, `1e-2`, `1.0e2`,
	`9007199254740991`, `9007199254740992`, `9007199254740993`, `-9007199254740993`,
	`9223372036854775807`, `9223372036854775808`, `-9223372036854775808`, `-9223372036854775809`,
	`18446744073709551615`, `18446744073709551616`, `123456789012345678901234567890`,
	`0.1000000000000000055511151231257827021181583404541015625`, `3.141592653589793238462643383279502884197`,
	`1e400`, `-1e400`, `1e-400`, `1.7976931348623157e308`, `5e-324`, `1e1000`,
	"1" + strings.Repeat("0", 300), "0." + strings.Repeat("3", 300),
}

// stringTexts are strings as JSON spells them.
var stringTexts = []string{
	`""`, `" "`, `"plain"`, `"null"`, `"1"`, `"2026-01-02T03:04:05Z"`, `"ü ñ ł 例え עברית العربية"`,
	`"👩‍👩‍👧‍👦 🧥 🏴‍☠️"`, `"\ud83e\udde5"`, `"e\u0301 é"`, "\"\u2028 \u2029 \u200f \u202e \ufeff\"",
	`"\u0000"`, `"before\u0000after"`, `"\u0001\u001f\u007f\u0080"`, `"\b\f\n\r\t\"\\\/"`,
	`"\ud800"`, `"\udc00"`, `"\ud800x\udfff"`, `"\udc00\ud800"`, `"\uffff\ufffe\ufffd"`,
	`"<script>alert('x')</script> & &amp;"`, `"%s %d %%"`, `"'; DROP TABLE sessions; --"`, `"${jndi:x}"`,
	`"{\"json\": [\"in\", \"json\"]}"`,
}

// valueNames are names of values.
var valueNames = []string{
	"", " ", "  ", "\t", "\n", "\x00", "a\x00b", "\x1f", "\x7f", ".", "..", "a.b", "a.b.c", ".a", "a.", "a..b", "$where", "$", "$ref",
	"__proto__", "constructor", "toString", "prototype", "_id", "_source", "_index", "_type", "_version", "values", "self",
	"A", "a", "Ä", "ä", "a\u0308", "ﬁ", "fi", "ß", "SS", "İ", "i", "ı", "I", "🧥", "👩‍👩‍👧", "\u2028", "\u200b", "\u202eabc", "\ufeff", "\ufffd",
	"0", "1", "-1", "1.0", "null", "true", "*", "?", "%", "a%", "a*", "[0]", "a[0]", "a/b", "/", `\`, `a\.b`, `"`, `'`, "`", "#", "~", "^", "a b",
	"SELECT", "'; DROP TABLE sessions; --", "<b>", "&", "{}", "{{x}}", "${x}", "@timestamp", "http://example.com/?a=b#c",
}

// texts gives each JSON text a name.
func texts(list ...string) driver.ValueList {
	m := map[string]json.RawMessage{}
	for i, text := range list {
		m[fmt.Sprintf("v%03d", i)] = json.RawMessage(text)
	}
	return driver.NewValueList(m)
}

// named gives each name a value that says which one it is.
func named(names []string) driver.ValueList {
	m := map[string]json.RawMessage{}
	for i, n := range names {
		m[n] = json.RawMessage(fmt.Sprintf(`["value", %d]`, i))
	}
	if len(m) != len(names) {
		panic("storetest: a name is there twice")
	}
	return driver.NewValueList(m)
}

func manyNames(n int) driver.ValueList {
	m := map[string]json.RawMessage{}
	for i := range n {
		m[fmt.Sprintf("name.%d", i)] = json.RawMessage(fmt.Sprint(i))
	}
	return driver.NewValueList(m)
}

func manyKilobytes(n int) driver.ValueList {
	m := map[string]json.RawMessage{}
	for i := range n {
		m[fmt.Sprintf("k%d", i)] = quote(strings.Repeat(string(rune('a'+i%26)), 1000))
	}
	return driver.NewValueList(m)
}
