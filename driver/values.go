package driver

import (
	"cmp"
	"encoding/json"
	"iter"
	"slices"
	"strings"
)

// This file is the values of a record.

// Value is one of a record's values.
type Value struct {
	Name string
	JSON json.RawMessage // valid JSON
}

// ValueList is a record's values, sorted by name (byte by byte), one for each name.
// Lists are shared between records, requests and stores: they are never changed, but
// replaced, as With and Without do. The zero ValueList is empty.
//
// For a session's few values it takes half the memory of a map, and is copied in one
// piece.
type ValueList []Value

// NewValueList returns the list of a map's values. It shares their bytes.
func NewValueList(values map[string]json.RawMessage) ValueList {
	if len(values) == 0 {
		return nil
	}
	l := make(ValueList, 0, len(values))
	for name, value := range values {
		l = append(l, Value{name, value})
	}
	return SortValues(l)
}

// SortValues makes a list of values in any order, and changes them in place: for stores
// that read them one by one. Of several values of one name the last stays.
func SortValues(values []Value) ValueList {
	for i := 1; i < len(values); i++ {
		if values[i-1].Name >= values[i].Name { // otherwise values is a list already
			slices.SortStableFunc(values, func(a, b Value) int { return cmp.Compare(a.Name, b.Name) })
			return lastOfEach(values)
		}
	}
	return values
}

// lastOfEach keeps the last of each name, in place.
func lastOfEach(sorted []Value) []Value {
	kept := sorted[:0]
	for i, v := range sorted {
		if i+1 == len(sorted) || sorted[i+1].Name != v.Name {
			kept = append(kept, v)
		}
	}
	return kept
}

// Get returns a value as JSON, nil if there is none of that name. The bytes are shared:
// don't change them.
func (l ValueList) Get(name string) json.RawMessage {
	if i, ok := l.Find(name); ok {
		return l[i].JSON
	}
	return nil
}

// All yields the names and values in order.
func (l ValueList) All() iter.Seq2[string, json.RawMessage] {
	return func(yield func(string, json.RawMessage) bool) {
		for _, v := range l {
			if !yield(v.Name, v.JSON) {
				return
			}
		}
	}
}

// With returns a new list with a value set. It shares the value's bytes.
func (l ValueList) With(name string, value json.RawMessage) ValueList {
	i, ok := l.Find(name)
	if ok {
		next := make(ValueList, len(l))
		copy(next, l)
		next[i].JSON = value
		return next
	}
	next := make(ValueList, len(l)+1)
	copy(next, l[:i])
	next[i] = Value{name, value}
	copy(next[i+1:], l[i:])
	return next
}

// Without returns the list without a value: a new list if there was such a value.
func (l ValueList) Without(name string) ValueList {
	i, ok := l.Find(name)
	if !ok {
		return l
	}
	next := make(ValueList, 0, len(l)-1)
	return append(append(next, l[:i]...), l[i+1:]...)
}

// Find returns the index of a name and true, or the index where it belongs and false.
func (l ValueList) Find(name string) (int, bool) {
	const few = 8 // a linear search of these is faster
	if len(l) <= few {
		for i := range l {
			if l[i].Name >= name {
				return i, l[i].Name == name
			}
		}
		return len(l), false
	}
	return slices.BinarySearchFunc(l, name, func(v Value, name string) int { return strings.Compare(v.Name, name) })
}

// Bytes returns the number of bytes of the names and values.
func (l ValueList) Bytes() int {
	n := 0
	for i := range l {
		n += len(l[i].Name) + len(l[i].JSON)
	}
	return n
}
