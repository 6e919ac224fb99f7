package torture

import (
	"bufio"
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"runtime"
	"slices"
	"text/template"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
)

//go:embed reliability.md.tmpl
var document string

// Whole is what all scenarios came to.
type Whole struct{ Tallies []Tally }

// Began is when the first scenario began.
func (w Whole) Began() time.Time {
	return slices.MinFunc(w.Tallies, func(a, b Tally) int { return a.Began.Compare(b.Began) }).Began
}

// Ended is when the last scenario ended.
func (w Whole) Ended() time.Time {
	var last time.Time
	for _, t := range w.Tallies {
		if end := t.Began.Add(t.Took); end.After(last) {
			last = end
		}
	}
	return last
}

// Beside reports whether scenarios ran beside each other.
func (w Whole) Beside() bool { return w.Sum().Took > w.Ended().Sub(w.Began()) }

// Again is a command that repeats a scenario.
func (w Whole) Again() string { return w.Tallies[0].again() }

// Operations are all that clients asked for.
func (t Tally) Operations() int { return t.History.Ops }

// Unknown counts operations whose outcome nobody was told.
func (t Tally) Unknown() int { return t.History.Unknown() }

// Refused counts operations of which the client was told that nothing happened.
func (t Tally) Refused() int {
	n := 0
	for _, outcomes := range t.History.Counts {
		n += outcomes[history.Unavailable]
	}
	return n
}

// Revokes counts sign-outs everywhere that were acknowledged.
func (t Tally) Revokes() int { return t.History.Count(history.Revoke, history.Done) }

// Result says in a word how the scenario ended.
func (t Tally) Result() string {
	switch {
	case t.History.Failed > 0:
		return "**broken**"
	case t.Err != nil:
		return "**failed**"
	}
	return "passed"
}

// StallText is the stall as the document has it.
func (t Tally) StallText() string { return t.Stall.Round(100 * time.Millisecond).String() }

// Sum adds the scenarios up.
func (w Whole) Sum() Tally {
	var sum Tally
	for _, t := range w.Tallies {
		merge(&sum.History, &t.History)
		sum.Kills += t.Kills
		sum.Pauses += t.Pauses
		sum.Cuts += t.Cuts
		sum.Restarts += t.Restarts
		sum.Took += t.Took
		sum.Stall = max(sum.Stall, t.Stall)
	}
	return sum
}

// Engines are what the sessions were kept in.
func (w Whole) Engines() []string {
	var all []string
	for _, t := range w.Tallies {
		all = append(all, t.Engines...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Kinds is a table of kinds of operations and outcomes.
func (w Whole) Kinds() []KindRow {
	sum := w.Sum()
	var rows []KindRow
	for _, k := range history.Kinds() {
		row := KindRow{Kind: k}
		for o, n := range sum.History.Counts[k] {
			switch o {
			case history.Done:
				row.Done += n
			case history.Unknown:
				row.Unknown += n
			case history.Unavailable:
				row.Refused += n
			case history.Failed:
				row.Failed += n
			default:
				row.Other += n
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// KindRow is what became of the operations of a kind.
type KindRow struct {
	Kind                                  history.Kind
	Done, Other, Refused, Unknown, Failed int
}

// Machine describes where this program runs.
func (w Whole) Machine() string {
	return fmt.Sprintf("%d cores, %s of memory, %s/%s, %s", runtime.NumCPU(), memory(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}

// memory says how much memory the machine has.
func memory() string {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return "an unknown amount"
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var kb int
		if _, err := fmt.Sscanf(lines.Text(), "MemTotal: %d kB", &kb); err == nil {
			return fmt.Sprintf("%d GiB", (kb+1<<19)>>20)
		}
	}
	return "an unknown amount"
}

// Document returns docs/reliability.md.
func (w Whole) Document() ([]byte, error) {
	t, err := template.New("reliability").Parse(document)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, w); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
