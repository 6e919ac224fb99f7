package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file tests a cut whose terminal, or whose reader, goes away.

// cutting returns a cut in a process of its own.
func cutting(t *testing.T, from, to string, args ...string) (*exec.Cmd, *watcher) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("signals are those of Unix")
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, append([]string{"copy", "--from", "sqlite:" + from, "--to", "sqlite:" + to, "--cut", "--yes"}, args...)...)
	cmd.Env = append(os.Environ(), "CLOAKROOM_TEST_MAIN=1")
	stderr := &watcher{}
	cmd.Stderr = stderr
	return cmd, stderr
}

func isFenced(t *testing.T, path string) bool {
	t.Helper()
	s, err := sqlitestore.Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	since, err := s.Fenced(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return !since.IsZero()
}

// TestCopyHangup: a cut whose terminal goes away is given up, as by Ctrl-C.
func TestCopyHangup(t *testing.T) {
	noVariables(t)
	folder := t.TempDir()
	from, to := filepath.Join(folder, "from.db"), filepath.Join(folder, "to.db")
	crowd(t, from, 5000)
	cmd, stderr := cutting(t, from, to, "--json")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for s := bufio.NewScanner(stdout); s.Scan(); {
		if strings.Contains(s.Text(), "writes at the source are refused from now on") {
			if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
				t.Error(err)
			}
		}
	}
	_ = cmd.Wait()
	switch fenced := isFenced(t, from); {
	case cmd.ProcessState.Success():
		t.Skip("it was faster than the signal")
	case cmd.ProcessState.ExitCode() != exitInterrupted || fenced:
		t.Errorf("%v, fenced %v\n%s", cmd.ProcessState, fenced, stderr)
	}
}

// TestCopyUnread: a cut that nobody reads the answer of says on the error output what it
// leaves.
func TestCopyUnread(t *testing.T) {
	noVariables(t)
	folder := t.TempDir()
	from, to := filepath.Join(folder, "from.db"), filepath.Join(folder, "to.db")
	fileShop(t, from, false)
	cmd, stderr := cutting(t, from, to)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	cmd.Stdout = w
	_ = cmd.Run()
	w.Close()
	if cmd.ProcessState.ExitCode() != exitFailed || !isFenced(t, from) || !strings.Contains(stderr.String(), "--unfence") {
		t.Errorf("%v\n%s", cmd.ProcessState, stderr)
	}
}
