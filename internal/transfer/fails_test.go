package transfer_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/transfer"
	"github.com/cloakroom-go/cloakroom/memstore"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file tests cuts that can't be made, or must not be.

// TestLocked: where the fence can't be set, nobody is told that it stays.
func TestLocked(t *testing.T) {
	path := t.TempDir() + "/sessions.db"
	from, err := sqlitestore.Open(t.Context(), path, &sqlitestore.Config{BusyTimeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	create(t, from, session(driver.LayoutDay))
	m, _ := mover(t, from, memstore.New(nil), func(c *transfer.Config) { c.Patience = 300 * time.Millisecond })
	pass(t, m)
	other, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := sqlitex.ExecuteTransient(other, "BEGIN IMMEDIATE", nil); err != nil {
		t.Fatal(err)
	}
	cut, err := m.Cut(t.Context(), transfer.CutOptions{})
	if !errors.Is(err, driver.ErrUnavailable) || cut.Fenced || strings.Contains(err.Error(), "still refused") {
		t.Errorf("%+v %v", cut, err)
	}
}

// timed is a store whose engine has a clock.
type timed struct {
	*memstore.Store
	now func() time.Time
}

func (s *timed) EngineTime(context.Context) (time.Time, error) { return s.now(), nil }

// TestClockJumps: a cut isn't made by a clock that has gone wrong since the beginning.
func TestClockJumps(t *testing.T) {
	from := &timed{memstore.New(nil), time.Now}
	r := create(t, from, session(driver.LayoutDay))
	ahead := time.Duration(0)
	m, _ := mover(t, from, memstore.New(nil), func(c *transfer.Config) { c.Now = func() time.Time { return time.Now().Add(ahead) } })
	pass(t, m)
	update(t, from, r)
	ahead = 30 * time.Hour
	if cut, err := m.Cut(t.Context(), transfer.CutOptions{}); !errors.Is(err, driver.ErrClock) || cut.Fenced || !isOpen(t, from) {
		t.Errorf("%+v %v", cut, err)
	}
}
