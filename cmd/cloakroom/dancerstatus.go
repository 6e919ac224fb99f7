package main

import (
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/human"
)

// This file is "cloakroom dancer status".

type dancerStatusCommand struct{ oldFlags }

// Help implements kong.HelpProvider.
func (*dancerStatusCommand) Help() string {
	return `Tells how many of the old module's documents are left, when imports end, and whether "cloakroom dancer purge" may delete the old index. Nothing is changed. Secrets and passwords are not shown.

Exit codes: 0 it is told; 1 config.yml can't be used, or the engine can't be asked; 2 the command line is wrong.

Examples:

    cloakroom dancer status --config config.yml`
}

// Run tells what is left.
func (c *dancerStatusCommand) Run(t *terminal) error {
	o, err := c.look(t.ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	if t.json {
		t.emit(o.line(now))
		return nil
	}
	say := func(name, format string, args ...any) {
		t.say("%-13s %s", name, human.Printable(fmt.Sprintf(format, args...)))
	}
	switch {
	case !o.state.Exists:
		say("Old index:", "%s isn't there: it was purged, or config.yml has another name", o.config.Index)
	default:
		say("Old index:", "%s; left: %s, of sessions that nobody has come with yet", o.config.Index, documents(o.state.Documents))
	}
	switch {
	case o.end.IsZero():
		say("Imports:", "none yet")
	case now.Before(o.end):
		say("Imports:", "go on until %s", moment(o.end))
	default:
		say("Imports:", "ended at %s", moment(o.end))
	}
	if why := o.kept(now); why != "" {
		say("Purge:", "not now: %s", why)
	} else {
		say("Purge:", "can delete the old index: cloakroom dancer purge --config %s", plain(c.Config))
	}
	return nil
}
