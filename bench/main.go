// Command bench compares cloakroom with its alternatives, and with the limits of the
// engines below it. From the root of the repository:
//
//	go run ./bench
//
// It starts its services on loopback and ends them: Redis and PostgreSQL, which it
// installs from Debian's packages if it may, and OpenSearch. It measures all sides in
// one run, in turns (A B C, B C A and so on). At its end each case checks that all its writes
// are there: a fast answer that is wrong is an error. It writes benchmarks.md, the raw
// results in Go's benchmark format (for benchstat) and the plots.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"testing"
	"time"
)

// This file is the command: its flags, and the run over all cases.

func main() {
	ctx, stop := interruptible(context.Background())
	worker, err := beWorker(ctx)
	if !worker {
		err = run(ctx, os.Args[1:], os.Stderr)
	}
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the command's flags.
type options struct {
	only   *regexp.Regexp
	rounds int
	within time.Duration
	quick  bool
	out    string
}

func run(ctx context.Context, args []string, stderr io.Writer) (err error) {
	o := options{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("run", "", "only the cases whose name matches this `regexp`")
	flags.IntVar(&o.rounds, "rounds", 3, "how often each side is measured")
	flags.DurationVar(&o.within, "within", 33*time.Minute, "when this much time is over, what is left is measured in one round")
	flags.BoolVar(&o.quick, "quick", false, "tiny sizes: tries the harness and its checks; the numbers mean nothing")
	flags.StringVar(&o.out, "o", "docs", "the `folder` to write to; with -quick, and unless it is given, nothing is kept")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.only, err = regexp.Compile(*only); err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	if flags.NArg() > 0 || o.rounds < 1 {
		return errors.New("-rounds must be 1 or more, and there are no arguments beside the flags")
	}
	given := false
	flags.Visit(func(f *flag.Flag) { given = given || f.Name == "o" })
	if o.quick && !given {
		if o.out, err = os.MkdirTemp("", "cloakroom-bench-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(o.out)) }()
	}
	// Package testing takes the time to measure from its own flags.
	testing.Init()
	if err := setBenchTime(o.quick); err != nil {
		return err
	}
	level, heap := slog.LevelInfo, "2g"
	if o.quick {
		level, heap = slog.LevelWarn, "512m"
	}
	s := &services{install: true, engine: func(ctx context.Context) (*service, error) { return ownEngine(ctx, heap) }}
	defer func() { err = errors.Join(err, s.close()) }()
	begin := time.Now()
	outcomes, failed, err := measure(ctx, o, s, slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level})))
	if err != nil {
		return err
	}
	return errors.Join(errors.Join(failed...), report{o, outcomes, failed, append(machine(s), made(begin))}.write())
}

func made(begin time.Time) fact {
	return fact{"made", "made", fmt.Sprintf("%s, in %v", begin.UTC().Format(time.DateOnly), time.Since(begin).Round(time.Second))}
}

func setBenchTime(quick bool) error {
	if quick {
		return flag.Set("test.benchtime", "20x")
	}
	return flag.Set("test.benchtime", "500ms")
}

// cases returns all cases, in the order of the report.
func cases() []Case {
	var all []Case
	for _, family := range []func() []Case{
		middlewareCases, func() []Case { return []Case{refusalCase()} }, sqliteCases, httpCases, engineCases, httpEngineCases, coldCases, cacheCases, latencyCases, scaleCases, memoryCases, sweepCases, processesCases, overloadCases,
	} {
		all = append(all, family()...)
	}
	return all
}

// measure runs the cases that were asked for. A failed case doesn't keep the others from
// being measured.
func measure(ctx context.Context, o options, s *services, log *slog.Logger) (outcomes []*Outcome, failed []error, err error) {
	hurry := time.Now().Add(o.within)
	for _, c := range cases() {
		if !o.only.MatchString(c.Name) {
			continue
		}
		begin := time.Now()
		outcome, err := measureOne(ctx, c, o, s, hurry, log)
		switch {
		case ctx.Err() != nil:
			return nil, nil, context.Cause(ctx)
		case err != nil:
			log.Error("failed", "case", c.Name, "error", err)
			failed = append(failed, err)
			continue
		}
		outcomes = append(outcomes, outcome)
		log.Info("done", "case", c.Name, "took", time.Since(begin).Round(time.Second))
	}
	if len(outcomes)+len(failed) == 0 {
		return nil, nil, fmt.Errorf("-run %v matches no case", o.only)
	}
	return outcomes, failed, nil
}

func measureOne(ctx context.Context, c Case, o options, s *services, hurry time.Time, log *slog.Logger) (*Outcome, error) {
	for _, n := range c.Needs {
		if _, err := s.get(ctx, n); err != nil {
			return nil, fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	return c.run(&Bench{Context: ctx, services: s, quick: o.quick, hurry: hurry, log: log}, o.rounds)
}
