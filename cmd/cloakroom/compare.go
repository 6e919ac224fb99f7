package main

import (
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/place"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/transfer"
)

// This file is "cloakroom compare".

type compareCommand struct{ endFlags }

// Help implements kong.HelpProvider.
func (*compareCommand) Help() string {
	return `Compares everything that two stores keep: sessions, ledgers, and the graves of ended sessions, with all that is in them. It reads both as a whole. Where they differ it reads both sides once more, by id, and tells the ids. What is over matters on neither side. It changes nothing.

While something writes to the source, that differs: after "cloakroom copy --cut" nothing does. Sessions that began at the target are told as such, except those of apps that the source doesn't have.

Exit code 4 says that the stores differ.

Examples:

    cloakroom compare --from sqlite:sessions.db --to https://engine:9200
    cloakroom compare --from sqlite:sessions.db --to https://engine:9200 --json`
}

// compareResult is the command's members of the result.
type compareResult struct {
	From      *sideLine `json:"from"`
	To        *sideLine `json:"to"`
	Different int64     `json:"different"`
	Own       int64     `json:"own"` // only the target has, since they began there
	Seconds   float64   `json:"seconds"`
}

// Run compares.
func (c *compareCommand) Run(t *terminal) error {
	if err := c.check("from", "to"); err != nil {
		return err
	}
	from, err := c.openFrom(t, place.Look, toCompare)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	to, err := c.openTo(t, place.Look)
	if err != nil {
		return noStore(c.To, err, toCompare)
	}
	defer func() { _ = to.Close() }()
	if f, ok := from.(driver.Fencer); ok {
		if since, err := f.Fenced(t.ctx); err == nil && since.IsZero() {
			t.note("the source takes writes: what is written meanwhile, or was since it was copied, differs")
		}
	}
	found := &differences{t: t}
	p := t.progress("comparing", -1)
	begun := time.Now()
	m, err := transfer.New(transfer.Config{From: from, To: to, Found: found.add})
	var all transfer.Comparison
	if err == nil {
		all, err = m.Compare(t.ctx)
	}
	p.stop()
	r := compareResult{sideOf(all.From), sideOf(all.To), all.Different, all.Own, round(time.Since(begun).Seconds())}
	t.result(r)
	switch {
	case err != nil:
		return err
	case all.Different+all.Own > 0:
		return exitError{exitFindings, fmt.Errorf("they differ in %s: the source has %v, the target %v", counted(all.Different+all.Own, "id"), r.From, r.To)}
	case !t.json:
		t.say("Both have the same: %v.", r.From)
	}
	return nil
}
