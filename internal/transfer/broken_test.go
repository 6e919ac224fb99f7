package transfer_test

import (
	"context"
	"slices"
	"testing"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/test/brokenstore"
	"github.com/cloakroom-go/cloakroom/internal/transfer"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file moves to and from stores that break a rule.

// broken is a store that breaks a rule, beside the honest listing of what it wraps.
type broken struct {
	driver.Store
	driver.Lister
}

// forgetful is a store that lists all but some of its records.
type forgetful struct {
	*memstore.Store
	every int
}

func (f forgetful) List(ctx context.Context, after string) (driver.Part, error) {
	p, err := f.Store.List(ctx, after)
	p.Items = slices.DeleteFunc(p.Items, func(l driver.Listed) bool { return int(l.ID[15])%f.every == 0 })
	return p, err
}

// TestBroken: whatever rule a target breaks, a cut doesn't say that it has everything
// unless it has.
func TestBroken(t *testing.T) {
	noticed := 0
	variants := brokenstore.All()
	for _, v := range variants {
		t.Run(v.Name, func(t *testing.T) {
			from, inner := memstore.New(nil), memstore.New(nil)
			to := broken{v.Wrap(inner), inner}
			old := newSite(t, from)
			m, found := mover(t, from, to, nil)
			var guests []*visitor
			for i := range 40 {
				g := new(visitor)
				old.must(g, visit)
				if i%3 == 0 {
					old.must(g, login([]string{"ann", "bob"}[i%2]))
				}
				guests = append(guests, g)
			}
			for round := range 4 {
				if _, err := m.Pass(t.Context()); err != nil {
					t.Logf("round %d: %v", round, err)
				}
				for i, g := range guests {
					switch {
					case i%8 == round:
						old.must(g, logout)
						guests[i] = new(visitor)
						old.must(guests[i], visit)
					case i%5 != round:
						for range 1 + i%11 {
							old.must(g, visit)
						}
					}
				}
			}
			_, err := m.Cut(t.Context(), transfer.CutOptions{})
			if err != nil {
				noticed++
				t.Logf("noticed: %v\n%.300v", err, found)
				return
			}
			// The truth, past the wrapper.
			truth, what := mover(t, from, inner, nil)
			if c, err := truth.Compare(t.Context()); err != nil || c.Different != 0 {
				t.Errorf("a cut was made, and the target has something else: %+v %v\n%v", c, err, what)
			}
		})
	}
	if noticed < 3 {
		t.Errorf("%d of %d broken targets were noticed", noticed, len(variants))
	}
}

// TestForgetful: a source that leaves records out of its listing isn't believed: what the
// target has beside is told, and nothing of it ends.
func TestForgetful(t *testing.T) {
	from, to := memstore.New(nil), memstore.New(nil)
	var all []*driver.Record
	for range 200 {
		all = append(all, create(t, from, session(driver.LayoutDay)))
	}
	m, found := mover(t, from, to, nil)
	mustCut(t, m, found)
	if err := from.Unfence(t.Context()); err != nil {
		t.Fatal(err)
	}
	m, found = mover(t, forgetful{from, 3}, to, nil)
	if cut, err := m.Cut(t.Context(), transfer.CutOptions{}); err != nil || cut.Removed != 0 {
		t.Errorf("%+v %v\n%v", cut, err, found)
	}
	for _, r := range all {
		if got := at(t, to, r.ID); got == nil || got.Grave != nil {
			t.Fatalf("%v ended, though the source has it", r.ID)
		}
	}
}
