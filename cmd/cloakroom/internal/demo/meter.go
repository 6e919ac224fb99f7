package demo

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/figures"
)

// This file is a store that counts and traces the operations on another.

// meter is a store that passes every operation on, counts it, and keeps a trace of it.
// It asks the store nothing itself.
type meter struct {
	store  cloakroom.Store
	trace  *trace
	logger *slog.Logger
	outage atomic.Int32 // none, ofReads or ofAWrite

	reads, writes, sweeps atomic.Int64
}

var (
	_ cloakroom.Store = (*meter)(nil)
	_ driver.Assurer  = (*meter)(nil)

	_ driver.Inspector = (*meter)(nil)
	_ driver.Counter   = (*meter)(nil)
)

func newMeter(store cloakroom.Store, logger *slog.Logger) *meter {
	return &meter{store: store, trace: newTrace(), logger: logger}
}

// Get implements cloakroom.Store.
func (m *meter) Get(ctx context.Context, id cloakroom.ID) (*driver.Record, error) {
	done := m.begin(ctx, op{verb: "read", id: id})
	rec, err := m.store.Get(ctx, id)
	done(rec, err)
	return rec, err
}

// Create implements cloakroom.Store.
func (m *meter) Create(ctx context.Context, r *driver.Record) (driver.Version, error) {
	done := m.begin(ctx, op{verb: "create", id: r.ID, write: true})
	v, err := m.store.Create(ctx, r)
	done(at(r, v), err)
	return v, err
}

// Update implements cloakroom.Store.
func (m *meter) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	done := m.begin(ctx, op{verb: "update", id: r.ID, write: true})
	v, err := m.store.Update(ctx, r)
	done(at(r, v), err)
	return v, err
}

// Bury implements cloakroom.Store.
func (m *meter) Bury(ctx context.Context, id cloakroom.ID, g driver.Grave, v driver.Version) error {
	done := m.begin(ctx, op{verb: "bury", id: id, write: true, reason: g.Reason})
	err := m.store.Bury(ctx, id, g, v)
	done(nil, err)
	if err == nil && !g.Successor.IsZero() {
		m.trace.follow(id, g.Successor)
	}
	return err
}

// Search implements cloakroom.Store. The shop never searches.
func (m *meter) Search(ctx context.Context, q driver.Query) iter.Seq2[*driver.Record, error] {
	m.reads.Add(1)
	return m.store.Search(ctx, q)
}

// Sweep implements cloakroom.Store. A sweep belongs to no request, and is counted by
// itself.
func (m *meter) Sweep(ctx context.Context, now time.Time) (driver.SweepReport, error) {
	m.sweeps.Add(1)
	return m.store.Sweep(ctx, now)
}

// Assurances implements driver.Assurer with the store's: each operation is passed on
// once, and its answer unchanged.
func (m *meter) Assurances() driver.Assurances { return driver.AssurancesOf(m.store) }

// Summarize and Report implement driver.Inspector with the store's, for operators.

// Summarize counts sessions.
func (m *meter) Summarize(ctx context.Context, q driver.Query) (driver.Summary, error) {
	in, ok := m.store.(driver.Inspector)
	if !ok {
		return driver.Summary{}, errors.ErrUnsupported
	}
	return in.Summarize(ctx, q)
}

// Report describes the store.
func (m *meter) Report(ctx context.Context) (driver.Report, error) {
	in, ok := m.store.(driver.Inspector)
	if !ok {
		return driver.Report{Engine: "a store that tells nothing of itself"}, nil
	}
	return in.Report(ctx)
}

// Figures implements driver.Counter with the store's; they are zero if it has none.
func (m *meter) Figures() figures.Store {
	c, ok := m.store.(driver.Counter)
	if !ok {
		return figures.Store{}
	}
	return c.Figures()
}

// at returns a record as the store keeps it after a write.
func at(r *driver.Record, v driver.Version) *driver.Record {
	kept := *r // the store may keep r itself: it must not be changed
	kept.Version = v
	return &kept
}

// begin counts an operation, and returns a function to call at its end.
func (m *meter) begin(ctx context.Context, o op) func(*driver.Record, error) {
	if o.write {
		m.writes.Add(1)
	} else {
		m.reads.Add(1)
	}
	o.at = time.Now()
	o.from = m.trace.began(ctx, o)
	return func(rec *driver.Record, err error) {
		o.took = time.Since(o.at)
		o.result = result(err)
		if err != nil {
			rec = nil
		}
		m.trace.add(o, rec)
		m.watch(ctx, o.write, err)
	}
}

// The outages that are known, by what met them.
const (
	none     = iota
	ofReads  // any operation that is answered ends it
	ofAWrite // a write alone ends it: a store may answer reads, and take no writes for a while
)

// watch logs that the store is out of reach, and that it is back.
func (m *meter) watch(ctx context.Context, write bool, err error) {
	const gone = "the store is out of reach, or takes no writes: requests that need it are answered with 503 until it is back"
	switch unreachable := isOutage(err); {
	case unreachable && errors.Is(ctx.Err(), context.Canceled): // the client hung up
	case unreachable && write:
		if m.outage.Swap(ofAWrite) == none {
			m.logger.ErrorContext(ctx, gone, "error", err)
		}
	case unreachable:
		if m.outage.CompareAndSwap(none, ofReads) {
			m.logger.ErrorContext(ctx, gone, "error", err)
		}
	case m.outage.CompareAndSwap(ofReads, none), write && m.outage.CompareAndSwap(ofAWrite, none):
		m.logger.InfoContext(ctx, "the store is back")
	}
}

// isOutage reports whether a store's error means that it did not answer.
func isOutage(err error) bool { return result(err) == resultNoAnswer }

const resultNoAnswer = "no answer"

// result names an operation's result. Errors may hold more than visitors should see.
func result(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, cloakroom.ErrNotFound):
		return "not there"
	case errors.Is(err, cloakroom.ErrGone):
		return "has ended"
	case errors.Is(err, driver.ErrExists):
		return "is there"
	case errors.Is(err, cloakroom.ErrConflict):
		return "conflict"
	case errors.Is(err, cloakroom.ErrCorrupt):
		return "corrupt"
	case errors.Is(err, cloakroom.ErrInvalid), errors.Is(err, cloakroom.ErrTooLarge):
		return "refused"
	case errors.Is(err, cloakroom.ErrClosed):
		return "closed"
	case errors.Is(err, cloakroom.ErrOverloaded):
		return "overloaded"
	}
	return resultNoAnswer
}
