package sqlitestore_test

import (
	"path/filepath"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
	"github.com/cloakroom-go/cloakroom/storetest"
)

func TestStore(t *testing.T) { testStore(t, false) }

// TestStoreWithIndexSeen has each save move its record in one more index.
func TestStoreWithIndexSeen(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the suite once more")
	}
	testStore(t, true)
}

func testStore(t *testing.T, indexSeen bool) {
	t.Helper()
	const tooLarge = 4 << 20
	config := &sqlitestore.Config{QueueBytes: tooLarge, IndexSeen: indexSeen}
	paths := map[driver.Store]string{}
	open := func(t testing.TB, path string) driver.Store {
		t.Helper()
		s := open(t, path, config)
		paths[s] = path
		return s
	}
	storetest.Run(t, storetest.Harness{
		TooLarge: tooLarge,
		Open: func(t testing.TB) driver.Store {
			return open(t, filepath.Join(t.TempDir(), "sessions.db"))
		},
		Second: func(t testing.TB, s driver.Store) driver.Store { return open(t, paths[s]) },
		Corrupt: func(t testing.TB, s driver.Store, id driver.ID) {
			query(t, paths[s], "UPDATE records SET data = '[1]' WHERE id = '"+id.String()+"'")
		},
	})
}

// open opens a store and closes it when the test ends.
func open(t testing.TB, path string, config *sqlitestore.Config) *sqlitestore.Store {
	t.Helper()
	s, err := sqlitestore.Open(t.Context(), path, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// query runs SQL on a file, as an operator would, and returns the first column
// of the last row.
func query(t testing.TB, path, sql string) (text string) {
	t.Helper()
	c, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = sqlitex.ExecuteTransient(c, sql, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		text = s.ColumnText(0)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return text
}
