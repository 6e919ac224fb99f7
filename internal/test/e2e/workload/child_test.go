package workload_test

import (
	"path/filepath"
	"testing"

	"github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/workload"
)

func TestHistoriesOfProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	var all []workload.Executor
	for _, name := range []string{"p1", "p2"} {
		c := spawn(t, name, path)
		t.Cleanup(func() {
			if err := c.Close(); err != nil {
				t.Errorf("child %s: %v", name, err)
			}
		})
		all = append(all, c)
	}
	flags.Check(t, all, workload.Options{Ops: 1500})
}

// TestHistoriesOfProcessesThatAreKilled kills one of two processes again and
// again, and puts another in its place.
func TestHistoriesOfProcessesThatAreKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	steady := spawn(t, "steady", path)
	defer func() {
		if err := steady.Close(); err != nil {
			t.Errorf("the process that nobody kills: %v", err)
		}
	}()
	killed := workload.NewRestartable("killed")
	k := &killer{t: t, path: path, target: killed}
	k.restart()
	defer func() { k.child.Kill() }()
	r := flags.Check(t, []workload.Executor{steady, k}, workload.Options{Ops: 1200})
	if k.kills == 0 || r.Unknown() == 0 {
		t.Errorf("%d kills, %d unknown outcomes: nothing was shown", k.kills, r.Unknown())
	}
}

// TestUnansweredIsUnknown: what a process was asked when it was killed may have
// happened, and what it is asked later certainly has not.
func TestUnansweredIsUnknown(t *testing.T) {
	c := spawn(t, "child", filepath.Join(t.TempDir(), "sessions.db"))
	if r := c.Do(t.Context(), workload.Op{Kind: history.Create, How: workload.Outside}); r.Outcome != history.Done || r.Token == "" {
		t.Fatalf("create: %s %s", r.Outcome, r.Note)
	}
	all := workload.NewRestartable("restartable")
	all.Replace(c)
	c.Kill()
	if r := all.Do(t.Context(), workload.Op{Kind: history.Create, How: workload.Outside}); r.Outcome != history.Unavailable {
		t.Errorf("asked after its end: %s", r.Outcome)
	}
	all.Replace(nil)
	if r := all.Do(t.Context(), workload.Op{Kind: history.Create, How: workload.Outside}); r.Outcome != history.Unavailable {
		t.Errorf("asked while there is none: %s", r.Outcome)
	}
}
