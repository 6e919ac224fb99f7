package driver

import "time"

// This file is the judgement of one record by a sweep and by a compare-and-set, for
// stores that leave neither to their engine.

// Due is a sweep's verdict on a record or a grave; see Store.Sweep.
type Due uint8

// The verdicts.
const (
	DueNothing Due = iota
	DueBurial      // it is a session past Expires
	DueRemoval     // it is past Deadline, or a grave past Until, and the clock tolerance
)

// Due returns the verdict of a sweep at the time now. Nothing is past the zero time. A
// session of a newer format is never DueBurial: only a newer process can judge whether
// it is idle.
func (r *Record) Due(now time.Time) Due {
	end := r.Deadline
	if r.Grave != nil {
		end = r.Grave.Until
	}
	switch {
	case !end.IsZero() && now.After(end.Add(ClockTolerance)):
		return DueRemoval
	case r.Grave == nil && r.Kind == KindSession && !r.Expires.IsZero() && now.After(r.Expires) && CheckFormat(r.Extra) == nil:
		return DueBurial
	}
	return DueNothing
}

// CheckVersion returns the error of Store.Update at version v if the store keeps r under
// the id, or nil if the update succeeds. A nil r means that the store keeps nothing. No
// record is at the zero version.
func (r *Record) CheckVersion(v Version) error {
	switch {
	case r == nil:
		return ErrNotFound
	case r.Grave != nil:
		return ErrGone
	case r.Version != v || v.IsZero():
		return ErrConflict
	}
	return nil
}
