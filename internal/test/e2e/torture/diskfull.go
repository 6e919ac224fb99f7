package torture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// diskSize is enough for hours of sessions.
const diskSize = 128 << 20

// sqliteFull has the disk filled up again and again.
func sqliteFull(ctx context.Context, r *Run) error {
	dir := r.smallDisk()
	ballast := filepath.Join(dir, "ballast")
	s := startSQLite(r, dir, 2)
	return s.suffer(ctx, "the disk was full",
		func() error { return fill(ballast) },
		func() error { return os.Remove(ballast) })
}

// smallDisk mounts a small disk in memory, which goes with the run.
func (r *Run) smallDisk() string {
	r.Helper()
	dir := r.TempDir()
	if err := tool(r.Context(), "mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d,mode=0700", diskSize), "tmpfs", dir); err != nil {
		r.lacks("a disk of its own, which takes root and the right to mount", err)
	}
	r.Cleanup(func() {
		if err := tool(context.Background(), "umount", dir); err != nil {
			r.Errorf("the small disk: %w", err)
		}
	})
	return dir
}

// fill leaves not a page of room on a disk.
func fill(ballast string) error {
	f, err := os.OpenFile(ballast, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600) //nolint:gosec // a path of ours
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	page := make([]byte, 1<<20)
	for err == nil {
		_, err = f.Write(page)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("filling the disk up: %w", err)
	}
	return nil
}

// suffer has clients work while the file's disk fails and works again, in turn.
// While it fails, clients get errors and may read; after it, they can write by
// themselves.
func (s *sqliteFile) suffer(ctx context.Context, what string, fail, heal func() error) error {
	r := s.run
	periods, all := 0, counts{}
	var slowest time.Duration
	err := s.work(ctx, func(ctx context.Context) error {
		for first := true; first || r.More(); first = false {
			r.Pause(ctx, 500*time.Millisecond, 4*time.Second)
			if err := fail(); err != nil {
				return errors.Join(err, heal())
			}
			err := s.clients.await(ctx, counts{errors: 1}) // now it is felt
			before := s.clients.now()
			if err == nil {
				r.Cut()
				periods++
				err = s.clients.await(ctx, counts{errors: 5, reads: 10})
			}
			r.Pause(ctx, 0, 3*time.Second)
			during := s.clients.now().minus(before)
			if err := errors.Join(err, heal()); err != nil {
				return fmt.Errorf("while %s: %w", what, err)
			}
			all = counts{all.reads + during.reads, all.writes + during.writes, all.errors + during.errors}
			healed := time.Now()
			if err := s.clients.await(ctx, counts{writes: 20}); err != nil {
				return fmt.Errorf("after %s: %w", what, err)
			}
			slowest = max(slowest, time.Since(healed))
			if err := s.check(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	r.Note("%d times %s: meanwhile %d operations failed, %d reads and %d writes were done; afterwards 20 writes were done within %v at most, without a restart",
		periods, what, all.errors, all.reads, all.writes, slowest.Round(10*time.Millisecond))
	return err
}

// tool runs a program of the system's.
func tool(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput() //nolint:gosec // what is run stands in this package
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// lacks ends a run that this machine can't do: tests are skipped, unless the
// environment wants all of them; programs fail.
func (r *Run) lacks(what string, err error) {
	r.Helper()
	const require = "CLOAKROOM_REQUIRE_ENGINES"
	if v := os.Getenv(require); v != "" && v != "0" {
		r.Fatalf("%s needs %s: %v, and %s=%s wants it to run", r.scenario.Name, what, err, require, v)
	}
	r.Skip(fmt.Sprintf("%s was SKIPPED: it needs %s: %v", r.scenario.Name, what, err))
}
