package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// This file tests what holds for all commands: their errors, their results, and the page
// that describes them.

var update = flag.Bool("update", false, "write docs/command-line.md anew")

// model returns the model of the command line.
func model(t *testing.T) *kong.Application {
	t.Helper()
	parser, err := newParser(new(commands))
	if err != nil {
		t.Fatal(err)
	}
	return parser.Model
}

// path returns the names that lead to a command.
func path(n *kong.Node) []string {
	if n.Parent == nil {
		return nil
	}
	return append(path(n.Parent), n.Name)
}

// TestUnknownArguments: no command does anything with arguments that it doesn't know. An
// answer in JSON ends with the result.
func TestUnknownArguments(t *testing.T) {
	noVariables(t)
	t.Chdir(t.TempDir())
	for _, n := range model(t).Leaves(false) {
		for _, wrong := range [][]string{{"--", "help"}, {"--nonsense"}, {"--", "--yes"}, {"a", "b", "c", "d"}} {
			if wrong[0] == "--" && len(n.Positional) > 0 && n.Positional[0].Tag.PlaceHolder == "FILE" {
				continue // it is the path of a file
			}
			args := append(append(path(n), "--json"), wrong...)
			exit, stdout, stderr := command(t, "", args...)
			if exit != exitUsage || stderr != "" {
				t.Errorf("%q: exit %d: %s", args, exit, stderr)
			}
			all := objects(t, stdout)
			if last := all[len(all)-1]; last["exit"] != float64(exit) || last["ok"] != false || all[0]["type"] != "error" {
				t.Errorf("%q: %s", args, stdout)
			}
		}
	}
}

// TestHelpOfAll: every command and every flag is described, and every command of ours that
// isn't obvious has an example.
func TestHelpOfAll(t *testing.T) {
	for _, n := range model(t).Leaves(false) {
		name := strings.Join(path(n), " ")
		if n.Help == "" {
			t.Errorf("%s has no help", name)
		}
		if n.Name != "version" && !strings.Contains(n.Detail, "    cloakroom "+name) {
			t.Errorf("%s has no example", name)
		}
		for _, level := range n.AllFlags(true) {
			for _, f := range level {
				if f.Help == "" || !f.IsBool() && f.PlaceHolder == "" {
					t.Errorf("%s --%s has no help, or no name for its value", name, f.Name)
				}
			}
		}
	}
}

// brokenOutput is an output on which nothing can be written.
type brokenOutput struct{}

func (brokenOutput) Write([]byte) (int, error) { return 0, errors.New("the disk is full") }

// TestOutputThatBreaks: an answer that can't be written is a failure.
func TestOutputThatBreaks(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"version", "--json"}, {"completion", "bash"}} {
		var stderr bytes.Buffer
		exit := run(t.Context(), args, strings.NewReader(""), brokenOutput{}, &stderr)
		if exit != exitFailed || args[len(args)-1] != "--json" && stderr.String() != "cloakroom: writing the answer: the disk is full\n" {
			t.Errorf("%q: exit %d: %s", args, exit, &stderr)
		}
	}
}

// TestExitCodes: each error has its code.
func TestExitCodes(t *testing.T) {
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for _, c := range []struct {
		ctx  context.Context
		err  error
		want int
	}{
		{t.Context(), nil, 0},
		{stopped, nil, 0}, // it was done before
		{t.Context(), errors.New("x"), 1},
		{t.Context(), context.Canceled, 1},
		{t.Context(), misuse("x"), 2},
		{stopped, misuse("x"), 2},
		{t.Context(), fmt.Errorf("x: %w", exitError{exitPartial, errors.New("y")}), 3},
		{t.Context(), told(exitFindings), 4},
		{t.Context(), notFound(errors.New("x")), 5},
		{stopped, context.Canceled, 130},
		{stopped, fmt.Errorf("x: %w", context.Canceled), 130},
		{stopped, exitError{exitPartial, errors.New("y")}, 130},
	} {
		if got := exitCode(c.ctx, c.err); got != c.want {
			t.Errorf("%v: %d, want %d", c.err, got, c.want)
		}
	}
}

// TestResult: the result has the command's own members beside those of all.
func TestResult(t *testing.T) {
	for _, c := range []struct {
		own  any
		want string
	}{
		{nil, `{"type":"result","ok":false,"exit":3}`},
		{struct{}{}, `{"type":"result","ok":false,"exit":3}`},
		{struct{ N int }{1}, `{"type":"result","ok":false,"exit":3,"N":1}`},
	} {
		var b bytes.Buffer
		term := &terminal{stdout: &output{w: &b}, own: c.own}
		if term.emitResult(3); b.String() != c.want+"\n" {
			t.Errorf("%s, want %s", &b, c.want)
		}
	}
}

// everywhere matches the flags that all commands have, in their help.
var everywhere = regexp.MustCompile(`(?m)^  -h, --help .*\n( {7,}.*\n)*( +--json .*\n( {15,}.*\n)*)( +--no-progress .*\n( {15,}.*\n)*)\n?`)

// TestCommandLinePage holds docs/command-line.md to the commands' help.
func TestCommandLinePage(t *testing.T) {
	const file = "../../docs/command-line.md"
	const begin, end = "<!-- Made of the commands' help: go test ./cmd/cloakroom -run TestCommandLinePage -update -->\n", "<!-- Up to here. -->\n"
	t.Setenv("COLUMNS", "90")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatal("the marks of the part that is made are missing")
	}
	var made strings.Builder
	for _, n := range model(t).Leaves(true) {
		exit, stdout, stderr := command(t, "", append(path(n), "--help")...)
		if exit != exitOK || stderr != "" {
			t.Errorf("%s: exit %d %s", n.Name, exit, stderr)
		}
		// What is the same everywhere is told once, above.
		stdout, _, _ = strings.Cut(stdout, "\nThe store:\n")
		stdout, _, _ = strings.Cut(stdout, "\nThe login at an engine:\n")
		stdout = everywhere.ReplaceAllString(stdout, "")
		fmt.Fprintf(&made, "\n### cloakroom %s\n\n```\n%s```\n", strings.Join(path(n), " "), stdout)
	}
	made.WriteString("\n")
	want := before + begin + made.String() + end + after
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(text) != want {
		t.Errorf("%s isn't what the commands say: write it anew with -update, and look at the difference", file)
	}
}
