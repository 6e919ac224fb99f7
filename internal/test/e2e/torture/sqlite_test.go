package torture

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTortureSQLiteKilled(t *testing.T) {
	if got := short(t, "sqlite-killed"); got.Kills < 10 || got.Restarts != got.Kills {
		t.Errorf("%d kills and %d restarts: there should be 10 of each", got.Kills, got.Restarts)
	}
}

func TestTortureSQLiteTwo(t *testing.T) {
	if got := short(t, "sqlite-two"); got.Kills == 0 {
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
	if got := short(t, "sqlite-readonly"); got.Cuts == 0 || got.Restarts != 0 {
		t.Errorf("%d times the file was read-only, with %d restarts: there should be some, with none", got.Cuts, got.Restarts)
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
