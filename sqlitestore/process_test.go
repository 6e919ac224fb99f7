package sqlitestore_test

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file tests several processes on one file.

// TestTwoProcesses has two processes increment one counter, two stores in each.
func TestTwoProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	one, two := open(t, path, nil), open(t, path, nil)
	r := session()
	if _, err := one.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	const callers, times = 4, 100
	other := start(t, "increment", path, r.ID.String(), strconv.Itoa(callers), strconv.Itoa(times))
	other.line(t)
	_ = other.in.Close()
	errs := make(chan error)
	for _, s := range []*sqlitestore.Store{one, two} {
		go func() {
			_, err := increment(s, r.ID, callers, times)
			errs <- err
		}()
	}
	// Stores that are opened and closed in this process must not drop its locks.
	if err := visit(path); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	t.Log(other.line(t))
	other.done(t)
	got, err := one.Get(t.Context(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	if n, want := string(got.Values.Get("n")), strconv.Itoa(3*callers*times); n != want {
		t.Errorf("the counter is at %s, want %s", n, want)
	}
}

// TestKill kills a process that writes. Every acknowledged save must be there.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	for range 3 {
		c := start(t, "write", path)
		last := map[string]uint64{}
		for range 2000 {
			id, n, _ := strings.Cut(c.line(t), " ")
			writes, err := strconv.ParseUint(n, 10, 64)
			if err != nil {
				t.Fatalf("the child: %s %s", id, n)
			}
			last[id] = writes
		}
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = c.Wait()
		s := open(t, path, nil)
		for text, writes := range last {
			id, err := driver.ParseID(text)
			if err != nil {
				t.Fatal(err)
			}
			r, err := s.Get(t.Context(), id)
			if err != nil {
				t.Errorf("acknowledged at write %d: %v", writes, err)
			} else if r.Writes < writes {
				t.Errorf("%s is at write %d, %d was acknowledged", id, r.Writes, writes)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if text := query(t, path, "PRAGMA integrity_check"); text != "ok" {
			t.Errorf("the file is damaged: %s", text)
		}
	}
}

// TestOpenAndClose: two processes open and close stores, so that the last to leave
// removes the log while the next opens the file. Nobody may notice.
func TestOpenAndClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	other := start(t, "visit", path)
	if err := visit(path); err != nil {
		t.Error(err)
	}
	other.done(t)
	s := open(t, path, nil)
	if sum, err := s.Summarize(t.Context(), driver.Query{}); err != nil || sum.Records != 2*2*visits {
		t.Errorf("%d sessions are there, want %d (%v)", sum.Records, 2*2*visits, err)
	}
}
