package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/alecthomas/kong"

	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/place"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/ending"
	"github.com/cloakroom-go/cloakroom/internal/human"
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

// look counts the sessions that are selected, and keeps some.
func (r *revocation) look() (ending.Found, error) {
	p := r.t.progress("counting", -1)
	defer p.stop()
	return r.selection().Find(r.t.ctx, sampled)
}

// selection returns the sessions that are to be ended.
func (r *revocation) selection() *ending.Selection {
	q := r.q
	// What is made much later isn't meant, so that there is an end. The clocks of machines
	// lie apart.
	if q.CreatedTo.IsZero() {
		q.CreatedTo = r.now.Add(driver.ClockTolerance)
	}
	q.ExpiresFrom = r.now
	return &ending.Selection{Admin: r.o.admin, Query: q}
}

// show tells what is about to be ended.
func (r *revocation) show(f ending.Found) {
	r.Matched = f.Count
	if r.t.json {
		for _, rec := range f.Sample {
			r.t.emit(lineOf(rec, r.now))
		}
		return
	}
	if len(f.Sample) == 0 {
		return
	}
	table := newSessionTable(r.t.stderr, false, r.now)
	for _, rec := range f.Sample {
		table.add(lineOf(rec, r.now))
	}
	table.flush()
	if more := f.Count - int64(len(f.Sample)); more > 0 {
		r.t.warn("... and %s more", human.Number(more))
	}
}

// ask tells what is about to be ended, and asks. go_ is false with --dry-run.
func (r *revocation) ask(f ending.Found, whose string) (goOn bool, err error) {
	r.show(f)
	what := human.Counted(f.Count, "session") + whose
	if f.AtLeast {
		what = "at least " + what
	}
	switch {
	case r.DryRun:
		if !r.t.json {
			r.t.say("It would end %s. Nothing was ended.", human.Printable(what))
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
		r.t.say("Ended %s.", human.Counted(r.Ended, "session"))
	}
	switch {
	case r.t.ctx.Err() != nil:
		return fmt.Errorf("interrupted: %s of %s are ended; say it again to end the rest", human.Number(r.Ended), human.Number(max(r.Matched, r.Ended)))
	case err != nil && r.Ended > 0:
		return exitError{exitPartial, fmt.Errorf("some are left: say it again: %w", err)}
	case err != nil:
		return err
	case r.Failed > 0:
		return exitError{exitPartial, fmt.Errorf("%s couldn't be ended: say it again", human.Counted(r.Failed, "session"))}
	case r.Left > 0:
		return exitError{exitPartial, fmt.Errorf("%s are left: say it again", human.Counted(r.Left, "session"))}
	}
	return nil
}
