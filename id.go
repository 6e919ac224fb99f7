package cloakroom

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"
)

// ID names a session. It is no credential: it may be shown, logged and put
// into URLs.
//
// Its 16 bytes are the time of its making in Unix milliseconds (6 bytes, big
// endian), a layout (1 byte) and 9 random bytes. Ids of layouts that are not
// made from a time, ledgers and imports, are derived: all bytes but the layout
// come from a hash. Ids are never reused.
type ID [16]byte

const layoutAt = 6

// Layout says how a record is laid out in stores that keep records by periods
// of time: which period an id belongs to is a matter of the id alone.
type Layout uint8

// The layouts. A store takes ids of all of them.
const (
	LayoutHour   Layout = 1 // kept by the hour it was made in
	LayoutDay    Layout = 2 // kept by the day
	LayoutWeek   Layout = 3 // kept by the week, from Monday
	LayoutMonth  Layout = 4 // kept by the month
	LayoutFixed  Layout = 5 // made from a time, but kept in no period
	LayoutLedger Layout = 6 // the ledger of a principal; derived
	LayoutImport Layout = 7 // a session adopted from elsewhere; derived
)

// LongestLifetime is the longest lifetime that a session can be given: 400
// days, which is also how long browsers keep a cookie at most (RFC 6265bis).
const LongestLifetime = 400 * 24 * time.Hour

// ClockTolerance is how far the clocks of the machines that share a store may
// lie apart. Ids from further in the future are refused, and nothing is
// removed from a store before this much time has passed since its deadline.
const ClockTolerance = 2 * time.Minute

type layoutInfo struct {
	name    string
	longest time.Duration // the longest lifetime that gets this layout
	period  func(time.Time) (start, end time.Time)
}

// layoutOf is the one registry of layouts.
func layoutOf(l Layout) (layoutInfo, bool) {
	const day = 24 * time.Hour
	switch l {
	case LayoutHour:
		return layoutInfo{"hour", day, func(t time.Time) (time.Time, time.Time) {
			start := t.Truncate(time.Hour)
			return start, start.Add(time.Hour)
		}}, true
	case LayoutDay:
		return layoutInfo{"day", 45 * day, func(t time.Time) (time.Time, time.Time) {
			start := t.Truncate(day)
			return start, start.Add(day)
		}}, true
	case LayoutWeek:
		return layoutInfo{"week", 200 * day, func(t time.Time) (time.Time, time.Time) {
			start := t.Truncate(day)
			start = start.AddDate(0, 0, -(int(start.Weekday())+6)%7)
			return start, start.AddDate(0, 0, 7)
		}}, true
	case LayoutMonth:
		return layoutInfo{"month", LongestLifetime, func(t time.Time) (time.Time, time.Time) {
			start := time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
			return start, start.AddDate(0, 1, 0)
		}}, true
	case LayoutFixed:
		return layoutInfo{"fixed", LongestLifetime, nil}, true
	case LayoutLedger:
		return layoutInfo{"ledger", LongestLifetime, nil}, true
	case LayoutImport:
		return layoutInfo{"import", LongestLifetime, nil}, true
	}
	return layoutInfo{}, false
}

// LayoutFor returns the layout for sessions that live no longer than lifetime:
// the shortest period that still makes only some dozens of live periods.
func LayoutFor(lifetime time.Duration) Layout {
	for l := LayoutHour; l < LayoutMonth; l++ {
		if info, _ := layoutOf(l); lifetime <= info.longest {
			return l
		}
	}
	return LayoutMonth
}

// String returns the layout's name, such as "day".
func (l Layout) String() string {
	if info, ok := layoutOf(l); ok {
		return info.name
	}
	return fmt.Sprintf("layout %d", uint8(l))
}

// LongestLifetime returns how long a session of this layout can live.
func (l Layout) LongestLifetime() time.Duration {
	info, _ := layoutOf(l)
	return info.longest
}

// NewID makes a new id from a time, in one of the layouts hour to fixed. It
// takes its randomness from crypto/rand.
func NewID(l Layout, now time.Time) ID {
	var id ID
	putMillis(&id, now)
	id[layoutAt] = byte(l)
	_, _ = rand.Read(id[layoutAt+1:]) // never fails (crypto/rand)
	return id
}

// LedgerID returns the id of a principal's ledger in an app.
func LedgerID(app, principal string) ID {
	return derivedID(LayoutLedger, "cloakroom ledger v1", app, principal)
}

// derivedID hashes length-prefixed parts (SHA-256, cut to 15 bytes) around a
// layout byte.
func derivedID(l Layout, parts ...string) ID {
	h := sha256.New()
	var n [4]byte
	for _, p := range parts {
		binary.BigEndian.PutUint32(n[:], uint32(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	sum := h.Sum(nil)
	var id ID
	copy(id[:], sum)
	id[layoutAt] = byte(l)
	return id
}

func putMillis(id *ID, t time.Time) {
	ms := uint64(t.UnixMilli())
	id[0], id[1], id[2], id[3], id[4], id[5] = byte(ms>>40), byte(ms>>32), byte(ms>>24), byte(ms>>16), byte(ms>>8), byte(ms)
}

// Layout returns the id's layout.
func (id ID) Layout() Layout { return Layout(id[layoutAt]) }

// Time returns when the id was made, to the millisecond, in UTC. It is the
// zero time for derived ids, which don't tell.
func (id ID) Time() time.Time {
	switch id.Layout() {
	case LayoutLedger, LayoutImport:
		return time.Time{}
	}
	ms := uint64(binary.BigEndian.Uint16(id[:2]))<<32 | uint64(binary.BigEndian.Uint32(id[2:6]))
	return time.UnixMilli(int64(ms)).UTC()
}

// Period returns the period of time, in UTC, that the id's record is kept in:
// from start, inclusive, to end. ok is false for layouts without periods.
func (id ID) Period() (start, end time.Time, ok bool) {
	return id.Layout().Period(id.Time())
}

// Period returns the layout's period that t lies in; see ID.Period.
func (l Layout) Period(t time.Time) (start, end time.Time, ok bool) {
	info, known := layoutOf(l)
	if !known || info.period == nil {
		return time.Time{}, time.Time{}, false
	}
	start, end = info.period(t.UTC())
	return start, end, true
}

// IsZero reports whether the id is unset.
func (id ID) IsZero() bool { return id == ID{} }

// String returns the id as text: base64url without padding, 22 characters.
func (id ID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// MarshalText returns what String does.
func (id ID) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, id[:]), nil
}

// UnmarshalText is the inverse of MarshalText; see ParseID.
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := ParseID(string(text))
	if err == nil {
		*id = parsed
	}
	return err
}

// textEncoding is how ids and revs are written. Strict makes a copy, which is
// not to be made for each.
var textEncoding = base64.RawURLEncoding.Strict()

// ParseID reads an id from its text. It accepts exactly what String returns,
// with a layout that is known.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != base64.RawURLEncoding.EncodedLen(len(id)) {
		return ID{}, fmt.Errorf("id of %d characters: an id has 22", len(s))
	}
	if n, err := textEncoding.Decode(id[:], []byte(s)); err != nil || n != len(id) {
		return ID{}, fmt.Errorf("id %q is not base64url without padding", s)
	}
	if _, ok := layoutOf(id.Layout()); !ok {
		return ID{}, fmt.Errorf("id %q has the unknown layout %d", s, id[layoutAt])
	}
	return id, nil
}
