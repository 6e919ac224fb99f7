package sqlitestore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// asNobody runs f without root's rights over files.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	// The rights over files belong to the thread. It is not used again.
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if err := syscall.Setfsuid(65534); err != nil {
			t.Error(err)
			return
		}
		f()
	}()
	<-done
}

func TestReadOnly(t *testing.T) {
	// The test's own folder is root's alone.
	dir, err := os.MkdirTemp("", "cloakroom")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	chmod := func(path string, mode os.FileMode) {
		t.Helper()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	chmod(dir, 0o755)
	path := filepath.Join(dir, "sessions.db")
	check := func(says string) {
		t.Helper()
		asNobody(t, func() {
			s, err := sqlitestore.Open(t.Context(), path, nil)
			if err == nil {
				t.Error("Open succeeded")
				_ = s.Close()
			} else if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), says) {
				t.Errorf("Open: %v\n\tdoes not name the file, or does not say %q", err, says)
			}
		})
	}

	chmod(dir, 0o555)
	check("permissions of its folder") // no file, and none can be made
	chmod(dir, 0o755)
	if err := open(t, path, nil).Close(); err != nil {
		t.Fatal(err)
	}
	check("can't be opened") // mode 0600, another owner
	chmod(path, 0o444)
	check("can't be written to")
	chmod(path, 0o666)
	chmod(dir, 0o555)
	check("folder") // no place for the write-ahead log
	chmod(dir, 0o755)
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	chmod(path, 0o444)
	check("can't be written to") // empty
}

func TestUmask(t *testing.T) {
	for _, mask := range []int{0, 0o777} {
		path := filepath.Join(t.TempDir(), "sessions.db")
		old := syscall.Umask(mask)
		s, err := sqlitestore.Open(t.Context(), path, nil)
		if err == nil {
			_, err = s.Create(t.Context(), session())
		}
		syscall.Umask(old)
		if err != nil {
			t.Errorf("umask %#o: %v", mask, err)
		}
		if s == nil {
			continue
		}
		for _, name := range []string{path, path + "-wal", path + "-shm"} {
			if info, err := os.Stat(name); err != nil || info.Mode() != 0o600 {
				t.Errorf("umask %#o: %s: %v, %v", mask, filepath.Base(name), info.Mode(), err)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// childFull fills a disk of its own, a small tmpfs in its own mount namespace: folder.
func childFull(args []string) error {
	if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := syscall.Mount("tmpfs", args[0], "tmpfs", 0, "size=2m"); err != nil {
		return err
	}
	filler := filepath.Join(args[0], "filler")
	if err := os.WriteFile(filler, make([]byte, 1<<20), 0o600); err != nil {
		return err
	}
	path := filepath.Join(args[0], "sessions.db")
	s, err := sqlitestore.Open(context.Background(), path, nil)
	if err != nil {
		return err
	}
	kept := map[driver.ID]bool{}
	create := func() error {
		r := session()
		r.Values = r.Values.With("big", json.RawMessage(`"`+strings.Repeat("x", 10_000)+`"`))
		_, err := s.Create(context.Background(), r)
		if err == nil {
			kept[r.ID] = true
		}
		return err
	}
	for range 1000 {
		if err = create(); err != nil {
			break
		}
	}
	if !errors.Is(err, driver.ErrUnavailable) || !strings.Contains(err.Error(), "make room") || !strings.Contains(err.Error(), path) {
		return fmt.Errorf("with a full disk, after %d sessions: %w", len(kept), err)
	}
	if err := os.Remove(filler); err != nil {
		return err
	}
	if err := create(); err != nil {
		return fmt.Errorf("with room again: %w", err)
	}
	for id := range kept {
		if _, err := s.Get(context.Background(), id); err != nil {
			return err
		}
	}
	found := 0
	for _, err := range s.Search(context.Background(), driver.Query{}) {
		if err != nil {
			return err
		}
		found++
	}
	if found < len(kept) || found > len(kept)+1 { // the last that failed may be there
		return fmt.Errorf("%d sessions were acknowledged, %d are there", len(kept), found)
	}
	return s.Close()
}

func init() { children["full"] = childFull }

// TestFullDisk has a real disk that is really full.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount; see TestFull")
	}
	c := newChild(t, "full", t.TempDir())
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if err := c.Start(); errors.Is(err, syscall.EPERM) {
		t.Skip("this root can't mount; see TestFull")
	} else if err != nil {
		t.Fatal(err)
	}
	c.done(t)
}
