package brokenstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// Forcer is a store that can be made to break its promises.
type Forcer interface {
	driver.Store
	// Force puts a record, a grave (a record with ID and Grave), or, with nil,
	// nothing in the place of whatever is there.
	Force(ctx context.Context, id driver.ID, r *driver.Record) (driver.Version, error)
}

// loosen returns a store whose records can be forced: s itself if it can do
// that, or a wrapper that keeps what was forced beside it.
func loosen(s driver.Store) Forcer {
	if f, ok := s.(Forcer); ok {
		return f
	}
	return &loose{Store: s, forced: map[driver.ID]*driver.Record{}}
}

// loose keeps the records of ids that were ever forced by itself.
type loose struct {
	driver.Store
	mu     sync.Mutex
	forced map[driver.ID]*driver.Record // nil: nothing is there
	last   uint64
}

// forcedTerm tells versions of forced records from the store's.
const forcedTerm = 1 << 40

func (s *loose) Force(_ context.Context, id driver.ID, r *driver.Record) (driver.Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(id, r), nil
}

// put keeps a record, with mu held.
func (s *loose) put(id driver.ID, r *driver.Record) driver.Version {
	if r == nil {
		s.forced[id] = nil
		return driver.Version{}
	}
	kept := *r
	s.last++
	kept.Version = driver.Version{Term: forcedTerm, Seq: s.last}
	s.forced[id] = &kept
	return kept.Version
}

func (s *loose) Get(ctx context.Context, id driver.ID) (*driver.Record, error) {
	s.mu.Lock()
	r, forced := s.forced[id]
	s.mu.Unlock()
	switch {
	case !forced:
		return s.Store.Get(ctx, id)
	case r == nil:
		return nil, fail("get", id, driver.ErrNotFound)
	case r.Grave != nil:
		return r, fail("get", id, driver.ErrGone)
	}
	return r, nil
}

func (s *loose) Create(ctx context.Context, r *driver.Record) (driver.Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch old, forced := s.forced[r.ID]; {
	case !forced:
		return s.Store.Create(ctx, r)
	case old != nil:
		return driver.Version{}, fail("create", r.ID, driver.ErrExists)
	}
	return s.put(r.ID, r), nil
}

func (s *loose) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, forced := s.forced[r.ID]
	if !forced {
		return s.Store.Update(ctx, r)
	}
	if err := old.CheckVersion(r.Version); err != nil {
		return driver.Version{}, fail("update", r.ID, err)
	}
	return s.put(r.ID, r), nil
}

func (s *loose) Bury(ctx context.Context, id driver.ID, g driver.Grave, v driver.Version) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, forced := s.forced[id]
	if !forced {
		return s.Store.Bury(ctx, id, g, v)
	}
	if own := old != nil && old.Grave != nil && old.Version == v; !v.IsZero() && !own {
		if err := old.CheckVersion(v); err != nil {
			return fail("bury", id, err)
		}
	}
	s.put(id, &driver.Record{ID: id, Grave: &g})
	return nil
}

func (s *loose) Search(ctx context.Context, q driver.Query) iter.Seq2[*driver.Record, error] {
	return func(yield func(*driver.Record, error) bool) {
		all := q
		all.Limit = 0
		var found []*driver.Record
		for r, err := range s.Store.Search(ctx, all) {
			if err != nil {
				yield(nil, err)
				return
			}
			found = append(found, r)
		}
		s.mu.Lock()
		found = slices.DeleteFunc(found, func(r *driver.Record) bool { _, forced := s.forced[r.ID]; return forced })
		for _, r := range s.forced {
			if r != nil && q.Matches(r) {
				found = append(found, r)
			}
		}
		s.mu.Unlock()
		slices.SortFunc(found, q.Compare)
		for i, r := range found {
			if q.Limit > 0 && i == q.Limit || !yield(r, nil) {
				return
			}
		}
	}
}

func (s *loose) Sweep(ctx context.Context, now time.Time) (driver.SweepReport, error) {
	report, err := s.Store.Sweep(ctx, now)
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, r := range s.forced {
		switch {
		case r == nil:
		case past(r, now):
			s.put(id, nil)
			report.Removed++
		case expired(r, now):
			g := r.ExpiredGrave(now)
			s.put(id, &driver.Record{ID: id, Grave: &g})
			report.Buried++
		}
	}
	return report, err
}

// past reports whether a sweep at the time now removes a record.
func past(r *driver.Record, now time.Time) bool {
	end := r.Deadline
	if r.Grave != nil {
		end = r.Grave.Until
	}
	return !end.IsZero() && now.After(end.Add(driver.ClockTolerance))
}

// expired reports whether a sweep at the time now buries a record.
func expired(r *driver.Record, now time.Time) bool {
	return r.Grave == nil && r.Kind == driver.KindSession && !r.Expires.IsZero() && now.After(r.Expires)
}

func fail(op string, id driver.ID, err error) error {
	return fmt.Errorf("brokenstore: %s %v: %w", op, id, err)
}

func isGone(err error) bool    { return errors.Is(err, driver.ErrGone) }
func isMissing(err error) bool { return errors.Is(err, driver.ErrNotFound) }
