// Package toplist finds the largest of many things in bounded memory.
package toplist

import (
	"cmp"
	"container/heap"
	"slices"
)

// This file is Largest and Frequent.

// Largest keeps the things with the greatest sizes.
type Largest[T any] struct {
	most  int
	seen  int
	items items[T]
}

type item[T any] struct {
	thing T
	size  int64
	at    int // of equal ones the first stays
}

// items is a heap, the smallest first.
type items[T any] []item[T]

func (s items[T]) Len() int      { return len(s) }
func (s items[T]) Swap(i, j int) { s[i], s[j] = s[j], s[i] }
func (s items[T]) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(s[i].size, s[j].size), cmp.Compare(s[j].at, s[i].at)) < 0
}
func (s *items[T]) Push(x any) { *s = append(*s, x.(item[T])) }
func (s *items[T]) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}

// NewLargest keeps so many.
func NewLargest[T any](most int) *Largest[T] { return &Largest[T]{most: most} }

// Add considers a thing.
func (l *Largest[T]) Add(thing T, size int64) {
	l.seen++
	switch next := (item[T]{thing, size, l.seen}); {
	case l.most <= 0:
	case len(l.items) < l.most:
		heap.Push(&l.items, next)
	case l.items[0].size < size:
		l.items[0] = next
		heap.Fix(&l.items, 0)
	}
}

// Each calls f for those that were kept, the largest first.
func (l *Largest[T]) Each(f func(thing T, size int64)) {
	sorted := slices.Clone(l.items)
	slices.SortFunc(sorted, func(a, b item[T]) int { return cmp.Or(cmp.Compare(b.size, a.size), cmp.Compare(a.at, b.at)) })
	for _, i := range sorted {
		f(i.thing, i.size)
	}
}

// Frequent finds the names that come most often, and follows a bounded number of names at a
// time (the space-saving algorithm). A name that comes more often than once in that many
// is always found. Its count may be too high, by no more than that share.
type Frequent struct {
	most   int
	counts map[string]*followed
	byRank []*followed // a heap, the rarest first
	// Evicted says that names were given up for others, so that counts aren't exact.
	Evicted bool
}

type followed struct {
	name  string
	count int64
	at    int // in byRank
}

// NewFrequent follows so many names at a time.
func NewFrequent(most int) *Frequent {
	return &Frequent{most: most, counts: map[string]*followed{}}
}

// Len implements heap.Interface, as do the methods below.
func (f *Frequent) Len() int           { return len(f.byRank) }
func (f *Frequent) Less(i, j int) bool { return f.byRank[i].count < f.byRank[j].count }
func (f *Frequent) Swap(i, j int) {
	f.byRank[i], f.byRank[j] = f.byRank[j], f.byRank[i]
	f.byRank[i].at, f.byRank[j].at = i, j
}

// Push implements heap.Interface.
func (f *Frequent) Push(x any) {
	e, ok := x.(*followed)
	if !ok {
		return // only Add pushes
	}
	e.at = len(f.byRank)
	f.byRank = append(f.byRank, e)
}

// Pop implements heap.Interface.
func (f *Frequent) Pop() any {
	last := f.byRank[len(f.byRank)-1]
	f.byRank = f.byRank[:len(f.byRank)-1]
	return last
}

// Add counts a name.
func (f *Frequent) Add(name string) {
	if e := f.counts[name]; e != nil {
		e.count++
		heap.Fix(f, e.at)
		return
	}
	if len(f.byRank) < f.most {
		e := &followed{name: name, count: 1}
		f.counts[name] = e
		heap.Push(f, e)
		return
	}
	f.Evicted = true
	rarest := f.byRank[0]
	delete(f.counts, rarest.name)
	rarest.name = name
	rarest.count++
	f.counts[name] = rarest
	heap.Fix(f, 0)
}

// Top returns the names that came most often, as far as is known.
func (f *Frequent) Top(n int) []string {
	all := slices.Clone(f.byRank)
	slices.SortFunc(all, func(a, b *followed) int { return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.name, b.name)) })
	var names []string
	for _, e := range all[:min(n, len(all))] {
		names = append(names, e.name)
	}
	return names
}
