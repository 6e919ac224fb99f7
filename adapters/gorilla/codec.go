package gorilla

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// This file is how values are kept: as plain JSON where that tells their type, and else by
// encoding/gob.

// kept is a value that gob encoded.
type kept struct {
	Gob []byte `json:"gob"`
}

// encode returns a value as JSON that decode makes the same value of.
func encode(v any) (json.RawMessage, error) {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return encodeOne(v)
	}
	var elements []json.RawMessage
	for _, v := range list {
		raw, err := encodeOne(v)
		if err != nil {
			return nil, err
		}
		elements = append(elements, raw)
	}
	return joinList(elements), nil
}

// encodeOne is encode without lists. So lists in lists are left to gob, which bounds what a
// list that contains itself can do here.
func encodeOne(v any) (json.RawMessage, error) {
	switch v := v.(type) {
	case nil:
		return json.RawMessage("null"), nil
	case bool:
		return strconv.AppendBool(nil, v), nil
	case int:
		return strconv.AppendInt(nil, int64(v), 10), nil
	case string:
		if utf8.ValidString(v) { // otherwise JSON would change it
			return json.Marshal(v)
		}
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			break
		}
		raw := strconv.AppendFloat(nil, v, 'g', -1, 64)
		if !bytes.ContainsAny(raw, ".e") { // otherwise it would come back as an int
			raw = append(raw, ".0"...)
		}
		return raw, nil
	}
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(&v); err != nil {
		return nil, gobError("encoded", fmt.Sprintf("%T", v), err)
	}
	return json.Marshal(kept{b.Bytes()})
}

// decode is the inverse of encode.
func decode(raw json.RawMessage) (any, error) {
	switch raw[0] {
	case 'n':
		return nil, nil
	case 't', 'f':
		return raw[0] == 't', nil
	case '"':
		var text string
		err := json.Unmarshal(raw, &text)
		return text, err
	case '[':
		elements, _ := listOf(raw)
		list := make([]any, len(elements))
		for i, raw := range elements {
			v, err := decode(raw)
			if err != nil {
				return nil, err
			}
			list[i] = v
		}
		return list, nil
	case '{':
		return decodeGob(raw)
	}
	if bytes.ContainsAny(raw, ".eE") {
		f, err := strconv.ParseFloat(string(raw), 64)
		if err != nil {
			return nil, errors.New("the number doesn't fit a float64")
		}
		return f, nil
	}
	n, err := strconv.Atoi(string(raw))
	if err != nil {
		return nil, errors.New("the number doesn't fit an int")
	}
	return n, nil
}

func decodeGob(raw json.RawMessage) (any, error) {
	var k kept
	if err := json.Unmarshal(raw, &k); err != nil || len(k.Gob) == 0 {
		return nil, errors.New("it is a JSON object that this package didn't write")
	}
	var v any
	if err := gob.NewDecoder(bytes.NewReader(k.Gob)).Decode(&v); err != nil {
		return nil, gobError("decoded", "it", err)
	}
	return v, nil
}

// gobError says why gob failed. Errors of the types' own methods aren't quoted, since they
// may quote the value.
func gobError(what, typ string, err error) error {
	text := err.Error()
	if !strings.HasPrefix(text, "gob: ") {
		text = fmt.Sprintf("%T", err)
	}
	return fmt.Errorf("%s can't be %s by encoding/gob, which wants it registered (gob.Register): %s", typ, what, text)
}

// same reports whether two values as they are kept are the same. gob encodes the same map
// differently each time.
func same(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, err := decode(a)
	if err != nil {
		return false
	}
	y, err := decode(b)
	return err == nil && reflect.DeepEqual(x, y)
}
