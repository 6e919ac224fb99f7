package protocol

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the marks by which a sign-in whose answer was lost can be repeated. A
// record says whether the session has been used, and which values were carried into it. A
// grave keeps the verifier of the session that was replaced.

// unusedAsCarried is the mark of a record that still has the values that were carried
// into it. Once they change, the mark is the carried values as a text, since some engines
// are particular about the names in objects.
const unusedAsCarried = "true"

// IsUnused reports whether no request has presented the token of the session's sign-in, or
// of its import. Any other session counts as used, and so does one of a version that
// doesn't mark them.
func IsUnused(rec *driver.Record) bool {
	if len(rec.Extra) == 0 {
		return false
	}
	m, imported := importMarkOf(rec)
	return rec.Extra.Get(driver.ExtraUnused) != nil || imported && m.Used == 0
}

// MarkUsed makes next a session whose token a request has presented, at a time.
func MarkUsed(next *driver.Record, at time.Time) {
	next.Extra = next.Extra.Without(driver.ExtraUnused)
	if m, imported := importMarkOf(next); imported && m.Used == 0 {
		m.Used = at.UnixMilli()
		m.putInto(next)
	}
}

// markUnused makes next a session whose token nobody has presented.
func markUnused(next *driver.Record) {
	next.Extra = next.Extra.With(driver.ExtraUnused, json.RawMessage(unusedAsCarried))
}

// Carried returns the values that were carried into a session that is unused. Values set
// since belong to its sign-in alone. It returns nil for a mark that can't be understood.
func Carried(rec *driver.Record) driver.ValueList {
	raw := rec.Extra.Get(driver.ExtraUnused)
	if string(raw) == unusedAsCarried {
		return rec.Values
	}
	var text string
	var values map[string]json.RawMessage
	if json.Unmarshal(raw, &text) != nil || json.Unmarshal([]byte(text), &values) != nil {
		return nil
	}
	return driver.NewValueList(values)
}

// keepCarried puts the carried values into next's mark, if next is unused and is the
// first to change them. before is the state that next was made of.
func keepCarried(before, next *driver.Record) {
	if string(next.Extra.Get(driver.ExtraUnused)) != unusedAsCarried || equalValues(before.Values, next.Values) {
		return
	}
	values := maps.Collect(before.Values.All())
	if values == nil {
		values = map[string]json.RawMessage{}
	}
	text, err := json.Marshal(values)
	if err == nil {
		text, err = json.Marshal(string(text))
	}
	if err != nil { // values are valid JSON
		text = json.RawMessage("null")
	}
	next.Extra = next.Extra.With(driver.ExtraUnused, text)
}

func equalValues(a, b driver.ValueList) bool {
	return slices.EqualFunc(a, b, func(a, b driver.Value) bool { return a.Name == b.Name && bytes.Equal(a.JSON, b.JSON) })
}

// replaced is the member of a grave whose session a sign-in replaced: the verifier of the
// secret that was current, and the claims that it covers beyond the grave's fields.
type replaced struct {
	Verifier      []byte          `json:"verifier"`
	Created       int64           `json:"created"` // Unix milliseconds
	Authenticated int64           `json:"authenticated,omitempty"`
	Idle          json.RawMessage `json:"idle,omitempty"` // as in the record's Extra
	Generation    json.RawMessage `json:"generation,omitempty"`
	Unused        bool            `json:"unused,omitempty"` // no request had presented its token
}

func replacedOf(g *driver.Grave) (old replaced, ok bool) {
	raw := g.Extra.Get(driver.ExtraReplaced)
	ok = g.Reason == driver.EndReplaced && raw != nil && json.Unmarshal(raw, &old) == nil
	return old, ok
}

// ReplacedRecord returns the record of a session that a sign-in replaced, as far as its
// grave keeps it: the verifier, and all that this covers. It returns nil for any other
// grave, and for one of a version that doesn't keep it.
func ReplacedRecord(id driver.ID, g *driver.Grave) *driver.Record {
	old, ok := replacedOf(g)
	if !ok {
		return nil
	}
	rec := &driver.Record{
		ID: id, App: g.App, Principal: g.Principal, Deadline: g.Until, Verifier: old.Verifier,
		Created: time.UnixMilli(old.Created).UTC(),
	}
	if old.Authenticated != 0 {
		rec.Authenticated = time.UnixMilli(old.Authenticated).UTC()
	}
	if old.Idle != nil {
		rec.Extra = rec.Extra.With(driver.ExtraIdle, old.Idle)
	}
	if old.Generation != nil {
		rec.Extra = rec.Extra.With(driver.ExtraGeneration, old.Generation)
	}
	return rec
}

// replacedExtra returns the Grave.Extra of a session that a sign-in replaces. unused says
// that no request had presented its token.
func replacedExtra(old *driver.Record, unused bool) driver.ValueList {
	says := replaced{
		Verifier: old.Verifier, Created: old.Created.UnixMilli(), Unused: unused,
		Idle: old.Extra.Get(driver.ExtraIdle), Generation: old.Extra.Get(driver.ExtraGeneration),
	}
	if !old.Authenticated.IsZero() {
		says.Authenticated = old.Authenticated.UnixMilli()
	}
	raw, err := json.Marshal(says)
	if err != nil { // bytes, numbers and a bool
		return nil
	}
	return driver.ValueList{{Name: driver.ExtraReplaced, JSON: raw}}
}

// RepeatWithin is the time after a sign-in in which it can be repeated with the token
// that it replaced.
const RepeatWithin = time.Hour
