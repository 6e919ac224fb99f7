package storetest_test

import (
	"path/filepath"
	"testing"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/memstore"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
	"github.com/cloakroom-go/cloakroom/storetest"
)

// This file is examples of a store's own tests. They are compiled, and not run, since a
// suite belongs to a test. The module examples/ownstore is a store to copy.

// The whole test of a store whose records end with it. It is TestStore in the store's
// own package.
func ExampleRun() {
	TestStore := func(t *testing.T) {
		storetest.Run(t, storetest.Harness{
			Open: func(testing.TB) driver.Store { return memstore.New(nil) },
		})
	}
	_ = TestStore
}

// A store that keeps its records somewhere also tells how to open that place again, as
// another process would.
func ExampleHarness() {
	TestStore := func(t *testing.T) {
		paths := map[driver.Store]string{}
		open := func(t testing.TB, path string) driver.Store {
			s, err := sqlitestore.Open(t.Context(), path, nil)
			if err != nil {
				t.Fatal(err)
			}
			paths[s] = path
			return s
		}
		storetest.Run(t, storetest.Harness{
			Open:   func(t testing.TB) driver.Store { return open(t, filepath.Join(t.TempDir(), "sessions.db")) },
			Second: func(t testing.TB, s driver.Store) driver.Store { return open(t, paths[s]) },
			Many:   50, // each write waits for a disk
		})
	}
	_ = TestStore
}
