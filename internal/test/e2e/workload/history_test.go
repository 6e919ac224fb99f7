package workload_test

import (
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/elasticstore"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/workload"
	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
	"github.com/cloakroom-go/cloakroom/memstore"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

var flags = workload.AddFlags(flag.CommandLine)

// world is a kind of store, and how many managers work on it.
type world struct {
	name string
	ops  int // for a short run
	open func(t *testing.T) []cloakroom.Store
	// Far stores answer late and gather what arrives together: it takes more
	// clients to keep them busy.
	far bool
}

// options returns those of a short run.
func (w *world) options() workload.Options {
	if w.far {
		return workload.Options{Ops: w.ops, Clients: 24, Families: 6}
	}
	return workload.Options{Ops: w.ops}
}

var worlds = []world{
	{"memory, 1 manager", 4000, func(t *testing.T) []cloakroom.Store { return inMemory(t, 1) }, false},
	{"memory, 3 managers", 4000, func(t *testing.T) []cloakroom.Store { return inMemory(t, 3) }, false},
	{"SQLite, 1 manager", 1200, func(t *testing.T) []cloakroom.Store { return inFile(t, 1) }, false},
	{"SQLite, 3 managers", 1200, func(t *testing.T) []cloakroom.Store { return inFile(t, 3) }, false},
	{"OpenSearch, 1 manager", 600, func(t *testing.T) []cloakroom.Store { return inEngine(t, 1) }, true},
	{"OpenSearch, 2 managers", 600, func(t *testing.T) []cloakroom.Store { return inEngine(t, 2) }, true},
}

func inMemory(t *testing.T, managers int) []cloakroom.Store {
	s := memstore.New(nil)
	t.Cleanup(func() { s.Close() })
	var all []cloakroom.Store
	for range managers {
		all = append(all, s)
	}
	return all
}

func inFile(t *testing.T, managers int) []cloakroom.Store {
	path := filepath.Join(t.TempDir(), "sessions.db")
	var all []cloakroom.Store
	for range managers {
		s, err := sqlitestore.Open(t.Context(), path, &sqlitestore.Config{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		all = append(all, s)
	}
	return all
}

// executors returns one for each store.
func executors(t *testing.T, stores []cloakroom.Store, config *cloakroom.Config) []workload.Executor {
	t.Helper()
	keyring, err := workload.Keyring()
	if err != nil {
		t.Fatal(err)
	}
	var all []workload.Executor
	for i, s := range stores {
		l, err := workload.NewLocal(fmt.Sprint("m", i+1), s, keyring, config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		all = append(all, l)
	}
	return all
}

func TestHistories(t *testing.T) {
	for _, w := range worlds {
		t.Run(w.name, func(t *testing.T) {
			flags.Check(t, executors(t, w.open(t), workload.Config()), w.options())
		})
	}
}

// TestHistoriesUnderFaults has a bad connection in front of each store.
func TestHistoriesUnderFaults(t *testing.T) {
	for _, w := range worlds {
		t.Run(w.name, func(t *testing.T) {
			o := w.options()
			o.Ops, o.Seed = o.Ops/2, flags.Draw()
			stores := w.open(t)
			for i, s := range stores {
				f := workload.NewFaults(s, workload.ManyFaults(o.Seed+int64(i)))
				t.Cleanup(func() {
					if err := f.Close(); err != nil {
						t.Error(err)
					}
					if t.Log(f); f.Injected() == 0 {
						t.Error("no operation had a fault")
					}
				})
				stores[i] = f
			}
			c := workload.Config()
			c.SaveTimeout = time.Second
			flags.Check(t, executors(t, stores, c), o)
		})
	}
}

// TestHistoriesOfIdleSessions moves the sessions' clock: who is told that a
// session has expired is never told of it again, and none expires that was used.
func TestHistoriesOfIdleSessions(t *testing.T) {
	for _, w := range worlds {
		t.Run(w.name, func(t *testing.T) {
			const idle = 10 * time.Minute
			clock := workload.NewClock(time.Now())
			o := w.options()
			o.Clock, o.Idle = clock, idle
			flags.Check(t, executors(t, w.open(t), workload.IdleConfig(clock, idle)), o)
		})
	}
}

func inEngine(t *testing.T, managers int) []cloakroom.Store {
	url := testengine.Shared(t)
	index := fmt.Sprintf("history-%016x", rand.Uint64())
	t.Cleanup(func() { workload.DropIndices(t, url, index) })
	var all []cloakroom.Store
	for range managers {
		s, err := elasticstore.Open(t.Context(), elasticstore.ClientConfig{URLs: []string{url}},
			&elasticstore.Config{Index: index, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		all = append(all, workload.Unwitnessed{Store: s})
	}
	return all
}
