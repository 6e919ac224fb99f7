package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/human"
)

// This file is "cloakroom dancer purge".

type dancerPurgeCommand struct {
	oldFlags
	asker
}

// Help implements kong.HelpProvider.
func (*dancerPurgeCommand) Help() string {
	return `Deletes the old module's index with all that is left in it, once imports have ended. The end is the one that the store keeps: the earliest that any process of the application had. New sessions are left alone. It asks before, and the default is No. Without a terminal it needs --yes. Secrets and passwords are not shown.

Exit codes: 0 the index is deleted, or isn't there, or --dry-run finds that it can be; 1 nothing was deleted, and why is told, or the engine failed; 2 the command line is wrong, and nothing was deleted; 130 it was interrupted.

Examples:

    cloakroom dancer purge --config config.yml --dry-run
    cloakroom dancer purge --config config.yml`
}

// purgeResult is the command's result.
type purgeResult struct {
	Deleted   bool  `json:"deleted"`
	Documents int64 `json:"documents"` // that went with it, or would
	DryRun    bool  `json:"dryRun"`
}

// Run deletes the old index.
func (c *dancerPurgeCommand) Run(t *terminal) error {
	if err := c.ready(t); err != nil {
		return err
	}
	r := purgeResult{DryRun: c.DryRun}
	o, err := c.look(t.ctx)
	if err == nil && t.json {
		t.emit(o.line(time.Now()))
	}
	if err == nil {
		err = c.purge(t, o, &r)
	}
	t.result(r)
	return err
}

// purge deletes the old index, if that may be and is wanted. It tells people what it did.
func (c *dancerPurgeCommand) purge(t *terminal, o *oldSessions, r *purgeResult) error {
	say := func(format string, args ...any) {
		if !t.json {
			t.say("%s", human.Printable(fmt.Sprintf(format, args...)))
		}
	}
	name := o.config.Index
	if !o.state.Exists {
		say("There is no index %q: nothing is left to delete.", name)
		return nil
	}
	if why := o.kept(time.Now()); why != "" {
		return fmt.Errorf("the index %q is not deleted: %s", name, why)
	}
	what := fmt.Sprintf("the index %q with %s, at %s", name, documents(o.state.Documents), strings.Join(o.config.Servers, ", "))
	if c.DryRun {
		r.Documents = o.state.Documents
		say("It would delete %s. Nothing was deleted.", what)
		return nil
	}
	if !c.Yes {
		if err := t.confirm("Delete "+what+"? There is no way back.", "nothing was deleted"); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(t.ctx, oldPatience)
	defer cancel()
	if err := o.index.Delete(ctx); err != nil {
		return err
	}
	r.Deleted, r.Documents = true, o.state.Documents
	say("Deleted %s.", what)
	return nil
}
