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

// This file is saving: Save, Update and Refresh, the write of a session's changes, and
// the state that the session shows after it.

// saveEach saves at once, in SaveEach mode.
func (s *Session) saveEach() {
	if s.m.config.Save != SaveEach {
		return
	}
	if err := s.Save(context.Background()); err != nil {
		s.sink(err)
	}
}

// refresh reads the session anew before each look at a value, in SaveEach mode.
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

// Refresh reads the session anew, so that it shows the changes of others since. The
// request's own changes that have not been saved stay on top. Values that could not be
// encoded or saved stay errors: Err is as before. A session that is not stored yet stays
// as it is. Refresh waits for a save that is under way, and does not count as activity.
//
// It ends with ctx, and after Config.SaveTimeout.
//
// Errors: ErrGone, the session has ended, as Ended tells, or its secret by RenewStrict;
// ErrUnavailable; ErrCorrupt. With any but ErrGone the session is as before.
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
	now := s.m.now()
	newest, grave, err := s.m.records.Open(ctx, rec.ID, now)
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
	s.show(newest, protocol.MomentOf(now))
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
// the changes that it had taken along. If someone recovers from it and answers, the
// answer must not claim those changes.
func (s *Session) sinkPanic(returned bool) {
	if !returned {
		s.sink(fmt.Errorf("cloakroom: the store panicked while %v was saved: %w: %w", s.ID(), ErrUnknown, ErrUnavailable))
	}
}

// show makes rec the session's record, with the changes that have not been saved on top.
// rec is the store's state at asOf or later. If a strict renewal has ended the session's
// secret meanwhile, the session is gone, and shows nothing of rec.
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

// project makes the values that the session reads: values with the changes that have not
// been saved.
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

// take hands the logged ops to a save or sign-in.
func (s *Session) take() []op {
	ops := s.ops
	s.ops, s.flying = nil, true
	return ops
}

// untake puts ops that could not be saved back, before those logged meanwhile.
func (s *Session) untake(ops []op) {
	s.ops, s.flying = append(ops, s.ops...), false
}

// Save saves the changes since the last save, now. In SaveOnce mode only a caller outside
// of a request needs it. It returns nil if there is nothing to save, and then doesn't ask
// the store: Refresh tells what others changed, or that the session has ended.
//
// It is carried through for up to Config.SaveTimeout even when ctx ends. The first save
// of a session has the response's first byte wait for it, as Login does.
//
// Errors: ErrGone, the session has ended, or its secret by RenewStrict, and the changes
// are lost; ErrConflict, the request came with tokens of several live sessions;
// ErrTooLarge; ErrTooLate, the session would be a new one, and the response has begun;
// ErrUnavailable, and with it ErrUnknown if the changes may have been saved or not, which
// stays the session's Err. A value that can't be encoded, or that was read and can't be
// decoded while there is something to save, is an error of its own.
func (s *Session) Save(ctx context.Context) error {
	s.saving.Lock()
	defer s.saving.Unlock()
	return s.save(ctx, nil)
}

// Update runs f on the session's values as they are in the store, and saves the result,
// together with earlier changes, in one step that nothing comes between. f may run more
// than once and in another goroutine; it must do nothing but compute. If f fails, Update
// returns its error, and saves nothing of f.
func (s *Session) Update(ctx context.Context, f func(*Tx) error) error {
	s.saving.Lock()
	defer s.saving.Unlock()
	return s.save(ctx, &op{kind: opTx, tx: f})
}

// takeValue removes a value that check lets pass, saves that together with earlier
// changes, and returns the value. It returns errNothing if there is none.
func (s *Session) takeValue(ctx context.Context, name string, check func(json.RawMessage) error) (json.RawMessage, error) {
	s.saving.Lock()
	defer s.saving.Unlock()
	t := &taking{check: check}
	if err := s.save(ctx, &op{kind: opTake, name: name, take: t}); err != nil {
		return nil, err
	}
	return t.raw, nil
}

// save is Save with saving held. tx is a further op, nil for none. If the save is
// refused, tx is dropped.
func (s *Session) save(ctx context.Context, tx *op) error {
	b, err := s.beginSave(tx)
	if b == nil {
		return err
	}
	returned := false
	defer func() { s.sinkPanic(returned) }()
	if b.stored {
		err = b.change()
	} else {
		err = b.create(ctx)
	}
	returned = true
	b.settle(err)
	return err
}

// saveUnderWay is a save, with the session's state when it began.
type saveUnderWay struct {
	s      *Session
	tx     *op  // the last of ops; nil: none
	mine   []op // to be logged again if they can't be saved
	ops    []op
	base   *driver.Record
	stored bool
	view   driver.ValueList // base's values with mine
	exact  bool             // no op failed when view was made
	visit  visit
	asOf   protocol.Moment // of base; then of saved
	fresh  bool            // base was read after the changes were asked for

	write protocol.Change // the change of a session that is stored
	saved *driver.Record  // the record after the save; nil: there is none
}

// beginSave takes the changes along. It returns nil if there is nothing to save, or if
// nothing can be saved, which is an error.
func (s *Session) beginSave(tx *op) (*saveUnderWay, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := s.ops
	ops := mine
	if tx != nil {
		ops = append(slices.Clip(mine), *tx)
	}
	if s.sunk == nil && len(ops) == 0 && !s.errs.lost() {
		return nil, nil
	}
	if err := s.err(); err != nil {
		return nil, err
	}
	if s.gone && s.stored { // else createFrom says so, if there is something to save
		return nil, fmt.Errorf("cloakroom: %w", ErrGone)
	}
	s.view.owned = false // the record that is written shares it
	s.take()
	return &saveUnderWay{
		s: s, tx: tx, mine: mine, ops: ops, base: s.rec, stored: s.stored,
		view: s.view.list, exact: s.exact, visit: s.keptVisit(), asOf: s.asOf,
		// A request that saves once asks for its changes when it arrives.
		fresh: s.fresh && s.q != nil && s.m.config.Save == SaveOnce,
	}, nil
}

// change writes the changes of a session that is stored.
func (b *saveUnderWay) change() (err error) {
	c := &b.write
	c.Base, c.AsOf, c.Seen, c.MaySkip, c.Fresh, c.Apply = b.base, b.asOf, b.visit.seen(), true, b.fresh, b.apply
	if b.saved, err = b.s.m.records.Change(b.base.ID, c); err != nil {
		return err
	}
	b.asOf = c.AsOf
	if raw, ok := c.Outcome.(json.RawMessage); ok {
		b.tx.take.raw = raw
	}
	return nil
}

// apply makes the changes on a state of the session. untouched is as in protocol.Change.
func (b *saveUnderWay) apply(next *driver.Record, now time.Time, untouched bool) (err error) {
	m := b.s.m
	if err := m.stillGood(next, b.visit.secret, b.visit.strict); err != nil {
		return err
	}
	computed := b.tx == nil && b.exact && untouched && next.Version == b.base.Version
	if computed {
		next.Values = b.view
	} else if next.Values, err = replay(next.Values, b.ops); err != nil {
		return err
	}
	if err := m.checkSize(next); err != nil {
		return err
	}
	m.freshen(next, b.visit, now)
	if b.tx != nil && b.tx.take != nil {
		b.write.Outcome = b.tx.take.raw
	}
	return nil
}

// create stores a session that isn't stored yet.
func (b *saveUnderWay) create(ctx context.Context) (err error) {
	if b.saved, err = b.s.createFrom(ctx, b.ops); b.saved != nil {
		b.asOf = protocol.MomentOf(b.saved.Created)
	}
	return err
}

// settle has the session show the outcome of the save.
func (b *saveUnderWay) settle(err error) {
	s := b.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flying = false
	switch {
	case s.rec != b.base && s.rec != b.saved: // signed out meanwhile
	case err == nil && b.saved != nil:
		s.fresh = true
		if !b.write.Skipped {
			s.wrote, s.rekey = true, false
		}
		s.show(b.saved, b.asOf)
	case err == nil && b.stored: // saved, and ended since
		s.gone = true
	case err == nil: // the changes left no value to store
		s.project(nil)
	case errors.Is(err, ErrUnknown):
		s.sunk = errors.Join(s.sunk, err) // saving again could do it twice
		s.gone = errors.Is(err, ErrGone)
	default:
		s.gone = s.gone || errors.Is(err, ErrGone) && s.barred == nil
		s.untake(b.mine)
	}
}

// createFrom stores a new session, if ops leave any values.
func (s *Session) createFrom(ctx context.Context, ops []op) (saved *driver.Record, err error) {
	values, err := replay(nil, ops)
	if err != nil || len(values) == 0 {
		return nil, err
	}
	s.mu.Lock()
	barred, gone := s.barred, s.gone
	s.mu.Unlock()
	switch {
	case barred != nil:
		return nil, barred.err
	case gone: // a sign-in replaced it just now: the client may hold the new token
		return nil, fmt.Errorf("cloakroom: %w", ErrGone)
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
	rec.Client = s.keptVisit().client
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

// adopt makes a record that was just created, or got another secret, the session's. The
// record is of asOf or later.
func (s *Session) adopt(rec *driver.Record, secret [16]byte, asOf protocol.Moment) {
	s.secret, s.used, s.foreign, s.old, s.rekey, s.strict = secret, false, false, false, false, strictOf(rec)
	s.show(rec, asOf)
	s.q.issue()
}
