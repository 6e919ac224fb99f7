package torture

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
)

// Main is the command: it runs scenarios and writes the document. An error is
// what the process should fail with.
func Main(ctx context.Context, args []string, out io.Writer) error {
	progress := log.New(out, "", log.Ltime)
	f := flag.NewFlagSet("torture", flag.ContinueOnError)
	f.SetOutput(out)
	length := f.Duration("for", 70*time.Minute, "time for all scenarios together")
	seed := f.Int64("seed", 0, "of all that is drawn; 0: another one each time")
	only := f.String("only", "", "regular expression of the scenarios' names to run")
	page := f.String("o", "", "file to write the document to")
	results := f.String("results", "", "file that results are added to; the document tells of all that are in it (default: a new one)")
	dir := f.String("artifacts", filepath.Join(os.TempDir(), "cloakroom-torture"), "directory for the histories of broken promises")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("torture takes no arguments, but got %q", f.Args())
	}
	if *seed == 0 {
		*seed = rand.Int64N(1_000_000) + 1
	}
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	if *results == "" {
		if err := os.MkdirAll(*dir, 0o755); err != nil { //nolint:gosec // nothing secret
			return err
		}
		*results = filepath.Join(*dir, fmt.Sprintf("results-%s.jsonl", time.Now().UTC().Format("20060102-150405.000")))
	}
	if _, err := readResults(*results); err != nil { // rather now than in an hour
		return err
	}
	progress.Printf("seed %d, %v, results in %s", *seed, *length, *results)
	errs := doAll(ctx, chosen, Options{Seed: *seed, Until: time.Now().Add(*length), Dir: *dir}, *results, progress)
	if ctx.Err() != nil {
		return errors.Join(errs...)
	}
	if *page != "" {
		tallies, err := readResults(*results)
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		text, err := Whole{tallies}.Document()
		if err == nil {
			err = os.WriteFile(*page, text, 0o644) //nolint:gosec // a page for everybody
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// doAll runs scenarios one after the other, each with its share of the time and a seed
// of its own.
func doAll(ctx context.Context, chosen []Scenario, all Options, results string, progress *log.Logger) (errs []error) {
	for i, s := range chosen {
		if ctx.Err() != nil {
			return append(errs, ctx.Err())
		}
		o := Options{Seed: all.Seed + int64(i), Until: share(all.Until, chosen[i:]), Dir: all.Dir}
		progress.Printf("=== %s, seed %d, %v", s.Name, o.Seed, time.Until(o.Until).Round(time.Second))
		var tally Tally
		err := testengine.Command(ctx, lines{progress}, func(t testengine.TB) { Do(t, s, o, func(t Tally) { tally = t }) })
		if err != nil {
			tally.Err = err
			errs = append(errs, fmt.Errorf("%s: %w", s.Name, err))
		}
		errs = append(errs, appendResult(results, tally))
		progress.Printf("--- %s: %s, %v, %d kills, %d pauses, %d cuts, %d restarts, stall %s %v\n%v", s.Name, tally.Result(),
			tally.Took.Round(time.Second), tally.Kills, tally.Pauses, tally.Cuts, tally.Restarts, tally.StallText(), tally.Notes, &tally.History)
		if err != nil {
			progress.Print(err)
		}
	}
	return errs
}

// choose returns the scenarios whose names match.
func choose(only string) ([]Scenario, error) {
	match, err := regexp.Compile(only)
	if err != nil {
		return nil, fmt.Errorf("-only: %w", err)
	}
	var chosen []Scenario
	for _, s := range Scenarios() {
		if match.MatchString(s.Name) {
			chosen = append(chosen, s)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("-only %s: no scenario is called so", only)
	}
	return chosen, nil
}

// share returns when the first of the scenarios that are left should end.
func share(end time.Time, left []Scenario) time.Time {
	sum := 0
	for _, s := range left {
		sum += s.Weight
	}
	now := time.Now()
	return now.Add(end.Sub(now) * time.Duration(left[0].Weight) / time.Duration(sum))
}

// lines has what is written printed with the time.
type lines struct{ print *log.Logger }

func (l lines) Write(b []byte) (int, error) {
	l.print.Print(string(b))
	return len(b), nil
}
