package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the content of a ledger, its JSON in a record, and the rules for a
// principal.

// ledger lists the sessions of one principal in one app, in a record of kind KindLedger.
// It is exact at once, so signing out everywhere needs a search only where the ledger was
// lost. An id is entered before its sign-in returns. It leaves only when its record has
// been buried or its deadline has passed.
type ledger struct {
	// Generation is drawn anew by each RevokeAll. A sign-in that began under another one
	// fails. It is zero for a missing ledger, and for one that a sign-in made.
	Generation driver.WriteID `json:"generation"`
	Live       []ledgerEntry  `json:"live,omitempty"` // in the order of sign-in
	// Ending are sessions that someone began to end. The next writer of the ledger buries
	// them before it takes them out.
	Ending []ledgerEntry `json:"ending,omitempty"`
	// SignedOut says when RevokeAll drew a generation. Under another generation it says
	// nothing: an older version drew that one, and kept no time.
	SignedOut *signedOut `json:"signedOut,omitempty"`

	extra driver.ValueList // members that a newer version put there
}

// signedOut is the last sign-out everywhere, without exceptions. Only operators read it.
type signedOut struct {
	At         int64          `json:"at"` // Unix milliseconds
	Generation driver.WriteID `json:"generation"`

	raw json.RawMessage // as a newer version wrote it, with further members
}

// MarshalJSON implements json.Marshaler.
func (s signedOut) MarshalJSON() ([]byte, error) {
	if s.raw != nil {
		return s.raw, nil
	}
	type plain signedOut
	return json.Marshal(plain(s))
}

// signedOutAt returns what a ledger says of sign-outs once RevokeAll has drawn a generation.
// One that spares a session is none everywhere, and leaves the time of the last.
func (l *ledger) signedOutAt(now time.Time, generation driver.WriteID, everywhere bool) *signedOut {
	switch last := l.SignedOut; {
	case everywhere:
		return &signedOut{At: now.UnixMilli(), Generation: generation}
	case last != nil && last.Generation == l.Generation:
		return &signedOut{At: last.At, Generation: generation}
	}
	return nil
}

type ledgerEntry struct {
	ID       driver.ID `json:"id"`
	Deadline int64     `json:"deadline"` // Unix milliseconds
	// OverLimit says that the session is ending because of a limit. An older version ends
	// it as revoked.
	OverLimit bool `json:"limit,omitempty"`

	extra driver.ValueList // as in a ledger
}

// reason returns the reason for which the session is ending.
func (e ledgerEntry) reason() driver.EndReason {
	if e.OverLimit {
		return driver.EndOverLimit
	}
	return driver.EndRevoked
}

func (e ledgerEntry) deadline() time.Time { return time.UnixMilli(e.Deadline).UTC() }

// LedgerFault names what is wrong with a ledger.
type LedgerFault string

// The faults. When they are told, an unreadable ledger has been replaced, a foreign
// session has been left alone, and one that was missing has been entered or ended.
const (
	LedgerUnreadable LedgerFault = "unreadable" // it couldn't be understood, and was replaced
	LedgerForeign    LedgerFault = "foreign"    // it named a session that isn't the principal's
	LedgerIncomplete LedgerFault = "incomplete" // it didn't name a session of the principal
)

// ledgerValue is the name of a ledger's one value.
const ledgerValue = "ledger"

// readLedger decodes the record of a ledger. A record that isn't this ledger is
// driver.ErrCorrupt.
func readLedger(rec *driver.Record, app, principal string) (ledger, error) {
	raw := rec.Values.Get(ledgerValue)
	if raw == nil { // just begun, or emptied
		return ledger{}, nil
	}
	if rec.Kind != driver.KindLedger || rec.App != app || rec.Principal != principal {
		return ledger{}, fmt.Errorf("cloakroom: record %v is not the ledger of %q: %w", rec.ID, principal, driver.ErrCorrupt)
	}
	l, err := decodeLedger(raw)
	if err != nil {
		return ledger{}, fmt.Errorf("cloakroom: ledger of %q: %w: %w", principal, driver.ErrCorrupt, err)
	}
	return l, nil
}

// decodeLedger decodes a ledger, and keeps the members that this version doesn't know.
// Names have to be exact, each once: encoding/json takes "LIVE" for "live", and the last
// of two.
func decodeLedger(raw json.RawMessage) (ledger, error) {
	var l ledger
	if json.Unmarshal(raw, &l) == nil {
		if again, err := json.Marshal(l); err == nil && bytes.Equal(again, raw) {
			return l, nil // as this version writes it
		}
	}
	l = ledger{}
	members, err := membersOf(raw)
	if err != nil {
		return l, err
	}
	for name, value := range members {
		switch name {
		case "generation":
			err = json.Unmarshal(value, &l.Generation)
		case "live":
			l.Live, err = decodeEntries(value)
		case "ending":
			l.Ending, err = decodeEntries(value)
		case "signedOut":
			if json.Unmarshal(value, &l.SignedOut) != nil {
				l.SignedOut = nil // nothing depends on it
			} else if l.SignedOut != nil {
				l.SignedOut.raw = bytes.Clone(value)
			}
		default:
			continue
		}
		if err != nil {
			return l, fmt.Errorf("its %s: %w", name, err)
		}
		delete(members, name)
	}
	l.extra = driver.NewValueList(members)
	return l, nil
}

func decodeEntries(raw json.RawMessage) ([]ledgerEntry, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, err
	}
	if list == nil {
		return nil, errors.New("null is no list")
	}
	entries := make([]ledgerEntry, len(list))
	for i, object := range list {
		members, err := membersOf(object)
		if err != nil {
			return nil, err
		}
		e := &entries[i]
		var deadline *int64
		if err := errors.Join(json.Unmarshal(members["id"], &e.ID), json.Unmarshal(members["deadline"], &deadline)); err != nil {
			return nil, fmt.Errorf("entry %d: %w", i+1, err)
		}
		if deadline == nil {
			return nil, fmt.Errorf("entry %d has no deadline", i+1)
		}
		e.Deadline = *deadline
		delete(members, "id")
		delete(members, "deadline")
		e.OverLimit = string(members["limit"]) == "true"
		delete(members, "limit")
		e.extra = driver.NewValueList(members)
	}
	return entries, nil
}

// membersOf returns the members of a JSON object. It refuses a name that comes twice.
func membersOf(object json.RawMessage) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(object))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("it is no JSON object")
	}
	members := make(map[string]json.RawMessage)
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string)
		if _, twice := members[name]; twice {
			return nil, fmt.Errorf("it has the member %q twice", name)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		members[name] = value
	}
	return members, nil
}

// MarshalJSON writes a ledger as decodeLedger reads it, with its unknown members.
func (l ledger) MarshalJSON() ([]byte, error) {
	type plain ledger
	return marshalWith(plain(l), l.extra)
}

// MarshalJSON writes an entry as decodeLedger reads it, with its unknown members.
func (e ledgerEntry) MarshalJSON() ([]byte, error) {
	type plain ledgerEntry
	return marshalWith(plain(e), e.extra)
}

// marshalWith encodes a struct as a JSON object, with further members.
func marshalWith(plain any, extra driver.ValueList) ([]byte, error) {
	b, err := json.Marshal(plain)
	if err != nil || len(extra) == 0 {
		return b, err
	}
	m, err := json.Marshal(maps.Collect(extra.All()))
	if err != nil {
		return nil, err
	}
	return append(append(b[:len(b)-1], ','), m[1:]...), nil // neither is empty
}

// ErrPrincipal says that a text is no principal. It wraps driver.ErrInvalid.
var ErrPrincipal = fmt.Errorf("not a principal: %w", driver.ErrInvalid)

// CheckPrincipal returns nil for 1 to 512 bytes of UTF-8 without control characters. Any
// other text is an ErrPrincipal that says what is wrong. Methods of Records don't check
// it again.
func CheckPrincipal(p string) error {
	switch {
	case p == "":
		return fmt.Errorf("cloakroom: empty principal: %w", ErrPrincipal)
	case len(p) > 512:
		return fmt.Errorf("cloakroom: principal of %d bytes: at most 512 are allowed: %w", len(p), ErrPrincipal)
	case !utf8.ValidString(p):
		return fmt.Errorf("cloakroom: principal %q is not valid UTF-8: %w", p, ErrPrincipal)
	}
	for _, r := range p {
		if unicode.IsControl(r) {
			return fmt.Errorf("cloakroom: principal %q has a control character: %w", p, ErrPrincipal)
		}
	}
	return nil
}

// errNoEntry refuses a change that would take nothing out of the ledger, or enter
// nothing.
var errNoEntry = errors.New("cloakroom: not in the ledger")

// without takes entries out of a list. It returns errNoEntry if there were none to take
// out.
func without(list *[]ledgerEntry, out func(ledgerEntry) bool) error {
	n := len(*list)
	if *list = slices.DeleteFunc(*list, out); len(*list) == n {
		return errNoEntry
	}
	return nil
}
