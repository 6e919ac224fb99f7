package workload_test

import (
	"errors"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/internal/test/brokenstore"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/workload"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// unseen are the broken rules that clients can't learn of by their sessions.
var unseen = map[string]string{
	"bury-missing-nothing": "what comes back is a session whose token nobody has",
	"lying-answers":        "the network that lies before stores vouches for nothing",
	"newer-is-missing":     "all processes are of one version",
	"version-repeats":      "a record has to be past its deadline, removed, and made again by a late write",
}

// late has the variants that need writes that are executed long after.
var late = map[string]bool{"delete-without-grave": true, "grave-short": true}

// TestBrokenStoresAreCaught runs the workload on stores that each break one
// rule. A checker that lets one pass would let a defect of ours pass.
func TestBrokenStoresAreCaught(t *testing.T) {
	for _, v := range brokenstore.All() {
		if unseen[v.Name] != "" {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			const rounds = 60
			for seed := int64(1); seed <= rounds; seed++ {
				r, err := runBroken(t, v, seed)
				if err != nil {
					t.Log(err) // so broken that not even the last reads work
				}
				if r.Failed > 0 {
					t.Logf("caught in round %d: %s", seed, r.Failures[0].String())
					return
				}
			}
			t.Errorf("not caught: %s", v.What)
		})
	}
}

// TestSoundStoresAreNotCaught is the same on a store that keeps all rules.
func TestSoundStoresAreNotCaught(t *testing.T) {
	sound := func(s cloakroom.Store) cloakroom.Store { return s }
	for _, v := range []brokenstore.Variant{
		{Name: "plain", Wrap: sound},
		{Name: "faults", NeedsFaults: true, Wrap: sound},
		{Name: "sweeps", NeedsSweep: true, Wrap: sound},
		{Name: "sweeps and faults", NeedsSweep: true, NeedsFaults: true, Wrap: sound},
	} {
		t.Run(v.Name, func(t *testing.T) {
			for seed := int64(1); seed <= 5; seed++ {
				r, err := runBroken(t, v, seed)
				for i := range r.Failures {
					t.Error(r.Failures[i].String())
				}
				if err := errors.Join(err, r.Err()); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func runBroken(t *testing.T, v brokenstore.Variant, seed int64) (*history.Report, error) {
	inner := memstore.New(nil)
	defer inner.Close()
	broken := v.Wrap(inner)
	config := workload.Config()
	o := workload.Options{Seed: seed, Ops: 400, Check: &history.Options{Dir: t.TempDir()}}
	if v.NeedsSweep {
		o.Idle, o.Clock = 10*time.Minute, workload.NewClock(time.Now())
		config = workload.IdleConfig(o.Clock, o.Idle)
	}
	config.SaveTimeout = 200 * time.Millisecond
	faults := workload.FaultOptions{Slow: 100 * time.Microsecond, Seed: seed}
	if v.NeedsFaults || late[v.Name] {
		faults.Lost, faults.Late, faults.Doubled = 0.05, 0.05, 0.05
	}
	if late[v.Name] {
		faults.Late, faults.Doubled, faults.Deliver = 0.1, 0.2, 0.02
		o.Mix = map[history.Kind]int{history.Create: 10, history.Get: 30, history.Set: 10, history.Destroy: 10, history.Sweep: 10}
	}
	var stores []cloakroom.Store
	for range 3 {
		f := workload.NewFaults(broken, faults)
		defer f.Close()
		stores = append(stores, f)
	}
	return workload.Run(t.Context(), executors(t, stores, config), o)
}
