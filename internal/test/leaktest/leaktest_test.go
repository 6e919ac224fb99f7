package leaktest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) { Main(m) }

// recorder is a test that keeps its failures to itself.
type recorder struct {
	testing.TB
	failures []string
	cleanups []func()
}

func (r *recorder) Helper()          {}
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) end() {
	for _, f := range slices.Backward(r.cleanups) {
		f()
	}
}

// linger starts a goroutine that runs, in lingering, until stop is closed.
func linger() (stop, done chan struct{}) {
	stop, done = make(chan struct{}), make(chan struct{})
	go lingering(stop, done)
	stop <- struct{}{}
	return stop, done
}

func lingering(stop, done chan struct{}) {
	<-stop // it has begun
	<-stop
	close(done)
}

func TestCheckFindsALeak(t *testing.T) {
	old := patience
	patience = 20 * time.Millisecond
	defer func() { patience = old }()

	r := &recorder{TB: t}
	Check(r)
	stop, done := linger()
	r.end()
	close(stop)
	<-done
	if len(r.failures) != 1 || !strings.Contains(r.failures[0], "leaktest.lingering") {
		t.Errorf("failures: %q, want one that shows the function lingering", r.failures)
	}
}

func TestCheckWaitsForTheEnd(t *testing.T) {
	r := &recorder{TB: t}
	Check(r)
	stop, _ := linger()
	r.Cleanup(func() { close(stop) }) // runs first, and doesn't wait
	r.end()
	if len(r.failures) != 0 {
		t.Errorf("a goroutine that ended counts as left behind: %q", r.failures)
	}
}

func TestCheckLeavesOthersAlone(t *testing.T) {
	stop, done := linger() // before Check
	r := &recorder{TB: t}
	Check(r)
	r.end()
	close(stop)
	<-done
	if len(r.failures) != 0 {
		t.Errorf("a goroutine that ran before counts as left behind: %q", r.failures)
	}
}
