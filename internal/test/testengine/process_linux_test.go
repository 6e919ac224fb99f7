package testengine

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestPauseIsDone: a process has stopped when pause returns, however busy it is.
func TestPauseIsDone(t *testing.T) {
	p, err := launch(exec.CommandContext(t.Context(), "sh", "-c", "while :; do :; done"), true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.kill(); err != nil {
			t.Error(err)
		}
	}()
	for range 200 {
		if err := p.pause(); err != nil {
			t.Fatal(err)
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
		if err != nil {
			t.Fatal(err)
		}
		_, state, _ := strings.Cut(string(stat), ") ")
		if !strings.HasPrefix(state, "T") {
			t.Fatalf("its state is %.1s", state)
		}
		if err := p.pause(); err != nil { // a second pause changes nothing
			t.Fatal(err)
		}
		if err := p.resume(); err != nil {
			t.Fatal(err)
		}
	}
}
