package brokenstore

import (
	"context"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// deletes removes what it should bury.
type deletes struct{ Forcer }

func (s deletes) Bury(ctx context.Context, id driver.ID, g driver.Grave, v driver.Version) error {
	if err := s.Forcer.Bury(ctx, id, g, v); err != nil {
		return err
	}
	_, err := s.Force(ctx, id, nil)
	return err
}

type buryMissing struct{ driver.Store }

func (s buryMissing) Bury(ctx context.Context, id driver.ID, g driver.Grave, v driver.Version) error {
	if _, err := s.Get(ctx, id); isMissing(err) && v.IsZero() {
		return nil
	}
	return s.Store.Bury(ctx, id, g, v)
}

type buryUnchecked struct{ driver.Store }

func (s buryUnchecked) Bury(ctx context.Context, id driver.ID, g driver.Grave, v driver.Version) error {
	if _, err := s.Get(ctx, id); err != nil && !v.IsZero() {
		return err
	}
	return s.Store.Bury(ctx, id, g, driver.Version{})
}

// sweepUnchecked sweeps by what it remembers.
type sweepUnchecked struct {
	remembering
	forcer Forcer
}

func newSweepUnchecked(s driver.Store) *sweepUnchecked {
	f := loosen(s)
	return &sweepUnchecked{remembering{Store: f, before: map[driver.ID]*driver.Record{}}, f}
}

func (s *sweepUnchecked) Sweep(ctx context.Context, now time.Time) (driver.SweepReport, error) {
	var did driver.SweepReport
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
			if err := s.Bury(ctx, id, r.ExpiredGrave(now), driver.Version{}); err != nil {
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
