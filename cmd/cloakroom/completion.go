package main

import (
	"strings"

	"github.com/alecthomas/kong"

	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/manual"
)

// This file is "cloakroom completion" and "cloakroom man".

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help implements kong.HelpProvider.
func (*completionCommand) Help() string {
	return `Prints a script that completes commands, flags and their values. It asks no store.

Examples:

    source <(cloakroom completion bash)
    cloakroom completion zsh > ~/.zsh/completions/_cloakroom
    cloakroom completion fish > ~/.config/fish/completions/cloakroom.fish`
}

// textLine is a text that is to be kept as it is, in JSON.
type textLine struct {
	Type string `json:"type"` // completion or man
	For  string `json:"for,omitempty"`
	Text string `json:"text"`
}

// Run prints the script.
func (c *completionCommand) Run(t *terminal, command *kong.Context) error {
	script, err := manual.Completion(c.Shell, command.Model)
	if err != nil {
		return err
	}
	t.text(textLine{"completion", c.Shell, script})
	return nil
}

type manCommand struct{}

// Help implements kong.HelpProvider.
func (*manCommand) Help() string {
	return `Examples:

    cloakroom man | man -l -
    cloakroom man > /usr/local/share/man/man1/cloakroom.1`
}

// Run prints the page.
func (*manCommand) Run(t *terminal, command *kong.Context) error { //nolint:unparam // kong wants an error
	t.text(textLine{"man", "", manual.Man(command.Model, programVersion())})
	return nil
}

// text answers with a text.
func (t *terminal) text(l textLine) {
	if t.json {
		t.emit(l)
		return
	}
	t.say("%s", strings.TrimSuffix(l.Text, "\n"))
}
