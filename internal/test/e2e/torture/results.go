package torture

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// Results are kept in a file as they come, a line of JSON for each scenario: an
// hour's work isn't lost if the last minute fails, and what was run in several
// calls, one after the other or beside each other, makes one document. Nothing
// is taken out: a scenario that failed stays, however often it is run again.

// result is a line of such a file.
type result struct {
	Tally
	Scenario string // the scenario's name
	Err      string // the error's text; "" for none
}

// appendResult adds a scenario's tally to a file. Histories have files of their
// own.
func appendResult(file string, t Tally) (err error) {
	t.History.Failures, t.History.Open = nil, nil
	r := result{Tally: t, Scenario: t.Scenario.Name}
	if t.Err != nil {
		r.Err = t.Err.Error()
	}
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644) //nolint:gosec // nothing secret
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = f.Write(append(line, '\n'))
	return err
}

// readResults returns all tallies of a file, in the order of the scenarios, and
// of one scenario in that of time. A file that isn't there has none.
func readResults(file string) ([]Tally, error) {
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	known := Scenarios()
	place := func(name string) int {
		return slices.IndexFunc(known, func(s Scenario) bool { return s.Name == name })
	}
	var all []Tally
	for line := range bytes.Lines(text) {
		var r result
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		i := place(r.Scenario)
		if i < 0 {
			return nil, fmt.Errorf("%s: there is no scenario %q", file, r.Scenario)
		}
		t := r.Tally
		t.Scenario = known[i]
		if r.Err != "" {
			t.Err = errors.New(r.Err)
		}
		all = append(all, t)
	}
	slices.SortStableFunc(all, func(a, b Tally) int {
		if n := place(a.Scenario.Name) - place(b.Scenario.Name); n != 0 {
			return n
		}
		return a.Began.Compare(b.Began)
	})
	return all, nil
}

// again is the command that runs a scenario with the same faults in the same
// order.
func (t Tally) again() string {
	return strings.Join([]string{
		"go run ./internal/test/e2e/torture/cmd/torture", "-only", "'^" + t.Scenario.Name + "$'",
		"-seed", fmt.Sprint(t.Seed), "-for", t.Took.Round(time.Second).String(),
	}, " ")
}
