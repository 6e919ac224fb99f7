package brokenstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// Forcer is a store that can be made to break its promises.
type Forcer interface {
	cloakroom.Store
	// Force puts a record, a grave (a record with ID and Grave), or, with nil,
	// nothing in the place of whatever is there.
	Force(ctx context.Context, id cloakroom.ID, r *cloakroom.Record) (cloakroom.Version, error)
}

// loosen returns a store whose records can be forced: s itself if it can do
// that, or a wrapper that keeps what was forced beside it.
func loosen(s cloakroom.Store) Forcer {
	if f, ok := s.(Forcer); ok {
		return f
	}
	return &loose{Store: s, forced: map[cloakroom.ID]*cloakroom.Record{}}
}

// loose keeps the records of ids that were ever forced by itself.
type loose struct {
	cloakroom.Store
	mu     sync.Mutex
	forced map[cloakroom.ID]*cloakroom.Record // nil: nothing is there
	last   uint64
}

// forcedTerm tells versions of forced records from the store's.
const forcedTerm = 1 << 40

func (s *loose) Force(_ context.Context, id cloakroom.ID, r *cloakroom.Record) (cloakroom.Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(id, r), nil
}

// put keeps a record, with mu held.
func (s *loose) put(id cloakroom.ID, r *cloakroom.Record) cloakroom.Version {
	if r == nil {
		s.forced[id] = nil
		return cloakroom.Version{}
	}
	kept := *r
	s.last++
	kept.Version = cloakroom.Version{Term: forcedTerm, Seq: s.last}
	s.forced[id] = &kept
	return kept.Version
}

func (s *loose) Get(ctx context.Context, id cloakroom.ID) (*cloakroom.Record, error) {
	s.mu.Lock()
	r, forced := s.forced[id]
	s.mu.Unlock()
	switch {
	case !forced:
		return s.Store.Get(ctx, id)
	case r == nil:
		return nil, fail("get", id, cloakroom.ErrNotFound)
	case r.Grave != nil:
		return r, fail("get", id, cloakroom.ErrGone)
	}
	return r, nil
}

func (s *loose) Create(ctx context.Context, r *cloakroom.Record) (cloakroom.Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch old, forced := s.forced[r.ID]; {
	case !forced:
		return s.Store.Create(ctx, r)
	case old != nil:
		return cloakroom.Version{}, fail("create", r.ID, cloakroom.ErrExists)
	}
	return s.put(r.ID, r), nil
}

func (s *loose) Update(ctx context.Context, r *cloakroom.Record) (cloakroom.Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, forced := s.forced[r.ID]
	if !forced {
		return s.Store.Update(ctx, r)
	}
	if err := isAt(old, r.Version); err != nil {
		return cloakroom.Version{}, fail("update", r.ID, err)
	}
	return s.put(r.ID, r), nil
}

func (s *loose) Bury(ctx context.Context, id cloakroom.ID, g cloakroom.Grave, v cloakroom.Version) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, forced := s.forced[id]
	if !forced {
		return s.Store.Bury(ctx, id, g, v)
	}
	if own := old != nil && old.Grave != nil && old.Version == v; !v.IsZero() && !own {
		if err := isAt(old, v); err != nil {
			return fail("bury", id, err)
		}
	}
	s.put(id, &cloakroom.Record{ID: id, Grave: &g})
	return nil
}

// isAt tells why a compare-and-set on version v fails, if it does.
func isAt(old *cloakroom.Record, v cloakroom.Version) error {
	switch {
	case old == nil:
		return cloakroom.ErrNotFound
	case old.Grave != nil:
		return cloakroom.ErrGone
	case old.Version != v:
		return cloakroom.ErrConflict
	}
	return nil
}

func (s *loose) Search(ctx context.Context, q cloakroom.Query) iter.Seq2[*cloakroom.Record, error] {
	return func(yield func(*cloakroom.Record, error) bool) {
		all := q
		all.Limit = 0
		var found []*cloakroom.Record
		for r, err := range s.Store.Search(ctx, all) {
			if err != nil {
				yield(nil, err)
				return
			}
			found = append(found, r)
		}
		s.mu.Lock()
		found = slices.DeleteFunc(found, func(r *cloakroom.Record) bool { _, forced := s.forced[r.ID]; return forced })
		for _, r := range s.forced {
			if r != nil && q.Matches(r) {
				found = append(found, r)
			}
		}
		s.mu.Unlock()
		slices.SortFunc(found, func(a, b *cloakroom.Record) int { return a.Cursor().Compare(b.Cursor()) })
		for i, r := range found {
			if q.Limit > 0 && i == q.Limit || !yield(r, nil) {
				return
			}
		}
	}
}

func (s *loose) Sweep(ctx context.Context, now time.Time) (cloakroom.SweepReport, error) {
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
			s.put(id, &cloakroom.Record{ID: id, Grave: &g})
			report.Buried++
		}
	}
	return report, err
}

// past reports whether a sweep at the time now removes a record.
func past(r *cloakroom.Record, now time.Time) bool {
	end := r.Deadline
	if r.Grave != nil {
		end = r.Grave.Until
	}
	return !end.IsZero() && now.After(end.Add(cloakroom.ClockTolerance))
}

// expired reports whether a sweep at the time now buries a record.
func expired(r *cloakroom.Record, now time.Time) bool {
	return r.Grave == nil && r.Kind == cloakroom.KindSession && !r.Expires.IsZero() && now.After(r.Expires)
}

func fail(op string, id cloakroom.ID, err error) error {
	return fmt.Errorf("brokenstore: %s %v: %w", op, id, err)
}

func isGone(err error) bool    { return errors.Is(err, cloakroom.ErrGone) }
func isMissing(err error) bool { return errors.Is(err, cloakroom.ErrNotFound) }
