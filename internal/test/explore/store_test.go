package explore

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// modelStore is the contract of cloakroom.Store in as few words as possible.
// Versions count its writes. While exploring it holds a single id, so that equal
// histories of a record make equal records.
type modelStore struct {
	mu      sync.Mutex
	records map[cloakroom.ID]*driver.Record // graves among them
	last    uint64
}

func newModelStore() *modelStore {
	return &modelStore{records: map[cloakroom.ID]*driver.Record{}}
}

// put keeps a copy of r, or nothing if r is nil, with mu held.
func (s *modelStore) put(id cloakroom.ID, r *driver.Record) driver.Version {
	if r == nil {
		delete(s.records, id)
		return driver.Version{}
	}
	kept := *r
	s.last++
	kept.Version = driver.Version{Term: 1, Seq: s.last}
	s.records[id] = &kept
	return kept.Version
}

// Force implements brokenstore.Forcer.
func (s *modelStore) Force(_ context.Context, id cloakroom.ID, r *driver.Record) (driver.Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(id, r), nil
}

// write puts r in the place of what check agrees to.
func (s *modelStore) write(ctx context.Context, r *driver.Record, check func(old *driver.Record) error) (driver.Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := ctx.Err()
	if err == nil {
		err = checkDepth(r)
	}
	if err == nil {
		err = check(s.records[r.ID])
	}
	if err != nil {
		return driver.Version{}, fmt.Errorf("explore: writing %v: %w", r.ID, err)
	}
	return s.put(r.ID, r), nil
}

func checkDepth(r *driver.Record) error {
	if r.Grave != nil {
		return driver.CheckDepth(r.Grave.Extra)
	}
	return driver.CheckDepth(r.Values, r.Extra)
}

func (s *modelStore) Get(ctx context.Context, id cloakroom.ID) (*driver.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.records[id]
	err := ctx.Err()
	switch {
	case err != nil:
	case r == nil:
		err = cloakroom.ErrNotFound
	case r.Grave != nil:
		return r, fmt.Errorf("explore: reading %v: %w", id, cloakroom.ErrGone)
	default:
		if err = driver.CheckFormat(r.Extra); err == nil {
			return r, nil
		}
	}
	return nil, fmt.Errorf("explore: reading %v: %w", id, err)
}

func (s *modelStore) Create(ctx context.Context, r *driver.Record) (driver.Version, error) {
	return s.write(ctx, r, func(old *driver.Record) error {
		if old != nil {
			return driver.ErrExists
		}
		return nil
	})
}

func (s *modelStore) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	return s.write(ctx, r, func(old *driver.Record) error { return old.CheckVersion(r.Version) })
}

func (s *modelStore) Bury(ctx context.Context, id cloakroom.ID, g driver.Grave, v driver.Version) error {
	_, err := s.write(ctx, &driver.Record{ID: id, Grave: &g}, func(old *driver.Record) error {
		if v.IsZero() || old != nil && old.Grave != nil && old.Version == v {
			return nil
		}
		return old.CheckVersion(v)
	})
	return err
}

func (s *modelStore) Search(ctx context.Context, q driver.Query) iter.Seq2[*driver.Record, error] {
	return func(yield func(*driver.Record, error) bool) {
		if err := q.Check(); err != nil {
			yield(nil, fmt.Errorf("explore: search: %w", err))
			return
		}
		var found []*driver.Record
		s.mu.Lock()
		for _, r := range s.records {
			if q.Matches(r) && driver.CheckFormat(r.Extra) == nil {
				found = append(found, r)
			}
		}
		s.mu.Unlock()
		slices.SortFunc(found, q.Compare)
		for i, r := range found {
			if q.Limit > 0 && i == q.Limit {
				return
			}
			if err := ctx.Err(); err != nil {
				yield(nil, fmt.Errorf("explore: search: %w", err))
				return
			}
			if !yield(r, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(nil, fmt.Errorf("explore: search: %w", err))
		}
	}
}

func (s *modelStore) Sweep(ctx context.Context, now time.Time) (report driver.SweepReport, err error) {
	if err := ctx.Err(); err != nil {
		return report, fmt.Errorf("explore: sweep: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, r := range s.records {
		switch r.Due(now) {
		case driver.DueRemoval:
			s.put(id, nil)
			report.Removed++
		case driver.DueBurial:
			s.put(id, sweepGrave(r, now))
			report.Buried++
		case driver.DueNothing:
		}
	}
	return report, nil
}

// sweepGrave is the grave of a session that a sweep found idle. Its write id, which
// is random, is replaced by one that is always the same, as nobody looks for it.
func sweepGrave(r *driver.Record, now time.Time) *driver.Record {
	g := r.ExpiredGrave(now)
	g.WriteIDs[0] = driver.WriteID{0xff}
	return &driver.Record{ID: r.ID, Grave: &g}
}
