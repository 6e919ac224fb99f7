package gorilla

import (
	"encoding/json"
	"slices"
)

// This file is changes of lists, such as flashes, that can be made again on the list that
// another request left.

// listEdit takes elements away in front, and adds others at the end.
type listEdit struct{ taken, added []json.RawMessage }

// editOf returns the edit that makes now of was, with as few elements taken as can be.
func editOf(was, now []json.RawMessage) listEdit {
	n := 0
	for !beginsWith(now, was[n:]) {
		n++
	}
	return listEdit{was[:n], now[len(was)-n:]}
}

// apply makes the edit. Of the elements that it takes away, another request may have taken
// the first ones already. A list that is left without elements stays, as an empty one.
func (e *listEdit) apply(raw json.RawMessage) json.RawMessage {
	list, _ := listOf(raw)
	gone := 0
	for !beginsWith(list, e.taken[gone:]) {
		gone++
	}
	return joinList(slices.Concat(list[len(e.taken)-gone:], e.added))
}

func beginsWith(list, start []json.RawMessage) bool {
	return len(start) <= len(list) && slices.EqualFunc(list[:len(start)], start, same)
}

// listOf returns the elements of a list. No value at all is a list without elements.
func listOf(raw json.RawMessage) ([]json.RawMessage, bool) {
	if raw == nil {
		return nil, true
	}
	if raw[0] != '[' {
		return nil, false
	}
	var list []json.RawMessage
	err := json.Unmarshal(raw, &list)
	return list, err == nil
}

// joinList is the inverse of listOf.
func joinList(list []json.RawMessage) json.RawMessage {
	raw := json.RawMessage{'['}
	for i, element := range list {
		if i > 0 {
			raw = append(raw, ',')
		}
		raw = append(raw, element...)
	}
	return append(raw, ']')
}

// isEmptyList reports whether a value is what an edit left of a list whose elements were all
// taken. An empty list of the application's is kept by gob, and so comes back.
func isEmptyList(raw json.RawMessage) bool { return string(raw) == "[]" }
