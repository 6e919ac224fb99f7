package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// This file writes what a reader has to know beside a ratio: whom its rows flatter, and
// what the engine did meanwhile.

// favours writes whom each case flatters.
func (r report) favours(p *page) {
	p.line("\n## Which rows flatter whom\n")
	p.line("A comparison has to take something as given, and that suits one side more than another. \"Us\" is cloakroom. In all cases with a")
	p.line("network, clients, servers and services share the processors: what a side's service or clients take, its requests lack.\n")
	p.line("| rows of | flatter |")
	p.line("|---|---|")
	for _, o := range r.outcomes {
		p.line("| %s | %s |", o.Case.Name, o.Case.Favours)
	}
}

// load tells what the best of a row's sides cost the engine for each operation, and how
// much of the machine was idle meanwhile, if there was an engine.
func (o *Outcome) load(row Row, sides []string) string {
	side := slices.MaxFunc(sides, func(a, b string) int {
		way := cmp.Compare(o.middle(a, row.Unit), o.middle(b, row.Unit))
		if row.Kind != More {
			way = -way
		}
		return way
	})
	if len(o.all(side, engineCPU)) == 0 || len(o.all(side, idleShare)) == 0 {
		return ""
	}
	return fmt.Sprintf(" (engine %s, %s %% idle)", o.cell(side, engineCPU), o.cell(side, idleShare))
}

// middle returns the median of a side's values of a unit.
func (o *Outcome) middle(side, unit string) float64 {
	all := o.all(side, unit)
	if len(all) == 0 {
		return math.NaN()
	}
	return median(all)
}
