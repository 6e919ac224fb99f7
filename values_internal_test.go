package cloakroom

import (
	"encoding/json"
	"errors"
	"fmt"
	"github.com/cloakroom-go/cloakroom/driver"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// This file is the tests of replays and of the set of values.

func rawInt(n int) json.RawMessage { return json.RawMessage(fmt.Sprint(n)) }

// changeFunc is a changer that does the same each time.
type changeFunc func(old json.RawMessage, ok bool) (json.RawMessage, error)

func (f changeFunc) first(old json.RawMessage, ok bool) (json.RawMessage, error) { return f(old, ok) }
func (f changeFunc) again(old json.RawMessage, ok bool) (json.RawMessage, error) { return f(old, ok) }

// changeBy is the log's entry of an update that adds.
func changeBy(name string, by int) op {
	return op{kind: opChange, name: name, change: changeFunc(func(old json.RawMessage, ok bool) (json.RawMessage, error) {
		n := 0
		if ok {
			if err := json.Unmarshal(old, &n); err != nil {
				return nil, err
			}
		}
		return rawInt(n + by), nil
	})}
}

// TestI3_ReplayLeavesBase: the values of a record are shared with other requests and
// with the store. A replay on them leaves them as they are.
func TestI3_ReplayLeavesBase(t *testing.T) {
	stop := errors.New("stop")
	spoil := func(tx *Tx) {
		tx.SetRaw("a", json.RawMessage("9"))
		tx.Unset("b")
		tx.SetRaw("z", json.RawMessage("9"))
	}
	set := op{kind: opSet, name: "a", raw: rawInt(5)}
	for _, tt := range []struct {
		name string
		ops  []op
		want string // "" for an error
	}{
		{"nothing", nil, "a=1 b=2"},
		{"set", []op{set}, "a=5 b=2"},
		{"set a new one", []op{{kind: opSet, name: "c", raw: rawInt(3)}}, "a=1 b=2 c=3"},
		{"unset", []op{{kind: opUnset, name: "a"}}, "b=2"},
		{"unset what isn't", []op{{kind: opUnset, name: "c"}}, "a=1 b=2"},
		{"change", []op{changeBy("a", 4)}, "a=5 b=2"},
		{"change a new one", []op{changeBy("c", 4)}, "a=1 b=2 c=4"},
		{"clear", []op{{kind: opClear}}, ""},
		{"clear, then set", []op{{kind: opClear}, set}, "a=5"},
		{"set, then clear", []op{set, {kind: opClear}}, ""},
		{"clear, then change", []op{{kind: opClear}, changeBy("a", 4)}, "a=4"},
		{"tx", []op{{kind: opTx, tx: func(tx *Tx) error { spoil(tx); return nil }}}, "a=9 z=9"},
		{"tx that clears", []op{{kind: opTx, tx: func(tx *Tx) error { tx.Clear(); tx.SetRaw("z", rawInt(1)); return nil }}}, "z=1"},
		{"set, then tx", []op{set, {kind: opTx, tx: func(tx *Tx) error { tx.Unset("b"); return nil }}}, "a=5"},
		{"tx, then set", []op{{kind: opTx, tx: func(tx *Tx) error { spoil(tx); return nil }}, set}, "a=5 z=9"},
		{"tx that fails", []op{set, {kind: opTx, tx: func(tx *Tx) error { spoil(tx); return stop }}}, "error: stop"},
		{"tx with a bad value", []op{{kind: opTx, tx: func(tx *Tx) error { spoil(tx); tx.SetRaw("x", nil); return nil }}}, `error: cloakroom: value "x" is not valid JSON`},
		{"tx that panics", []op{set, {kind: opTx, tx: func(tx *Tx) error { spoil(tx); panic("oops") }}}, "error: cloakroom: an update function panicked in github.com/cloakroom-go/cloakroom.TestI3_ReplayLeavesBase"},
		{"change that fails", []op{set, {kind: opChange, name: "a", change: changeFunc(func(json.RawMessage, bool) (json.RawMessage, error) { return nil, stop })}}, "error: stop"},
		{"change that panics", []op{set, {kind: opChange, name: "a", change: changeFunc(func(json.RawMessage, bool) (json.RawMessage, error) { panic(stop) })}}, "error: cloakroom: an update function panicked in github.com/cloakroom-go/cloakroom.TestI3_ReplayLeavesBase"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			base := driver.NewValueList(map[string]json.RawMessage{"a": rawInt(1), "b": rawInt(2)})
			before := slices.Clone(base)
			for range 2 { // a second time, as on another conflict
				got, err := replay(base, tt.ops)
				if want, ok := strings.CutPrefix(tt.want, "error: "); ok {
					if err == nil || !strings.HasPrefix(err.Error(), want) || got != nil {
						t.Errorf("%v, %v, want %q", got, err, want)
					}
				} else if err != nil || plainValues(got) != tt.want {
					t.Errorf("%s, %v, want %s", plainValues(got), err, tt.want)
				}
				if plainValues(base) != plainValues(before) {
					t.Fatalf("the base became %s", plainValues(base))
				}
			}
			// The same on nothing: a session that is begun, or lost all values.
			if _, err := replay(nil, tt.ops); (err != nil) != strings.HasPrefix(tt.want, "error: ") {
				t.Errorf("on nothing: %v", err)
			}
		})
	}
}

func plainValues(l driver.ValueList) string {
	var all []string
	for name, raw := range l.All() {
		all = append(all, name+"="+string(raw))
	}
	return strings.Join(all, " ")
}

// TestI3_ReplayRandom replays random logs, and compares with a map that is
// changed in place.
func TestI3_ReplayRandom(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 2))
	for range 2000 {
		model := map[string]json.RawMessage{}
		for _, name := range []string{"a", "b", "c"} {
			if random.IntN(2) == 0 {
				model[name] = rawInt(7)
			}
		}
		base := driver.NewValueList(model)
		before := slices.Clone(base)
		var ops []op
		for range random.IntN(12) {
			name, n := string(rune('a'+random.IntN(4))), random.IntN(9)
			switch random.IntN(5) {
			case 0, 1:
				ops = append(ops, op{kind: opSet, name: name, raw: rawInt(n)})
				model[name] = rawInt(n)
			case 2:
				ops = append(ops, op{kind: opUnset, name: name})
				delete(model, name)
			case 3:
				o := changeBy(name, n)
				ops = append(ops, o)
				old, ok := model[name]
				model[name], _ = o.change.again(old, ok)
			case 4:
				if random.IntN(3) == 0 {
					ops = append(ops, op{kind: opClear})
					clear(model)
				}
			}
		}
		got, err := replay(base, ops)
		if err != nil || !reflect.DeepEqual(got, driver.NewValueList(model)) && len(got)+len(model) > 0 {
			t.Fatalf("replay of %d ops: %s, %v, want %s", len(ops), plainValues(got), err, plainValues(driver.NewValueList(model)))
		}
		if plainValues(base) != plainValues(before) {
			t.Fatalf("the base became %s", plainValues(base))
		}
	}
}

// TestValueSet: it copies before its first change, and once only.
func TestValueSet(t *testing.T) {
	base := driver.ValueList{{Name: "a", JSON: rawInt(1)}}
	v := valueSet{list: base}
	if v.set("a", rawInt(1)) || v.owned {
		t.Error("what changes nothing is taken for a change")
	}
	if v.unset("none"); v.owned {
		t.Error("it copied for nothing")
	}
	if !v.set("a", rawInt(2)) || !v.owned || string(base.Get("a")) != "1" {
		t.Errorf("set: owned %v, base %s", v.owned, base.Get("a"))
	}
	own := v.list
	if v.set("a", rawInt(4)); string(own.Get("a")) != "4" {
		t.Error("it copied again")
	}
	if v.set("b", rawInt(3)); v.list.Bytes() != len("a4b3") {
		t.Errorf("%d bytes", v.list.Bytes())
	}
	v.unset("a")
	if _, ok := v.get("a"); ok || string(base.Get("a")) != "1" {
		t.Errorf("unset: %v, base %s", ok, base.Get("a"))
	}
	for name, empty := range map[string]*valueSet{"zero": {}, "owned": {owned: true}} {
		empty.unset("a")
		if !empty.set("a", rawInt(1)) || empty.list.Bytes() != 2 {
			t.Errorf("the %s set", name)
		}
	}
}

// TestNameErrors: they are told in order, and a loss isn't forgotten over a
// later failure to read.
func TestNameErrors(t *testing.T) {
	var e nameErrors
	if e.join() != nil || e.lost() {
		t.Error("no errors are an error")
	}
	e.clear("none")
	e.add("b", errors.New("second"), true)
	e.add("a", errors.New("first"), false)
	e.add("b", errors.New("third"), false)
	if got := e.join().Error(); got != "first\nthird" {
		t.Errorf("joined: %q", got)
	}
	if !e.lost() {
		t.Error("the loss is forgotten")
	}
	e.clear("b")
	if e.lost() || e.join().Error() != "first" {
		t.Errorf("after clear: %v", e.join())
	}
}

// TestCompactJSON never returns the caller's memory.
func TestCompactJSON(t *testing.T) {
	given := json.RawMessage(`{"a":[1,2]}`)
	got, err := compactJSON("x", given)
	if err != nil {
		t.Fatal(err)
	}
	copy(given, "XXXXXXXXXXX")
	if string(got) != `{"a":[1,2]}` {
		t.Errorf("it became %s", got)
	}
}
