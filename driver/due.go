package driver

import "time"

// This file is what a sweep does, and what a compare-and-set fails with, as far as one
// record tells. Stores that leave neither to their engine use it.

// Due is what a sweep has to do with a record or a grave; see Store.Sweep.
type Due uint8

// What is due.
const (
	DueNothing Due = iota
	DueBurial      // it is a session past Expires
	DueRemoval     // it is past Deadline, or a grave past Until, and the clock tolerance
)

// Due returns what a sweep at the time now has to do. Nothing is past the zero time.
// Whether a session of a newer format is idle is for a newer process to say.
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

// CheckVersion returns what Store.Update at a version fails with where r is what is
// there, or nil if it doesn't fail. A nil record is that nothing is there. No record is
// at the zero version.
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
