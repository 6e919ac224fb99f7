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

// This file is the content of a ledger, and its form in a record.

// ledger is what the record of kind KindLedger keeps of one principal in one
// app: which of its sessions are live, exactly and at once, so that signing out
// everywhere needs no search. An id is entered before its sign-in returns, and
// leaves only when its record has been buried or its deadline has passed.
type ledger struct {
	// Generation is drawn anew by each RevokeAll. A sign-in that began under
	// another one fails. The zero WriteID is that of a missing ledger, and of one
	// that a sign-in made.
	Generation driver.WriteID `json:"generation"`
	Live       []ledgerEntry  `json:"live,omitempty"` // in the order of sign-in
	// Ending are sessions that someone began to end: whoever next writes the
	// ledger buries them before taking them out.
	Ending []ledgerEntry `json:"ending,omitempty"`

	extra driver.ValueList // members that a newer version put there
}

type ledgerEntry struct {
	ID       driver.ID `json:"id"`
	Deadline int64     `json:"deadline"` // Unix milliseconds

	extra driver.ValueList // as in a ledger
}

func (e ledgerEntry) deadline() time.Time { return time.UnixMilli(e.Deadline).UTC() }

// ledgerValue is the name of a ledger's one value.
const ledgerValue = "ledger"

// readLedger understands a ledger's record.
func readLedger(rec *driver.Record, app, principal string) (ledger, error) {
	raw := rec.Values.Get(ledgerValue)
	if raw == nil { // just begun
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

// decodeLedger reads a ledger, with the members that this version doesn't know.
func decodeLedger(raw json.RawMessage) (l ledger, err error) {
	strict := json.NewDecoder(bytes.NewReader(raw))
	strict.DisallowUnknownFields()
	if strict.Decode(&l) == nil { // it is as this version writes it
		return l, nil
	}
	l = ledger{}
	if err := json.Unmarshal(raw, &l); err != nil {
		return l, err
	}
	var lists struct{ Live, Ending []json.RawMessage }
	err = json.Unmarshal(raw, &lists)
	l.extra = membersBut(raw, "generation", "live", "ending")
	for i := range l.Live {
		l.Live[i].extra = membersBut(lists.Live[i], "id", "deadline")
	}
	for i := range l.Ending {
		l.Ending[i].extra = membersBut(lists.Ending[i], "id", "deadline")
	}
	return l, err
}

// membersBut returns the members of a JSON object without those of some names.
func membersBut(object json.RawMessage, known ...string) driver.ValueList {
	var all map[string]json.RawMessage
	if json.Unmarshal(object, &all) != nil {
		return nil
	}
	for _, name := range known {
		delete(all, name)
	}
	return driver.NewValueList(all)
}

// MarshalJSON is the inverse of decodeLedger.
func (l ledger) MarshalJSON() ([]byte, error) {
	type plain ledger
	return marshalWith(plain(l), l.extra)
}

// MarshalJSON writes an entry as decodeLedger reads it.
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

// CheckPrincipal returns a driver.ErrInvalid that says what is wrong with a principal,
// or nil. Methods of Records don't check it again.
func CheckPrincipal(p string) error {
	switch {
	case p == "":
		return fmt.Errorf("cloakroom: empty principal: %w", driver.ErrInvalid)
	case len(p) > 512:
		return fmt.Errorf("cloakroom: principal of %d bytes: at most 512 are allowed: %w", len(p), driver.ErrInvalid)
	case !utf8.ValidString(p):
		return fmt.Errorf("cloakroom: principal %q is not valid UTF-8: %w", p, driver.ErrInvalid)
	}
	for _, r := range p {
		if unicode.IsControl(r) {
			return fmt.Errorf("cloakroom: principal %q has a control character: %w", p, driver.ErrInvalid)
		}
	}
	return nil
}

// errNoEntry refuses a change that would take nothing out.
var errNoEntry = errors.New("cloakroom: not in the ledger")

// without takes entries out of a list. errNoEntry: there were none to be taken out.
func without(list *[]ledgerEntry, out func(ledgerEntry) bool) error {
	n := len(*list)
	if *list = slices.DeleteFunc(*list, out); len(*list) == n {
		return errNoEntry
	}
	return nil
}
