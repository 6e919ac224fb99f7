package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
)

// This file starts the services that cases need, and ends them.

// need is a service outside of this process that a case compares with.
type need string

const (
	needRedis    need = "Redis"
	needPostgres need = "PostgreSQL"
	needEngine   need = "OpenSearch"
)

// errMissing is wrapped by the error of a service that this machine lacks, as opposed to
// one that is there and fails.
var errMissing = errors.New("not installed")

// services starts the services that cases need, each at its first use, and ends them
// with the run. They listen on loopback, and keep their data in folders that end with
// them.
type services struct {
	install bool                                    // installs Debian's packages if they are missing
	engine  func(context.Context) (*service, error) // starts it

	mu      sync.Mutex
	started map[need]*service
}

// service is a service that was asked for: its address, or the reason why there is none.
type service struct {
	address string
	version string
	err     error
	stop    func() error
}

// get starts a service once.
func (s *services) get(ctx context.Context, n need) (*service, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if have := s.started[n]; have != nil {
		return have, have.err
	}
	start := map[need]func(context.Context) (*service, error){
		needRedis: s.startRedis, needPostgres: s.startPostgres, needEngine: s.engine,
	}[n]
	svc, err := start(ctx)
	if err != nil {
		svc = &service{err: fmt.Errorf("%s: %w", n, err)}
	}
	if s.started == nil {
		s.started = map[need]*service{}
	}
	s.started[n] = svc
	return svc, svc.err
}

// close ends all services.
func (s *services) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for n, svc := range s.started {
		if svc.stop != nil {
			if err := svc.stop(); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", n, err))
			}
		}
	}
	s.started = nil
	return errors.Join(errs...)
}

// versions names the services that were used.
func (s *services) versions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, svc := range s.started {
		if svc.err == nil {
			all = append(all, svc.version)
		}
	}
	slices.Sort(all)
	return all
}

// program finds a program, and installs Debian's package of it if need be.
func (s *services) program(ctx context.Context, pkg string, find func() (string, error)) (string, error) {
	path, err := find()
	if err == nil {
		return path, nil
	}
	if !s.install || os.Geteuid() != 0 {
		return "", fmt.Errorf("%w (%w): install Debian's package %s, or run this as root", errMissing, err, pkg)
	}
	if _, lerr := exec.LookPath("apt-get"); lerr != nil {
		return "", fmt.Errorf("%w: %w, and apt-get, which could install %s, isn't there either", errMissing, err, pkg)
	}
	for _, args := range [][]string{{"update", "-qq"}, {"install", "-y", "-qq", "--no-install-recommends", pkg}} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		// Runlevel 1: the package's own service is not started.
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("apt-get %s: %w\n%s", strings.Join(args, " "), err, lastPart(out))
		}
	}
	return find()
}

func lastPart(out []byte) string {
	return strings.TrimSpace(string(out[max(0, len(out)-2000):]))
}

// interruptible ends the run on an interrupt, so that everything it started ends too.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, os.Interrupt, terminated)
}
