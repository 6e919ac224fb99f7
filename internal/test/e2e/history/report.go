package history

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Report is what a run came to.
type Report struct {
	Families  int
	Ops       int
	Counts    map[Kind]map[Outcome]int
	Undecided int           // families whose check took too long
	Phantoms  int           // families with which nothing is wrong but for phantom reads: see Verdict
	Open      []Family      // those of them that Again tries: at most MaxOpen are kept
	Longest   time.Duration // the longest check of a family
	Failures  []Failure     // at most MaxFailures are kept
	Failed    int           // families that failed
}

// MaxFailures and MaxOpen are how many failures, and how many undecided
// families, a report keeps.
const (
	MaxFailures = 5
	MaxOpen     = 5
)

// add counts a family's operations.
func (r *Report) add(f *Family) {
	r.Families++
	r.Ops += len(f.Ops)
	for i := range f.Ops {
		o := &f.Ops[i]
		if r.Counts == nil {
			r.Counts = map[Kind]map[Outcome]int{}
		}
		if r.Counts[o.Kind] == nil {
			r.Counts[o.Kind] = map[Outcome]int{}
		}
		r.Counts[o.Kind][o.Outcome]++
	}
}

// count counts what a check came to.
func (r *Report) count(j *judged) {
	r.Longest = max(r.Longest, j.took)
	if j.verdict.Phantoms {
		r.Phantoms++
	}
	if j.verdict.Undecided {
		r.Undecided++
		if !j.verdict.Failed() && len(r.Open) < MaxOpen {
			r.Open = append(r.Open, j.family)
		}
	}
	if j.verdict.Failed() {
		r.Failed++
		if len(r.Failures) < MaxFailures {
			r.Failures = append(r.Failures, j.failure)
		}
	}
}

// Again checks the Open families once more, one after the other: each gets
// o.Timeout, and the machine for itself. Who is decided now no longer counts as
// undecided. Who isn't still does, and stays open; its history is written, and the
// names of the files are returned.
func (r *Report) Again(o *Options) (files []string, err error) {
	open, options := r.Open, o.withDefaults()
	r.Open = nil
	for _, f := range open {
		j := judge(f, options)
		r.Undecided--
		r.count(&j)
		if j.verdict.Undecided && !j.verdict.Failed() {
			file, e := keep(options.Dir, &f)
			files, err = append(files, file), errors.Join(err, e)
		}
	}
	return files, err
}

// Count returns how many operations of a kind had an outcome.
func (r *Report) Count(k Kind, o Outcome) int { return r.Counts[k][o] }

// Unknown returns how many operations had an unknown outcome.
func (r *Report) Unknown() int {
	n := 0
	for _, c := range r.Counts {
		n += c[Unknown]
	}
	return n
}

// Err says what is wrong with the run: violations, families that could not be
// decided, and kinds of operations, of those given, that never succeeded, since
// a run without them shows nothing.
func (r *Report) Err(kinds ...Kind) error {
	var all []string
	if r.Failed > 0 {
		all = append(all, fmt.Sprintf("%d families break a promise", r.Failed))
	}
	if r.Undecided > 0 {
		all = append(all, fmt.Sprintf("%d families could not be decided in time", r.Undecided))
	}
	for _, k := range kinds {
		if r.Count(k, Done) == 0 {
			all = append(all, fmt.Sprintf("no %s ever succeeded", k))
		}
	}
	if len(all) == 0 {
		return nil
	}
	return fmt.Errorf("history: %s", strings.Join(all, "; "))
}

// String is a table of kinds and outcomes.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d operations in %d families, %d unknown outcomes, %d violations, %d undecided, %d with phantoms, longest check %v\n",
		r.Ops, r.Families, r.Unknown(), r.Failed, r.Undecided, r.Phantoms, r.Longest.Round(time.Millisecond))
	for _, k := range slices.Sorted(maps.Keys(r.Counts)) {
		fmt.Fprintf(&b, "  %-8s", k)
		for _, o := range slices.Sorted(maps.Keys(r.Counts[k])) {
			fmt.Fprintf(&b, "  %s %d", o, r.Counts[k][o])
		}
		b.WriteByte('\n')
	}
	return b.String()
}
