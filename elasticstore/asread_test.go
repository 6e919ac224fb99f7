package elasticstore

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"
	"weak"

	"github.com/cloakroom-go/cloakroom/driver"
)

// oneOf returns one of some.
func oneOf[T any](r *rand.Rand, some ...T) T { return some[r.IntN(len(some))] }

// anyRecord returns a record with any of what records may have, usual or not.
func anyRecord(r *rand.Rand) *driver.Record {
	when := func() time.Time {
		at := time.Unix(r.Int64N(1<<32), r.Int64N(1e9))
		return oneOf(r, time.Time{}, at, at.UTC(), at.UTC().Truncate(time.Millisecond), time.Now(), time.Time{}.Local(), time.Time{}.Add(time.Microsecond))
	}
	list := func() driver.ValueList {
		l := oneOf(r, nil, driver.ValueList{})
		for range r.IntN(5) {
			name := oneOf(r, "cart", "größe", "a.b", "", `"`, "<&>", "\u2028")
			text := oneOf(r, `1`, `-0`, `1.10`, ` {"a":[1,2]}`, "[1,\n2]", "[1,\r2] ", `"<\u00e9>"`, `null`, `{}`, "[ 1 ]", "\t1")
			l = append(l, driver.Value{Name: name, JSON: json.RawMessage(text)})
		}
		return oneOf(r, driver.SortValues(l), l)
	}
	text := func() string { return oneOf(r, "", "alice", "é <&>\u2028", "a\x00b\"\\") }
	bytes := func() []byte { return oneOf(r, nil, []byte{}, []byte{1}, make([]byte, 34), make([]byte, 70)) }
	rec := &driver.Record{
		ID: driver.NewID(driver.LayoutDay, time.Now()), Kind: oneOf(r, driver.KindSession, driver.KindLedger),
		App: text(), Principal: text(), Created: when(), Authenticated: when(), Seen: when(), Expires: when(), Deadline: when(),
		Verifier: bytes(), Previous: bytes(), PreviousEnds: when(), Persistent: r.IntN(2) == 0,
		Client: driver.Client{Address: text(), UserAgent: text() + oneOf(r, "", "\xff", "🧥")},
		Writes: oneOf[uint64](r, 0, 1, 1<<40, math.MaxUint64), WriteIDs: oneOf(r, nil, []driver.WriteID{}, make([]driver.WriteID, r.IntN(driver.MaxWriteIDs*9))),
		Values: list(), Extra: list(), Version: driver.Version{Term: 3, Seq: 4},
	}
	if r.IntN(8) == 0 {
		rec.Extra = driver.ValueList{{Name: driver.ExtraFormat, JSON: json.RawMessage(oneOf(r, `1`, `99`, `"x"`))}}
	}
	return rec
}

// TestCopiesReadAsTheirDocuments: the copy of a record that was written is what a full
// read would return, whatever the record has, and however it was kept.
func TestCopiesReadAsTheirDocuments(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(23, 23))
	v := driver.Version{Term: 7, Seq: 8}
	asIs := 0
	for range 20_000 {
		rec := anyRecord(r)
		document, err := encodeRecord(rec, false)
		if err != nil {
			continue
		}
		c := newCopies(1 << 20)
		c.wrote(&write{id: rec.ID, document: document}, v, rec)
		k := c.of(rec.ID)
		if k.rec != nil {
			asIs++
		}
		want, wantErr := decode(rec.ID, document, v)
		got, err := k.record(rec.ID)
		if (err == nil) != (wantErr == nil) || !reflect.DeepEqual(got, want) {
			t.Fatalf("the copy is %+v, %v\nthe document reads as %+v, %v\n%s", got, err, want, wantErr, document)
		}
	}
	if asIs < 500 {
		t.Errorf("%d records were kept as they are", asIs)
	}
}

// TestCopiesShareNoBytes: changes to a record and to its values' bytes don't reach the
// copy, and no value of the copy can grow into the next.
func TestCopiesShareNoBytes(t *testing.T) {
	t.Parallel()
	rec := session(driver.LayoutDay, time.Now().UTC().Truncate(time.Millisecond))
	rec.Values = driver.ValueList{{Name: "a", JSON: json.RawMessage(`1`)}, {Name: "b", JSON: json.RawMessage(`2`)}}
	c := newCopies(1 << 20)
	c.wrote(&write{id: rec.ID}, driver.Version{Term: 1, Seq: 1}, rec)
	rec.Principal, rec.Values[0].JSON[0] = "mallory", '9'
	got, err := c.of(rec.ID).record(rec.ID)
	if err != nil || got.Principal == "mallory" || string(got.Values.Get("a")) != `1` {
		t.Fatalf("%+v, %v", got, err)
	}
	_ = append(got.Values[0].JSON, '9')
	if string(got.Values.Get("b")) != `2` {
		t.Errorf("a value grew into the next: %s", got.Values.Get("b"))
	}
}

// TestCopiesKeepNothingElse: the copy of a write holds in memory neither the record that
// was read before it, in which the verifier and the write ids are, nor the whole of which
// an application's principal is a part.
func TestCopiesKeepNothingElse(t *testing.T) {
	t.Parallel()
	rec := session(driver.LayoutDay, time.Now().UTC().Truncate(time.Millisecond))
	document, err := encodeRecord(rec, false)
	if err != nil {
		t.Fatal(err)
	}
	c := newCopies(1 << 20)
	before, form := func() (weak.Pointer[driver.Record], weak.Pointer[byte]) {
		read, err := decode(rec.ID, document, driver.Version{Term: 1, Seq: 1})
		if err != nil {
			t.Fatal(err)
		}
		form := strings.Repeat("bob", 1<<16)
		next := *read
		next.Principal, next.Client = form[:3], driver.Client{} // the only text
		c.wrote(&write{id: rec.ID}, driver.Version{Term: 1, Seq: 2}, &next)
		return weak.Make(read), weak.Make(unsafe.StringData(form))
	}()
	runtime.GC()
	runtime.GC()
	if before.Value() != nil {
		t.Error("the copy holds the record that was read before")
	}
	if form.Value() != nil {
		t.Error("the copy holds the text of which the principal is a part")
	}
	if got, err := c.of(rec.ID).record(rec.ID); err != nil || got.Principal != "bob" || len(got.Verifier) == 0 || len(got.WriteIDs) == 0 {
		t.Errorf("the copy is %+v, %v", got, err)
	}
}

// BenchmarkCopyOfWrite is the keeping of a write and the first read of its copy, as the
// record and as the document.
func BenchmarkCopyOfWrite(b *testing.B) {
	rec := session(driver.LayoutDay, time.Now().UTC().Truncate(time.Millisecond))
	document, err := encodeRecord(rec, false)
	if err != nil {
		b.Fatal(err)
	}
	for name, r := range map[string]*driver.Record{"record": rec, "document": nil} {
		b.Run(name, func(b *testing.B) {
			c := newCopies(1 << 20)
			w := &write{id: rec.ID, document: document}
			b.ReportAllocs()
			for i := range b.N {
				c.wrote(w, driver.Version{Term: 1, Seq: uint64(i + 1)}, r)
				if _, err := c.of(rec.ID).record(rec.ID); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
