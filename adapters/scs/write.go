package scsstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the writes: the loop of a Commit, the loop of a Delete, and what an error
// of the database proves.

// commit writes a session's content over what is there, at the version that it reads.
// It never writes over a grave.
//
// A conflict proves nothing by itself where engines repeat requests, and a lost answer
// never does. So the record is read again, and the write id is looked for in it. If it is
// there, the Commit has happened, and perhaps others since. But the read may show a
// phantom: a write that an isolated node alone has. So what was read is written once
// more, unchanged. If the write id isn't there, the content is written again: all of
// that happens within the Commit, and the last one stays.
func (s *Store) commit(ctx context.Context, id driver.ID, c content) error {
	by := driver.NewWriteID()
	sent := false // an attempt may have happened, or may still
	var lost error
	for n := 1; ; n++ {
		cur, err := s.get(ctx, id)
		var next *driver.Record
		switch {
		case errors.Is(err, driver.ErrGone):
			return fmt.Errorf("scsstore: committing %v: %w", id, err)
		case driver.IsNotFound(err):
			next = s.next(id, nil, c, by)
		case err != nil:
			if !sent || isLasting(err) || !backOff(ctx, n) {
				return s.failure("committing", id, sent, lost, err)
			}
			continue
		case sent && slices.Contains(cur.WriteIDs, by):
			if s.vouch.Reads {
				return nil
			}
			next = confirmation(cur)
		default:
			next = s.next(id, cur, c, by)
		}
		err = s.write(ctx, next)
		switch {
		case err == nil:
			return nil
		case isRefused(err):
			return s.failure("committing", id, sent, lost, err)
		case !isAnswered(err):
			sent, lost = true, err
		case !s.vouch.Answers:
			sent = true
		}
		if !backOff(ctx, n) {
			return s.failure("committing", id, sent, lost, err)
		}
	}
}

// confirmation returns the write of a state that was read, unchanged. If it is
// acknowledged, that state is no phantom.
func confirmation(cur *driver.Record) *driver.Record {
	next := *cur
	next.Writes++
	next.WriteIDs = driver.PushWriteID(cur.WriteIDs, driver.NewWriteID())
	return &next
}

// write stores a record at the version that it has; without one it is the first of its
// id.
func (s *Store) write(ctx context.Context, rec *driver.Record) error {
	if rec.Version.IsZero() {
		_, err := s.db.Create(ctx, rec) //nolint:forbidigo // a Commit of scs: internal/protocol merges changes, of which scs has none
		return err
	}
	_, err := s.db.Update(ctx, rec) //nolint:forbidigo // as above
	return err
}

// patient is the number of burials that compare the version. The next ones don't: by then
// others write the session as fast as it is read.
const patient = 4

// bury ends a session: it puts a grave in the place of what is there, or of nothing.
//
// A grave that is there already is kept for longer if need be. It may be a phantom as
// well, so it is written once more, unless the database vouches for its reads.
func (s *Store) bury(ctx context.Context, id driver.ID) error {
	by := driver.NewWriteID()
	sent := false
	var lost error
	var until time.Time // the latest deadline that was read
	for n := 1; ; n++ {
		cur, err := s.get(ctx, id)
		var g driver.Grave
		var at driver.Version
		now := s.config.Now().UTC().Truncate(time.Millisecond)
		least := now.Add(s.config.KeepDeleted)
		switch {
		case driver.IsGone(cur, err):
			g, at = *cur.Grave, cur.Version
			if s.vouch.Reads && !g.Until.Before(least) {
				return nil
			}
		case driver.IsNotFound(err), errors.Is(err, driver.ErrCorrupt), errors.Is(err, driver.ErrNewer):
			g = driver.Grave{Reason: driver.EndDestroyed, At: now, App: s.config.App, WriteIDs: []driver.WriteID{by}}
		case err != nil:
			if !sent || errors.Is(err, driver.ErrClosed) || !backOff(ctx, n) {
				return s.failure("deleting", id, sent, lost, err)
			}
			continue
		default:
			g, at = cur.GraveFor(driver.EndDestroyed, now, by), cur.Version
		}
		until = later(until, later(g.Until, least))
		g.Until = until
		if n > patient {
			at = driver.Version{}
		}
		err = s.db.Bury(ctx, id, g, at) //nolint:forbidigo // a Delete of scs: the end of a session without ledger and queue
		switch {
		case err == nil:
			return nil
		case isRefused(err):
			return s.failure("deleting", id, sent, lost, err)
		case !isAnswered(err):
			sent, lost = true, err
		case !s.vouch.Answers:
			sent = true
		}
		if !backOff(ctx, n) {
			return s.failure("deleting", id, sent, lost, err)
		}
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// failure returns the error of a write. sent says that an attempt may have happened; lost
// is the error of the last one without an answer, if any; last is the last error.
func (s *Store) failure(doing string, id driver.ID, sent bool, lost, last error) error {
	if isAnswered(last) { // a conflict isn't the outcome, and would mislead
		last = fmt.Errorf("others write the session all the time: %v", last) //nolint:errorlint // not to be told by errors.Is
	}
	switch {
	case sent && lost != nil && !errors.Is(last, lost):
		return fmt.Errorf("scsstore: %s %v: %w: %w: %w, after: %v", doing, id, driver.ErrUnknown, driver.ErrUnavailable, last, lost) //nolint:errorlint // one cause will do
	case sent:
		return fmt.Errorf("scsstore: %s %v: %w: %w: %w", doing, id, driver.ErrUnknown, driver.ErrUnavailable, last)
	case errors.Is(last, driver.ErrUnavailable) || isLasting(last):
		return fmt.Errorf("scsstore: %s %v: %w", doing, id, last)
	}
	return fmt.Errorf("scsstore: %s %v: %w: %w", doing, id, driver.ErrUnavailable, last)
}

// isRefused reports whether an error says that nothing was written, and that there is no
// point in reading again.
func isRefused(err error) bool {
	return errors.Is(err, driver.ErrInvalid) || errors.Is(err, driver.ErrTooLarge) || errors.Is(err, driver.ErrOverloaded) || errors.Is(err, driver.ErrClosed)
}

// isAnswered reports whether the database said that a write met something else.
func isAnswered(err error) bool {
	return errors.Is(err, driver.ErrConflict) || errors.Is(err, driver.ErrExists) || errors.Is(err, driver.ErrGone) || driver.IsNotFound(err)
}

// isLasting reports whether an error won't go away in time.
func isLasting(err error) bool {
	return errors.Is(err, driver.ErrCorrupt) || errors.Is(err, driver.ErrNewer) || errors.Is(err, driver.ErrClosed) || errors.Is(err, driver.ErrInvalid) || errors.Is(err, driver.ErrTooLarge)
}

// backOff waits before try n+1, for a random time between half and all of 1 ms << n, at
// most 128 ms. It reports false when the context ended.
func backOff(ctx context.Context, n int) bool {
	d := time.Millisecond << min(n, 7)
	t := time.NewTimer(d/2 + rand.N(d/2))
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
