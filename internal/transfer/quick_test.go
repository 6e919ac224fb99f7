package transfer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/transfer"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file tests that a cut which compares only what has changed (CutOptions.Changed)
// misses nothing of it.

// losing is a store that acknowledges writes of some ids and forgets them.
type losing struct {
	*memstore.Store
	ids []driver.ID
}

func (l *losing) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	if slices.Contains(l.ids, r.ID) {
		v := r.Version
		v.Seq++
		return v, nil
	}
	return l.Store.Update(ctx, r)
}

// TestChangedSinceVerified: what changed behind Verify and can't be copied, or wasn't kept,
// keeps a cut from being made, whichever pass met it.
func TestChangedSinceVerified(t *testing.T) {
	newer := driver.ValueList{{Name: driver.ExtraFormat, JSON: json.RawMessage("2")}}
	for name, spoil := range map[string]func(t *testing.T, from *memstore.Store, to *losing, refuse *error, r *driver.Record){
		"refused by the target": func(t *testing.T, from *memstore.Store, _ *losing, refuse *error, r *driver.Record) {
			*refuse = fmt.Errorf("much too much: %w", driver.ErrTooLarge)
			update(t, from, r)
		},
		"lost by the target": func(t *testing.T, from *memstore.Store, to *losing, _ *error, r *driver.Record) {
			to.ids = append(to.ids, r.ID)
			update(t, from, r)
		},
		"ended at the target": func(t *testing.T, from *memstore.Store, to *losing, _ *error, r *driver.Record) {
			bury(t, to, at(t, to, r.ID))
			update(t, from, r)
		},
		"used at the target": func(t *testing.T, from *memstore.Store, to *losing, _ *error, r *driver.Record) {
			update(t, to, at(t, to, r.ID))
			update(t, from, r)
		},
		"of a newer format": func(t *testing.T, from *memstore.Store, _ *losing, _ *error, r *driver.Record) {
			r.Extra = newer
			update(t, from, r)
		},
	} {
		for _, passes := range []int{0, 1, 2} {
			t.Run(fmt.Sprintf("%s, %d passes", name, passes), func(t *testing.T) {
				from, inner := memstore.New(nil), &losing{Store: memstore.New(nil)}
				to := &failing{Store: inner, Lister: inner}
				r := create(t, from, session(driver.LayoutDay))
				m, found := mover(t, from, to, nil)
				pass(t, m)
				if all, err := m.Verify(t.Context()); err != nil || all.Different != 0 {
					t.Fatalf("%+v %v", all, err)
				}
				var refuse error
				spoil(t, from, inner, &refuse, r)
				to.fail = func(string) error { return refuse }
				for range passes {
					pass(t, m)
				}
				cut, err := m.Cut(t.Context(), transfer.CutOptions{Changed: true})
				if !errors.Is(err, transfer.ErrDifferent) || cut.Different != 1 || cut.Fenced {
					t.Errorf("a cut was made over a difference: %+v %v\n%v", cut, err, found)
				}
			})
		}
	}
}
