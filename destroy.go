package cloakroom

import (
	"context"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the sign-out: Session.Destroy.

// Destroy signs out: it ends the session, and returns when nothing can bring it back. The
// client is told to forget its token. The Session is a new, empty one afterwards, and
// setting a value begins another session. A later request with the same token can't begin
// one for a time, see Config.RenewGrace: saving a value is ErrGone there, since its
// cookie would replace that of the next sign-in. Login works.
//
// Once the response has begun, the client can't be told. Destroy ends the session all the
// same and returns nil: the token that the client keeps opens nothing.
//
// If the request came with the tokens of several live sessions, it ends each.
//
// ErrUnavailable: the session, or one of them, may have ended or not. Call it again.
// ErrConflict: the request came with more tokens than are looked at.
func (s *Session) Destroy(ctx context.Context) error {
	s.mu.Lock()
	stored := s.stored
	s.mu.Unlock()
	if !stored { // a save may be about to store it
		s.saving.Lock()
		defer s.saving.Unlock()
	}
	if err := s.endForeign(ctx); err != nil {
		return err
	}
	for {
		s.mu.Lock()
		rec, stored, gone, barred := s.rec, s.stored, s.gone, s.barred
		s.mu.Unlock()
		switch {
		case gone, barred != nil && barred.rivals == nil && !barred.many: // the client may hold another's token by now
			return nil
		case barred != nil && barred.many:
			return barred.err
		case barred != nil:
			if err := s.m.records.EndEach(ctx, barred.rivals, EndDestroyed); err != nil {
				return err
			}
		}
		if stored {
			if err := s.m.records.End(ctx, rec, EndDestroyed); err != nil {
				return err
			}
			s.m.retireEnded(ctx, rec)
		}
		if s.resetFrom(rec.ID) {
			return nil
		}
	}
}

// resetFrom makes the session a new one, and has the client forget its token, unless a
// sign-in has given it another id meanwhile.
func (s *Session) resetFrom(id ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rec.ID != id {
		return false
	}
	s.reset()
	s.q.revoke(s)
	return true
}

// reset makes the session a new, empty one.
func (s *Session) reset() {
	s.rec, s.stored, s.wrote, s.gone, s.old, s.used, s.foreign, s.rekey = &driver.Record{App: s.m.config.App}, false, false, false, false, false, false, false
	s.barred, s.replaced = nil, ID{}
	s.view, s.exact, s.ops, s.errs, s.sunk = valueSet{}, true, nil, nil, nil
}
