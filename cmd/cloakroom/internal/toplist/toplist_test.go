package toplist

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestLargest(t *testing.T) {
	l := NewLargest[int](3)
	for i, size := range []int64{5, 1, 9, 5, 7, 5, 9} {
		l.Add(i, size)
	}
	var got []string
	l.Each(func(i int, size int64) { got = append(got, fmt.Sprint(i, ":", size)) })
	if want := []string{"2:9", "6:9", "4:7"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	none := NewLargest[int](0)
	none.Add(1, 1)
	none.Each(func(int, int64) { t.Error("something is kept") })
}

// TestFrequent: names that come often are found among many that come once, in whatever
// order.
func TestFrequent(t *testing.T) {
	var all []string
	for i := range 30 {
		for range 300 + 10*i {
			all = append(all, fmt.Sprint("often", i))
		}
	}
	for i := range 100_000 {
		all = append(all, fmt.Sprint("once", i))
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	f := NewFrequent(2000)
	for _, name := range all {
		f.Add(name)
	}
	if !f.Evicted || f.Len() != 2000 || len(f.counts) != 2000 {
		t.Errorf("%v %d %d", f.Evicted, f.Len(), len(f.counts))
	}
	top := f.Top(40)
	for i := range 30 {
		if !slices.Contains(top, fmt.Sprint("often", i)) {
			t.Errorf("often%d isn't found", i)
		}
	}
	exact := NewFrequent(10)
	for _, name := range []string{"a", "b", "a", "c", "a", "b"} {
		exact.Add(name)
	}
	if got := exact.Top(5); !slices.Equal(got, []string{"a", "b", "c"}) || exact.Evicted {
		t.Errorf("%q", got)
	}
}
