package testengine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
)

// This file is TB, and a TB for programs that are no tests.

// TB is the part of a test that engines need. Every [testing.TB] is one; [Command] makes
// one for programs.
type TB interface {
	Helper()
	Context() context.Context
	TempDir() string
	Cleanup(end func())
	Log(args ...any)
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Skip(args ...any)
}

// Command calls do with a TB for a program that is no test, and ends everything that do
// started, also after a panic. The TB's messages become lines of log. Nothing is
// skipped: like all errors, a missing JDK is part of the returned error. The TB's
// context is ctx until do is done.
func Command(ctx context.Context, log io.Writer, do func(t TB)) error {
	ctx, cancel := context.WithCancel(ctx)
	c := &command{ctx: ctx, log: log}
	c.run(func() { do(c) })
	cancel()
	c.end()
	return errors.Join(c.errs...)
}

type command struct {
	ctx context.Context //nolint:containedctx // a test has one as well

	mu   sync.Mutex
	log  io.Writer
	errs []error
	ends []func()
}

// run calls f, which may end early by Fatal.
func (c *command) run(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				c.end() // since the process is about to end
				panic(p)
			}
		}()
		f()
	}()
	<-done
}

// end calls the remaining clean-ups, the last one first.
func (c *command) end() {
	for {
		c.mu.Lock()
		n := len(c.ends)
		if n == 0 {
			c.mu.Unlock()
			return
		}
		last := c.ends[n-1]
		c.ends = c.ends[:n-1]
		c.mu.Unlock()
		c.run(last)
	}
}

func (c *command) Helper() {}

func (c *command) Context() context.Context { return c.ctx }

func (c *command) Cleanup(end func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends = append(c.ends, end)
}

func (c *command) TempDir() string {
	dir, err := os.MkdirTemp("", dirPrefix)
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			c.Errorf("%w", err)
		}
	})
	return dir
}

func (c *command) Log(args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintln(c.log, args...)
}

func (c *command) Logf(format string, args ...any) { c.Log(fmt.Sprintf(format, args...)) }

func (c *command) Errorf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errs = append(c.errs, fmt.Errorf(format, args...))
}

func (c *command) Fatal(args ...any) {
	c.Errorf("%s", fmt.Sprint(args...))
	runtime.Goexit()
}

func (c *command) Fatalf(format string, args ...any) {
	c.Errorf(format, args...)
	runtime.Goexit()
}

func (c *command) Skip(args ...any) { c.Fatal(args...) }
