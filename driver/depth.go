package driver

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// This file is the bound on the nesting of JSON in a record.

// MaxDepth bounds the levels of arrays and objects of a value, or a member of Extra: []
// has one level, {"a":[]} two, and a text or number none. All engines give back values
// of that depth; of Extra some engines keep less, and refuse more. Their least bound is
// 1,000 levels for a whole document, in newer versions of OpenSearch and Elasticsearch
// (Jackson's StreamReadConstraints) and in SQLite's JSON functions. encoding/json reads
// 10,000. Two of the levels are a document and its "values". Four are an engine's answer
// to a search around a document, so that other tools can read that too.
const MaxDepth = 1000 - 2 - 4

// Depth returns the levels of arrays and objects of some JSON. For invalid JSON it
// returns any number.
func Depth(raw json.RawMessage) int {
	depth, most := 0, 0
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '[', '{':
			depth++
			most = max(most, depth)
		case ']', '}':
			depth--
		case '"':
			for i++; i < len(raw) && raw[i] != '"'; i++ {
				if raw[i] == '\\' {
					i++
				}
			}
		}
	}
	return most
}

// TooDeep reports whether some JSON has more than MaxDepth levels. It rarely has to look
// at every byte.
func TooDeep(raw json.RawMessage) bool {
	const two = 2 // the least bytes of a level
	if len(raw) <= two*MaxDepth || bytes.Count(raw, []byte{'['})+bytes.Count(raw, []byte{'{'}) <= MaxDepth {
		return false
	}
	return Depth(raw) > MaxDepth
}

// CheckDepth returns ErrInvalid if a value in lists has more than MaxDepth levels.
// Stores call it for the Values and Extra that they are given.
func CheckDepth(lists ...ValueList) error {
	for _, list := range lists {
		for i := range list {
			if TooDeep(list[i].JSON) {
				return fmt.Errorf("%w: %q is %d levels deep, and at most %d are kept", ErrInvalid, list[i].Name, Depth(list[i].JSON), MaxDepth)
			}
		}
	}
	return nil
}
