package protocol

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/figures"
)

// This file is the counting of all calls of the store, and of the changes that went into
// its writes.

// calls counts the calls of a store's methods.
type calls struct {
	// sparse has one Get, Create, Update and Bury in 16 timed, else all are. Where a store
	// works in memory alone, to read the clock twice for each would cost a request several
	// percent. Other stores take far longer than that for a call.
	sparse bool

	get, create, update, bury, search, sweep method
}

// method counts the calls of one method.
type method struct {
	_     [cacheLine]byte
	begun atomic.Int64    // written by each call, so nothing else is in its line of the cache
	_     [cacheLine]byte // what follows is rarely written where begun often is

	unavailable, overloaded, canceled, other atomic.Int64

	latency figures.Tally[time.Duration]
}

// cacheLine is at least the size of a line of any processor's cache.
const cacheLine = 128

// begin counts a call that begins, and returns the time if the call is to be timed.
func (m *method) begin(sparse bool) time.Time {
	if n := m.begun.Add(1); sparse && n%16 != 1 {
		return time.Time{}
	}
	return time.Now()
}

// end counts a call that has ended.
func (m *method) end(began time.Time, err error) {
	if !began.IsZero() {
		m.latency.Add(time.Since(began))
	}
	if err != nil {
		m.fail(err)
	}
}

// fail counts a call that failed, unless the error is an answer.
func (m *method) fail(err error) {
	truncated := new(driver.TruncatedError)
	switch {
	case answered(err), errors.As(err, &truncated):
	case errors.Is(err, driver.ErrOverloaded):
		m.overloaded.Add(1)
	case isUnfit(err), errors.Is(err, driver.ErrCorrupt), errors.Is(err, driver.ErrNewer), errors.Is(err, driver.ErrClosed):
		m.other.Add(1)
	case errors.Is(err, context.Canceled):
		m.canceled.Add(1)
	default:
		m.unavailable.Add(1)
	}
}

// figures returns the counts.
func (m *method) figures() figures.Operation {
	return figures.Operation{
		Count: m.begun.Load(), Latency: m.latency.Histogram(),
		Unavailable: m.unavailable.Load(), Overloaded: m.overloaded.Load(), Canceled: m.canceled.Load(), Other: m.other.Load(),
	}
}

// figures returns the counts of all methods.
func (c *calls) figures() figures.Operations {
	return figures.Operations{
		Get: c.get.figures(), Create: c.create.figures(), Update: c.update.figures(),
		Bury: c.bury.figures(), Search: c.search.figures(), Sweep: c.sweep.figures(),
	}
}

// counted is a store whose calls are counted.
type counted struct {
	driver.Store
	*calls
}

// Get implements Store.
func (s counted) Get(ctx context.Context, id driver.ID) (*driver.Record, error) {
	began := s.get.begin(s.sparse)
	rec, err := s.Store.Get(ctx, id)
	s.get.end(began, err)
	return rec, err
}

// Create implements Store.
func (s counted) Create(ctx context.Context, r *driver.Record) (driver.Version, error) {
	began := s.create.begin(s.sparse)
	v, err := s.Store.Create(ctx, r)
	s.create.end(began, err)
	return v, err
}

// Update implements Store.
func (s counted) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	began := s.update.begin(s.sparse)
	v, err := s.Store.Update(ctx, r)
	s.update.end(began, err)
	return v, err
}

// Bury implements Store.
func (s counted) Bury(ctx context.Context, id driver.ID, g driver.Grave, v driver.Version) error {
	began := s.bury.begin(s.sparse)
	err := s.Store.Bury(ctx, id, g, v)
	s.bury.end(began, err)
	return err
}

// Search implements Store.
func (s counted) Search(ctx context.Context, q driver.Query) iter.Seq2[*driver.Record, error] {
	return func(yield func(*driver.Record, error) bool) {
		var failed error
		began := s.search.begin(false)
		defer func() { s.search.end(began, failed) }()
		for rec, err := range s.Store.Search(ctx, q) {
			failed = err
			if !yield(rec, err) {
				return
			}
		}
	}
}

// Sweep implements Store.
func (s counted) Sweep(ctx context.Context, now time.Time) (driver.SweepReport, error) {
	began := s.sweep.begin(false)
	report, err := s.Store.Sweep(ctx, now)
	s.sweep.end(began, err)
	return report, err
}

// countedOwned is an OwnedUpdater whose calls are counted, as updates.
type countedOwned struct {
	driver.OwnedUpdater
	*calls
}

// UpdateOwned implements OwnedUpdater.
func (s countedOwned) UpdateOwned(ctx context.Context, r *driver.Record) error {
	began := s.update.begin(s.sparse)
	err := s.OwnedUpdater.UpdateOwned(ctx, r)
	s.update.end(began, err)
	return err
}

// merges counts writes that took more or less than one change each.
type merges struct{ merged, gathered atomic.Int64 }

// wrote counts a write of some changes. overtaken says that another write came first.
func (m *merges) wrote(changes int, overtaken bool) {
	if changes > 1 {
		m.gathered.Add(int64(changes) - 1)
	}
	if overtaken {
		m.merged.Add(1)
	}
}
