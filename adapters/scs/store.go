package scsstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is Store: how it is made and closed, and the methods that scs calls.

// Store keeps the sessions of an scs.SessionManager in a store of cloakroom; see the
// package's documentation. Its methods are safe for concurrent use.
type Store struct {
	db       driver.Store
	vouch    driver.Assurances
	config   Config
	turns    turns
	sweeping sweeping
}

var (
	_ scs.CtxStore         = (*Store)(nil)
	_ scs.IterableStore    = (*Store)(nil)
	_ scs.IterableCtxStore = (*Store)(nil)
)

// New returns a Store of the sessions in db: a *memstore.Store, *sqlitestore.Store or
// *elasticstore.Store, or one of your own. config may be nil. New asks nothing of the
// database.
func New(db driver.Store, config *Config) (*Store, error) {
	if db == nil {
		return nil, errors.New("scsstore: the store of cloakroom is nil: pass in an open one, such as sqlitestore's")
	}
	c, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, vouch: driver.AssurancesOf(db), config: c}
	s.turns.of = map[driver.ID]*turn{}
	s.sweeping.start(db, &c)
	return s, nil
}

// Close ends the sweeps, and waits for one that is under way to stop. It leaves the
// database open. Call it before the database is closed. It can be called again.
func (s *Store) Close() { s.sweeping.stop() }

// Find returns a session's data, or false if there is no such session, or it has been
// deleted or has expired.
//
// Errors: driver.ErrUnavailable, the database didn't answer; driver.ErrCorrupt, the
// record can't be understood. In neither case has the visitor been signed out.
func (s *Store) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

// FindCtx is Find with a context.
func (s *Store) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	if isNobodys(token) {
		return nil, false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	id := s.ID(token)
	rec, err := s.get(ctx, id)
	switch {
	case driver.IsNotFound(err), errors.Is(err, driver.ErrGone):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("scsstore: reading %v: %w", id, err)
	case isOver(rec, s.config.Now()):
		return nil, false, nil
	}
	data, err := dataOf(rec)
	if err != nil {
		return nil, false, err
	}
	return data, true, nil
}

// Commit keeps a session's data until its expiry, in the place of what was there. An
// expiry that has passed makes a session that isn't found.
//
// Errors: driver.ErrGone, the token has been deleted: the request came too late, and
// nothing was kept. driver.ErrTooLarge, the data is too large; driver.ErrInvalid, the token is
// empty.
// driver.ErrUnavailable, the database didn't answer; with driver.ErrUnknown the data may
// have been kept, or not.
func (s *Store) Commit(token string, data []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), token, data, expiry)
}

// CommitCtx is Commit with a context. It is carried through even when the context ends.
func (s *Store) CommitCtx(ctx context.Context, token string, data []byte, expiry time.Time) error {
	switch {
	case isNobodys(token):
		return fmt.Errorf("scsstore: committing: %w: the token is empty", driver.ErrInvalid)
	case s.config.MaxBytes > 0 && len(data) > s.config.MaxBytes:
		return fmt.Errorf("scsstore: committing %v: %w: %d bytes of data, and Config.MaxBytes allows %d", s.ID(token), driver.ErrTooLarge, len(data), s.config.MaxBytes)
	}
	ctx, cancel := s.bound(ctx)
	defer cancel()
	id := s.ID(token)
	done, err := s.turns.take(ctx, id)
	if err != nil {
		return fmt.Errorf("scsstore: committing %v: %w: other Commits of the session took too long: %w", id, driver.ErrUnavailable, err)
	}
	defer done()
	return s.commit(ctx, id, s.content(token, data, expiry))
}

// Delete ends a session for good. That there is none is no error, and nothing happens to
// the empty token.
//
// Errors: driver.ErrUnavailable, the database didn't answer; with driver.ErrUnknown the
// session may have been deleted, or not.
func (s *Store) Delete(token string) error {
	return s.DeleteCtx(context.Background(), token)
}

// DeleteCtx is Delete with a context. It is carried through even when the context ends.
func (s *Store) DeleteCtx(ctx context.Context, token string) error {
	if isNobodys(token) {
		return nil
	}
	ctx, cancel := s.bound(ctx)
	defer cancel()
	return s.bury(ctx, s.ID(token))
}

// bound returns the context of an operation that is carried through.
func (s *Store) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), s.config.Timeout)
}

// get is Get of the database, kept to its contract: a careless wrapper around a store
// easily drops a record or a grave.
func (s *Store) get(ctx context.Context, id driver.ID) (*driver.Record, error) {
	rec, err := s.db.Get(ctx, id)
	switch {
	case err == nil && rec == nil:
		return nil, fmt.Errorf("%w: %T returned neither a record nor an error", driver.ErrUnavailable, s.db)
	case errors.Is(err, driver.ErrGone) && !driver.IsGone(rec, err):
		return nil, fmt.Errorf("%w: %T said that a session has ended, and did not return the record with its grave: %v", driver.ErrUnavailable, s.db, err) //nolint:errorlint // not to be told by errors.Is
	case err == nil && (rec.Kind != driver.KindSession || rec.App != s.config.App):
		return nil, fmt.Errorf("%w: it is of the app %q and of kind %q", driver.ErrCorrupt, rec.App, rec.Kind)
	}
	return rec, err
}
