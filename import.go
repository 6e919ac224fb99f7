package cloakroom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
	"github.com/cloakroom-go/cloakroom/internal/token"
)

// This file is the course of a request that brings a foreign session: it opens the
// session that this became, or imports it. internal/protocol/imports.go keeps the
// promises.

// maxImports bounds the number of times that a request looks whether another one has
// imported its foreign session.
const maxImports = 8

// openForeign fills an empty session from the foreign session that a request presents, if
// there is one. Beside a token of ours that opens a session it is only remembered: see
// endForeign.
//
// Errors: ErrUnavailable, such as an outage of the foreign store; those of the
// application's Principal.
func (q *request) openForeign(ctx context.Context, s *Session, now time.Time) error {
	m, im := q.m, q.m.config.Import
	if !now.Before(im.Until) {
		return nil
	}
	t, err := im.From.Find(q.outer)
	beside := s.stored || s.gone || s.barred != nil
	switch {
	case errors.Is(err, ErrNotFound), err != nil && beside:
		return nil
	case m.imports.paused(now) && !beside:
		return errImportPaused()
	case errors.Is(err, ErrForged) && !errors.Is(err, ErrUnavailable):
		m.refuseForeign(ctx)
		return nil
	case err != nil:
		return fmt.Errorf("cloakroom: importer %q: %w: %w", im.From.Name(), ErrUnavailable, bare(err))
	}
	if beside {
		q.foreign.Store(&foreignVisit{ForeignToken: t, beside: true, forget: s.stored})
		return nil
	}
	ctx, cancel := context.WithTimeout(m.events.context(ctx), m.config.SaveTimeout) // Principal can't wait for what it is part of
	defer cancel()
	v := &importVisit{m: m, s: s, t: t, now: now}
	for n := 1; n <= maxImports; n++ {
		err := v.open(ctx)
		switch {
		case errors.Is(err, protocol.ErrImported) && !errors.Is(err, ErrUnknown):
			continue
		case errors.Is(err, ErrForged) && !errors.Is(err, ErrUnavailable):
			m.refuseForeign(ctx)
			return nil
		case errors.Is(err, ErrNotFound) && !errors.Is(err, ErrUnavailable):
			if !v.missing { // another request may have imported it just now, and retired it
				v.missing = true
				continue
			}
			return nil
		case err == nil:
			q.foreign.Store(&foreignVisit{ForeignToken: t, forget: v.forget})
		}
		return err
	}
	return fmt.Errorf("cloakroom: importing a session: %w: others import it at the same moment", ErrUnavailable)
}

// importVisit is the opening of a session by a foreign one.
type importVisit struct {
	m       *Manager
	s       *Session
	t       ForeignToken
	now     time.Time
	secrets [][16]byte // of the session, as each key of the ring derives it
	forget  bool       // the client need not keep the foreign cookie

	foreign *ForeignSession // as it was read last
	missing bool            // the library had none
}

// name is the foreign session's for package protocol.
func (v *importVisit) name() protocol.Foreign {
	return protocol.Foreign{Importer: v.m.config.Import.From.Name(), ID: v.t.ID}
}

// open opens what the foreign session has become, or imports it.
func (v *importVisit) open(ctx context.Context) error {
	m := v.m
	if v.secrets == nil {
		v.derive()
	}
	im, err := m.records.OpenImported(ctx, v.name())
	switch {
	case err != nil:
		return err
	case im.Record != nil:
		return v.unlock(ctx, im.Record)
	case im.Over:
		v.over(im.Grave)
		return nil
	case v.missing: // and nobody has imported it: who does makes a record before it is retired
		return fmt.Errorf("cloakroom: importer %q: %w", m.config.Import.From.Name(), ErrNotFound)
	}
	rec, err := m.records.Import(ctx, v.importing())
	switch {
	case errors.Is(err, protocol.ErrRevoked) && !errors.Is(err, ErrUnavailable):
		v.over(&driver.Grave{Reason: EndRevoked, At: v.now, Until: v.now})
		return v.bar(ctx)
	case errors.Is(err, protocol.ErrImportOver) && !errors.Is(err, ErrUnknown):
		v.over(nil)
		return nil
	case err != nil:
		return err
	}
	m.events.imported(ctx, rec.Info())
	return v.unlock(ctx, rec)
}

// over leaves the request without a session, since the foreign one's is over. The client
// keeps the foreign cookie for as long as it can repeat a sign-in by it.
func (v *importVisit) over(grave *driver.Grave) {
	v.forget = true
	if grave == nil {
		return
	}
	id := v.m.records.ImportID(v.name())
	for _, secret := range v.secrets {
		v.m.openEnded(v.s, grave, token.Token{ID: id, Secret: secret})
	}
	v.forget = v.s.replaced != id
}

// derive derives the secrets.
func (v *importVisit) derive() {
	c := v.m.config
	v.secrets = v.m.keyring.ring.Load().ImportSecrets(c.App, c.Import.From.Name(), v.t.Credential)
}

// opener judges the foreign session's right to open the one that it became. late says that
// it has none any more, as the session's own token has long been presented.
func (v *importVisit) opener(rec *driver.Record) (best opener, late bool, err error) {
	for _, secret := range v.secrets {
		o, err := v.m.openerOf(rec, token.Token{ID: rec.ID, Secret: secret})
		if err != nil {
			return o, false, err
		}
		if o.fits || o.ended {
			best = o
			break
		}
	}
	heard, presented := protocol.HeardAt(rec)
	best.previous = best.previous || presented
	return best, presented && !v.now.Before(heard.Add(v.m.config.RenewGrace+driver.ClockTolerance)), nil
}

// unlock fills the session from the record that the foreign session became, if the
// foreign session opens it still.
func (v *importVisit) unlock(ctx context.Context, rec *driver.Record) error {
	s := v.s
	if rec.Created.Before(v.m.config.NotBefore) {
		v.m.events.refused(ctx, rec.ID, RefusedAge)
		v.over(nil)
		return nil
	}
	o, late, err := v.opener(rec)
	switch {
	case err != nil:
		return err
	case o.ended:
		s.barred = &barrier{err: errEnded(rec.ID)}
		return nil
	case !o.fits, late:
		v.forget = true // else no request of the visitor could begin anything
		v.m.events.refused(ctx, rec.ID, RefusedSecret)
		s.barred = &barrier{err: fmt.Errorf("cloakroom: the foreign cookie doesn't open %v, or no more, since the session's own token is in use: %w", rec.ID, ErrGone)}
		return nil
	}
	v.forget = true
	s.end, s.replaced = nil, ID{} // of a token of ours
	s.unlock(rec, o, protocol.MomentOf(v.now))
	if s.used, s.foreign = false, true; !s.old {
		s.q.issue()
	}
	return nil
}

// importing returns the import of the foreign session.
func (v *importVisit) importing() *protocol.Import {
	m := v.m
	return &protocol.Import{
		Foreign: v.name(), End: m.config.Import.Until, Limit: m.config.MaxPerPrincipal,
		Load: v.load, Make: v.record, Pending: v.pending, Retire: v.retire,
	}
}

// load reads the foreign session.
func (v *importVisit) load(ctx context.Context) (driver.ValueList, error) {
	m := v.m
	fail := func(err error) error {
		return fmt.Errorf("cloakroom: importer %q: %w", m.config.Import.From.Name(), err)
	}
	f, err := m.config.Import.From.Load(ctx, v.t)
	now := m.now()
	switch {
	case err == nil && f == nil:
		return nil, fail(errors.New("its Load returned neither a session nor an error"))
	case err == nil:
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrForged), errors.Is(err, ErrUnavailable), errors.Is(err, ErrCorrupt):
		return nil, fail(err)
	default:
		return nil, fail(fmt.Errorf("%w: %w", ErrUnavailable, bare(err)))
	}
	if !f.Deadline.IsZero() && !now.Before(f.Deadline) {
		return nil, fail(fmt.Errorf("a session that ended at %v: %w", f.Deadline, ErrNotFound))
	}
	if f.Created.Before(m.config.NotBefore) { // if it isn't known, it may be older
		m.events.refused(ctx, ID{}, RefusedAge)
		return nil, fail(fmt.Errorf("a session from before Config.NotBefore: %w", ErrNotFound))
	}
	own := *f
	own.Values = make(map[string]json.RawMessage, len(f.Values))
	for name, raw := range f.Values {
		if err := checkName(name); err != nil {
			return nil, fail(err)
		}
		if own.Values[name], err = compactJSON(name, raw); err != nil {
			return nil, fail(err)
		}
	}
	v.foreign = &own
	return own.list(), nil
}

// bare returns an error of the application's, or of an importer, without what it wraps of
// our errors, but for outages. Those would say something of the foreign session.
func bare(err error) error {
	for _, ours := range []error{ErrNotFound, ErrForged, ErrRevoked, ErrGone, ErrConflict, ErrTooLarge, ErrInvalid} {
		if !errors.Is(err, ours) {
			continue
		}
		text := errors.New(err.Error())
		if errors.Is(err, ErrUnavailable) {
			return fmt.Errorf("%w: %w", ErrUnavailable, text)
		}
		return text
	}
	return err
}

// record makes the record of the session that the foreign one, as it was read last, is to
// become.
func (v *importVisit) record(ctx context.Context, deadline time.Time) (*driver.Record, error) {
	m, f := v.m, v.foreign
	values := f.list()
	principal, err := m.config.Import.principal(ctx, values)
	if err != nil {
		return nil, err
	}
	lifetime := m.config.AnonymousLifetime
	if principal != "" {
		lifetime = m.config.Lifetime
	}
	rec := m.newRecord(principal, lifetime)
	rec.ID, rec.Authenticated, rec.Persistent = m.records.ImportID(v.name()), time.Time{}, f.Remember
	rec.Client, rec.Values = v.s.keptVisit().client, values
	if !f.Deadline.IsZero() {
		rec.Deadline = f.Deadline.UTC().Truncate(time.Millisecond)
	}
	if longest := rec.Created.Add(m.config.MaxLifetime); rec.Deadline.After(longest) {
		rec.Deadline = longest
	}
	if !deadline.IsZero() {
		rec.Deadline = deadline
	}
	rec.Expires = m.expires(rec)
	switch idle, own, err := ownIdle(f.Remember, f.IdleTimeout); {
	case err != nil:
		return nil, fmt.Errorf("cloakroom: importer %q: its session's idle timeout: %w", m.config.Import.From.Name(), err)
	case own:
		m.setOwnIdle(rec, idle, driver.WriteID{})
	}
	pending, err := v.pending()
	if err != nil {
		return nil, err
	}
	protocol.MarkImported(rec, pending)
	if err := m.checkSize(rec); err != nil {
		return nil, err
	}
	rec.Verifier = m.keyring.ring.Load().Verifier(claims(rec), v.secrets[0])
	return rec, nil
}
