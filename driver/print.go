package driver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// This file is how what holds values and verifiers is printed and encoded: without them.
// All of fmt's verbs say the same. Names of values are shown.
//
// package fmt calls no methods of what is in others' unexported fields. So have a pointer
// there: of that it prints the address alone.

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

// UnmarshalJSON is an error, since MarshalJSON leaves the value itself out.
func (v *Value) UnmarshalJSON([]byte) error { return errors.New("driver: a Value's JSON has no value") }

// names are those of the values.
func (l ValueList) names() []string {
	names := make([]string, len(l))
	for i := range l {
		names[i] = l[i].Name
	}
	return names
}

// Format implements fmt.Formatter: the names, and the bytes of all together.
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

// MarshalJSON encodes what Info has, the kind and the values' names.
func (r Record) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Info
		Kind   Kind
		Values []string
		Grave  *Grave `json:",omitempty"`
	}{r.Info(), r.Kind, r.Values.names(), r.Grave})
}

// UnmarshalJSON is an error, since MarshalJSON leaves the values and the verifier out.
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

// MarshalJSON encodes the grave without what its Extra keeps.
func (g Grave) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Reason         EndReason
		At, Until      time.Time
		Successor      ID
		App, Principal string
	}{g.Reason, g.At, g.Until, g.Successor, g.App, g.Principal})
}
