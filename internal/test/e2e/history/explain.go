package history

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/anishathalye/porcupine"
)

// Failure is a family that breaks a promise.
type Failure struct {
	Family   Family // as it was recorded
	Verdict  Verdict
	Smallest Family   // the smallest part of it that fails as well
	Files    []string // the whole history, and pictures of the smallest part
}

// String says what is wrong, shows the smallest history, and names the files.
func (f *Failure) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "family %d of seed %d breaks a promise", f.Family.Number, f.Family.Seed)
	if f.Verdict.NoOrder {
		b.WriteString("; no order of the operations explains the answers")
	}
	b.WriteByte('\n')
	for _, s := range f.Verdict.Broken {
		fmt.Fprintf(&b, "  %s\n", s)
	}
	fmt.Fprintf(&b, "%d of %d operations fail as well:\n%s", len(f.Smallest.Ops), len(f.Family.Ops), f.Smallest.Table())
	for _, name := range f.Files {
		fmt.Fprintf(&b, "written: %s\n", name)
	}
	return b.String()
}

// Table shows the operations in the order of their calls. Times are
// microseconds since the first.
func (f *Family) Table() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	line := func(cells ...string) { _, _ = io.WriteString(w, "  "+strings.Join(cells, "\t")+"\n") } // into memory
	line("op", "client", "called", "returned", "by", "operation")
	for i := range f.Ops {
		o := &f.Ops[i]
		since := func(at int64) string { return fmt.Sprint((at - f.Ops[0].Call) / int64(time.Microsecond)) }
		line(fmt.Sprint(o.N), fmt.Sprint(o.Client), since(o.Call), since(o.Return), strings.TrimSpace(o.Where+" "+o.How), o.String())
	}
	_ = w.Flush()
	return b.String()
}

// explain makes a failure's history small and writes its files.
func explain(f Family, v Verdict, o Options) Failure {
	failure := Failure{Family: f, Verdict: v, Smallest: smallest(f)}
	if err := failure.write(o.Dir); err != nil {
		failure.Files = append(failure.Files, fmt.Sprintf("(not all could be written: %v)", err))
	}
	return failure
}

func (f *Failure) write(dir string) error {
	whole, err := keep(dir, &f.Family)
	f.Files = append(f.Files, whole)
	if err != nil {
		return err
	}
	name := func(ending string) string {
		path := strings.TrimSuffix(whole, historyEnding) + ending
		f.Files = append(f.Files, path)
		return path
	}
	seen := aged(f.Smallest)
	m := model(&seen)
	_, info := porcupine.CheckOperationsVerbose(m, prepare(&seen), shrinkTime)
	return errors.Join(
		os.WriteFile(name(".txt"), []byte(f.Smallest.Table()), 0o600),
		porcupine.VisualizePath(m, info, name(".html")))
}

const historyEnding = ".jsonl"

// keep writes a family's history to a file of a directory, as Options.Dir has it,
// and returns the file's name.
func keep(dir string, f *Family) (path string, err error) {
	if dir == "" {
		if dir, err = os.MkdirTemp("", "cloakroom-history-"); err != nil {
			return "", err
		}
	} else if err = os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	path = filepath.Join(dir, fmt.Sprintf("family-%d%s", f.Number, historyEnding))
	whole, err := os.Create(path)
	if err != nil {
		return path, err
	}
	return path, errors.Join(Write(whole, f), whole.Close())
}
