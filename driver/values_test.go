package driver_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/cloakroom-go/cloakroom/driver"
)

// TestValueList sets and removes values at random, beside a map, and checks that no
// earlier list changes.
func TestValueList(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 5))
	for range 200 {
		var list driver.ValueList
		model := map[string]json.RawMessage{}
		var lists []driver.ValueList
		var models []map[string]json.RawMessage
		for step := range 40 {
			lists, models = append(lists, list), append(models, maps.Clone(model))
			name, value := fmt.Sprint("n", random.IntN(20)), json.RawMessage(fmt.Sprint(step))
			if random.IntN(3) == 0 {
				list = list.Without(name)
				delete(model, name)
			} else {
				list = list.With(name, value)
				model[name] = value
			}
			if got := list.Get(name); string(got) != string(model[name]) || (got == nil) != (model[name] == nil) {
				t.Fatalf("Get(%s) is %s, want %s", name, got, model[name])
			}
		}
		for i, l := range append(lists, list) {
			want := append(models, model)[i]
			if got := maps.Collect(l.All()); !reflect.DeepEqual(got, want) {
				t.Fatalf("list %d became %v, want %v", i, got, want)
			}
			if again := driver.NewValueList(want); len(want) > 0 && !reflect.DeepEqual(l, again) {
				t.Fatalf("list %d is %v, of a map it is %v", i, l, again)
			}
		}
	}
}

// TestSortValues: of several values of one name the last stays.
func TestSortValues(t *testing.T) {
	v := func(name, value string) driver.Value {
		return driver.Value{Name: name, JSON: json.RawMessage(value)}
	}
	for _, test := range []struct{ in, want []driver.Value }{
		{nil, nil},
		{[]driver.Value{v("a", "1")}, []driver.Value{v("a", "1")}},
		{[]driver.Value{v("a", "1"), v("b", "2")}, []driver.Value{v("a", "1"), v("b", "2")}},
		{[]driver.Value{v("b", "2"), v("a", "1")}, []driver.Value{v("a", "1"), v("b", "2")}},
		{[]driver.Value{v("a", "1"), v("a", "2")}, []driver.Value{v("a", "2")}},
		{[]driver.Value{v("b", "1"), v("a", "1"), v("b", "2"), v("", "0"), v("a", "3")}, []driver.Value{v("", "0"), v("a", "3"), v("b", "2")}},
	} {
		in := fmt.Sprintf("%s", test.in)
		if got := driver.SortValues(slices.Clone(test.in)); !reflect.DeepEqual([]driver.Value(got), test.want) {
			t.Errorf("%s became %s, want %s", in, got, test.want)
		}
	}
}
