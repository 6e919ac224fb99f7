package batch_test

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/batch"
)

// The benchmarks' engine costs far more per request than per item.
const (
	perFlush = 200 * time.Microsecond
	perItem  = 2 * time.Microsecond
)

// engine takes an engine's time for n items. time.Sleep is too coarse on some systems;
// this is exact, and lets everyone else run meanwhile.
func engine(n int) {
	end := time.Now().Add(perFlush + time.Duration(n)*perItem)
	for time.Now().Before(end) {
		runtime.Gosched()
	}
}

// BenchmarkEngine is the cost of one item without a Batcher: compare it with BenchmarkDo
// at one caller.
func BenchmarkEngine(b *testing.B) {
	for b.Loop() {
		engine(1)
	}
}

// BenchmarkDo reports the size of the batches.
func BenchmarkDo(b *testing.B) {
	for _, inFlight := range []int{1, 2, 4} {
		for _, callers := range []int{1, 16, 256} {
			b.Run(fmt.Sprintf("inflight=%d/callers=%d", inFlight, callers), func(b *testing.B) {
				benchmark(b, inFlight, callers, engine)
			})
		}
	}
}

// BenchmarkOverhead measures the Batcher alone: its engine costs nothing.
func BenchmarkOverhead(b *testing.B) {
	for _, callers := range []int{1, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			benchmark(b, 4, callers, func(int) {})
		})
	}
}

// benchmark shares b.N operations among callers. Each begins its next operation at once.
func benchmark(b *testing.B, inFlight, callers int, engine func(n int)) {
	var flushes atomic.Int64
	bt := batch.New(batch.Config[int, int]{
		Flush: func(_ context.Context, items []int) []batch.Result[int] {
			flushes.Add(1)
			engine(len(items))
			return make([]batch.Result[int], len(items))
		},
		MaxItems:     64,
		InFlight:     inFlight,
		FlushTimeout: time.Minute,
	})
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	b.ReportAllocs()
	var left atomic.Int64
	left.Store(int64(b.N))
	done := make(chan error, callers)
	b.ResetTimer()
	for range callers {
		go func() {
			for left.Add(-1) >= 0 {
				if _, err := bt.Do(ctx, 1); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range callers {
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
	b.StopTimer()
	bt.Close()
	b.ReportMetric(float64(b.N)/float64(flushes.Load()), "items/flush")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}
