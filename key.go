package cloakroom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// This file is Key: typed access to a session's values, as JSON.

// Key gives a value's name its type. Declare keys once, as package variables. They are
// plain values, and safe for concurrent use.
type Key[T any] struct{ name string }

// NewKey returns the key of a name.
func NewKey[T any](name string) Key[T] { return Key[T]{name} }

// Name returns the key's name.
func (k Key[T]) Name() string { return k.name }

// Get returns the value, or T's zero value if there is none. A value that can't be
// decoded into T reads as zero too. The session keeps the error (Err), which stops the
// save of any change, so that nothing computed from the zero is stored. In
// Import.Principal it fails the import. A driver.Record can't keep the error: use Lookup.
func (k Key[T]) Get(v Reader) T {
	t, _, err := k.Lookup(v)
	if err == nil {
		return t
	}
	switch values := v.(type) {
	case Values:
		values.sealed().keepError(k.name, err, false)
	case *foreignValues:
		values.keepError(err)
	}
	return t
}

// Lookup returns the value and whether there is one. If it can't be decoded, that is an
// error, which has no further effect.
func (k Key[T]) Lookup(v Reader) (T, bool, error) {
	raw, ok := v.Raw(k.name)
	if !ok {
		var zero T
		return zero, false, nil
	}
	t, err := k.decode(raw)
	return t, err == nil, err
}

func (k Key[T]) decode(raw json.RawMessage) (T, error) {
	if t, ok := decodePlain[T](raw); ok {
		return t, nil
	}
	var t T
	if err := json.Unmarshal(raw, &t); err != nil {
		var zero T
		return zero, newValueError[T]("decoded into", k.name, err)
	}
	return t, nil
}

func (k Key[T]) encode(t T) (json.RawMessage, error) {
	if raw, ok := encodePlain(t); ok {
		return raw, nil
	}
	v := any(t)
	raw, err := json.Marshal(v)
	if err == nil {
		err = checkText(v, raw)
	}
	if err != nil {
		return nil, newValueError[T]("encoded from", k.name, err)
	}
	return raw, checkDepth(k.name, raw)
}

// Set sets the value. It is encoded now: later changes to t have no effect.
//
// A value that would not come back as it is, is kept as the session's Err instead, and
// stops the save until the name is set again or unset: one that JSON can't hold, one with
// a text that isn't UTF-8, one with more than driver.MaxDepth levels of lists and
// objects. The same goes for Update.
func (k Key[T]) Set(v Values, t T) {
	raw, err := k.encode(t)
	if err != nil {
		v.sealed().keepError(k.name, err, true)
		return
	}
	v.sealed().replace(k.name, raw)
}

// Update sets the value to f of the old one, T's zero value if there is none. It returns
// the new one as far as this request knows it. If another request changes the session
// meanwhile, f is run again on the value that it left, so that no update is ever lost. So
// f may run more than once, in another goroutine, after the handler, and must do nothing
// but compute.
func (k Key[T]) Update(v Values, f func(T) T) T {
	u := &update[T]{key: k, f: f}
	v.sealed().change(k.name, u)
	return u.now
}

// update is one Key.Update.
type update[T any] struct {
	key Key[T]
	f   func(T) T
	now T // the new value, as far as the request knows it
}

func (u *update[T]) first(old json.RawMessage, ok bool) (raw json.RawMessage, err error) {
	u.now, raw, err = u.step(old, ok)
	return raw, err
}

func (u *update[T]) again(old json.RawMessage, ok bool) (json.RawMessage, error) {
	_, raw, err := u.step(old, ok)
	return raw, err
}

func (u *update[T]) step(old json.RawMessage, ok bool) (t T, raw json.RawMessage, err error) {
	if ok {
		if t, err = u.key.decode(old); err != nil {
			return t, nil, err
		}
	}
	t = u.f(t)
	raw, err = u.key.encode(t)
	return t, raw, err
}

// Pop returns the value and removes it when the session is saved. Requests at the same
// time may all get it, since each reads the session as it was loaded. Use Take to give it
// to one alone.
func (k Key[T]) Pop(v Values) T {
	t, ok, err := k.Lookup(v)
	if err != nil {
		v.sealed().keepError(k.name, err, true)
	} else if ok {
		v.Unset(k.name)
	}
	return t
}

// Take takes the value out of the session, and saves that before it returns: a message to
// be shown once, a code that is good once. Of all requests, in all processes, at most one
// gets the value (ok). It is taken exactly once, unless Take returns ErrUnknown: then the
// value may be gone, and nobody got it.
//
// Take also saves the earlier changes of this request, as Session.Update does. A value
// that this request has itself set before, saved or not, is taken as well.
//
// ok is false if there is no value, and then nothing is saved. Take may not see yet a
// value that another process set within the last second; it stays for the next Take.
//
// Errors: those of Session.Save. A value that can't be decoded stays where it is.
func (k Key[T]) Take(ctx context.Context, s *Session) (value T, ok bool, err error) {
	raw, err := s.takeValue(ctx, k.name, func(raw json.RawMessage) error {
		_, err := k.decode(raw)
		return err
	})
	if err == nil {
		value, err = k.decode(raw)
	}
	if errors.Is(err, errNothing) {
		return value, false, nil
	}
	return value, err == nil, err
}

// Delete removes the value.
func (k Key[T]) Delete(v Values) { v.Unset(k.name) }

// valueError says that a value can't be encoded or decoded, without telling the value,
// which the messages of encoding/json and of types' own methods often do. So it has no
// Unwrap, which loggers call. errors.Is and errors.As still find the cause, if they ask
// for it by name.
type valueError struct {
	what, name string
	typ        reflect.Type
	cause      func() error // in a function, so that nothing that prints values finds it
}

// newValueError returns the error for a named value that can't be encoded or decoded.
func newValueError[T any](what, name string, cause error) error {
	return &valueError{what, name, reflect.TypeFor[T](), func() error { return cause }}
}

func (e *valueError) Is(target error) bool { return errors.Is(e.cause(), target) }
func (e *valueError) As(target any) bool   { return errors.As(e.cause(), target) }

func (e *valueError) Error() string {
	text := fmt.Sprintf("cloakroom: value %q can't be %s %v", e.name, e.what, e.typ)
	cause := e.cause()
	var wrongType *json.UnmarshalTypeError
	var unsupported *json.UnsupportedTypeError
	switch {
	case errors.As(cause, &wrongType):
		kind, _, _ := strings.Cut(wrongType.Value, " ") // a number's value follows
		text += fmt.Sprintf(": a JSON %s at byte %d doesn't fit %v", kind, wrongType.Offset, wrongType.Type)
		if wrongType.Field != "" {
			text += " in field " + wrongType.Field
		}
	case errors.As(cause, &unsupported):
		text += fmt.Sprintf(": JSON has no %v", unsupported.Type)
	case errors.Is(cause, errNotUTF8):
		text += ": " + errNotUTF8.Error()
	default:
		text += fmt.Sprintf(" (%T)", cause)
	}
	return text
}
