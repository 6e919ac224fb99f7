package cloakroom

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
	"github.com/cloakroom-go/cloakroom/internal/token"
)

// This file is the opening of a session by several tokens on one request: the one live
// session is used, of several none.

// maxPresented is the most sessions that are read for one request.
const maxPresented = 8

// candidate is a session that a request presents and that may be live.
type candidate struct {
	protocol.Opened
	by opener
}

// loadSeveral is load for several tokens, sorted by id. Sessions that are over don't
// count. If one session is left, it is the request's. If several are left, none is, since
// to prefer one would let whoever set the other choose. Nor is any if there are more than
// are read. The order of the tokens in the request makes no difference.
//
// Errors: those of reading, if a session can't be read; driver.ErrCorrupt, if the one
// session that is left is corrupt.
func (m *Manager) loadSeveral(ctx context.Context, s *Session, tokens []token.Token, now, actual time.Time) error {
	var ids []ID
	for _, t := range tokens {
		if n := len(ids); n == 0 || ids[n-1] != t.ID {
			ids = append(ids, t.ID)
		}
	}
	if len(ids) > maxPresented {
		m.events.refused(ctx, ID{}, RefusedMany)
		s.barred = &barrier{many: true, err: fmt.Errorf("cloakroom: the request came with tokens of %d sessions, and none is used of more than %d: the client has to remove some: %w", len(ids), maxPresented, ErrConflict)}
		return nil
	}
	s.reading.Begin(ctx, actual.Add(m.config.SaveTimeout), nil)
	defer s.reading.End()
	all := m.records.OpenEach(&s.reading, ids)
	live, ended, err := m.unlocked(ctx, all, tokens)
	switch {
	case err != nil:
		return err
	case len(live) == 0:
		for _, o := range all {
			for _, t := range tokens { // of several the session made last counts
				if o.Grave != nil && t.ID == o.ID {
					m.openEnded(s, o.Grave, t)
				}
			}
		}
		if s.barred == nil && !ended.IsZero() {
			s.barred = &barrier{err: errEnded(ended)}
		}
	case len(live) == 1:
		one := live[0]
		if one.Err != nil {
			return one.Err
		}
		s.unlock(one.Record, one.by, protocol.MomentOf(now))
	default:
		m.events.refused(ctx, live[len(live)-1].ID, RefusedAmbiguous)
		s.barred = &barrier{err: fmt.Errorf("cloakroom: the request came with tokens of %d live sessions, of which none is used; to sign in or out ends them: %w", len(live), ErrConflict)}
		for _, c := range live {
			s.barred.rivals = append(s.barred.rivals, c.Opened)
		}
	}
	return nil
}

// unlocked returns the sessions that are live and that a token's secret opens, and those
// that are corrupt. ended is another session, whose secret a strict renewal ended just
// now; zero: none. It fails if one session can't be judged.
func (m *Manager) unlocked(ctx context.Context, all []protocol.Opened, tokens []token.Token) (live []candidate, ended ID, err error) {
	var unread []error
	for _, o := range all {
		switch {
		case errors.Is(o.Err, driver.ErrCorrupt) && !errors.Is(o.Err, driver.ErrUnavailable):
			live = append(live, candidate{Opened: o})
		case o.Err != nil:
			unread = append(unread, o.Err)
		case o.Record != nil:
			by, err := m.bestOf(o.Record, tokens)
			switch {
			case err != nil:
				unread = append(unread, err)
			case by.fits:
				live = append(live, candidate{o, by})
			default:
				m.events.refused(ctx, o.ID, RefusedSecret)
				if by.ended {
					ended = o.ID
				}
			}
		}
	}
	return live, ended, errors.Join(unread...)
}

// bestOf returns the opener of a session among some tokens: the one with its current
// secret, or else one with a previous secret.
//
// driver.ErrNewer: as openerOf.
func (m *Manager) bestOf(rec *driver.Record, tokens []token.Token) (best opener, failed error) {
	for _, t := range tokens {
		if t.ID != rec.ID {
			continue
		}
		o, err := m.openerOf(rec, t)
		switch {
		case err != nil:
			failed = err
		case o.fits && !o.previous:
			return o, nil
		case o.fits, o.ended && !best.fits:
			best = o
		}
	}
	return best, failed
}
