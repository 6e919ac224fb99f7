package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/ledgers"
	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/place"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/human"
)

// This file is "cloakroom ledger check" and "cloakroom ledger rebuild".

// ledgerCommands is "cloakroom ledger".
type ledgerCommands struct {
	Check   ledgerCheckCommand   `cmd:"" help:"Compare ledgers, which say who is signed in where, with the sessions that are there."`
	Rebuild ledgerRebuildCommand `cmd:"" help:"Enter the sessions that ledgers lack."`
}

type ledgerCheckCommand struct {
	Principal string `placeholder:"NAME" help:"Compare the ledger of this principal. Default: those of all that have sessions."`
	storeFlags
}

// Help implements kong.HelpProvider.
func (*ledgerCheckCommand) Help() string {
	return `Lists of devices and limits show and count the sessions that a ledger names. A ledger that was lost or restored may lack some. Nothing is changed. Signing out everywhere (cloakroom revoke --principal) works without a ledger, too.

Exit code 4 says that something was found.

Examples:

    cloakroom ledger check --store sqlite:sessions.db
    cloakroom ledger check --store sqlite:sessions.db --principal ann`
}

// ledgerLine is a ledger that isn't as it has to be, in JSON.
type ledgerLine struct {
	Type      string      `json:"type"` // ledger
	Principal string      `json:"principal"`
	State     string      `json:"state"` // missing, incomplete, unreadable or foreign
	Lacks     []driver.ID `json:"lacks,omitempty"`
	Foreign   []driver.ID `json:"foreign,omitempty"`
	Entered   *int        `json:"entered,omitempty"` // by a rebuild
	Error     string      `json:"error,omitempty"`   // of a rebuild
}

// ledgerResult is the command's members of the result.
type ledgerResult struct {
	Sessions int64 `json:"sessions"` // that were compared
	Found    int64 `json:"found"`    // ledgers that weren't as they have to be
	Entered  int64 `json:"entered"`  // sessions, by a rebuild
	Failed   int64 `json:"failed"`   // ledgers that couldn't be rebuilt
}

// ledgerCheck is a comparison under way.
type ledgerCheck struct {
	t *terminal
	o *openedStore
	ledgerResult
	// mend does something about a finding; nil: it is told alone.
	mend func(context.Context, ledgers.Finding, *ledgerLine) (changed bool)
}

// Run compares ledgers.
func (c *ledgerCheckCommand) Run(t *terminal, flags *kong.Context) error {
	if err := checkPrincipal(flags, c.Principal); err != nil {
		return err
	}
	o, err := c.open(t, flags, place.Look)
	if err != nil {
		return err
	}
	defer o.close()
	check := &ledgerCheck{t: t, o: o}
	defer func() { t.result(check.ledgerResult) }()
	if err := check.run(c.Principal); err != nil {
		return err
	}
	if !t.json {
		t.say("Compared %s with the ledgers: %s.", human.Counted(check.Sessions, "session"), check.verdict())
	}
	if check.Found > 0 {
		return told(exitFindings)
	}
	return nil
}

// checkPrincipal refuses an empty --principal, which never means all.
func checkPrincipal(flags *kong.Context, principal string) error {
	for _, name := range given(flags) {
		if name == "principal" && principal == "" {
			return misuse("--principal is empty: leave it out for all")
		}
	}
	return nil
}

func (k *ledgerCheck) verdict() string {
	switch k.Found {
	case 0:
		return "all are as they have to be"
	case 1:
		return "1 isn't as it has to be"
	}
	return human.Number(k.Found) + " are not as they have to be"
}

// run compares the ledger of a principal, or with "" those of all.
func (k *ledgerCheck) run(principal string) error {
	total := int64(0)
	if sum, err := k.o.admin.Summarize(k.t.ctx, driver.Query{Principal: principal}); err == nil {
		total = sum.Records
	}
	p := k.t.progress("sessions compared", total)
	defer p.stop()
	checker := ledgers.Checker{
		Store: k.o.Store, App: k.o.app, Now: time.Now,
		Done:  func(n int) { k.Sessions += int64(n); p.add(int64(n)) },
		Found: k.found,
	}
	err := checker.Check(k.t.ctx, principal)
	if err == nil && k.Sessions == 0 && principal == "" && !k.o.chosen {
		if hint := k.o.otherApps(k.t.ctx); hint != "" {
			k.t.note("%s", hint)
		}
	}
	return err
}

// found tells of a finding, and does something about it if that is wanted.
func (k *ledgerCheck) found(ctx context.Context, f ledgers.Finding) (changed bool, err error) {
	k.Found++
	l := ledgerLine{Type: "ledger", Principal: f.Principal, State: string(f.State), Lacks: f.Lacks, Foreign: f.Foreign}
	if k.mend != nil {
		changed = k.mend(ctx, f, &l)
	}
	if k.t.json {
		k.t.emit(l)
	} else {
		k.t.say("%s", human.Printable(l.String()))
	}
	return changed, ctx.Err()
}

// String tells a finding to people.
func (l ledgerLine) String() string {
	var parts []string
	if len(l.Lacks) > 0 {
		parts = append(parts, fmt.Sprintf("lacks %s (%s)", human.Counted(int64(len(l.Lacks)), "session"), some(l.Lacks)))
	}
	if len(l.Foreign) > 0 {
		parts = append(parts, fmt.Sprintf("names %s of somebody else (%s)", human.Counted(int64(len(l.Foreign)), "session"), some(l.Foreign)))
	}
	text := fmt.Sprintf("%-10s  %s: %s", l.State, plain(l.Principal), strings.Join(parts, "; "))
	switch {
	case l.Error != "":
		text += "; not rebuilt: " + l.Error
	case l.Entered != nil:
		text += fmt.Sprintf("; %d entered", *l.Entered)
	}
	return text
}

// some lists the first ids.
func some(ids []driver.ID) string {
	const most = 3
	var all []string
	for _, id := range ids[:min(len(ids), most)] {
		all = append(all, id.String())
	}
	if len(ids) > most {
		all = append(all, "...")
	}
	return strings.Join(all, " ")
}

type ledgerRebuildCommand struct {
	Principal string `xor:"whose" placeholder:"NAME" help:"Rebuild the ledger of this principal."`
	All       bool   `xor:"whose" help:"Rebuild the ledgers of all that have sessions, where they lack some."`
	DryRun    bool   `name:"dry-run" help:"Tell what the ledgers lack, and enter nothing."`
	storeFlags
}

// Help implements kong.HelpProvider.
func (*ledgerRebuildCommand) Help() string {
	return `Nothing is taken out of a ledger. One that was lost gets a new generation: a sign-in that is under way has to begin again.

Exit code 3 says that some ledgers couldn't be rebuilt: say it again.

Examples:

    cloakroom ledger rebuild --store sqlite:sessions.db --principal ann
    cloakroom ledger rebuild --store sqlite:sessions.db --all --dry-run`
}

// Run rebuilds ledgers.
func (c *ledgerRebuildCommand) Run(t *terminal, flags *kong.Context) error {
	if err := checkPrincipal(flags, c.Principal); err != nil {
		return err
	}
	if !c.All && c.Principal == "" {
		return misuse("whose ledger is it about? Give --principal or --all")
	}
	why := place.Modify
	if c.DryRun {
		why = place.Look
	}
	o, err := c.open(t, flags, why)
	if err != nil {
		return err
	}
	defer o.close()
	check := &ledgerCheck{t: t, o: o}
	defer func() { t.result(check.ledgerResult) }()
	if !c.DryRun {
		check.mend = check.rebuild
	}
	if err := check.run(c.Principal); err != nil {
		return err
	}
	if !t.json {
		entered := human.Counted(check.Entered, "session") + " entered"
		if c.DryRun {
			entered = "nothing was entered"
		}
		t.say("Compared %s with the ledgers: %s; %s.", human.Counted(check.Sessions, "session"), check.verdict(), entered)
	}
	if check.Failed > 0 {
		return exitError{exitPartial, fmt.Errorf("%s couldn't be rebuilt: say it again", human.Counted(check.Failed, "ledger"))}
	}
	return nil
}

// rebuild enters what a ledger lacks.
func (k *ledgerCheck) rebuild(ctx context.Context, f ledgers.Finding, l *ledgerLine) (changed bool) {
	if len(f.Lacks) == 0 {
		return false // a foreign session stays, and is left alone by whoever ends the principal's
	}
	n, err := k.o.admin.RebuildLedger(ctx, f.Principal)
	if err != nil {
		k.Failed++
		l.Error = rebuildError(err).Error()
		return false
	}
	k.Entered += int64(n)
	l.Entered = &n
	return true
}

// rebuildError says in fewer words why a ledger wasn't rebuilt.
func rebuildError(err error) error {
	if errors.Is(err, cloakroom.ErrConflict) {
		return errors.New("it was written meanwhile, each time")
	}
	return err
}
