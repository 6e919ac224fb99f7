package scsstore_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	scsstore "github.com/cloakroom-go/cloakroom/adapters/scs"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/memstore"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file is the databases, the clock and the faults of tests.

// eachDatabase runs a test on each kind of database that needs no engine.
func eachDatabase(t *testing.T, test func(t *testing.T, db driver.Store)) {
	t.Run("memory", func(t *testing.T) { test(t, memstore.New(nil)) })
	t.Run("sqlite", func(t *testing.T) { test(t, openFile(t, filepath.Join(t.TempDir(), "sessions.db"))) })
}

func openFile(t testing.TB, path string) *sqlitestore.Store {
	t.Helper()
	db, err := sqlitestore.Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// newStore returns a Store that doesn't sweep by itself.
func newStore(t testing.TB, db driver.Store, c scsstore.Config) *scsstore.Store {
	t.Helper()
	c.SweepEvery = -1
	s, err := scsstore.New(db, &c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// clock is a clock that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock {
	return &clock{now: time.Date(2026, 11, 30, 12, 0, 0, 123456789, time.UTC)}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func commit(t testing.TB, s *scsstore.Store, token, data string, expiry time.Time) {
	t.Helper()
	if err := s.Commit(token, []byte(data), expiry); err != nil {
		t.Fatalf("Commit: %v", err)
	}
}

func remove(t testing.TB, s *scsstore.Store, token string) {
	t.Helper()
	if err := s.Delete(token); err != nil {
		t.Fatalf("Delete: %v", err)
	}
}

func wantFound(t testing.TB, s *scsstore.Store, token, data string) {
	t.Helper()
	got, found, err := s.Find(token)
	if err != nil || !found || string(got) != data {
		t.Errorf("Find: %q, %v, error %v, want %q", got, found, err, data)
	}
}

func wantMissing(t testing.TB, s *scsstore.Store, token string) {
	t.Helper()
	got, found, err := s.Find(token)
	if err != nil || found || got != nil {
		t.Errorf("Find: %q, %v, error %v, want nothing", got, found, err)
	}
}

func sweepAt(t testing.TB, db driver.Store, now time.Time) driver.SweepReport {
	t.Helper()
	report, err := db.Sweep(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// fate is the fault, if any, of an operation of a faulty store.
type fate int

const (
	pass    fate = iota
	lost         // done, and the answer is lost
	dropped      // not done, and no answer
	denied       // done, and answered as if somebody else had written
	late         // no answer; done when the test delivers it
)

var errNoAnswer = fmt.Errorf("faulty: no answer: %w", driver.ErrUnavailable)

// faulty is a store whose operations meet the fates that a test chooses. It vouches for
// nothing.
type faulty struct {
	driver.Store
	mu    sync.Mutex
	fate  func(op string, n int) fate // n counts the calls of op from 1 on
	calls map[string]int
	later []func()
}

func newFaulty(db driver.Store, fate func(op string, n int) fate) *faulty {
	return &faulty{Store: db, fate: fate, calls: map[string]int{}}
}

// deliver does what is late.
func (f *faulty) deliver() {
	for _, do := range f.later {
		do()
	}
	f.later = nil
}

func (f *faulty) do(op string, conflict error, do func(context.Context) error) func(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[op]++
	switch f.fate(op, f.calls[op]) {
	case lost:
		return func(ctx context.Context) error { _ = do(ctx); return errNoAnswer }
	case dropped:
		return func(context.Context) error { return errNoAnswer }
	case denied:
		return func(ctx context.Context) error { _ = do(ctx); return conflict }
	case late:
		f.later = append(f.later, func() { _ = do(context.Background()) })
		return func(context.Context) error { return errNoAnswer }
	}
	return do
}

func (f *faulty) Get(ctx context.Context, id driver.ID) (rec *driver.Record, err error) {
	err = f.do("get", driver.ErrUnavailable, func(ctx context.Context) (err error) {
		rec, err = f.Store.Get(ctx, id)
		return err
	})(ctx)
	if errors.Is(err, errNoAnswer) {
		rec = nil
	}
	return rec, err
}

func (f *faulty) Create(ctx context.Context, r *driver.Record) (v driver.Version, err error) {
	err = f.do("create", driver.ErrExists, func(ctx context.Context) (err error) {
		v, err = f.Store.Create(ctx, r)
		return err
	})(ctx)
	return v, err
}

func (f *faulty) Update(ctx context.Context, r *driver.Record) (v driver.Version, err error) {
	err = f.do("update", driver.ErrConflict, func(ctx context.Context) (err error) {
		v, err = f.Store.Update(ctx, r)
		return err
	})(ctx)
	return v, err
}

func (f *faulty) Bury(ctx context.Context, id driver.ID, g driver.Grave, v driver.Version) error {
	return f.do("bury", driver.ErrConflict, func(ctx context.Context) error {
		return f.Store.Bury(ctx, id, g, v)
	})(ctx)
}
