package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
)

// This file is the command.

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "operations:", err)
		os.Exit(1)
	}
}

// usual is Config.SaveTimeout's default.
const usual = 5 * time.Second

func run(ctx context.Context, args []string, stderr io.Writer) error {
	f := flag.NewFlagSet("operations", flag.ContinueOnError)
	f.SetOutput(stderr)
	names := f.String("engines", "opensearch2,es8", "engines to run on, separated by commas")
	only := f.String("only", "", "names of operations to do, separated by commas (default all)")
	out := f.String("o", "", "page to write the table into; all operations have to be done")
	if err := f.Parse(args); err != nil {
		return err
	}
	switch {
	case f.NArg() > 0:
		return fmt.Errorf("no arguments are wanted, but there are %q", f.Args())
	case *out != "" && *only != "":
		return errors.New("-o is for a run of all operations, without -only")
	}
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	l := log.New(stderr, "", log.Ltime)
	began := time.Now()
	var results []result
	var errs []error
	for name := range strings.SplitSeq(*names, ",") {
		r, err := try(ctx, l, name, chosen)
		results = append(results, r)
		errs = append(errs, err)
	}
	if *out != "" && ctx.Err() == nil {
		errs = append(errs, document(*out, results, began))
	}
	return errors.Join(errs...)
}

// choose returns the operations of these names, or all.
func choose(list string) ([]operation, error) {
	all := operations()
	if list == "" {
		return all, nil
	}
	var chosen []operation
	for name := range strings.SplitSeq(list, ",") {
		i := slices.IndexFunc(all, func(o operation) bool { return o.name == name })
		if i < 0 {
			return nil, fmt.Errorf("-only: there is no operation %q", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// try starts an engine and does operations to it, one after the other.
func try(ctx context.Context, l *log.Logger, name string, chosen []operation) (result, error) {
	r := result{engine: name}
	var errs []error
	err := testengine.Command(ctx, l.Writer(), func(t testengine.TB) {
		on := own(t, name)
		r.engine = on.engine.String()
		for i := range chosen {
			if ctx.Err() != nil {
				return // interrupted
			}
			o := &chosen[i]
			if o.where == openSearch && !strings.Contains(name, "opensearch") {
				continue
			}
			began := time.Now()
			done := &outcome{op: o}
			err := testengine.Command(ctx, l.Writer(), func(t testengine.TB) { done = o.run(t, on, usual) })
			if done.err = err; err == nil {
				for _, text := range done.judge(usual) {
					err = errors.Join(err, errors.New(text))
				}
			}
			r.outcomes = append(r.outcomes, done)
			l.Printf("%s: %s in %.0f s: %s; %s; report %v, then %v", name, o.name, time.Since(began).Seconds(), done.visitors(), done.recover, done.report, done.after)
			if err != nil {
				l.Printf("%s: %s: %v", name, o.name, err)
				errs = append(errs, fmt.Errorf("%s: %s: %w", name, o.name, err))
			}
		}
	})
	return r, errors.Join(append(errs, err)...)
}

// own starts an engine that nobody else uses.
func own(t tb, name string) *place {
	t.Helper()
	repo := t.TempDir()
	e := testengine.Start(t, testengine.Options{Name: name, Settings: map[string]string{"path.repo": repo}})
	return &place{name: name, url: e.URL(), engine: e, repo: repo}
}
