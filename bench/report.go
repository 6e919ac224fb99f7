package main

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// report is what a run leaves: the page, and beside it a folder with the raw
// results and the plots.
type report struct {
	options  options
	outcomes []*Outcome
	failed   []error
	machine  []fact
}

const folder = "benchmarks"

func (r report) write() error {
	dir := filepath.Join(r.options.out, folder)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for family, outcomes := range r.families() {
		if err := os.WriteFile(filepath.Join(dir, family+".txt"), rawResults(outcomes, r.machine), 0o644); err != nil {
			return err
		}
	}
	for _, o := range r.outcomes {
		if o.Case.Plot == nil {
			continue
		}
		if err := o.draw(filepath.Join(dir, plotFile(o.Case))); err != nil {
			return fmt.Errorf("plot of %s: %w", o.Case.Name, err)
		}
	}
	return os.WriteFile(filepath.Join(r.options.out, folder+".md"), r.page(), 0o644)
}

func (r report) families() map[string][]*Outcome {
	all := map[string][]*Outcome{}
	for _, o := range r.outcomes {
		family, _, _ := strings.Cut(o.Case.Name, "/")
		all[family] = append(all[family], o)
	}
	return all
}

func plotFile(c Case) string { return strings.ReplaceAll(c.Name, "/", "-") + ".svg" }

// page is the page in Markdown.
func (r report) page() []byte {
	var b bytes.Buffer
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("# Benchmarks\n")
	p("Made by `make bench`, in one run on one machine. Sides of a comparison take turns (A B A B and so on), so that what disturbs the")
	p("machine disturbs all alike; a ratio is of the two in one turn. The table has the median of %s and, in brackets, the least and the", turns(r.options.rounds))
	p("most. Clients, servers and engines share the machine's processors. Each case checks at its end that what it wrote is there.")
	if r.options.quick {
		p("\n**This was a quick run, which tries the harness: its numbers mean nothing.**")
	}
	if only := r.options.only.String(); only != "" {
		p("\nOnly cases that match `%s` were run.", only)
	}
	p("\nThe raw results, for `benchstat -col /side`, are in [%s](%s).\n", folder, folder)
	for _, f := range r.machine {
		p("- %s: %s", f.name, f.value)
	}
	for _, err := range r.failed {
		p("- **failed**: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	p("\n## Goals\n")
	p("| what | goal | least | measured | |")
	p("|---|---|---|---|---|")
	for _, o := range r.outcomes {
		for _, row := range o.Case.Rows {
			if !row.Goal.None {
				p("%s %s |", o.measured(row), o.verdict(row))
			}
		}
	}
	p("\n## Other comparisons\n")
	p("| what | goal | least | measured |")
	p("|---|---|---|---|")
	for _, o := range r.outcomes {
		for _, row := range o.Case.Rows {
			if row.Goal.None {
				p("%s", o.measured(row))
			}
		}
	}
	p("\n## All sides")
	for _, o := range r.outcomes {
		p("\n### %s\n", o.Case.Name)
		p("%s\n", o.Case.About)
		units := o.units()
		p("| side | %s | settings |", strings.Join(units, " | "))
		p("|---|%s---|", strings.Repeat("---|", len(units)))
		for _, s := range o.Sides {
			var cells []string
			for _, u := range units {
				cells = append(cells, o.cell(s.Name, u))
			}
			p("| %s | %s | %s |", s.Name, strings.Join(cells, " | "), s.Settings)
		}
		if o.Case.Plot != nil {
			p("\n![%s](%s/%s)", o.Case.Plot.Title, folder, plotFile(o.Case))
		}
	}
	return b.Bytes()
}

func turns(n int) string {
	if n == 1 {
		return "1 turn"
	}
	return fmt.Sprintf("%d turns", n)
}

// measured is a row of the table, but for the verdict.
func (o *Outcome) measured(row Row) string {
	values := o.sorted(row)
	sign := "×"
	if row.Kind == Alone {
		sign = ""
	}
	return fmt.Sprintf("| %s | %s | %s | %s%s [%s–%s] |", row.What, row.Kind.words(row.Goal, sign), row.Kind.words(row.Least, sign),
		number(median(values)), sign, number(values[0]), number(values[len(values)-1]))
}

func (o *Outcome) verdict(row Row) string {
	switch middle := median(o.sorted(row)); {
	case row.Kind.meets(row.Goal, middle):
		return "goal"
	case row.Kind.meets(row.Least, middle):
		return "least"
	}
	return "**missed**"
}

func (o *Outcome) sorted(row Row) []float64 {
	values, _ := o.values(row) // Case.run has looked at the error
	slices.Sort(values)
	return values
}

// words are a bound as the table has it.
func (k Kind) words(b Bound, sign string) string {
	signs := [2]string{"≥ ", "> "}
	if k.lessIsBetter() {
		signs = [2]string{"≤ ", "< "}
	}
	switch {
	case b.None:
		return ""
	case b.Strict:
		return signs[1] + number(b.Value) + sign
	}
	return signs[0] + number(b.Value) + sign
}

// units are the metrics of a case, the compared ones first.
func (o *Outcome) units() []string {
	seen := map[string]bool{}
	for _, round := range o.Rounds {
		for _, r := range round {
			for u := range r.Metrics {
				seen[u] = true
			}
		}
	}
	order := map[string]int{}
	for _, row := range o.Case.Rows {
		order[row.Unit] = -1
	}
	return slices.SortedFunc(maps.Keys(seen), func(a, b string) int {
		return cmp.Or(order[a]-order[b], strings.Compare(a, b))
	})
}

// all are a side's values of a unit, one of each round that has it, sorted.
func (o *Outcome) all(side, unit string) []float64 {
	var all []float64
	for _, round := range o.Rounds {
		if v, ok := round[side].Metrics[unit]; ok {
			all = append(all, v)
		}
	}
	slices.Sort(all)
	return all
}

func (o *Outcome) cell(side, unit string) string {
	all := o.all(side, unit)
	if len(all) == 0 {
		return ""
	}
	return number(median(all))
}

// median of sorted values.
func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// number has three digits, and all of those before the point.
func number(v float64) string {
	switch {
	case v >= 100 || v == float64(int64(v)):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}
