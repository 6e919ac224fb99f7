package cloakroom_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

func TestRevText(t *testing.T) {
	for _, r := range []cloakroom.Rev{
		{}, {1, 2, 3, 4, 5, 6, 7, 8}, {0xfb, 0xff, 0xfe, 0xfb, 0xff, 0xfe, 0xfb, 0xff}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	} {
		text := r.String()
		if want := base64.RawURLEncoding.EncodeToString(r[:]); text != want || len(text) != 11 {
			t.Errorf("%x is written %q, want %q", r[:], text, want)
		}
		raw, err := json.Marshal([]cloakroom.Rev{r})
		if want := fmt.Sprintf("[%q]", text); err != nil || string(raw) != want {
			t.Errorf("as JSON: %s, %v, want %s", raw, err, want)
		}
		var back []cloakroom.Rev
		if err := json.Unmarshal(raw, &back); err != nil || len(back) != 1 || back[0] != r {
			t.Errorf("%q is read as %v, %v", text, back, err)
		}
	}
}

// TestRevTextStrict: a rev that can be written in two ways could be looked for
// in vain.
func TestRevTextStrict(t *testing.T) {
	good := cloakroom.Rev{0xfb, 0xff, 0xfe, 1, 2, 3, 4}
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
			t.Errorf("%s: an error, but the rev was changed", what)
		}
	}
}

func FuzzRevText(f *testing.F) {
	f.Add([]byte("AQIDBAUGBwg"))
	f.Add([]byte("-__--__--_8"))
	f.Add([]byte("AAAAAAAAAA\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var r cloakroom.Rev
		if err := r.UnmarshalText(text); err == nil && r.String() != string(text) {
			t.Errorf("%q is accepted, but written %q", text, r)
		}
	})
}

func TestVersion(t *testing.T) {
	if !(cloakroom.Version{}).IsZero() || (cloakroom.Version{Term: 1}).IsZero() || (cloakroom.Version{Seq: 1}).IsZero() {
		t.Error("IsZero is wrong")
	}
	if got := (cloakroom.Version{Term: 3, Seq: math.MaxUint64}).String(); got != "3.18446744073709551615" {
		t.Errorf("String: %q", got)
	}
}

// TestRecordInfo gives each field of Info another value, so that none can be
// taken for its neighbour.
func TestRecordInfo(t *testing.T) {
	at := func(n int64) time.Time { return time.UnixMilli(n).UTC() }
	r := &cloakroom.Record{
		ID: cloakroom.ID{1}, Kind: cloakroom.KindSession, App: "shop", Principal: "ann",
		Created: at(1), Authenticated: at(2), Seen: at(3), Expires: at(4), Deadline: at(5),
		Persistent: true, Client: cloakroom.Client{Address: "192.0.2.1", UserAgent: "Lynx"},
		Verifier: []byte("verifier"), Previous: []byte("previous"), PreviousEnds: at(6), Writes: 7,
	}
	want := cloakroom.Info{
		ID: cloakroom.ID{1}, App: "shop", Principal: "ann",
		Created: at(1), Authenticated: at(2), Seen: at(3), Expires: at(4), Deadline: at(5),
		Persistent: true, Client: cloakroom.Client{Address: "192.0.2.1", UserAgent: "Lynx"},
	}
	if got := r.Info(); got != want {
		t.Errorf("Info: %+v, want %+v", got, want)
	}
	if got := r.Cursor(); got != (cloakroom.Cursor{Created: at(1), ID: cloakroom.ID{1}}) {
		t.Errorf("Cursor: %+v", got)
	}
}

// TestCursorOrder: by the time of making, then by the id's text, whose order
// is not that of its bytes.
func TestCursorOrder(t *testing.T) {
	at := time.UnixMilli(1_800_000_000_000)
	low, high := cloakroom.ID{0x00}, cloakroom.ID{0xfc} // "A…" and "_…"
	digit := cloakroom.ID{0xd0}                         // "0…" sorts before "A…" as text
	for _, tt := range []struct {
		name string
		a, b cloakroom.Cursor
		want int
	}{
		{"the same", cloakroom.Cursor{Created: at, ID: low}, cloakroom.Cursor{Created: at, ID: low}, 0},
		{"the same moment elsewhere", cloakroom.Cursor{Created: at, ID: low}, cloakroom.Cursor{Created: at.In(time.FixedZone("", 3600)), ID: low}, 0},
		{"earlier", cloakroom.Cursor{Created: at, ID: high}, cloakroom.Cursor{Created: at.Add(time.Millisecond), ID: low}, -1},
		{"by id", cloakroom.Cursor{Created: at, ID: low}, cloakroom.Cursor{Created: at, ID: high}, -1},
		{"by the id's text", cloakroom.Cursor{Created: at, ID: digit}, cloakroom.Cursor{Created: at, ID: low}, -1},
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
	r := &cloakroom.Record{
		ID: cloakroom.ID{5}, Kind: cloakroom.KindSession, App: "shop", Principal: "ann", Created: at, Expires: at,
	}
	ledger := *r
	ledger.Kind = cloakroom.KindLedger
	grave := *r
	grave.Grave = &cloakroom.Grave{}
	for _, tt := range []struct {
		name string
		q    cloakroom.Query
		r    *cloakroom.Record
		want bool
	}{
		{"everything", cloakroom.Query{}, r, true},
		{"a ledger by default", cloakroom.Query{}, &ledger, false},
		{"ledgers", cloakroom.Query{Kind: cloakroom.KindLedger}, &ledger, true},
		{"a session among ledgers", cloakroom.Query{Kind: cloakroom.KindLedger}, r, false},
		{"a grave", cloakroom.Query{}, &grave, false},
		{"app", cloakroom.Query{App: "shop"}, r, true},
		{"another app", cloakroom.Query{App: "sho"}, r, false},
		{"principal", cloakroom.Query{Principal: "ann"}, r, true},
		{"another principal", cloakroom.Query{Principal: "anna"}, r, false},
		{"from then", cloakroom.Query{CreatedFrom: at}, r, true},
		{"from later", cloakroom.Query{CreatedFrom: next}, r, false},
		{"to then", cloakroom.Query{CreatedTo: at}, r, false},
		{"to later", cloakroom.Query{CreatedTo: next}, r, true},
		{"expires from then", cloakroom.Query{ExpiresFrom: at}, r, true},
		{"expires from later", cloakroom.Query{ExpiresFrom: next}, r, false},
		{"expires to then", cloakroom.Query{ExpiresTo: at}, r, false},
		{"expires to later", cloakroom.Query{ExpiresTo: next}, r, true},
		{"behind itself", cloakroom.Query{After: r.Cursor()}, r, false},
		{"behind an earlier", cloakroom.Query{After: cloakroom.Cursor{Created: at, ID: cloakroom.ID{4}}}, r, true},
		{"behind a later", cloakroom.Query{After: cloakroom.Cursor{Created: at, ID: cloakroom.ID{6}}}, r, false},
	} {
		if got := tt.q.Matches(tt.r); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
