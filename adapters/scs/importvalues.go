package scsstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the values of an imported session: their JSON, and the check that it loses
// nothing.

// rememberName is the value in which scs keeps what RememberMe was called with.
const rememberName = "__rememberMe"

// encode encodes a session's values. It doesn't need values any more.
func (i *Importer) encode(values map[string]any) (map[string]json.RawMessage, error) {
	delete(values, rememberName)
	if i.values != nil {
		var err error
		if values, err = i.values(values); err != nil {
			return nil, fmt.Errorf("scsstore: ImportOptions.Values: %w: %w", cloakroom.ErrUnavailable, err)
		}
	}
	all := make(map[string]json.RawMessage, len(values))
	for name, v := range values {
		raw, err := json.Marshal(v)
		switch {
		case err != nil:
			return nil, errNoJSON(name, v, err)
		case v != nil && !survives(reflect.ValueOf(v)):
			return nil, fmt.Errorf("scsstore: the value %q, a %T, would lose something as JSON, such as a field that is left out or a text that isn't UTF-8: "+
				"have ImportOptions.Values convert it: %w", name, v, cloakroom.ErrUnavailable)
		}
		all[name] = raw
	}
	return all, nil
}

// errNoJSON is the error of a value that encoding/json refuses. Most of its texts may
// quote the value.
func errNoJSON(name string, v any, err error) error {
	why := fmt.Sprintf("%T", err)
	if unsupported, ok := errors.AsType[*json.UnsupportedTypeError](err); ok {
		why = unsupported.Error()
	}
	return fmt.Errorf("scsstore: the value %q, a %T, has no JSON (%s): have ImportOptions.Values convert it: %w", name, v, why, cloakroom.ErrUnavailable)
}

// survives reports whether a value is the same after it was encoded and decoded, with its
// type known.
func survives(v reflect.Value) bool {
	raw, err := json.Marshal(v.Interface())
	if err != nil {
		return false
	}
	again := reflect.New(v.Type())
	return json.Unmarshal(raw, again.Interface()) == nil && same(v, again.Elem())
}

// same reports whether two values of a type are the same, where an empty list is as good
// as none. A type's own method Equal decides, if it has one.
func same(a, b reflect.Value) bool {
	if a.Type() == reflect.TypeFor[json.RawMessage]() { // encoding/json changes its spelling
		return true
	}
	if equal, ok := ownEqual(a, b); ok {
		return equal
	}
	switch a.Kind() {
	case reflect.Interface:
		// It is decoded without its type. By itself nothing of it may get lost.
		return a.IsNil() == b.IsNil() && (a.IsNil() || !a.CanInterface() || survives(a.Elem()))
	case reflect.Pointer:
		return a.IsNil() == b.IsNil() && (a.IsNil() || same(a.Elem(), b.Elem()))
	case reflect.Struct:
		for n := range a.NumField() {
			if !same(a.Field(n), b.Field(n)) {
				return false
			}
		}
		return true
	case reflect.Map:
		if a.Len() != b.Len() {
			return false
		}
		for entries := a.MapRange(); entries.Next(); {
			if there := b.MapIndex(entries.Key()); !there.IsValid() || !same(entries.Value(), there) {
				return false
			}
		}
		return true
	case reflect.Slice, reflect.Array:
		if a.Len() != b.Len() {
			return false
		}
		for n := range a.Len() {
			if !same(a.Index(n), b.Index(n)) {
				return false
			}
		}
		return true
	case reflect.Func: // only a nil one has JSON, as a field that is left out
		return a.IsNil() && b.IsNil()
	}
	return a.Equal(b)
}

// ownEqual asks the method Equal of a type, such as time.Time's. ok is false if there is
// none.
func ownEqual(a, b reflect.Value) (equal, ok bool) {
	if !a.CanInterface() || (a.Kind() == reflect.Pointer || a.Kind() == reflect.Interface) {
		return false, false
	}
	m := a.MethodByName("Equal")
	if !m.IsValid() {
		return false, false
	}
	if t := m.Type(); t.NumIn() != 1 || t.In(0) != a.Type() || t.NumOut() != 1 || t.Out(0).Kind() != reflect.Bool || t.IsVariadic() {
		return false, false
	}
	return m.Call([]reflect.Value{b})[0].Bool(), true
}
