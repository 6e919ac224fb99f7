package scsstore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	scsstore "github.com/cloakroom-go/cloakroom/adapters/scs"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/test/leaktest"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file tests two processes on one SQLite file. The other process is this test
// binary, which then commits sessions in the place of running tests.

const childEnv = "CLOAKROOM_TEST_CHILD"

func TestMain(m *testing.M) {
	if kind, dir, ok := strings.Cut(os.Getenv(siteEnv), ":"); ok {
		if err := serveSite(kind, dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if path := os.Getenv(childEnv); path != "" {
		if err := commitUntilDeleted(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	leaktest.Main(m)
}

// commitUntilDeleted reads tokens, one a line. It commits each from several goroutines at
// once until that is refused, and answers with lines: "committing", as soon as all have
// committed it, and "refused" in the end.
func commitUntilDeleted(path string) error {
	db, err := sqlitestore.Open(context.Background(), path, nil)
	if err != nil {
		return err
	}
	defer db.Close()
	const callers = 4
	var stores []*scsstore.Store
	for range 2 {
		s, err := scsstore.New(db, nil)
		if err != nil {
			return err
		}
		defer s.Close()
		stores = append(stores, s)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var wg sync.WaitGroup
		begun, failed := make(chan error, callers), make(chan error, callers)
		for i := range callers {
			wg.Go(func() {
				for n := 0; ; n++ {
					err := stores[i%len(stores)].Commit(lines.Text(), []byte("the child's"), time.Now().Add(time.Hour))
					if n == 0 {
						begun <- err
					}
					if err != nil {
						failed <- err
						return
					}
				}
			})
		}
		for range callers {
			if err := <-begun; err != nil {
				return err
			}
		}
		fmt.Println("committing")
		wg.Wait()
		for range callers {
			if err := <-failed; !errors.Is(err, driver.ErrGone) {
				return err
			}
		}
		fmt.Println("refused")
	}
	return lines.Err()
}

// TestTwoProcesses deletes sessions here while the other process commits them.
func TestTwoProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	db := openFile(t, path)
	s := newStore(t, db, scsstore.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, os.Args[0])
	c.Env = append(os.Environ(), childEnv+"="+path)
	var problems strings.Builder
	c.Stderr = &problems
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewScanner(out)
	want := func(answer string) {
		t.Helper()
		if !answers.Scan() || answers.Text() != answer {
			t.Fatalf("the other process: %q, want %q: %v\n%s", answers.Text(), answer, c.Wait(), problems.String())
		}
	}
	const sessions = 10
	for i := range sessions {
		token := fmt.Sprint(token, i)
		commit(t, s, token, "ours", time.Now().Add(time.Hour))
		fmt.Fprintln(in, token)
		want("committing")
		wantFound(t, s, token, "the child's")
		remove(t, s, token)
		wantMissing(t, s, token)
		want("refused")
		wantMissing(t, s, token)
		if err := s.Commit(token, nil, time.Now().Add(time.Hour)); !errors.Is(err, driver.ErrGone) {
			t.Errorf("Commit: %v", err)
		}
	}
	_ = in.Close()
	if err := c.Wait(); err != nil {
		t.Errorf("the other process: %v\n%s", err, problems.String())
	}
	if r := sweepAt(t, db, time.Now().Add(25*time.Hour)); r.Removed != sessions {
		t.Errorf("a day later a sweep removed %+v, want %d graves", r, sessions)
	}
}
