package driver

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// This file is how deep the JSON in a record may be nested.

// MaxDepth is how many levels of arrays and objects a value, or a member of Extra,
// may have: [] has one, {"a":[]} two, and a text or number none. It is what all
// engines give back of values; of Extra some engines keep less, and refuse it. The
// least of them is 1,000 levels for a whole document: newer versions of OpenSearch
// and Elasticsearch read no more (Jackson's StreamReadConstraints), nor do SQLite's
// JSON functions. encoding/json reads 10,000. Two of these levels are a document
// and its "values". Four are an engine's answer to a search around a document, so
// that other tools can read that too.
const MaxDepth = 1000 - 2 - 4

// Depth returns how many levels of arrays and objects some JSON has. Of what isn't
// valid JSON it is any number.
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

// TooDeep reports whether some JSON has more than MaxDepth levels. It looks at hardly
// any JSON byte by byte.
func TooDeep(raw json.RawMessage) bool {
	const two = 2 // bytes, that a level has at least
	if len(raw) <= two*MaxDepth || bytes.Count(raw, []byte{'['})+bytes.Count(raw, []byte{'{'}) <= MaxDepth {
		return false
	}
	return Depth(raw) > MaxDepth
}

// CheckDepth returns ErrInvalid if a value in lists has more than MaxDepth levels. Stores
// call it for what they are given to keep: Values and Extra.
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
