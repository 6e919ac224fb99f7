package transfer_test

import (
	"errors"
	"testing"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/transfer"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file tests moves that meet others.

// TestTwoSources: what was copied from another source doesn't end unasked.
func TestTwoSources(t *testing.T) {
	first, second, to := newFile(t), newFile(t), memstore.New(nil)
	r := create(t, first, session(driver.LayoutDay))
	create(t, second, session(driver.LayoutDay))
	m, found := mover(t, first, to, nil)
	mustCut(t, m, found)
	m, found = mover(t, second, to, nil)
	for _, o := range []transfer.CutOptions{{}, {Changed: true}, {Accept: true}} {
		pass(t, m)
		if all, err := m.Verify(t.Context()); err != nil || all.Different != 1 {
			t.Errorf("%+v %v", all, err)
		}
		cut, err := m.Cut(t.Context(), o)
		if o.Accept != (err == nil) || err != nil && !errors.Is(err, transfer.ErrDifferent) || cut.Different != 1 || cut.Removed != 0 {
			t.Errorf("%+v: %+v %v\n%v", o, cut, err, found)
		}
		if there := at(t, to, r.ID); there == nil || there.Grave != nil {
			t.Fatalf("%+v: a session of the first source was ended by the move of the second", o)
		}
	}
}
