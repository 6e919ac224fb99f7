package figures

import (
	"math"
	"math/bits"
)

// This file is Histogram, a reading of a Tally, and the bounds of its buckets.
//
// The buckets are those of HdrHistogram, by Gil Tene: log-linear, four of one width
// between two powers of two. So they are the same for all values and in all processes, and
// are as fine for microseconds as for seconds. Below 8 each number
// has a bucket of its own. Above, a bucket is at most a quarter as wide as its lower end,
// so its middle is off by at most an eighth.

const (
	perPower = 4                   // buckets between two powers of two
	buckets  = perPower*(63-2) + 4 // up to the largest int64
)

// Histogram says how often values of each size came. It is a reading of a Tally, and
// doesn't change. T is time.Duration for times, int64 for numbers of things.
type Histogram[T ~int64] struct {
	Count   int64       // values
	Sum     T           // of them all, exactly
	Buckets []Bucket[T] // those with values, in rising order
}

// Bucket counts the values from From to To, both included.
type Bucket[T ~int64] struct {
	From, To T
	Count    int64
}

// Quantile returns the value below or at which a share q of all values lies, such as 0.99.
// It is the middle of that value's bucket, so it is wrong by 12.5 % at most; below 8 it is
// exact. A q out of 0 to 1 counts as the nearer of the two. Without values it is 0.
func (h Histogram[T]) Quantile(q float64) T {
	rank := int64(1)
	if q > 0 { // false for what is no number
		rank = max(rank, int64(math.Ceil(min(q, 1)*float64(h.Count))))
	}
	for i, b := range h.Buckets {
		if rank -= b.Count; rank <= 0 || i == len(h.Buckets)-1 {
			return b.From + (b.To-b.From)/2
		}
	}
	return 0
}

// Mean returns the mean of all values, 0 without any.
func (h Histogram[T]) Mean() T {
	if h.Count == 0 {
		return 0
	}
	return h.Sum / T(h.Count)
}

// Minus returns the histogram of the values that came after an earlier reading of the same
// Tally.
func (h Histogram[T]) Minus(earlier Histogram[T]) Histogram[T] {
	late, before := Histogram[T]{Sum: h.Sum - earlier.Sum}, earlier.Buckets
	for _, b := range h.Buckets {
		if len(before) > 0 && before[0].From == b.From {
			b.Count -= before[0].Count
			before = before[1:]
		}
		if b.Count > 0 {
			late.Count += b.Count
			late.Buckets = append(late.Buckets, b)
		}
	}
	return late
}

// bucketOf returns the bucket of a value that isn't negative.
func bucketOf(v uint64) int {
	if v < perPower {
		return int(v)
	}
	power := bits.Len64(v) - 1
	return (power-1)*perPower + int(v>>(power-2))%perPower
}

// bucketFrom returns the least value of a bucket.
func bucketFrom(i int) uint64 {
	if i < perPower {
		return uint64(i)
	}
	power := i/perPower + 1
	return uint64(perPower+i%perPower) << (power - 2)
}
