package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var recordTime = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// checkReport writes the report of outcomes and checks it.
func checkReport(t *testing.T, s *services, outcomes []*Outcome) {
	dir := t.TempDir()
	r := report{options{only: regexp.MustCompile(""), rounds: 1, quick: true, out: dir}, outcomes, nil, machine(s)}
	if err := r.write(); err != nil {
		t.Fatal(err)
	}
	page := read(t, dir, "benchmarks.md")
	for _, link := range regexp.MustCompile(`\]\((benchmarks/[^)]+)\)`).FindAllStringSubmatch(page, -1) {
		read(t, dir, link[1])
	}
	for _, o := range outcomes {
		if !strings.Contains(page, "\n| "+o.Case.Name+" | "+o.Case.Favours+" |\n") {
			t.Errorf("the page doesn't say whom %s flatters", o.Case.Name)
		}
		for _, row := range o.Case.Rows {
			if !strings.Contains(page, "| "+row.What+" |") {
				t.Errorf("the page lacks the row %q", row.What)
			}
		}
		family, _, _ := strings.Cut(o.Case.Name, "/")
		raw := read(t, dir, "benchmarks", family+".txt")
		for _, s := range o.Sides {
			line := regexp.MustCompile(`(?m)^Benchmark` + regexp.QuoteMeta(benchName(o.Case.Name)+"/side="+oneWord(s.Name)) +
				`-\d+\t\d+(\t[0-9.]+ \S+)+$`)
			if !line.MatchString(raw) {
				t.Errorf("%s.txt lacks the side %q of %s", family, s.Name, o.Case.Name)
			}
		}
		if o.Case.Plot == nil {
			continue
		}
		picture := read(t, dir, "benchmarks", plotFile(o.Case))
		if elements := count(t, picture, "path"); elements < 5 || !strings.Contains(picture, o.Case.Plot.X) {
			t.Errorf("the plot of %s has %d lines and no axis", o.Case.Name, elements)
		}
	}
}

func TestPageSaysWhereAPeerWins(t *testing.T) {
	o := &Outcome{
		Case: Case{Name: "family/case", Rows: []Row{
			{What: "ahead", Unit: perOp, Kind: Faster, Ours: []string{"b"}, Peers: []string{"c"}, Goal: untold, Least: untold},
			{What: "behind", Unit: perOp, Kind: Faster, Ours: []string{"b"}, Peers: []string{"a"}, Goal: untold, Least: untold},
			{What: "larger", Unit: bytesOp, Kind: Share, Ours: []string{"b"}, Peers: []string{"a"}, Goal: better, Least: at(3)},
			{What: "not fast enough", Unit: perOp, Kind: Faster, Ours: []string{"b"}, Peers: []string{"c"}, Goal: at(9), Least: at(5)},
			{What: "small enough", Unit: bytesOp, Kind: Alone, Ours: []string{"b"}, Goal: at(20), Least: at(20)},
			{What: "too large", Unit: bytesOp, Kind: Alone, Ours: []string{"c"}, Goal: at(20), Least: at(20)},
		}},
		Sides: []Side{{Name: "a", Settings: "durable"}, {Name: "b", Settings: "durable"}, {Name: "c"}},
		Rounds: []map[string]Result{{
			"a": {Metrics: map[string]float64{perOp: 10, bytesOp: 10}},
			"b": {Metrics: map[string]float64{perOp: 20, bytesOp: 20}},
			"c": {Metrics: map[string]float64{perOp: 40, bytesOp: 40}},
		}},
	}
	page := string(report{options: options{only: regexp.MustCompile(""), rounds: 1}, outcomes: []*Outcome{o}}.page())
	_, rest, _ := strings.Cut(page, "## Where a peer wins")
	section, _, _ := strings.Cut(rest, "\n## ")
	for _, row := range o.Case.Rows {
		want := row.What != "ahead" && row.What != "small enough"
		if strings.Contains(section, "\n| "+row.What+" |") != want {
			t.Errorf("row %q is there where a peer wins: %v", row.What, !want)
		}
	}
	if !strings.Contains(page, "| family: a, b | durable |") {
		t.Errorf("the page doesn't say how the sides are set up:\n%s", page)
	}
}

// TestRowsSayWhatTheEngineDid: a row names the engine's time and the idle share of the best
// of its sides, where there is an engine.
func TestRowsSayWhatTheEngineDid(t *testing.T) {
	result := func(rate, cpu, idle float64) Result {
		return Result{Metrics: map[string]float64{perSec: rate, engineCPU: cpu, idleShare: idle}}
	}
	row := Row{Unit: perSec, Kind: More, Ours: []string{"ours"}, Peers: []string{"slow", "fast"}}
	o := &Outcome{Case: Case{Rows: []Row{row}}, Rounds: []map[string]Result{
		{"ours": result(100, 21_000, 3), "slow": result(10, 70_000, 1), "fast": result(50, 30_000, 40)},
		{"ours": result(120, 23_000, 5), "slow": result(60, 70_000, 1), "fast": result(50, 30_000, 40)},
		{"ours": result(110, 22_000, 4), "slow": result(10, 70_000, 1), "fast": result(50, 30_000, 40)},
	}}
	if got := o.best(row, row.Ours); got != "110 ops/s (engine 22µs, 4 % idle)" {
		t.Errorf("ours: %q", got)
	}
	if got := o.best(row, row.Peers); got != "50 ops/s (engine 30µs, 40 % idle)" {
		t.Errorf("peers: %q", got)
	}
	for _, round := range o.Rounds {
		for _, r := range round {
			delete(r.Metrics, engineCPU)
		}
	}
	if got := o.best(row, row.Ours); got != "110 ops/s" {
		t.Errorf("without an engine: %q", got)
	}
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// count parses a document and counts its elements of a name.
func count(t *testing.T, document, name string) (n int) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(document)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == name {
			n++
		}
	}
}

func TestBounds(t *testing.T) {
	for _, c := range []struct {
		kind  Kind
		bound Bound
		value float64
		want  bool
	}{
		{Faster, at(2), 2, true},
		{Faster, at(2), 1.99, false},
		{More, better, 1, false},
		{More, better, 1.01, true},
		{Share, at(1.1), 1.1, true},
		{Share, at(1.1), 1.2, false},
		{Share, better, 1, false},
		{Share, better, 0.9, true},
		{Alone, at(0), 0, true},
		{Alone, at(0), 1, false},
		{Faster, untold, math.Inf(-1), true},
	} {
		if got := c.kind.meets(c.bound, c.value); got != c.want {
			t.Errorf("kind %d, bound %+v: %v meets it: %v", c.kind, c.bound, c.value, got)
		}
	}
}

func TestRowsLackingAMetricAreErrors(t *testing.T) {
	round := map[string]Result{"a": {Metrics: map[string]float64{perOp: 1}}}
	for _, row := range []Row{
		{Unit: perSec, Kind: Alone, Ours: []string{"a"}},
		{Unit: perOp, Kind: Faster, Ours: []string{"a"}, Peers: []string{"b"}},
		{Unit: perOp, Kind: Faster, Ours: []string{"a"}},
	} {
		if v, err := row.value(round); err == nil {
			t.Errorf("%+v gave %v", row, v)
		}
	}
}

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 1: "1", 0.123: "0.12", 9.876: "9.88", 12.34: "12.3", 1234.5: "1234", 40: "40", 1234567: "1,234,567"} {
		if got := number(v); got != want {
			t.Errorf("%v is %s in place of %s", v, got, want)
		}
	}
	if got := median([]float64{1, 2, 4, 9}); got != 3 {
		t.Errorf("median %v", got)
	}
	if got := quantile([]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 0.99); got != 9 {
		t.Errorf("quantile %v", got)
	}
}

func TestRawResultsAreOneLineARound(t *testing.T) {
	o := &Outcome{
		Case: Case{Name: "family/case"}, Sides: []Side{{Name: "a side"}},
		Rounds: []map[string]Result{
			{"a side": {N: 3, Metrics: map[string]float64{perOp: 1.5, allocs: 2}}},
			{"a side": {N: 4, Metrics: map[string]float64{perOp: 2}}},
		},
	}
	raw := rawResults([]*Outcome{o}, []fact{{"cpu", "machine", "one"}})
	lines := regexp.MustCompile(`(?m)^BenchmarkFamily/case/side=a_side-\d+\t(3\t2 allocs/op\t1.5 ns/op|4\t2 ns/op)$`).FindAll(raw, -1)
	if len(lines) != 2 || !bytes.Contains(raw, []byte("\ncpu: one\n")) {
		t.Errorf("%s", raw)
	}
}
