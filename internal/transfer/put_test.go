package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/transfer"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file tests the copying of one state to a target whose answers aren't plain.

// hooked is a store whose operations can be replaced. It vouches for nothing.
type hooked struct {
	driver.Store
	driver.Lister
	get    func(context.Context, driver.ID) (*driver.Record, error)
	create func(context.Context, *driver.Record) (driver.Version, error)
	writes atomic.Int64 // of records
}

func hook(s *memstore.Store) *hooked { return &hooked{Store: s, Lister: s} }

func (h *hooked) Get(ctx context.Context, id driver.ID) (*driver.Record, error) {
	if h.get != nil {
		return h.get(ctx, id)
	}
	return h.Store.Get(ctx, id)
}

func (h *hooked) Create(ctx context.Context, r *driver.Record) (driver.Version, error) {
	h.writes.Add(1)
	if h.create != nil {
		return h.create(ctx, r)
	}
	return h.Store.Create(ctx, r)
}

func (h *hooked) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	h.writes.Add(1)
	return h.Store.Update(ctx, r)
}

// vouching is a hooked store that vouches for its reads.
type vouching struct{ *hooked }

func (vouching) Assurances() driver.Assurances { return driver.Assurances{Reads: true} }

// TestPhantom: what a read shows after a lost answer is written once more, since it may be
// lost yet; unless the store vouches for its reads, or the write can't have happened.
func TestPhantom(t *testing.T) {
	for name, tt := range map[string]struct {
		vouches bool
		answer  error
		want    int64 // writes
	}{
		"an answer is lost":                 {false, driver.ErrUnavailable, 2},
		"the store vouches for reads":       {true, driver.ErrUnavailable, 1},
		"the write was refused by overload": {false, errors.Join(driver.ErrUnavailable, driver.ErrOverloaded), 1},
	} {
		t.Run(name, func(t *testing.T) {
			from, mem := memstore.New(nil), memstore.New(nil)
			r := create(t, from, session(driver.LayoutDay))
			h := hook(mem)
			h.create = func(ctx context.Context, r *driver.Record) (driver.Version, error) {
				h.create = nil
				_, err := mem.Create(ctx, r)
				return driver.Version{}, errors.Join(err, tt.answer)
			}
			var to driver.Store = h
			if tt.vouches {
				to = struct {
					driver.Store
					driver.Lister
					driver.Assurer
				}{h, h, vouching{h}}
			}
			m, found := mover(t, from, to, nil)
			if n := pass(t, m); n.Listed != 1 || found.String() != "" {
				t.Errorf("%+v\n%v", n, found)
			}
			if got := h.writes.Load(); got != tt.want || at(t, mem, r.ID) == nil {
				t.Errorf("%d writes, want %d", got, tt.want)
			}
		})
	}
}

// TestSilence: a target that never answers one write doesn't hold the pass up for ever.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, mem := memstore.New(nil), memstore.New(nil)
		r := create(t, from, session(driver.LayoutDay))
		to := hook(mem)
		to.create = func(ctx context.Context, _ *driver.Record) (driver.Version, error) {
			to.create = nil
			<-ctx.Done()
			return driver.Version{}, fmt.Errorf("%w: %w", driver.ErrUnavailable, ctx.Err())
		}
		m, _ := mover(t, from, to, func(c *transfer.Config) { c.Patience = time.Minute })
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if n, err := m.Pass(ctx); err != nil || n.Copied != 1 || at(t, mem, r.ID) == nil {
			t.Errorf("%+v %v", n, err)
		}
	})
}

// TestUsedInBetween: a grave is written at the state that was judged. What somebody writes
// at the target in between is told.
func TestUsedInBetween(t *testing.T) {
	from, mem := memstore.New(nil), memstore.New(nil)
	r := create(t, from, session(driver.LayoutDay))
	to := hook(mem)
	m, found := mover(t, from, to, nil)
	pass(t, m)
	bury(t, from, r)
	to.get = func(ctx context.Context, id driver.ID) (*driver.Record, error) {
		to.get = nil
		there, err := mem.Get(ctx, id)
		update(t, mem, there)
		return there, err
	}
	pass(t, m)
	if g := at(t, mem, r.ID); g.Grave == nil {
		t.Error("it hasn't ended")
	}
	if told := found.String(); !strings.Contains(told, string(transfer.EndedInUse)+": "+r.ID.String()) {
		t.Errorf("told: %q", told)
	}
}

// TestReread: before something is told, the source is read anew. What has vanished there
// is no finding. What can't be read any more is judged as it was listed.
func TestReread(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want transfer.Counts
		told transfer.Reason
	}{
		"vanished": {driver.ErrNotFound, transfer.Counts{Listed: 1, Over: 1}, ""},
		"corrupt":  {driver.ErrCorrupt, transfer.Counts{Listed: 1, Left: 1}, transfer.Diverged},
	} {
		t.Run(name, func(t *testing.T) {
			mem, to := memstore.New(nil), memstore.New(nil)
			r := create(t, mem, session(driver.LayoutDay))
			other := *r
			other.WriteIDs = []driver.WriteID{driver.NewWriteID()}
			create(t, to, &other)
			from := hook(mem)
			from.get = func(context.Context, driver.ID) (*driver.Record, error) { return nil, tt.err }
			m, found := mover(t, from, to, nil)
			if n := pass(t, m); n != tt.want {
				t.Errorf("%+v, want %+v", n, tt.want)
			}
			if told := found.String(); (told != "") != (tt.told != "") || !strings.Contains(told, string(tt.told)) {
				t.Errorf("told: %q", told)
			}
		})
	}
}

// TestOverBeside: what is over isn't created at a target that has something else either.
func TestOverBeside(t *testing.T) {
	from, to := memstore.New(nil), memstore.New(nil)
	create(t, to, session(driver.LayoutDay))
	idle := session(driver.LayoutDay)
	idle.Expires = idle.Created.Add(-time.Hour)
	create(t, from, idle)
	m, _ := mover(t, from, to, nil)
	if n := pass(t, m); n.Over != 1 || n.Copied != 0 || at(t, to, idle.ID) != nil {
		t.Errorf("%+v", n)
	}
	// Nor is it passed over where the target has an earlier state, which goes on.
	live := create(t, from, session(driver.LayoutDay))
	pass(t, m)
	next := *live
	next.Expires = live.Created.Add(-time.Hour)
	gone := update(t, from, &next)
	m, _ = mover(t, from, to, nil)
	if n := pass(t, m); n.Copied != 1 || !at(t, to, live.ID).Expires.Equal(gone.Expires) {
		t.Errorf("%+v", n)
	}
}

// TestKnown: a later pass asks the target for nothing that it is known to have.
func TestKnown(t *testing.T) {
	from, mem := memstore.New(nil), memstore.New(nil)
	for range 20 {
		create(t, from, session(driver.LayoutDay))
	}
	to := hook(mem)
	m, _ := mover(t, from, to, nil)
	pass(t, m)
	m, _ = mover(t, from, to, nil) // it has to ask
	var asked atomic.Int64
	to.get = func(ctx context.Context, id driver.ID) (*driver.Record, error) {
		asked.Add(1)
		return mem.Get(ctx, id)
	}
	for _, want := range []int64{20, 0} {
		asked.Store(0)
		if n := pass(t, m); n.Listed != 20 || n.Copied != 0 || asked.Load() != want {
			t.Errorf("%+v: asked for %d, want %d", n, asked.Load(), want)
		}
	}
}

// TestProgress: a place is told when everything before it is written.
func TestProgress(t *testing.T) {
	from, mem := newFile(t), memstore.New(nil)
	const n = 2500
	for range n {
		create(t, from, session(driver.LayoutDay))
	}
	to := hook(mem)
	var begun, written atomic.Int64
	many := make(chan struct{})
	to.create = func(ctx context.Context, r *driver.Record) (driver.Version, error) {
		if begun.Add(1) == 1500 { // they are under way
			close(many)
		}
		<-many
		v, err := mem.Create(ctx, r)
		written.Add(1)
		return v, err
	}
	told := 0
	m, _ := mover(t, from, to, func(c *transfer.Config) {
		c.Progress = func(p transfer.Progress) {
			told++
			have, rest := written.Load(), int64(0)
			for after, end := p.Place, false; !end; {
				part, err := from.List(t.Context(), after)
				if err != nil {
					t.Error(err)
					return
				}
				rest += int64(len(part.Items))
				after, end = part.Next, part.End
			}
			if have+rest < n {
				t.Errorf("%d are written, and %d are behind the place: of %d", have, rest, n)
			}
		}
	})
	if pass(t, m); told == 0 {
		t.Error("nothing was told")
	}
}
