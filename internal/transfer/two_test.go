package transfer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/transfer"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file tests moves that meet others.

// slow is a fencer that lets something happen before it fences.
type slow struct {
	*memstore.Store
	before func()
}

func (s *slow) Fence(ctx context.Context, since time.Time) error {
	if f := s.before; f != nil {
		s.before = nil
		f()
	}
	return s.Store.Fence(ctx, since)
}

// TestTwoCuts: a cut that fails leaves a fence alone that is another's.
func TestTwoCuts(t *testing.T) {
	for _, apart := range []time.Duration{time.Microsecond, time.Second} {
		from, to := memstore.New(nil), memstore.New(nil)
		create(t, from, session(driver.LayoutDay))
		now := time.Now()
		first, found := mover(t, from, to, func(c *transfer.Config) { c.Now = func() time.Time { return now } })
		other := memstore.New(nil)
		second, _ := mover(t, &slow{from, func() { mustCut(t, first, found) }}, other, func(c *transfer.Config) {
			c.Now = func() time.Time { return now.Add(apart) }
		})
		create(t, other, session(driver.LayoutDay))
		cut, err := second.Cut(t.Context(), transfer.CutOptions{})
		if isOpen(t, from) {
			t.Errorf("%v apart: a cut was made, and another has ended its fence: %+v %v", apart, cut, err)
		}
	}
}

// TestFenceEnded: a fence that was there before the cut, and that somebody ends meanwhile,
// isn't told as one that stays.
func TestFenceEnded(t *testing.T) {
	from, inner := memstore.New(nil), memstore.New(nil)
	create(t, from, session(driver.LayoutDay))
	if err := from.Fence(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	to := &failing{Store: inner, Lister: inner, fail: func(string) error { return from.Unfence(t.Context()) }}
	m, _ := mover(t, from, to, nil)
	if cut, err := m.Cut(t.Context(), transfer.CutOptions{}); err == nil || cut.Fenced {
		t.Errorf("%+v %v", cut, err)
	}
}

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
