package manual

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// This file is the completion script for fish.

const fishHead = `# Completion of %[1]s for fish, made by "%[1]s completion fish". To use it:
#     %[1]s completion fish > ~/.config/fish/completions/%[1]s.fish

complete -c %[1]s -f
`

func fish(app *kong.Application) string {
	var b strings.Builder
	fmt.Fprintf(&b, fishHead, app.Name)
	for _, n := range append([]*kong.Node{app.Node}, commands(app.Node)...) {
		at := fishAt(n)
		where := ""
		if at != "" {
			where = " -n " + fishQuoted(at)
		}
		if len(n.Children) > 0 {
			fmt.Fprintf(&b, "\n")
			before := "__fish_use_subcommand"
			if at != "" {
				before = at + "; and not __fish_seen_subcommand_from " + strings.Join(childNames(n), " ")
			}
			for _, c := range n.Children {
				if !c.Hidden {
					fmt.Fprintf(&b, "complete -c %s -n %s -a %s -d %s\n", app.Name, fishQuoted(before), c.Name, fishQuoted(firstSentence(c.Help)))
				}
			}
		}
		for _, f := range n.Flags {
			if f.Hidden {
				continue
			}
			fmt.Fprintf(&b, "complete -c %s%s -l %s%s -d %s\n", app.Name, where, f.Name, fishValue(f), fishQuoted(firstSentence(f.Help)))
		}
		for _, p := range n.Positional {
			switch list := choices(p); {
			case list != nil:
				fmt.Fprintf(&b, "complete -c %s%s -a %s\n", app.Name, where, fishQuoted(strings.Join(list, " ")))
			case isFile(p.Tag.PlaceHolder):
				fmt.Fprintf(&b, "complete -c %s%s -F\n", app.Name, where)
			}
		}
	}
	return b.String()
}

// fishAt is the condition that a command was given.
func fishAt(n *kong.Node) string {
	var all []string
	for _, w := range words(n) {
		all = append(all, "__fish_seen_subcommand_from "+w)
	}
	return strings.Join(all, "; and ")
}

// fishValue says whether a flag has a value, and how it is completed.
func fishValue(f *kong.Flag) string {
	if !takesValue(f) {
		return ""
	}
	switch list := choices(f.Value); {
	case list != nil:
		return " -x -a " + fishQuoted(strings.Join(list, " "))
	case isFile(f.PlaceHolder):
		return " -r -F"
	}
	return " -x"
}

func childNames(n *kong.Node) (all []string) {
	for _, c := range n.Children {
		if !c.Hidden {
			all = append(all, c.Name)
		}
	}
	return all
}

// fishQuoted returns a word for fish, between single quotes.
func fishQuoted(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}
