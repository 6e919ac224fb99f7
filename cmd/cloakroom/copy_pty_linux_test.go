package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file tests the question of a cut, at a terminal.

// TestCopyAsks: it cuts over after a yes, and not after anything else.
func TestCopyAsks(t *testing.T) {
	noVariables(t)
	folder := t.TempDir()
	from, to := filepath.Join(folder, "from.db"), filepath.Join(folder, "to.db")
	fileShop(t, from, false)
	store, err := sqlitestore.Open(t.Context(), from, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for _, test := range []struct {
		answer string
		exit   int
	}{
		{"\n", exitFailed}, {"no\n", exitFailed}, {"\x04", exitFailed}, {"stop", exitInterrupted}, {"yes\n", exitOK},
	} {
		person, input := openTerminal(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		stdout, stderr := &watcher{}, &watcher{word: "[y/N] ", found: cancel}
		if test.answer != "stop" {
			stderr.found = func() {}
			if _, err := person.WriteString(test.answer); err != nil { // it is there when the command asks
				t.Fatal(err)
			}
		}
		exit := run(ctx, []string{"copy", "--from", "sqlite:" + from, "--to", "sqlite:" + to, "--cut", "--no-progress"}, input, stdout, stderr)
		if exit != test.exit || !strings.Contains(stderr.String(), `Writes at the source are refused from then on, for about 1s and until`) {
			t.Errorf("%q: exit %d\n%s\n%s", test.answer, exit, stdout, stderr)
		}
		since, err := store.Fenced(t.Context())
		if err != nil || since.IsZero() != (test.exit != exitOK) {
			t.Errorf("%q: fenced since %v, %v", test.answer, since, err)
		}
		if told := stderr.String(); test.exit != exitOK && !strings.Contains(told, "nothing was cut over") {
			t.Errorf("%q: it doesn't tell that nothing was done: %q", test.answer, told)
		}
	}
}
