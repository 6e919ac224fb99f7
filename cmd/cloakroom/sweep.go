package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/alecthomas/kong"

	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/place"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/human"
)

// This file is "cloakroom sweep".

type sweepCommand struct {
	placeFlags
	DryRun bool `name:"dry-run" help:"Count the sessions that would be ended, and end none."`
}

// Help implements kong.HelpProvider.
func (*sweepCommand) Help() string {
	return `Managers sweep regularly (Config.SweepEvery). It is for a store on which none does, or to see how long it takes. It is of all apps. A session that is over is ended for good, so nothing is swept if the clock of this machine is ahead of the engine's.

Examples:

    cloakroom sweep --store sqlite:sessions.db
    cloakroom sweep --store https://engine:9200 --user shop --password-file password --dry-run`
}

// sweepResult is the command's members of the result.
type sweepResult struct {
	Over    int64   `json:"over"`    // sessions that were over when it began, and not ended; -1: unknown
	Buried  int     `json:"buried"`  // of these
	Removed int     `json:"removed"` // records, graves and ledgers
	Dropped int     `json:"dropped"` // periods, with all that was in them
	Seconds float64 `json:"seconds"`
	DryRun  bool    `json:"dryRun"`
}

// Run sweeps.
func (c *sweepCommand) Run(t *terminal, flags *kong.Context) error {
	store := storeFlags{placeFlags: c.placeFlags}
	why := place.Tend
	if c.DryRun {
		why = place.Look
	}
	o, err := store.open(t, flags, why)
	if err != nil {
		return err
	}
	defer o.close()
	r := sweepResult{Over: -1, DryRun: c.DryRun}
	defer func() { t.result(r) }()
	if c.DryRun {
		return c.count(t, o, &r)
	}
	p := t.progress("sweeping", -1)
	begun := time.Now()
	report, err := o.admin.Sweep(t.ctx)
	p.stop()
	r.Buried, r.Removed, r.Dropped, r.Seconds = report.Buried, report.Removed, report.Dropped, round(time.Since(begun).Seconds())
	done := report != (driver.SweepReport{})
	if !t.json && (err == nil || done) {
		t.say("Sessions that were over, and are ended now: %s. Records removed: %s. Periods dropped: %s. It took %s.",
			human.Number(int64(r.Buried)), human.Number(int64(r.Removed)), human.Number(int64(r.Dropped)), time.Since(begun).Round(time.Millisecond))
	}
	switch {
	case err != nil && done:
		return exitError{exitPartial, fmt.Errorf("it is done in part: %w", err)}
	case err != nil:
		return err
	}
	return nil
}

// count tells what a sweep would do, as far as that can be told.
func (c *sweepCommand) count(t *terminal, o *openedStore, r *sweepResult) error {
	in, ok := o.Store.(driver.Inspector)
	if !ok {
		return fmt.Errorf("%v can't count: %w", o.where, errors.ErrUnsupported)
	}
	sum, err := in.Summarize(t.ctx, driver.Query{ExpiresTo: time.Now()})
	if err != nil {
		return err
	}
	r.Over = sum.Records
	if !t.json {
		t.say("Sessions that are over: %s. It would end them, or drop them with their period. "+
			"It would also remove records and graves past their deadline, which can't be counted. Nothing was swept.", human.Number(sum.Records))
	}
	return nil
}
