package driver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// This file prints and encodes records, graves and values without their secrets. All
// verbs of package fmt print the same. Names of values are shown.
//
// Package fmt calls no methods of values in unexported fields of other structs. So keep
// a pointer in such a field: package fmt prints only its address.

// Format implements fmt.Formatter.
func (v Value) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "%q (%d bytes)", v.Name, len(v.JSON))
}

// MarshalJSON encodes the value's name and size.
func (v Value) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Name  string `json:"name"`
		Bytes int    `json:"bytes"`
	}{v.Name, len(v.JSON)})
}

// UnmarshalJSON always fails, since MarshalJSON leaves out the value itself.
func (v *Value) UnmarshalJSON([]byte) error { return errors.New("driver: a Value's JSON has no value") }

// names returns the values' names.
func (l ValueList) names() []string {
	names := make([]string, len(l))
	for i := range l {
		names[i] = l[i].Name
	}
	return names
}

// Format implements fmt.Formatter. It prints the names, and the bytes of all values
// together.
func (l ValueList) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "values %q (%d bytes)", l.names(), l.Bytes())
}

// Format implements fmt.Formatter.
func (r Record) Format(f fmt.State, _ rune) {
	if r.Grave != nil {
		_, _ = fmt.Fprintf(f, "record %v at version %v: %v", r.ID, r.Version, *r.Grave)
		return
	}
	_, _ = fmt.Fprintf(f, "record %v at version %v: %s of app %q, principal %q, %v", r.ID, r.Version, string(r.Kind), r.App, r.Principal, r.Values)
}

// MarshalJSON encodes the fields of Info, the kind, the values' names and the grave.
func (r Record) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Info
		Kind   Kind
		Values []string
		Grave  *Grave `json:",omitempty"`
	}{r.Info(), r.Kind, r.Values.names(), r.Grave})
}

// UnmarshalJSON always fails, since MarshalJSON leaves out the values and the verifier.
func (r *Record) UnmarshalJSON([]byte) error {
	return errors.New("driver: a Record's JSON has neither values nor verifier: a store encodes the fields by itself")
}

// Format implements fmt.Formatter.
func (g Grave) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "grave of app %q, principal %q: %s at %v, until %v", g.App, g.Principal, string(g.Reason), g.At, g.Until)
	if !g.Successor.IsZero() {
		_, _ = io.WriteString(f, ", by "+g.Successor.String())
	}
}

// MarshalJSON encodes the grave without Extra and without its write ids.
func (g Grave) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Reason         EndReason
		At, Until      time.Time
		Successor      ID
		App, Principal string
	}{g.Reason, g.At, g.Until, g.Successor, g.App, g.Principal})
}
