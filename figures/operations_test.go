package figures_test

import (
	"slices"
	"testing"

	"github.com/cloakroom-go/cloakroom/figures"
)

// reading returns figures, as a Manager does: as a value that has no address.
func reading() figures.Operations {
	return figures.Operations{
		Get: figures.Operation{Count: 1}, Create: figures.Operation{Count: 2}, Update: figures.Operation{Count: 3},
		Bury: figures.Operation{Count: 4}, Search: figures.Operation{Count: 5}, Sweep: figures.Operation{Count: 6, Canceled: 2, Other: 1},
	}
}

// TestAllOperations: each operation is yielded under its name.
func TestAllOperations(t *testing.T) {
	var names []string
	last := figures.Operation{}
	for name, one := range reading().All() {
		names = append(names, name)
		if one.Count != last.Count+1 {
			t.Errorf("%s: %d calls after %d", name, one.Count, last.Count)
		}
		last = one
	}
	if !slices.Equal(names, []string{"get", "create", "update", "bury", "search", "sweep"}) || last.Failed() != 3 || reading().Sweep.Failed() != 3 {
		t.Errorf("%q, of the last %d failed", names, last.Failed())
	}
	for range reading().All() {
		break
	}
}
