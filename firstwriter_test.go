package cloakroom_test

import (
	"context"
	"testing"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file is the test of a store that panics in the goroutine of the first writer.

// panicky is a store whose next update panics.
type panicky struct {
	cloakroom.Store
	armed bool
}

func (p *panicky) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	if p.armed {
		p.armed = false
		panic("the store's fault")
	}
	return p.Store.Update(ctx, r)
}

// TestFirstWriterPanics: the first writer of a queue carries its change out in its
// own goroutine, where the store may panic. net/http survives the panic of a
// request. So the session has to survive it as well, and the manager can be closed.
func TestFirstWriterPanics(t *testing.T) {
	store := &panicky{Store: memstore.New(nil)}
	m, err := cloakroom.New(store, testKeyring(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	visits.Set(s, 1)
	store.armed = true
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic got lost")
			}
		}()
		_ = s.Save(t.Context())
	}()
	again, err := m.Retrieve(t.Context(), s.Token())
	if err != nil {
		t.Fatal(err)
	}
	visits.Set(again, 2)
	if err := again.Save(t.Context()); err != nil {
		t.Error("after the panic:", err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}
