package cloakroom

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"unicode/utf8"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the check that an encoded value can be kept and comes back the same: valid
// UTF-8, and not nested too deep.

var errNotUTF8 = errors.New("a text in it is not valid UTF-8")

// checkDepth returns an error for JSON that is nested too deep to be kept.
func checkDepth(name string, raw json.RawMessage) error {
	if driver.TooDeep(raw) {
		return fmt.Errorf("cloakroom: value %q is nested too deep: it has %d levels of lists and objects, and at most %d can be kept", name, driver.Depth(raw), driver.MaxDepth)
	}
	return nil
}

// checkText returns errNotUTF8 if raw, which encoding/json made of v, hides a text that
// isn't UTF-8. encoding/json writes \ufffd for such bytes, and for nothing else; but a
// type's own method may have written that as well. So v is searched only where raw has
// it.
func checkText(v any, raw json.RawMessage) error {
	if !utf8.Valid(raw) { // a type's own method made it
		return errNotUTF8
	}
	if replaces(raw) && (&textSearch{}).broken(reflect.ValueOf(v), false) {
		return errNotUTF8
	}
	return nil
}

// replaces reports whether raw has the escape \ufffd.
func replaces(raw json.RawMessage) bool {
	escape := []byte(`\ufffd`)
	for {
		i := bytes.Index(raw, escape)
		if i < 0 {
			return false
		}
		before := i
		for before > 0 && raw[before-1] == '\\' {
			before--
		}
		if (i-before)%2 == 0 { // else the backslash is itself escaped
			return true
		}
		raw = raw[i+len(escape):]
	}
}

// textSearch looks for texts that aren't UTF-8 in a value that encoding/json encodes.
type textSearch struct{ seen map[seenPointer]bool }

type seenPointer struct {
	at  uintptr
	typ reflect.Type
}

var (
	jsonMarshaler = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
)

// broken reports whether there is such a text in v. own says that v is the memory of a
// type that encodes itself. Nobody knows which parts it encodes, so all are looked at.
func (s *textSearch) broken(v reflect.Value, own bool) bool {
	if !v.IsValid() {
		return false
	}
	if !own && v.CanInterface() {
		switch m := marshalerOf(v).(type) {
		case json.Marshaler:
			own = true
		case encoding.TextMarshaler:
			text, err := m.MarshalText()
			return err == nil && !utf8.Valid(text)
		}
	}
	switch v.Kind() {
	case reflect.String:
		return !utf8.ValidString(v.String())
	case reflect.Interface:
		return s.broken(v.Elem(), own)
	case reflect.Pointer:
		return s.isNew(v) && s.broken(v.Elem(), own)
	case reflect.Struct:
		return s.brokenField(v, own)
	case reflect.Map:
		if !s.isNew(v) {
			return false
		}
		for entries := v.MapRange(); entries.Next(); {
			key := entries.Key()
			isText := key.Kind() == reflect.String // encoding/json doesn't ask the key's methods then
			if s.broken(key, own || isText) || s.broken(entries.Value(), own) {
				return true
			}
		}
	case reflect.Slice:
		return v.Type().Elem().Kind() != reflect.Uint8 && s.isNew(v) && s.brokenElement(v, own)
	case reflect.Array:
		return s.brokenElement(v, own)
	}
	return false
}

func (s *textSearch) brokenField(v reflect.Value, own bool) bool {
	for field, f := range v.Fields() {
		encoded := (field.IsExported() || field.Anonymous) && field.Tag.Get("json") != "-"
		if (encoded || own) && s.broken(f, own) {
			return true
		}
	}
	return false
}

func (s *textSearch) brokenElement(v reflect.Value, own bool) bool {
	for i := range v.Len() {
		if s.broken(v.Index(i), own) {
			return true
		}
	}
	return false
}

// isNew reports whether v's target has yet to be looked at. The memory of a type that
// encodes itself may be circular, and a slice may be in itself.
func (s *textSearch) isNew(v reflect.Value) bool {
	if v.IsNil() {
		return false
	}
	p := seenPointer{v.Pointer(), v.Type()}
	if s.seen[p] {
		return false
	}
	if s.seen == nil {
		s.seen = make(map[seenPointer]bool)
	}
	s.seen[p] = true
	return true
}

// marshalerOf returns v as the value whose method encodes it, nil if encoding/json calls
// none.
func marshalerOf(v reflect.Value) any {
	if (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) && v.IsNil() {
		return nil
	}
	for _, method := range []reflect.Type{jsonMarshaler, textMarshaler} {
		switch {
		case v.Type().Implements(method):
			return v.Interface()
		case v.CanAddr() && reflect.PointerTo(v.Type()).Implements(method):
			return v.Addr().Interface()
		}
	}
	return nil
}
