package cloakroom

import (
	"encoding/json"
	"strconv"
)

// This file is a shortcut past encoding/json for plain values: short texts, counters and
// flags, which most values are. For those encoding/json costs more than the rest of a
// look at a value. The functions here do the same, and leave all other values to it.

// decodePlain decodes a value as json.Unmarshal would, or reports false.
func decodePlain[T any](raw json.RawMessage) (t T, ok bool) {
	switch p := any(&t).(type) {
	case *string:
		if n := len(raw); n >= 2 && raw[0] == '"' && raw[n-1] == '"' {
			*p = string(raw[1 : n-1])
			ok = isPlain(*p)
		}
	case *int:
		var n int64
		if n, ok = plainInt(raw); ok {
			*p = int(n)
			ok = int64(*p) == n
		}
	case *int64:
		*p, ok = plainInt(raw)
	case *bool:
		*p = string(raw) == "true"
		ok = *p || string(raw) == "false"
	}
	return t, ok
}

// encodePlain encodes a value as json.Marshal would, or reports false.
func encodePlain[T any](t T) (raw json.RawMessage, ok bool) {
	switch v := any(t).(type) {
	case string:
		if isPlain(v) {
			raw = append(make(json.RawMessage, 0, len(v)+2), '"')
			return append(append(raw, v...), '"'), true
		}
	case int:
		return strconv.AppendInt(nil, int64(v), 10), true
	case int64:
		return strconv.AppendInt(nil, v, 10), true
	case bool:
		return strconv.AppendBool(nil, v), true
	}
	return nil, false
}

// isPlain reports whether a text is the same inside of quotes in JSON, as
// encoding/json writes it.
func isPlain(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ', c > '~', c == '"', c == '\\', c == '<', c == '>', c == '&':
			return false
		}
	}
	return true
}

// plainInt reads a whole number, unless it has so many digits that it could be
// too large.
func plainInt(raw json.RawMessage) (n int64, ok bool) {
	digits := raw
	if len(raw) > 0 && raw[0] == '-' {
		digits = raw[1:]
	}
	switch {
	case len(digits) == 0, len(digits) > 18: // 19 may be beyond an int64
		return 0, false
	case digits[0] == '0' && len(digits) > 1: // not JSON
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	if len(digits) < len(raw) {
		n = -n
	}
	return n, true
}
