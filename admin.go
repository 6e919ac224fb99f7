package cloakroom

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is Admin, for operators and jobs.

// Admin sees and ends an app's sessions by id and principal, without tokens:
// for consoles, command lines and jobs. It is safe for concurrent use.
type Admin struct {
	app       string
	store     Store
	records   *protocol.Records
	timeout   time.Duration
	checkSize func(*driver.Record) error
	events    *Events
	problems  func() []driver.Problem // of how the manager was made
}

// Admin returns the view of the app's sessions by id and principal.
func (m *Manager) Admin() *Admin {
	return &Admin{m.config.App, m.store, m.records, m.config.SaveTimeout, m.checkSize, m.events, m.problems}
}

// NewAdmin makes an Admin that has no Manager, and so needs no keyring. Where
// there is a Manager in the process, use Manager.Admin. An app of "" is that
// of the zero Config.
func NewAdmin(store Store, app string) *Admin {
	setDefault(&app, "session")
	const timeout = 10 * time.Second
	records := protocol.New(store, protocol.Options{
		App: app, Timeout: timeout, Idle: MaxLifetime, MaxLifetime: MaxLifetime, Logger: slog.Default(),
		Ended: func(context.Context, ID, EndReason) {},
	})
	return &Admin{app, store, records, timeout, func(*driver.Record) error { return nil }, &Events{}, func() []driver.Problem { return nil }}
}

// Find returns the record of a session. It is shared: read-only.
//
// ErrNotFound: there is none in this app, or it has ended or expired.
func (a *Admin) Find(ctx context.Context, id ID) (*driver.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	rec, _, err := a.records.Read(ctx, id)
	if err == nil && rec == nil || errors.Is(err, protocol.ErrForeign) {
		err = fmt.Errorf("cloakroom: session %v: %w", id, ErrNotFound)
	}
	return rec, err
}

// Search yields the app's sessions that a query selects, in the order of their
// making. It may trail what was saved just now, and yields sessions that have
// expired but not been swept: compare Info().Expires. An error is the last
// element, with a nil record.
func (a *Admin) Search(ctx context.Context, q driver.Query) iter.Seq2[*driver.Record, error] {
	q.App, q.Kind = a.app, driver.KindSession
	return a.store.Search(ctx, q)
}

// Sessions returns the records of a principal's live sessions, exactly.
func (a *Admin) Sessions(ctx context.Context, principal string) ([]*driver.Record, error) {
	if err := protocol.CheckPrincipal(principal); err != nil {
		return nil, err
	}
	return a.records.Live(ctx, principal)
}

// Revoke ends a session, live or not: afterwards nothing can make one of this
// id. It is no error if there is none.
func (a *Admin) Revoke(ctx context.Context, id ID) error { return a.records.Revoke(ctx, id) }

// RevokeAll signs a principal out everywhere: it ends all of its sessions but
// those of the ids in except. When it returns nil, none of them opens any more,
// nor one of a sign-in that began earlier.
//
// To sign out the visitor who asks as well, follow with Session.Destroy, which
// has the client forget its token.
//
// On an error some may be left. Call it again; the next sign-in or RevokeAll
// ends them too.
func (a *Admin) RevokeAll(ctx context.Context, principal string, except ...ID) error {
	if err := protocol.CheckPrincipal(principal); err != nil {
		return err
	}
	ctx, done, err := a.records.Begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	if err := a.records.RevokeAll(ctx, principal, except); err != nil {
		return err
	}
	a.events.signedOut(ctx, principal)
	return nil
}

// Update runs f on a session's values and saves what it made of them, in one
// step that nothing comes between, as Session.Update does. It is not activity:
// the idle timeout goes on.
//
// ErrGone: there is no such session, or it has ended or expired.
func (a *Admin) Update(_ context.Context, id ID, f func(*Tx) error) error {
	ops := []op{{kind: opTx, tx: f}}
	_, err := a.records.Change(id, &protocol.Change{Apply: func(next *driver.Record, _ time.Time, _ bool) (err error) {
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

// Summarize counts the app's sessions that a query selects; its After and Limit
// are ignored. It may trail what was saved just now.
//
// errors.ErrUnsupported: the store can't.
func (a *Admin) Summarize(ctx context.Context, q driver.Query) (driver.Summary, error) {
	in, ok := a.store.(driver.Inspector)
	if !ok {
		return driver.Summary{}, fmt.Errorf("cloakroom: %T can't count sessions: %w", a.store, errors.ErrUnsupported)
	}
	q.App, q.Kind = a.app, driver.KindSession
	return in.Summarize(ctx, q)
}

// Report tells the state of the store, as far as it tells, and what is wrong
// with it and with how the Manager was made.
func (a *Admin) Report(ctx context.Context) (driver.Report, error) {
	var report driver.Report
	if in, ok := a.store.(driver.Inspector); ok {
		var err error
		if report, err = in.Report(ctx); err != nil {
			return driver.Report{}, err
		}
	} else {
		report.Engine = fmt.Sprintf("%T, which tells nothing of itself", a.store)
	}
	report.Problems = append(report.Problems, a.problems()...)
	return report, nil
}
