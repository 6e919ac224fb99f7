package scsstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the retirement of a session of a Store that an Importer has read: a
// deletion at the version that was read, which other stores of scs have none of.

// retire deletes a session if is reports that its data is what was read. An attempt whose
// answer was lost is looked for: the grave has its write id, whoever deletes the session
// after it.
//
// Errors: driver.ErrConflict, it is not; driver.ErrNotFound, somebody else deleted it, or
// it has expired; driver.ErrUnavailable, the database didn't answer.
func (s *Store) retire(ctx context.Context, token string, is func(data []byte) bool) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	id, by := s.ID(token), driver.NewWriteID()
	sent := false // an attempt may have happened, or may still: at the version that was read, and so alone
	var lost error
	for n := 1; ; n++ {
		cur, err := s.get(ctx, id)
		now := s.config.Now().UTC().Truncate(time.Millisecond)
		switch {
		case driver.IsGone(cur, err) && slices.Contains(cur.Grave.WriteIDs, by):
			return s.bury(ctx, id) // which confirms the grave, if it may be a phantom
		case driver.IsGone(cur, err), driver.IsNotFound(err), err == nil && isOver(cur, now):
			return fmt.Errorf("scsstore: retiring %v: it has ended: %w", id, driver.ErrNotFound)
		case err != nil:
			if !sent || isLasting(err) || !backOff(ctx, n) {
				return s.failure("retiring", id, sent, lost, err)
			}
			continue
		}
		data, err := dataOf(cur)
		switch {
		case err != nil:
			return err
		case !is(data):
			return fmt.Errorf("scsstore: retiring %v: it was saved meanwhile: %w", id, driver.ErrConflict)
		}
		g := cur.GraveFor(driver.EndDestroyed, now, by)
		g.Until = later(g.Until, now.Add(s.config.KeepDeleted))
		err = s.db.Bury(ctx, id, g, cur.Version) //nolint:forbidigo // as in bury
		switch {
		case err == nil:
			return nil
		case isRefused(err):
			return s.failure("retiring", id, sent, lost, err)
		case !isAnswered(err):
			sent, lost = true, err
		case !s.vouch.Answers:
			sent = true
		}
		if !backOff(ctx, n) {
			return s.failure("retiring", id, sent, lost, err)
		}
	}
}
