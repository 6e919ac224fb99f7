package elasticstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// TestValuesAreExact: values come back byte for byte except for line breaks, also values
// that engines refuse as JSON. Engines differ in those.
func TestValuesAreExact(t *testing.T) {
	t.Parallel()
	l, s := newStore(t)
	for name, values := range map[string]map[string]string{
		"numbers":          {"a": `12345678901234567890123`, "b": `1e400`, "c": `-0`, "d": `1.10`, "e": `1E+2`},
		"names":            {"": `1`, " ": `2`, ".": `3`, "..": `4`, "a.b": `5`, "a": `{"b":6}`, "\x00": `7`, ".a.": `8`, "\n": `9`},
		"surrogates":       {"a": `"\ud800"`, "b": `{"\udc00":1}`},
		"space":            {"a": "[ 1 ,\t2 ]"},
		"name twice":       {"a": `{"x":1,"x":2}`},
		"long number":      {"a": strings.Repeat("1", 3000)},
		"deep":             {"a": strings.Repeat("[", driver.MaxDepth) + strings.Repeat("]", driver.MaxDepth)},
		"long name":        {strings.Repeat("n", 60_000): `1`},
		"not UTF-8":        {"a": "\"\xff\xfe\""},
		"like a bulk line": {"a": `"}}\n{\"delete\":{}}"`},
	} {
		t.Run(name, func(t *testing.T) {
			r := session(driver.LayoutDay, time.Now())
			r.Values = nil
			for k, v := range values {
				r.Values = r.Values.With(k, json.RawMessage(v))
			}
			created := mustCreate(t, s, r)
			u := *created
			u.Writes++
			v, err := s.Update(testContext(t), &u)
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.Get(testContext(t), r.ID)
			if err != nil {
				t.Fatal(err)
			}
			u.Version = v
			if !reflect.DeepEqual(got, &u) {
				t.Errorf("Get: %.300v\nwant %.300v", got, &u)
			}
			l.refresh(t)
			for got, err := range s.Search(testContext(t), driver.Query{}) {
				if err != nil {
					t.Fatal(err)
				}
				if got.ID == r.ID && !reflect.DeepEqual(got, &u) {
					t.Errorf("Search: %.300v\nwant %.300v", got, &u)
				}
			}
		})
	}
	r := session(driver.LayoutDay, time.Now())
	r.Values = r.Values.With("a", json.RawMessage("{\n\"b\":\r\n\"c\"}"))
	if got, err := s.Get(testContext(t), mustCreate(t, s, r).ID); err != nil || string(got.Values.Get("a")) != `{ "b":  "c"}` {
		t.Errorf("line breaks: %q, %v", got.Values.Get("a"), err)
	}
}

// TestInvalidRecords are refused before anything is sent.
func TestInvalidRecords(t *testing.T) {
	t.Parallel()
	s, err := New(newFaulty(nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for name, change := range map[string]func(*driver.Record){
		"kind":      func(r *driver.Record) { r.Kind = "grave" },
		"no kind":   func(r *driver.Record) { r.Kind = "" },
		"layout":    func(r *driver.Record) { r.ID[6] = 99 },
		"no id":     func(r *driver.Record) { r.ID = driver.ID{} },
		"app":       func(r *driver.Record) { r.App = "\xff" },
		"principal": func(r *driver.Record) { r.Principal = "\xff" },
		"name":      func(r *driver.Record) { r.Values = r.Values.With("\xff", json.RawMessage(`1`)) },

		"name in Extra":         func(r *driver.Record) { r.Extra = r.Extra.With("\xff", json.RawMessage(`1`)) },
		"own name in Extra":     func(r *driver.Record) { r.Extra = r.Extra.With("raw", json.RawMessage(`1`)) },
		"grave's name in Extra": func(r *driver.Record) { r.Extra = r.Extra.With("reason", json.RawMessage(`1`)) },
		"path in Extra":         func(r *driver.Record) { r.Extra = r.Extra.With("kind.of", json.RawMessage(`1`)) },
		"nothing in Extra":      func(r *driver.Record) { r.Extra = r.Extra.With("note", nil) },
	} {
		r := session(driver.LayoutDay, time.Now())
		change(r)
		_, err := s.Create(testContext(t), r)
		if !errors.Is(err, driver.ErrInvalid) {
			t.Errorf("%s: Create: %v", name, err)
		}
		_, err = s.Update(testContext(t), r)
		if !errors.Is(err, driver.ErrInvalid) {
			t.Errorf("%s: Update: %v", name, err)
		}
	}
	var unknown driver.ID
	_, err = s.Get(testContext(t), unknown)
	wantError(t, err, driver.ErrNotFound)
	wantError(t, s.Bury(testContext(t), unknown, driver.Grave{}, driver.Version{}), driver.ErrInvalid)
}

// TestDocument guards the stored form.
func TestDocument(t *testing.T) {
	at := time.UnixMilli(1795305600123).UTC()
	id, err := driver.ParseID("AaIAAAAAAgECAwQFBgcICQ")
	if err != nil {
		t.Fatal(err)
	}
	r := &driver.Record{
		ID: id, Kind: driver.KindSession, App: "shop", Principal: `"alice" <a&b>`,
		Created: at, Authenticated: at.Add(1e6), Seen: at.Add(2e6), Expires: at.Add(3e6), Deadline: at.Add(4e6),
		Verifier: []byte{1, 2, 0xff}, Previous: []byte{3}, PreviousEnds: at.Add(5e6), Persistent: true,
		Client: driver.Client{Address: "192.0.2.7", UserAgent: "Mozilla"}, Writes: 1<<63 + 1, WriteIDs: []driver.WriteID{{1}, {2}},
		Values: driver.NewValueList(map[string]json.RawMessage{"cart": json.RawMessage(`["coat"]`)}),
	}
	check := func(got []byte, want string, back *driver.Record, v driver.Version) {
		t.Helper()
		if string(got) != want {
			t.Errorf("document\n%s\nwant\n%s", got, want)
		}
		read, err := decode(id, got, v)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(read, back) {
			t.Errorf("read back %+v\nwant %+v", read, back)
		}
	}
	got, err := encodeRecord(r, false)
	if err != nil {
		t.Fatal(err)
	}
	back := *r
	back.Version = driver.Version{Term: 2, Seq: 3}
	const head = `{"kind":"session","app":"shop","principal":"\"alice\" \u003ca\u0026b\u003e","id":"AaIAAAAAAgECAwQFBgcICQ",` +
		`"created":1795305600123,"authenticated":1795305600124,"seen":1795305600125,"expires":1795305600126,"deadline":1795305600127,` +
		`"verifier":"AQL/","previous":"Aw==","previousEnds":1795305600128,"persistent":true,` +
		`"client":{"address":"192.0.2.7","agent":"Mozilla"},"writes":9223372036854775809,"revs":["AQAAAAAAAAA","AgAAAAAAAAA"],`
	check(got, head+`"values":{"cart":["coat"]}}`, &back, back.Version)
	if got, err = encodeRecord(r, true); err != nil {
		t.Fatal(err)
	}
	check(got, head+`"raw":"eyJjYXJ0IjpbImNvYXQiXX0="}`, &back, back.Version)

	g := driver.Grave{Reason: driver.EndReplaced, At: at, Until: at.Add(1e6), Successor: id, Writes: 4, WriteIDs: r.WriteIDs}
	if got, err = encodeGrave(id, &g); err != nil {
		t.Fatal(err)
	}
	check(got, `{"kind":"grave","id":"AaIAAAAAAgECAwQFBgcICQ","deadline":1795305600124,"at":1795305600123,"reason":"replaced",`+
		`"successor":"AaIAAAAAAgECAwQFBgcICQ","writes":4,"revs":["AQAAAAAAAAA","AgAAAAAAAAA"]}`,
		&driver.Record{ID: id, Version: driver.Version{Term: 2 | graveMark, Seq: 3}, Grave: &g}, back.Version)
}

// updateGolden writes the golden files anew. Keep the old ones as well if the form
// grows: documents of earlier versions must still be read.
var updateGolden = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file, byte by byte.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *updateGolden {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs.\ngot\n%s\nwant\n%s", path, got, want)
	}
}

// TestGoldenDocuments guards each kind of document, and the record that it is read as.
func TestGoldenDocuments(t *testing.T) {
	at := time.UnixMilli(1795305600123).UTC()
	id, err := driver.ParseID("AaIAAAAAAgECAwQFBgcICQ")
	if err != nil {
		t.Fatal(err)
	}
	extra := driver.ValueList{
		{Name: "\"é\"", JSON: json.RawMessage(`null`)}, {Name: "format", JSON: json.RawMessage(`1`)}, {Name: "labels", JSON: json.RawMessage(`{"a":"b"}`)},
	}
	session := &driver.Record{
		ID: id, Kind: driver.KindSession, App: "shop", Principal: "alice",
		Created: at, Authenticated: at.Add(1e6), Seen: at.Add(2e6), Expires: at.Add(3e6), Deadline: at.Add(4e6),
		Verifier: []byte{1, 2, 0xff}, Previous: []byte{3}, PreviousEnds: at.Add(5e6), Persistent: true,
		Client: driver.Client{Address: "192.0.2.7", UserAgent: "Mozilla"}, Writes: 7, WriteIDs: []driver.WriteID{{1}, {2}},
		Values: driver.ValueList{{Name: "cart", JSON: json.RawMessage(`["coat"]`)}}, Extra: extra,
	}
	bare := &driver.Record{ID: id, Kind: driver.KindSession, App: "shop", Created: at}
	ledger := &driver.Record{
		ID: driver.LedgerID("shop", "alice"), Kind: driver.KindLedger, App: "shop", Principal: "alice", Created: at, Deadline: at.Add(4e6),
		Writes: 1, WriteIDs: []driver.WriteID{{1}}, Values: driver.ValueList{{Name: "ledger", JSON: json.RawMessage(`{"live":[]}`)}}, Extra: extra,
	}
	grave := session.GraveFor(driver.EndReplaced, at.Add(6e6), driver.WriteID{3})
	grave.Successor, grave.Extra = id, extra
	bareGrave := driver.Grave{Reason: driver.EndRevoked, Until: at}

	var b bytes.Buffer
	write := func(name string, id driver.ID, document []byte, err error, want *driver.Record) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s\n%s\n\n", name, document)
		got, err := decode(id, document, driver.Version{Term: 2, Seq: 3})
		if err != nil {
			t.Fatal(err)
		}
		got.Version = driver.Version{}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read back as\n%+v\nwant\n%+v", name, got, want)
		}
	}
	record := func(name string, r *driver.Record, raw bool) {
		t.Helper()
		document, err := encodeRecord(r, raw)
		write(name, r.ID, document, err, r)
	}
	record("session", session, false)
	record("session, values in raw", session, true)
	record("session with nothing", bare, false)
	record("ledger", ledger, false)
	document, err := encodeGrave(id, &grave)
	write("grave", id, document, err, &driver.Record{ID: id, Grave: &grave})
	document, err = encodeGrave(id, &bareGrave)
	write("grave of who knew nothing of it", id, document, err, &driver.Record{ID: id, Grave: &bareGrave})
	golden(t, "documents.golden", b.Bytes())
}

// TestGoldenMapping guards the mapping. If you change the mapping, raise format.
func TestGoldenMapping(t *testing.T) {
	for name, m := range map[string]markOfOurs{
		"mapping.json":            {Format: format, Lifetime: 5},
		"mapping-dashboards.json": {Format: format, Lifetime: 5, Dashboards: true},
	} {
		text, err := json.MarshalIndent(mapping(m), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, append(text, '\n'))
	}
}

// TestOwnNames: every member that a document can have is one of the own names, or is
// read as Extra.
func TestOwnNames(t *testing.T) {
	id := driver.NewID(driver.LayoutDay, time.Now())
	for name, value := range map[string]string{
		"kind": `"session"`, "app": `"a"`, "principal": `"a"`, "id": `"` + id.String() + `"`, "created": `1`, "authenticated": `1`, "seen": `1`,
		"expires": `1`, "deadline": `1`, "verifier": `"AA=="`, "previous": `"AA=="`, "previousEnds": `1`, "persistent": `true`,
		"client": `{}`, "writes": `1`, "revs": `[]`, "values": `{}`, "raw": `"e30="`, "at": `1`, "reason": `"x"`, "successor": `"` + id.String() + `"`,
		"note": `1`, "Kind": `1`, "rev": `1`, "": `1`,
	} {
		var d document
		s := scanner{data: []byte(`{"` + name + `":` + value + `}`)}
		new(decoder).read(&s, &d)
		if err := s.end(); err != nil || own(name) != (d.rec.Extra == nil) {
			t.Errorf("%q: own %t, Extra %s, %v", name, own(name), d.rec.Extra, err)
		}
		if indexed(name) && !own(name) {
			t.Errorf("%q is indexed, and isn't known", name)
		}
	}
}

// TestExtraMembers are read wherever they stand, and written behind the others.
func TestExtraMembers(t *testing.T) {
	id, err := driver.ParseID("AaIAAAAAAgECAwQFBgcICQ")
	if err != nil {
		t.Fatal(err)
	}
	const text = `{ "zz" : [ 1 , "}" ] , "id":"AaIAAAAAAgECAwQFBgcICQ","\u00e9":null,"kind":"session","created":5,"a\"b":{"id":{}},` +
		`"values":{"note":1},"zz":{"last":true}}`
	want := driver.ValueList{
		{Name: `a"b`, JSON: json.RawMessage(`{"id":{}}`)}, {Name: "zz", JSON: json.RawMessage(`{"last":true}`)}, {Name: "é", JSON: json.RawMessage(`null`)},
	}
	docs := new(decoder)
	for range 2 { // as the second of an answer as well
		source := []byte(text)
		sc := scanner{data: source}
		var d document
		docs.read(&sc, &d)
		for i := range source {
			source[i] = 'x'
		}
		if !reflect.DeepEqual(d.rec.Extra, want) {
			t.Fatalf("Extra is %s, want %s", d.rec.Extra, want)
		}
		for _, v := range d.rec.Extra {
			if cap(v.JSON) != len(v.JSON) {
				t.Errorf("appending to %s would overwrite its neighbour", v.Name)
			}
		}
	}
	r, err := decode(id, []byte(text), driver.Version{Term: 1})
	if err != nil {
		t.Fatal(err)
	}
	again, err := encodeRecord(r, false)
	const written = `{"kind":"session","id":"AaIAAAAAAgECAwQFBgcICQ","created":5,"values":{"note":1},"a\"b":{"id":{}},"zz":{"last":true},"é":null}`
	if err != nil || string(again) != written {
		t.Errorf("written again, %v:\n%s\nwant\n%s", err, again, written)
	}
	before := r.Extra
	r.Extra = nil
	plain, _ := encodeRecord(r, false)
	if n, m := decodeAllocs(t, id, plain), decodeAllocs(t, id, again); n >= m {
		t.Errorf("a document without members of others takes %v allocations, with them %v", n, m)
	}
	if before == nil {
		t.Error("no Extra")
	}
}

func decodeAllocs(t *testing.T, id driver.ID, source []byte) float64 {
	t.Helper()
	return testing.AllocsPerRun(100, func() {
		if _, err := decode(id, source, driver.Version{Term: 1}); err != nil {
			t.Fatal(err)
		}
	})
}

// TestNewerDocuments: a document of a newer format need not resemble anything that this
// version knows. But if it is a grave that can be read, it is a grave.
func TestNewerDocuments(t *testing.T) {
	id, err := driver.ParseID("AaIAAAAAAgECAwQFBgcICQ")
	if err != nil {
		t.Fatal(err)
	}
	for document, want := range map[string]error{
		`{"kind":"session","id":"AaIAAAAAAgECAwQFBgcICQ","format":1}`:                         nil,
		`{"kind":"session","id":"AaIAAAAAAgECAwQFBgcICQ","format":2}`:                         driver.ErrNewer,
		`{"format":2,"kind":"robot","id":"AaIAAAAAAgECAwQFBgcICQ"}`:                           driver.ErrNewer,
		`{"kind":"robot","id":"AaIAAAAAAgECAwQFBgcICQ"}`:                                      driver.ErrCorrupt,
		`{"kind":"robot","id":"AaIAAAAAAgECAwQFBgcICQ","format":1}`:                           driver.ErrCorrupt,
		`{"kind":["session"],"format":2}`:                                                     driver.ErrNewer,
		`{"format": 3 ,"seen":"yesterday"}`:                                                   driver.ErrNewer,
		`{"seen":"yesterday","client":[1],"revs":{},"format":3}`:                              driver.ErrNewer,
		`{"seen":"yesterday","client":{"format":3}}`:                                          driver.ErrCorrupt,
		`{"seen":"yesterday","format":"3"}`:                                                   driver.ErrCorrupt,
		`{"kind":"session","id":"AaIAAAAAAgECAwQFBgcICQ","raw":"AAAA","format":2}`:            driver.ErrNewer,
		`{"kind":"session","id":"AaIAAAAAAgECAwQFBgcICA","format":2}`:                         driver.ErrNewer,
		`{"kind":"session","id":"AaIAAAAAAgECAwQFBgcICQ","format":null}`:                      driver.ErrCorrupt,
		`{"kind":"grave","id":"AaIAAAAAAgECAwQFBgcICQ","format":2}`:                           driver.ErrGone,
		`{"kind":"grave","id":"AaIAAAAAAgECAwQFBgcICQ","format":2,"reason":{"why":"robots"}}`: driver.ErrNewer,
	} {
		answer := `{"docs":[{"_index":"x","_id":"AaIAAAAAAgECAwQFBgcICQ","_seq_no":1,"_primary_term":1,"found":true,"_source":` + document + `}]}`
		results, err := new(Store).readDocs(&request{}, []byte(answer), []target{{index: "x", id: id}})
		if err != nil {
			t.Fatal(err)
		}
		got := results[0]
		if !errors.Is(got.Err, want) || errors.Is(got.Err, driver.ErrCorrupt) != errors.Is(want, driver.ErrCorrupt) {
			t.Errorf("%s: %v, want %v", document, got.Err, want)
		}
		if (got.Value != nil) != (want == nil || errors.Is(want, driver.ErrGone)) {
			t.Errorf("%s: %+v beside %v", document, got.Value, got.Err)
		}
	}
}

// TestDecodeCopies: records don't hold on to the answer that they came in. It guards the
// allocations as well.
func TestDecodeCopies(t *testing.T) {
	r := benchRecord()
	document, err := encodeRecord(r, false)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decode(r.ID, document, driver.Version{Term: 1})
	if err != nil {
		t.Fatal(err)
	}
	values := slices.Clone(got.Values)
	for i, v := range values {
		values[i].JSON = bytes.Clone(v.JSON)
	}
	for i := range document {
		document[i] = 'x'
	}
	if !reflect.DeepEqual(got.Values, values) || got.App != r.App || got.Principal != r.Principal || got.Client != r.Client {
		t.Error("a record changed with the answer that it came in")
	}
	for name, v := range got.Values.All() {
		if cap(v) != len(v) {
			t.Errorf("appending to the value %s would overwrite its neighbour", name)
		}
	}
}

// TestDecodeText: each string lands in its field, and of several for one field the last
// stays.
func TestDecodeText(t *testing.T) {
	docs := new(decoder)
	for _, c := range []struct{ document, principal, address, agent string }{
		{`{"principal":"alice","client":{"address":"192.0.2.7","agent":"Mozilla"}}`, "alice", "192.0.2.7", "Mozilla"},
		{`{"client":{"agent":"","address":"::1"},"principal":"\u0061\n"}`, "a\n", "::1", ""},
		{`{"principal":"alice","client":{"agent":"Mozilla"},"principal":"bob","client":{"agent":null}}`, "bob", "", ""},
		{`{"principal":"alice","client":{"agent":1`, "alice", "", ""},
		{`{"principal":null}`, "", "", ""},
	} {
		var d document
		docs.read(&scanner{data: []byte(c.document)}, &d)
		if r := d.rec; r.Principal != c.principal || r.Client.Address != c.address || r.Client.UserAgent != c.agent {
			t.Errorf("%s: principal %q, client %+v", c.document, r.Principal, r.Client)
		}
	}
}

// TestWriteIDs are read as package cloakroom reads them.
func TestWriteIDs(t *testing.T) {
	for _, text := range []string{
		"AQIDBAUGBwg", "__________8", "AAAAAAAAAAA", // good ones
		"", "AQIDBAUGBw", "AQIDBAUGBwgA", "AQIDBAUGBwg=", "AQIDBAUGBw=", "AQIDBAUGBwh", "AQIDBAUGBwk", "AQIDBAUGBwv",
		"AQIDB\nUGBwg", "AQIDBAUGBw\n", "\r\n\r\nAAAAAAA", "AQIDBAUGBw\u00e4", "AQIDBAUG+wg", "AQIDBAUG wg",
	} {
		var want driver.WriteID
		bad := want.UnmarshalText([]byte(text))
		s := scanner{data: appendString(nil, text)}
		if got := s.writeID(); got != want || (s.err == nil) != (bad == nil) {
			t.Errorf("%q: %v, %v; want %v, %v", text, got, s.err, want, bad)
		}
	}
}

// TestPlain tries every byte at every place.
func TestPlain(t *testing.T) {
	for n := range 20 {
		for i := range n {
			for c := range 256 {
				b := bytes.Repeat([]byte{'x'}, n)
				b[i] = byte(c)
				want := i
				if c >= ' ' && c < 0x80 && c != '"' && c != '\\' {
					want = n
				}
				if got := plain(b); got != want {
					t.Fatalf("plain(%q) is %d, want %d", b, got, want)
				}
			}
		}
	}
}

func FuzzScanner(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":[1,{"b":"c\\\"]"}],"d":null}`, `[`, `{"a"`, `"\`, `{"a":"\u0041"} x`, `[1,2`, `{"a":1,}`, `[[[[]]]]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		// JSON is read as a whole, and by name.
		s := scanner{data: data}
		raw := s.skip()
		err := s.end()
		if json.Valid(data) && (err != nil || !bytes.Equal(raw, bytes.TrimSpace(data))) {
			t.Fatalf("%q is JSON, but skipping it gives %q, %v", data, raw, err)
		}
		var want map[string]json.RawMessage
		if json.Unmarshal(data, &want) == nil && want != nil {
			got := map[string]json.RawMessage{}
			s := scanner{data: data}
			s.object(func(name []byte) {
				key := string(name)
				got[key] = bytes.Clone(s.skip())
			})
			if err := s.end(); err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("%q: %q, %v; want %q", data, got, err, want)
			}
		}
		// Reading anything else ends as well.
		var d document
		s = scanner{data: data}
		new(decoder).read(&s, &d)
		_ = s.end()
		s = scanner{data: data}
		_ = s.said().String()
		_, _ = readItems(&request{}, data, nil)
	})
}

func TestNames(t *testing.T) {
	for _, n := range []names{{prefix: "session"}, {prefix: "a-2026.11.22"}, {prefix: "x.y_z-1"}} {
		seen := map[string]string{}
		for _, at := range []string{"2026-11-22T13:59:59.999Z", "2026-12-31T23:00:00Z", "2027-01-01T00:00:00Z", "2027-01-03T23:59:59Z",
			"2021-01-03T00:00:00Z", "2020-12-28T00:00:00Z", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2024-02-29T09:00:00Z"} {
			now, err := time.Parse(time.RFC3339, at)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range []driver.Layout{driver.LayoutHour, driver.LayoutDay, driver.LayoutWeek, driver.LayoutMonth, driver.LayoutLedger, driver.LayoutImport} {
				id := driver.NewID(l, now)
				index := n.of(id)
				start, end, ok := id.Period()
				key := fmt.Sprint(l, start)
				if was, there := seen[index]; there && was != key {
					t.Errorf("%s is the index of %s and of %s", index, was, key)
				}
				seen[index] = key
				p, parsed := n.parse(index)
				if parsed != ok || ok && (p.layout != l || !p.start.Equal(start) || !p.end.Equal(end)) {
					t.Errorf("parse %s: %+v, %v; want %v %v %v", index, p, parsed, l, start, end)
				}
				if !n.ours(index) || (names{prefix: n.prefix, one: true}).of(id) != n.prefix {
					t.Errorf("%s is not ours", index)
				}
				if strings.ToLower(index) != index {
					t.Errorf("%s is not lower case", index)
				}
			}
		}
	}
	n := names{prefix: "session"}
	want := map[string]bool{"session-2026.11.22-13": true, "session-2026.11.22": true, "session-2026.w47": true, "session-2026.11": true}
	for _, index := range []string{"session-2026.11.22-13", "session-2026.11.22", "session-2026.w47", "session-2026.11",
		"session-2026.11.31", "session-2026.13", "session-2026.w00", "session-2026.w54", "session-2026.11.22-24", "session-2026.1", "session-+2026.11",
		"session-2026.11.22x", "session-2026.11.22-13-1", "session-", "session", "session-02026.11", "session-2026", "sessions-2026.11", "session-2026.W47"} {
		if _, ok := n.parse(index); ok != want[index] {
			t.Errorf("parse %s: %v", index, ok)
		}
	}
}
