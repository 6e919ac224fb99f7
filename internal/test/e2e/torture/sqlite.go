package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/cloakroom-go/cloakroom/internal/test/e2e/workload"
)

// sqliteScenarios are those on one SQLite file.
func sqliteScenarios() []Scenario {
	return []Scenario{
		{
			Name: "sqlite-killed", Weight: 3, Run: sqliteKilled(1, 10),
			What: "SIGKILL of the one application process on an SQLite file, at random moments, also while it starts; another opens the " +
				"file as it was left. Every other time the file is checked before, every other time while the next process works.",
		},
		{
			Name: "sqlite-two", Weight: 1, Run: sqliteKilled(2, 5),
			What: "Two application processes on one SQLite file, one of which gets SIGKILL now and then.",
		},
		{
			Name: "sqlite-four", Weight: 1, Run: sqliteKilled(4, 5),
			What: "Four application processes on one SQLite file, one of which gets SIGKILL now and then.",
		},
		{
			Name: "sqlite-clocks", Weight: 1, Run: sqliteClocks,
			What: "Four application processes on one SQLite file, whose clocks lie apart by up to the 2 minutes that are tolerated. One of them " +
				"gets SIGKILL now and then, and another clock.",
		},
		{
			Name: "sqlite-ledgers", Weight: 1, Run: sqliteLedgers,
			What: "Four application processes, as in sqlite-clocks. The ledger of a principal is deleted, emptied, made unreadable, or overwritten " +
				"with another's; then the principal is signed out everywhere, now and then by a process that gets SIGKILL at it, and once more by another.",
		},
		{
			Name: "sqlite-full", Weight: 1, Run: sqliteFull,
			What: "The disk that the SQLite file of two application processes lies on is filled to the last page for some seconds, and has " +
				"room again.",
		},
		{
			Name: "sqlite-readonly", Weight: 1, Run: sqliteReadOnly,
			What: "The SQLite file of two application processes, and its write-ahead log, are made immutable for some seconds while they " +
				"are open, so that the kernel refuses all writes.",
		},
	}
}

// sqliteFile is an SQLite file with processes that work on it. This process
// never opens it.
type sqliteFile struct {
	run     *Run
	path    string
	workers []*Worker
	clients clients
	checks  int
}

// startSQLite starts so many workers on a file in a folder, whose clocks are that far
// ahead of this machine's.
func startSQLite(r *Run, dir string, processes int, ahead ...time.Duration) *sqliteFile {
	r.Helper()
	r.Uses("SQLite " + sqlite.Version)
	s := &sqliteFile{run: r, path: filepath.Join(dir, "sessions.db")}
	s.clients.path = s.path
	secret := []byte(fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64())) // never the same again
	for i := range processes {
		spec := WorkerSpec{Name: fmt.Sprintf("worker%d", i+1), Secret: secret, SQLite: s.path}
		if i < len(ahead) {
			spec.Ahead = ahead[i]
		}
		s.workers = append(s.workers, r.StartWorker(spec))
	}
	return s
}

// work has clients work until faults returns, and checks the file at the end.
func (s *sqliteFile) work(ctx context.Context, faults func(ctx context.Context) error) error {
	s.run.Helper()
	var all []workload.Executor
	for _, w := range s.workers {
		all = append(all, s.clients.of(w))
	}
	err := s.run.Work(ctx, all, workload.Options{Clients: 24, Families: 12}, faults)
	if err == nil {
		err = s.check(ctx)
	}
	s.run.Note("%d times SQLite's integrity check was made, by a process of its own", s.checks)
	return err
}

// sqliteKilled has processes on one file, of which at least so many are killed,
// one after the other.
func sqliteKilled(processes, kills int) func(ctx context.Context, r *Run) error {
	return func(ctx context.Context, r *Run) error {
		s := startSQLite(r, r.TempDir(), processes)
		return s.work(ctx, func(ctx context.Context) error {
			for round := 0; round < kills || r.More(); round++ {
				r.Pause(ctx, 0, time.Second)
				w := s.workers[r.Rand().IntN(len(s.workers))]
				w.Kill()
				if round%2 == 0 {
					if err := s.check(ctx); err != nil {
						return err
					}
				}
				w.Restart()
				if r.Rand().IntN(4) == 0 {
					continue // perhaps the next one gets it while it starts
				}
				if err := r.Recovered(ctx); err != nil {
					return err
				}
				if round%2 == 1 {
					if err := s.check(ctx); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
}

// checkVariable makes a process that Serve is called in check the file that it
// names.
const checkVariable = "CLOAKROOM_TORTURE_CHECK"

// check has another process check the file: whoever closes a file drops all
// locks that his process has on it.
func (s *sqliteFile) check(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), checkVariable+"="+s.path)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("integrity check: %w: %s", err, strings.TrimSpace(string(out)))
	}
	s.checks++
	return nil
}

// checkFile is what that process does. A file that is sound gives no error.
func checkFile(path string) (err error) {
	c, err := sqlite.OpenConn(path, sqlite.OpenReadWrite) // the log may have to be recovered
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	c.SetBusyTimeout(time.Minute)
	var found []string
	err = sqlitex.ExecuteTransient(c, "PRAGMA integrity_check", &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		found = append(found, s.ColumnText(0))
		return nil
	}})
	switch {
	case err != nil:
		return err
	case len(found) != 1 || found[0] != "ok":
		return fmt.Errorf("%s is damaged: %q", filepath.Base(path), found)
	}
	return nil
}
