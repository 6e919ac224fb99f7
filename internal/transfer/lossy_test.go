package transfer_test

import (
	"context"
	"testing"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/transfer"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file tests that a cut which compares only what has changed mends what the target
// has lost of that.

// lossy is a target that answers some writes as done, and doesn't keep them.
type lossy struct {
	*memstore.Store
	lose func(driver.ID) bool
}

func (l *lossy) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	if l.lose != nil && l.lose(r.ID) {
		return driver.Version{Term: 1, Seq: 1 << 40}, nil
	}
	return l.Store.Update(ctx, r)
}

// once loses the first write of each id.
func once() func(driver.ID) bool {
	seen := map[driver.ID]bool{}
	lock := make(chan struct{}, 1)
	return func(id driver.ID) bool {
		lock <- struct{}{}
		defer func() { <-lock }()
		was := seen[id]
		seen[id] = true
		return !was
	}
}

// TestChanged: a cut that compares only what has changed notices what the target has lost
// of that, in whichever pass, and mends it.
func TestChanged(t *testing.T) {
	for name, passes := range map[string]int{"in the last pass": 0, "in a pass before": 1, "in one of several": 3} {
		t.Run(name, func(t *testing.T) {
			from, to := newFile(t), &lossy{Store: memstore.New(nil)}
			m, found := mover(t, from, to, nil)
			all := make([]*driver.Record, 600) // more than are looked at at a time
			for i := range all {
				all[i] = create(t, from, session(driver.LayoutDay))
			}
			pass(t, m)
			if c, err := m.Verify(t.Context()); err != nil || c.Different != 0 {
				t.Fatalf("%+v %v", c, err)
			}
			for i := range all {
				all[i] = update(t, from, all[i])
			}
			to.lose = once()
			for range passes {
				pass(t, m)
			}
			cut, err := m.Cut(t.Context(), transfer.CutOptions{Changed: true})
			if err != nil || cut.Different != 0 || !cut.Fenced {
				t.Errorf("%+v %v\n%v", cut, err, found)
			}
			for _, r := range all {
				if there := at(t, to, r.ID); there.Writes != r.Writes {
					t.Fatalf("%v is at write %d of %d", r.ID, there.Writes, r.Writes)
				}
			}
		})
	}
}
