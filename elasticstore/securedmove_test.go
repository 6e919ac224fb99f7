package elasticstore

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests the rights of a login that moves a store.

// movingRights are those that the package documentation lists for the source of a move.
func (e *secured) movingRights() rights {
	if e.name == "es8" {
		// The right to manage has all but the first.
		return rights{[]string{"manage_index_templates"}, []string{"read", "manage", "create_index", "view_index_metadata", "maintenance", "delete_index", "monitor"}}
	}
	return rights{
		[]string{"cluster_composite_ops_ro", "indices:admin/index_template/get", "indices:admin/index_template/put", "indices:admin/index_template/delete"},
		[]string{"read", "indices:admin/get", "indices:admin/refresh*", "indices:monitor/stats", "indices:monitor/settings/get", "indices:admin/block/add*", "indices:admin/settings/update"},
	}
}

// testMoving: a login with the rights that are listed fences a store, lists it and ends
// the fence. With those of the application it can't, and is told what lacks.
func (e *secured) testMoving(t *testing.T) {
	index := securedIndex()
	plain := e.open(t, e.client(e.user(t, "moving-application", "An-application-of-many-1", index, e.allRights())), index, nil)
	r := mustCreate(t, plain, session(driver.LayoutDay, time.Now()))
	err := plain.Fence(testContext(t), fenceTime)
	if err == nil || !strings.Contains(err.Error(), "lacks a privilege") {
		t.Errorf("an application's login fences a store: %v", err)
	}

	if e.name == "opensearch2" {
		// A right that lacks half-way leaves a block that is begun.
		half := e.movingRights()
		half.indices = append(slices.Clone(half.indices[:len(half.indices)-2]), "indices:admin/block/add", "indices:admin/settings/update")
		s := e.open(t, e.client(e.user(t, "moving-half", "A-mover-that-may-not-1", index, half)), index, func(c *Config) { c.NoTemplate = true })
		if err := s.Fence(testContext(t), fenceTime); err == nil || !strings.Contains(err.Error(), "block/add[s]") {
			t.Errorf("a login that may not block shards fences a store: %v", err)
		}
	}
	mover := e.open(t, e.client(e.user(t, "moving", "A-mover-is-one-of-few-1", index, e.movingRights())), index, func(c *Config) { c.NoTemplate = true })
	mustUnfence(t, mover) // what the other logins have left
	r = mustUpdate(t, plain, r)
	for range 2 {
		mustFence(t, mover)
		if since, err := mover.Fenced(testContext(t)); err != nil || !since.Equal(fenceTime) {
			t.Errorf("%v %v", since, err)
		}
		if _, err := plain.Update(testContext(t), r); !errors.Is(err, driver.ErrUnavailable) {
			t.Errorf("a write at a fenced store: %v", err)
		}
		n := 0
		for after, end := "", false; !end; {
			p, err := mover.List(testContext(t), after)
			if err != nil {
				t.Fatal(err)
			}
			n += len(p.Items)
			after, end = p.Next, p.End
			if end && strings.Contains(after, `":0`) {
				t.Errorf("it can't be told what was written since: %s", after)
			}
		}
		if n != 1 {
			t.Errorf("listed %d", n)
		}
		mustUnfence(t, mover)
		r = mustUpdate(t, plain, r)
	}
}
