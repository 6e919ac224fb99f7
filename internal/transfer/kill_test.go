package transfer_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/transfer"
)

// This file kills processes that copy, at any point, and runs them again.

var kills = flag.Int("kills", 5, "how often TestKilled kills")

// childVariable tells a child of TestKilled what to copy: two files, and "cut" or "pass".
const childVariable = "TRANSFER_CHILD"

// TestChild copies until it is killed. Only TestKilled asks for it.
func TestChild(t *testing.T) {
	from, rest, ok := strings.Cut(os.Getenv(childVariable), "|")
	if !ok {
		t.Skip(childVariable + " names nothing to copy")
	}
	to, what, _ := strings.Cut(rest, "|")
	m, found := mover(t, openFile(t, from), openFile(t, to), nil)
	fmt.Println("begun")
	if what == "cut" {
		mustCut(t, m, found)
	}
	for {
		pass(t, m)
	}
}

// child starts a child, and kills it after a time.
func child(t *testing.T, from, to, what string, after time.Duration) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), childVariable+"="+from+"|"+to+"|"+what)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 6)); err != nil {
		t.Error(err)
	}
	time.Sleep(after) // the moment of the kill is what is tried out
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the child ended: %v", err)
	}
}

// TestKilled kills the copying process at any point, in the cut too, beside visitors. What
// runs in the end completes it, with nothing remembered.
func TestKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	folder := t.TempDir()
	source, target := filepath.Join(folder, "from.db"), filepath.Join(folder, "to.db")
	from, to := openFile(t, source), openFile(t, target)
	for range 1500 { // so that a pass takes a while
		create(t, from, session(driver.LayoutDay))
	}
	fenced := 0
	walk(t, from, to, 20, func(beside func(int, func() error) error) error {
		for i := range *kills {
			what := "pass"
			requests := 200
			if i%3 == 1 {
				what, requests = "cut", 0 // a visitor who is refused in mid-sign-in can't be judged
			}
			kill := func() error {
				child(t, source, target, what, time.Duration(rand.IntN(250))*time.Millisecond)
				return nil
			}
			if requests == 0 {
				_ = kill()
			} else if err := beside(requests, kill); err != nil {
				return err
			}
			since, err := transfer.Unfence(t.Context(), from)
			if err != nil {
				return err
			}
			if !since.IsZero() {
				fenced++
			}
		}
		m, found := mover(t, from, to, nil)
		err := beside(200, func() error {
			_, err := m.Cut(t.Context(), transfer.CutOptions{})
			return err
		})
		if s := found.String(); err != nil || s != "" {
			return fmt.Errorf("%w\n%s", err, s)
		}
		return nil
	})
	t.Logf("%d kills, %d of them behind the fence", *kills, fenced)
}
