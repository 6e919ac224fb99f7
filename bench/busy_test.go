package main

import (
	"testing"
	"time"
)

func TestProcessorTimes(t *testing.T) {
	stat := []byte("7 (C2 (a) Compiler) S 1 7 7 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 1 0 99 0 0")
	if d, ok := processTicks(stat); d != 2*time.Second || !ok {
		t.Errorf("a process's time is %v, %v", d, ok)
	}
	if d, ok := processTicks([]byte("7 (short) S 1")); ok {
		t.Errorf("a line without times gave %v", d)
	}
	// user nice system idle iowait irq softirq steal guest guest_nice
	if idle, total := machineTicks([]byte("cpu  10 1 5 60 4 0 0 20 7 7\ncpu0 1 1 1 1 1\n")); idle != 64 || total != 100 {
		t.Errorf("%d of %d ticks are idle", idle, total)
	}
	for name, want := range map[string]bool{"C2 CompilerThre\n": true, "C1 CompilerThre\n": true, "G1 Service\n": false, "": false} {
		if isCompiler([]byte(name)) != want {
			t.Errorf("%q is a compiler: %v", name, !want)
		}
	}
}

func TestBusyIsSharedOut(t *testing.T) {
	begin := time.Now()
	before := busy{at: begin, all: time.Second, compiler: time.Second, idle: 10, total: 100}
	after := busy{at: begin.Add(time.Second), all: 3 * time.Second, compiler: 1500 * time.Millisecond, idle: 60, total: 300}
	r := Result{N: 1000, Metrics: map[string]float64{}}
	r.add(before, after)
	for unit, want := range map[string]float64{engineCPU: 1.5e6, compilerCPU: 0.5e6, idleShare: 25} {
		if got := r.Metrics[unit]; got != want {
			t.Errorf("%s is %v in place of %v", unit, got, want)
		}
	}
	unknown := Result{N: 1, Metrics: map[string]float64{}}
	unknown.add(busy{}, after)
	if len(unknown.Metrics) > 0 {
		t.Errorf("nothing was known, and yet %v", unknown.Metrics)
	}
	if !compiles(before, after) || compiles(after, after) || compiles(busy{}, after) {
		t.Error("the compiler's time moves by half the time, then not at all, then it isn't known")
	}
	still := before
	still.at, still.compiler = after.at, before.compiler+time.Second/50
	if compiles(before, still) {
		t.Error("a fiftieth of the time counts as compiling")
	}
}
