package main

import (
	"errors"
	"fmt"
	"os/signal"
	"syscall"
	"time"

	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/place"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/transfer"
)

// This file is the cut of "cloakroom copy", and how it is given up.

// cut compares everything, asks, catches up, and cuts over.
func (x *copying) cut() error {
	if err := x.verify(); err != nil {
		return err
	}
	if !x.Yes {
		if err := x.t.confirm(x.question(), "nothing was cut over: "+x.asBefore()); err != nil {
			return err
		}
	}
	if err := x.catchUp(); err != nil { // an answer may take its time
		return err
	}
	if !x.Fenced && (x.t.interactive() || x.t.json) {
		x.t.note("writes at the source are refused from now on")
	}
	signal.Ignore(syscall.SIGPIPE) // whoever reads this may leave, and a fence must not stay by that
	p := x.t.progress("cutting over", -1)
	cut, err := x.m.Cut(x.t.ctx, transfer.CutOptions{Accept: x.Accept, Changed: x.Quick})
	p.stop()
	x.Copied, x.Graves, x.Removed = x.Copied+cut.Copied, x.Graves+cut.Graves, cut.Removed
	x.Different, x.Own, x.Held = cut.Different, cut.Own, round(cut.Held.Seconds())
	if !x.Quick {
		x.From, x.To = sideOf(cut.From), sideOf(cut.To)
	}
	if !cut.Since.IsZero() {
		x.Fenced, x.Since = cut.Fenced, cut.Since.Format(time.RFC3339)
	}
	if err != nil {
		return x.givenUp(cut, err)
	}
	x.Whole = cut.Different == 0
	x.tellCut(cut)
	if x.t.stdout.failed() != nil {
		x.t.warn("It is cut over all the same: writes at the source are refused. To give up, as long as nothing uses the target, run \"cloakroom copy --unfence\" with the same --from.")
	}
	if cut.Different > 0 {
		return exitError{exitPartial, fmt.Errorf("%s differ, see above", counted(cut.Different, "id"))}
	}
	return nil
}

// verify compares everything before the fence is there: so that it is known how long that
// takes, and what differs is told while nobody waits.
func (x *copying) verify() error {
	p := x.t.progress("comparing", -1)
	begun := time.Now()
	all, err := x.m.Verify(x.t.ctx)
	p.stop()
	x.compare = time.Since(begun)
	switch {
	case err != nil:
		return err
	case all.Different > 0 && !x.Accept:
		x.Different, x.Own = all.Different, all.Own
		return exitError{exitPartial, fmt.Errorf("nothing was cut over, since the stores differ in %s, see above; %s. To cut over all the same: --accept-differences",
			counted(all.Different, "id"), x.asBefore())}
	}
	return nil
}

// stillFenced says that a cut has left its fence, and how to end that.
const stillFenced = `the source still refuses writes: "cloakroom copy --unfence" with the same --from ends that`

// asBefore says what the source does if this command changes nothing. Another cut may have
// left its fence.
func (x *copying) asBefore() string {
	if x.Fenced {
		return stillFenced
	}
	return "the source takes writes as ever"
}

// question says what a cut does, and for about how long.
func (x *copying) question() string {
	about := x.pass + time.Second
	if !x.Quick {
		about += x.compare
	}
	refused := fmt.Sprintf("from then on, for about %s", max(about.Round(time.Second), time.Second))
	if x.Fenced {
		refused = "since " + x.Since + ","
	}
	return fmt.Sprintf("Cut over from %v to %v? Writes at the source are refused %s and until the application has been started on the target.",
		x.endFlags.From, x.endFlags.To, refused)
}

// tellCut tells what has become of a cut, and what is to be done next.
func (x *copying) tellCut(cut transfer.Cut) {
	if x.t.json {
		return
	}
	what := "everything that was written since it was compared is the same"
	if !x.Quick {
		what = fmt.Sprintf("both stores have the same: %v", x.From)
	}
	if cut.Different > 0 {
		what = fmt.Sprintf("both stores are compared, and %s differ", counted(cut.Different, "id"))
	}
	x.t.say("Cut over: %s. Writes at the source are refused since %s, for %s so far.", what, cut.Since.Format(time.RFC3339), cut.Held.Round(time.Millisecond))
	if cut.Removed > 0 {
		x.t.say("%s had vanished from the source, and ended at the target.", counted(cut.Removed, "session"))
	}
	if cut.Own > 0 {
		x.t.say("%s began at the target.", counted(cut.Own, "record"))
	}
	x.t.say("Start the application on the target now: %v. Then stop its processes on the source.", x.endFlags.To)
	x.t.say("To give up instead, as long as nothing uses the target, run \"cloakroom copy --unfence\" with the same --from.")
}

// givenUp returns the error of a cut that was given up.
func (x *copying) givenUp(cut transfer.Cut, err error) error {
	state := fmt.Sprintf("the source takes writes again, after %s: the application goes on there", cut.Held.Round(time.Millisecond))
	if cut.Fenced {
		state = stillFenced
	}
	if cut.Since.IsZero() {
		state = x.asBefore()
	}
	if errors.Is(err, transfer.ErrDifferent) {
		state += ". To cut over all the same: --accept-differences"
	}
	failed := fmt.Errorf("nothing was cut over: %w; %s", err, state)
	if x.t.ctx.Err() != nil {
		return fmt.Errorf("interrupted: nothing was cut over, and %s", state)
	}
	return exitError{exitPartial, failed}
}

// unfenceResult is the members of the result of --unfence.
type unfenceResult struct {
	Fenced bool   `json:"fenced"`
	Since  string `json:"since,omitempty"` // when the fence was set; none: it wasn't
	DryRun bool   `json:"dryRun"`
}

// unfence has the source take writes again.
func (c *copyCommand) unfence(t *terminal) error {
	if err := c.check("from"); err != nil {
		return err
	}
	if c.Cut || c.Quick || c.Accept || c.Resume != "" || !c.To.IsZero() {
		return misuse("--unfence goes with --from alone")
	}
	why := place.Modify
	if c.DryRun {
		why = place.Look
	}
	from, err := c.openFrom(t, why, "unfence")
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	r := unfenceResult{DryRun: c.DryRun}
	defer func() { t.result(r) }()
	var since time.Time
	if c.DryRun {
		if f, ok := from.(driver.Fencer); ok {
			since, err = f.Fenced(t.ctx)
		}
	} else {
		since, err = transfer.Unfence(t.ctx, from)
	}
	if !since.IsZero() {
		r.Since = since.Format(time.RFC3339)
	}
	r.Fenced = !since.IsZero() && (err != nil || c.DryRun)
	switch {
	case err != nil:
		return err
	case t.json:
	case since.IsZero():
		t.say("It takes writes: %v.", c.From)
	case c.DryRun:
		t.say("It refuses writes since %s: %v. Nothing was changed.", r.Since, c.From)
	default:
		t.say("It takes writes again, which it had refused since %s: %v.", r.Since, c.From)
	}
	return nil
}
