package cloakroom

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is the log of a session's changes, and its replay on the state that others
// left.

// op is one entry of a session's log of changes. It is replayed on the values that others
// saved meanwhile.
type op struct {
	kind   opKind
	name   string
	raw    json.RawMessage
	change changer
	tx     func(*Tx) error
	take   *taking
}

// taking is one Key.Take.
type taking struct {
	check func(json.RawMessage) error // refuses the value that is there
	raw   json.RawMessage             // the value that the last run took
}

type opKind uint8

const (
	opSet opKind = iota
	opUnset
	opChange
	opClear
	opTx
	opTake
)

// errNothing says that there is no value to take.
var errNothing = errors.New("cloakroom: there is nothing to take")

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
		tx := &Tx{&txState{v: *v}}
		tx.v.owned = false // a copy, so that the changes of a failing function are dropped
		if err := errors.Join(o.tx(tx), tx.err()); err != nil {
			return err
		}
		*v = tx.v
	case opTake:
		old, ok := v.get(o.name)
		if !ok {
			return errNothing
		}
		if err := o.take.check(old); err != nil {
			return err
		}
		o.take.raw = old
		v.unset(o.name)
	}
	return nil
}

// panicSite returns the place of the panic that the calling function recovers from.
func panicSite() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		f, more := frames.Next()
		if f.Function != "" && !strings.HasPrefix(f.Function, "runtime.") {
			return fmt.Sprintf(" in %s, line %d", f.Function, f.Line)
		}
		if !more {
			return ""
		}
	}
}

// replay returns base with ops applied, and leaves base as it is. A panic in the user's
// function becomes an error, since a replay may run in a goroutine that the user knows
// nothing of.
func replay(base driver.ValueList, ops []op) (result driver.ValueList, err error) {
	defer func() {
		if p := recover(); p != nil {
			result, err = nil, fmt.Errorf("cloakroom: an update function panicked%s: %s", panicSite(), protocol.PanicText(p))
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
