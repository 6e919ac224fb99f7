package listing

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is cursors: how far both searches of a list have come, as text that means
// nothing to anybody else.

// place is how far a search has come.
type place struct {
	At   int64  `json:"t,omitempty"` // Unix milliseconds
	ID   string `json:"i,omitempty"` // "" at the beginning
	Done bool   `json:"d,omitempty"` // nothing is left
}

type places struct {
	Version int   `json:"v"`
	Order   Order `json:"o"`
	State   State `json:"s"`
	Records place `json:"r"`
	Graves  place `json:"g"`
}

func placeOf(c driver.Cursor) place { return place{At: c.Created.UnixMilli(), ID: c.ID.String()} }

// cursor returns the place as a search takes it. The zero Cursor is the beginning.
func (p place) cursor(o driver.Order) driver.Cursor {
	id, err := driver.ParseID(p.ID)
	if err != nil {
		return driver.Cursor{}
	}
	return driver.Cursor{Created: time.UnixMilli(p.At).UTC(), ID: id, Order: o}
}

// before reports whether a cursor is further than the place.
func (p place) before(c driver.Cursor) bool {
	own := p.cursor(c.Order)
	return own == (driver.Cursor{}) || own.Compare(c) < 0
}

const version = 1

// encode returns the cursor of a page.
func (l *List) encode(p places) string {
	p.Version, p.Order, p.State = version, l.Order, l.State
	text, err := json.Marshal(p)
	if err != nil {
		return "" // never: it is text and numbers
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// decode reads a cursor; "" is the beginning.
func (l *List) decode(text string) (p places, err error) {
	if text == "" {
		return p, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(raw, &p)
	}
	for _, at := range []place{p.Records, p.Graves} {
		if err == nil && at.ID != "" {
			_, err = driver.ParseID(at.ID)
		}
	}
	switch {
	case err != nil || p.Version != version:
		return p, fmt.Errorf("%w: it was cut, or is of another version", ErrCursor)
	case p.Order != l.Order || p.State != l.State:
		return p, fmt.Errorf("%w: it is of a list of state %s in the order %s, and goes on with these alone", ErrCursor, p.State, p.Order)
	}
	return p, nil
}
