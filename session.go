package cloakroom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/token"
)

// Session is one visitor's session, as one request sees it. It is safe for
// concurrent use.
//
// It reads as it was when it was loaded, with this request's own changes. What
// others change meanwhile is merged when it is saved: different names don't
// disturb each other, of two values set for one name the later save's stays, and
// Key.Update and Session.Update are run again.
type Session struct {
	m *Manager
	q *request // nil outside of requests

	saving sync.Mutex // held by a save, sign-in or renewal; taken before mu

	mu     sync.Mutex
	rec    *Record // as it was last read or written; empty before that
	stored bool    // rec is in the store
	gone   bool    // it has ended: saving is ErrGone
	old    bool    // the token came with the previous secret
	rekey  bool    // the verifier was made by a later key of the ring
	visit

	view valueSet   // rec's values with ops
	ops  []op       // not saved yet
	errs nameErrors // values that can't be encoded or decoded
	sunk error      // an error that no further save can mend
}

// visit is what a request tells about the session's use.
type visit struct {
	secret [16]byte // of the token
	used   bool     // the token came from the client, with the current secret
	active bool     // the visitor is at work: writing moves Seen
	client Client
}

// Info is what there is to know of a session beside its values.
type Info struct {
	ID            ID
	App           string
	Principal     string    // "" if nobody is signed in
	Created       time.Time // sign-in makes a new session
	Authenticated time.Time // zero if nobody is signed in
	Seen          time.Time // last activity, up to Config.TouchEvery ago
	Expires       time.Time // unless there is activity
	Deadline      time.Time // however active
	Persistent    bool      // the cookie outlives the browser's run
	Client        Client
}

// Info returns the record's metadata.
func (r *Record) Info() Info {
	return Info{r.ID, r.App, r.Principal, r.Created, r.Authenticated, r.Seen, r.Expires, r.Deadline, r.Persistent, r.Client}
}

// ID returns the session's id. It is zero until the session is stored for the
// first time.
func (s *Session) ID() ID { return s.Info().ID }

// Info returns the session's metadata as it was last read or saved.
func (s *Session) Info() Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rec.Info()
}

// Principal returns who is signed in, "" for nobody.
func (s *Session) Principal() string { return s.Info().Principal }

// Authenticated returns when the principal last proved who it is; the zero time
// if nobody is signed in. Ask for the password again before what is delicate.
func (s *Session) Authenticated() time.Time { return s.Info().Authenticated }

// IsNew reports whether the session is not stored yet.
func (s *Session) IsNew() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.stored
}

// Token returns the session's token, a credential: who has it is the visitor.
// It is "" before the session is stored, and for a request that came with a
// secret that has been renewed. A cookie manager sends it by itself.
func (s *Session) Token() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stored || s.old || s.gone {
		return ""
	}
	return s.m.keys.ring.Load().Sign(s.m.scope, s.rec.ID, s.secret)
}

// Err returns why the session can't be saved, nil if it can: values that could
// not be encoded or decoded, or a save that failed for good.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err()
}

func (s *Session) err() error { return errors.Join(s.errs.join(), s.sunk) }

// Raw implements Values.
func (s *Session) Raw(name string) (json.RawMessage, bool) {
	s.refresh()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view.get(name)
}

// Names implements Values.
func (s *Session) Names() iter.Seq[string] {
	s.refresh()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view.names()
}

// SetRaw implements Values.
func (s *Session) SetRaw(name string, value json.RawMessage) {
	raw, err := compactJSON(name, value)
	if err != nil {
		s.fail(name, err, true)
		return
	}
	s.replace(name, raw)
}

// Unset implements Values.
func (s *Session) Unset(name string) {
	s.mu.Lock()
	s.errs.clear(name)
	s.forgetOps(name)
	s.view.unset(name)
	if s.baseHas(name) {
		s.ops = append(s.ops, op{kind: opUnset, name: name})
	}
	s.mu.Unlock()
	s.saveEach()
}

// Clear removes all values.
func (s *Session) Clear() {
	s.mu.Lock()
	s.errs = nil
	s.view, s.ops = valueSet{owned: true}, nil
	if s.stored {
		s.ops = []op{{kind: opClear}}
	}
	s.mu.Unlock()
	s.saveEach()
}

func (s *Session) sealed() sealedValues { return s }

func (s *Session) fail(name string, err error, lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs.add(name, err, lost)
}

func (s *Session) replace(name string, raw json.RawMessage) {
	if err := checkName(name); err != nil {
		s.fail(name, err, true)
		return
	}
	s.mu.Lock()
	s.errs.clear(name)
	pending := s.forgetOps(name)
	if s.view.set(name, raw) || pending {
		s.ops = append(s.ops, op{kind: opSet, name: name, raw: raw})
	}
	s.mu.Unlock()
	s.saveEach()
}

func (s *Session) change(name string, first, again changeFunc) {
	if err := checkName(name); err != nil {
		s.fail(name, err, true)
		return
	}
	s.refresh()
	if err := s.logChange(name, first, again); err != nil {
		s.fail(name, err, true)
		return
	}
	s.saveEach()
}

func (s *Session) logChange(name string, first, again changeFunc) error {
	s.mu.Lock()
	defer s.mu.Unlock() // also if the user's function panics
	old, ok := s.view.get(name)
	raw, err := first(old, ok)
	if err != nil {
		return err
	}
	s.view.set(name, raw)
	s.ops = append(s.ops, op{kind: opChange, name: name, change: again})
	return nil
}

// forgetOps takes the logged changes of a name out, which a later set or unset
// makes pointless, and reports whether there were any.
func (s *Session) forgetOps(name string) bool {
	n := len(s.ops)
	s.ops = slices.DeleteFunc(s.ops, func(o op) bool { return o.kind != opClear && o.name == name })
	return len(s.ops) < n
}

// baseHas reports whether removing a name needs an entry in the log.
func (s *Session) baseHas(name string) bool {
	if len(s.ops) > 0 && s.ops[0].kind == opClear {
		return false
	}
	_, ok := s.rec.Values[name]
	return ok
}

// saveEach saves at once in that mode.
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
	ctx, cancel := s.m.w.bound(context.Background())
	defer cancel()
	now, err := s.m.w.store.Get(ctx, rec.ID)
	if err != nil {
		if isNotFound(err) || errors.Is(err, ErrGone) {
			err = fmt.Errorf("cloakroom: %v: %w", rec.ID, ErrGone)
		} else {
			err = readError(rec.ID, err)
		}
		s.sink(err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rec == rec {
		s.settle(now)
	}
}

func (s *Session) sink(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sunk = errors.Join(s.sunk, err)
}

// settle takes over what the store keeps, with what has not been saved on top.
func (s *Session) settle(rec *Record) {
	s.rec, s.stored = rec, true
	s.view = valueSet{m: rec.Values}
	for i := range s.ops {
		// One that fails now fails the save that it comes to.
		_ = s.ops[i].apply(&s.view)
	}
}

// Save saves the changes since the last save, now. In SaveOnce mode there is no
// need to call it, but to learn what others changed, or to use the session
// outside of a request. It returns nil if there is nothing to save.
//
// It is carried through for up to Config.SaveTimeout even when ctx ends.
//
// Errors: ErrGone, the session has ended; ErrTooLarge; ErrTooLate; ErrUnavailable,
// and with it ErrUnknown if the changes may or may not have been saved, which
// stays the session's Err. A value that can't be encoded, or that was read and
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
	view := s.view.m
	s.view.owned = false // the record that is written shares it
	s.ops = nil
	visit := s.visit
	s.mu.Unlock()

	var saved *Record
	var err error
	if stored {
		saved, err = s.m.w.do(base.ID, &change{base: base, apply: func(next *Record, untouched bool) (err error) {
			switch {
			case tx == nil && untouched && next.Version == base.Version:
				next.Values = view // computed already
			default:
				if next.Values, err = replay(next.Values, ops); err != nil {
					return err
				}
			}
			if err := s.m.checkSize(next); err != nil {
				return err
			}
			s.m.freshen(next, visit)
			return nil
		}})
	} else {
		saved, err = s.begin(ctx, ops)
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.rec != base && s.rec != saved: // signed out meanwhile
		return err
	case err == nil && saved != nil:
		s.settle(saved)
	case err == nil && stored: // saved, and ended since
		s.gone = true
	case errors.Is(err, ErrUnknown):
		s.sunk = errors.Join(s.sunk, err) // saving again could do it twice
		s.gone = errors.Is(err, ErrGone)
	case errors.Is(err, ErrGone):
		s.gone = true
		s.ops = append(mine, s.ops...)
	case err != nil:
		s.ops = append(mine, s.ops...)
	}
	return err
}

// begin stores a new session; with nothing to put in, it doesn't.
func (s *Session) begin(ctx context.Context, ops []op) (*Record, error) {
	values, err := replay(nil, ops)
	if err != nil || len(values) == 0 {
		return nil, err
	}
	if s.q.sent() {
		return nil, fmt.Errorf("cloakroom: %w: begin it before writing the response, or call Save", ErrTooLate)
	}
	rec := s.m.newRecord("", s.m.config.AnonymousLifetime)
	rec.Client = s.client
	rec.Values = values
	saved, secret, err := s.m.create(ctx, rec)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.adopt(saved, secret)
	s.mu.Unlock()
	s.m.events.created(ctx, saved.Info())
	return saved, nil
}

// adopt makes a record that was just created the session's.
func (s *Session) adopt(rec *Record, secret [16]byte) {
	s.secret, s.used, s.old, s.rekey = secret, false, false, false
	s.settle(rec)
	s.q.issue()
}

// freshen brings a record's metadata up to date in a write that happens anyway.
// It moves Seen forward only, and starts the grace of a previous secret at the
// first use of the current one.
func (m *Manager) freshen(next *Record, v visit) {
	now := m.now()
	if v.active {
		next.Seen = later(next.Seen, now)
		next.Expires = m.expires(next)
		next.Client = v.client
	}
	if len(next.Previous) > 0 && !now.Before(next.PreviousEnds) {
		next.Previous, next.PreviousEnds = nil, time.Time{}
	}
	ring := m.keys.ring.Load()
	ok, old := ring.Check(next.Verifier, claims(next), v.secret)
	if !ok {
		return // the secret is the previous one
	}
	if old {
		next.Verifier = ring.Verifier(claims(next), v.secret)
	}
	if v.used && m.graceDue(next, now) {
		next.PreviousEnds = now.Add(m.config.RenewGrace)
	}
}

// graceDue reports whether the first use of a new secret has to be recorded.
func (m *Manager) graceDue(rec *Record, now time.Time) bool {
	return len(rec.Previous) > 0 && rec.PreviousEnds.After(now.Add(m.config.RenewGrace))
}

// touch records the visitor's activity, and what else is due, without waiting.
// It yields to any conflict: whoever wrote was active as well.
func (s *Session) touch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stored || s.gone {
		return
	}
	now, visit := s.m.now(), s.visit
	if s.active && now.Sub(s.rec.Seen) >= s.m.config.TouchEvery || s.used && (s.rekey || s.m.graceDue(s.rec, now)) {
		s.rekey = false
		_ = s.m.w.enqueue(s.rec.ID, &change{base: s.rec, yields: true, apply: func(next *Record, _ bool) error {
			s.m.freshen(next, visit)
			return nil
		}})
	}
}

// Destroy ends the session, as a sign-out does, and returns when nothing can
// bring it back. The client is told to forget its token. The Session is a new,
// empty one afterwards, and a value that is set begins another.
//
// ErrUnavailable: it may or may not have ended. Call it again.
func (s *Session) Destroy(ctx context.Context) error {
	s.mu.Lock()
	stored := s.stored
	s.mu.Unlock()
	if !stored { // it may be about to be stored
		s.saving.Lock()
		defer s.saving.Unlock()
	}
	s.mu.Lock()
	rec, stored, gone := s.rec, s.stored, s.gone
	s.mu.Unlock()
	if stored && !gone {
		ctx, cancel := s.m.w.bound(ctx)
		defer cancel()
		if err := s.m.w.bury(ctx, rec.ID, EndDestroyed, rec.Deadline, rec); err != nil {
			return err
		}
		s.m.events.ended(ctx, rec.ID, EndDestroyed)
		s.m.leaveLedger(ctx, rec)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reset()
	s.q.revoke()
	return nil
}

// reset makes it a new, empty session.
func (s *Session) reset() {
	s.rec, s.stored, s.gone, s.old, s.used, s.rekey = &Record{App: s.m.config.App}, false, false, false, false, false
	s.view, s.ops, s.errs, s.sunk = valueSet{}, nil, nil, nil
}

// claims is what the record's verifier covers.
func claims(r *Record) *token.Claims {
	return &token.Claims{
		App: r.App, Principal: r.Principal, ID: r.ID,
		Created: millis(r.Created), Authenticated: millis(r.Authenticated), Deadline: millis(r.Deadline),
	}
}

// millis is 0 for the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
