package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// This file runs other programs as services.

// daemon is a server process of ours.
type daemon struct {
	cmd   *exec.Cmd
	out   output
	ended chan struct{} // closed when the process has ended
	err   error         // the error of Wait; read after ended
}

// startDaemon starts a program, as a user (nil: our own), in a folder of its own.
func startDaemon(dir string, as *user, path string, args ...string) (*daemon, error) {
	d := &daemon{cmd: exec.Command(path, args...), ended: make(chan struct{})} //nolint:noctx // it outlives the case that needs it first; stop ends it
	d.cmd.Dir, d.cmd.Stdout, d.cmd.Stderr = dir, &d.out, &d.out
	d.cmd.SysProcAttr = asUser(as)
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(d.ended)
		d.err = d.cmd.Wait()
	}()
	return d, nil
}

// await repeats try until it succeeds.
func (d *daemon) await(ctx context.Context, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w, and the last answer: %w\n%s", ctx.Err(), err, d.out.text())
		case <-d.ended:
			return fmt.Errorf("%s ended: %w\n%s", filepath.Base(d.cmd.Path), errors.Join(d.err, err), d.out.text())
		case <-tick.C:
		}
	}
}

// stop asks the process to end, and after a while kills it.
func (d *daemon) stop(ask os.Signal) error {
	if err := d.cmd.Process.Signal(ask); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-d.ended:
		return nil
	case <-time.After(20 * time.Second):
	}
	err := d.cmd.Process.Kill()
	<-d.ended
	return errors.Join(errors.New("it had to be killed"), err)
}

// output keeps the end of a process's output.
type output struct {
	mu sync.Mutex
	b  []byte
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.b = append(o.b, b...)
	o.b = o.b[max(0, len(o.b)-8<<10):]
	return len(b), nil
}

func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(bytes.TrimSpace(o.b))
}

// freePort returns a loopback port on which nobody listens.
func freePort(ctx context.Context) (string, error) {
	l, err := loopback(ctx)
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}

func loopback(ctx context.Context) (net.Listener, error) {
	var c net.ListenConfig
	return c.Listen(ctx, "tcp", "127.0.0.1:0")
}

// dataDir makes a folder for a service, which a user other than ours may use.
func dataDir(name string, as *user) (string, error) {
	dir, err := os.MkdirTemp("", "cloakroom-bench-"+name+"-")
	if err != nil || as == nil {
		return dir, err
	}
	return dir, os.Chown(dir, as.uid, as.gid)
}

// user is the user that a process runs as.
type user struct{ uid, gid int }

// firstOf finds a program in PATH or at one of the places of a pattern, of which the
// last is the newest.
func firstOf(name, pattern string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	if found, _ := filepath.Glob(pattern); len(found) > 0 {
		return found[len(found)-1], nil
	}
	return "", fmt.Errorf("%s: %w", name, fs.ErrNotExist)
}
