package brokenstore

import (
	"context"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// deletes removes what it should bury.
type deletes struct{ Forcer }

func (s deletes) Bury(ctx context.Context, id cloakroom.ID, g cloakroom.Grave, v cloakroom.Version) error {
	if err := s.Forcer.Bury(ctx, id, g, v); err != nil {
		return err
	}
	_, err := s.Force(ctx, id, nil)
	return err
}

type buryMissing struct{ cloakroom.Store }

func (s buryMissing) Bury(ctx context.Context, id cloakroom.ID, g cloakroom.Grave, v cloakroom.Version) error {
	if _, err := s.Get(ctx, id); isMissing(err) && v.IsZero() {
		return nil
	}
	return s.Store.Bury(ctx, id, g, v)
}

type buryUnchecked struct{ cloakroom.Store }

func (s buryUnchecked) Bury(ctx context.Context, id cloakroom.ID, g cloakroom.Grave, v cloakroom.Version) error {
	if _, err := s.Get(ctx, id); err != nil && !v.IsZero() {
		return err
	}
	return s.Store.Bury(ctx, id, g, cloakroom.Version{})
}

// sweepUnchecked sweeps by what it remembers.
type sweepUnchecked struct {
	remembering
	forcer Forcer
}

func newSweepUnchecked(s cloakroom.Store) *sweepUnchecked {
	f := loosen(s)
	return &sweepUnchecked{remembering{Store: f, before: map[cloakroom.ID]*cloakroom.Record{}}, f}
}

func (s *sweepUnchecked) Sweep(ctx context.Context, now time.Time) (cloakroom.SweepReport, error) {
	var did cloakroom.SweepReport
	for id, old := range s.snapshot() {
		r := s.look(ctx, id)
		switch {
		case r == nil:
		case past(old, now):
			if _, err := s.forcer.Force(ctx, id, nil); err != nil {
				return did, err
			}
			did.Removed++
		case expired(old, now):
			if err := s.Bury(ctx, id, r.ExpiredGrave(now), cloakroom.Version{}); err != nil {
				return did, err
			}
			did.Buried++
		}
	}
	report, err := s.Store.Sweep(ctx, now)
	report.Buried += did.Buried
	report.Removed += did.Removed
	return report, err
}
