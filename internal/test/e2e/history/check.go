package history

import (
	"slices"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// Options say how a history is checked. The zero Options are fine.
type Options struct {
	// Timeout is how long the check of one family may take before it counts as
	// undecided. Defaults to 30 s.
	Timeout time.Duration
	// Dir is where the histories and pictures of families that fail are
	// written. Defaults to a new directory for temporary files, which stays.
	Dir string
}

func (o *Options) withDefaults() Options {
	var d Options
	if o != nil {
		d = *o
	}
	if d.Timeout == 0 {
		d.Timeout = 30 * time.Second
	}
	return d
}

// Checker checks families as they end, so that a run of any length needs
// bounded memory. It is safe for concurrent use.
type Checker struct {
	options Options
	queue   chan Family
	workers sync.WaitGroup

	mu     sync.Mutex
	report Report
}

// NewChecker starts a checker. Close ends it.
func NewChecker(o *Options) *Checker {
	c := &Checker{options: o.withDefaults(), queue: make(chan Family)}
	for range 2 {
		c.workers.Go(func() {
			for f := range c.queue {
				c.check(f)
			}
		})
	}
	return c
}

// Add takes a family that has ended. It waits while others are being checked.
func (c *Checker) Add(f Family) { c.queue <- f }

// Close waits for the checks and returns what they came to.
func (c *Checker) Close() *Report {
	close(c.queue)
	c.workers.Wait()
	return &c.report
}

func (c *Checker) check(f Family) {
	j := judge(f, c.options)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.add(&f)
	c.report.count(&j)
}

// judged is a family with what its check came to.
type judged struct {
	family  Family
	verdict Verdict
	took    time.Duration
	failure Failure // of a family that failed
}

// judge checks a family and explains a failure.
func judge(f Family, o Options) judged {
	began := time.Now()
	v := Check(f, o.Timeout)
	j := judged{family: f, verdict: v, took: time.Since(began)}
	if v.Failed() {
		j.failure = explain(f, v, o)
	}
	return j
}

// Verdict is what the check of one family came to.
type Verdict struct {
	NoOrder   bool     // no order of the operations explains the answers
	Undecided bool     // looking for one took too long
	Broken    []string // what counting found
	// Phantoms: nothing is wrong but with what was read while a node was cut off,
	// and that may have been a phantom write, which this node alone had.
	Phantoms bool
}

// Failed reports whether a promise was broken.
func (v Verdict) Failed() bool { return v.NoOrder || len(v.Broken) > 0 }

// Check checks one family. If something is wrong with it, or that takes too long to
// find out, it is checked again without what may be phantom reads.
func Check(f Family, timeout time.Duration) Verdict {
	f.Ops = slices.Clone(f.Ops)
	byCall(f.Ops)
	if !slices.ContainsFunc(f.Ops, func(o Op) bool { return o.mayBePhantom() }) {
		return check(f, timeout)
	}
	v := check(f, min(timeout, phantomTime))
	if !v.Failed() && !v.Undecided {
		return v
	}
	without := check(withoutPhantoms(f), timeout)
	without.Broken = append(without.Broken, wrongPhantoms(f)...)
	switch {
	case without.Failed():
		without.Undecided = false
		return without
	case without.Undecided:
		return Verdict{Undecided: true}
	}
	return Verdict{Phantoms: true}
}

// phantomTime is how long a family is checked in which there may be phantom reads,
// before they are left out. Almost all families that are sound take milliseconds,
// and to find that no order explains a phantom can take for ever.
const phantomTime = 2 * time.Second

func check(f Family, timeout time.Duration) Verdict {
	f = aged(f)
	byCall(f.Ops)
	v := Verdict{Broken: audit(&f)}
	switch porcupine.CheckOperationsTimeout(model(&f), prepare(&f), timeout) {
	case porcupine.Illegal:
		v.NoOrder = true
	case porcupine.Unknown:
		v.Undecided = true
	}
	return v
}
