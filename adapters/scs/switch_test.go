package scsstore_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/scs/sqlite3store"
)

// This file switches an application from scs to cloakroom, with real processes and
// visitors that don't stop.

// process is a process of the application.
type process struct {
	cmd      *exec.Cmd
	in       io.WriteCloser
	address  string
	problems strings.Builder // what it writes to standard error
	ended    chan struct{}   // closed when its output has ended
	imported []string        // ids; read it when ended is closed
}

// startSite starts a process. It returns nil for one of the new application that found
// old processes still running.
func startSite(ctx context.Context, t *testing.T, kind, dir string) *process {
	t.Helper()
	p := &process{cmd: exec.CommandContext(ctx, os.Args[0]), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), siteEnv+"="+kind+":"+dir)
	p.cmd.Stderr = &p.problems
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.in = in
	lines := bufio.NewScanner(out)
	for p.address == "" && lines.Scan() {
		p.address, _ = strings.CutPrefix(lines.Text(), "serving ")
	}
	go func() {
		defer close(p.ended)
		for lines.Scan() {
			if id, ok := strings.CutPrefix(lines.Text(), "imported "); ok {
				p.imported = append(p.imported, id)
			}
		}
	}()
	if p.address == "" && kind == "new" {
		if err := p.stop(); !strings.Contains(p.problems.String(), "old processes still run") {
			t.Fatalf("a new process: %v\n%s", err, p.problems.String())
		}
		return nil
	}
	if p.address == "" {
		t.Fatalf("a process of the %s application: %v\n%s", kind, p.stop(), p.problems.String())
	}
	return p
}

// stop has the process end when its requests have, and waits for it.
func (p *process) stop() error {
	_ = p.in.Close()
	<-p.ended
	return p.cmd.Wait()
}

// kill ends the process at once.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
	_ = p.cmd.Wait()
}

// TestSwitch switches an application on sqlite3store, with hashed tokens, to cloakroom on
// an SQLite file. A new process refuses to start while old ones save. The old processes
// are stopped, one of them at once, and then the new ones are started. Visitors send
// requests all along. None is signed out, no value that was acknowledged is lost, nobody
// who had signed out is back, and each session is imported once.
func TestSwitch(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(untilEnv, time.Now().Add(24*time.Hour).Format(time.RFC3339))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	before := []*process{startSite(ctx, t, "old", dir), startSite(ctx, t, "old", dir)}
	b := &balancer{}
	b.set(false, before...)

	var all, surfers, leave, quiet []*surfer
	arrive := func(user string) *surfer {
		s := newSurfer(b, user)
		if user != "" {
			s.must(ctx, t, before[0], "/in?user="+user)
		}
		if !s.add(ctx, before[len(all)%2].address) {
			t.Fatal("the old application doesn't answer")
		}
		all = append(all, s)
		return s
	}
	for i := range 8 {
		user := fmt.Sprint("ann", i)
		if i >= 6 {
			user = ""
		}
		surfers = append(surfers, arrive(user))
	}
	for i := range 3 {
		s := arrive(fmt.Sprint("ben", i))
		leave = append(leave, s.copy())
		s.must(ctx, t, before[i%2], "/out")
	}
	for i := range 2 {
		quiet = append(quiet, arrive(fmt.Sprint("cid", i)))
	}
	for _, s := range slices.Concat(surfers, quiet) {
		s.check(s.must(ctx, t, before[0], "/"), s.acked)
	}

	surfing, rest := context.WithCancel(ctx)
	progress := make(chan struct{}, 1)
	var running sync.WaitGroup
	defer running.Wait()
	defer rest()
	for _, s := range surfers {
		running.Go(func() { s.surf(surfing, progress) })
	}
	wait := func(isNew bool, n int) {
		t.Helper()
		for {
			slow := slices.ContainsFunc(surfers, func(s *surfer) bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				return s.answers[isNew] < n
			})
			if !slow {
				return
			}
			select {
			case <-progress:
			case <-ctx.Done():
				t.Fatal("the visitors get no answers")
			}
		}
	}
	wait(false, 10)
	for early := startSite(ctx, t, "new", dir); early != nil; early = startSite(ctx, t, "new", dir) {
		if err := early.stop(); err != nil { // nobody saved just then
			t.Fatal(err)
		}
	}
	olds := map[*surfer]*surfer{}
	for _, s := range slices.Concat(surfers, quiet) {
		olds[s] = s.copy()
	}
	if err := before[0].stop(); err != nil {
		t.Errorf("an old process: %v\n%s", err, before[0].problems.String())
	}
	before[1].kill()
	after := []*process{startSite(ctx, t, "new", dir), startSite(ctx, t, "new", dir)}
	if slices.Contains(after, nil) {
		t.Fatal("a new process finds old ones that don't run any more")
	}
	b.set(true, after...)
	wait(true, 20)
	rest()
	running.Wait()

	for i, s := range surfers {
		s.check(s.must(ctx, t, after[i%2], "/"), s.acked)
	}
	nobody := func(what string, s *surfer) {
		t.Helper()
		for _, p := range after {
			if page := s.copy().must(ctx, t, p, "/"); page.User != "" || len(page.Items) != 0 || page.Big != 0 {
				t.Errorf("%s: the page shows %+v", what, page)
			}
		}
	}
	for _, s := range leave {
		nobody("signed out before the switch", s)
	}
	for i, s := range slices.Concat(quiet, surfers[:4]) {
		last := s.copy()
		s.must(ctx, t, after[i%2], "/out")
		nobody("signed out after the switch", s)
		nobody("signed out after the switch, with the token", last)
		nobody("signed out after the switch, with the old cookie", olds[s])
	}
	for i, s := range surfers[4:] {
		s.check(s.must(ctx, t, after[i%2], "/"), s.acked)
	}

	var imported []string
	for _, p := range after {
		if err := p.stop(); err != nil || p.problems.Len() > 0 {
			t.Errorf("a new process: %v\n%s", err, p.problems.String())
		}
		imported = append(imported, p.imported...)
	}
	if n := len(imported); n != len(surfers)+len(quiet) {
		t.Errorf("%d sessions were imported, want %d", n, len(surfers)+len(quiet))
	}
	slices.Sort(imported)
	if n := len(slices.Compact(imported)); n != len(surfers)+len(quiet) {
		t.Errorf("%d different sessions were imported, want %d", n, len(surfers)+len(quiet))
	}
	db, err := openOldDB(filepath.Join(dir, "old.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if left, err := sqlite3store.NewWithCleanupInterval(db, 0).All(); err != nil || len(left) != 0 {
		t.Errorf("%d old sessions are left, error %v", len(left), err)
	}
	for _, s := range all {
		for _, f := range s.faults {
			t.Errorf("%q: %s", s.user, f)
		}
	}
	for _, s := range surfers {
		t.Logf("%q: %d answers of the old application, %d of the new one", s.user, s.answers[false], s.answers[true])
	}
}
