package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// This file tests the recipe of SQLite.

// TestRecipeSQLite backs a file up while it is used, and restores it.
func TestRecipeSQLite(t *testing.T) {
	all, err := recipes()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path, copied := filepath.Join(dir, "sessions.db"), filepath.Join(dir, "sessions-backup.db")
	open := func() *sqlitestore.Store {
		t.Helper()
		s, err := sqlitestore.Open(t.Context(), path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	m := managerOn(t, s)
	var ids []cloakroom.ID
	for range 2 {
		made, err := m.Create(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, made.ID())
	}
	// The shell is another process: here the file is opened for reading, and by no store
	// of this process meanwhile, as sqlitestore's documentation wants it.
	if err := errors.Join(m.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	c, err := sqlite.OpenConn(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := sqlitex.ExecuteTransient(c, strings.ReplaceAll(all["sqlite-backup"], "sessions-backup.db", copied), nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}

	s = open()
	m = managerOn(t, s)
	if err := m.Admin().Revoke(t.Context(), ids[1]); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(m.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{"-wal", "-shm"} {
		if err := os.Remove(path + end); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Chmod(copied, 0o600), os.Rename(copied, path)); err != nil {
		t.Fatal(err)
	}
	s = open()
	m = managerOn(t, s)
	defer s.Close()
	for _, id := range ids { // the one that was ended as well, as the document says
		if _, err := m.Admin().Find(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Sweep(t.Context(), time.Now()); err != nil {
		t.Error(err)
	}
}
