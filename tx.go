package cloakroom

import (
	"encoding/json"
	"iter"
)

// This file is Tx: the values inside of Session.Update and Admin.Update.

// Tx is the values of a session inside Session.Update and Admin.Update. It has values
// only, since the function may be run again on a conflict, and must do nothing else. Use
// it only during that function, in one goroutine.
type Tx struct{ *txState }

// txState is the content of a Tx. It is behind a pointer, so that printing a Tx can't
// reach the values.
type txState struct {
	v    valueSet
	errs nameErrors
}

// Raw implements Values.
func (t *Tx) Raw(name string) (json.RawMessage, bool) { return t.v.get(name) }

// SetRaw implements Values.
func (t *Tx) SetRaw(name string, value json.RawMessage) {
	raw, err := compactJSON(name, value)
	if err != nil {
		t.keepError(name, err, true)
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

func (t *Tx) sealed() sealedValues                        { return t }
func (t *Tx) keepError(name string, err error, lost bool) { t.errs.add(name, err, lost) }
func (t *Tx) err() error                                  { return t.errs.join() }

func (t *Tx) replace(name string, raw json.RawMessage) {
	if err := checkName(name); err != nil {
		t.keepError(name, err, true)
		return
	}
	t.errs.clear(name)
	t.v.set(name, raw)
}

func (t *Tx) change(name string, c changer) {
	if _, broken := t.errs[name]; broken {
		return // a change doesn't mend a set that failed
	}
	old, ok := t.v.get(name)
	raw, err := c.first(old, ok)
	if err != nil {
		t.keepError(name, err, true)
		return
	}
	t.replace(name, raw)
}
