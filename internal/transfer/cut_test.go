package transfer_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/transfer"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file tests the cut against fences that don't hold, don't answer or don't end, and
// what a quick cut knows of the comparison before it.

// gated is a store whose fence answers as it is told.
type gated struct {
	*memstore.Store
	fenced  func(n int) (time.Time, error) // the n-th question, from 1; nil error and zero time: as it is
	unfence func() error
	asked   int
}

func (g *gated) Fenced(ctx context.Context) (time.Time, error) {
	g.asked++
	if g.fenced != nil {
		if since, err := g.fenced(g.asked); err != nil || !since.IsZero() {
			return since, err
		}
	}
	return g.Store.Fenced(ctx)
}

func (g *gated) Unfence(ctx context.Context) error {
	if g.unfence != nil {
		if err := g.unfence(); err != nil {
			return err
		}
	}
	return g.Store.Unfence(ctx)
}

// TestFenceDoesntHold: a cut looks after the fence once all is compared, and isn't made
// unless it is there since it was set.
func TestFenceDoesntHold(t *testing.T) {
	for name, tt := range map[string]struct {
		since  time.Time
		err    error
		want   string
		fenced bool // afterwards
	}{
		"no answer":              {err: driver.ErrUnavailable, want: "looking after the source's fence"},
		"set anew, by somebody":  {since: time.Now().Add(time.Minute), want: "the source's fence isn't the one of this cut", fenced: true},
		"as it was, and it held": {fenced: true},
	} {
		t.Run(name, func(t *testing.T) {
			from := &gated{Store: memstore.New(nil)}
			create(t, from, session(driver.LayoutDay))
			from.fenced = func(n int) (time.Time, error) {
				if n < 2 { // whether it is fenced already
					return time.Time{}, nil
				}
				return tt.since, tt.err
			}
			m, found := mover(t, from, memstore.New(nil), nil)
			cut, err := m.Cut(t.Context(), transfer.CutOptions{})
			if from.asked < 2 || cut.Fenced != tt.fenced || isOpen(t, from) == cut.Fenced {
				t.Errorf("asked %d times: %+v\n%v", from.asked, cut, found)
			}
			if (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Error(err)
			}
		})
	}
}

// TestFenceIsEnded: a fence is ended with patience, and by Unfence also where it isn't
// whole.
func TestFenceIsEnded(t *testing.T) {
	mem := memstore.New(nil)
	from := &gated{Store: mem}
	create(t, from, session(driver.LayoutDay))
	n := 0
	from.unfence = func() error {
		if n++; n < 4 {
			return driver.ErrUnavailable
		}
		return nil
	}
	to := hook(memstore.New(nil))
	to.create = func(context.Context, *driver.Record) (driver.Version, error) {
		return driver.Version{}, driver.ErrClosed
	}
	m, _ := mover(t, from, to, nil)
	if cut, err := m.Cut(t.Context(), transfer.CutOptions{}); err == nil || cut.Fenced || n != 4 || !isOpen(t, from) {
		t.Errorf("%+v %v, after %d attempts", cut, err, n)
	}

	if err := mem.Fence(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	from.fenced = func(int) (time.Time, error) { return time.Time{}, driver.ErrUnavailable } // as with a hole in it
	if _, err := transfer.Unfence(t.Context(), from); err != nil || !isOpen(t, from) {
		t.Error(err)
	}
	from.fenced = func(int) (time.Time, error) { return time.Time{}, driver.ErrClosed }
	if _, err := transfer.Unfence(t.Context(), from); !errors.Is(err, driver.ErrClosed) {
		t.Error(err)
	}
}

// TestVerify: what a comparison beside the application finds missing is copied by the next
// pass; what it finds otherwise is looked at again by a quick cut, and stops it.
func TestVerify(t *testing.T) {
	from, mem := &hiding{Store: memstore.New(nil)}, memstore.New(nil)
	to := &lossy{Store: mem}
	m, found := mover(t, from, to, nil)
	if _, err := m.Cut(t.Context(), transfer.CutOptions{Changed: true}); err == nil || !strings.Contains(err.Error(), "nothing was verified") {
		t.Errorf("a quick cut without a comparison: %v", err)
	}
	missed, used, gone := create(t, from, session(driver.LayoutDay)), create(t, from, session(driver.LayoutDay)), create(t, from, session(driver.LayoutDay))
	pass(t, m)
	missed = update(t, from, missed)
	to.lose = once()
	pass(t, m)
	mine := update(t, mem, at(t, mem, used.ID))
	from.ids = []driver.ID{gone.ID}
	c, err := m.Verify(t.Context())
	if err != nil || c.Different != 1 || !strings.Contains(found.String(), string(transfer.Diverged)+": "+used.ID.String()) {
		t.Errorf("%+v %v\n%v", c, err, found)
	}
	if n := pass(t, m); n.Copied != 1 || at(t, to, missed.ID).Writes != missed.Writes {
		t.Errorf("the pass after the comparison: %+v", n)
	}
	cut, err := m.Cut(t.Context(), transfer.CutOptions{Changed: true})
	if !errors.Is(err, transfer.ErrDifferent) || cut.Different != 1 || cut.Removed != 1 || at(t, mem, gone.ID).Grave == nil {
		t.Errorf("%+v %v\n%v", cut, err, found)
	}

	// What was made good since the comparison doesn't count any more.
	if err := mem.Bury(t.Context(), used.ID, mine.GraveFor(driver.EndDestroyed, time.Now(), driver.NewWriteID()), mine.Version); err != nil {
		t.Fatal(err)
	}
	bury(t, from, used)
	if cut, err := m.Cut(t.Context(), transfer.CutOptions{Changed: true}); err != nil || cut.Different != 0 {
		t.Errorf("%+v %v\n%v", cut, err, found)
	}
}

// nameless is a store that lists something whose name is no id.
type nameless struct{ *memstore.Store }

func (n nameless) List(ctx context.Context, after string) (driver.Part, error) {
	p, err := n.Store.List(ctx, after)
	if after == "" && err == nil {
		p.Items = append(p.Items, driver.Listed{Err: driver.ErrCorrupt})
	}
	return p, err
}

// TestNameless: what has no id stops a cut, a quick one too, until it is gone.
func TestNameless(t *testing.T) {
	from, to := memstore.New(nil), memstore.New(nil)
	create(t, from, session(driver.LayoutDay))
	for why, ends := range map[transfer.Reason][2]driver.Store{
		transfer.UnreadableSource: {nameless{from}, to}, transfer.UnreadableTarget: {from, nameless{to}},
	} {
		m, found := mover(t, ends[0], ends[1], nil)
		pass(t, m)
		for range 2 { // the second takes the place of the first
			if c, err := m.Verify(t.Context()); err != nil || c.Different != 1 || !strings.Contains(found.String(), string(why)) {
				t.Errorf("%s: %+v %v\n%v", why, c, err, found)
			}
		}
		for _, quick := range []bool{true, false} {
			if cut, err := m.Cut(t.Context(), transfer.CutOptions{Changed: quick}); !errors.Is(err, transfer.ErrDifferent) || cut.Different != 1 {
				t.Errorf("%s: %+v %v", why, cut, err)
			}
		}
	}
}

// TestCompareOver: what is over on both sides doesn't differ, also where it is looked at
// beside something that does.
func TestCompareOver(t *testing.T) {
	from, to := memstore.New(nil), memstore.New(nil)
	over, differs := session(driver.LayoutDay), session(driver.LayoutDay)
	over.ID[14], over.ID[15] = differs.ID[14], differs.ID[15] // so that they are summed up together
	over.Expires = over.Created.Add(-time.Hour)
	create(t, to, over)
	update(t, from, create(t, from, over))
	create(t, from, differs)
	m, found := mover(t, from, to, nil)
	c, err := m.Compare(t.Context())
	if told := found.String(); err != nil || c.Different != 1 || strings.Contains(told, over.ID.String()) || !strings.Contains(told, differs.ID.String()) {
		t.Errorf("%+v %v\n%v", c, err, found)
	}
}

// TestEndUsed: a session that vanished from the source, and that somebody uses at the
// target just now, goes on there.
func TestEndUsed(t *testing.T) {
	mem := memstore.New(nil)
	from, to := &hiding{Store: memstore.New(nil)}, hook(mem)
	m, found := mover(t, from, to, nil)
	gone := create(t, from, session(driver.LayoutDay))
	pass(t, m)
	from.ids = []driver.ID{gone.ID}
	n := 0
	to.get = func(ctx context.Context, id driver.ID) (*driver.Record, error) {
		there, err := mem.Get(ctx, id)
		if n++; n == 2 { // first it is compared, and then ended
			update(t, mem, there)
		}
		return there, err
	}
	cut, err := m.Cut(t.Context(), transfer.CutOptions{})
	if r := at(t, mem, gone.ID); r.Grave != nil || cut.Removed != 0 || !errors.Is(err, transfer.ErrDifferent) {
		t.Errorf("%+v %v, %v\n%v", cut, err, r, found)
	}
}

// TestClocks: where the clocks don't agree on what is over, nothing begins.
func TestClocks(t *testing.T) {
	from, to := memstore.New(nil), memstore.New(nil)
	for _, late := range []bool{false, true} {
		pair := [2]driver.Store{from, to}
		clock := clocked{memstore.New(nil)}
		if late {
			pair[1] = clock
		} else {
			pair[0] = clock
		}
		m, _ := mover(t, pair[0], pair[1], nil)
		_, passed := m.Pass(t.Context())
		_, compared := m.Compare(t.Context())
		_, cut := m.Cut(t.Context(), transfer.CutOptions{})
		for what, err := range map[string]error{"pass": passed, "compare": compared, "cut": cut} {
			if err == nil || !strings.Contains(err.Error(), "nobody can say what is over") {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
}

// clocked is a store whose engine's clock is far behind.
type clocked struct{ *memstore.Store }

func (clocked) EngineTime(context.Context) (time.Time, error) {
	return time.Now().Add(-2 * driver.ClockTolerance), nil
}
