package brokenstore

import (
	"context"
	"errors"
	"maps"
	"sync"

	"github.com/cloakroom-go/cloakroom"
)

// upsert puts in place whatever an update meets nothing, or a grave, for.
type upsert struct{ Forcer }

func (s upsert) Update(ctx context.Context, r *cloakroom.Record) (cloakroom.Version, error) {
	v, err := s.Forcer.Update(ctx, r)
	if isMissing(err) || isGone(err) {
		return s.Force(ctx, r.ID, r)
	}
	return v, err
}

// lastWriter updates at whatever version there is.
type lastWriter struct{ cloakroom.Store }

func (s lastWriter) Update(ctx context.Context, r *cloakroom.Record) (cloakroom.Version, error) {
	for {
		v, err := s.Store.Update(ctx, r)
		if !errors.Is(err, cloakroom.ErrConflict) {
			return v, err
		}
		now, err := s.Get(ctx, r.ID)
		if err != nil {
			return cloakroom.Version{}, err
		}
		next := *r
		next.Version = now.Version
		r = &next
	}
}

type createReplaces struct{ Forcer }

func (s createReplaces) Create(ctx context.Context, r *cloakroom.Record) (cloakroom.Version, error) {
	v, err := s.Forcer.Create(ctx, r)
	if errors.Is(err, cloakroom.ErrExists) {
		return s.Force(ctx, r.ID, r)
	}
	return v, err
}

// versionRepeats takes the count of writes for the version.
type versionRepeats struct{ cloakroom.Store }

func counted(writes uint64) cloakroom.Version { return cloakroom.Version{Term: 1, Seq: writes} }

func (s versionRepeats) Get(ctx context.Context, id cloakroom.ID) (*cloakroom.Record, error) {
	r, err := s.Store.Get(ctx, id)
	if r != nil {
		shown := *r
		shown.Version = counted(r.Writes)
		r = &shown
	}
	return r, err
}

func (s versionRepeats) Create(ctx context.Context, r *cloakroom.Record) (cloakroom.Version, error) {
	_, err := s.Store.Create(ctx, r)
	return counted(r.Writes), err
}

func (s versionRepeats) Update(ctx context.Context, r *cloakroom.Record) (cloakroom.Version, error) {
	v, err := s.real(ctx, r.ID, r.Version)
	if err != nil {
		return cloakroom.Version{}, err
	}
	next := *r
	next.Version = v
	_, err = s.Store.Update(ctx, &next)
	return counted(r.Writes), err
}

func (s versionRepeats) Bury(ctx context.Context, id cloakroom.ID, g cloakroom.Grave, v cloakroom.Version) error {
	if !v.IsZero() {
		var err error
		if v, err = s.real(ctx, id, v); err != nil {
			return err
		}
	}
	return s.Store.Bury(ctx, id, g, v)
}

// real returns the version behind one that was shown.
func (s versionRepeats) real(ctx context.Context, id cloakroom.ID, shown cloakroom.Version) (cloakroom.Version, error) {
	r, err := s.Store.Get(ctx, id)
	switch {
	case err != nil:
		return cloakroom.Version{}, err
	case counted(r.Writes) != shown:
		return cloakroom.Version{}, fail("compare", id, cloakroom.ErrConflict)
	}
	return r.Version, nil
}

// drops answers an update whose count is a multiple of three without writing.
type drops struct{ cloakroom.Store }

func (s drops) Update(ctx context.Context, r *cloakroom.Record) (cloakroom.Version, error) {
	if r.Writes%3 != 0 {
		return s.Store.Update(ctx, r)
	}
	now, err := s.Get(ctx, r.ID)
	switch {
	case err != nil:
		return cloakroom.Version{}, err
	case now.Version != r.Version:
		return cloakroom.Version{}, fail("update", r.ID, cloakroom.ErrConflict)
	}
	return r.Version, nil
}

// remembering keeps the state of each record before its last write.
type remembering struct {
	cloakroom.Store
	mu     sync.Mutex
	before map[cloakroom.ID]*cloakroom.Record
}

// look returns what is there now, nil if that is nothing that is live.
func (s *remembering) look(ctx context.Context, id cloakroom.ID) *cloakroom.Record {
	r, err := s.Get(ctx, id)
	if err != nil {
		return nil
	}
	return r
}

func (s *remembering) remember(id cloakroom.ID, r *cloakroom.Record, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && r != nil {
		s.before[id] = r
	}
}

// took returns what is remembered of an id, and forgets it.
func (s *remembering) took(id cloakroom.ID) *cloakroom.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.before[id]
	delete(s.before, id)
	return r
}

func (s *remembering) Update(ctx context.Context, r *cloakroom.Record) (cloakroom.Version, error) {
	old := s.look(ctx, r.ID)
	v, err := s.Store.Update(ctx, r)
	s.remember(r.ID, old, err)
	return v, err
}

// stale answers the first Get after a write from memory.
type stale struct{ remembering }

func newStale(s cloakroom.Store) *stale {
	return &stale{remembering{Store: s, before: map[cloakroom.ID]*cloakroom.Record{}}}
}

func (s *stale) Bury(ctx context.Context, id cloakroom.ID, g cloakroom.Grave, v cloakroom.Version) error {
	old := s.look(ctx, id)
	err := s.Store.Bury(ctx, id, g, v)
	s.remember(id, old, err)
	return err
}

func (s *stale) Get(ctx context.Context, id cloakroom.ID) (*cloakroom.Record, error) {
	if r := s.took(id); r != nil {
		return r, nil
	}
	return s.Store.Get(ctx, id)
}

// snapshot returns what is remembered now.
func (s *remembering) snapshot() map[cloakroom.ID]*cloakroom.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.before)
}
