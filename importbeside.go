package cloakroom

import (
	"context"
	"errors"
)

// This file is the end of a foreign session that a request presents beside a session of
// ours, and that isn't imported: a sign-in or sign-out ends both.

// endForeign ends the foreign session that a request presents beside a session of ours
// which is signing in or out. Else it would be imported once that session is over. It is
// carried through, and takes none of the time of what comes after it.
func (s *Session) endForeign(ctx context.Context) error {
	if s.q == nil {
		return nil
	}
	f := s.q.foreign.Load()
	if f == nil || !f.beside {
		return nil
	}
	m := s.m
	ctx, done, err := m.records.Begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	v := &importVisit{m: m, s: s, t: f.ForeignToken, now: m.now()}
	v.derive()
	for {
		im, err := m.records.OpenImported(ctx, v.name())
		switch {
		case err != nil || im.Over:
			return err
		case im.Record == nil:
			if again, err := v.barOwn(ctx); !again {
				return err
			}
			continue
		case im.Record.ID == s.ID():
			return nil
		}
		switch o, late, err := v.opener(im.Record); {
		case err != nil:
			return err
		case !o.fits || late: // whoever has an old foreign cookie doesn't end its session
			return nil
		}
		return m.records.End(ctx, im.Record, EndDestroyed)
	}
}

// barOwn is bar of a foreign session that hasn't been imported, unless the client's cookie
// is another's: whoever knows its id alone doesn't end it. While the old store can't
// tell, it is barred. again says that others may have imported it just now.
func (v *importVisit) barOwn(ctx context.Context) (again bool, err error) {
	there, cancel := context.WithTimeout(ctx, v.m.config.SaveTimeout/2)
	defer cancel()
	_, err = v.load(there)
	switch {
	case errors.Is(err, ErrUnavailable):
	case errors.Is(err, ErrForged):
		v.m.refuseForeign(ctx)
		return false, nil
	case errors.Is(err, ErrNotFound):
		again, v.missing = !v.missing, true
		return again, nil
	}
	return false, v.bar(ctx)
}

// bar has the foreign session never be imported, and ends it at its library if that is
// possible.
func (v *importVisit) bar(ctx context.Context) error {
	if err := v.m.records.BarImport(ctx, v.name(), v.m.config.Import.Until); err != nil {
		return err
	}
	if v.foreign != nil { // else it couldn't be read
		v.retireWhatever(ctx)
	}
	return nil
}
