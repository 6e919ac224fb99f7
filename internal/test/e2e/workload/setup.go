package workload

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
)

// Keyring returns the keys that all executors of a run share.
func Keyring() (*cloakroom.Keyring, error) {
	return cloakroom.NewKeyring(bytes.Repeat([]byte("workload"), 4))
}

// Config returns a configuration that histories can be checked with: no limit
// to a principal's sessions, which the model doesn't know, and times that don't
// pass during a run. Each request of a visitor writes the time of its activity,
// beside everything else. SaveTimeout may be changed.
func Config() *cloakroom.Config {
	return &cloakroom.Config{
		MaxPerPrincipal: -1,
		RenewGrace:      55 * time.Minute, // with the clock tolerance less than an hour: so that the first use of a new secret is written
		TouchEvery:      -1,
		SweepEvery:      -1, // a Sweep is an operation
	}
}

// IdleConfig is Config for sessions that expire by a clock, as in Options.
func IdleConfig(clock *Clock, idle time.Duration) *cloakroom.Config {
	c := Config()
	c.IdleTimeout, c.TouchEvery, c.Now = idle, idle-time.Millisecond, clock.Now
	return c
}

// Flags choose how long a test's workload runs, with which seed, and where its
// histories are recorded.
type Flags struct {
	For    time.Duration
	Seed   int64
	Record string
}

// AddFlags adds -history.for, -history.seed and -history.record to a test
// binary's flags.
func AddFlags(set *flag.FlagSet) *Flags {
	f := &Flags{}
	set.DurationVar(&f.For, "history.for", 0, "how long each workload runs (default: a number of operations)")
	set.Int64Var(&f.Seed, "history.seed", 0, "seed of the workloads (default: drawn)")
	set.StringVar(&f.Record, "history.record", "", "file that all histories are appended to, for checkhistory (default: none)")
	return f
}

// Draw returns the seed that was given, or one that is drawn.
func (f *Flags) Draw() int64 {
	if f.Seed != 0 {
		return f.Seed
	}
	return rand.Int64()
}

// Check runs a workload and fails the test if a promise was broken, if it could
// not be decided, or if some kind of operation never succeeded. o.Ops is how
// many operations are done where Flags don't say how long to run.
func (f *Flags) Check(t testing.TB, executors []Executor, o Options) *history.Report {
	t.Helper()
	ctx := t.Context()
	if f.For > 0 {
		c, cancel := context.WithTimeout(ctx, f.For)
		defer cancel()
		ctx, o.Ops = c, 0
	}
	if o.Seed == 0 {
		o.Seed = f.Draw()
	}
	if f.Record != "" {
		file, err := os.OpenFile(f.Record, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = file.Close() }()
		o.Record = file
	}
	o = o.withDefaults()
	t.Logf("-history.seed=%d", o.Seed)
	began := time.Now()
	r, err := Run(ctx, executors, o)
	t.Logf("%v: %v", time.Since(began).Round(time.Millisecond), r)
	for i := range r.Failures {
		t.Error(r.Failures[i].String())
	}
	var kinds []history.Kind
	for k, weight := range o.Mix {
		if weight > 0 {
			kinds = append(kinds, k)
		}
	}
	if err := errors.Join(err, r.Err(kinds...)); err != nil {
		t.Error(err)
	}
	return r
}
