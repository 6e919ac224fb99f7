package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/workload"
	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
)

// Run is one run of a scenario. Its methods are safe for concurrent use, but
// for those that draw: these belong to the goroutine of Scenario.Run.
type Run struct {
	// TB is for what is started, and ends with the run.
	testengine.TB

	scenario Scenario
	options  Options
	rng      *rand.Rand

	mu     sync.Mutex
	until  time.Time
	tally  Tally
	answer answers
}

// Tally is what a run came to.
type Tally struct {
	Scenario Scenario
	Seed     int64
	Began    time.Time
	Took     time.Duration
	Engines  []string // what the sessions were kept in, with versions

	History history.Report
	// Kills, Pauses, Cuts and Restarts count faults: processes that were
	// killed, or stopped for a while; connections or disks that were taken away
	// or disturbed; processes that were started again.
	Kills, Pauses, Cuts, Restarts int
	Stall                         time.Duration // the longest time without an answer to anybody
	Notes                         []string      // what else was measured
	Err                           error         // what is wrong
}

// Do runs a scenario, for a test or a program that testengine.Command lends its
// TB to. The histories are judged when t's clean-ups have stopped all that the
// scenario started. keep gets the tally after that, even if t ended the
// goroutine.
func Do(t testengine.TB, s Scenario, o Options, keep func(Tally)) {
	t.Helper()
	if o.Least == 0 {
		o.Least = 20 * time.Second
	}
	r := &Run{
		TB: t, scenario: s, options: o, until: o.Until,
		rng:   rand.New(rand.NewPCG(uint64(o.Seed), 0)),
		tally: Tally{Scenario: s, Seed: o.Seed, Began: time.Now()},
	}
	ended := false // as it should
	// The first clean-up to be asked for comes last.
	t.Cleanup(func() {
		if ended {
			r.again()
			r.fail(r.verdict())
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for i := range r.tally.History.Failures {
			r.Logf("%v", &r.tally.History.Failures[i])
		}
		keep(r.tally)
	})
	defer func() { // also when r.Fatal ends the goroutine
		r.mu.Lock()
		defer r.mu.Unlock()
		r.tally.Took = time.Since(r.tally.Began)
		r.tally.Stall = r.answer.longest
	}()
	err := s.Run(t.Context(), r)
	ended = err == nil
	r.fail(err)
}

// fail keeps an error, if it is one.
func (r *Run) fail(err error) {
	if err != nil {
		r.note(func(t *Tally) { t.Err = err })
		r.Errorf("%s, seed %d: %v", r.scenario.Name, r.options.Seed, err)
	}
}

// again checks what is undecided once more.
func (r *Run) again() {
	o := r.CheckOptions()
	o.Timeout = againLimit
	r.note(func(t *Tally) {
		h := &t.History
		if n := len(h.Open); n > 0 {
			before := h.Undecided
			files, err := h.Again(o)
			r.Logf("%d of %d undecided families were checked again: %d are decided now; what is not decided: %v", n, before, before-h.Undecided, files)
			if err != nil {
				r.Errorf("writing histories: %v", err)
			}
		}
	})
}

// verdict says what is wrong with the histories.
func (r *Run) verdict() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := &r.tally.History
	switch {
	case h.Failed > 0:
		return fmt.Errorf("%d families of sessions break a promise: see %s", h.Failed, r.options.Dir)
	case h.Families == 0:
		return fmt.Errorf("nothing was checked")
	case h.Undecided*undecidedOf > h.Families:
		return fmt.Errorf("%d of %d families could not be decided: more than one in %d shows too little", h.Undecided, h.Families, undecidedOf)
	}
	for kind, weight := range workload.Mix() {
		if weight >= often && h.Count(kind, history.Done) == 0 {
			return fmt.Errorf("no %s ever succeeded: that shows too little", kind)
		}
	}
	return nil
}

const (
	// undecidedOf: one in so many families may be undecided, so none in a short
	// run. What counting finds counts in these as well.
	undecidedOf = 50
	// often is the weight from which on a kind of operation has to have
	// succeeded, in a run of any length.
	often = 3
)

// Seed is what all is drawn from.
func (r *Run) Seed() int64 { return r.options.Seed }

// Rand draws. It belongs to the goroutine of Scenario.Run.
func (r *Run) Rand() *rand.Rand { return r.rng }

// More reports whether there is time for another fault.
func (r *Run) More() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Before(r.until) && r.Context().Err() == nil
}

// Pause waits for a time drawn between least and most, or until ctx ends.
func (r *Run) Pause(ctx context.Context, least, most time.Duration) {
	t := time.NewTimer(least + time.Duration(r.rng.Int64N(int64(most-least)+1)))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// Killed counts a process that was killed.
func (r *Run) Killed() { r.note(func(t *Tally) { t.Kills++ }) }

// Paused counts a process that was stopped for a while.
func (r *Run) Paused() { r.note(func(t *Tally) { t.Pauses++ }) }

// Cut counts a connection or disk that was taken away or disturbed.
func (r *Run) Cut() { r.note(func(t *Tally) { t.Cuts++ }) }

// Restarted counts a process that was started again.
func (r *Run) Restarted() { r.note(func(t *Tally) { t.Restarts++ }) }

// Uses tells what the sessions are kept in, with its version.
func (r *Run) Uses(engine string) {
	r.note(func(t *Tally) { t.Engines = append(t.Engines, engine) })
}

// Note adds to the scenario's row what else was measured.
func (r *Run) Note(format string, args ...any) {
	r.note(func(t *Tally) { t.Notes = append(t.Notes, fmt.Sprintf(format, args...)) })
}

func (r *Run) note(change func(t *Tally)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.tally)
}

// Add counts what a check of histories came to.
func (r *Run) Add(h *history.Report) {
	r.note(func(t *Tally) { merge(&t.History, h) })
}

// The search for an order of a family may take checkLimit while the scenario
// runs, and againLimit when it has ended. Almost all take milliseconds, but some
// reach the first on a busy machine. Memory grows with the time, by up to
// 200 MB/s: so it is one at a time then, and no longer than that.
const (
	checkLimit = 20 * time.Second
	againLimit = time.Minute
)

// CheckOptions are those that histories are checked with.
func (r *Run) CheckOptions() *history.Options {
	return &history.Options{Timeout: checkLimit, Dir: filepath.Join(r.options.Dir, r.scenario.Name)}
}

// patience is how long a family's last reads are tried: longer than any fault
// takes to heal.
const patience = 4 * time.Minute

// Work has clients work on sessions by means of the executors while faults does
// its worst, until faults returns; it should do so when More is false, with all
// healed. The clients go on until some have been answered then. The histories
// are checked as they grow, and counted. What Work returns is faults' error, or
// that the workload failed or did not recover.
func (r *Run) Work(ctx context.Context, executors []workload.Executor, o workload.Options, faults func(ctx context.Context) error) (err error) {
	o.Seed, o.Patience = r.Seed(), patience
	if o.Check = r.CheckOptions(); r.options.Dir != "" {
		if err := os.MkdirAll(o.Check.Dir, 0o755); err != nil {
			return err
		}
	}
	var watched []workload.Executor
	for _, e := range executors {
		watched = append(watched, &watchedExecutor{e, &r.answer})
	}
	r.mu.Lock()
	if least := time.Now().Add(r.options.Least); r.until.Before(least) {
		r.until = least
	}
	r.mu.Unlock()

	working, stop := context.WithCancel(ctx)
	var failure error
	var done sync.WaitGroup
	done.Go(func() {
		var h *history.Report
		h, failure = workload.Run(working, watched, o)
		r.Add(h)
	})
	defer func() { // also when r.Fatal ends the goroutine
		r.answer.stop()
		stop()
		done.Wait()
		if err == nil {
			err = failure
		}
	}()
	if err := r.Recovered(ctx); err != nil { // nothing has happened to them yet
		return err
	}
	r.answer.start()
	if err := faults(ctx); err != nil {
		return err
	}
	return r.Recovered(ctx)
}

// CutOff says that from now on a node may answer reads as of since, because it
// was cut off from its cluster and doesn't know. Reads are judged so until Back.
func (r *Run) CutOff(since time.Time) {
	r.answer.mu.Lock()
	defer r.answer.mu.Unlock()
	r.answer.cuts = append(r.answer.cuts, cut{since: since, from: time.Now()})
}

// Back says that no node is cut off any longer.
func (r *Run) Back() {
	r.answer.mu.Lock()
	defer r.answer.mu.Unlock()
	c := &r.answer.cuts[len(r.answer.cuts)-1]
	c.to = time.Now()
	r.Logf("a node that was cut off %v ago may have answered reads for %v: %d answers came then",
		c.to.Sub(c.since).Round(time.Millisecond), c.to.Sub(c.from).Round(time.Millisecond), c.reads)
}

// noteCuts adds up the times in which reads were judged as those of a node that
// was cut off.
func (r *Run) noteCuts() {
	var all time.Duration
	reads := 0
	r.answer.mu.Lock()
	for _, c := range r.answer.cuts {
		all += c.to.Sub(c.from)
		reads += c.reads
	}
	n := len(r.answer.cuts)
	r.answer.mu.Unlock()
	if n > 0 {
		r.Note("%d times, for %v in all, a node may have answered reads without knowing that the cluster had gone on; "+
			"what was read in the %d answers of these times was allowed to be as old as that could be",
			n, all.Round(100*time.Millisecond), reads)
	}
}

// Recovered waits until the clients of Work are answered again.
func (r *Run) Recovered(ctx context.Context) error {
	const enough, limit = 50, 2 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if !r.answer.await(ctx, enough) {
		return fmt.Errorf("clients were not answered again within %v", limit)
	}
	return nil
}
