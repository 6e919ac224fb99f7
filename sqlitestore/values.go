package sqlitestore

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file encodes and decodes a record's values and its Extra. Each is one JSON object
// in one column, so that the sqlite3 shell can read them. Both directions are written
// out here, since encoding/json would read each value three times, which would be most
// of a save's cost outside of SQLite. The raw texts are kept byte for byte: a number's
// spelling, or the escape of a lone surrogate, would otherwise be lost.

// encodeValues encodes a list as a JSON object.
func encodeValues(values driver.ValueList) (string, error) {
	if len(values) == 0 {
		return "{}", nil
	}
	if err := driver.CheckDepth(values); err != nil {
		return "", err
	}
	n := 1
	for _, v := range values {
		n += len(v.Name) + len(v.JSON) + len(`"":,`)
	}
	var b strings.Builder
	b.Grow(n)
	sep := byte('{')
	for _, v := range values {
		if len(v.JSON) == 0 {
			return "", fmt.Errorf("%q is empty, which is not JSON", v.Name)
		}
		b.WriteByte(sep)
		sep = ','
		if err := writeName(&b, v.Name); err != nil {
			return "", err
		}
		b.WriteByte(':')
		b.Write(v.JSON)
	}
	b.WriteByte('}')
	return b.String(), nil
}

func writeName(b *strings.Builder, name string) error {
	if plain(name) {
		b.WriteByte('"')
		b.WriteString(name)
		b.WriteByte('"')
		return nil
	}
	if !utf8.ValidString(name) { // JSON has no spelling for it
		return fmt.Errorf("the name %q is not valid UTF-8", name)
	}
	quoted, err := json.Marshal(name)
	if err != nil {
		return err
	}
	b.Write(quoted)
	return nil
}

// plain reports whether a text needs no escapes between JSON's quotes.
func plain[T string | []byte](s T) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// decodeValues is the inverse of encodeValues. The result refers to text.
func decodeValues(text []byte) (driver.ValueList, error) {
	if len(text) == 2 && text[0] == '{' && text[1] == '}' {
		return nil, nil
	}
	if !json.Valid(text) {
		return nil, errors.New("it is not valid JSON")
	}
	// The text is valid JSON: the code below relies on it.
	i := skipSpace(text, 0)
	if text[i] != '{' {
		return nil, errors.New("it is JSON, but not an object")
	}
	values := []driver.Value{}
	for i = skipSpace(text, i+1); text[i] != '}'; {
		end := skipValue(text, i)
		name, err := unquote(text[i:end])
		if err != nil {
			return nil, err
		}
		i = skipSpace(text, end) // at the colon
		i = skipSpace(text, i+1) // at the value
		end = skipValue(text, i) // behind it
		// Cut so that an append can't reach the next.
		values = append(values, driver.Value{Name: name, JSON: text[i:end:end]})
		i = skipSpace(text, end)
		if text[i] == ',' {
			i = skipSpace(text, i+1)
		}
	}
	return driver.SortValues(values), nil
}

func unquote(quoted []byte) (string, error) {
	if inner := quoted[1 : len(quoted)-1]; plain(inner) {
		return string(inner), nil
	}
	var name string
	if err := json.Unmarshal(quoted, &name); err != nil {
		return "", fmt.Errorf("a name: %w", err)
	}
	return name, nil
}

func skipSpace(text []byte, i int) int {
	for text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r' {
		i++
	}
	return i
}

// skipValue returns the end of the value that begins at i.
func skipValue(text []byte, i int) int {
	depth := 0
	for {
		switch text[i] {
		case '"':
			for i++; text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ',', ':', ' ', '\n', '\t', '\r': // only inside an object or array, see below
		default: // a number or a literal
			for !ends(text[i+1]) {
				i++
			}
		}
		i++
		if depth == 0 {
			return i
		}
	}
}

// ends reports whether c can't belong to a number or a literal.
func ends(c byte) bool {
	switch c {
	case ',', ':', '}', ']', ' ', '\n', '\t', '\r':
		return true
	}
	return false
}
