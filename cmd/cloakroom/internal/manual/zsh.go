package manual

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// This file is the completion script for zsh.

const zshHead = `#compdef %[1]s
# Completion of %[1]s for zsh, made by "%[1]s completion zsh". To use it, write it to a
# file _%[1]s in a folder of $fpath.

`

const zshTail = `
if [ "$funcstack[1]" = "_%[1]s" ]; then
	_%[1]s "$@"
else
	compdef _%[1]s %[1]s
fi
`

func zsh(app *kong.Application) string {
	var b strings.Builder
	fmt.Fprintf(&b, zshHead, app.Name)
	for _, n := range append(commands(app.Node), app.Node) {
		zshFunction(&b, app, n)
	}
	fmt.Fprintf(&b, zshTail, app.Name)
	return b.String()
}

// zshFunction writes the function that completes one command.
func zshFunction(b *strings.Builder, app *kong.Application, n *kong.Node) {
	fmt.Fprintf(b, "%s() {\n", zshName(app, n))
	if len(n.Children) > 0 {
		b.WriteString("\tlocal curcontext=\"$curcontext\" state line\n\ttypeset -A opt_args\n")
	}
	b.WriteString("\t_arguments -C")
	for _, f := range flags(n) {
		spec := fmt.Sprintf("--%s[%s]", f.Name, zshText(firstSentence(f.Help)))
		if takesValue(f) {
			spec = fmt.Sprintf("--%s=[%s]:%s:%s", f.Name, zshText(firstSentence(f.Help)), zshText(f.FormatPlaceHolder()), zshAction(f.Value, f.PlaceHolder))
		}
		fmt.Fprintf(b, " \\\n\t\t%s", quoted(spec))
	}
	for _, p := range n.Positional {
		many := ""
		if p.IsCumulative() {
			many = "*"
		}
		fmt.Fprintf(b, " \\\n\t\t%s", quoted(fmt.Sprintf("%s:%s:%s", many, zshText(p.Name), zshAction(p, p.Tag.PlaceHolder))))
	}
	if len(n.Children) == 0 {
		b.WriteString("\n}\n\n")
		return
	}
	b.WriteString(" \\\n\t\t'1: :->command' \\\n\t\t'*:: :->rest'\n\tcase $state in\n\tcommand)\n\t\tlocal -a list\n\t\tlist=(\n")
	for _, c := range n.Children {
		if !c.Hidden {
			fmt.Fprintf(b, "\t\t\t%s\n", quoted(c.Name+":"+firstSentence(c.Help)))
		}
	}
	b.WriteString("\t\t)\n\t\t_describe command list\n\t\t;;\n\trest)\n\t\tcase $words[1] in\n")
	for _, c := range n.Children {
		if !c.Hidden {
			fmt.Fprintf(b, "\t\t%s) %s ;;\n", c.Name, zshName(app, c))
		}
	}
	b.WriteString("\t\tesac\n\t\t;;\n\tesac\n}\n\n")
}

func zshName(app *kong.Application, n *kong.Node) string {
	return "_" + strings.Join(append([]string{app.Name}, words(n)...), "_")
}

// zshAction says how a value is completed.
func zshAction(v *kong.Value, placeholder string) string {
	switch list := choices(v); {
	case list != nil:
		return "(" + strings.Join(list, " ") + ")"
	case isFile(placeholder):
		return "_files"
	}
	return " "
}

// zshText escapes what has a meaning in the specifications of _arguments.
func zshText(s string) string {
	return strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`, ":", `\:`).Replace(s)
}

// quoted returns a word for a shell, between single quotes.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
