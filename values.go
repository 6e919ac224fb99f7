package cloakroom

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"github.com/cloakroom-go/cloakroom/driver"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
)

// Values is what a Session and a Tx have in common: named JSON values. Use it
// through a Key, which gives a name its type, or raw.
type Values interface {
	// Raw returns a value as JSON. The bytes are shared: don't change them.
	Raw(name string) (json.RawMessage, bool)
	// SetRaw sets a value to a copy of some JSON. What isn't valid JSON, or a
	// name that isn't valid UTF-8, is kept as an error of that name, which
	// stops the save until the name is set again or unset.
	SetRaw(name string, value json.RawMessage)
	// Unset removes a value.
	Unset(name string)
	// Names yields the names that are set, sorted.
	Names() iter.Seq[string]

	sealed() sealedValues
}

// sealedValues is what keys need beyond Values.
type sealedValues interface {
	// fail keeps the error of a name; lost says that a change is lost by it.
	fail(name string, err error, lost bool)
	replace(name string, owned json.RawMessage)
	// change sets a value to what c makes of the old one, and logs c for replays.
	change(name string, c changer)
}

// changer makes a value from the old one.
type changer interface {
	// first makes the value that this request goes on with. It is called once at
	// most, and before again.
	first(old json.RawMessage, ok bool) (json.RawMessage, error)
	// again does the same for a replay, in any goroutine.
	again(old json.RawMessage, ok bool) (json.RawMessage, error)
}

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
// zero is stored.
func (k Key[T]) Get(v Values) T {
	t, _, err := k.Lookup(v)
	if err != nil {
		v.sealed().fail(k.name, err, false)
	}
	return t
}

// Lookup returns the value and whether there is one; or an error that says why
// it can't be decoded, which has no further effect.
func (k Key[T]) Lookup(v Values) (T, bool, error) {
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
		return zero, &valueError{"decoded into", k.name, reflect.TypeFor[T](), err}
	}
	return t, nil
}

func (k Key[T]) encode(t T) (json.RawMessage, error) {
	if raw, ok := encodePlain(t); ok {
		return raw, nil
	}
	raw, err := json.Marshal(t)
	if err != nil {
		return nil, &valueError{"encoded from", k.name, reflect.TypeFor[T](), err}
	}
	return raw, nil
}

// Set sets the value. It is encoded now: later changes to t have no effect.
func (k Key[T]) Set(v Values, t T) {
	raw, err := k.encode(t)
	if err != nil {
		v.sealed().fail(k.name, err, true)
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

// Pop returns the value and removes it: a message to be shown once.
func (k Key[T]) Pop(v Values) T {
	t, ok, err := k.Lookup(v)
	if err != nil {
		v.sealed().fail(k.name, err, true)
	} else if ok {
		v.Unset(k.name)
	}
	return t
}

// Delete removes the value.
func (k Key[T]) Delete(v Values) { v.Unset(k.name) }

// valueError says that a value can't be encoded or decoded, without telling the
// value, which what encoding/json and types' own methods say often does.
type valueError struct {
	what, name string
	typ        reflect.Type
	cause      error
}

func (e *valueError) Unwrap() error { return e.cause }

func (e *valueError) Error() string {
	text := fmt.Sprintf("cloakroom: value %q can't be %s %v", e.name, e.what, e.typ)
	var wrongType *json.UnmarshalTypeError
	var unsupported *json.UnsupportedTypeError
	switch {
	case errors.As(e.cause, &wrongType):
		kind, _, _ := strings.Cut(wrongType.Value, " ") // a number's value follows
		text += fmt.Sprintf(": a JSON %s at byte %d doesn't fit %v", kind, wrongType.Offset, wrongType.Type)
		if wrongType.Field != "" {
			text += " in field " + wrongType.Field
		}
	case errors.As(e.cause, &unsupported):
		text += fmt.Sprintf(": JSON has no %v", unsupported.Type)
	default:
		text += fmt.Sprintf(" (%T)", e.cause)
	}
	return text
}

// checkName says what is wrong with a value's name.
func checkName(name string) error {
	if !utf8.ValidString(name) {
		return fmt.Errorf("cloakroom: the name %q is not valid UTF-8", name)
	}
	return nil
}

// compactJSON returns a compact copy of valid JSON.
func compactJSON(name string, raw json.RawMessage) (json.RawMessage, error) {
	if !utf8.Valid(raw) {
		return nil, fmt.Errorf("cloakroom: value %q is not valid UTF-8", name)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return nil, fmt.Errorf("cloakroom: value %q is not valid JSON: %w", name, err)
	}
	return b.Bytes(), nil
}

// valueSet is values that are copied before their first change, since the lists of
// records are shared.
type valueSet struct {
	list  driver.ValueList
	owned bool
}

func (v *valueSet) get(name string) (json.RawMessage, bool) {
	raw := v.list.Get(name)
	return raw, raw != nil
}

// set reports whether that was a change.
func (v *valueSet) set(name string, raw json.RawMessage) bool {
	i, ok := v.list.Find(name)
	switch {
	case ok && bytes.Equal(v.list[i].JSON, raw):
		return false
	case !v.owned:
		v.list, v.owned = v.list.With(name, raw), true
	case ok:
		v.list[i].JSON = raw
	default:
		v.list = slices.Insert(v.list, i, driver.Value{Name: name, JSON: raw})
	}
	return true
}

func (v *valueSet) unset(name string) {
	i, ok := v.list.Find(name)
	switch {
	case !ok:
	case v.owned:
		v.list = slices.Delete(v.list, i, i+1)
	default:
		v.list, v.owned = v.list.Without(name), true
	}
}

func (v *valueSet) names() iter.Seq[string] {
	// Copied, so that the loop may set and unset.
	names := make([]string, len(v.list))
	for i := range v.list {
		names[i] = v.list[i].Name
	}
	return slices.Values(names)
}

// op is one entry of a session's log of changes, which is replayed on what
// someone else saved meanwhile.
type op struct {
	kind   opKind
	name   string
	raw    json.RawMessage
	change changer
	tx     func(*Tx) error
}

type opKind uint8

const (
	opSet opKind = iota
	opUnset
	opChange
	opClear
	opTx
)

// apply runs the op on values.
func (o *op) apply(v *valueSet) error {
	switch o.kind {
	case opSet:
		v.set(o.name, o.raw)
	case opUnset:
		v.unset(o.name)
	case opClear:
		v.list, v.owned = nil, true
	case opChange:
		old, ok := v.get(o.name)
		raw, err := o.change.again(old, ok)
		if err != nil {
			return err
		}
		v.set(o.name, raw)
	case opTx:
		tx := &Tx{v: *v}
		tx.v.owned = false // what a failing function did is dropped
		if err := errors.Join(o.tx(tx), tx.err()); err != nil {
			return err
		}
		*v = tx.v
	}
	return nil
}

// replay returns what ops make of base, which stays as it is. A panic in a
// function of the user's becomes an error, since replays may run in a goroutine
// that the user knows nothing of.
func replay(base driver.ValueList, ops []op) (result driver.ValueList, err error) {
	defer func() {
		if p := recover(); p != nil {
			result, err = nil, fmt.Errorf("cloakroom: an update function panicked: %v", p)
		}
	}()
	v := valueSet{list: base}
	for i := range ops {
		if err := ops[i].apply(&v); err != nil {
			return nil, err
		}
	}
	return v.list, nil
}

// Tx is the values of a session inside Session.Update and Admin.Update. It has
// values only, so that nothing else can happen in a function that is run again
// on a conflict. It is good during that function, in one goroutine.
type Tx struct {
	v    valueSet
	errs nameErrors
}

// Raw implements Values.
func (t *Tx) Raw(name string) (json.RawMessage, bool) { return t.v.get(name) }

// SetRaw implements Values.
func (t *Tx) SetRaw(name string, value json.RawMessage) {
	raw, err := compactJSON(name, value)
	if err != nil {
		t.fail(name, err, true)
		return
	}
	t.replace(name, raw)
}

// Unset implements Values.
func (t *Tx) Unset(name string) {
	t.errs.clear(name)
	t.v.unset(name)
}

// Names implements Values.
func (t *Tx) Names() iter.Seq[string] { return t.v.names() }

// Clear removes all values.
func (t *Tx) Clear() {
	t.v.list, t.v.owned, t.errs = nil, true, nil
}

func (t *Tx) sealed() sealedValues                   { return t }
func (t *Tx) fail(name string, err error, lost bool) { t.errs.add(name, err, lost) }
func (t *Tx) err() error                             { return t.errs.join() }

func (t *Tx) replace(name string, raw json.RawMessage) {
	if err := checkName(name); err != nil {
		t.fail(name, err, true)
		return
	}
	t.errs.clear(name)
	t.v.set(name, raw)
}

func (t *Tx) change(name string, c changer) {
	if _, broken := t.errs[name]; broken {
		return // a set that failed isn't made good by this
	}
	old, ok := t.v.get(name)
	raw, err := c.first(old, ok)
	if err != nil {
		t.fail(name, err, true)
		return
	}
	t.replace(name, raw)
}

// nameErrors are the errors of single names, which stop a save.
type nameErrors map[string]nameError

type nameError struct {
	err  error
	lost bool // a change is lost by it, so that saving nothing would not do
}

func (e *nameErrors) add(name string, err error, lost bool) {
	if *e == nil {
		*e = make(nameErrors)
	}
	(*e)[name] = nameError{err, lost || (*e)[name].lost}
}

func (e *nameErrors) clear(name string) { delete(*e, name) }

func (e nameErrors) lost() bool {
	if len(e) == 0 { // to loop over nothing costs more than to see that
		return false
	}
	for _, x := range e {
		if x.lost {
			return true
		}
	}
	return false
}

func (e nameErrors) join() error {
	var all []error
	for _, name := range slices.Sorted(maps.Keys(e)) {
		all = append(all, e[name].err)
	}
	return errors.Join(all...)
}
