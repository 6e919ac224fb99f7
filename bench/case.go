package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
)

// This file is Case: one comparison, its sides, rows and goals, and its measurement.

// Case is one comparison: sides that do the same, each for some rounds, in turn.
type Case struct {
	Name    string // its family, a slash and its subject
	About   string // the measurement, in a sentence or two
	Favours string // whom the set-up flatters, and why
	Rows    []Row
	Plot    *Plot // nil: none
	Most    int   // the most rounds, for slow cases; 0: as many as asked for
	Warm    int   // the most rounds before them that don't count; see warmUp

	Needs []need // services

	// Setup makes the sides. It gives Bench.Cleanup a function for everything that it
	// opens.
	Setup func(b *Bench) ([]Side, error)
}

// Side is one contender.
type Side struct {
	Name     string
	Settings string // its durability, and its setup

	Series string // in the plot; defaults to Name
	X      float64

	Prepare func(context.Context) error // before each round, not measured; nil: nothing
	Round   func(context.Context) (Result, error)
	Check   func(context.Context) error // after all rounds: fails if a write is missing
}

// Result is the measurement of one round.
type Result struct {
	N         int                // operations
	Metrics   map[string]float64 // by unit, as in Go's benchmark format
	Latencies []time.Duration    // sorted; nil if not taken
}

// The units that cases compare.
const (
	perOp    = "ns/op"
	perOpCPU = "cpu-ns/op" // time of all processors, in this process
	perSec   = "ops/s"
	bytesOp  = "B/op"
	allocs   = "allocs/op"
	half     = "p50-ns"
	tail     = "p99-ns"
)

// Row is a line of the table: a comparison in a Case, with its goal.
type Row struct {
	What  string
	Unit  string
	Ours  []string // our sides, of which the best counts
	Peers []string // the peers'; none: our value itself is judged
	Kind  Kind
	Goal  Bound
	Least Bound
}

// Kind is the comparison of a row's sides.
type Kind int

const (
	// Faster divides the peer's time by ours: more is better.
	Faster Kind = iota
	// More divides our rate by the peer's: more is better.
	More
	// Share divides our time or size by the peer's: less is better.
	Share
	// Alone is our value: less is better.
	Alone
)

// Bound is the value that a row must reach, or must not exceed where less is better. A
// strict one must be surpassed. The zero Bound demands nothing.
type Bound struct {
	Value  float64
	Strict bool
	None   bool
}

func at(v float64) Bound { return Bound{Value: v} }

// better is the bound of rows in which ours need only be better.
var better = Bound{Value: 1, Strict: true}

// untold is the bound of rows without a goal.
var untold = Bound{None: true}

func (k Kind) lessIsBetter() bool { return k == Share || k == Alone }

func (k Kind) meets(b Bound, v float64) bool {
	if b.None || v == b.Value {
		return b.None || !b.Strict
	}
	return v > b.Value != k.lessIsBetter()
}

// value compares the results of one round.
func (r Row) value(round map[string]Result) (float64, error) {
	rate := r.Kind == More
	ours, err := best(round, r.Ours, r.Unit, rate)
	if err != nil || r.Kind == Alone {
		return ours, err
	}
	peer, err := best(round, r.Peers, r.Unit, rate)
	if err != nil {
		return 0, err
	}
	if r.Kind == Faster {
		return peer / ours, nil
	}
	return ours / peer, nil
}

func best(round map[string]Result, sides []string, unit string, highest bool) (float64, error) {
	var all []float64
	for _, name := range sides {
		v, ok := round[name].Metrics[unit]
		if !ok {
			return 0, fmt.Errorf("side %q has measured no %s", name, unit)
		}
		all = append(all, v)
	}
	if len(all) == 0 {
		return 0, errors.New("a row has no sides")
	}
	if highest {
		return slices.Max(all), nil
	}
	return slices.Min(all), nil
}

// Bench is the context and the helpers of a case.
type Bench struct {
	context.Context //nolint:containedctx // the run's; the cases' functions get it in one piece
	*services
	quick bool
	hurry time.Time // after this time no further rounds begin; zero: never
	log   *slog.Logger

	warming bool     // rounds are short
	sides   int      // of the case
	eager   bool     // our managers have Config.RefuseEarly
	watched *process // the engine's, in cases that need it

	mu    sync.Mutex
	clean []func() error
}

// Cleanup has f called when the case is over, the last one first.
func (b *Bench) Cleanup(f func() error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clean = append(b.clean, f)
}

func (b *Bench) close() error {
	var errs []error
	for _, f := range slices.Backward(b.clean) {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// size returns a number of things: full, or quick in a quick run.
func (b *Bench) size(full, quick int) int {
	if b.quick {
		return quick
	}
	return full
}

// span returns the time of a round. Where many sides take turns, rounds are shorter, so
// that there are as many of them.
func (b *Bench) span() time.Duration {
	span := 2 * time.Second
	if b.quick {
		return 30 * time.Millisecond
	}
	if b.sides > manySides {
		span /= 2
	}
	if b.warming {
		span /= 2
	}
	return span
}

// manySides are those that still have rounds of full length.
const manySides = 6

// long returns the time of a round of a rush, in which requests wait for up to inTime.
func (b *Bench) long() time.Duration {
	if b.quick {
		return 60 * time.Millisecond
	}
	return 4 * time.Second
}

// late reports whether the time for the run is over.
func (b *Bench) late() bool { return !b.hurry.IsZero() && time.Now().After(b.hurry) }

// tempDir makes a folder that ends with the case.
func (b *Bench) tempDir() (string, error) {
	dir, err := os.MkdirTemp("", "cloakroom-bench-")
	if err == nil {
		b.Cleanup(func() error { return os.RemoveAll(dir) })
	}
	return dir, err
}

// once makes a check that several sides share.
func once(check func(context.Context) error) func(context.Context) error {
	var o sync.Once
	var err error
	return func(ctx context.Context) error {
		o.Do(func() { err = check(ctx) })
		return err
	}
}

// Outcome is the results of a case.
type Outcome struct {
	Case   Case
	Sides  []Side
	Warmed int                 // rounds that didn't count
	Rounds []map[string]Result // by side
}

// run measures a case: A B C, B C A and so on, so that a disturbance of the machine hits
// all sides alike, and no side always comes after the same other one, or first. Wrong
// results are errors.
func (c Case) run(b *Bench, rounds int) (_ *Outcome, err error) {
	defer func() {
		err = errors.Join(err, b.close())
		if err != nil {
			err = fmt.Errorf("%s: %w", c.Name, err)
		}
	}()
	if slices.Contains(c.Needs, needEngine) {
		if err := b.watchEngine(); err != nil {
			return nil, err
		}
	}
	sides, err := c.Setup(b)
	if err != nil {
		return nil, err
	}
	b.sides = len(sides)
	o := &Outcome{Case: c, Sides: sides}
	if c.Most > 0 {
		rounds = min(rounds, c.Most)
	}
	if o.Warmed, err = c.warmUp(b, sides); err != nil {
		return nil, err
	}
	for i := range rounds {
		if i > 0 && b.late() {
			b.log.Warn("no time is left for further rounds", "case", c.Name, "rounds", i)
			break
		}
		round, err := c.round(b, sides, i, strconv.Itoa(i+1))
		if err != nil {
			return nil, err
		}
		o.Rounds = append(o.Rounds, round)
	}
	for _, s := range sides {
		if s.Check == nil {
			return nil, fmt.Errorf("%s: nothing checks what it did", s.Name)
		}
		if err := s.Check(b); err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	for _, r := range c.Rows {
		if _, err := o.values(r); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// round measures each side once, from the first'th on.
func (c Case) round(b *Bench, sides []Side, first int, name string) (map[string]Result, error) {
	round := map[string]Result{}
	first %= max(1, len(sides))
	for _, s := range slices.Concat(sides[first:], sides[:first]) {
		if s.Prepare != nil {
			if err := s.Prepare(b); err != nil {
				return nil, fmt.Errorf("%s: preparing: %w", s.Name, err)
			}
		}
		before := b.busy()
		r, err := s.Round(b)
		if err == nil {
			r.add(before, b.busy())
		}
		if err == nil && r.N < 1 {
			err = errors.New("not one operation was done")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		round[s.Name] = r
		b.log.Info("measured", "case", c.Name, "round", name, "side", s.Name, "metrics", r.Metrics)
	}
	return round, nil
}

// warmUp runs short rounds that don't count, in which the engine compiles code that is
// used much, and caches fill. It goes on while the sides together get a tenth faster, or
// the engine's compiler is at work, and returns the number of rounds.
func (c Case) warmUp(b *Bench, sides []Side) (rounds int, err error) {
	b.warming = true
	defer func() { b.warming = false }()
	least := math.Inf(1)
	for range min(c.Warm, b.size(c.Warm, 1)) {
		before := b.busy()
		round, err := c.round(b, sides, rounds, "warm-up")
		if err != nil {
			return rounds, err
		}
		rounds++
		var sum float64
		for _, r := range round {
			sum += r.Metrics[perOp]
		}
		if sum > 0.9*least && !compiles(before, b.busy()) || b.late() {
			break
		}
		least = min(least, sum)
	}
	return rounds, nil
}

// values returns a row's values, one for each round.
func (o *Outcome) values(r Row) ([]float64, error) {
	var all []float64
	for _, round := range o.Rounds {
		v, err := r.value(round)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.What, err)
		}
		all = append(all, v)
	}
	return all, nil
}
