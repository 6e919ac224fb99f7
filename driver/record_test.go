package driver_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

func TestWriteIDText(t *testing.T) {
	for _, r := range []driver.WriteID{
		{}, {1, 2, 3, 4, 5, 6, 7, 8}, {0xfb, 0xff, 0xfe, 0xfb, 0xff, 0xfe, 0xfb, 0xff}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	} {
		text := r.String()
		if want := base64.RawURLEncoding.EncodeToString(r[:]); text != want || len(text) != 11 {
			t.Errorf("%x is written %q, want %q", r[:], text, want)
		}
		raw, err := json.Marshal([]driver.WriteID{r})
		if want := fmt.Sprintf("[%q]", text); err != nil || string(raw) != want {
			t.Errorf("as JSON: %s, %v, want %s", raw, err, want)
		}
		var back []driver.WriteID
		if err := json.Unmarshal(raw, &back); err != nil || len(back) != 1 || back[0] != r {
			t.Errorf("%q is read as %v, %v", text, back, err)
		}
	}
}

// TestWriteIDTextStrict: a write id has only one text. With two, a search for it could
// fail.
func TestWriteIDTextStrict(t *testing.T) {
	good := driver.WriteID{0xfb, 0xff, 0xfe, 1, 2, 3, 4}
	text := good.String()
	for what, other := range map[string]string{
		"empty":                 "",
		"a character less":      text[:10],
		"a character more":      text + "A",
		"padding":               text + "=",
		"padding for the last":  text[:10] + "=",
		"standard alphabet":     strings.NewReplacer("-", "+", "_", "/").Replace(text),
		"a space":               " " + text[1:],
		"a line end, one cut":   text[:10] + "\n",
		"a line end in front":   "\n" + text[:10],
		"a line end inside":     text[:4] + "\r" + text[4:10],
		"two line ends":         text[:9] + "\r\n",
		"all line ends":         strings.Repeat("\n", 11),
		"spare bits":            text[:10] + "B",
		"NUL":                   text[:10] + "\x00",
		"not ASCII, same bytes": "é" + text[2:],
	} {
		kept := good
		if err := kept.UnmarshalText([]byte(other)); err == nil {
			t.Errorf("%s: %q is read as %v", what, other, kept)
		} else if kept != good {
			t.Errorf("%s: an error, but the write id was changed", what)
		}
	}
}

func FuzzWriteIDText(f *testing.F) {
	f.Add([]byte("AQIDBAUGBwg"))
	f.Add([]byte("-__--__--_8"))
	f.Add([]byte("AAAAAAAAAA\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var r driver.WriteID
		if err := r.UnmarshalText(text); err == nil && r.String() != string(text) {
			t.Errorf("%q is accepted, but written %q", text, r)
		}
	})
}

func TestVersion(t *testing.T) {
	if !(driver.Version{}).IsZero() || (driver.Version{Term: 1}).IsZero() || (driver.Version{Seq: 1}).IsZero() {
		t.Error("IsZero is wrong")
	}
	if got := (driver.Version{Term: 3, Seq: math.MaxUint64}).String(); got != "3.18446744073709551615" {
		t.Errorf("String: %q", got)
	}
}

// TestRecordInfo gives each field of Info a value of its own, so that none can be taken
// for another.
func TestRecordInfo(t *testing.T) {
	at := func(n int64) time.Time { return time.UnixMilli(n).UTC() }
	r := &driver.Record{
		ID: driver.ID{1}, Kind: driver.KindSession, App: "shop", Principal: "ann",
		Created: at(1), Authenticated: at(2), Seen: at(3), Expires: at(4), Deadline: at(5),
		Persistent: true, Client: driver.Client{Address: "192.0.2.1", UserAgent: "Lynx"},
		Verifier: []byte("verifier"), Previous: []byte("previous"), PreviousEnds: at(6), Writes: 7,
	}
	want := driver.Info{
		ID: driver.ID{1}, App: "shop", Principal: "ann",
		Created: at(1), Authenticated: at(2), Seen: at(3), Expires: at(4), Deadline: at(5),
		Persistent: true, Client: driver.Client{Address: "192.0.2.1", UserAgent: "Lynx"},
	}
	if got := r.Info(); got != want {
		t.Errorf("Info: %+v, want %+v", got, want)
	}
	if got := r.Cursor(); got != (driver.Cursor{Created: at(1), ID: driver.ID{1}}) {
		t.Errorf("Cursor: %+v", got)
	}
}

// TestCursorOrder: the order is by the time of making, then by the id's text, whose
// order is not that of its bytes.
func TestCursorOrder(t *testing.T) {
	at := time.UnixMilli(1_800_000_000_000)
	low, high := driver.ID{0x00}, driver.ID{0xfc} // "A…" and "_…"
	digit := driver.ID{0xd0}                      // "0…" sorts before "A…" as text
	for _, tt := range []struct {
		name string
		a, b driver.Cursor
		want int
	}{
		{"the same", driver.Cursor{Created: at, ID: low}, driver.Cursor{Created: at, ID: low}, 0},
		{"the same moment elsewhere", driver.Cursor{Created: at, ID: low}, driver.Cursor{Created: at.In(time.FixedZone("", 3600)), ID: low}, 0},
		{"earlier", driver.Cursor{Created: at, ID: high}, driver.Cursor{Created: at.Add(time.Millisecond), ID: low}, -1},
		{"by id", driver.Cursor{Created: at, ID: low}, driver.Cursor{Created: at, ID: high}, -1},
		{"by the id's text", driver.Cursor{Created: at, ID: digit}, driver.Cursor{Created: at, ID: low}, -1},
	} {
		if got := tt.a.Compare(tt.b); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
		if got := tt.b.Compare(tt.a); got != -tt.want {
			t.Errorf("%s, the other way: %d, want %d", tt.name, got, -tt.want)
		}
	}
}

// TestQueryMatches restricts one field after the other.
func TestQueryMatches(t *testing.T) {
	at := time.UnixMilli(1_800_000_000_000)
	next := at.Add(time.Millisecond)
	r := &driver.Record{
		ID: driver.ID{5}, Kind: driver.KindSession, App: "shop", Principal: "ann", Created: at, Expires: at,
	}
	ledger := *r
	ledger.Kind = driver.KindLedger
	grave := *r
	grave.Grave = &driver.Grave{}
	for _, tt := range []struct {
		name string
		q    driver.Query
		r    *driver.Record
		want bool
	}{
		{"everything", driver.Query{}, r, true},
		{"a ledger by default", driver.Query{}, &ledger, false},
		{"ledgers", driver.Query{Kind: driver.KindLedger}, &ledger, true},
		{"a session among ledgers", driver.Query{Kind: driver.KindLedger}, r, false},
		{"a grave", driver.Query{}, &grave, false},
		{"app", driver.Query{App: "shop"}, r, true},
		{"another app", driver.Query{App: "sho"}, r, false},
		{"principal", driver.Query{Principal: "ann"}, r, true},
		{"another principal", driver.Query{Principal: "anna"}, r, false},
		{"from then", driver.Query{CreatedFrom: at}, r, true},
		{"from later", driver.Query{CreatedFrom: next}, r, false},
		{"to then", driver.Query{CreatedTo: at}, r, false},
		{"to later", driver.Query{CreatedTo: next}, r, true},
		{"expires from then", driver.Query{ExpiresFrom: at}, r, true},
		{"expires from later", driver.Query{ExpiresFrom: next}, r, false},
		{"expires to then", driver.Query{ExpiresTo: at}, r, false},
		{"expires to later", driver.Query{ExpiresTo: next}, r, true},
		{"behind itself", driver.Query{After: r.Cursor()}, r, false},
		{"behind an earlier", driver.Query{After: driver.Cursor{Created: at, ID: driver.ID{4}}}, r, true},
		{"behind a later", driver.Query{After: driver.Cursor{Created: at, ID: driver.ID{6}}}, r, false},
	} {
		if got := tt.q.Matches(tt.r); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestPushWriteID: the result is newest first and cut, and never shares the given slice,
// which the store shares.
func TestPushWriteID(t *testing.T) {
	var ids []driver.WriteID
	for n := 1; n <= 3*driver.MaxWriteIDs; n++ {
		before := slices.Clone(ids)
		next := driver.PushWriteID(ids, driver.WriteID{byte(n)})
		if want := min(n, driver.MaxWriteIDs); len(next) != want {
			t.Fatalf("after %d writes %d ids are kept, want %d", n, len(next), want)
		}
		for i, r := range next {
			if r != (driver.WriteID{byte(n - i)}) {
				t.Fatalf("after %d writes write id %d is %v", n, i, r)
			}
		}
		if !slices.Equal(before, ids) {
			t.Fatal("PushWriteID changed what it was given")
		}
		other := driver.PushWriteID(ids, driver.WriteID{0xff})
		if next[0] != (driver.WriteID{byte(n)}) || other[0] != (driver.WriteID{0xff}) {
			t.Fatal("two results share memory")
		}
		ids = next
	}
}
