package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// closed has callers work for a span of time, each starting its next operation
// as soon as the last is done. turn counts the caller's own operations.
func closed(ctx context.Context, span time.Duration, callers int, op func(ctx context.Context, caller, turn int) error) (Result, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	taken := make([][]time.Duration, callers)
	busy, known := processorTime()
	begin := time.Now()
	end := begin.Add(span)
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for turn, start := 0, time.Now(); start.Before(end) && ctx.Err() == nil; turn++ {
				if err := op(ctx, c, turn); err != nil {
					stop(fmt.Errorf("caller %d, operation %d: %w", c, turn, err))
					return
				}
				done := time.Now()
				taken[c] = append(taken[c], done.Sub(start))
				start = done
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return Result{}, err
	}
	r := summary(slices.Concat(taken...), time.Since(begin))
	if now, _ := processorTime(); known && r.N > 0 {
		r.Metrics[perOpCPU] = float64(now-busy) / float64(r.N)
	}
	return r, nil
}

// open starts operations at a rate, whether or not earlier ones are done, and
// waits for all. An operation's latency counts from when it was due, so that a
// stall is felt by all who would have come meanwhile. Operations that fail
// are counted, and are not among the latencies.
func open(ctx context.Context, span time.Duration, rate float64, op func(ctx context.Context, i int) error) (Result, error) {
	n := max(1, int(rate*span.Seconds()))
	taken := make([]time.Duration, n)
	var failed atomic.Int64
	var wg sync.WaitGroup
	begin := time.Now()
	for i := range n {
		due := begin.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		if wait := time.Until(due); wait > 0 {
			select {
			case <-ctx.Done():
				wg.Wait()
				return Result{}, context.Cause(ctx)
			case <-time.After(wait):
			}
		}
		wg.Go(func() {
			if err := op(ctx, i); err != nil {
				failed.Add(1)
				return
			}
			taken[i] = max(1, time.Since(due))
		})
	}
	offered := float64(n) / max(span, time.Since(begin)).Seconds()
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return Result{}, err
	}
	took := time.Since(begin)
	done := slices.DeleteFunc(taken, func(d time.Duration) bool { return d == 0 })
	r := summary(done, took)
	if r.Metrics == nil {
		r.Metrics = map[string]float64{}
	}
	r.Metrics["failed-ratio"] = float64(failed.Load()) / float64(n)
	r.Metrics["offered/s"] = offered // less than rate where this process couldn't do it
	return r, nil
}

func summary(taken []time.Duration, took time.Duration) Result {
	if len(taken) == 0 {
		return Result{}
	}
	slices.Sort(taken)
	n := float64(len(taken))
	return Result{N: len(taken), Latencies: taken, Metrics: map[string]float64{
		perOp:  float64(took) / n,
		perSec: n / took.Seconds(),
		half:   float64(quantile(taken, 0.50)),
		tail:   float64(quantile(taken, 0.99)),
	}}
}

// quantile of sorted values: the one that a share q of them doesn't exceed.
func quantile[T any](sorted []T, q float64) T {
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// alone measures one goroutine's time and allocations, with package testing.
func (b *Bench) alone(op func() error) (Result, error) {
	var failed error
	r := testing.Benchmark(func(tb *testing.B) {
		tb.ReportAllocs()
		for tb.Loop() {
			if err := op(); err != nil {
				failed = err
				tb.FailNow()
			}
		}
	})
	if failed != nil || r.N == 0 {
		return Result{}, errors.Join(failed, errors.New("the benchmark did not finish"))
	}
	return Result{N: r.N, Metrics: map[string]float64{
		perOp: float64(r.T) / float64(r.N), bytesOp: float64(r.AllocedBytesPerOp()), allocs: float64(r.AllocsPerOp()),
	}}, nil
}

// share has callers do n things, each the next that is left.
func share(ctx context.Context, callers, n int, f func(ctx context.Context, i int) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := f(ctx, i); err != nil {
					stop(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}
