package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// This file is the command line: it finds the command that is asked for, runs it, and tells
// its error and its result.

// commands is the command line.
type commands struct {
	outputFlags

	Demo   demoCommand    `cmd:"" group:"try" help:"A small shop to look behind: sessions, and what they cost."`
	Dancer dancerCommands `cmd:"" group:"move" help:"From Dancer::Session::ElasticSearch: its config.yml, cookies and index."`

	Ls    lsCommand    `cmd:"" group:"look" help:"List sessions."`
	Show  showCommand  `cmd:"" group:"look" help:"Show a session."`
	Top   topCommand   `cmd:"" group:"look" help:"The biggest sessions, and the principals with most."`
	Stats statsCommand `cmd:"" group:"look" help:"Count sessions, also live in the terminal."`

	Console consoleCommand `cmd:"" group:"look" help:"Serve the operators' page of a store, to this machine alone."`

	Revoke revokeCommand `cmd:"" group:"end" help:"End sessions: by id, of a principal, or those that flags select."`

	Doctor doctorCommand  `cmd:"" group:"tend" help:"Check a store and its configuration, and tell remedies."`
	Setup  setupCommand   `cmd:"" group:"tend" help:"Make a store, or see what would be made."`
	Ledger ledgerCommands `cmd:"" group:"tend" help:"Look after ledgers, which say who is signed in where."`
	Sweep  sweepCommand   `cmd:"" group:"tend" help:"End the sessions that are over, and remove what is past its deadline."`

	Copy    copyCommand    `cmd:"" group:"stores" help:"Copy a store into another beside the application, and cut over."`
	Compare compareCommand `cmd:"" group:"stores" help:"Compare everything that two stores keep."`

	Key   keyCommands   `cmd:"" group:"keys" help:"Make and rotate keys."`
	Token tokenCommands `cmd:"" group:"keys" help:"Look at tokens."`

	Completion completionCommand `cmd:"" group:"more" help:"Print a completion script for a shell."`
	Man        manCommand        `cmd:"" group:"more" help:"Print the page for man."`
	Version    versionCommand    `cmd:"" group:"more" help:"Print the version."`
}

// outputFlags are the flags of all commands.
type outputFlags struct {
	JSON       bool `name:"json" help:"Answer in JSON: an object a line, each with a type, the last of type result."`
	NoProgress bool `help:"Show no progress on the error output."`
}

// groups are the headings of help.
var groups = []kong.Group{
	{Key: "try", Title: "To try it:"},
	{Key: "move", Title: "From other libraries:"},
	{Key: "look", Title: "To look at sessions:"},
	{Key: "end", Title: "To end sessions:"},
	{Key: "tend", Title: "To tend a store:"},
	{Key: "stores", Title: "To move to another store:"},
	{Key: "keys", Title: "Keys and tokens, without a store:"},
	{Key: "more", Title: "More:"},
	{Key: "manager", Title: "The application's manager, as far as its configuration is to be judged:"},
	{Key: "engine", Title: "Settings of an engine's store, which are kept in its index template:"},
	{Key: "filter", Title: "Which sessions:"},
	{Key: "store", Title: "The store:"},
	{Key: "ends", Title: "The stores:"},
	{Key: "login", Title: "The login at an engine:"},
}

// Help implements kong.HelpProvider.
func (*commands) Help() string {
	return `A store is named by --store or $CLOAKROOM_STORE. Secrets come from files and the environment, and are never shown.

Exit codes:

    0    it is done
    1    it failed
    2    the command line is wrong, and nothing was done
    3    it is done in part
    4    it found something that needs a remedy
    5    what it was asked for isn't there
    130  it was interrupted; what goes on until then, as demo and console, ends with 0

There may be more in a later version: take any other code for a failure.`
}

// newParser returns the parser of the command line.
func newParser(c *commands, options ...kong.Option) (*kong.Kong, error) {
	return kong.New(c, append([]kong.Option{
		kong.Name("cloakroom"),
		kong.Description("Shows and tends sessions of the Go package cloakroom."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, WrapUpperBound: 90}),
		kong.ExplicitGroups(groups),
	}, options...)...)
}

// run runs the command that args ask for until it is done or the context ends,
// and returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	t := &terminal{ctx: ctx, args: args, stdin: stdin, stdout: &output{w: stdout}, stderr: stderr, json: wantsJSON(args)}
	var c commands
	helped := false
	parser, err := newParser(&c,
		kong.Writers(t.stdout, stderr),
		kong.Exit(func(int) { helped = true }), // kong goes on after Exit
	)
	if err != nil { // a mistake in the type commands
		return t.end(err)
	}
	command, err := parser.Parse(args)
	switch {
	case helped:
		return exitOK
	case err != nil:
		return t.end(usageError{errors.New(err.Error() + dashed(args)), hint(err)})
	}
	t.json, t.quiet = c.JSON, c.NoProgress
	t.command = command.Command()
	return t.end(command.Run(t))
}

// wantsJSON reports whether --json is among the arguments, for errors of the others.
func wantsJSON(args []string) bool {
	if i := slices.Index(args, "--"); i >= 0 {
		args = args[:i]
	}
	return slices.Contains(args, "--json") || slices.Contains(args, "--json=true")
}

// hint names the command that shows help.
func hint(err error) string {
	command := "cloakroom"
	if p, ok := errors.AsType[*kong.ParseError](err); ok && p.Context != nil && p.Context.Command() != "" {
		words, _, _ := strings.Cut(p.Context.Command(), " <") // arguments come last
		command += " " + words
	}
	return `Run "` + command + ` --help" to see what can be given.`
}

// flagNamed returns a flag of the command line.
func flagNamed(c *kong.Context, name string) *kong.Flag {
	for _, p := range c.Path {
		if p.Flag != nil && p.Flag.Name == name {
			return p.Flag
		}
	}
	return nil
}

// given returns the names of the flags on the command line.
func given(c *kong.Context) []string {
	var names []string
	for _, p := range c.Path {
		if p.Flag != nil {
			names = append(names, p.Flag.Name)
		}
	}
	return names
}
