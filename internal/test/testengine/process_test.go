//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package testengine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const sigNone = syscall.Signal(0)

func TestProcess(t *testing.T) {
	for _, bound := range []bool{true, false} {
		p, err := launch(exec.Command("sleep", "600"), bound)
		if err != nil {
			t.Fatal(err)
		}
		if p.ended() || p.how() != "still runs" {
			t.Errorf("at first: %s", p.how())
		}
		if err := p.waitEnd(time.Millisecond); err == nil {
			t.Error("waited for what still runs")
		}
		if err := p.pause(); err != nil {
			t.Error(err)
		}
		if err := p.kill(); err != nil { // a paused one too
			t.Error(err)
		}
		if !p.ended() || !strings.HasPrefix(p.how(), "killed by signal 9") {
			t.Errorf("after kill: %s", p.how())
		}
		if err := p.terminate(); err != nil {
			t.Errorf("a signal to what has ended: %v", err)
		}
	}
	if _, err := launch(exec.Command(filepath.Join(t.TempDir(), "nothing")), true); err == nil {
		t.Error("started nothing")
	}
}

// recorder keeps a test's errors to itself.
type recorder struct {
	testing.TB
	errors []string
}

func (r *recorder) Helper() {}
func (r *recorder) Errorf(f string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(f, args...))
}

func TestUnaskedEndIsAnError(t *testing.T) {
	run := func(name string, during func(e *Engine), want ...string) {
		p, err := launch(exec.Command("sleep", "600"), true)
		if err != nil {
			t.Fatal(err)
		}
		r := &recorder{TB: t}
		l, err := takeLease(t.Context(), filepath.Join(t.TempDir(), "lease"), true)
		if err != nil {
			t.Fatal(err)
		}
		e := &Engine{t: r, now: running{proc: p}, lease: l}
		during(e)
		e.cleanUp()
		if !p.ended() {
			t.Errorf("%s: it outlived its test", name)
		}
		if len(r.errors) != len(want) {
			t.Errorf("%s: %q", name, r.errors)
			return
		}
		for i, w := range want {
			if !strings.Contains(r.errors[i], w) {
				t.Errorf("%s: %q is not in %q", name, w, r.errors[i])
			}
		}
	}
	die := func(e *Engine) {
		if err := e.now.proc.kill(); err != nil {
			t.Error(err)
		}
	}
	run("nothing happens", func(*Engine) {})
	run("Kill", (*Engine).Kill)
	run("Stop, Kill", func(e *Engine) { e.Stop(); e.Kill() })
	run("it dies", die, "had ended by itself (killed by signal 9")
	run("it dies, then Kill", func(e *Engine) { die(e); e.Kill() }, "had ended by itself")
	run("Kill, then Pause", func(e *Engine) { e.Kill(); e.Pause() }, "pausing")
}

// TestDeathIsNoticedAtOnce: a process's end is noticed at once, even while a question
// hangs because a stranger has got the port and doesn't answer.
func TestDeathIsNoticedAtOnce(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		if c, err := silent.Accept(); err == nil {
			t.Cleanup(func() { c.Close() })
		}
	}()
	p, err := launch(exec.Command("sleep", "600"), true)
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan error)
	go func() {
		r := running{httpPort: silent.Addr().(*net.TCPAddr).Port}
		result <- awaitReady(t.Context(), p, &spec{}, &r)
	}()
	<-asked
	begin := time.Now()
	if err := p.kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-result; !errors.Is(err, errDied) {
		t.Errorf("%v", err)
	}
	if took := time.Since(begin); took > client.Timeout/2 {
		t.Errorf("noticed after %v", took)
	}
}

func TestLockFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lockFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := lockFile(ctx, path); err == nil {
		t.Fatal("two have the lock")
	}
	unlock()
	again, err := lockFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	again()
}
