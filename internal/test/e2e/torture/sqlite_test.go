package torture

import (
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/workload"
	"github.com/cloakroom-go/cloakroom/memstore"
)

func TestTortureSQLiteKilled(t *testing.T) {
	if got := short(t, "sqlite-killed"); got.Kills < 10 || got.Restarts != got.Kills {
		t.Errorf("%d kills and %d restarts: there should be 10 of each", got.Kills, got.Restarts)
	}
}

func TestTortureSQLiteTwo(t *testing.T) {
	if got := alike(t, "sqlite-two", "sqlite-four"); got.Kills == 0 {
		t.Error("no process was killed")
	}
}

func TestTortureSQLiteFour(t *testing.T) {
	if got := short(t, "sqlite-four"); got.Kills == 0 {
		t.Error("no process was killed")
	}
}

func TestTortureSQLiteFull(t *testing.T) {
	if got := short(t, "sqlite-full"); got.Cuts == 0 || got.Restarts != 0 {
		t.Errorf("%d times the disk was full, with %d restarts: there should be some, with none", got.Cuts, got.Restarts)
	}
}

func TestTortureSQLiteReadOnly(t *testing.T) {
	if got := alike(t, "sqlite-readonly", "sqlite-full"); got.Cuts == 0 || got.Restarts != 0 {
		t.Errorf("%d times the file was read-only, with %d restarts: there should be some, with none", got.Cuts, got.Restarts)
	}
}

func TestTortureSQLiteClocks(t *testing.T) {
	if got := short(t, "sqlite-clocks"); got.Kills == 0 || got.Restarts != got.Kills {
		t.Errorf("%d kills and %d restarts: there should be some", got.Kills, got.Restarts)
	}
}

func TestTortureSQLiteLedgers(t *testing.T) {
	if got := alike(t, "sqlite-ledgers", "sqlite-killed"); got.Kills == 0 {
		t.Error("no process was killed")
	}
}

// blind finds nothing in searches, as if a sign-out everywhere made none.
type blind struct{ cloakroom.Store }

func (blind) Search(context.Context, driver.Query) iter.Seq2[*driver.Record, error] {
	return func(func(*driver.Record, error) bool) {}
}

// What survives the loss of its ledger is noticed, whatever became of that. So is a
// session whose principal a ledger names that isn't its own.
func TestLostLedgersAreCaught(t *testing.T) {
	for _, how := range workload.Losses() {
		for _, sound := range []bool{true, false} {
			mem := memstore.New(nil)
			defer mem.Close()
			var store cloakroom.Store = mem
			if !sound {
				store = blind{mem}
			}
			keyring, err := workload.Keyring()
			if err != nil {
				t.Fatal(err)
			}
			var all []workload.Executor
			for i := range 2 {
				config := workload.Config()
				config.Now = func() time.Time { return time.Now().Add(time.Duration(i) * driver.ClockTolerance) }
				l, err := workload.NewLocal(fmt.Sprint("m", i), store, keyring, config)
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				all = append(all, l)
			}
			r := &Run{TB: t}
			v, other := newVisitor(t.Context(), r, "lost", 1), newVisitor(t.Context(), r, "other", 2)
			err = v.outlive(all, how, other, nil)
			if sound != (err == nil) {
				t.Errorf("a ledger that was %s, sound store %t: %v", how, sound, err)
			}
			checker := history.NewChecker(&history.Options{Dir: t.TempDir()})
			checker.Add(v.family)
			checker.Add(other.family)
			if report := checker.Close(); (report.Failed == 0) != sound {
				t.Errorf("a ledger that was %s, sound store %t: the checker says %v", how, sound, report)
			}
		}
	}
}

// TestCheckFile has files that are sound, damaged and no files.
func TestCheckFile(t *testing.T) {
	r := &Run{TB: t}
	s := startSQLite(r, t.TempDir(), 1)
	if err := s.workers[0].take().Close(); err != nil { // it makes the schema first
		t.Fatal(err)
	}
	if err := s.check(t.Context()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func() []byte{
		"a page":    func() []byte { c := append([]byte(nil), b...); clear(c[4096:8192]); return c },
		"no file":   func() []byte { return []byte("nothing that SQLite would understand") },
		"truncated": func() []byte { return b[:4096] },
	} {
		s.path = filepath.Join(t.TempDir(), "sessions.db")
		if err := os.WriteFile(s.path, damage(), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.check(t.Context()); err == nil {
			t.Errorf("%s: the file counts as sound", name)
		}
	}
}
