package driver

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"
)

// This file is ID, the name of a session.

// ID names a session. It is no credential: it may be shown, logged and put into URLs.
//
// Its 16 bytes are the time of its making in Unix milliseconds (6 bytes, big endian), a
// layout (1 byte) and 9 random bytes. Ids of ledgers and imports are not made from a
// time but derived: all bytes but the layout come from a hash. The id of a session is
// never used for another. A ledger that was removed is made again under its id. Stores
// don't check ids: they keep those that they are given. The last bytes of all ids are
// evenly spread.
//
// The text of an id is case-sensitive, and may begin with "-" or "_". Where that doesn't
// do for a name, as in some file systems, use the bytes.
type ID [16]byte

const layoutAt = 6

// NewID makes a new id from a time, in one of the layouts hour to month. It takes its
// randomness from crypto/rand.
func NewID(l Layout, now time.Time) ID {
	var id ID
	putMillis(&id, now)
	id[layoutAt] = byte(l)
	_, _ = rand.Read(id[layoutAt+1:]) // never fails (crypto/rand)
	return id
}

// LedgerID returns the id of a principal's ledger in an app.
func LedgerID(app, principal string) ID {
	return DerivedID(LayoutLedger, "cloakroom ledger v1", app, principal)
}

// DerivedID makes an id from a hash of length-prefixed parts (SHA-256, cut to 15 bytes)
// and a layout byte.
func DerivedID(l Layout, parts ...string) ID {
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

// Time returns the time of the id's making, to the millisecond, in UTC. For derived ids,
// which have none, it returns the zero time.
func (id ID) Time() time.Time {
	switch id.Layout() {
	case LayoutLedger, LayoutImport:
		return time.Time{}
	}
	ms := uint64(binary.BigEndian.Uint16(id[:2]))<<32 | uint64(binary.BigEndian.Uint32(id[2:6]))
	return time.UnixMilli(int64(ms)).UTC()
}

// Period returns the period of time, in UTC, in which the id's record is kept: from
// start, inclusive, to end, exclusive. ok is false for layouts without periods.
func (id ID) Period() (start, end time.Time, ok bool) {
	return id.Layout().Period(id.Time())
}

// IsZero reports whether the id is unset.
func (id ID) IsZero() bool { return id == ID{} }

// String returns the id as text: base64url without padding, 22 characters. The
// order of texts, which is that of Cursor.Compare, isn't that of the bytes.
func (id ID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// MarshalText returns the text that String returns.
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

// ParseID reads an id from its text. It accepts exactly the results of String for known
// layouts, and otherwise returns an error that quotes s.
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
