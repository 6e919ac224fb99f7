// Package manual writes what shells and man know of a command line, from its model:
// completion scripts for bash, zsh and fish, and a page for man.
package manual

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// This file is what all of them are made from: commands, and how their values are completed.

// Shells are the shells that Completion knows.
var Shells = []string{"bash", "zsh", "fish"}

// Completion returns the completion script of a shell.
func Completion(shell string, app *kong.Application) (string, error) {
	switch shell {
	case "bash":
		return bash(app), nil
	case "zsh":
		return zsh(app), nil
	case "fish":
		return fish(app), nil
	}
	return "", fmt.Errorf("the shell %q is not known: there are %s", shell, strings.Join(Shells, ", "))
}

// commands returns all commands below a node, groups of commands included.
func commands(n *kong.Node) (all []*kong.Node) {
	for _, c := range n.Children {
		if !c.Hidden {
			all = append(append(all, c), commands(c)...)
		}
	}
	return all
}

// words returns the names that lead to a command, without the program's.
func words(n *kong.Node) []string {
	if n.Parent == nil {
		return nil
	}
	return append(words(n.Parent), n.Name)
}

// flags returns the flags that a command takes, those of all commands last.
func flags(n *kong.Node) (all []*kong.Flag) {
	for _, level := range slices.Backward(n.AllFlags(true)) {
		all = append(all, level...)
	}
	return all
}

// takesValue reports whether a flag has a value.
func takesValue(f *kong.Flag) bool { return !f.IsBool() && !f.IsCounter() }

// choices returns the values that a flag or argument can have, if they are a few.
func choices(v *kong.Value) []string {
	if v.Enum == "" {
		return nil
	}
	list := v.EnumSlice()
	return slices.DeleteFunc(list, func(s string) bool { return s == "" })
}

// isFile reports whether a value is the path of a file.
func isFile(placeholder string) bool { return placeholder == "FILE" }

// firstSentence returns what help says first, without its full stop.
func firstSentence(help string) string {
	first, _, _ := strings.Cut(help, ". ")
	return strings.TrimSuffix(first, ".")
}
