//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package testengine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// This file is processes, locks on files, and leases, on Unix.

const supported = true

// process is a child of this process. It is waited for without a goroutine, so that
// tests which count goroutines see none of ours. It gets signals only until it has been
// waited for: until then no other process can have its pid.
type process struct {
	pid     int
	unbind  func()
	mu      sync.Mutex
	reaped  bool
	stopped bool // by pause
	outcome syscall.WaitStatus
}

// launch starts cmd. A bound process dies with this one, as far as the system can do
// that. An unbound one is detached from this process's session, and so from its terminal
// and signals.
func launch(cmd *exec.Cmd, bound bool) (*process, error) {
	p := &process{unbind: func() {}}
	start := cmd.Start
	if bound {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if dieWithParent(cmd.SysProcAttr) {
			start, p.unbind = onThreadOfItsOwn(cmd.Start)
		}
	} else {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	}
	if err := start(); err != nil {
		p.unbind()
		return nil, err
	}
	p.pid = cmd.Process.Pid
	if err := cmd.Process.Release(); err != nil { // it is waited for by pid
		return nil, errors.Join(err, p.kill())
	}
	return p, nil
}

// onThreadOfItsOwn returns a function that runs start on a thread which lives until end:
// to the kernel, a child's parent is the thread that started it.
func onThreadOfItsOwn(start func() error) (run func() error, end func()) {
	done := make(chan struct{})
	run = func() error {
		started := make(chan error)
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			started <- start()
			<-done
		}()
		return <-started
	}
	return run, sync.OnceFunc(func() { close(done) })
}

// ended reports whether the process has ended, and notes how.
func (p *process) ended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.endedLocked()
}

func (p *process) endedLocked() bool {
	if p.reaped {
		return true
	}
	pid, err := syscall.Wait4(p.pid, &p.outcome, syscall.WNOHANG, nil)
	if pid == p.pid || errors.Is(err, syscall.ECHILD) {
		p.reaped = true
		p.unbind()
	}
	return p.reaped
}

// how describes how the process ended.
func (p *process) how() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !p.reaped:
		return "still runs"
	case p.outcome.Signaled():
		return fmt.Sprintf("killed by signal %d (%v)", int(p.outcome.Signal()), p.outcome.Signal())
	}
	return fmt.Sprintf("exit status %d", p.outcome.ExitStatus())
}

// signal sends sig, or does nothing if the process has ended.
func (p *process) signal(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.endedLocked() {
		return nil
	}
	return syscall.Kill(p.pid, sig)
}

// pause stops the process, and waits until all of its threads have stopped. On a busy
// machine that is later than the signal.
func (p *process) pause() error {
	p.mu.Lock()
	already := p.stopped
	p.mu.Unlock()
	if err := p.signal(syscall.SIGSTOP); err != nil || already {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := every(ctx, time.Millisecond, func() (bool, error) { return p.stops(), nil }); err != nil {
		return fmt.Errorf("pid %d goes on after SIGSTOP: %w", p.pid, err)
	}
	return nil
}

// stops reports whether the process has stopped or ended. The system tells only once
// that it has stopped.
func (p *process) stops() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return true
	}
	var status syscall.WaitStatus
	if pid, err := syscall.Wait4(p.pid, &status, syscall.WNOHANG|syscall.WUNTRACED, nil); err != nil || pid != p.pid {
		return errors.Is(err, syscall.ECHILD)
	}
	if p.stopped = status.Stopped(); !p.stopped {
		p.outcome, p.reaped = status, true
		p.unbind()
	}
	return true
}

func (p *process) resume() error {
	p.mu.Lock()
	p.stopped = false
	p.mu.Unlock()
	return p.signal(syscall.SIGCONT)
}

func (p *process) terminate() error { return p.signal(syscall.SIGTERM) }

// kill ends the process at once and waits for the end.
func (p *process) kill() error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	return p.waitEnd(30 * time.Second)
}

func (p *process) waitEnd(limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	err := every(ctx, 5*time.Millisecond, func() (bool, error) { return p.ended(), nil })
	if err != nil {
		return fmt.Errorf("pid %d still runs after %v", p.pid, limit)
	}
	return nil
}

// lockFile takes the lock of a file, against other processes and other goroutines of
// this one, and waits for it if need be. The lock ends with unlock or with the process.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = every(ctx, 50*time.Millisecond, func() (bool, error) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("waiting for %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

// lease is this process's share in an engine. It must stay the only open file on its
// path in this process: the lock belongs to the process and not to the open file, so
// closing another would give it up. (The JVM's locks are of this kind too.)
type lease struct{ file *os.File }

// takeLease takes a share. It waits while the engine's JVM checks whether there are any.
func takeLease(ctx context.Context, path string, create bool) (*lease, error) {
	flags := os.O_RDWR
	if create {
		flags |= os.O_CREATE | os.O_EXCL
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, err
	}
	err = every(ctx, 10*time.Millisecond, func() (bool, error) { return setLock(f, syscall.F_RDLCK) })
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lease %s: %w", path, err)
	}
	return &lease{f}, nil
}

// alone reports whether no other process holds a share. If so, nobody can take one until
// it is released.
func (l *lease) alone() bool {
	ok, err := setLock(l.file, syscall.F_WRLCK)
	return ok && err == nil
}

func (l *lease) release() { l.file.Close() }

func setLock(f *os.File, kind int16) (bool, error) {
	lock := syscall.Flock_t{Type: kind, Whence: io.SeekStart}
	err := syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &lock)
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EINTR) {
		return false, nil
	}
	return err == nil, err
}
