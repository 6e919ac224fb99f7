package sqlitestore

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// This file is the tests of Pending.

// TestPending: it names what Open would change, and changes nothing, also while a store is
// open on the file.
func TestPending(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	if _, err := Pending(t.Context(), path, nil); err == nil {
		t.Error("a file that isn't there is looked at")
	}
	s, err := Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if steps, err := Pending(t.Context(), path, nil); err != nil || steps != nil {
		t.Errorf("a file that is up to date: %q %v", steps, err)
	}
	if steps, err := Pending(t.Context(), path, &Config{IndexSeen: true}); err != nil || len(steps) != 1 || steps[0] != "records_seen is added" {
		t.Errorf("with an index: %q %v", steps, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := openConn(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := execute(c, "DROP INDEX records_ended"); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if steps, err := Pending(t.Context(), path, nil); err != nil || len(steps) != 1 || steps[0] != "records_ended is added" {
		t.Errorf("of an earlier version: %q %v", steps, err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed: %v", err)
	}
	other := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(other, []byte(strings.Repeat("no database. ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if steps, err := Pending(t.Context(), other, nil); err == nil {
		t.Errorf("a file that is none of a store's: %q", steps)
	}
}
