package cloakroom

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is how a session is saved.

// saveEach saves at once, in that mode.
func (s *Session) saveEach() {
	if s.m.config.Save != SaveEach {
		return
	}
	if err := s.Save(context.Background()); err != nil {
		s.sink(err)
	}
}

// refresh reads anew in SaveEach, before each look at a value.
func (s *Session) refresh() {
	if s.m.config.Save != SaveEach {
		return
	}
	s.mu.Lock()
	rec, stored := s.rec, s.stored && !s.gone
	s.mu.Unlock()
	if !stored {
		return
	}
	asOf := protocol.MomentOf(s.m.now())
	newest, err := s.m.records.Newest(context.Background(), rec.ID)
	if err != nil {
		s.sink(err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rec != rec {
		return
	}
	if s.show(newest, asOf); s.gone {
		s.sunk = errors.Join(s.sunk, errEnded(rec.ID))
	}
}

// Refresh reads the session anew, so that it shows what others changed since. The
// changes that have not been saved stay on top. So do values that could not be encoded
// or saved: Err is as before. A session that is not stored yet has nothing to be read.
// It waits for a save that is under way, and does not count as activity.
//
// It ends with ctx, and after Config.SaveTimeout.
//
// Errors: ErrGone, the session has ended, as Ended tells, or its secret by RenewStrict; ErrUnavailable;
// ErrCorrupt. With any but ErrGone the session is as before.
func (s *Session) Refresh(ctx context.Context) error {
	s.saving.Lock()
	defer s.saving.Unlock()
	s.mu.Lock()
	rec, stored, gone := s.rec, s.stored, s.gone
	s.mu.Unlock()
	switch {
	case gone:
		return fmt.Errorf("cloakroom: %w", ErrGone)
	case !stored:
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.m.config.SaveTimeout)
	defer cancel()
	asOf := protocol.MomentOf(s.m.now())
	newest, grave, err := s.m.records.Open(ctx, rec.ID)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.rec != rec: // signed out meanwhile
		return fmt.Errorf("cloakroom: %v: %w", rec.ID, ErrGone)
	case newest == nil:
		s.gone, s.end = true, grave
		return fmt.Errorf("cloakroom: %v: %w", rec.ID, ErrGone)
	}
	s.fresh = true
	s.show(newest, asOf)
	if s.gone {
		return errEnded(rec.ID)
	}
	return nil
}

// sink keeps an error that no further save can mend.
func (s *Session) sink(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sunk = errors.Join(s.sunk, err)
}

// sinkPanic keeps the error of a save or sign-in that a panic of the store ended, with
// the changes that it had taken along. Whoever recovers from it and answers must not
// claim them.
func (s *Session) sinkPanic(returned bool) {
	if !returned {
		s.sink(fmt.Errorf("cloakroom: the store panicked while %v was saved: %w: %w", s.ID(), ErrUnknown, ErrUnavailable))
	}
}

// show makes a record the session's, as the store keeps it since asOf or later, with
// the changes that have not been saved on top. If a strict renewal has ended the
// session's secret meanwhile, it shows nothing of that, and the session is gone.
func (s *Session) show(rec *driver.Record, asOf protocol.Moment) {
	if s.stored && !bytes.Equal(rec.Verifier, s.rec.Verifier) {
		if ok, _ := s.m.keyring.ring.Load().Check(rec.Verifier, claims(rec), s.secret); !ok { // renewed meanwhile
			s.old, s.used = true, false
			if s.m.stillGood(rec, s.secret, s.strict) != nil {
				s.gone = true
				return
			}
		}
	}
	s.rec, s.stored, s.asOf = rec, true, asOf
	s.project(rec.Values)
}

// project makes what the session reads of values and the changes that have not been
// saved.
func (s *Session) project(values driver.ValueList) {
	s.view, s.exact = valueSet{list: values}, true
	for i := range s.ops {
		if values, err := replay(s.view.list, s.ops[i:i+1]); err != nil {
			s.exact = false // it fails the save that it comes to
		} else {
			s.view.list = values
		}
	}
}

// take takes the logged ops along in a save or sign-in.
func (s *Session) take() []op {
	ops := s.ops
	s.ops, s.flying = nil, true
	return ops
}

// untake puts ops that could not be saved back, before those logged meanwhile.
func (s *Session) untake(ops []op) {
	s.ops, s.flying = append(ops, s.ops...), false
}

// Save saves the changes since the last save, now. In SaveOnce mode there is no
// need to call it, but outside of a request. It returns nil if there is nothing to
// save, and then asks nobody: Refresh tells what others changed, or that the session
// has ended.
//
// It is carried through for up to Config.SaveTimeout even when ctx ends. The first save
// of a session has the response's first byte wait for it, as Login does.
//
// Errors: ErrGone, the session has ended, or its secret by RenewStrict, and the changes
// with it; ErrConflict, the request came with tokens of several live sessions;
// ErrTooLarge; ErrTooLate, the session would be a new one, and the response has begun;
// ErrUnavailable, and with it ErrUnknown if the changes may or may not have been saved,
// which stays the session's Err. A value that can't be encoded, or that was read and
// can't be decoded while there is something to save, is an error of its own.
func (s *Session) Save(ctx context.Context) error {
	s.saving.Lock()
	defer s.saving.Unlock()
	return s.save(ctx, nil)
}

// Update runs f on the session's values as they are in the store, and saves
// what f made of them, together with earlier changes, in one step that nothing
// comes between. f may run more than once and in another goroutine; it must do
// nothing but compute. An error of f is returned, and nothing of f is saved.
func (s *Session) Update(ctx context.Context, f func(*Tx) error) error {
	s.saving.Lock()
	defer s.saving.Unlock()
	return s.save(ctx, &op{kind: opTx, tx: f})
}

// takeValue removes a value that check lets pass, together with earlier changes, saves
// that, and returns the value. errNothing: there is none.
func (s *Session) takeValue(ctx context.Context, name string, check func(json.RawMessage) error) (json.RawMessage, error) {
	s.saving.Lock()
	defer s.saving.Unlock()
	t := &taking{check: check}
	if err := s.save(ctx, &op{kind: opTake, name: name, take: t}); err != nil {
		return nil, err
	}
	return t.raw, nil
}

// save is Save with saving held. tx is an op that is dropped if it is refused.
func (s *Session) save(ctx context.Context, tx *op) error {
	s.mu.Lock()
	mine := s.ops
	ops := mine
	if tx != nil {
		ops = append(slices.Clip(mine), *tx)
	}
	if s.sunk == nil && len(ops) == 0 && !s.errs.lost() {
		s.mu.Unlock()
		return nil
	}
	if err := s.err(); err != nil {
		s.mu.Unlock()
		return err
	}
	if s.gone {
		s.mu.Unlock()
		return fmt.Errorf("cloakroom: %w", ErrGone)
	}
	base, stored := s.rec, s.stored
	view, exact := s.view.list, s.exact
	s.view.owned = false // the record that is written shares it
	s.take()
	visit, asOf := s.visit, s.asOf
	// A request that saves once asks for its changes when it arrives.
	fresh := s.fresh && s.q != nil && s.m.config.Save == SaveOnce
	s.mu.Unlock()
	returned := false
	defer func() { s.sinkPanic(returned) }()

	var saved *driver.Record
	var err error
	written := true
	if stored {
		c := &protocol.Change{Base: base, AsOf: asOf, Seen: visit.seen(), MaySkip: true, Fresh: fresh}
		c.Apply = func(next *driver.Record, now time.Time, untouched bool) (err error) {
			if err := s.m.stillGood(next, visit.secret, visit.strict); err != nil {
				return err
			}
			switch {
			case tx == nil && exact && untouched && next.Version == base.Version:
				next.Values = view // computed already
			default:
				if next.Values, err = replay(next.Values, ops); err != nil {
					return err
				}
			}
			if err := s.m.checkSize(next); err != nil {
				return err
			}
			s.m.freshen(next, visit, now)
			if tx != nil && tx.take != nil {
				c.Outcome = tx.take.raw
			}
			return nil
		}
		if saved, err = s.m.records.Change(base.ID, c); err == nil {
			asOf, written = c.AsOf, !c.Skipped
			if raw, ok := c.Outcome.(json.RawMessage); ok {
				tx.take.raw = raw
			}
		}
	} else if saved, err = s.createFrom(ctx, ops); saved != nil {
		asOf = protocol.MomentOf(saved.Created)
	}

	returned = true
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flying = false
	switch {
	case s.rec != base && s.rec != saved: // signed out meanwhile
		return err
	case err == nil && saved != nil:
		if s.fresh = true; written {
			s.wrote, s.rekey = true, false
		}
		s.show(saved, asOf)
	case err == nil && stored: // saved, and ended since
		s.gone = true
	case err == nil: // nothing was left to put in
		s.project(nil)
	case errors.Is(err, ErrUnknown):
		s.sunk = errors.Join(s.sunk, err) // saving again could do it twice
		s.gone = errors.Is(err, ErrGone)
	case err != nil:
		s.gone = errors.Is(err, ErrGone) && s.barred == nil
		s.untake(mine)
	}
	return err
}

// createFrom stores a new session; with nothing to put in, it doesn't.
func (s *Session) createFrom(ctx context.Context, ops []op) (saved *driver.Record, err error) {
	values, err := replay(nil, ops)
	if err != nil || len(values) == 0 {
		return nil, err
	}
	s.mu.Lock()
	barred := s.barred
	s.mu.Unlock()
	if barred != nil {
		return nil, barred.err
	}
	if b, own := ctx.(beginning); own {
		ctx = b.requestContext
	} else {
		if err := s.q.claim(s, "begin it, or call Save,"); err != nil {
			return nil, err
		}
		defer func() { err = s.q.release(err) }()
	}
	rec := s.m.newRecord("", s.m.config.AnonymousLifetime)
	rec.Client = s.client
	rec.Values = values
	if err := s.m.checkSize(rec); err != nil {
		return nil, err
	}
	secret := s.m.seal(rec)
	if saved, err = s.m.records.Create(ctx, rec); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.adopt(saved, secret, protocol.MomentOf(saved.Created))
	s.mu.Unlock()
	s.m.events.created(ctx, saved.Info())
	return saved, nil
}

// adopt makes a record that was just created, or got another secret, the session's.
// It is of asOf or later.
func (s *Session) adopt(rec *driver.Record, secret [16]byte, asOf protocol.Moment) {
	s.secret, s.used, s.old, s.rekey, s.strict = secret, false, false, false, strictOf(rec)
	s.show(rec, asOf)
	s.q.issue()
}
