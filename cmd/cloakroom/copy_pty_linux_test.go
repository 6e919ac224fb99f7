package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

// TestCopyAsksFenced: where a killed cut has left the fence, a no doesn't claim that the
// source takes writes.
func TestCopyAsksFenced(t *testing.T) {
	noVariables(t)
	folder := t.TempDir()
	from, to := filepath.Join(folder, "from.db"), filepath.Join(folder, "to.db")
	fileShop(t, from, false)
	store, err := sqlitestore.Open(t.Context(), from, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.Fence(t.Context(), time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	args := []string{"copy", "--from", "sqlite:" + from, "--to", "sqlite:" + to, "--cut", "--no-progress"}
	for _, test := range []struct {
		answer string
		exit   int
		told   []string
	}{
		{"no\n", exitFailed, []string{
			"Writes at the source are refused since ", ", and until the application has been started on the target. [y/N] ",
			`nothing was cut over: the source still refuses writes: "cloakroom copy --unfence" with the same --from ends that`,
		}},
		{"yes\n", exitOK, []string{", for 1h"}},
	} {
		person, input := openTerminal(t)
		if _, err := person.WriteString(test.answer); err != nil { // it is there when the command asks
			t.Fatal(err)
		}
		stdout, stderr := &watcher{}, &watcher{}
		exit := run(t.Context(), args, input, stdout, stderr)
		all := stderr.String() + stdout.String()
		for _, told := range test.told {
			if exit != test.exit || !strings.Contains(all, told) {
				t.Errorf("%q: exit %d, and not %q:\n%s", test.answer, exit, told, all)
			}
		}
		if strings.Contains(all, "takes writes as ever") || strings.Contains(all, "refused from then on") {
			t.Errorf("%q: it claims that the source takes writes:\n%s", test.answer, all)
		}
	}
}
