package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/test/leaktest"
	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file runs every case in tiny, and tests that wrong results are errors.

func TestMain(m *testing.M) {
	if worker, err := beWorker(context.Background()); worker { // of the cases with several processes
		if err != nil {
			panic(err)
		}
		return
	}
	if err := setBenchTime(true); err != nil { // unless the command line sets another
		panic(err)
	}
	flag.Parse()
	leaktest.Main(m)
}

// TestCases runs every case in tiny: the results mean nothing, but the checks must hold.
// CLOAKROOM_REQUIRE_PEERS=1 makes a missing Redis or PostgreSQL a failure,
// CLOAKROOM_REQUIRE_ENGINES=1 a missing engine.
func TestCases(t *testing.T) {
	s := &services{}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	var outcomes []*Outcome
	for _, c := range cases() {
		t.Run(c.Name, func(t *testing.T) {
			s.engine = func(context.Context) (*service, error) {
				return &service{address: testengine.Shared(t), version: "the tests' engine"}, nil
			}
			for _, n := range c.Needs {
				_, err := s.get(t.Context(), n)
				if errors.Is(err, errMissing) && os.Getenv("CLOAKROOM_REQUIRE_PEERS") != "1" {
					t.Skipf("SKIPPED: %v; CLOAKROOM_REQUIRE_PEERS=1 makes this a failure", err)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			o, err := c.run(&Bench{Context: t.Context(), services: s, quick: true, log: slog.New(slog.DiscardHandler)}, 1)
			if err != nil {
				t.Fatal(err)
			}
			outcomes = append(outcomes, o)
		})
	}
	t.Run("report", func(t *testing.T) { checkReport(t, s, outcomes) })
}

func TestCasesHaveNamesOfTheirOwn(t *testing.T) {
	var seen []string
	for _, c := range cases() {
		if slices.Contains(seen, c.Name) || !strings.Contains(c.Name, "/") || c.About == "" {
			t.Errorf("case %q: its name must be its own and have a family; About must say what it is", c.Name)
		}
		seen = append(seen, c.Name)
		if c.Favours == "" {
			t.Errorf("case %q doesn't say whom it flatters", c.Name)
		}
		if len(c.Rows) == 0 && c.Plot == nil {
			t.Errorf("case %q compares nothing", c.Name)
		}
	}
}

// forgetful acknowledges saves without doing them.
type forgetful struct{ cloakroom.Store }

func (f forgetful) Update(_ context.Context, r *driver.Record) (driver.Version, error) {
	return driver.Version{Term: r.Version.Term, Seq: r.Version.Seq + 1}, nil
}

func TestLostSavesAreErrors(t *testing.T) {
	store := memstore.New(nil)
	defer store.Close()
	b := &Bench{Context: t.Context(), quick: true, log: slog.New(slog.DiscardHandler)}
	lost := func(name string, sides func(b *Bench) ([]Side, error)) {
		c := Case{Name: "test/" + name, Setup: sides}
		if _, err := c.run(b, 1); err == nil {
			t.Errorf("%s: a store that forgets saves went through", name)
		}
	}
	lost("records", func(b *Bench) ([]Side, error) {
		rs, err := fill(b, forgetful{store}, 10, recordTime)
		if err != nil {
			return nil, err
		}
		return []Side{b.side("forgetful", "", 2, rs.saves(2), rs.check)}, nil
	})
	lost("visitors", func(b *Bench) ([]Side, error) {
		return crowds(b, 2, pageVisit, func(b *Bench) (*site, error) {
			l, err := newOurs(b, forgetful{store})
			return newSite("forgetful", "", l), err
		})
	})
}

func TestSidesWithoutACheckAreErrors(t *testing.T) {
	b := &Bench{Context: t.Context(), quick: true, log: slog.New(slog.DiscardHandler)}
	c := Case{Name: "test/unchecked", Setup: func(b *Bench) ([]Side, error) {
		return []Side{b.side("unchecked", "", 1, func(context.Context, int, int) error { return nil }, nil)}, nil
	}}
	if _, err := c.run(b, 1); err == nil || !strings.Contains(err.Error(), "nothing checks") {
		t.Errorf("a side without a check: %v", err)
	}
}

func TestTurns(t *testing.T) {
	var order []string
	side := func(name string) Side {
		return Side{
			Name: name,
			Round: func(context.Context) (Result, error) {
				order = append(order, name)
				return Result{N: 1, Metrics: map[string]float64{perOp: float64(len(order))}}, nil
			},
			Check: func(context.Context) error { return nil },
		}
	}
	closed := 0
	c := Case{
		Name: "test/turns",
		Rows: []Row{{Unit: perOp, Kind: Faster, Ours: []string{"a"}, Peers: []string{"b", "c"}}},
		Setup: func(b *Bench) ([]Side, error) {
			b.Cleanup(func() error { closed++; return nil })
			return []Side{side("a"), side("b"), side("c")}, nil
		},
	}
	o, err := c.run(&Bench{Context: t.Context(), log: slog.New(slog.DiscardHandler)}, 2)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(order); got != "[a b c b c a]" || closed != 1 {
		t.Errorf("turns %s, cleaned up %d times", got, closed)
	}
	// The bests of b and c are 2 and 4; ours are 1 and 6, since a comes last in the second turn.
	if v, err := o.values(c.Rows[0]); err != nil || fmt.Sprint(v) != "[2 0.6666666666666666]" {
		t.Errorf("ratios %v, %v", v, err)
	}
}

// TestWarmUp: a side gets faster for a while. Those rounds don't count.
func TestWarmUp(t *testing.T) {
	for _, c := range []struct{ warm, want int }{{0, 0}, {1, 1}, {2, 2}, {9, 4}} {
		took := []float64{100, 80, 50, 49, 48, 48, 48, 48, 48, 48}
		turn := 0
		o, err := Case{
			Name: "test/warm", Warm: c.warm,
			Setup: func(*Bench) ([]Side, error) {
				return []Side{{
					Name: "cold",
					Round: func(context.Context) (Result, error) {
						turn++
						return Result{N: 1, Metrics: map[string]float64{perOp: took[turn-1]}}, nil
					},
					Check: func(context.Context) error { return nil },
				}}, nil
			},
		}.run(&Bench{Context: t.Context(), log: slog.New(slog.DiscardHandler)}, 1)
		if err != nil {
			t.Fatal(err)
		}
		if got := o.Rounds[0]["cold"].Metrics[perOp]; len(o.Rounds) != 1 || turn != c.want+1 || o.Warmed != c.want || got != took[c.want] {
			t.Errorf("Warm %d: %d rounds of which %d count, and the first was %v", c.warm, turn, len(o.Rounds), got)
		}
	}
}

// TestSpan: rounds that don't count are short, and so are those of many sides.
func TestSpan(t *testing.T) {
	for _, c := range []struct {
		b    *Bench
		want time.Duration
	}{
		{&Bench{sides: 6}, 2 * time.Second},
		{&Bench{sides: 7}, time.Second},
		{&Bench{sides: 6, warming: true}, time.Second},
		{&Bench{sides: 7, warming: true}, 500 * time.Millisecond},
		{&Bench{sides: 7, quick: true}, 30 * time.Millisecond},
	} {
		if got := c.b.span(); got != c.want {
			t.Errorf("%d sides, warming %v, quick %v: %v in place of %v", c.b.sides, c.b.warming, c.b.quick, got, c.want)
		}
	}
}

// TestLateCasesAreMeasuredOnce: a run whose time is over from the start measures each
// case once.
func TestLateCasesAreMeasuredOnce(t *testing.T) {
	o, err := Case{Name: "test/late", Warm: 3, Setup: func(b *Bench) ([]Side, error) {
		return []Side{b.lots("side", "", 1, 1, func(context.Context, int, int) error { return nil }, func(context.Context) error { return nil })}, nil
	}}.run(&Bench{Context: t.Context(), quick: true, hurry: time.Now().Add(-time.Second), log: slog.New(slog.DiscardHandler)}, 5)
	if err != nil || len(o.Rounds) != 1 || o.Warmed != 1 {
		t.Errorf("%d rounds after %d, %v", len(o.Rounds), o.Warmed, err)
	}
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"-run", "("}, {"-rounds", "0"}, {"surplus"}, {"-quick", "-run", "no such case"}} {
		if err := run(t.Context(), args, new(strings.Builder)); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
}

// TestCommand runs the command on cases that need nothing else.
func TestCommand(t *testing.T) {
	dir := t.TempDir()
	if err := run(t.Context(), []string{"-quick", "-rounds", "2", "-run", "^memory/", "-o", dir}, new(strings.Builder)); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(dir + "/benchmarks.md")
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?m)^\| memory per live session.*\| < 1× \| ≤ 1× \| .*× \[.*–.*\] \| .* B/session \| .* B/session \| .* \|$`).Match(page) {
		t.Errorf("the page lacks the row:\n%s", page)
	}
}
