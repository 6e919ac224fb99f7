package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// This file is "cloakroom dancer purge".

type dancerPurgeCommand struct {
	oldFlags
	DryRun bool `name:"dry-run" help:"Tell what would be deleted, and delete nothing."`
	Yes    bool `help:"Delete without asking."`
}

// Help implements kong.HelpProvider.
func (*dancerPurgeCommand) Help() string {
	return `Deletes the old module's index with all that is left in it, once imports have ended. The end is the one that the store keeps: the earliest that any process of the application had. New sessions are left alone. It asks before, and the default is No. Without a terminal it needs --yes. Secrets and passwords are not shown.

Exit codes: 0 the index is deleted, or isn't there, or --dry-run finds that it can be; 1 nothing was deleted, and why is told, or the engine failed; 2 the command line is wrong, and nothing is answered.`
}

// purgeResult is the command's result.
type purgeResult struct {
	Type      string `json:"type"` // result
	OK        bool   `json:"ok"`
	Deleted   bool   `json:"deleted"`
	Documents int64  `json:"documents"` // that went with it, or would
	DryRun    bool   `json:"dryRun"`
}

// Run deletes the old index.
func (c *dancerPurgeCommand) Run(t *terminal) error {
	if !c.Yes && !c.DryRun && !t.interactive() {
		return usageError{errors.New("there is no terminal to ask at: give --yes, or --dry-run to see what would be deleted")}
	}
	r := purgeResult{Type: "result", DryRun: c.DryRun}
	o, err := c.look(t.ctx)
	if err == nil && c.JSON {
		t.emit(o.line(time.Now()))
	}
	if err == nil {
		err = c.purge(t, o, &r)
	}
	if err != nil {
		return c.failOld(t, err, r)
	}
	if c.JSON {
		r.OK = true
		t.emit(r)
	}
	return nil
}

// purge deletes the old index, if that may be and is wanted. It tells people what it did.
func (c *dancerPurgeCommand) purge(t *terminal, o *oldSessions, r *purgeResult) error {
	say := func(format string, args ...any) {
		if !c.JSON {
			t.say("%s", harmless(fmt.Sprintf(format, args...)))
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
		if err := t.confirm("Delete " + what + "? There is no way back."); err != nil {
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

// interactive reports whether somebody can answer at the standard input.
func (t *terminal) interactive() bool {
	f, ok := t.stdin.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// confirm asks for a yes. All else is an error. It asks on the error output, as the
// standard output may be for a program.
func (t *terminal) confirm(question string) error {
	_, _ = fmt.Fprintf(t.stderr, "%s [y/N] ", harmless(question))
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	select {
	case l := <-readLines(ctx, t.stdin):
		if answer := strings.ToLower(strings.TrimSpace(l.text)); l.err == nil && (answer == "y" || answer == "yes") {
			return nil
		}
		return errors.New("nothing was deleted: the answer wasn't yes")
	case <-t.ctx.Done():
		return errors.New("nothing was deleted: stopped before an answer")
	}
}
