package cloakroom_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the tests with several processes on one store, and with one that is
// killed.

// task is the work of one process at a place. The process waits for a line of input
// before it begins.
type task struct {
	Kind, At, Engine string // of the place
	Periods          bool

	Add   int    // save so many visits at once
	Token string // in this session

	Revoke string // sign this principal out everywhere
	Stop   string // say so and stand still when that comes there: a key of stops
}

const taskVariable = "CLOAKROOM_TEST_TASK"

// TestProcess is run by the processes of the other tests.
func TestProcess(t *testing.T) {
	text := os.Getenv(taskVariable)
	if text == "" {
		t.Skip("other tests start it in a process of its own")
	}
	var job task
	if err := json.Unmarshal([]byte(text), &job); err != nil {
		t.Fatal(err)
	}
	r := newRigAt(t, &place{kind: job.Kind, at: job.At, engine: job.Engine, periods: job.Periods}, nil)
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var unknown atomic.Int64
	for range job.Add {
		all.Go(func() {
			s, err := r.m.Retrieve(t.Context(), job.Token)
			if err == nil {
				visits.Update(s, plusOne)
				err = s.Save(t.Context())
			}
			switch {
			case errors.Is(err, cloakroom.ErrUnknown): // others wrote more than MaxWriteIDs times between a read and its write
				unknown.Add(1)
			case err != nil:
				t.Error(err)
			}
		})
	}
	all.Wait()
	fmt.Println(unknownSaves, unknown.Load())
	if job.Revoke != "" {
		r.store.hook(standStill(stops[job.Stop]))
		err := r.m.Admin().RevokeAll(t.Context(), job.Revoke)
		t.Errorf("RevokeAll came to its end, with %v, and not to where it was to stand still", err)
	}
}

// stop is a place in RevokeAll: after so many operations that match.
type stop struct {
	match matcher
	after int64
}

var stops = map[string]stop{
	"before the ledger is written":      {isLedger("update"), 0},
	"before the first burial":           {isOp("bury"), 0},
	"after two burials":                 {isOp("bury"), 2},
	"before the ledger is put in order": {isLedger("update"), 1},
}

// standStill is a hook that lets nobody past a stop, and says when somebody comes.
func standStill(at stop) func(*call) fate {
	var seen atomic.Int64
	return func(c *call) fate {
		if !at.match(c) {
			return pass
		}
		n := seen.Add(1)
		if n == at.after+1 {
			fmt.Println("standing still")
		}
		if n > at.after {
			_, _ = io.Copy(io.Discard, os.Stdin) // for ever, unless who was to kill us is gone
		}
		return pass
	}
}

// process is a task in a process of its own.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.Writer
	lines *bufio.Scanner
	said  strings.Builder
}

// begin starts a process and waits until it is ready to begin.
func (p *place) begin(t *testing.T, job task) *process {
	t.Helper()
	job.Kind, job.At, job.Engine, job.Periods = p.kind, p.at, p.engine, p.periods
	text, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	return spawn(t, "TestProcess", taskVariable+"="+string(text))
}

// spawn starts a process that runs a test, with a variable set, and waits until it is
// ready to begin.
func spawn(t *testing.T, test, variable string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self, "-test.run=^"+test+"$", "-test.v")
	c.Env = append(os.Environ(), variable, "GORACE=atexit_sleep_ms=0")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	child := &process{t: t, cmd: c, in: in, lines: bufio.NewScanner(out)}
	child.awaits("ready")
	return child
}

// awaits reads until the process says a line.
func (c *process) awaits(line string) {
	c.t.Helper()
	for c.lines.Scan() {
		fmt.Fprintln(&c.said, c.lines.Text())
		if c.lines.Text() == line {
			return
		}
	}
	c.t.Fatalf("a process didn't come to say %q: %v\n%s", line, c.cmd.Wait(), c.said.String())
}

// proceed has the process begin.
func (c *process) proceed() {
	c.t.Helper()
	if _, err := io.WriteString(c.in, "\n"); err != nil {
		c.t.Fatal(err)
	}
}

const unknownSaves = "unknown saves:"

// end waits for the process's end, which has to be a good one, and returns the number
// of saves whose outcome it couldn't learn.
func (c *process) end() (unknown int) {
	c.t.Helper()
	unknown, _ = strconv.Atoi(c.ends(unknownSaves))
	return unknown
}

// ends is end of a process that says something else after a word, which is returned.
func (c *process) ends(word string) (said string) {
	c.t.Helper()
	for c.lines.Scan() {
		fmt.Fprintln(&c.said, c.lines.Text())
		if rest, ok := strings.CutPrefix(c.lines.Text(), word+" "); ok {
			said = rest
		}
	}
	if err := c.cmd.Wait(); err != nil {
		c.t.Errorf("a process: %v\n%s", err, c.said.String())
	}
	return said
}

// kill ends the process by SIGKILL.
func (c *process) kill() {
	c.t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		c.t.Fatal(err)
	}
	_ = c.cmd.Wait() // its end is none of its own
}

// newSharedPlace returns a place for several processes.
func newSharedPlace(t *testing.T) *place {
	t.Helper()
	p := newPlace(t)
	if p.kind == "memory" {
		t.Skip("records in memory belong to one process: others have nothing to share, and nothing to take over")
	}
	p.periods = true
	return p
}

func TestI1I3_IncrementsOfFourProcesses(t *testing.T) {
	const each = 25
	r := newRigAt(t, newSharedPlace(t), nil)
	s := r.stored(1)
	var all []*process
	for range 4 {
		all = append(all, r.place.begin(t, task{Add: each, Token: s.Token()}))
	}
	for _, c := range all {
		c.proceed()
	}
	unknown := 0
	for _, c := range all {
		unknown += c.end()
	}
	rec, err := r.kept(s.ID())
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(string(rec.Values.Get("visits")))
	if most := 1 + 4*each; err != nil || n > most || n < most-unknown || unknown == 4*each {
		t.Errorf("%d visits are kept (%v), want %d, less at most the %d of which it is unknown", n, err, most, unknown)
	}
}

// A process is killed in the middle of RevokeAll. The next caller ends the sessions
// that it began to end.
func TestI10_RevokeAllOfAProcessThatIsKilled(t *testing.T) {
	takeOver := map[string]func(r *rig){
		"RevokeAll": func(r *rig) { r.revokeAll("ann") },
		"a sign-in": func(r *rig) { r.signedIn("ann") },
	}
	for stop := range stops {
		for who, next := range takeOver {
			t.Run(stop+", then "+who, func(t *testing.T) {
				r := newRigAt(t, newSharedPlace(t), nil)
				var all []*cloakroom.Session
				for range 5 {
					all = append(all, r.signedIn("ann"))
				}
				attempt, err := r.m.BeginLogin(t.Context(), "ann")
				if err != nil {
					t.Fatal(err)
				}
				c := r.place.begin(t, task{Revoke: "ann", Stop: stop})
				c.proceed()
				c.awaits("standing still")
				buried := 0
				switch stop {
				case "after two burials":
					buried = 2
				case "before the ledger is put in order":
					buried = len(all)
				}
				r.await("what it buried is in the store", func() bool { return r.graves(all) == buried })
				c.kill()
				if got := r.graves(all); got != buried {
					t.Errorf("when the process was killed it had buried %d of %d sessions, want %d", got, len(all), buried)
				}
				next(r)
				if stop == "before the ledger is written" && who == "a sign-in" { // then nothing had begun
					for _, s := range all {
						r.wantOpen("before RevokeAll began", s.Token(), true)
					}
					return
				}
				for _, s := range all {
					r.wantGrave(s.ID(), cloakroom.EndRevoked)
					r.wantShut(s.ID(), s.Token())
				}
				if l := r.ledger("ann"); len(l.Ending) != 0 || len(l.Live) > 1 {
					t.Errorf("the ledger keeps %v and %v", l.Live, l.Ending)
				}
				r.wantErr("a sign-in that began before RevokeAll",
					r.stored(0).Login(t.Context(), "ann", &cloakroom.LoginOptions{Attempt: attempt}), cloakroom.ErrRevoked)
			})
		}
	}
}

// graves counts the sessions that have been buried.
func (r *rig) graves(all []*cloakroom.Session) (n int) {
	for _, s := range all {
		if rec, _ := r.kept(s.ID()); rec != nil && rec.Grave != nil {
			n++
		}
	}
	return n
}

// await waits until something is the case.
func (r *rig) await(what string, is func() bool) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			r.Fatalf("not within %v: %s", patience, what)
		}
	}
}
