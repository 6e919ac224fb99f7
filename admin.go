package cloakroom

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is Admin: an app's sessions by id and principal, for consoles, command lines
// and jobs.

// Admin sees and ends an app's sessions by id and principal, without tokens: for
// consoles, command lines and jobs. It is safe for concurrent use.
type Admin struct {
	app       string
	store     Store
	records   *protocol.Records
	timeout   time.Duration
	checkSize func(*driver.Record) error
	events    *teller
	problems  func(context.Context) ([]driver.Problem, error) // of the manager's configuration
	sweeps    *sweeping
}

// Admin returns the view of the app's sessions by id and principal.
func (m *Manager) Admin() *Admin {
	return &Admin{m.config.App, m.store, m.records, m.config.SaveTimeout, m.checkSize, m.events, m.problems, m.sweeps}
}

// NewAdmin makes an Admin without a Manager, which needs no keyring. Where the process
// has a Manager, use Manager.Admin. An app of "" is that of the zero Config.
func NewAdmin(store Store, app string) *Admin {
	setDefault(&app, "session")
	const timeout = 10 * time.Second
	events := newTeller(&Events{}, slog.Default())
	records := protocol.New(store, protocol.Options{
		App: app, Timeout: timeout, Idle: MaxLifetime, MaxLifetime: MaxLifetime, Logger: slog.Default(),
		Fault: faultTeller(events),
	})
	sweeps := &sweeping{records: records, now: time.Now, every: -1}
	return &Admin{app, store, records, timeout, func(*driver.Record) error { return nil }, events, func(context.Context) ([]driver.Problem, error) { return nil, nil }, sweeps}
}

// App returns the name of the app.
func (a *Admin) App() string { return a.app }

// Stored returns a session as the store has it, over or not, and changes nothing. Of a
// session that has ended it returns the grave, in a record that has no fields but ID,
// Grave and Version. The record is shared: read-only.
//
// ErrNotFound: there is none in this app.
func (a *Admin) Stored(ctx context.Context, id ID) (*driver.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	rec, err := a.records.Stored(ctx, id)
	foreign := false
	switch {
	case driver.IsGone(rec, err):
		foreign, err = rec.Grave.App != "" && rec.Grave.App != a.app, nil
	case driver.IsNotFound(err):
		foreign = true
	case err == nil:
		foreign = rec.App != a.app || rec.Kind != driver.KindSession
	}
	if foreign {
		return nil, fmt.Errorf("cloakroom: session %v: %w", id, ErrNotFound)
	}
	return rec, err
}

// Find returns the record of a live session. The record is shared: read-only.
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

// Search yields the app's sessions that a query selects, in its order. It may trail the
// latest saves. It also yields sessions that have expired and not been swept, unlike
// Live. With Ended it yields the graves of those that have ended, which have no fields
// but ID, Grave and Version. An error is the last element, with a nil record.
//
// *driver.TruncatedError: the query has a bound (Scan), and the store reached it.
func (a *Admin) Search(ctx context.Context, q driver.Query) iter.Seq2[*driver.Record, error] {
	q.App, q.Kind = a.app, driver.KindSession
	return a.records.Search(ctx, q)
}

// Live is Search without the sessions that have expired by now. The query's Limit counts
// those that it yields.
func (a *Admin) Live(ctx context.Context, q driver.Query) iter.Seq2[*driver.Record, error] {
	return func(yield func(*driver.Record, error) bool) {
		limit, now := q.Limit, a.records.Now()
		q.Limit = 0
		if q.ExpiresFrom.Before(now) {
			q.ExpiresFrom = now.Add(time.Millisecond) // at Expires a session is over
		}
		n := 0
		for rec, err := range a.Search(ctx, q) {
			if err == nil && a.records.IsOver(rec) { // Config.IdleTimeout may be less than it was
				continue
			}
			if n++; !yield(rec, err) || n == limit {
				return
			}
		}
	}
}

// RefreshSearch has Search and Summarize see all that was acknowledged before the call, where
// they trail. A store whose login may not do that goes on trailing.
func (a *Admin) RefreshSearch(ctx context.Context) error {
	if r, ok := a.store.(driver.Refresher); ok {
		return r.Refresh(ctx)
	}
	return nil
}

// SessionOf is one of a principal's sessions. Its record is shared: read-only.
type SessionOf struct {
	*driver.Record
	// Ending says that RevokeAll or a limit has to end the session, and the store
	// couldn't end it yet, so it still opens. Whoever next signs in or out, lists the
	// principal's sessions or signs it out everywhere tries again, and so do managers
	// that sweep.
	Ending bool
}

// Sessions returns a principal's live sessions, exactly, in the order of sign-in. Those
// that are ending come last.
func (a *Admin) Sessions(ctx context.Context, principal string) ([]SessionOf, error) {
	if err := protocol.CheckPrincipal(principal); err != nil {
		return nil, err
	}
	live, _, err := a.records.Live(ctx, principal, protocol.Part{})
	if err != nil {
		return nil, err
	}
	return sessionsOf(live), nil
}

// ReadSessions is Sessions for those who only read: it ends nothing, neither what is ending
// nor what is found idle, and needs no right to write. If the ledger names more than most,
// those of the oldest sign-ins aren't read, and older is their number; some of them may be
// over. A most of 0 is no bound.
func (a *Admin) ReadSessions(ctx context.Context, principal string, most int) (list []SessionOf, older int, err error) {
	if err := protocol.CheckPrincipal(principal); err != nil {
		return nil, 0, err
	}
	live, older, err := a.records.Peek(ctx, principal, most)
	return sessionsOf(live), older, err
}

func sessionsOf(live []protocol.Listed) []SessionOf {
	list := make([]SessionOf, len(live))
	for i, s := range live {
		list[i] = SessionOf(s)
	}
	return list
}

// Revoke ends a session, live or not. Afterwards no session of this id can be made. A
// missing session is no error.
//
// It doesn't check whose session that is: with an id that a visitor sent, anybody could
// end anybody's. For a visitor's own sessions there is Manager.EndDevice.
func (a *Admin) Revoke(ctx context.Context, id ID) error { return a.records.Revoke(ctx, id) }

// RevokeAll signs a principal out everywhere: it ends all of its sessions but those of
// the ids in except. When it returns nil, none of them opens any more, nor does one of a
// sign-in that began earlier. A sign-in that began later is left alone.
//
// The principal's ledger makes that exact, whatever happens at the same moment. If the
// ledger was lost, a search finds the sessions: all that were acknowledged, where the
// store is a driver.Refresher or its Search doesn't trail. It passes over records that
// can't be read, since they are corrupt or a newer version wrote them.
//
// To sign out the visitor who asks as well, follow with Session.Destroy, which has the
// client forget its token.
//
// ErrUnavailable: some sessions may be left, since ending them or the search failed.
// Those that the ledger knew were tried first. Call it again. The next sign-in also ends
// those that the ledger knew.
func (a *Admin) RevokeAll(ctx context.Context, principal string, except ...ID) error {
	if err := protocol.CheckPrincipal(principal); err != nil {
		return err
	}
	principal = strings.Clone(principal) // it may be a request's, as in visit.keptVisit
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

// LastSignedOut returns when RevokeAll last signed a principal out without exceptions, in
// this or another process. Its ledger keeps that as long as a session could live that was
// signed in before, and longer while the principal is signed in. The zero time: that never
// happened, is longer ago, was done by an earlier version, or the ledger was lost.
func (a *Admin) LastSignedOut(ctx context.Context, principal string) (time.Time, error) {
	if err := protocol.CheckPrincipal(principal); err != nil {
		return time.Time{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	return a.records.SignedOut(ctx, principal)
}

// RebuildLedger enters the principal's sessions that a search finds and its ledger lacks,
// and returns their number. It takes none out. It is for a store that was lost or
// restored in part: Sessions and Manager.Devices show the sessions in the ledger, and
// limits count them. RevokeAll doesn't need it.
//
// A ledger that was lost gets a new generation: a sign-in that is under way has to begin
// again (ErrRevoked).
//
// ErrUnavailable, ErrConflict: nothing was entered; try again.
func (a *Admin) RebuildLedger(ctx context.Context, principal string) (entered int, err error) {
	if err := protocol.CheckPrincipal(principal); err != nil {
		return 0, err
	}
	ctx, done, err := a.records.Begin(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	return a.records.Rebuild(ctx, principal)
}

// ImportEnd returns when the imports of an importer end, as the store keeps it: the
// earliest Import.Until that any process imported under. The zero time: none has imported
// anything. importer is what Importer.Name returns.
func (a *Admin) ImportEnd(ctx context.Context, importer string) (time.Time, error) {
	return a.records.ImportEnd(ctx, importer)
}

// Update runs f on a session's values and saves the result in one step that nothing comes
// between, as Session.Update does. f may run more than once, and must do nothing but
// compute. Update is no activity: it doesn't extend the idle timeout.
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

// Sweep removes what is over from the store, as the Manager does regularly
// (Config.SweepEvery): of all apps, and whichever process made it. The result says what it
// did, also beside an error.
//
// Sweeping ends sessions for good, so it isn't done by a clock that may be wrong. Where
// the store's engine has a clock of its own (driver.EngineClock), that is asked first.
//
// driver.ErrClock: this machine's clock is ahead of the engine's by more than
// driver.ClockTolerance, and nothing was swept. Set both clocks by one source (NTP). A
// clock that is behind ends nothing too early, so the sweep is done.
func (a *Admin) Sweep(ctx context.Context) (driver.SweepReport, error) { return a.sweeps.sweep(ctx) }

// Summarize counts the app's sessions that a query selects. It ignores the query's After
// and Limit. It may trail the latest saves.
//
// errors.ErrUnsupported: the store can't count.
func (a *Admin) Summarize(ctx context.Context, q driver.Query) (driver.Summary, error) {
	in, ok := a.store.(driver.Inspector)
	if !ok {
		return driver.Summary{}, fmt.Errorf("cloakroom: %T can't count sessions: %w", a.store, errors.ErrUnsupported)
	}
	q.App, q.Kind = a.app, driver.KindSession
	return in.Summarize(ctx, q)
}

// Report returns the store's report on itself, if it has one, and the problems: of the
// store, of the Manager's configuration, of the ledgers and clocks that it met, and of its
// sweeps.
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
	problems, err := a.problems(ctx)
	if err != nil {
		return driver.Report{}, err
	}
	report.Problems = append(report.Problems, problems...)
	report.Problems = append(report.Problems, ledgerProblems(a.records.Faults())...)
	report.Problems = append(report.Problems, skewProblems(a.records.Skew())...)
	reportWitness(ctx, &report, a.store, a.records)
	a.sweeps.report(&report)
	return report, nil
}

// faultTeller returns the function that logs a ledger's fault and tells Events of it.
func faultTeller(t *teller) func(context.Context, string, protocol.LedgerFault, ID) {
	return func(ctx context.Context, principal string, what protocol.LedgerFault, id ID) {
		t.logger.WarnContext(ctx, "cloakroom: a ledger was not as it has to be", "principal", principal, "fault", string(what), "record", id)
		t.ledgerFault(ctx, principal, LedgerFault(what))
	}
}
