package figures_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/figures"
)

// This file is the test of the buckets: that they cover all values, that a quantile is as
// right as it says, and that histograms are subtracted.

// TestBuckets: each value falls into the one bucket around it, from 0 to the largest.
func TestBuckets(t *testing.T) {
	for from := int64(0); ; {
		var first figures.Tally[int64]
		first.Add(from)
		to := first.Histogram().Buckets[0].To
		for _, v := range []int64{from, from + (to-from)/3, to} {
			var tally figures.Tally[int64]
			tally.Add(v)
			h := tally.Histogram()
			want := figures.Bucket[int64]{From: from, To: to, Count: 1}
			if h.Count != 1 || h.Sum != v || !slices.Equal(h.Buckets, []figures.Bucket[int64]{want}) {
				t.Fatalf("%d is counted as %+v, not in bucket %+v", v, h, want)
			}
		}
		if to == math.MaxInt64 {
			return
		}
		from = to + 1
	}
}

// TestQuantile: of values of any size and spread, each quantile is within 12.5 % of the
// value that really lies there, and exact below 8.
func TestQuantile(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for name, value := range map[string]func() int64{
		"few":       func() int64 { return random.Int64N(8) },
		"sizes":     func() int64 { return 1 + random.Int64N(500) },
		"latencies": func() int64 { return int64(math.Exp(random.NormFloat64()*3 + 13)) },
		"anything":  func() int64 { return random.Int64() >> random.IntN(63) },
		"one":       func() int64 { return 31 },
	} {
		t.Run(name, func(t *testing.T) {
			var tally figures.Tally[int64]
			values, sum := make([]int64, 5000), int64(0)
			for i := range values {
				values[i] = value()
				sum += values[i]
				tally.Add(values[i])
			}
			slices.Sort(values)
			h := tally.Histogram()
			if h.Count != 5000 || h.Sum != sum || h.Mean() != sum/5000 {
				t.Errorf("%d values of %d, of the mean %d; want 5000 of %d", h.Count, h.Sum, h.Mean(), sum)
			}
			for q := 0.0; q <= 1; q += 1.0 / 128 {
				want := values[max(int(math.Ceil(q*5000))-1, 0)]
				got := h.Quantile(q)
				off := math.Abs(float64(got) - float64(want))
				if off > float64(want)/8 || want < 8 && off > 0 {
					t.Errorf("quantile %v is %d, and the value there is %d", q, got, want)
				}
			}
		})
	}
}

// TestQuantileOfNothing: what can't be asked for, and no values.
func TestQuantileOfNothing(t *testing.T) {
	var tally figures.Tally[time.Duration]
	if h := tally.Histogram(); h.Quantile(0.5) != 0 || h.Mean() != 0 || h.Buckets != nil {
		t.Errorf("nothing is %+v", h)
	}
	tally.Add(-time.Second) // a clock was set back
	tally.Add(time.Second)
	h := tally.Histogram()
	for q, want := range map[float64]time.Duration{-1: 0, 0: 0, 0.5: 0, 1: time.Second, 7: time.Second, math.Inf(1): time.Second} {
		if got := h.Quantile(q); (got - want).Abs() > want/8 {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if got := h.Quantile(math.NaN()); got != 0 {
		t.Errorf("quantile NaN is %v", got)
	}
}

// TestMinus: what came after a reading is the difference of two.
func TestMinus(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var all, late figures.Tally[int64]
	for range 300 {
		all.Add(random.Int64N(100))
	}
	before := all.Histogram()
	for range 300 {
		v := 60 + random.Int64N(100_000)
		all.Add(v)
		late.Add(v)
	}
	equal := func(name string, got, want figures.Histogram[int64]) {
		t.Helper()
		if got.Count != want.Count || got.Sum != want.Sum || !slices.Equal(got.Buckets, want.Buckets) {
			t.Errorf("%s is\n%+v, want\n%+v", name, got, want)
		}
	}
	equal("all - before", all.Histogram().Minus(before), late.Histogram())
	equal("all - nothing", all.Histogram().Minus(figures.Histogram[int64]{}), all.Histogram())
	equal("all - all", all.Histogram().Minus(all.Histogram()), figures.Histogram[int64]{})
}

// TestTallyConcurrently: many count and one reads. Nothing is lost, and no reading has less
// than the one before.
func TestTallyConcurrently(t *testing.T) {
	const callers, each = 8, 2000
	var tally figures.Tally[int64]
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for j := range each {
				tally.Add(int64(i * j))
			}
		})
	}
	for last := int64(0); last < callers*each; {
		h := tally.Histogram()
		n := int64(0)
		for _, b := range h.Buckets {
			n += b.Count
		}
		if h.Count < last || n != h.Count {
			t.Fatalf("%d values, with %d in buckets, after %d", h.Count, n, last)
		}
		last = h.Count
	}
	wg.Wait()
	if want := int64(each * (each - 1) / 2 * callers * (callers - 1) / 2); tally.Histogram().Sum != want {
		t.Errorf("the sum is %d, want %d", tally.Histogram().Sum, want)
	}
}

// TestAddAllocatesNothing: counting costs no memory.
func TestAddAllocatesNothing(t *testing.T) {
	var tally figures.Tally[int64]
	if n := testing.AllocsPerRun(100, func() { tally.Add(1234) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAdd(b *testing.B) {
	var tally figures.Tally[int64]
	for b.Loop() {
		tally.Add(1234)
	}
}
