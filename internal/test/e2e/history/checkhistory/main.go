// Command checkhistory checks recorded histories of sessions again, and explains
// those that break a promise:
//
//	go run ./history/checkhistory FILE.jsonl...
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	set := flag.NewFlagSet("checkhistory", flag.ContinueOnError)
	set.SetOutput(stderr)
	var o history.Options
	set.DurationVar(&o.Timeout, "timeout", time.Minute, "of the check of one family")
	set.StringVar(&o.Dir, "dir", "", "where pictures are written (default: a new directory for temporary files)")
	slow := set.Duration("slow", 0, "name families whose check takes longer")
	if err := set.Parse(args); err != nil {
		return 2
	}
	checker := history.NewChecker(&o)
	err := add(checker, set.Args(), *slow, stdout)
	report := checker.Close()
	_, _ = fmt.Fprint(stdout, report)
	for i := range report.Failures {
		_, _ = fmt.Fprintln(stdout, report.Failures[i].String())
	}
	if err == nil {
		err = report.Err()
	}
	if err != nil {
		_, _ = fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

// add has the families of files checked.
func add(checker *history.Checker, files []string, slow time.Duration, stdout io.Writer) error {
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		families, err := history.Read(file)
		_ = file.Close() // was only read
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, f := range families {
			began := time.Now()
			if slow > 0 {
				history.Check(f, time.Minute)
				if took := time.Since(began); took > slow {
					_, _ = fmt.Fprintf(stdout, "%s: family %d: %v for %d operations\n", name, f.Number, took.Round(time.Millisecond), len(f.Ops))
				}
			}
			checker.Add(f)
		}
	}
	return nil
}
