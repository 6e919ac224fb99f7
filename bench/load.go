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

// This file makes load: callers in a closed loop, and operations at a rate.

// closed lets callers work for a span of time. Each starts its next operation as soon as
// the last is done. turn counts the caller's own operations.
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

// open starts operations at a rate, whether or not earlier ones are done, and waits for
// all. An operation's latency counts from the time when it was due, so that a stall
// counts for all that would have come meanwhile. Failed operations are counted, but are
// not among the latencies. Workers carry the operations out, as many as there are
// operations at a time, each with its own result of worker.
func open(ctx context.Context, span time.Duration, rate float64, worker func() arrival) (Result, error) {
	n := max(1, int(rate*span.Seconds()))
	s := &schedule{ctx: ctx, begin: time.Now(), rate: rate, worker: worker, taken: make([]time.Duration, n), wake: make(chan struct{}, 1)}
	s.workers.Go(s.work)
	s.workers.Wait()
	if err := context.Cause(ctx); err != nil {
		return Result{}, err
	}
	took := time.Since(s.begin)
	done := slices.DeleteFunc(s.taken, func(d time.Duration) bool { return d == 0 })
	r := summary(done, took)
	if r.Metrics == nil {
		r.Metrics = map[string]float64{}
	}
	r.Metrics["failed-ratio"] = float64(s.failed.Load()) / float64(n)
	r.Metrics["offered/s"] = float64(n) / max(span, s.last.Sub(s.begin)).Seconds() // less than rate if this process couldn't keep it
	return r, nil
}

// arrival carries out an operation of open. i is its number.
type arrival = func(ctx context.Context, i int) error

// all lets all workers do the same.
func all(op arrival) func() arrival { return func() arrival { return op } }

// schedule lets workers carry out operations when they are due. One worker at a time has
// the lead: it waits for the next operation, leaves the lead to another worker, and
// carries the operation out. If it is done before the other has come, it takes the lead
// back. So operations that end at once cost little more than themselves. A refused
// operation costs less than a goroutine of its own that a timer wakes.
type schedule struct {
	ctx    context.Context //nolint:containedctx // the run's
	begin  time.Time
	rate   float64
	worker func() arrival

	led  atomic.Bool // a worker has the lead
	next int         // the next operation; the leader's
	last time.Time   // the start of the last operation; the leader's

	called  atomic.Bool // a worker is on its way to take the lead
	wake    chan struct{}
	idle    atomic.Int64 // workers that wait for a call
	workers sync.WaitGroup

	taken  []time.Duration
	failed atomic.Int64
}

func (s *schedule) work() {
	s.called.Store(false)
	op := s.worker()
	for {
		if !s.led.CompareAndSwap(false, true) {
			s.idle.Add(1)
			<-s.wake
			s.idle.Add(-1)
			s.called.Store(false)
			continue
		}
		i := s.next
		if i == len(s.taken) || s.ctx.Err() != nil {
			s.led.Store(false)
			select {
			case s.wake <- struct{}{}: // so that the next worker sees the end too
			default:
			}
			return
		}
		due := s.begin.Add(time.Duration(float64(i) / s.rate * float64(time.Second)))
		for now := time.Now(); ; now = time.Now() {
			if wait := due.Sub(now); wait > 0 {
				time.Sleep(wait)
				continue
			}
			s.last = now
			break
		}
		s.next++
		s.led.Store(false)
		s.call()
		if err := op(s.ctx, i); err != nil {
			s.failed.Add(1)
			continue
		}
		s.taken[i] = max(1, time.Since(due))
	}
}

// call makes a worker take the lead, unless one is on its way already.
func (s *schedule) call() {
	if !s.called.CompareAndSwap(false, true) {
		return
	}
	if s.idle.Load() == 0 {
		s.workers.Go(s.work)
		return
	}
	select {
	case s.wake <- struct{}{}:
	default: // at the end a call is already there
	}
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

// quantile returns the value that a share q of the sorted values doesn't exceed.
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

// share lets callers do n things, each the next that is left.
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
