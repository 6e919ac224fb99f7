package sqlitestore_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// refused opens a path that must be refused, with an error that contains all of says.
func refused(t *testing.T, path string, says ...string) error {
	t.Helper()
	s, err := sqlitestore.Open(t.Context(), path, nil)
	if err == nil {
		_ = s.Close()
		t.Fatalf("Open(%q) succeeded", path)
	}
	for _, text := range says {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("Open(%q): %v\n\tdoes not say %q", path, err, text)
		}
	}
	return err
}

func TestRefusedPaths(t *testing.T) {
	dir := t.TempDir()
	refused(t, "", "memstore")
	refused(t, ":memory:", "memstore")
	refused(t, "file:sessions.db?mode=memory", "URI", "memstore")
	refused(t, "a\x00b", "NUL")
	refused(t, dir, dir, "folder")
	refused(t, filepath.Join(dir, "no", "such", "sessions.db"), filepath.Join(dir, "no", "such"), "create it first")
	refused(t, filepath.Join(dir, strings.Repeat("x", 300)), "xxx")
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("something was created: %v, %v", entries, err)
	}
}

func TestForeignFiles(t *testing.T) {
	file := func(name, sql string) (path string, before []byte) {
		path = filepath.Join(t.TempDir(), name)
		query(t, path, sql)
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return path, before
	}
	for name, sql := range map[string]string{
		"tables.db":  "CREATE TABLE accounts (id INTEGER PRIMARY KEY)",
		"marked.db":  "PRAGMA application_id = 12345",
		"version.db": "PRAGMA user_version = 3",
	} {
		path, before := file(name, sql)
		refused(t, path, path, "another application", "file of its own")
		if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
			t.Errorf("%s was changed (%v)", name, err)
		}
	}

	path := filepath.Join(t.TempDir(), "sessions.txt")
	if err := os.WriteFile(path, []byte(strings.Repeat("no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, path, path, "not an SQLite database")

	path = filepath.Join(t.TempDir(), "newer.db")
	if err := open(t, path, nil).Close(); err != nil {
		t.Fatal(err)
	}
	query(t, path, "PRAGMA user_version = 99")
	refused(t, path, path, "99", "upgrade")
	query(t, path, "PRAGMA user_version = -1")
	refused(t, path, path, "user_version")
	query(t, path, "PRAGMA user_version = 1")
	if err := open(t, path, nil).Close(); err != nil {
		t.Error(err)
	}
}

// TestDamagedFile: a file's pages were overwritten. That is an outage, so that nobody is
// signed out by it.
func TestDamagedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	s := open(t, path, nil)
	r := session()
	if _, err := s.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 4096; i < len(data); i++ {
		data[i] = 0x5a
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, path, nil)
	_, err = s.Get(t.Context(), r.ID)
	if !errors.Is(err, driver.ErrUnavailable) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "backup") {
		t.Errorf("Get: %v", err)
	}
	if _, err := s.Create(t.Context(), session()); !errors.Is(err, driver.ErrUnavailable) {
		t.Errorf("Create: %v", err)
	}
}

func TestPaths(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target.db")
	t.Chdir(dir)
	open(t, "a b?c%41#d.db", nil)
	if _, err := os.Stat(filepath.Join(dir, "a b?c%41#d.db")); err != nil {
		t.Error(err)
	}

	// An empty file, as left by a program that was killed at its first start.
	if err := os.WriteFile(target, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, target, nil)
	r := session()
	if _, err := s.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}

	if runtime.GOOS == "windows" {
		return // links need a privilege
	}
	if err := os.Symlink(target, "link.db"); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, "link.db", nil).Get(t.Context(), r.ID); err != nil {
		t.Errorf("through a link: %v", err)
	}
	if err := os.Symlink("nowhere.db", "dangling.db"); err != nil {
		t.Fatal(err)
	}
	refused(t, "dangling.db", "dangling.db")
}

func TestFileMode(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no file modes")
	}
	path := filepath.Join(t.TempDir(), "sessions.db")
	s := open(t, path, nil)
	if _, err := s.Create(t.Context(), session()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode(); mode != 0o600 {
			t.Errorf("%s has mode %v", filepath.Base(name), mode)
		}
	}
	problems := func() string {
		report, err := s.Report(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, p := range report.Problems {
			all = append(all, p.String())
		}
		return strings.Join(all, "\n")
	}
	if got := problems(); got != "" {
		t.Errorf("problems: %s", got)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if got := problems(); !strings.Contains(got, "chmod 600") {
		t.Errorf("problems of a file with mode 0640: %q", got)
	}
	for mode, lines := range map[os.FileMode]int{0o640: 1, 0o600: 0} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		open(t, path, &sqlitestore.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if got := strings.Count(log.String(), "chmod 600"); got != lines {
			t.Errorf("a file with mode %v is opened: told %q", mode, log.String())
		}
	}
}

// TestOpenAtOnce: many open the same new file at once.
func TestOpenAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	r := session()
	stores := make([]*sqlitestore.Store, 8)
	var wg sync.WaitGroup
	for i := range stores {
		wg.Go(func() {
			s, err := sqlitestore.Open(t.Context(), path, nil)
			if err != nil {
				t.Error(err)
				return
			}
			stores[i] = s
			if _, err := s.Create(t.Context(), r); err != nil && !errors.Is(err, driver.ErrExists) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, s := range stores {
		if s == nil {
			continue
		}
		if _, err := s.Get(t.Context(), r.ID); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	path := filepath.Join(t.TempDir(), "sessions.db")
	if _, err := sqlitestore.Open(ctx, path, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Open with a context that has ended: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it left a file: %v", err)
	}
}

// TestMovedFile: the file goes away under a store. A save into a file that nobody finds
// again must not be acknowledged.
func TestMovedFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows doesn't let open files go")
	}
	path := filepath.Join(t.TempDir(), "sessions.db")
	s := open(t, path, nil)
	save := func() error {
		_, err := s.Create(t.Context(), session())
		return err
	}
	if err := save(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".moved"); err != nil {
		t.Fatal(err)
	}
	check := func(what string) {
		t.Helper()
		if err := save(); !errors.Is(err, driver.ErrUnavailable) || !strings.Contains(err.Error(), "replaced") {
			t.Errorf("save into a file that was %s: %v", what, err)
		}
		if report, err := s.Report(t.Context()); err != nil || len(report.Problems) != 1 {
			t.Errorf("report of a file that was %s: %v, %v", what, report.Problems, err)
		}
	}
	check("moved")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	check("replaced")
	if err := os.Rename(path+".moved", path); err != nil {
		t.Fatal(err)
	}
	if err := save(); err != nil {
		t.Errorf("save after the file came back: %v", err)
	}
}
