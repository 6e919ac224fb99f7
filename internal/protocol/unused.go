package protocol

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is what records and graves keep so that a sign-in whose answer was lost can
// be done once more: whether a session has been used, what values were carried into it,
// and who had the token of the session that it replaced.

// unusedAsCarried is what a record says that still has the values that were carried
// into it. Once they change, it says what they were, as a text: some engines are
// particular about the names in objects.
const unusedAsCarried = "true"

// IsUnused reports whether no request has presented the token of a sign-in. Sessions that
// nobody signed in to, and those of a version that doesn't mark them, are used.
func IsUnused(rec *driver.Record) bool { return rec.Extra.Get(driver.ExtraUnused) != nil }

// MarkUsed makes next a session whose token a request has presented.
func MarkUsed(next *driver.Record) { next.Extra = next.Extra.Without(driver.ExtraUnused) }

// markUnused makes next a session whose token nobody has presented.
func markUnused(next *driver.Record) {
	next.Extra = next.Extra.With(driver.ExtraUnused, json.RawMessage(unusedAsCarried))
}

// Carried returns the values that were carried into a session that is unused. What was
// set since belongs to its sign-in alone. What can't be understood is nothing.
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

// keepCarried has next, which is unused and was made of before, say what values were
// carried into it.
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

// replaced is what the grave of a session keeps that a sign-in replaced: the verifier of
// the secret that was current then, and what it covers beyond the grave's fields.
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

// ReplacedRecord returns what the grave of a session that a sign-in replaced says of the
// record: its verifier, and all that this covers. It returns nil where the grave is
// another's, or of a version that doesn't say it.
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

// replacedExtra returns what the grave of a session that is replaced says beside its
// fields. unused says that the sign-in doesn't rest on the session's token.
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

// RepeatWithin is how long after a sign-in it can be repeated with the token that it
// replaced.
const RepeatWithin = time.Hour
