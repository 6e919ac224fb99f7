package gorilla

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the values of imported sessions: how they are named and kept, and how
// Import.Principal reads them.

// Value returns a value of a gorilla session with the type that it had, such as
// Values["user"] of the session "session"; nil if there is none. It is for Import.Principal,
// which gets the values as a Store keeps them:
//
//	Principal: func(_ context.Context, v cloakroom.Reader) (string, error) {
//		user, err := gorilla.Value(v, "session", "user")
//		name, ok := user.(string)
//		if user != nil && !ok {
//			return "", fmt.Errorf("the user is a %T", user) // "" would sign the visitor out
//		}
//		return name, err
//	}
func Value(v cloakroom.Reader, name, key string) (any, error) {
	raw, ok := v.Raw(name + "/" + key)
	if !ok || len(raw) == 0 || isEmptyList(raw) {
		return nil, nil
	}
	value, err := decode(raw)
	if err != nil {
		return nil, fmt.Errorf("gorilla: session %q: the value of %q can't be read: %w", name, key, err)
	}
	return value, nil
}

// add puts a session's values into an imported one.
func (r *reader) add(f *cloakroom.ForeignSession, name string, values map[any]any) error {
	for k, v := range values {
		full, err := r.nameOf(name, k)
		switch {
		case err != nil:
			return err
		case full == "":
			continue
		case f.Values[full] != nil:
			return fmt.Errorf("gorilla: session %q: ImportOptions.Key gives %q to two values, one of them that of the key %#v", name, full, k)
		}
		if f.Values[full], err = r.encode(v); err != nil {
			return fmt.Errorf("gorilla: session %q: the value of the key %#v can't be imported: %w", name, k, err)
		}
	}
	return nil
}

// nameOf returns the name under which the value of a key is kept.
func (r *reader) nameOf(name string, k any) (string, error) {
	if r.o.Key != nil {
		return r.o.Key(name, k), nil
	}
	key, ok := k.(string)
	if !ok || !utf8.ValidString(key) {
		return "", fmt.Errorf("gorilla: session %q: the key %#v can't be imported: want a string of UTF-8, not %T, or ImportOptions.Key, which gives it a name", name, k, k)
	}
	return name + "/" + key, nil
}

func (r *reader) encode(v any) (json.RawMessage, error) {
	if !r.o.JSON {
		return encode(v)
	}
	raw, err := json.Marshal(v)
	var unsupported *json.UnsupportedTypeError
	switch {
	case errors.As(err, &unsupported):
		return nil, fmt.Errorf("%T can't be JSON: it has a %v", v, unsupported.Type)
	case err != nil: // which may quote the value
		return nil, fmt.Errorf("%T can't be JSON (%T)", v, err)
	case bytes.Contains(bytes.ReplaceAll(raw, []byte(`\\`), nil), []byte(`\ufffd`)): // as encoding/json writes what isn't UTF-8
		return nil, fmt.Errorf("%T can't be JSON: a text in it is not UTF-8", v)
	}
	return raw, nil
}
