package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/alecthomas/kong"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the command line: it runs commands, tells their errors without secrets,
// and gives the exit code.

// commands is the command line.
type commands struct {
	Demo   demoCommand    `cmd:"" help:"A small shop to look behind: sessions, and what they cost."`
	Dancer dancerCommands `cmd:"" help:"From Dancer::Session::ElasticSearch: its config.yml, cookies and index."`
}

// terminal is a command's arguments, input and outputs, and the context that ends it.
type terminal struct {
	ctx            context.Context //nolint:containedctx // kong hands commands one value
	args           []string
	stdin          io.Reader
	stdout, stderr io.Writer
}

// say tells the user something. It ignores errors: without a listener the command goes
// on.
func (t *terminal) say(format string, args ...any) {
	_, _ = fmt.Fprintf(t.stdout, format+"\n", args...)
}

// warn tells the user of a problem.
func (t *terminal) warn(format string, args ...any) {
	_, _ = fmt.Fprintf(t.stderr, format+"\n", args...)
}

// logger returns a logger to the terminal's error output.
func (t *terminal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(t.stderr, nil)) }

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// run runs the command that args ask for until it is done or the context ends,
// and returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	t := &terminal{ctx, args, stdin, stdout, stderr}
	var c commands
	helped := false
	parser, err := kong.New(&c,
		kong.Name("cloakroom"),
		kong.Description("Shows and tends sessions of the Go package cloakroom."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { helped = true }), // kong goes on after Exit
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 90}),
	)
	if err != nil { // a mistake in the type commands
		t.warn("cloakroom: %v", err)
		return exitFailed
	}
	command, err := parser.Parse(args)
	if helped {
		return exitOK
	}
	if err != nil {
		t.warn("cloakroom: %s\n%s", harmless(hide(args, err.Error())), hint(err))
		return exitUsage
	}
	err = command.Run(t)
	switch {
	case err == nil:
	case errors.Is(err, errTold):
		return exitFailed
	case ctx.Err() != nil && errors.Is(err, context.Canceled): // stopped before it began
	default:
		t.warn("cloakroom: %s", harmless(hide(args, err.Error())))
		if _, ok := errors.AsType[usageError](err); ok {
			return exitUsage
		}
		return exitFailed
	}
	return exitOK
}

// usageError is the error of a flag whose value makes no sense.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// errTold is the error of a command that has told the problem itself.
var errTold = errors.New("it was told")

// hint names the command that shows help.
func hint(err error) string {
	command := "cloakroom"
	if p, ok := errors.AsType[*kong.ParseError](err); ok && p.Context != nil && p.Context.Command() != "" {
		words, _, _ := strings.Cut(p.Context.Command(), " <") // arguments come last
		command += " " + words
	}
	return `Run "` + command + ` --help" to see what can be given.`
}

// fromEnv matches the parser's mention of a variable, with all of its value.
var fromEnv = regexp.MustCompile(`(?s)\(from envar (\w+)=".*"\)`)

// unexpected matches the parser's mention of an argument that no command takes.
var unexpected = regexp.MustCompile(`(?s)unexpected argument .*`)

// hide takes possible passwords out of a message: the values of environment variables,
// and URLs and cookies that were put in the wrong place.
func hide(args []string, message string) string {
	message = strings.ReplaceAll(message, "expected value value", "expected a value") // the parser's name for a type that it doesn't know
	message = fromEnv.ReplaceAllString(message, "(in $$$1)")
	if slices.Contains(args, "verify") {
		message = unexpected.ReplaceAllString(message, "unexpected argument (not shown): values are read from the standard input")
	}
	for _, a := range args {
		if !strings.Contains(a, "@") && !strings.Contains(a, "://") {
			continue
		}
		_, value, _ := strings.Cut(a, "=")
		for _, s := range []string{a, value} {
			if s == "" {
				continue
			}
			quoted := fmt.Sprintf("%q", s)
			message = strings.ReplaceAll(message, quoted, "(not shown)")
			message = strings.ReplaceAll(message, s, "(not shown)")
			message = strings.ReplaceAll(message, quoted[1:len(quoted)-1], "(not shown)")
		}
	}
	return message
}

// harmless escapes control characters, so that a terminal doesn't obey them.
func harmless(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		quoted := fmt.Sprintf("%+q", r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

// duration is a length of time on the command line: as in Go, and with d for
// days.
type duration time.Duration

const (
	day      = 24 * time.Hour
	shortest = time.Second
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if days, ok := strings.CutSuffix(string(text), "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		n = min(n, 1000) // keeps a time.Duration from overflowing
		v = time.Duration(n) * day
		if errors.Is(err, strconv.ErrRange) {
			err = nil
		}
	}
	switch {
	case err != nil:
		return fmt.Errorf("%q is no duration: give one such as 90s, 30m, 12h or 7d", text)
	case v < shortest:
		return fmt.Errorf("%q is too short: at least %v is needed", text, shortest)
	case v > cloakroom.MaxLifetime:
		return fmt.Errorf("%q is too long: at most %dd is allowed", text, cloakroom.MaxLifetime/day)
	}
	*d = duration(v)
	return nil
}
