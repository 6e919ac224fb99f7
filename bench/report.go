package main

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// This file writes the page.

// report is the results of a run: the page, and beside it a folder with the raw results
// and the plots.
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

// page returns the page in Markdown.
func (r report) page() []byte {
	p := &page{}
	p.line("# Benchmarks\n")
	p.line("Made by `make bench`, in one run on one machine. Sides of a comparison take turns (A B C, B C A and so on), so that what disturbs")
	p.line("the machine disturbs all alike; a ratio is of the two in one turn. The tables have the median of up to %s and, in brackets, the least", turns(r.options.rounds))
	p.line("and the most. Before them come rounds that don't count, in which caches fill and the engine compiles what is used much, until its")
	p.line("compiler has next to nothing to do or a limit is reached. With the engine come its processor time for each operation, without")
	p.line("and of its compiler, and the share of all processors that was idle; rows have the first and the last in brackets, of the best side. Clients,")
	p.line("servers and engines share the machine's processors. Each case checks at its end that what it wrote is there.")
	if r.options.quick {
		p.line("\n**This was a quick run, which tries the harness: its numbers mean nothing.**")
	}
	if only := r.options.only.String(); only != "" {
		p.line("\nOnly cases that match `%s` were run.", only)
	}
	p.line("")
	for _, f := range r.machine {
		p.line("- %s: %s", f.name, f.value)
	}
	for _, err := range r.failed {
		p.line("- **failed**: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	p.line("\n## Goals\n")
	p.rows(r.outcomes, true, func(_ *Outcome, row Row) bool { return !row.Goal.None })
	p.line("\n## Where a peer wins\n")
	p.line("Every row in which what is compared with comes out ahead, be it a peer, the engine's own limit or our own store under easier")
	p.line("conditions, and every row that missed its least.\n")
	p.rows(r.outcomes, true, (*Outcome).behind)
	p.line("\n## Other comparisons\n")
	p.rows(r.outcomes, false, func(_ *Outcome, row Row) bool { return row.Goal.None })
	r.favours(p)
	r.links(p)
	p.line("\n## How the sides are set up\n")
	p.line("With how much durability each answers, and the settings that matter to it. Where a setting can be asked for, the run asks,")
	p.line("and fails if it is not what is said here.\n")
	p.line("| sides | settings |")
	p.line("|---|---|")
	for _, s := range r.setUps() {
		p.line("| %s | %s |", strings.Join(s.sides, "; "), s.settings)
	}
	p.line("\n## All sides")
	for _, o := range r.outcomes {
		p.sides(o)
	}
	return p.Bytes()
}

// links writes the links to the plots and the raw results.
func (r report) links(p *page) {
	p.line("\n## Plots\n")
	for _, o := range r.outcomes {
		if o.Case.Plot != nil {
			p.line("- [%s](%s/%s): %s by %s", o.Case.Plot.Title, folder, plotFile(o.Case), o.Case.Plot.Y, o.Case.Plot.X)
		}
	}
	p.line("\n## Raw results\n")
	p.line("A line for each side and turn, for `benchstat -col /side`:\n")
	for _, family := range slices.Sorted(maps.Keys(r.families())) {
		p.line("- [%s](%s/%s.txt)", family, folder, family)
	}
}

// setUp is settings and the sides that have them, with a text for each family.
type setUp struct {
	settings string
	sides    []string
}

func (r report) setUps() (all []setUp) {
	seen := map[[3]string]bool{}
	for _, o := range r.outcomes {
		family, _, _ := strings.Cut(o.Case.Name, "/")
		for _, s := range o.Sides {
			name := cmp.Or(s.Series, s.Name)
			key := [3]string{s.Settings, family, name}
			if seen[key] {
				continue
			}
			seen[key] = true
			i := slices.IndexFunc(all, func(u setUp) bool { return u.settings == s.Settings })
			if i < 0 {
				i = len(all)
				all = append(all, setUp{settings: s.Settings})
			}
			sides := &all[i].sides
			if n := len(*sides); n > 0 && strings.HasPrefix((*sides)[n-1], family+": ") {
				(*sides)[n-1] += ", " + name
			} else {
				*sides = append(*sides, family+": "+name)
			}
		}
	}
	return all
}

// page is text that is written line by line.
type page struct{ bytes.Buffer }

func (p *page) line(format string, args ...any) { _, _ = fmt.Fprintf(p, format+"\n", args...) }

// rows writes a table of the wanted rows, with or without goals.
func (p *page) rows(outcomes []*Outcome, goals bool, wanted func(*Outcome, Row) bool) {
	var table []string
	for _, o := range outcomes {
		for _, row := range o.Case.Rows {
			switch {
			case !wanted(o, row):
			case goals:
				table = append(table, fmt.Sprintf("| %s | %s | %s | %s | %s |", row.What, row.bound(row.Goal), row.bound(row.Least), o.measured(row), o.verdict(row)))
			default:
				table = append(table, fmt.Sprintf("| %s | %s |", row.What, o.measured(row)))
			}
		}
	}
	switch {
	case len(table) == 0:
		p.line("None.")
		return
	case goals:
		p.line("| what | goal | least | measured | ours | compared with | |\n|---|---|---|---|---|---|---|")
	default:
		p.line("| what | measured | ours | compared with |\n|---|---|---|---|")
	}
	p.line("%s", strings.Join(table, "\n"))
}

// sides writes a table of all measurements of a case.
func (p *page) sides(o *Outcome) {
	p.line("\n### %s\n", o.Case.Name)
	p.line("%s Measured in %s%s.\n", o.Case.About, turns(len(o.Rounds)), o.warmed())
	units := o.units()
	var heads []string
	for _, u := range units {
		heads = append(heads, heading(u))
	}
	p.line("| side | %s |", strings.Join(heads, " | "))
	p.line("|---|%s", strings.Repeat("---:|", len(units)))
	for _, s := range o.Sides {
		cells := []string{s.Name}
		for _, u := range units {
			cells = append(cells, o.cell(s.Name, u))
		}
		p.line("| %s |", strings.Join(cells, " | "))
	}
	if o.Case.Plot != nil {
		p.line("\n![%s](%s/%s)", o.Case.Plot.Title, folder, plotFile(o.Case))
	}
}

func (o *Outcome) warmed() string {
	if o.Warmed == 0 {
		return ""
	}
	return fmt.Sprintf(", after %d that didn't count", o.Warmed)
}

func turns(n int) string {
	if n == 1 {
		return "1 turn"
	}
	return fmt.Sprintf("%d turns", n)
}

// measured returns a row's value, and the values that were compared.
func (o *Outcome) measured(row Row) string {
	values := o.sorted(row)
	return fmt.Sprintf("%s%s [%s–%s] | %s | %s", number(median(values)), row.sign(), number(values[0]), number(values[len(values)-1]),
		o.best(row, row.Ours), o.best(row, row.Peers))
}

// best returns the median of the best of a row's sides.
func (o *Outcome) best(row Row, sides []string) string {
	if len(sides) == 0 {
		return ""
	}
	var all []float64
	for _, round := range o.Rounds {
		v, _ := best(round, sides, row.Unit, row.Kind == More) // Case.run has looked at the error
		all = append(all, v)
	}
	slices.Sort(all)
	text := amount(median(all), row.Unit)
	if clock[row.Unit] == "" {
		text += " " + row.Unit
	}
	return text + o.load(row, sides)
}

func (o *Outcome) verdict(row Row) string {
	middle := median(o.sorted(row))
	switch {
	case row.Kind.meets(row.Least, middle) && row.Goal.None:
		return ""
	case row.Kind.meets(row.Goal, middle):
		return "goal met"
	case row.Kind.meets(row.Least, middle):
		return "least met"
	}
	return "**missed**"
}

// behind reports whether the peer of a row is ahead, or the row's least was missed.
func (o *Outcome) behind(row Row) bool {
	middle := median(o.sorted(row))
	return !row.Kind.meets(row.Least, middle) || row.Kind != Alone && !row.Kind.meets(at(1), middle)
}

func (o *Outcome) sorted(row Row) []float64 {
	values, _ := o.values(row) // Case.run has looked at the error
	slices.Sort(values)
	return values
}

// bound formats a goal or least for the table.
func (r Row) bound(b Bound) string {
	signs := [2]string{"≥ ", "> "}
	if r.Kind.lessIsBetter() {
		signs = [2]string{"≤ ", "< "}
	}
	switch {
	case b.None:
		return ""
	case b.Strict:
		return signs[1] + number(b.Value) + r.sign()
	}
	return signs[0] + number(b.Value) + r.sign()
}

// sign returns the sign that follows a ratio.
func (r Row) sign() string {
	if r.Kind == Alone {
		return ""
	}
	return "×"
}

// units returns the metrics of a case, the compared ones first.
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

// all returns a side's values of a unit, one for each round that has it, sorted.
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
	return amount(median(all), unit)
}

// clock maps the units that are nanoseconds to their names on the page.
var clock = map[string]string{perOp: "time/op", perOpCPU: "processor time/op", half: "p50", tail: "p99",
	engineCPU: "engine processor time/op", compilerCPU: "its compiler's/op"}

func heading(unit string) string { return cmp.Or(clock[unit], unit) }

func amount(v float64, unit string) string {
	if clock[unit] != "" {
		return rounded(time.Duration(v)).String()
	}
	return number(v)
}

// rounded rounds to three digits.
func rounded(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d >= 1000*unit {
		unit *= 10
	}
	return d.Round(unit)
}

// median returns the median of sorted values.
func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// number formats a number with three digits, or with all those before the point.
func number(v float64) string {
	switch {
	case v >= 10_000:
		return grouped(strconv.FormatFloat(v, 'f', 0, 64))
	case v >= 100 || v == math.Trunc(v):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// grouped puts a comma before each three digits.
func grouped(digits string) string {
	if len(digits) <= 3 {
		return digits
	}
	return grouped(digits[:len(digits)-3]) + "," + digits[len(digits)-3:]
}
