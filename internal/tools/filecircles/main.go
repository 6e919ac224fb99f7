// Command filecircles measures the references between the files of a Go package.
//
// File A refers to file B if A uses a function, type, method, field, constant or
// variable that B declares. Files that reach each other this way are a circle: none of
// them can be understood, moved or tested without all others. Test files don't count,
// since nothing depends on them.
//
//	filecircles -max-circle 6 -max-lines 400 .
//	filecircles -apart store,record ./driver ./internal/protocol
//
// It prints the circles of each package, and with -v the references that make
// them. Exit code 1 means that a limit is exceeded, 2 that nothing was measured.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
)

// This file is the command: its flags, its limits and its report.

func main() {
	var report, problems strings.Builder
	code := run(".", os.Args[1:], &report, &problems)
	if _, err := os.Stdout.WriteString(report.String()); err != nil {
		fmt.Fprintln(os.Stderr, "filecircles:", err)
		code = 2
	}
	fmt.Fprint(os.Stderr, problems.String())
	os.Exit(code)
}

// limits bound a package; 0 means no limit.
type limits struct {
	circle int      // files in a circle
	lines  int      // lines of a file
	apart  []string // base names, without .go, of files that must be in no circle
}

// run measures and judges, and returns the exit code.
func run(dir string, args []string, report, problems *strings.Builder) int {
	flags := flag.NewFlagSet("filecircles", flag.ContinueOnError)
	flags.SetOutput(problems)
	flags.Usage = func() {
		fmt.Fprintln(problems, "usage: filecircles [-max-circle n] [-max-lines n] [-apart name,name] [-v] package...")
		flags.PrintDefaults()
	}
	maxCircle := flags.Int("max-circle", 0, "most files that a circle may have; 1 allows no circle, 0 any")
	maxLines := flags.Int("max-lines", 0, "most lines that a file may have that isn't generated; 0 allows any")
	apart := flags.String("apart", "", "base names, without .go, of files that may not be in a circle")
	verbose := flags.Bool("v", false, "print the references that make the circles")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() == 0 || *maxCircle < 0 || *maxLines < 0 {
		flags.Usage()
		return 2
	}
	allowed := limits{circle: *maxCircle, lines: *maxLines}
	if *apart != "" {
		allowed.apart = strings.Split(*apart, ",")
	}

	pkgs, err := load(dir, flags.Args())
	if err == nil {
		err = allowed.known(pkgs)
	}
	if err != nil {
		fmt.Fprintln(problems, "filecircles:", err)
		return 2
	}

	code := 0
	for _, p := range pkgs {
		found := circles(p.refs)
		show(report, p, found, *verbose)
		for _, problem := range allowed.exceeded(p, found) {
			fmt.Fprintf(problems, "filecircles: %s: %s\n", p.path, problem)
			code = 1
		}
	}
	return code
}

// known returns an error for names to keep apart that no file has: a limit on a renamed
// file would hold for ever.
func (l limits) known(pkgs []*pkg) error {
	for _, name := range l.apart {
		if !slices.ContainsFunc(pkgs, func(p *pkg) bool { _, ok := p.lines[name+".go"]; return ok }) {
			return fmt.Errorf("-apart %s: no package has a file %s.go", name, name)
		}
	}
	return nil
}

// exceeded returns the limits that a package exceeds.
func (l limits) exceeded(p *pkg, found [][]string) []string {
	var problems []string
	for _, circle := range found {
		if l.circle > 0 && len(circle) > l.circle {
			problems = append(problems, fmt.Sprintf("a circle has %d files, more than %d (-v prints its references): %s",
				len(circle), l.circle, strings.Join(circle, " ")))
		}
		for _, name := range l.apart {
			if slices.Contains(circle, name+".go") {
				problems = append(problems, fmt.Sprintf("%s.go is to stay out of circles (-v prints the references), and is in one: %s",
					name, strings.Join(circle, " ")))
			}
		}
	}
	for _, file := range p.files() {
		if n := p.lines[file]; l.lines > 0 && n > l.lines {
			problems = append(problems, fmt.Sprintf("%s has %d lines, more than %d", file, n, l.lines))
		}
	}
	return problems
}

// show prints a package's circles, the largest first. A reference's line ends with the
// size of the circle that would be left without it: those that break a circle best come
// first.
func show(w *strings.Builder, p *pkg, found [][]string, verbose bool) {
	fmt.Fprintf(w, "%s: %d files, ", p.path, len(p.lines))
	if len(found) == 0 {
		fmt.Fprintln(w, "no circle")
		return
	}
	fmt.Fprintf(w, "largest circle %d\n", len(found[0]))
	for _, circle := range found {
		fmt.Fprintf(w, "  %d: %s\n", len(circle), strings.Join(circle, " "))
		if !verbose {
			continue
		}
		for _, e := range breaking(p.refs, circle) {
			fmt.Fprintf(w, "    %s -> %s (without: %d)\n", e.from, e.to, e.left)
			for _, u := range p.refs[e.from][e.to] {
				fmt.Fprintf(w, "      %s, %d× from line %d on\n", u.name, u.times, u.line)
			}
		}
	}
}
