package demo

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file shows a record as JSON on the page.

// recordView is a record, in an order that is easy to read.
type recordView struct {
	ID            cloakroom.ID               `json:"id"`
	Kind          driver.Kind                `json:"kind"`
	App           string                     `json:"app"`
	Principal     string                     `json:"principal,omitempty"`
	Values        map[string]json.RawMessage `json:"values"`
	Created       time.Time                  `json:"created,omitzero"`
	Authenticated time.Time                  `json:"authenticated,omitzero"`
	Seen          time.Time                  `json:"seen,omitzero"`
	Expires       time.Time                  `json:"expires,omitzero"`
	Deadline      time.Time                  `json:"deadline,omitzero"`
	Verifier      []byte                     `json:"verifier"`
	Previous      []byte                     `json:"previous,omitempty"`
	PreviousEnds  time.Time                  `json:"previousEnds,omitzero"`
	Persistent    bool                       `json:"persistent,omitempty"`
	Client        clientView                 `json:"client"`
	Writes        uint64                     `json:"writes"`
	Revs          []driver.WriteID           `json:"revs"`
	Version       string                     `json:"version"`
}

type clientView struct {
	Address   string `json:"address"`
	UserAgent string `json:"userAgent"`
}

// recordJSON returns a record as JSON: the one that this request read or wrote, as the
// trace remembers it, or without that the session's own metadata.
func recordJSON(r *driver.Record, session *cloakroom.Session) []byte {
	if r == nil {
		i := session.Info()
		r = &driver.Record{
			ID: i.ID, Kind: driver.KindSession, App: i.App, Principal: i.Principal, Created: i.Created,
			Authenticated: i.Authenticated, Seen: i.Seen, Expires: i.Expires, Deadline: i.Deadline,
			Persistent: i.Persistent, Client: i.Client,
		}
		for name := range session.Names() {
			raw, _ := session.Raw(name)
			r.Values = append(r.Values, driver.Value{Name: name, JSON: raw})
		}
	}
	v := recordView{
		ID: r.ID, Kind: r.Kind, App: r.App, Principal: r.Principal, Values: maps.Collect(r.Values.All()), Created: r.Created,
		Authenticated: r.Authenticated, Seen: r.Seen, Expires: r.Expires, Deadline: r.Deadline, Verifier: r.Verifier,
		Previous: r.Previous, PreviousEnds: r.PreviousEnds, Persistent: r.Persistent,
		Client: clientView{r.Client.Address, r.Client.UserAgent}, Writes: r.Writes, Revs: r.WriteIDs, Version: r.Version.String(),
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // the template escapes
	if err := e.Encode(v); err != nil {
		return []byte(`"this record can't be shown"`)
	}
	return b.Bytes()
}

// piece is a part of the JSON that has one colour.
type piece struct{ Class, Text string }

const (
	prettyWidth  = 46  // a value that fits goes on one line
	prettyLong   = 160 // characters of a string that are shown
	prettyDepth  = 8   // deeper values are not taken apart
	prettyPieces = 600 // of a record; the rest is left out
)

// pretty formats JSON for people, in coloured pieces.
func pretty(raw []byte) []piece {
	p := &printer{}
	p.value(raw, 0, 0)
	if len(p.pieces) > prettyPieces {
		p.pieces = append(p.pieces[:prettyPieces], piece{"punct", "\n…"})
	}
	return p.pieces
}

type printer struct{ pieces []piece }

func (p *printer) add(class, text string) { p.pieces = append(p.pieces, piece{class, text}) }

// value prints a value that begins at a column.
func (p *printer) value(raw json.RawMessage, depth, column int) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || len(p.pieces) > prettyPieces {
		return
	}
	switch {
	case depth > prettyDepth:
		p.add("punct", shorten(string(raw)))
	case raw[0] == '{' || raw[0] == '[':
		p.group(raw, depth, column)
	case raw[0] == '"':
		p.add("string", shorten(string(raw)))
	default:
		p.add("number", shorten(string(raw)))
	}
}

// group prints an object or array, on one line if it fits. Arrays of plain values
// are left to wrap where they like.
func (p *printer) group(raw json.RawMessage, depth, column int) {
	parts, err := split(raw)
	open, closing := string(raw[:1]), string(raw[len(raw)-1:])
	if err != nil || len(parts) == 0 {
		p.add("punct", open+closing)
		return
	}
	flat := depth > 0 && (column+len(raw) <= prettyWidth || plain(parts))
	p.add("punct", open)
	for i, part := range parts {
		switch {
		case !flat:
			p.add("punct", "\n"+strings.Repeat("  ", depth+1))
		case i > 0:
			p.add("punct", " ")
		}
		column := 2 * (depth + 1)
		if part.name != "" {
			name := shorten(part.name)
			p.add("key", name)
			p.add("punct", ": ")
			column += utf8.RuneCountInString(name) + 2
		}
		if flat {
			column = -1 << 20 // and so do its elements
		}
		p.value(part.value, depth+1, column)
		if i < len(parts)-1 {
			p.add("punct", ",")
		}
	}
	if !flat {
		p.add("punct", "\n"+strings.Repeat("  ", depth))
	}
	p.add("punct", closing)
}

type part struct {
	name  string // with its quotes; "" in arrays
	value json.RawMessage
}

func plain(parts []part) bool {
	for _, p := range parts {
		if p.name != "" || p.value[0] == '{' || p.value[0] == '[' {
			return false
		}
	}
	return true
}

// split takes an object or array apart.
func split(raw json.RawMessage) ([]part, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	first, err := d.Token()
	if err != nil {
		return nil, err
	}
	var parts []part
	for d.More() {
		var p part
		if first == json.Delim('{') {
			if err := decodeName(d, &p.name); err != nil {
				return nil, err
			}
		}
		if err := d.Decode(&p.value); err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	return parts, nil
}

func decodeName(d *json.Decoder, name *string) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(t); err != nil {
		return err
	}
	*name = strings.TrimSpace(b.String())
	return nil
}

// shorten cuts a long string, and tells how many characters are left out.
func shorten(s string) string {
	r := []rune(s)
	if len(r) <= prettyLong {
		return s
	}
	return string(r[:prettyLong]) + "…"
}
