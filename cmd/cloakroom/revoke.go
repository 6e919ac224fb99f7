package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alecthomas/kong"

	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/place"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is "cloakroom revoke": what it is about to end, and its question.

type revokeCommand struct {
	IDs []driver.ID `arg:"" optional:"" name:"id" placeholder:"ID" help:"Ids of sessions. One that begins with - goes behind --."`
	All bool        `help:"End all sessions of the app. It asks for the app's name."`
	asker
	filterFlags
	storeFlags
}

// Help implements kong.HelpProvider.
func (*revokeCommand) Help() string {
	return `Ends sessions: by their ids, or those that flags select, as "cloakroom ls" with the same flags lists them. It tells how many there are and shows some, and asks. A session that has been ended opens nowhere any more, at once and whatever is under way.

With --principal alone the principal is signed out everywhere: sign-ins that are under way fail, too, and sessions that the ledger has lost are found. With further flags only the sessions that all of them select are ended. One whose visitor comes back meanwhile, so that it isn't selected any more, is left alone. One that is made meanwhile may be ended or not.

Exit code 3 says that some are left: say it again. Exit code 5 says that there is no such session.

Examples:

    cloakroom revoke --store sqlite:sessions.db AaCGUF5AAlI9brXgbqNiHQ
    cloakroom revoke --store sqlite:sessions.db --principal ann
    cloakroom revoke --store https://engine:9200 --address 203.0.113.0/24 --used-within 1d --dry-run
    cloakroom revoke --store sqlite:sessions.db --idle-for 30d --yes --json`
}

// revokeResult is the command's members of the result.
type revokeResult struct {
	Matched int64 `json:"matched"` // when it was asked
	Ended   int64 `json:"ended"`
	Over    int64 `json:"over"`    // had ended before
	Missing int64 `json:"missing"` // ids without a session
	Failed  int64 `json:"failed"`  // couldn't be ended
	Left    int64 `json:"left"`    // are left, as far as can be told
	Dry     bool  `json:"dryRun"`
}

// revocation is a revoke under way.
type revocation struct {
	*revokeCommand
	revokeResult
	t   *terminal
	o   *openedStore
	now time.Time
	q   driver.Query
}

// sampled is the number of sessions that are shown before the question.
const sampled = 5

// Run ends sessions.
func (c *revokeCommand) Run(t *terminal, flags *kong.Context) error {
	if err := c.check(); err != nil {
		return err
	}
	r := &revocation{revokeCommand: c, t: t, now: time.Now()}
	var err error
	if r.q, err = c.query(flags, r.now); err != nil {
		return err
	}
	if err := c.ready(t); err != nil {
		return err
	}
	why := place.Modify
	if c.DryRun {
		why = place.Look
	}
	if r.o, err = c.open(t, flags, why); err != nil {
		return err
	}
	defer r.o.close()
	r.Dry = c.DryRun
	defer func() { t.result(r.revokeResult) }()
	switch {
	case len(c.IDs) > 0:
		return r.byIDs()
	case r.isPrincipal():
		return r.byPrincipal()
	}
	return r.byFilter()
}

// check refuses what selects nothing, or twice.
func (c *revokeCommand) check() error {
	n := 0
	for _, is := range []bool{len(c.IDs) > 0, !c.isEmpty(), c.All} {
		if is {
			n++
		}
	}
	switch {
	case n == 0:
		return misuse("which sessions? Give ids, --principal or other flags that select some, or --all")
	case n > 1:
		return misuse("give ids, flags that select sessions, or --all: only one of them")
	}
	return nil
}

// isPrincipal reports whether a principal is to be signed out everywhere.
func (r *revocation) isPrincipal() bool {
	rest := r.filterFlags
	rest.Principal, rest.Scan = "", 0
	return r.Principal != "" && rest == filterFlags{}
}

// found is the sessions that are about to be ended.
type found struct {
	count   int64
	atLeast bool // there may be more
	sample  []*driver.Record
}

// look counts the sessions that are selected, and keeps some.
func (r *revocation) look() (f found, err error) {
	// What is made much later isn't meant, so that there is an end. The clocks of machines
	// lie apart.
	if r.q.CreatedTo.IsZero() {
		r.q.CreatedTo = r.now.Add(driver.ClockTolerance)
	}
	r.q.App, r.q.ExpiresFrom = r.o.app, r.now
	p := r.t.progress("counting", -1)
	defer p.stop()
	if err := r.o.catchUp(r.t.ctx); err != nil {
		return f, err
	}
	few := r.q
	few.Limit, few.Order = sampled, driver.OrderNewest
	cut := false
	for rec, err := range r.o.Search(r.t.ctx, few) {
		if _, cut = errors.AsType[*driver.TruncatedError](err); cut {
			break
		}
		if err != nil {
			return f, err
		}
		f.sample = append(f.sample, rec)
	}
	if n := len(f.sample); n < sampled && !cut {
		f.count = int64(n)
		return f, nil // these are all
	}
	sum, err := r.o.admin.Summarize(r.t.ctx, r.q)
	if _, f.atLeast = errors.AsType[*driver.TruncatedError](err); err != nil && !f.atLeast {
		return f, err
	}
	f.count = sum.Records
	return f, nil
}

// catchUp has searches see all that was written, where they trail.
func (o *openedStore) catchUp(ctx context.Context) error {
	if r, ok := o.Store.(driver.Refresher); ok {
		if err := r.Refresh(ctx); err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil // a login that may not refresh sees what is there some seconds later
}

// show tells what is about to be ended.
func (r *revocation) show(f found) {
	r.Matched = f.count
	if r.t.json {
		for _, rec := range f.sample {
			r.t.emit(lineOf(rec, r.now))
		}
		return
	}
	if len(f.sample) == 0 {
		return
	}
	table := newSessionTable(r.t.stderr, false, r.now)
	for _, rec := range f.sample {
		table.add(lineOf(rec, r.now))
	}
	table.flush()
	if more := f.count - int64(len(f.sample)); more > 0 {
		r.t.warn("... and %s more", number(more))
	}
}

// ask tells what is about to be ended, and asks. go_ is false with --dry-run.
func (r *revocation) ask(f found, whose string) (goOn bool, err error) {
	r.show(f)
	what := counted(f.count, "session") + whose
	if f.atLeast {
		what = "at least " + what
	}
	switch {
	case r.DryRun:
		if !r.t.json {
			r.t.say("It would end %s. Nothing was ended.", harmless(what))
		}
		return false, nil
	case r.Yes:
		return true, nil
	case r.All:
		answer, err := r.t.ask(fmt.Sprintf("End %s? Type the app's name to end them all:", what), "nothing was ended")
		if err == nil && answer != r.o.app {
			err = errors.New("nothing was ended: that isn't the app's name")
		}
		return err == nil, err
	}
	err = r.t.confirm("End "+what+"?", "nothing was ended")
	return err == nil, err
}

// tell tells what was done, and what is left.
func (r *revocation) tell(err error) error {
	if !r.t.json && (r.Ended > 0 || err == nil) {
		r.t.say("Ended %s.", counted(r.Ended, "session"))
	}
	switch {
	case r.t.ctx.Err() != nil:
		return fmt.Errorf("interrupted: %s of %s are ended; say it again to end the rest", number(r.Ended), number(max(r.Matched, r.Ended)))
	case err != nil && r.Ended > 0:
		return exitError{exitPartial, fmt.Errorf("some are left: say it again: %w", err)}
	case err != nil:
		return err
	case r.Failed > 0:
		return exitError{exitPartial, fmt.Errorf("%s couldn't be ended: say it again", counted(r.Failed, "session"))}
	case r.Left > 0:
		return exitError{exitPartial, fmt.Errorf("%s are left: say it again", counted(r.Left, "session"))}
	}
	return nil
}

// counter counts what workers do.
type counter struct {
	sync.Mutex
	ended, over, failed atomic.Int64
	first               error // of those that failed
}

func (c *counter) fail(err error) {
	c.failed.Add(1)
	c.Lock()
	defer c.Unlock()
	if c.first == nil {
		c.first = err
	}
}
