package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/place"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/transfer"
)

// This file is "cloakroom copy": its flags, and the copying beside the application.

type copyCommand struct {
	Cut     bool   `help:"Cut over: refuse writes at the source, copy what is left, and compare. It asks before."`
	Quick   bool   `help:"With --cut: behind the fence, compare only what was written since everything was compared. So writes are refused for less long."`
	Accept  bool   `name:"accept-differences" help:"With --cut: cut over although some ids differ, which are told."`
	Unfence bool   `help:"Have the source take writes again, to give a cut up. Nothing is copied, and it doesn't ask."`
	Resume  string `placeholder:"FILE" help:"Keep in this file how far the first pass is, and begin there. It saves time if it is interrupted. The file is removed once the pass is whole."`
	asker
	endFlags
}

// Help implements kong.HelpProvider.
func (*copyCommand) Help() string {
	return `Copies everything from one store into another, while the application runs on the source: sessions, the graves of ended ones, and ledgers, of all apps, with all that is in them. The cookies open at the target too, as long as the application there has the same file of keys. Say it again to copy what was written since; killed at any point, it goes on. Start no process on the target before the cut.

Nothing is promised until --cut. It has the source refuse writes, of all processes: the application answers 503 to them, and goes on reading. It copies what is left, compares both stores, and says that the application can be started on the target. The source stays as it is then. If anything fails, or if ids differ, the source takes writes again, and nothing is lost. With --unfence you give up later, as long as nothing has used the target.

A session that was ended at the source ends at the target, whatever is there. Anything else that something has written at the target isn't replaced, but told. What is over isn't copied.

Without --cut it never asks. The login at the source's engine has to manage its indices and index templates ("manage" and "manage_index_templates").

Exit code 3 says that it isn't whole: some ids couldn't be copied, or differ, or it failed on the way. No cut was made then, except that --accept-differences cuts over although ids differ.

Examples:

    cloakroom copy --from sqlite:sessions.db --to https://engine:9200 --to-user shop --to-password-file password
    cloakroom copy --from sqlite:sessions.db --to https://engine:9200 --cut
    cloakroom copy --from sqlite:sessions.db --unfence
    cloakroom compare --from sqlite:sessions.db --to https://engine:9200`
}

// copyResult is the command's members of the result.
type copyResult struct {
	Listed  int64   `json:"listed"` // in the pass that listed most, which is all: records and graves of the source
	Copied  int64   `json:"copied"` // in all passes
	Graves  int64   `json:"graves"` // of these
	Over    int64   `json:"over"`   // in that pass: matter no more
	Left    int64   `json:"left"`   // weren't copied, and were told
	Removed int64   `json:"removed"`
	Passes  int     `json:"passes"`
	Seconds float64 `json:"seconds"`

	// Whole says that the target has all that the source has.
	Whole     bool      `json:"whole"`
	Different int64     `json:"different"`
	Own       int64     `json:"own"` // began at the target
	From      *sideLine `json:"from,omitempty"`
	To        *sideLine `json:"to,omitempty"`

	// Fenced says that the source refuses writes.
	Fenced bool    `json:"fenced"`
	Since  string  `json:"since,omitempty"` // when that began
	Held   float64 `json:"held"`            // for how many seconds it had done so in the end
	DryRun bool    `json:"dryRun"`
}

// copying is a copy under way.
type copying struct {
	*copyCommand
	copyResult
	t        *terminal
	from, to place.Store
	told     *differences
	m        *transfer.Mover
	place    *placeFile
	p        *progress
	counted  int64         // of p
	first    int64         // copied in the first pass
	pass     time.Duration // how long the last pass took
	compare  time.Duration // how long it takes to compare everything
}

// Run copies.
func (c *copyCommand) Run(t *terminal) error {
	if c.Unfence {
		return c.unfence(t)
	}
	if err := c.check("from", "to"); err != nil {
		return err
	}
	switch {
	case c.Quick && !c.Cut, c.Accept && !c.Cut:
		return misuse("--quick and --accept-differences go with --cut, which is missing")
	case c.Cut:
		if err := c.ready(t); err != nil {
			return err
		}
	}
	x := &copying{copyCommand: c, t: t, told: &differences{t: t}}
	defer x.close()
	defer func() { t.result(x.copyResult) }()
	if c.DryRun {
		x.DryRun = true
		return x.rehearse()
	}
	if err := x.open(); err != nil {
		return err
	}
	begun := time.Now()
	err := x.run()
	x.Seconds = round(time.Since(begun).Seconds())
	return err
}

// open opens both stores.
func (x *copying) open() (err error) {
	if x.from, err = x.openFrom(x.t, place.Modify, toCopy); err != nil {
		return err
	}
	if x.to, err = x.makeTo(x.t); err != nil {
		return err
	}
	if x.place, err = openPlaceFile(x.Resume, x.endFlags.From, x.endFlags.To); err != nil {
		return err
	}
	x.m, err = transfer.New(transfer.Config{From: x.from, To: x.to, Found: x.told.add, Begin: x.place.at, Progress: x.progress})
	return err
}

func (x *copying) close() {
	for _, s := range []place.Store{x.from, x.to} {
		if s != nil {
			_ = s.Close() // what it was opened for is done
		}
	}
}

// progress tells how far a pass is.
func (x *copying) progress(p transfer.Progress) {
	if x.p != nil {
		x.p.add(p.Listed - x.counted)
		x.counted = p.Listed
	}
	if x.Passes == 0 {
		x.place.keep(p.Place, x.t)
	}
}

// run copies, and then cuts if that is wanted.
func (x *copying) run() error {
	x.lookForFence()
	total := x.total()
	if x.place.at != "" {
		x.t.note("--resume: the first pass goes on where it was interrupted, and counts what is left")
		total = 0
	}
	if _, err := x.copyOnce(total); err != nil {
		if x.place.at != "" && errors.Is(err, driver.ErrInvalid) {
			return fmt.Errorf("--resume: %w: remove the file, and it begins anew", err)
		}
		return err
	}
	x.place.done()
	if err := x.catchUp(); err != nil {
		return err
	}
	if x.Cut {
		return x.cut()
	}
	if !x.t.json {
		x.t.say("%s", x.summary())
		x.t.say("Nothing is promised until you cut over: what is written from now on is missing at the target. Say it again with --cut.")
	}
	return x.partial()
}

// lookForFence tells if the source is fenced, by a cut that was killed or made.
func (x *copying) lookForFence() {
	if f, ok := x.from.(driver.Fencer); ok {
		if since, err := f.Fenced(x.t.ctx); err == nil && !since.IsZero() {
			x.Fenced, x.Since = true, since.Format(time.RFC3339)
			x.t.note("the source refuses writes since %s: --unfence ends that", x.Since)
		}
	}
}

// summary tells what was copied, and what wasn't.
func (x *copying) summary() string {
	text := fmt.Sprintf("Copied %s of %s.", counted(x.first, "record"), number(x.Listed))
	if n := x.Copied - x.first; n > 0 {
		text += fmt.Sprintf(" Written meanwhile, and copied too: %s.", number(n))
	}
	if n := x.Listed - x.Over - x.Left - x.first; n > 0 {
		text += fmt.Sprintf(" The target had %s already.", number(n))
	}
	if x.Over > 0 {
		text += fmt.Sprintf(" What is over wasn't copied: %s.", number(x.Over))
	}
	if x.Left > 0 {
		text += fmt.Sprintf(" What couldn't be copied: %s, see above.", number(x.Left))
	}
	return text
}

// partial returns the error of a copy that left something out.
func (x *copying) partial() error {
	if x.Left+x.told.of(transfer.EndedInUse) == 0 {
		return nil
	}
	return exitError{exitPartial, fmt.Errorf("%s differ, see above", counted(x.Left+x.told.of(transfer.EndedInUse), "id"))}
}

// total is about the number of records at the source; 0: that isn't known.
func (x *copying) total() int64 {
	in, ok := x.from.(driver.Inspector)
	if !ok {
		return 0
	}
	sum, err := in.Summarize(x.t.ctx, driver.Query{})
	if err != nil {
		return 0
	}
	return sum.Records
}

// copyOnce makes a pass.
func (x *copying) copyOnce(total int64) (transfer.Counts, error) {
	x.p, x.counted = x.t.progress("records read", total), 0
	begun := time.Now()
	n, err := x.m.Pass(x.t.ctx)
	x.p.stop()
	x.p = nil
	x.pass = time.Since(begun)
	if n.Listed > x.Listed { // of a run that goes on the first pass isn't the whole one
		x.Listed, x.Over, x.first = n.Listed, n.Over, x.Copied+n.Copied
	}
	x.Passes++
	x.Copied, x.Graves, x.Left = x.Copied+n.Copied, x.Graves+n.Graves, max(x.Left, n.Left)
	if x.t.json && (err == nil || n.Listed > 0) {
		x.t.emit(passLine{"pass", n.Listed, n.Copied, n.Graves, n.Over, n.Left, round(x.pass.Seconds())})
	}
	if err != nil && x.t.ctx.Err() == nil && x.Copied > 0 {
		err = exitError{exitPartial, fmt.Errorf("copied %s; say it again to go on: %w", counted(x.Copied, "record"), err)}
	}
	return n, err
}

// passLine is a pass, in JSON.
type passLine struct {
	Type    string  `json:"type"` // pass
	Listed  int64   `json:"listed"`
	Copied  int64   `json:"copied"`
	Graves  int64   `json:"graves"`
	Over    int64   `json:"over"`
	Left    int64   `json:"left"`
	Seconds float64 `json:"seconds"`
}

// catchUp copies what was written meanwhile.
func (x *copying) catchUp() error {
	return transfer.CatchUp(func() (transfer.Counts, error) { return x.copyOnce(0) })
}
