package sqlitestore

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/cloakroom-go/cloakroom/driver"
)

// A record's values are one JSON object in one column, and so is its Extra, so that
// they can be read in the sqlite3 shell. Both ways are written out here: encoding/json would go
// over each value three times, and that is most of what a save costs outside
// of SQLite. The raw texts are kept byte for byte, since a number's spelling or
// a lone surrogate's escape has no other form to survive in.

// encodeValues makes the JSON object of a list.
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

// plain reports whether a text is its own spelling between JSON's quotes.
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
	// From here on only what valid JSON can look like matters.
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

// skipValue returns where the value that begins at i ends.
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
		case ',', ':', ' ', '\n', '\t', '\r': // only met inside, see below
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
