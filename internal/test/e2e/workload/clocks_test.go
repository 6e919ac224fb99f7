package workload_test

import (
	"errors"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/workload"
)

// runApart runs the workload on managers whose clocks lie apart by so much.
func runApart(t *testing.T, apart time.Duration) (*history.Report, error) {
	var all []workload.Executor
	for i, s := range inMemory(t, 3) {
		config := workload.Config()
		config.Now = func() time.Time { return time.Now().Add(time.Duration(i) * apart / 2) }
		all = append(all, executors(t, []cloakroom.Store{s}, config)...)
	}
	return workload.Run(t.Context(), all, workload.Options{Seed: flags.Draw(), Ops: 1500, Check: &history.Options{Dir: t.TempDir()}})
}

// TestHistoriesWithClocksApart: that clocks lie apart as far as is tolerated breaks no
// promise.
func TestHistoriesWithClocksApart(t *testing.T) {
	r, err := runApart(t, driver.ClockTolerance)
	for i := range r.Failures {
		t.Error(r.Failures[i].String())
	}
	if err := errors.Join(err, r.Err()); err != nil {
		t.Error(err)
	}
}

// TestClocksTooFarApartAreCaught: by more than that it does, and is noticed.
func TestClocksTooFarApartAreCaught(t *testing.T) {
	if r, err := runApart(t, 2*driver.ClockTolerance+time.Minute); r.Failed == 0 {
		t.Errorf("not caught: %v, %v", r, err)
	}
}
