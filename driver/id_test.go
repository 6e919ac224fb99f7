package driver_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

var updateGolden = flag.Bool("update", false, "write the golden files anew; a change of them makes stored sessions unreadable")

// goldenFile compares with a file in testdata, byte by byte.
func goldenFile(t *testing.T, name string, got []byte) {
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
		t.Errorf("%s differs: what is stored already would not be found any more.\ngot\n%s\nwant\n%s", path, got, want)
	}
}

const aDay = 24 * time.Hour

var layouts = []struct {
	layout  driver.Layout
	number  uint8
	name    string
	longest time.Duration
	periods bool
	timed   bool
}{
	{driver.LayoutHour, 1, "hour", aDay, true, true},
	{driver.LayoutDay, 2, "day", 45 * aDay, true, true},
	{driver.LayoutWeek, 3, "week", 200 * aDay, true, true},
	{driver.LayoutMonth, 4, "month", 400 * aDay, true, true},
	{driver.LayoutLedger, 6, "ledger", 400 * aDay, false, false},
	{driver.LayoutImport, 7, "import", 400 * aDay, false, false},
}

// TestLayoutRegistry guards the numbers of layouts, which are in stored ids, and their
// meaning.
func TestLayoutRegistry(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for _, tt := range layouts {
		t.Run(tt.name, func(t *testing.T) {
			if uint8(tt.layout) != tt.number {
				t.Errorf("number %d, want %d", uint8(tt.layout), tt.number)
			}
			if got := tt.layout.String(); got != tt.name {
				t.Errorf("String: %q", got)
			}
			if got := tt.layout.MaxLifetime(); got != tt.longest {
				t.Errorf("LongestLifetime: %v, want %v", got, tt.longest)
			}
			if _, _, ok := tt.layout.Period(now); ok != tt.periods {
				t.Errorf("Period: ok %v, want %v", ok, tt.periods)
			}
			var id driver.ID
			id[6] = tt.number
			id[0] = 1
			if id.Layout() != tt.layout {
				t.Errorf("an id with %d at byte 6 has layout %v", tt.number, id.Layout())
			}
			if got := !id.Time().IsZero(); got != tt.timed {
				t.Errorf("its time is %v", id.Time())
			}
			if _, err := driver.ParseID(id.String()); err != nil {
				t.Errorf("ParseID: %v", err)
			}
		})
	}
	for n := range 256 {
		if n >= 1 && n <= 7 && n != 5 { // 5 is reserved
			continue
		}
		l := driver.Layout(n)
		if got, want := l.String(), fmt.Sprintf("layout %d", n); got != want {
			t.Errorf("String: %q, want %q", got, want)
		}
		if d := l.MaxLifetime(); d != 0 {
			t.Errorf("unknown layout %d lives %v", n, d)
		}
		if _, _, ok := l.Period(now); ok {
			t.Errorf("unknown layout %d has periods", n)
		}
		var id driver.ID
		id[6] = byte(n)
		if _, err := driver.ParseID(id.String()); err == nil {
			t.Errorf("ParseID takes unknown layout %d", n)
		}
	}
}

func TestLayoutFor(t *testing.T) {
	for _, tt := range []struct {
		lifetime time.Duration
		want     driver.Layout
	}{
		{0, driver.LayoutHour},
		{time.Minute, driver.LayoutHour},
		{aDay, driver.LayoutHour},
		{aDay + 1, driver.LayoutDay},
		{30 * aDay, driver.LayoutDay},
		{45 * aDay, driver.LayoutDay},
		{45*aDay + 1, driver.LayoutWeek},
		{200 * aDay, driver.LayoutWeek},
		{200*aDay + 1, driver.LayoutMonth},
		{driver.MaxLifetime, driver.LayoutMonth},
	} {
		got := driver.LayoutFor(tt.lifetime)
		if got != tt.want {
			t.Errorf("LayoutFor(%v) is %v, want %v", tt.lifetime, got, tt.want)
		}
		if got.MaxLifetime() < tt.lifetime {
			t.Errorf("LayoutFor(%v) is %v, which lives %v only", tt.lifetime, got, got.MaxLifetime())
		}
	}
	if driver.MaxLifetime != 400*aDay {
		t.Errorf("LongestLifetime is %v", driver.MaxLifetime)
	}
}

// TestPeriod tests both sides of the boundaries, in UTC whatever the zone.
func TestPeriod(t *testing.T) {
	at := func(s string) time.Time {
		t.Helper()
		u, err := time.Parse("2006-01-02 15:04:05.000", s+"00:00:00.000"[len(s)-11:])
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	for _, tt := range []struct {
		layout         driver.Layout
		at, start, end string
	}{
		{driver.LayoutHour, "2026-11-23 14:00:00.000", "2026-11-23 14", "2026-11-23 15"},
		{driver.LayoutHour, "2026-11-23 13:59:59.999", "2026-11-23 13", "2026-11-23 14"},
		{driver.LayoutHour, "2026-12-31 23:30:00.000", "2026-12-31 23", "2027-01-01 00"},
		{driver.LayoutDay, "2026-11-23 00:00:00.000", "2026-11-23 00", "2026-11-24 00"},
		{driver.LayoutDay, "2026-11-22 23:59:59.999", "2026-11-22 00", "2026-11-23 00"},
		{driver.LayoutDay, "2028-02-29 12:00:00.000", "2028-02-29 00", "2028-03-01 00"},
		// 2026-11-23 is a Monday.
		{driver.LayoutWeek, "2026-11-23 00:00:00.000", "2026-11-23 00", "2026-11-30 00"},
		{driver.LayoutWeek, "2026-11-22 23:59:59.999", "2026-11-16 00", "2026-11-23 00"},
		{driver.LayoutWeek, "2026-11-24 01:00:00.000", "2026-11-23 00", "2026-11-30 00"},
		{driver.LayoutWeek, "2026-11-28 01:00:00.000", "2026-11-23 00", "2026-11-30 00"},
		{driver.LayoutWeek, "2026-11-29 23:59:59.999", "2026-11-23 00", "2026-11-30 00"},
		{driver.LayoutWeek, "2027-01-01 12:00:00.000", "2026-12-28 00", "2027-01-04 00"},
		{driver.LayoutMonth, "2026-11-01 00:00:00.000", "2026-11-01 00", "2026-12-01 00"},
		{driver.LayoutMonth, "2026-10-31 23:59:59.999", "2026-10-01 00", "2026-11-01 00"},
		{driver.LayoutMonth, "2026-12-15 00:00:00.000", "2026-12-01 00", "2027-01-01 00"},
		{driver.LayoutMonth, "2028-02-29 23:59:59.999", "2028-02-01 00", "2028-03-01 00"},
	} {
		moment, wantStart, wantEnd := at(tt.at), at(tt.start), at(tt.end)
		for _, zone := range []*time.Location{time.UTC, time.FixedZone("east", 14*3600), time.FixedZone("west", -11*3600)} {
			start, end, ok := tt.layout.Period(moment.In(zone))
			if !ok || !start.Equal(wantStart) || !end.Equal(wantEnd) {
				t.Errorf("%v of %s (%v): %v to %v", tt.layout, tt.at, zone, start, end)
			}
			if start.Location() != time.UTC || end.Location() != time.UTC {
				t.Errorf("%v of %s (%v) is in %v, want UTC", tt.layout, tt.at, zone, start.Location())
			}
		}
		id := driver.NewID(tt.layout, moment)
		if start, end, ok := id.Period(); !ok || !start.Equal(wantStart) || !end.Equal(wantEnd) {
			t.Errorf("the period of an id of %s: %v to %v", tt.at, start, end)
		}
	}
}

// TestPeriodsTile walks through some years: each moment lies in its period, and each
// period ends where the next starts.
func TestPeriodsTile(t *testing.T) {
	for _, l := range []driver.Layout{driver.LayoutHour, driver.LayoutDay, driver.LayoutWeek, driver.LayoutMonth} {
		from, to := time.Date(2023, 12, 25, 3, 4, 5, 6e6, time.UTC), time.Date(2029, 1, 10, 0, 0, 0, 0, time.UTC)
		if l == driver.LayoutHour {
			to = from.AddDate(0, 3, 0)
		}
		for at := from; at.Before(to); {
			start, end, _ := l.Period(at)
			if at.Before(start) || !at.Before(end) {
				t.Fatalf("%v: %v lies outside of %v to %v", l, at, start, end)
			}
			for _, inside := range []time.Time{start, end.Add(-time.Millisecond)} {
				if s, e, _ := l.Period(inside); !s.Equal(start) || !e.Equal(end) {
					t.Fatalf("%v: %v lies in %v to %v, %v in %v to %v", l, at, start, end, inside, s, e)
				}
			}
			if next, _, _ := l.Period(end); !next.Equal(end) {
				t.Fatalf("%v: after %v comes %v", l, end, next)
			}
			at = end.Add(at.Sub(start) % (59 * time.Minute))
		}
	}
}

// TestIDTime: the time in an id is cut to the millisecond, and in UTC.
func TestIDTime(t *testing.T) {
	for _, at := range []time.Time{
		time.Date(2026, 11, 23, 1, 2, 3, 456_789_123, time.FixedZone("east", 3600)),
		time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(1970, 1, 1, 0, 0, 0, 999_999, time.UTC),
		time.UnixMilli(1<<48 - 1), // the last, in the year 10889
	} {
		got := driver.NewID(driver.LayoutDay, at).Time()
		if want := at.UTC().Truncate(time.Millisecond); !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("an id made at %v says %v, want %v", at, got, want)
		}
	}
	var id driver.ID
	id[6] = 2
	for i := range 6 {
		id[i] = byte(i + 1)
	}
	if got, want := id.Time().UnixMilli(), int64(0x010203040506); got != want {
		t.Errorf("bytes 1 to 6 are read as %d ms, want %d: big endian", got, want)
	}
}

// TestNewID: the layout is at its place, and all bytes behind it are random.
func TestNewID(t *testing.T) {
	now := time.Date(2026, 11, 23, 1, 2, 3, 0, time.UTC)
	const n = 2000
	seen := map[driver.ID]bool{}
	var or, and [16]byte
	for i := range and {
		and[i] = 0xff
	}
	for range n {
		id := driver.NewID(driver.LayoutWeek, now)
		if seen[id] {
			t.Fatalf("%v was drawn twice", id)
		}
		seen[id] = true
		for i, b := range id {
			or[i] |= b
			and[i] &= b
		}
	}
	for i := range 16 {
		random := or[i] == 0xff && and[i] == 0
		fixed := or[i] == and[i]
		if want := i >= 7; random != want || fixed == want {
			t.Errorf("byte %d: random %v, fixed %v", i, random, fixed)
		}
	}
	if or[6] != 3 {
		t.Errorf("layout byte %d, want 3", or[6])
	}
	if (driver.ID{}).IsZero() != true || (driver.ID{15: 1}).IsZero() {
		t.Error("IsZero is wrong")
	}
}

// TestIDOrder: ids of a later time sort behind those of an earlier one. Stores rely on
// it.
func TestIDOrder(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	for _, step := range []time.Duration{time.Millisecond, time.Second, 40 * aDay} {
		a, b := driver.NewID(driver.LayoutDay, now), driver.NewID(driver.LayoutDay, now.Add(step))
		if bytes.Compare(a[:], b[:]) >= 0 {
			t.Errorf("%x of %v doesn't sort before %x, %v later", a, now, b, step)
		}
	}
}

func TestIDText(t *testing.T) {
	type doc struct {
		ID  driver.ID            `json:"id"`
		Map map[driver.ID]string `json:"map"`
	}
	id := driver.NewID(driver.LayoutDay, time.Now())
	if n := len(id.String()); n != 22 {
		t.Errorf("%q has %d characters", id, n)
	}
	if want := base64.RawURLEncoding.EncodeToString(id[:]); id.String() != want {
		t.Errorf("String: %s, want %s", id, want)
	}
	raw, err := json.Marshal(doc{id, map[driver.ID]string{id: "x"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf(`{"id":%q,"map":{%q:"x"}}`, id, id); string(raw) != want {
		t.Errorf("as JSON: %s, want %s", raw, want)
	}
	var back doc
	if err := json.Unmarshal(raw, &back); err != nil || back.ID != id || back.Map[id] != "x" {
		t.Errorf("back from JSON: %+v, %v", back, err)
	}
	kept := id
	if err := kept.UnmarshalText([]byte("nonsense")); err == nil || kept != id {
		t.Errorf("UnmarshalText of nonsense: %v, left %v", err, kept)
	}
}

// TestParseIDStrict writes a good id in other ways.
func TestParseIDStrict(t *testing.T) {
	// Zeros at the end, so that a text which lacks them differs only in length.
	id := driver.ID{1, 2, 3, 0xfb, 0xff, 6, byte(driver.LayoutDay), 0xf8, 9}
	text := id.String()
	if got, err := driver.ParseID(text); err != nil || got != id {
		t.Fatalf("ParseID(%q): %v, %v", text, got, err)
	}
	if !strings.ContainsAny(text, "-_") {
		t.Fatalf("%q has none of the characters that alphabets differ in", text)
	}
	for what, other := range map[string]string{
		"empty":                  "",
		"a character less":       text[:21],
		"a character more":       text + "A",
		"padding":                text + "==",
		"padding for the last":   text[:20] + "==",
		"standard alphabet":      strings.NewReplacer("-", "+", "_", "/").Replace(text),
		"hexadecimal":            fmt.Sprintf("%x", id),
		"a space before":         " " + text,
		"a space for the first":  " " + text[1:],
		"a space behind":         text + " ",
		"a line end behind":      text + "\n",
		"a line end, one cut":    text[:21] + "\n",
		"two line ends, two cut": text[:20] + "\n\n",
		"line ends at the front": "\n\r" + text[:20],
		"line ends inside":       text[:10] + "\r\n" + text[10:20],
		"three line ends":        text[:19] + "\n\n\n",
		"four line ends":         text[:18] + "\n\r\n\r",
		"spare bits":             text[:21] + "B",
		"NUL":                    text[:21] + "\x00",
		"percent":                "%41" + text[3:],
		"not ASCII":              "é" + text[2:],
	} {
		got, err := driver.ParseID(other)
		if err == nil {
			t.Errorf("%s: ParseID takes %q for %v", what, other, got)
		}
		if !got.IsZero() {
			t.Errorf("%s: an error, but also %v", what, got)
		}
		var kept driver.ID
		if err := kept.UnmarshalText([]byte(other)); err == nil {
			t.Errorf("%s: UnmarshalText takes %q for %v", what, other, kept)
		}
	}
}

func FuzzParseID(f *testing.F) {
	for _, tt := range layouts {
		f.Add(driver.ID{0: 1, 6: tt.number, 15: 255}.String())
	}
	f.Add("")
	f.Add(strings.Repeat("A", 22))
	f.Add(strings.Repeat("\n", 22))
	f.Fuzz(func(t *testing.T, text string) {
		id, err := driver.ParseID(text)
		if err != nil {
			if !id.IsZero() {
				t.Errorf("an error, but also %v", id)
			}
			return
		}
		if id.String() != text {
			t.Errorf("%q is accepted, but written %q", text, id)
		}
		if l := id.Layout(); l.MaxLifetime() == 0 {
			t.Errorf("%q is accepted with the unknown layout %d", text, l)
		}
		if start, end, ok := id.Period(); ok && (id.Time().Before(start) || !id.Time().Before(end)) {
			t.Errorf("%q of %v lies outside of its period, %v to %v", text, id.Time(), start, end)
		}
	})
}

func FuzzIDRoundTrip(f *testing.F) {
	f.Add([]byte("0123456789abcdef"))
	f.Add(make([]byte, 16))
	f.Add(bytes.Repeat([]byte{0xff}, 16))
	f.Fuzz(func(t *testing.T, b []byte) {
		var id driver.ID
		copy(id[:], b)
		got, err := driver.ParseID(id.String())
		if known := id.Layout().MaxLifetime() > 0; known != (err == nil) || known && got != id {
			t.Errorf("%v (%v) is read as %v, %v", id, id.Layout(), got, err)
		}
	})
}

// TestLedgerIDGolden guards the ids of ledgers: under another id a stored ledger would
// be lost.
func TestLedgerIDGolden(t *testing.T) {
	var b bytes.Buffer
	for _, s := range [][2]string{
		{"session", "ann"}, {"session", "ann@example.com"}, {"session", "Łukasz"}, {"shop", "ann"},
		{"", "ann"}, {"session", "a"}, {"session", strings.Repeat("x", 512)},
	} {
		id := driver.LedgerID(s[0], s[1])
		fmt.Fprintf(&b, "app %q principal %q\n%s %x\n\n", s[0], s[1], id, id[:])
	}
	goldenFile(t, "ledgerids.golden", b.Bytes())
}

// TestLedgerID: any other app or principal has another ledger, also where only the
// boundary between the two differs.
func TestLedgerID(t *testing.T) {
	seen := map[driver.ID]string{}
	for _, s := range [][2]string{
		{"shop", "ann"}, {"shopa", "nn"}, {"sho", "pann"}, {"", "shopann"}, {"shopann", ""},
		{"ann", "shop"}, {"shop", "Ann"}, {"Shop", "ann"}, {"shop", "ann "}, {"shop", "ann\x00"}, {"shop\x00", "ann"},
		{"shop\x00\x00\x00\x03", "ann"}, {"shop", "\x00\x00\x00\x03ann"}, {"shop", ""}, {"", "shop"}, {"", ""},
		{"shop", "jos\u00e9"}, {"shop", "jose\u0301"},
	} {
		id := driver.LedgerID(s[0], s[1])
		if other, ok := seen[id]; ok {
			t.Errorf("%q and %s have one ledger", s, other)
		}
		seen[id] = fmt.Sprintf("%q", s)
		if id != driver.LedgerID(s[0], s[1]) {
			t.Errorf("%q has two ledgers", s)
		}
		if id.Layout() != driver.LayoutLedger || !id.Time().IsZero() {
			t.Errorf("%q: layout %v, time %v", s, id.Layout(), id.Time())
		}
		if _, _, ok := id.Period(); ok {
			t.Errorf("%q has a period", s)
		}
	}
}
