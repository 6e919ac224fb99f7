package cloakroom

import (
	"context"
	"errors"
	"fmt"
	"github.com/cloakroom-go/cloakroom/driver"
	"iter"
	"time"
)

// Admin sees and ends an app's sessions by id and principal, without tokens:
// for consoles, command lines and jobs. It is safe for concurrent use.
type Admin struct {
	ledgers   *ledgers
	checkSize func(*driver.Record) error
}

// NewAdmin makes an Admin that has no Manager, and so needs no keys. Where
// there is a Manager in the process, use Manager.Admin. An app of "" is that
// of the zero Config.
func NewAdmin(store Store, app string) *Admin {
	setDefault(&app, "session")
	const timeout = 10 * time.Second
	w := newWriter(store, app, clock{}, timeout, MaxLifetime, &Events{})
	return &Admin{&ledgers{w: w, longest: MaxLifetime}, func(*driver.Record) error { return nil }}
}

// Find returns the record of a session. It is shared: read-only.
//
// ErrNotFound: there is none in this app, or it has ended or expired.
func (a *Admin) Find(ctx context.Context, id ID) (*driver.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, a.ledgers.w.timeout)
	defer cancel()
	rec, _, err := a.ledgers.w.read(ctx, id)
	if err == nil && rec == nil || errors.Is(err, errForeign) {
		err = fmt.Errorf("cloakroom: session %v: %w", id, ErrNotFound)
	}
	return rec, err
}

// Search yields the app's sessions that a query selects, in the order of their
// making. It may trail what was saved just now, and yields sessions that have
// expired but not been swept: compare Info().Expires. An error is the last
// element, with a nil record.
func (a *Admin) Search(ctx context.Context, q driver.Query) iter.Seq2[*driver.Record, error] {
	q.App, q.Kind = a.ledgers.w.app, driver.KindSession
	return a.ledgers.w.store.Search(ctx, q)
}

// Devices returns the records of a principal's live sessions, exactly.
func (a *Admin) Sessions(ctx context.Context, principal string) ([]*driver.Record, error) {
	if err := checkPrincipal(principal); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, a.ledgers.w.timeout)
	defer cancel()
	return a.ledgers.live(ctx, principal)
}

// Revoke ends a session, live or not: afterwards nothing can make one of this
// id. It is no error if there is none.
func (a *Admin) Revoke(ctx context.Context, id ID) error {
	if l := id.Layout(); l == driver.LayoutLedger || l.MaxLifetime() == 0 {
		return fmt.Errorf("cloakroom: %v is not the id of a session: %w", id, ErrInvalid)
	}
	w := a.ledgers.w
	ctx, done, err := w.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	rec, err := w.store.Get(ctx, id)
	until := w.now().Add(MaxLifetime) // where the id doesn't tell
	if made := id.Time(); !made.IsZero() {
		until = made.Add(id.Layout().MaxLifetime())
	}
	switch {
	case errors.Is(err, ErrGone):
		return nil
	case driver.IsNotFound(err), errors.Is(err, ErrCorrupt):
		rec = nil
	case err != nil:
		return readError(id, err)
	case rec.Kind != driver.KindSession || rec.App != a.ledgers.w.app:
		return fmt.Errorf("cloakroom: session %v of app %q: %w", id, a.ledgers.w.app, ErrNotFound)
	default:
		until = rec.Deadline
	}
	if err := w.bury(ctx, id, EndRevoked, until, rec); err != nil {
		return err
	}
	a.ledgers.w.events.ended(ctx, id, EndRevoked)
	if rec != nil && rec.Principal != "" {
		_ = a.ledgers.leave(rec.Principal, id) // the burial is what counts
	}
	return nil
}

// RevokeAll signs a principal out everywhere: it ends all of its sessions but
// those of the ids in except. When it returns nil, none of them opens any more,
// nor one of a sign-in that took its Ticket earlier.
//
// To sign out the visitor who asks as well, follow with Session.Destroy, which
// has the client forget its token.
//
// On an error some may be left. Call it again; the next sign-in or RevokeAll
// ends them too.
func (a *Admin) RevokeAll(ctx context.Context, principal string, except ...ID) error {
	if err := checkPrincipal(principal); err != nil {
		return err
	}
	ctx, done, err := a.ledgers.w.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	if err := a.ledgers.revokeAll(ctx, principal, except); err != nil {
		return err
	}
	a.ledgers.w.events.signedOut(ctx, principal)
	return nil
}

// Update runs f on a session's values and saves what it made of them, in one
// step that nothing comes between, as Session.Update does. It is not activity:
// the idle timeout goes on.
//
// ErrGone: there is no such session, or it has ended or expired.
func (a *Admin) Update(_ context.Context, id ID, f func(*Tx) error) error {
	ops := []op{{kind: opTx, tx: f}}
	_, err := a.ledgers.w.do(id, &change{apply: func(next *driver.Record, _ time.Time, _ bool) (err error) {
		if next.Kind != driver.KindSession {
			return fmt.Errorf("cloakroom: %v is not a session: %w", id, ErrGone)
		}
		if next.Values, err = replay(next.Values, ops); err != nil {
			return err
		}
		return a.checkSize(next)
	}})
	return err
}

// Inspector returns the store's Inspector, nil if it has none.
func (a *Admin) Inspector() driver.Inspector {
	store := a.ledgers.w.store
	if c, ok := store.(*cache); ok {
		store = c.Store
	}
	i, _ := store.(driver.Inspector)
	return i
}
