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
// before anything else is written.
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
	if parts := strings.Split(got, eraseLine); len(parts) < 3 || !strings.HasPrefix(parts[1], "7 sessions read, ") || strings.TrimSpace(parts[len(parts)-1]) != "done" {
		t.Errorf("%q", got)
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
