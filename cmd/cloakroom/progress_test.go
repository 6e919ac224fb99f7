package main

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/human"
)

// This file tests progress where the error output is no terminal. pty_linux_test.go has the
// rest.

// TestProgressLines: a line now and then, and none of what ends soon or of a command that
// is told to be quiet.
func TestProgressLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stderr := &watcher{}
		term := &terminal{ctx: t.Context(), stderr: stderr}
		p := term.progress("sessions read", 4000)
		p.add(1000)
		time.Sleep(progressLines + time.Second)
		p.add(1000)
		time.Sleep(progressLines)
		p.stop()
		const want = "1,000 of 4,000 sessions read, 25 %, 33/s, 1m30s left\n2,000 of 4,000 sessions read, 50 %, 33/s, 1m0s left\n"
		if stderr.String() != want {
			t.Errorf("%q, want %q", stderr, want)
		}
		stderr = &watcher{}
		for _, quiet := range []bool{false, true} {
			term := &terminal{ctx: t.Context(), stderr: stderr, quiet: quiet}
			p := term.progress("sessions read", 0)
			if quiet {
				time.Sleep(10 * progressLines)
			}
			p.stop()
		}
		if stderr.String() != "" {
			t.Errorf("it says %q", stderr)
		}
	})
}

func TestNumber(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000"} {
		if got := human.Number(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
