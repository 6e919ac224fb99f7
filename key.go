package cloakroom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// This file is typed access to values.

// Key gives a value's name its type. Keys are plain values: declare them once,
// as package variables, and use them from any goroutine.
type Key[T any] struct{ name string }

// NewKey returns the key of a name.
func NewKey[T any](name string) Key[T] { return Key[T]{name} }

// Name returns the key's name.
func (k Key[T]) Name() string { return k.name }

// Get returns the value, or T's zero value if there is none. A value that can't
// be decoded into T reads as zero too, but is kept as the session's Err and
// stops the save of any change, so that nothing that was worked out from the
// zero is stored. A driver.Record has nowhere to keep it: use Lookup.
func (k Key[T]) Get(v Reader) T {
	t, _, err := k.Lookup(v)
	if err == nil {
		return t
	}
	if values, ok := v.(Values); ok {
		values.sealed().keepError(k.name, err, false)
	}
	return t
}

// Lookup returns the value and whether there is one; or an error that says why
// it can't be decoded, which has no further effect.
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
// What would not come back as it is, is kept as the session's Err and stops the save
// until the name is set again or unset: a value that JSON can't hold, a text in it that
// isn't UTF-8, more than driver.MaxDepth levels of lists and objects. The same goes for
// Update.
func (k Key[T]) Set(v Values, t T) {
	raw, err := k.encode(t)
	if err != nil {
		v.sealed().keepError(k.name, err, true)
		return
	}
	v.sealed().replace(k.name, raw)
}

// Update sets the value to f of the old one, T's zero value if there is none,
// and returns the new one as far as this request knows it. If someone else
// changes the session meanwhile, f is run again on what they left, so that no
// update is ever lost: f may run more than once, in another goroutine, after the
// handler, and must do nothing but compute.
func (k Key[T]) Update(v Values, f func(T) T) T {
	u := &update[T]{key: k, f: f}
	v.sealed().change(k.name, u)
	return u.now
}

// update is one Key.Update.
type update[T any] struct {
	key Key[T]
	f   func(T) T
	now T // what the request knows of it
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

// Pop returns the value and removes it when the session is saved. Requests that run at
// the same time may all get it, since each reads as it was when it was loaded. Where
// that won't do, use Take.
func (k Key[T]) Pop(v Values) T {
	t, ok, err := k.Lookup(v)
	if err != nil {
		v.sealed().keepError(k.name, err, true)
	} else if ok {
		v.Unset(k.name)
	}
	return t
}

// Take takes the value out of the session, and saves that before it returns: a message
// to be shown once, a code that is good once. Of all requests, in all processes, one at
// most is told a value (ok). It is taken exactly once, unless Take returns ErrUnknown:
// then it may be gone, and nobody is told.
//
// Earlier changes of this request are saved along, as by Session.Update. What this
// request has itself set before, saved or not, is taken as well.
//
// ok is false if there is no value, and then nothing is saved. What another process set
// within the last second may not be seen yet; it stays for the next Take.
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

// valueError says that a value can't be encoded or decoded, without telling the
// value, which what encoding/json and types' own methods say often does. So it has no
// Unwrap, which loggers call. errors.Is and errors.As find the cause all the same, for
// who asks for it by name.
type valueError struct {
	what, name string
	typ        reflect.Type
	cause      func() error // in a function, so that nothing that prints values finds it
}

// newValueError says that the value of a name can't be encoded or decoded.
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
