package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "matrix:", err)
		os.Exit(1)
	}
}

// settings are those of one call of the command.
type settings struct {
	length time.Duration // of each workload
	seed   int64
	dir    string // for histories of broken promises
	log    *log.Logger
}

func run(ctx context.Context, args []string, stderr io.Writer) error {
	f := flag.NewFlagSet("matrix", flag.ContinueOnError)
	f.SetOutput(stderr)
	s := settings{log: log.New(stderr, "", log.Ltime)}
	f.DurationVar(&s.length, "for", time.Minute, "time of each engine's workload")
	f.Int64Var(&s.seed, "seed", 0, "of all that the workloads draw; 0: another one each time")
	beside := f.Int("beside", 1, "how many engines run at a time")
	f.StringVar(&s.dir, "artifacts", filepath.Join(os.TempDir(), "cloakroom-matrix"), "directory for the histories of broken promises")
	engines := f.String("engines", "", "engines to run, separated by commas (default all: "+strings.Join(labels(), ",")+")")
	out := f.String("o", "", "file to write the document to; all engines have to run")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("no arguments are wanted, but there are %q", f.Args())
	}
	if *out != "" && *engines != "" {
		return errors.New("-o is for a run of all engines, without -engines")
	}
	if *beside < 1 {
		return fmt.Errorf("-beside is %d: it must be 1 or more", *beside)
	}
	chosen, err := choose(*engines)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	if s.seed == 0 {
		s.seed = rand.Int64N(1_000_000) + 1
	}
	s.log.Printf("seed %d", s.seed)
	began := time.Now()
	results := make([]result, len(chosen))
	var all sync.WaitGroup
	room := make(chan struct{}, *beside)
	for i, e := range chosen {
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			s.log.Printf("=== %s", e.label())
			results[i] = s.try(ctx, e)
			s.log.Printf("--- %s", results[i])
		})
	}
	all.Wait()
	var errs []error
	for _, r := range results {
		if r.err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", r.label(), r.err))
		}
	}
	if *out != "" {
		errs = append(errs, os.WriteFile(*out, document(results, began, s.seed, *beside), 0o644)) //nolint:gosec // a page for everybody
	}
	return errors.Join(errs...)
}

// choose returns the engines with these labels, or all.
func choose(list string) ([]entry, error) {
	all := entries()
	if list == "" {
		return all, nil
	}
	var chosen []entry
next:
	for label := range strings.SplitSeq(list, ",") {
		for _, e := range all {
			if e.label() == label {
				chosen = append(chosen, e)
				continue next
			}
		}
		return nil, fmt.Errorf("-engines: there is no %q, but %s", label, strings.Join(labels(), ", "))
	}
	return chosen, nil
}

func labels() []string {
	var all []string
	for _, e := range entries() {
		all = append(all, e.label())
	}
	return all
}
