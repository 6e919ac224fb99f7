package testengine

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
)

func TestCommand(t *testing.T) {
	var log bytes.Buffer
	var steps []string
	var dir string
	err := Command(t.Context(), &log, func(t TB) {
		dir = t.TempDir()
		t.Cleanup(func() { steps = append(steps, "first") })
		t.Cleanup(func() {
			steps = append(steps, "second")
			if !errors.Is(t.Context().Err(), context.Canceled) {
				t.Errorf("its context goes on")
			}
			t.Fatal("ends this clean-up only")
		})
		t.Logf("got %d", 1)
		t.Errorf("soft: %s", "boom")
		t.Skip("no Java")
		steps = append(steps, "never")
	})
	if got := strings.Join(steps, " "); got != "second first" {
		t.Errorf("steps: %s", got)
	}
	if err == nil || err.Error() != "soft: boom\nno Java\nends this clean-up only" {
		t.Errorf("%v", err)
	}
	if log.String() != "got 1\n" {
		t.Errorf("logged %q", log.String())
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", dir, err)
	}
	if err := Command(t.Context(), &log, func(TB) {}); err != nil {
		t.Errorf("nothing happened: %v", err)
	}
}
