package ending

import (
	"context"
	"errors"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/test/leaktest"
	"github.com/cloakroom-go/cloakroom/memstore"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// changing is a store in which sessions change between a search and the look at each.
type changing struct {
	*memstore.Store
	used map[driver.ID]bool         // its visitor has come
	cut  *driver.TruncatedError     // of Summarize
	slow func(driver.Query) bool    // a count that lasts until its context ends
	gone func(*driver.Record) error // what Search does with each that it yields
}

func (c *changing) Get(ctx context.Context, id driver.ID) (*driver.Record, error) {
	rec, err := c.Store.Get(ctx, id)
	if err == nil && c.used[id] {
		again := *rec
		again.Seen = time.Now()
		return &again, nil
	}
	return rec, err
}

func (c *changing) Search(ctx context.Context, q driver.Query) iter.Seq2[*driver.Record, error] {
	return func(yield func(*driver.Record, error) bool) {
		for rec, err := range c.Store.Search(ctx, q) {
			if err == nil && c.gone != nil {
				err = c.gone(rec)
			}
			if !yield(rec, err) {
				return
			}
		}
	}
}

func (c *changing) Summarize(ctx context.Context, q driver.Query) (driver.Summary, error) {
	if c.slow != nil && c.slow(q) {
		<-ctx.Done()
		return driver.Summary{}, ctx.Err()
	}
	sum, err := c.Store.Summarize(ctx, q)
	if c.cut != nil {
		err = c.cut
	}
	return sum, err
}

// filled is a store with sessions that weren't used for an hour, of which every fourth is
// over.
func filled(t *testing.T, n int) (*changing, []driver.ID) {
	t.Helper()
	store := &changing{Store: memstore.New(nil), used: map[driver.ID]bool{}}
	t.Cleanup(func() { store.Close() })
	now := time.Now().Truncate(time.Millisecond)
	var ids []driver.ID
	for i := range n {
		made := now.Add(-2 * time.Hour)
		rec := &driver.Record{
			ID: driver.NewID(driver.LayoutDay, made), Kind: driver.KindSession, App: "session", Created: made,
			Seen: now.Add(-time.Hour), Expires: now.Add(time.Hour), Deadline: now.Add(time.Hour),
		}
		if i%4 == 3 {
			rec.Expires = now.Add(-time.Minute)
		}
		if _, err := store.Create(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, rec.ID)
	}
	return store, ids
}

func idle(store driver.Store) *Selection {
	now := time.Now()
	return &Selection{Admin: cloakroom.NewAdmin(store, ""), Query: driver.Query{SeenTo: now.Add(-30 * time.Minute), ExpiresFrom: now, CreatedTo: now}}
}

// TestEnd: what is selected is ended, but not a session whose visitor came before its turn.
func TestEnd(t *testing.T) {
	store, ids := filled(t, 20)
	store.used[ids[0]], store.used[ids[1]] = true, true
	store.gone = func(rec *driver.Record) error { // its visitor signs out before its turn
		if rec.ID == ids[2] {
			return store.Bury(t.Context(), rec.ID, rec.GraveFor(driver.EndDestroyed, time.Now(), driver.NewWriteID()), driver.Version{})
		}
		return nil
	}
	var c Count
	done := make(chan struct{}, 20)
	if err := idle(store).End(t.Context(), 15, &c, func() { done <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	if c.Ended() != 12 || c.Spared() != 2 || c.Over() != 1 || c.Failed() != 0 || len(done) != 15 {
		t.Errorf("%d ended, %d spared, %d over, %d failed, %d told", c.Ended(), c.Spared(), c.Over(), c.Failed(), len(done))
	}
	for i, id := range ids {
		rec, err := store.Store.Get(t.Context(), id)
		if gone := driver.IsGone(rec, err); gone != (i != 0 && i != 1 && i%4 != 3) {
			t.Errorf("session %d: %v %v", i, rec, err)
		}
	}
}

// TestFind: the count is exact, or says how it is not.
func TestFind(t *testing.T) {
	store, _ := filled(t, 20)
	s := idle(store)
	find := func(sample int) Found {
		t.Helper()
		f, err := s.Find(t.Context(), sample)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	if f := find(5); f.Count != 15 || len(f.Sample) != 5 || f.AtLeast || f.AtMost {
		t.Errorf("%+v", f)
	}
	if f := find(50); f.Count != 15 || len(f.Sample) != 15 {
		t.Errorf("%+v", f)
	}
	s.Patience = 10 * time.Millisecond
	store.slow = func(q driver.Query) bool { return !q.ExpiresFrom.IsZero() }
	if f := find(5); f.Count != 20 || !f.AtMost {
		t.Errorf("%+v", f)
	}
	s.Patience = time.Minute
	store.slow, store.cut = nil, &driver.TruncatedError{}
	if f := find(5); f.Count != 15 || !f.AtLeast || f.AtMost {
		t.Errorf("%+v", f)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Find(ctx, 5); err == nil {
		t.Error("a context that is over")
	}
	var c Count
	if err := s.End(ctx, 15, &c, nil); err == nil || c.Ended() != 0 {
		t.Errorf("%v, %d ended", err, c.Ended())
	}
}

// TestEndMost: no more are ended than were counted, also if others come to match.
func TestEndMost(t *testing.T) {
	store, ids := filled(t, 1000)
	s := idle(store)
	f, err := s.Find(t.Context(), 5)
	if err != nil || f.Count != 750 {
		t.Fatalf("%+v %v", f, err)
	}
	for range 300 {
		rec, err := store.Store.Get(t.Context(), ids[0])
		if err != nil {
			t.Fatal(err)
		}
		other := *rec
		other.ID = driver.NewID(driver.LayoutDay, rec.Created)
		if _, err := store.Create(t.Context(), &other); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []struct {
		most, ended int64
		err         error
	}{{f.Count, 750, ErrMore}, {0, 0, ErrMore}, {300, 300, nil}, {0, 0, nil}} {
		var c Count
		if err := s.End(t.Context(), want.most, &c, nil); !errors.Is(err, want.err) || c.Ended() != want.ended {
			t.Errorf("%+v: %d ended, %v", want, c.Ended(), err)
		}
	}
}

// TestEndUnsure: one whose burial has an error may have ended, and one that can't be read
// has not.
func TestEndUnsure(t *testing.T) {
	for name, test := range map[string]struct {
		spoil          func(*unsure)
		failed, unsure int64
	}{
		"burials fail":  {func(u *unsure) { u.bury = func() error { return driver.ErrUnavailable } }, 0, 3},
		"burials panic": {func(u *unsure) { u.bury = func() error { panic("a fault of the store") } }, 0, 3},
		"reads fail":    {func(u *unsure) { u.get = func() error { return driver.ErrUnavailable } }, 3, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			store, _ := filled(t, 4)
			u := &unsure{Store: store}
			test.spoil(u)
			var c Count
			err := idle(u).End(t.Context(), 3, &c, nil)
			if err != nil || c.Ended() != 0 || c.Failed() != test.failed || c.Unsure() != test.unsure || c.First() == nil {
				t.Errorf("%s: %v, %d ended, %d failed, %d unsure, %v", name, err, c.Ended(), c.Failed(), c.Unsure(), c.First())
			}
		})
	}
}

// unsure is a store whose reads and burials fail.
type unsure struct {
	driver.Store
	get, bury func() error
}

func (u *unsure) Get(ctx context.Context, id driver.ID) (*driver.Record, error) {
	if u.get != nil {
		return nil, u.get()
	}
	return u.Store.Get(ctx, id)
}

func (u *unsure) Bury(context.Context, driver.ID, driver.Grave, driver.Version) error {
	return u.bury()
}

// TestFindAtOnce: the count that is exact and the one that is quick don't wait for each
// other.
func TestFindAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, _ := filled(t, 20)
		s := idle(store)
		s.Patience = time.Second
		store.slow = func(q driver.Query) bool {
			if q.ExpiresFrom.IsZero() {
				time.Sleep(time.Second)
				return false
			}
			return true
		}
		begun := time.Now()
		if f, err := s.Find(t.Context(), 5); err != nil || f.Count != 20 || !f.AtMost {
			t.Errorf("%+v %v", f, err)
		}
		if took := time.Since(begun); took != time.Second {
			t.Errorf("it takes %v", took)
		}
	})
}

// TestCountPanics: a store that panics while it counts ends no process.
func TestCountPanics(t *testing.T) {
	store, _ := filled(t, 20)
	s := idle(store)
	s.Patience = time.Minute
	store.slow = func(driver.Query) bool { panic("a fault of the store") }
	if f, err := s.Find(t.Context(), 5); err == nil {
		t.Errorf("%+v", f)
	}
}

// TestEndCut: a search that can't go on isn't the end of what is selected.
func TestEndCut(t *testing.T) {
	store, _ := filled(t, 20)
	s := idle(store)
	store.gone = func(*driver.Record) error { return &driver.TruncatedError{} }
	var c Count
	err := s.End(t.Context(), 100, &c, nil)
	if _, ok := errors.AsType[*driver.TruncatedError](err); !ok {
		t.Errorf("%v", err)
	}
}
