package brokenstore

import (
	"context"
	"errors"
	"maps"
	"sync"

	"github.com/cloakroom-go/cloakroom/driver"
)

// upsert puts in place whatever an update meets nothing, or a grave, for.
type upsert struct{ Forcer }

func (s upsert) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	v, err := s.Forcer.Update(ctx, r)
	if isMissing(err) || isGone(err) {
		return s.Force(ctx, r.ID, r)
	}
	return v, err
}

// lastWriter updates at whatever version there is.
type lastWriter struct{ driver.Store }

func (s lastWriter) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	for {
		v, err := s.Store.Update(ctx, r)
		if !errors.Is(err, driver.ErrConflict) {
			return v, err
		}
		now, err := s.Get(ctx, r.ID)
		if err != nil {
			return driver.Version{}, err
		}
		next := *r
		next.Version = now.Version
		r = &next
	}
}

type createReplaces struct{ Forcer }

func (s createReplaces) Create(ctx context.Context, r *driver.Record) (driver.Version, error) {
	v, err := s.Forcer.Create(ctx, r)
	if errors.Is(err, driver.ErrExists) {
		return s.Force(ctx, r.ID, r)
	}
	return v, err
}

// versionRepeats takes the count of writes for the version.
type versionRepeats struct{ driver.Store }

func counted(writes uint64) driver.Version { return driver.Version{Term: 1, Seq: writes} }

func (s versionRepeats) Get(ctx context.Context, id driver.ID) (*driver.Record, error) {
	r, err := s.Store.Get(ctx, id)
	if r != nil {
		shown := *r
		shown.Version = counted(r.Writes)
		r = &shown
	}
	return r, err
}

func (s versionRepeats) Create(ctx context.Context, r *driver.Record) (driver.Version, error) {
	_, err := s.Store.Create(ctx, r)
	return counted(r.Writes), err
}

func (s versionRepeats) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	v, err := s.real(ctx, r.ID, r.Version)
	if err != nil {
		return driver.Version{}, err
	}
	next := *r
	next.Version = v
	_, err = s.Store.Update(ctx, &next)
	return counted(r.Writes), err
}

func (s versionRepeats) Bury(ctx context.Context, id driver.ID, g driver.Grave, v driver.Version) error {
	if !v.IsZero() {
		var err error
		if v, err = s.real(ctx, id, v); err != nil {
			return err
		}
	}
	return s.Store.Bury(ctx, id, g, v)
}

// real returns the version behind one that was shown.
func (s versionRepeats) real(ctx context.Context, id driver.ID, shown driver.Version) (driver.Version, error) {
	r, err := s.Store.Get(ctx, id)
	switch {
	case err != nil:
		return driver.Version{}, err
	case counted(r.Writes) != shown:
		return driver.Version{}, fail("compare", id, driver.ErrConflict)
	}
	return r.Version, nil
}

// lies vouches for answers that aren't true.
type lies struct{ driver.Store }

func (s lies) Assurances() driver.Assurances { return driver.Assurances{Reads: true, Answers: true} }

func (s lies) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	v, err := s.Store.Update(ctx, r)
	if err == nil && r.Writes%3 == 0 {
		return driver.Version{}, fail("update", r.ID, driver.ErrConflict)
	}
	return v, err
}

// drops answers an update whose count is a multiple of three without writing.
type drops struct{ driver.Store }

func (s drops) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	if r.Writes%3 != 0 {
		return s.Store.Update(ctx, r)
	}
	now, err := s.Get(ctx, r.ID)
	switch {
	case err != nil:
		return driver.Version{}, err
	case now.Version != r.Version:
		return driver.Version{}, fail("update", r.ID, driver.ErrConflict)
	}
	return r.Version, nil
}

// dropsExtra updates records without their Extra.
type dropsExtra struct{ driver.Store }

func (s dropsExtra) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	kept := *r
	kept.Extra = nil
	return s.Store.Update(ctx, &kept)
}

// newerIsMissing doesn't find what it can't work with.
type newerIsMissing struct{ driver.Store }

func (s newerIsMissing) Get(ctx context.Context, id driver.ID) (*driver.Record, error) {
	r, err := s.Store.Get(ctx, id)
	if errors.Is(err, driver.ErrNewer) {
		return nil, fail("get", id, driver.ErrNotFound)
	}
	return r, err
}

// remembering keeps the state of each record before its last write.
type remembering struct {
	driver.Store
	mu     sync.Mutex
	before map[driver.ID]*driver.Record
}

// look returns what is there now, nil if that is nothing that is live.
func (s *remembering) look(ctx context.Context, id driver.ID) *driver.Record {
	r, err := s.Get(ctx, id)
	if err != nil {
		return nil
	}
	return r
}

func (s *remembering) remember(id driver.ID, r *driver.Record, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && r != nil {
		s.before[id] = r
	}
}

// took returns what is remembered of an id, and forgets it.
func (s *remembering) took(id driver.ID) *driver.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.before[id]
	delete(s.before, id)
	return r
}

func (s *remembering) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	old := s.look(ctx, r.ID)
	v, err := s.Store.Update(ctx, r)
	s.remember(r.ID, old, err)
	return v, err
}

// stale answers the first Get after a write from memory.
type stale struct{ remembering }

func newStale(s driver.Store) *stale {
	return &stale{remembering{Store: s, before: map[driver.ID]*driver.Record{}}}
}

func (s *stale) Bury(ctx context.Context, id driver.ID, g driver.Grave, v driver.Version) error {
	old := s.look(ctx, id)
	err := s.Store.Bury(ctx, id, g, v)
	s.remember(id, old, err)
	return err
}

func (s *stale) Get(ctx context.Context, id driver.ID) (*driver.Record, error) {
	if r := s.took(id); r != nil {
		return r, nil
	}
	return s.Store.Get(ctx, id)
}

// snapshot returns what is remembered now.
func (s *remembering) snapshot() map[driver.ID]*driver.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.before)
}
