package manual

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// This file is the page for man.

// Man returns the page of a program for man, in section 1. version stands in its foot.
func Man(app *kong.Application, version string) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".\\\" Made by %q.\n", app.Name+" man")
	fmt.Fprintf(&b, ".TH %s 1 \"\" %s \"\"\n", strings.ToUpper(app.Name), manQuoted(app.Name+" "+version))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", app.Name, manText(strings.ToLower(app.Help[:1])+strings.TrimSuffix(app.Help[1:], ".")))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n.I command\n[\\fIflags\\fR]\n", app.Name)
	b.WriteString(".SH DESCRIPTION\n")
	manDetail(&b, app.Detail)
	manFlags(&b, app.Flags)
	b.WriteString(".SH COMMANDS\n")
	for _, n := range commands(app.Node) {
		if len(n.Children) > 0 {
			continue
		}
		fmt.Fprintf(&b, ".SS %s\n", manQuoted(app.Name+" "+n.Summary()))
		fmt.Fprintf(&b, "%s\n", manText(n.Help))
		if n.Detail != "" {
			b.WriteString(".PP\n")
			manDetail(&b, n.Detail)
		}
		for _, p := range n.Positional {
			fmt.Fprintf(&b, ".TP\n\\fI%s\\fR\n%s\n", manText(p.Summary()), manText(kong.DefaultHelpValueFormatter(p)))
		}
		for p := n; p.Parent != nil; p = p.Parent { // those of the root are told once
			manFlags(&b, p.Flags)
		}
	}
	return b.String()
}

func manFlags(b *strings.Builder, flags []*kong.Flag) {
	for _, f := range flags {
		if f.Hidden {
			continue
		}
		fmt.Fprintf(b, ".TP\n\\fB%s\\fR", manText("--"+f.Name))
		if takesValue(f) {
			fmt.Fprintf(b, "=\\fI%s\\fR", manText(f.FormatPlaceHolder()))
		}
		fmt.Fprintf(b, "\n%s\n", manText(kong.DefaultHelpValueFormatter(f.Value)))
	}
}

// manDetail writes paragraphs. Lines that are indented are examples, and stay as they are.
func manDetail(b *strings.Builder, text string) {
	for i, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		switch example := strings.HasPrefix(paragraph, "    "); {
		case example:
			fmt.Fprintf(b, ".RS 4\n.nf\n%s\n.fi\n.RE\n", manText(strings.ReplaceAll(strings.TrimPrefix(paragraph, "    "), "\n    ", "\n")))
		default:
			if i > 0 {
				b.WriteString(".PP\n")
			}
			fmt.Fprintf(b, "%s\n", manText(paragraph))
		}
	}
}

// manText escapes what roff would obey.
func manText(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}

// manQuoted returns an argument of a request.
func manQuoted(s string) string { return `"` + strings.ReplaceAll(manText(s), `"`, `\(dq`) + `"` }
