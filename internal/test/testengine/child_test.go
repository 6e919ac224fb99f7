package testengine

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// This file runs the test binary again, as another process that has an engine.

const (
	envRole    = "TESTENGINE_CHILD"
	shortGrace = 1500 * time.Millisecond
)

// TestChild runs in a process of its own for other tests: it gets an engine, prints it,
// and waits for its end.
func TestChild(t *testing.T) {
	role := os.Getenv(envRole)
	switch role {
	case "":
		return
	case "shared":
		fmt.Printf("child has %s %d\n", Shared(t), 0)
	case "own", "frozen":
		e := Start(t, Options{})
		if role == "frozen" {
			e.Pause()
		}
		fmt.Printf("child has %s %d\n", e.URL(), e.PID())
	case "short":
		u, pid := joinShort(t)
		defer u.lease.release()
		fmt.Printf("child has %s %d\n", u.url, pid)
	default:
		t.Fatalf("no role %q", role)
	}
	io.Copy(io.Discard, os.Stdin)
}

// joinShort uses a shared engine that ends soon after its last user.
func joinShort(t *testing.T) (u *sharedUse, pid int) {
	t.Helper()
	d := chosen(t)
	u = &sharedUse{}
	line, err := u.join(t.Context(), d, os.Getenv, shortGrace)
	if err != nil {
		giveUp(t, err, os.Getenv)
	}
	t.Log(line)
	if _, err := fmt.Sscanf(line[strings.Index(line, "(pid "):], "(pid %d,", &pid); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return u, pid
}

func chosen(t *testing.T) distribution {
	t.Helper()
	_, name := choice(os.Getenv)
	d, err := lookUp(name)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// child is a second process of this test binary that has an engine.
type child struct {
	cmd *exec.Cmd
	url string
	pid int // the engine's, not its own
}

func startChild(t *testing.T, role string) child {
	t.Helper()
	if role != "shared" { // otherwise this process had it before
		if _, err := prepare(t.Context(), chosen(t), os.Getenv); err != nil {
			giveUp(t, err, os.Getenv)
		}
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestChild$", "-test.v")
	cmd.Env = append(os.Environ(), envRole+"="+role)
	if role == "own" || role == "frozen" {
		cmd.Env = append(cmd.Env, "TMPDIR="+t.TempDir()) // a killed process doesn't clean up
	}
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil { // the child ends when this is closed
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := child{cmd: cmd}
	t.Cleanup(func() { c.kill() })
	var all strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fmt.Fprintln(&all, lines.Text())
		if n, _ := fmt.Sscanf(lines.Text(), "child has %s %d", &c.url, &c.pid); n == 2 {
			return c
		}
	}
	t.Fatalf("the child has no engine:\n%s", all.String())
	return c
}

// kill sends SIGKILL, so the child can do nothing about its engine.
func (c child) kill() {
	c.cmd.Process.Kill()
	c.cmd.Wait()
}

// waitFor polls until cond holds.
func waitFor(t *testing.T, limit time.Duration, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if err := every(ctx, 20*time.Millisecond, func() (bool, error) { return cond(), nil }); err != nil {
		t.Fatalf("not within %v: %s", limit, what)
	}
}

// gone reports whether a process has ended. A process that nobody waited for counts as
// ended.
func gone(t *testing.T, pid int) bool {
	t.Helper()
	p, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Release()
	if p.Signal(sigNone) != nil {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false // no such file system here
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(after, "Z")
}

func send(t *testing.T, method, url, body string) (status int, answer string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

func mustSend(t *testing.T, method, url, body string, want int) string {
	t.Helper()
	status, answer, err := send(t, method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	if status != want {
		t.Fatalf("%s %s: %d instead of %d: %s", method, url, status, want, answer)
	}
	return answer
}
