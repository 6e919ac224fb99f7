package transfer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/transfer"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file tests what a move meets that isn't as it should be.

// session makes a session of a layout that begins now.
func session(l driver.Layout) *driver.Record {
	now := time.Now().UTC().Truncate(time.Millisecond)
	r := &driver.Record{
		ID: driver.NewID(l, now), Kind: driver.KindSession, App: "shop", Created: now, Seen: now,
		Expires: now.Add(time.Hour), Deadline: now.Add(20 * time.Hour), Writes: 1, WriteIDs: []driver.WriteID{driver.NewWriteID()},
		Values: driver.ValueList{{Name: "n", JSON: json.RawMessage("1")}},
	}
	if l == driver.LayoutLedger {
		r.Kind = driver.KindLedger
	}
	return r
}

// create puts a record into a store, and returns it as it is there.
func create(t *testing.T, s driver.Store, r *driver.Record) *driver.Record {
	t.Helper()
	c := *r
	v, err := s.Create(t.Context(), &c)
	if err != nil {
		t.Fatal(err)
	}
	kept := *r
	kept.Version = v
	return &kept
}

// update writes a record once more.
func update(t *testing.T, s driver.Store, r *driver.Record) *driver.Record {
	t.Helper()
	next := *r
	next.Writes++
	next.WriteIDs = driver.PushWriteID(r.WriteIDs, driver.NewWriteID())
	next.Values = r.Values.With("n", fmt.Appendf(nil, "%d", next.Writes))
	c := next
	v, err := s.Update(t.Context(), &c)
	if err != nil {
		t.Fatal(err)
	}
	next.Version = v
	return &next
}

func bury(t *testing.T, s driver.Store, r *driver.Record) {
	t.Helper()
	if err := s.Bury(t.Context(), r.ID, r.GraveFor(driver.EndDestroyed, time.Now().UTC().Truncate(time.Millisecond), driver.NewWriteID()), r.Version); err != nil {
		t.Fatal(err)
	}
}

// at returns what a store has of an id.
func at(t *testing.T, s driver.Store, id driver.ID) *driver.Record {
	t.Helper()
	r, err := s.Get(t.Context(), id)
	if err != nil && !driver.IsGone(r, err) && !driver.IsNotFound(err) {
		t.Fatal(err)
	}
	return r
}

func pass(t *testing.T, m *transfer.Mover) transfer.Counts {
	t.Helper()
	n, err := m.Pass(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// catchUp makes passes until little is left, and returns the number of records copied.
func catchUp(t *testing.T, m *transfer.Mover) (copied int64) {
	t.Helper()
	if err := transfer.CatchUp(func() (transfer.Counts, error) {
		n, err := m.Pass(t.Context())
		copied += n.Copied
		return n, err
	}); err != nil {
		t.Fatal(err)
	}
	return copied
}

// isOpen reports whether a store takes writes.
func isOpen(t *testing.T, s driver.Store) bool {
	t.Helper()
	_, err := s.Create(t.Context(), session(driver.LayoutDay))
	if err != nil && !errors.Is(err, driver.ErrUnavailable) {
		t.Fatal(err)
	}
	return err == nil
}

// TestDiverged: what somebody else has written at the target isn't replaced, and no cut
// is made over it unless that is wanted.
func TestDiverged(t *testing.T) {
	from, to := memstore.New(nil), memstore.New(nil)
	used, both, left, gone := create(t, from, session(driver.LayoutDay)), create(t, from, session(driver.LayoutDay)), create(t, from, session(driver.LayoutDay)), create(t, from, session(driver.LayoutDay))
	m, found := mover(t, from, to, nil)
	pass(t, m)
	mine := update(t, to, at(t, to, used.ID))
	update(t, to, at(t, to, both.ID))
	for range 20 {
		both = update(t, from, both)
	}
	bury(t, to, at(t, to, gone.ID))
	left = update(t, from, left)
	if n := pass(t, m); n.Left != 1 || n.Copied != 1 {
		t.Errorf("%+v", n)
	}

	cut, err := m.Cut(t.Context(), transfer.CutOptions{})
	if !errors.Is(err, transfer.ErrDifferent) || cut.Different != 3 || cut.Fenced {
		t.Errorf("%+v %v", cut, err)
	}
	told := found.String()
	for id, why := range map[driver.ID]transfer.Reason{used.ID: transfer.Diverged, both.ID: transfer.Diverged, gone.ID: transfer.EndedAtTarget} {
		if strings.Count(told, id.String()) != 1 || !strings.Contains(told, string(why)+": "+id.String()) {
			t.Errorf("%v isn't told once as %q:\n%s", id, why, told)
		}
	}
	if r := at(t, to, used.ID); r.Version != mine.Version {
		t.Error("what was used at the target was written over")
	}
	if !isOpen(t, from) {
		t.Error("the source stays fenced after a cut that was given up")
	}

	m, _ = mover(t, from, to, nil)
	cut, err = m.Cut(t.Context(), transfer.CutOptions{Accept: true})
	if err != nil || cut.Different != 3 || !cut.Fenced || isOpen(t, from) {
		t.Errorf("%+v %v", cut, err)
	}
	if r := at(t, to, left.ID); r.Writes != left.Writes {
		t.Errorf("write %d of %d", r.Writes, left.Writes)
	}
	// A cut of a store that was fenced before leaves it so, whatever comes.
	m, _ = mover(t, from, to, nil)
	if cut, err = m.Cut(t.Context(), transfer.CutOptions{}); err == nil || !cut.Fenced || isOpen(t, from) {
		t.Errorf("%+v %v", cut, err)
	}
}

// TestGraveWins: what has ended at the source ends at the target, whatever is there.
func TestGraveWins(t *testing.T) {
	from, to := memstore.New(nil), memstore.New(nil)
	m, found := mover(t, from, to, nil)
	var all []*driver.Record
	for range 5 {
		all = append(all, create(t, from, session(driver.LayoutDay)))
	}
	pass(t, m)
	update(t, to, at(t, to, all[1].ID)) // used too early
	for range 12 {
		update(t, to, at(t, to, all[2].ID))
	}
	newer := *at(t, to, all[3].ID)
	newer.Extra = newer.Extra.With(driver.ExtraFormat, json.RawMessage("2"))
	if _, err := to.Update(t.Context(), &newer); err != nil {
		t.Fatal(err)
	}
	for _, r := range all[:4] {
		bury(t, from, r)
	}
	if err := from.Bury(t.Context(), all[4].ID, driver.Grave{Reason: driver.EndRevoked, Until: all[4].Deadline, WriteIDs: []driver.WriteID{{1}}}, driver.Version{}); err != nil {
		t.Fatal(err)
	}
	mustCut(t, m, found)
	for _, r := range all {
		if g := at(t, to, r.ID); g == nil || g.Grave == nil || g.Grave.Reason != at(t, from, r.ID).Grave.Reason {
			t.Errorf("%v has not ended at the target: %v", r.ID, g)
		}
	}
	if told := found.String(); strings.Count(told, "\n") != 2 || strings.Count(told, string(transfer.EndedInUse)) != 2 {
		t.Errorf("told:\n%s", told)
	}
}

// hiding is a store that has forgotten some ids, as after a loss.
type hiding struct {
	*memstore.Store
	ids []driver.ID
}

func (h *hiding) Get(ctx context.Context, id driver.ID) (*driver.Record, error) {
	if slices.Contains(h.ids, id) {
		return nil, driver.ErrNotFound
	}
	return h.Store.Get(ctx, id)
}

func (h *hiding) List(ctx context.Context, after string) (driver.Part, error) {
	p, err := h.Store.List(ctx, after)
	p.Items = slices.DeleteFunc(p.Items, func(l driver.Listed) bool { return slices.Contains(h.ids, l.ID) })
	return p, err
}

// TestOnlyAtTarget: sessions that vanished from the source end at the target. What began
// at the target, and other apps', are left alone.
func TestOnlyAtTarget(t *testing.T) {
	from, to := &hiding{Store: memstore.New(nil)}, memstore.New(nil)
	m, found := mover(t, from, to, nil)
	lost, kept := create(t, from, session(driver.LayoutDay)), create(t, from, session(driver.LayoutDay))
	over := session(driver.LayoutDay)
	over.Expires, over.Deadline = time.Now().Add(time.Minute), time.Now().Add(time.Minute)
	over = create(t, from, over)
	pass(t, m)
	own := create(t, to, session(driver.LayoutDay))
	others := session(driver.LayoutDay)
	others.App = "another"
	create(t, to, others)
	from.ids = append(from.ids, lost.ID)
	cut, err := m.Cut(t.Context(), transfer.CutOptions{})
	if err != nil || cut.Removed != 1 || cut.Own != 1 || cut.Different != 0 || cut.To.Sessions != 4 {
		t.Errorf("%+v %v", cut, err)
	}
	if r := at(t, to, lost.ID); r.Grave == nil || !r.Grave.Until.Equal(lost.Deadline) {
		t.Errorf("what vanished from the source is still there: %v", r)
	}
	for _, r := range []*driver.Record{kept, own, others, over} {
		if there := at(t, to, r.ID); there == nil || there.Grave != nil {
			t.Errorf("%v is gone", r.ID)
		}
	}
	if told := found.String(); strings.Count(told, "\n") != 2 || !strings.Contains(told, string(transfer.OnlyAtTarget)) || !strings.Contains(told, string(transfer.OwnOfTarget)) {
		t.Errorf("told:\n%s", told)
	}

	// A ledger can't end: its principal needs it again.
	if _, err := transfer.Unfence(t.Context(), from); err != nil {
		t.Fatal(err)
	}
	ledger := create(t, from, session(driver.LayoutLedger))
	pass(t, m)
	from.ids = append(from.ids, ledger.ID)
	if cut, err := m.Cut(t.Context(), transfer.CutOptions{}); !errors.Is(err, transfer.ErrDifferent) || cut.Different != 1 || at(t, to, ledger.ID).Grave != nil {
		t.Errorf("%+v %v", cut, err)
	}
}

// TestUnreadable: what can't be read is told, and copied by nobody.
func TestUnreadable(t *testing.T) {
	from, to := newFile(t), newFile(t)
	newer := session(driver.LayoutDay)
	newer.Extra = driver.ValueList{{Name: driver.ExtraFormat, JSON: json.RawMessage("2")}}
	create(t, from, newer)
	there := create(t, from, session(driver.LayoutDay))
	at := *there
	at.Extra = newer.Extra
	create(t, to, &at)
	m, found := mover(t, from, to, nil)
	if n := pass(t, m); n.Left != 2 {
		t.Errorf("%+v", n)
	}
	if c, err := m.Verify(t.Context()); err != nil || c.Different != 2 {
		t.Errorf("%+v %v", c, err)
	}
	for _, quick := range []bool{true, false} {
		if cut, err := m.Cut(t.Context(), transfer.CutOptions{Changed: quick}); !errors.Is(err, transfer.ErrDifferent) || cut.Different != 2 {
			t.Errorf("%+v %v", cut, err)
		}
	}
	told := found.String()
	for id, why := range map[driver.ID]transfer.Reason{newer.ID: transfer.UnreadableSource, there.ID: transfer.UnreadableTarget} {
		if !strings.Contains(told, string(why)+": "+id.String()) || !strings.Contains(told, "newer version") {
			t.Errorf("%v isn't told as %q:\n%s", id, why, told)
		}
	}
	if cut, err := m.Cut(t.Context(), transfer.CutOptions{Accept: true}); err != nil || cut.Different != 2 || !cut.Fenced {
		t.Errorf("%+v %v", cut, err)
	}
}

// TestOver: what is over isn't copied, except an import, which keeps its place.
func TestOver(t *testing.T) {
	from, to := newFile(t), newFile(t)
	now := time.Now()
	put := func(l driver.Layout, expires, deadline time.Duration) *driver.Record {
		r := session(l)
		r.Expires, r.Deadline = r.Created.Add(expires), r.Created.Add(deadline)
		return create(t, from, r)
	}
	idle := put(driver.LayoutDay, -time.Hour, time.Hour)
	old := put(driver.LayoutDay, -time.Hour, -time.Hour)
	imported := put(driver.LayoutImport, -time.Hour, time.Hour)
	ledger := put(driver.LayoutLedger, -time.Hour, time.Hour)
	grave := put(driver.LayoutDay, time.Hour, 2*time.Hour)
	bury(t, from, grave)
	soon := put(driver.LayoutDay, 10*time.Minute, 20*time.Hour)
	short := put(driver.LayoutDay, time.Hour, 20*time.Hour)
	m, found := mover(t, from, to, func(c *transfer.Config) { c.Now = func() time.Time { return now } })
	if n := pass(t, m); n.Copied != 5 || n.Over != 2 {
		t.Errorf("%+v", n)
	}
	now = now.Add(20 * time.Minute)
	// One idles out unseen. One is changed so that it idles out sooner than its copy.
	next := *short
	next.Expires = short.Created.Add(time.Minute)
	update(t, from, &next)
	mustCut(t, m, found)
	for _, r := range []*driver.Record{imported, ledger, grave, soon} {
		if at(t, to, r.ID) == nil {
			t.Errorf("%v isn't copied", r.ID)
		}
	}
	for _, r := range []*driver.Record{idle, old} {
		if at(t, to, r.ID) != nil {
			t.Errorf("%v is over, and was copied", r.ID)
		}
	}
	if r := at(t, to, short.ID); !r.Expires.Equal(next.Expires) {
		t.Errorf("a session that is over at the source goes on at the target until %v", r.Expires)
	}
}

// failing is a store that fails as it is told.
type failing struct {
	driver.Store
	driver.Lister
	fail func(op string) error
}

func (f *failing) err(op string) error {
	if f.fail == nil {
		return nil
	}
	return f.fail(op)
}

func (f *failing) Create(ctx context.Context, r *driver.Record) (driver.Version, error) {
	if err := f.err("create"); err != nil {
		return driver.Version{}, err
	}
	return f.Store.Create(ctx, r)
}

func (f *failing) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	if err := f.err("update"); err != nil {
		return driver.Version{}, err
	}
	return f.Store.Update(ctx, r)
}

// TestGivenUp: after a cut that fails, however it does, the application goes on.
func TestGivenUp(t *testing.T) {
	for name, why := range map[string]error{"outage": driver.ErrUnavailable, "closed": driver.ErrClosed, "interrupted": nil} {
		t.Run(name, func(t *testing.T) {
			from, mem := newFile(t), memstore.New(nil)
			to := &failing{Store: mem, Lister: mem}
			old := newSite(t, from)
			v := new(visitor)
			old.must(v, visit)
			m, _ := mover(t, from, to, func(c *transfer.Config) { c.Patience = 200 * time.Millisecond })
			pass(t, m)
			old.must(v, visit)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			to.fail = func(string) error {
				if why == nil {
					cancel()
					return driver.ErrUnavailable
				}
				return why
			}
			cut, err := m.Cut(ctx, transfer.CutOptions{})
			if err == nil || cut.Fenced || cut.Held == 0 || cut.Since.IsZero() || (name == "interrupted") != errors.Is(err, context.Canceled) {
				t.Errorf("%+v %v", cut, err)
			}
			old.must(v, visit)
			to.fail = nil
			m, found := mover(t, from, to, nil)
			mustCut(t, m, found)
			if code := hastySite(t, from).do(v, visit); code != http.StatusServiceUnavailable {
				t.Errorf("status %d", code)
			}
			if is, n, _, _ := newSite(t, mem).opens(v); !is || n != 3 {
				t.Errorf("%v %d", is, n)
			}
		})
	}
}

// TestRefused: what the target can't keep is told.
func TestRefused(t *testing.T) {
	from, mem := memstore.New(nil), memstore.New(nil)
	to := &failing{Store: mem, Lister: mem}
	r := create(t, from, session(driver.LayoutDay))
	to.fail = func(string) error { return fmt.Errorf("much too much: %w", driver.ErrTooLarge) }
	m, found := mover(t, from, to, nil)
	if n := pass(t, m); n.Left != 1 {
		t.Errorf("%+v", n)
	}
	if all, err := m.Verify(t.Context()); err != nil || all.Different != 1 {
		t.Errorf("writes would be refused for a cut that can't be made: %+v %v", all, err)
	}
	if _, err := m.Cut(t.Context(), transfer.CutOptions{}); !errors.Is(err, transfer.ErrDifferent) {
		t.Error(err)
	}
	if told := found.String(); !strings.Contains(told, string(transfer.Refused)+": "+r.ID.String()) || !strings.Contains(told, "much too much") {
		t.Errorf("told:\n%s", told)
	}
}

// TestNew: stores that can't be moved, or not now, are refused at once.
func TestNew(t *testing.T) {
	ctx := t.Context()
	s := memstore.New(nil)
	plain := struct{ driver.Store }{s}
	for name, c := range map[string]transfer.Config{
		"can't list its records": {From: plain, To: s}, "target, a struct": {From: s, To: plain},
	} {
		if _, err := transfer.New(c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%q: %v", name, err)
		}
	}
	fenced := newFile(t)
	if err := fenced.Fence(ctx, time.Now()); err != nil {
		t.Fatal(err)
	}
	m, err := transfer.New(transfer.Config{From: s, To: fenced})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Pass(ctx); err == nil || !strings.Contains(err.Error(), "--unfence") {
		t.Error(err)
	}
	if since, err := transfer.Unfence(ctx, fenced); err != nil || since.IsZero() {
		t.Errorf("%v %v", since, err)
	}
	// A store into itself.
	create(t, s, session(driver.LayoutDay))
	m, err = transfer.New(transfer.Config{From: s, To: s})
	if err != nil {
		t.Fatal(err)
	}
	if cut, err := m.Cut(ctx, transfer.CutOptions{}); err == nil || !strings.Contains(err.Error(), "same store") || cut.Fenced || !isOpen(t, s) {
		t.Errorf("%+v %v", cut, err)
	}
	m, err = transfer.New(transfer.Config{From: struct {
		driver.Store
		driver.Lister
	}{s, s}, To: newFile(t)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Cut(ctx, transfer.CutOptions{}); err == nil || !strings.Contains(err.Error(), "can't refuse writes") {
		t.Error(err)
	}
}

// listing is a store that lists what its records once were.
type listing struct {
	*memstore.Store
	parts []driver.Part
}

func (l *listing) List(ctx context.Context, after string) (driver.Part, error) {
	if after == "" && len(l.parts) > 0 {
		p := l.parts[0]
		l.parts = l.parts[1:]
		return p, nil
	}
	return l.Store.List(ctx, after)
}

// TestOldListing: states that were listed long ago, and in the wrong order, do no harm and
// are no findings.
func TestOldListing(t *testing.T) {
	from, to := &listing{Store: memstore.New(nil)}, memstore.New(nil)
	m, found := mover(t, from, to, nil)
	var was, is []driver.Listed
	for i := range 30 {
		r := create(t, from.Store, session(driver.LayoutDay))
		was = append(was, driver.Listed{ID: r.ID, Record: r})
		for range i {
			r = update(t, from.Store, r)
		}
		is = append(is, driver.Listed{ID: r.ID, Record: r})
		if i%4 == 0 {
			bury(t, from.Store, r)
		}
	}
	from.parts = []driver.Part{{Items: append(is, was...), End: true}, {Items: was, End: true}}
	pass(t, m)
	pass(t, m)
	mustCut(t, m, found)
	m, found2 := mover(t, &listing{Store: from.Store, parts: []driver.Part{{Items: was, End: true}}}, to, nil)
	pass(t, m)
	if s := found.String() + found2.String(); s != "" {
		t.Error(s)
	}
}

// TestGoesOn: a run that begins where another was is whole by its second pass, wherever
// that place is.
func TestGoesOn(t *testing.T) {
	from, to := newFile(t), newFile(t)
	for range 2500 {
		create(t, from, session(driver.LayoutDay))
	}
	var places []string
	m, _ := mover(t, from, memstore.New(nil), func(c *transfer.Config) {
		c.Progress = func(p transfer.Progress) { places = append(places, p.Place) }
	})
	pass(t, m)
	if len(places) == 0 {
		t.Fatal("no place was told")
	}
	m, found := mover(t, from, to, func(c *transfer.Config) { c.Begin = places[0] })
	if n := pass(t, m); n.Copied == 2500 || n.Copied == 0 {
		t.Errorf("%+v", n)
	}
	if n := catchUp(t, m); n == 0 {
		t.Error("nothing was left to be copied")
	}
	if cut := mustCut(t, m, found); cut.Copied != 0 || cut.To.Sessions != 2500 {
		t.Errorf("%+v", cut)
	}
	// So is a cut at once.
	m, found = mover(t, from, newFile(t), func(c *transfer.Config) { c.Begin = places[0] })
	if cut := mustCut(t, m, found); cut.To.Sessions != 2500 {
		t.Errorf("%+v", cut)
	}
	m, _ = mover(t, from, to, func(c *transfer.Config) { c.Begin, c.Patience = "nowhere", time.Hour })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := m.Pass(ctx); !errors.Is(err, driver.ErrInvalid) || ctx.Err() != nil { // it isn't tried again
		t.Errorf("a place that is none: %v", err)
	}
}
