package cloakroom

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is Values, the named JSON values of a Session and a Tx, and the set of values
// that both are made of.

// Values is the interface of a Session and a Tx: named JSON values. Use it through a Key,
// which gives a name its type, or raw.
type Values interface {
	Reader
	// SetRaw sets a value to a copy of some JSON. If that isn't valid JSON, or is nested
	// deeper than driver.MaxDepth, or the name isn't valid UTF-8, it keeps an error of
	// that name, which stops the save until the name is set again or unset.
	SetRaw(name string, value json.RawMessage)
	// Unset removes a value. A name that isn't set is no error.
	Unset(name string)
	// Names yields the names that are set, sorted.
	Names() iter.Seq[string]

	sealed() sealedValues
}

// Reader is anything that values can be read from: a Session, a Tx, and a driver.Record,
// as Admin returns it.
type Reader interface {
	// Raw returns a value as JSON, and whether there is one. The bytes are shared: don't
	// change them.
	Raw(name string) (json.RawMessage, bool)
}

// sealedValues is the methods that keys need beyond Values.
type sealedValues interface {
	// keepError keeps the error of a name; lost says that a change is lost by it.
	keepError(name string, err error, lost bool)
	replace(name string, owned json.RawMessage)
	// change sets a value to the result of c on the old one, and logs c for replays.
	change(name string, c changer)
}

// changer makes a value from the old one.
type changer interface {
	// first makes the value that this request goes on with. It is called at most once,
	// and before again.
	first(old json.RawMessage, ok bool) (json.RawMessage, error)
	// again does the same for a replay, in any goroutine.
	again(old json.RawMessage, ok bool) (json.RawMessage, error)
}

// checkName returns an error if a value's name is not allowed.
func checkName(name string) error {
	if !utf8.ValidString(name) {
		return fmt.Errorf("cloakroom: the name %q is not valid UTF-8", name)
	}
	return nil
}

// compactJSON returns a compact copy of valid JSON.
func compactJSON(name string, raw json.RawMessage) (json.RawMessage, error) {
	if !utf8.Valid(raw) {
		return nil, fmt.Errorf("cloakroom: value %q is not valid UTF-8", name)
	}
	if err := checkDepth(name, raw); err != nil { // encoding/json would call it invalid JSON
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil { // whose text would quote the value
		return nil, fmt.Errorf("cloakroom: value %q is not valid JSON (%T)", name, err)
	}
	return b.Bytes(), nil
}

// valueSet is values that are copied before their first change, since the lists of
// records are shared.
type valueSet struct {
	list  driver.ValueList
	owned bool
}

func (v *valueSet) get(name string) (json.RawMessage, bool) {
	raw := v.list.Get(name)
	return raw, raw != nil
}

// set sets a value, and reports whether that was a change.
func (v *valueSet) set(name string, raw json.RawMessage) bool {
	i, ok := v.list.Find(name)
	switch {
	case ok && bytes.Equal(v.list[i].JSON, raw):
		return false
	case !v.owned:
		v.list, v.owned = v.list.With(name, raw), true
	case ok:
		v.list[i].JSON = raw
	default:
		v.list = slices.Insert(v.list, i, driver.Value{Name: name, JSON: raw})
	}
	return true
}

func (v *valueSet) unset(name string) {
	i, ok := v.list.Find(name)
	switch {
	case !ok:
	case v.owned:
		v.list = slices.Delete(v.list, i, i+1)
	default:
		v.list, v.owned = v.list.Without(name), true
	}
}

func (v *valueSet) names() iter.Seq[string] {
	// Copied, so that the loop may set and unset.
	names := make([]string, len(v.list))
	for i := range v.list {
		names[i] = v.list[i].Name
	}
	return slices.Values(names)
}

// nameErrors are the errors of single names, which stop a save.
type nameErrors map[string]nameError

type nameError struct {
	err  error
	lost bool // a change is lost by it, so that a save of nothing can't succeed
}

func (e *nameErrors) add(name string, err error, lost bool) {
	if *e == nil {
		*e = make(nameErrors)
	}
	(*e)[name] = nameError{err, lost || (*e)[name].lost}
}

func (e *nameErrors) clear(name string) { delete(*e, name) }

func (e nameErrors) lost() bool {
	if len(e) == 0 { // a loop over nothing costs more than this check
		return false
	}
	for _, x := range e {
		if x.lost {
			return true
		}
	}
	return false
}

func (e nameErrors) join() error {
	var all []error
	for _, name := range slices.Sorted(maps.Keys(e)) {
		all = append(all, e[name].err)
	}
	return errors.Join(all...)
}
