package history_test

import (
	"testing"
	"time"

	. "github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
)

// since moves an operation into a time in which a node was cut off.
func since(at int64, o Op) Op {
	o.Since = at
	return o
}

// What was read while a node was cut off may be a phantom write, which this node
// alone had. Nothing else may be lost, and nothing may rest on a phantom.
func TestPhantoms(t *testing.T) {
	lost := with(Unknown, update) // number 2 where it follows create
	for name, c := range map[string]struct {
		ops      []Op
		phantoms bool
		broken   bool
	}{
		"a write that is lost":                             {[]Op{create, lost, since(16, get(0, 2)), get(0)}, true, false},
		"a write that is lost, nobody was cut off":         {[]Op{create, lost, get(0, 2), get(0)}, false, true},
		"a write that certainly didn't happen":             {[]Op{create, with(Unavailable, update), since(16, get(0, 2)), get(0)}, true, false},
		"a write that stayed":                              {[]Op{create, lost, since(16, get(0, 2)), get(0, 2)}, false, false},
		"a write that was acknowledged, and is lost":       {[]Op{create, update, since(16, get(0, 2)), get(0)}, false, true},
		"one that was acknowledged before, and is missing": {[]Op{create, update, with(Unknown, update), since(28, get(0, 3)), get(0, 2)}, false, true},
		"what nobody asked for":                            {[]Op{create, lost, since(16, get(0, 2, 9)), get(0)}, false, true},
		"what was asked for later":                         {[]Op{create, since(16, get(0, 3)), lost, get(0)}, false, true},
		"once is twice":                                    {[]Op{create, lost, since(16, get(0, 2, 2)), get(0)}, false, true},
		"a value of a key that an Unset has":               {[]Op{create, with(Unknown, unsetA), since(16, get(2)), get(0)}, false, true},
		"a removal that is lost":                           {[]Op{create, setA, with(Unknown, unsetA), since(28, get(0)), get(2)}, true, false},
		"nothing to remove, for what is lost":              {[]Op{create, setA, with(Unknown, unsetA), since(28, unsetA), get(2)}, true, false},
		"an end that is lost":                              {[]Op{create, with(Unknown, destroy), since(16, notFound), get(0), get(0)}, true, false},
		"an end that nobody asked for":                     {[]Op{create, since(18, notFound), get(0)}, false, true},
		"an end that was acknowledged":                     {[]Op{create, destroy, since(28, get(0))}, false, true},
		"an end while a node was cut off, acknowledged":    {[]Op{create, since(16, destroy), get(0)}, false, true},
		"a save while a node was cut off, acknowledged":    {[]Op{create, since(16, setA), get(0)}, false, true},
	} {
		v := Check(told(c.ops...), time.Minute)
		if v.Undecided || v.Phantoms != c.phantoms || v.Failed() != c.broken {
			t.Errorf("%s: %+v, want phantoms: %v, broken: %v", name, v, c.phantoms, c.broken)
		}
	}
}

// Where no order would be found in any time, what may be phantom reads is left out soon.
func TestPhantomsAreLeftOutSoon(t *testing.T) {
	f := endless()
	for i := range f.Ops {
		if f.Ops[i].Kind == Get {
			f.Ops[i].Since = 1500
		}
	}
	began := time.Now()
	if v := Check(f, time.Hour); !v.Phantoms || v.Undecided || v.Failed() {
		t.Errorf("%+v after %v", v, time.Since(began))
	}
}

// A report counts them, and they are no failures.
func TestPhantomsAreCounted(t *testing.T) {
	c := NewChecker(nil)
	c.Add(told(create, with(Unknown, update), since(16, get(0, 2)), get(0)))
	c.Add(told(create, get(0)))
	if r := c.Close(); r.Phantoms != 1 || r.Failed != 0 || r.Undecided != 0 {
		t.Error(r)
	}
}
