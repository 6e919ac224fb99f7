package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// This file tests what is different at a terminal: questions, and progress.

// openTerminal returns both ends of a terminal: that of the person, and that of the
// command.
func openTerminal(t *testing.T) (person, command *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("this system has no terminals to open: %v", err)
	}
	t.Cleanup(func() { person.Close() })
	var number, unlocked int32
	for _, c := range []struct {
		request uintptr
		value   *int32
	}{{syscall.TIOCSPTLCK, &unlocked}, {syscall.TIOCGPTN, &number}} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, person.Fd(), c.request, uintptr(unsafe.Pointer(c.value))); errno != 0 {
			t.Fatal(errno)
		}
	}
	command, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("this system has no terminals to open: %v", err)
	}
	t.Cleanup(func() { command.Close() })
	return person, command
}

// TestDancerPurgeAsks: it deletes after a yes, and not after anything else.
func TestDancerPurgeAsks(t *testing.T) {
	m := ended(t, 1)
	for _, test := range []struct {
		answer string
		exit   int
	}{
		{"\n", exitFailed}, {"n\n", exitFailed}, {"yess\n", exitFailed}, {"\x04", exitFailed}, // which ends the input
		{"stop", exitInterrupted},
		{"Yes\n", exitOK},
	} {
		person, input := openTerminal(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		stdout := &watcher{}
		stderr := &watcher{word: "[y/N] ", found: cancel}
		if test.answer != "stop" {
			stderr.found = func() {}
			if _, err := person.WriteString(test.answer); err != nil { // it is there when the command asks
				t.Fatal(err)
			}
		}
		exit := run(ctx, []string{"dancer", "purge", "--config", m.path}, input, stdout, stderr)
		want := fmt.Sprintf("Delete the index %q with 1 document, at %s? There is no way back. [y/N] ", m.index, m.engine)
		if exit != test.exit || !strings.HasPrefix(stderr.String(), want) {
			t.Errorf("%q: exit %d\n%s\n%s", test.answer, exit, stdout, stderr)
		}
		if deleted := !there(t, m.engine+"/"+m.index); deleted != (test.exit == exitOK) {
			t.Errorf("%q: deleted: %v", test.answer, deleted)
		}
		if said := stdout.String(); (said != "") != (test.exit == exitOK) {
			t.Errorf("%q: it says %q", test.answer, said)
		}
		if told := stderr.String(); test.exit != exitOK && !strings.Contains(told, "nothing was deleted") {
			t.Errorf("%q: it doesn't tell that nothing was deleted: %q", test.answer, told)
		}
	}
}

// TestProgressDrawn: at a terminal progress is a line that is written over, and that is gone
// before anything else is written. One that is too wide for the terminal is cut.
func TestProgressDrawn(t *testing.T) {
	person, stderr := openTerminal(t)
	said := make(chan string)
	go func() {
		var all strings.Builder
		b := make([]byte, 4096)
		for !strings.Contains(all.String(), "done") {
			n, err := person.Read(b)
			if err != nil {
				break
			}
			all.Write(b[:n])
		}
		said <- all.String()
	}()
	term := &terminal{ctx: t.Context(), stderr: stderr, stdout: &output{w: stderr}}
	p := term.progress("sessions read", 0)
	p.add(7)
	time.Sleep(progressFirst + 2*progressDrawn)
	p.stop()
	term.say("done")
	got := <-said
	if parts := strings.Split(got, eraseLine); len(parts) < 3 || !strings.HasPrefix(parts[1], cutLine+"7 sessions read, ") || !strings.HasSuffix(parts[1], breakLine) || strings.TrimSpace(parts[len(parts)-1]) != "done" {
		t.Errorf("%q", got)
	}
}

// atTerminal runs a command, with an answer to its question. With the answer "stop" it is
// interrupted when it asks.
func atTerminal(t *testing.T, answer, args string) (exit int, stdout, stderr string) {
	t.Helper()
	person, input := openTerminal(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, errs := &watcher{}, &watcher{word: "? ", found: func() {}}
	if answer == "stop" {
		errs.found = cancel
	} else if _, err := person.WriteString(answer); err != nil { // it is there when the command asks
		t.Fatal(err)
	}
	exit = run(ctx, strings.Fields(args), input, out, errs)
	return exit, out.String(), errs.String()
}

// TestRevokeAsks: it ends sessions after a yes, or all after the app's name, and not after
// anything else.
func TestRevokeAsks(t *testing.T) {
	noVariables(t)
	path := t.TempDir() + "/shop.db"
	ids := fileShop(t, path, false)
	t.Setenv("CLOAKROOM_STORE", "sqlite:"+path)
	for _, c := range []struct {
		args, answer, question string
		exit, left             int
	}{
		{"revoke --principal ann", "\n", `End 2 sessions of "ann", and all that the principal is signed in to? [y/N] `, exitFailed, 4},
		{"revoke --principal ann", "ann\n", "", exitFailed, 4},
		{"revoke --principal ann", "\x04", "", exitFailed, 4}, // which ends the input
		{"revoke --principal ann", "stop", "", exitInterrupted, 4},
		{"revoke " + ids["GUEST"].String(), "n\n", "End 1 session? [y/N] ", exitFailed, 4},
		{"revoke --agent curl", "no\n", "End 2 sessions? [y/N] ", exitFailed, 4},
		{"revoke " + ids["GUEST"].String(), "y\n", "End 1 session? [y/N] ", exitOK, 3},
		{"revoke --principal ann", "YES\n", "", exitOK, 1},
		{"revoke --all", "y\n", `End 1 session, all of the app "session"? Type the app's name to end them all: `, exitFailed, 1},
		{"revoke --all", "session\n", "", exitOK, 0},
	} {
		exit, stdout, stderr := atTerminal(t, c.answer, c.args)
		if exit != c.exit || !strings.Contains(stderr, c.question) || strings.Contains(stdout, "nded") != (exit == exitOK) || strings.Contains(stderr, "nothing was ended") == (exit == exitOK) {
			t.Errorf("%s, %q: exit %d\n%s\n%s", c.args, c.answer, exit, stdout, stderr)
		}
		_, stdout, _ = command(t, "", "ls", "--json")
		if got := len(objects(t, stdout)) - 1; got != c.left {
			t.Errorf("%s, %q: %d are left, want %d", c.args, c.answer, got, c.left)
		}
	}
}

// TestStatsWatched: at a terminal the counts are written over.
func TestStatsWatched(t *testing.T) {
	noVariables(t)
	path := t.TempDir() + "/shop.db"
	fileShop(t, path, false)
	person, stdout := openTerminal(t)
	said := make(chan string)
	go func() {
		var all strings.Builder
		b := make([]byte, 4096)
		for strings.Count(all.String(), "Ctrl-C ends it") < 2 {
			n, err := person.Read(b)
			if err != nil {
				break
			}
			all.Write(b[:n])
		}
		said <- all.String()
	}()
	var stderr watcher
	exit := run(t.Context(), []string{"stats", "--store", "sqlite:" + path, "--watch", "--times", "2", "--every", "1s"}, strings.NewReader(""), stdout, &stderr)
	got := <-said
	if exit != exitOK || stderr.String() != "" || strings.Count(got, "\x1b[9A\x1b[J") != 1 || strings.Count(got, "\n") != 18 {
		t.Errorf("exit %d\n%q\n%s", exit, got, &stderr)
	}
}

// TestNoTerminal: what is no terminal isn't asked.
func TestNoTerminal(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	file, err := os.Create(t.TempDir() + "/answers")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	pipe, _, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	for name, input := range map[string]*os.File{"the null device": null, "a file": file, "a pipe": pipe} {
		var stdout, stderr watcher
		if exit := run(t.Context(), []string{"dancer", "purge", "--config", "testdata/dancer/usage.yml"}, input, &stdout, &stderr); exit != exitUsage || !strings.Contains(stderr.String(), "--yes") {
			t.Errorf("%s: exit %d: %s", name, exit, stderr.String())
		}
	}
}
