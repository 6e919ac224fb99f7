package elasticstore

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the form of documents, and encodes records and graves into it.
//
// A document is a record as JSON. Empty members are left out. Times are Unix
// milliseconds.
//
//	{"kind": "session", "app": "shop", "principal": "alice", "id": "AZq…",
//	 "created": 1795305600000, …, "deadline": 1797897600000,
//	 "verifier": "…", "previous": "…", "previousEnds": 1795305630000, "persistent": true,
//	 "client": {"address": "192.0.2.7", "agent": "Mozilla/5.0 …"},
//	 "writes": 3, "revs": ["…", "…", "…"],
//	 "values": {"cart": ["coat"]}}
//
// Values that an engine refuses as JSON, such as an object that has a name twice, are
// in "raw" instead of "values", in base64.
//
// A grave's deadline is the end of its time, so that one query finds all documents
// that are over:
//
//	{"kind": "grave", "app": "shop", "principal": "alice", "id": "AZq…",
//	 "deadline": 1797897600000, "at": 1795305700000, "reason": "replaced",
//	 "successor": "AZr…", "writes": 4, "revs": ["…", …]}
//
// Its kind alone keeps a grave out of searches for an app or a principal: each
// query asks for one kind.
//
// Members that this version doesn't know are the Extra of the record or the grave.
// They come last, in order of name. Later versions add members to the document
// itself, and to none of the objects in it. A member "format" tells that only a later
// version can read the document (driver.CheckFormat). id, kind and deadline are the
// same in every format.
const kindGrave driver.Kind = "grave"

// own reports whether a name is one of those above, in either kind of document. None
// of them can be in Extra.
func own(name string) bool {
	switch name {
	case "kind", "app", "principal", "id", "created", "authenticated", "seen", "expires", "deadline",
		"verifier", "previous", "previousEnds", "persistent", "client", "writes", "revs", "values", "raw",
		"at", "reason", "successor":
		return true
	}
	return false
}

// writer appends a document's members.
type writer struct{ b []byte }

func (w *writer) name(name string) {
	if w.b[len(w.b)-1] != '{' {
		w.b = append(w.b, ',')
	}
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, '"', ':')
}

func (w *writer) text(name, v string) {
	if v != "" {
		w.name(name)
		w.b = appendString(w.b, v)
	}
}

func (w *writer) base64(name string, v []byte) {
	if len(v) > 0 {
		w.name(name)
		w.b = append(w.b, '"')
		w.b = base64.StdEncoding.AppendEncode(w.b, v)
		w.b = append(w.b, '"')
	}
}

func (w *writer) time(name string, v time.Time) {
	if !v.IsZero() {
		w.millis(name, v)
	}
}

func (w *writer) millis(name string, v time.Time) {
	w.name(name)
	w.b = strconv.AppendInt(w.b, v.UnixMilli(), 10)
}

func (w *writer) id(name string, id driver.ID) {
	w.name(name)
	w.b = append(w.b, '"')
	w.b = base64.RawURLEncoding.AppendEncode(w.b, id[:])
	w.b = append(w.b, '"')
}

func (w *writer) history(writes uint64, ids []driver.WriteID) {
	if writes > 0 {
		w.name("writes")
		w.b = strconv.AppendUint(w.b, writes, 10)
	}
	if len(ids) == 0 {
		return
	}
	w.name("revs")
	w.b = append(w.b, '[')
	for i, id := range ids {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = append(w.b, '"')
		w.b = base64.RawURLEncoding.AppendEncode(w.b, id[:])
		w.b = append(w.b, '"')
	}
	w.b = append(w.b, ']')
}

// encodeRecord makes a record's document: one line.
func encodeRecord(r *driver.Record, raw bool) ([]byte, error) { return appendRecord(nil, r, raw) }

// appendRecord appends a record's document.
func appendRecord(b []byte, r *driver.Record, raw bool) ([]byte, error) {
	switch {
	case !known(r.ID.Layout()):
		return nil, fmt.Errorf("%w: unknown layout %d", driver.ErrInvalid, r.ID.Layout())
	case r.Kind != driver.KindSession && r.Kind != driver.KindLedger:
		return nil, fmt.Errorf("%w: unknown kind %q", driver.ErrInvalid, r.Kind)
	case !utf8.ValidString(r.App), !utf8.ValidString(r.Principal):
		return nil, fmt.Errorf("%w: app or principal is not UTF-8", driver.ErrInvalid)
	}
	if err := driver.CheckDepth(r.Values, r.Extra); err != nil {
		return nil, err
	}
	size := 640 + len(r.App) + len(r.Principal) + len(r.Client.UserAgent) + sizeOfList(r.Values) + sizeOfList(r.Extra)
	w := writer{append(slices.Grow(b, size), '{')}
	w.text("kind", string(r.Kind))
	w.text("app", r.App)
	w.text("principal", r.Principal)
	w.id("id", r.ID)
	w.millis("created", r.Created) // the zero time as well: searches sort by it
	w.time("authenticated", r.Authenticated)
	w.time("seen", r.Seen)
	w.time("expires", r.Expires)
	w.time("deadline", r.Deadline)
	w.base64("verifier", r.Verifier)
	w.base64("previous", r.Previous)
	w.time("previousEnds", r.PreviousEnds)
	if r.Persistent {
		w.name("persistent")
		w.b = append(w.b, "true"...)
	}
	if r.Client != (driver.Client{}) {
		w.name("client")
		w.b = append(w.b, '{')
		w.text("address", r.Client.Address)
		w.text("agent", r.Client.UserAgent)
		w.b = append(w.b, '}')
	}
	w.history(r.Writes, r.WriteIDs)
	if err := w.values(r.Values, raw); err != nil {
		return nil, err
	}
	if err := w.extra(r.Extra); err != nil {
		return nil, err
	}
	return append(w.b, '}'), nil
}

// sizeOfList returns the bytes that a list takes in a document.
func sizeOfList(l driver.ValueList) int { return l.Bytes() + len(l)*len(`"":,`) }

// extra appends the members of Extra.
func (w *writer) extra(extra driver.ValueList) error {
	for _, v := range extra {
		first, _, path := strings.Cut(v.Name, ".")
		switch {
		case !utf8.ValidString(v.Name):
			return fmt.Errorf("%w: the name %q in Extra is not UTF-8", driver.ErrInvalid, v.Name)
		case own(v.Name):
			return fmt.Errorf("%w: the name %q in Extra is one of a document's own", driver.ErrInvalid, v.Name)
		case path && indexed(first): // the engine takes it for a path
			return fmt.Errorf("%w: the name %q in Extra is a path into one of a document's own members", driver.ErrInvalid, v.Name)
		case len(v.JSON) == 0:
			return fmt.Errorf("%w: %q in Extra is empty, which is not JSON", driver.ErrInvalid, v.Name)
		}
		w.b = append(w.b, ',')
		w.b = appendString(w.b, v.Name)
		w.b = append(w.b, ':')
		w.b = appendLine(w.b, v.JSON)
	}
	return nil
}

func (w *writer) values(values driver.ValueList, raw bool) error {
	if len(values) == 0 {
		return nil
	}
	object := writer{w.b}
	if raw {
		object.b = nil
	} else {
		object.name("values")
	}
	object.b = append(object.b, '{')
	for _, v := range values {
		if !utf8.ValidString(v.Name) {
			return fmt.Errorf("%w: the name %q of a value is not UTF-8", driver.ErrInvalid, v.Name)
		}
		if object.b[len(object.b)-1] != '{' {
			object.b = append(object.b, ',')
		}
		object.b = appendString(object.b, v.Name)
		object.b = append(object.b, ':')
		object.b = appendLine(object.b, v.JSON)
	}
	object.b = append(object.b, '}')
	if raw {
		w.base64("raw", object.b)
	} else {
		w.b = object.b
	}
	return nil
}

// appendLine appends JSON with spaces in place of line breaks, which would end the
// document in a bulk request. JSON has line breaks only between tokens, so its meaning
// stays.
func appendLine(b []byte, v json.RawMessage) []byte {
	start := len(b)
	b = append(b, v...)
	if bytes.IndexByte(v, '\n') < 0 && bytes.IndexByte(v, '\r') < 0 {
		return b
	}
	for i := start; i < len(b); i++ {
		if b[i] == '\n' || b[i] == '\r' {
			b[i] = ' '
		}
	}
	return b
}

// encodeGrave makes a grave's document.
func encodeGrave(id driver.ID, g *driver.Grave) ([]byte, error) {
	if !known(id.Layout()) {
		return nil, fmt.Errorf("%w: unknown layout %d", driver.ErrInvalid, id.Layout())
	}
	if err := driver.CheckDepth(g.Extra); err != nil {
		return nil, err
	}
	w := writer{append(make([]byte, 0, 384+sizeOfList(g.Extra)), '{')}
	w.text("kind", string(kindGrave))
	w.text("app", g.App)
	w.text("principal", g.Principal)
	w.id("id", id)
	w.time("deadline", g.Until)
	w.time("at", g.At)
	w.text("reason", string(g.Reason))
	if !g.Successor.IsZero() {
		w.id("successor", g.Successor)
	}
	w.history(g.Writes, g.WriteIDs)
	if err := w.extra(g.Extra); err != nil {
		return nil, err
	}
	return append(w.b, '}'), nil
}

// appendString appends a string as JSON. Bytes that are not UTF-8 become U+FFFD.
func appendString(b []byte, s string) []byte {
	start := len(b)
	b = append(b, '"')
	b = append(b, s...)
	if plain(b[start+1:]) < len(s) {
		text, _ := json.Marshal(s) // strings can always be encoded
		return append(b[:start], text...)
	}
	return append(b, '"')
}

// appendID appends an id's text.
func appendID(b []byte, id driver.ID) []byte {
	return base64.RawURLEncoding.AppendEncode(b, id[:])
}

// spells reports whether a text is exactly an id's.
func spells(text []byte, id driver.ID) bool {
	var own [22]byte
	return bytes.Equal(text, appendID(own[:0], id))
}
