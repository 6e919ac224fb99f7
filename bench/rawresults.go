package main

import (
	"bytes"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// This file writes raw results.

// rawResults returns outcomes in Go's benchmark format: a line for each side and round,
// below the facts about the machine.
func rawResults(outcomes []*Outcome, machine []fact) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "goos: %s\ngoarch: %s\npkg: github.com/cloakroom-go/cloakroom/bench\n", runtime.GOOS, runtime.GOARCH)
	for _, f := range machine {
		fmt.Fprintf(&b, "%s: %s\n", f.key, f.value)
	}
	for _, o := range outcomes {
		fmt.Fprintln(&b)
		for _, round := range o.Rounds {
			for _, s := range o.Sides {
				r := round[s.Name]
				fmt.Fprintf(&b, "Benchmark%s/side=%s-%d\t%d", benchName(o.Case.Name), oneWord(s.Name), runtime.GOMAXPROCS(0), r.N)
				for _, unit := range slices.Sorted(maps.Keys(r.Metrics)) {
					fmt.Fprintf(&b, "\t%s %s", strconv.FormatFloat(r.Metrics[unit], 'f', -1, 64), unit)
				}
				fmt.Fprintln(&b)
			}
		}
	}
	return b.Bytes()
}

// benchName makes a name begin with a capital, as benchmarks' names do.
func benchName(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

// oneWord replaces the characters that have a meaning in the format.
func oneWord(name string) string { return strings.NewReplacer(" ", "_", "/", ",").Replace(name) }
