package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// count is how many tests there were: those that have no tests inside.
type count struct {
	passed  int
	failed  []string
	skipped []string
}

// plus adds up, where both are there.
func (c *count) plus(d *count) *count {
	if c == nil || d == nil {
		return nil
	}
	return &count{c.passed + d.passed, slices.Concat(c.failed, d.failed), slices.Concat(c.skipped, d.skipped)}
}

func (c *count) String() string {
	if c == nil {
		return "not run"
	}
	s := fmt.Sprintf("%d passed", c.passed)
	if len(c.failed) > 0 {
		s += fmt.Sprintf(", %d failed", len(c.failed))
	}
	if len(c.skipped) > 0 {
		s += fmt.Sprintf(", %d skipped", len(c.skipped))
	}
	return s
}

// err says what is wrong. A test that was skipped is no success.
func (c *count) err() error {
	var all []string
	if len(c.failed) > 0 {
		all = append(all, "failed: "+strings.Join(c.failed, ", "))
	}
	if len(c.skipped) > 0 {
		all = append(all, "skipped: "+strings.Join(c.skipped, ", "))
	}
	if c.passed == 0 {
		all = append(all, "no test passed")
	}
	if len(all) == 0 {
		return nil
	}
	return errors.New(strings.Join(all, "; "))
}

// goTest runs tests of a package with a variable more in their environment. What
// failing ones say goes to log.
func goTest(ctx context.Context, log *log.Logger, variable, pkg string, flags ...string) (*count, error) {
	args := append([]string{"test", "-json", "-count=1", "-timeout=20m"}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, pkg)...)
	cmd.Env = append(os.Environ(), variable, "CLOAKROOM_REQUIRE_ENGINES=1")
	cmd.Stderr = log.Writer()
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // go test ends its tests
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c, read := tally(out, log)
	err = errors.Join(read, cmd.Wait())
	if wrong := c.err(); wrong != nil {
		return c, wrong
	}
	return c, err
}

// tally reads what go test -json writes.
func tally(r io.Reader, log *log.Logger) (*count, error) {
	outcome, output := map[string]string{}, map[string]*strings.Builder{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e struct{ Action, Test, Output string }
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			log.Print(lines.Text())
			continue
		}
		said := output[e.Test]
		if said == nil {
			said = &strings.Builder{}
			output[e.Test] = said
		}
		switch e.Action {
		case "output":
			said.WriteString(e.Output)
		case "build-output":
			log.Print(e.Output)
		case "pass", "fail", "skip":
			if e.Test != "" {
				outcome[e.Test] = e.Action
			}
			if e.Action != "pass" && said.Len() > 0 {
				log.Print(said)
			}
			delete(output, e.Test)
		}
	}
	return counted(outcome), lines.Err()
}

// counted counts those that have no tests inside, and those that fail although
// none inside does.
func counted(outcome map[string]string) *count {
	hasFailed, parent := map[string]bool{}, map[string]bool{}
	for name, action := range outcome {
		for up := above(name); up != ""; up = above(up) {
			parent[up] = true
			hasFailed[up] = hasFailed[up] || action == "fail"
		}
	}
	c := &count{}
	for name, action := range outcome {
		switch {
		case action == "fail" && !hasFailed[name]:
			c.failed = append(c.failed, name)
		case parent[name]:
		case action == "skip":
			c.skipped = append(c.skipped, name)
		case action == "pass":
			c.passed++
		}
	}
	slices.Sort(c.failed)
	slices.Sort(c.skipped)
	return c
}

// above returns the test that a test is in, or "".
func above(name string) string { return name[:max(0, strings.LastIndexByte(name, '/'))] }
