package batch

import (
	"bytes"
	"context"
	"reflect"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
)

// This file is the tests' common ground: an engine, and operations on goroutines of
// their own.

// engine is a Flush for tests. It doubles each item, remembers the items of each flush,
// and can hold flushes until letGo.
type engine struct {
	hold chan struct{} // if not nil, each flush takes one token to return

	mu      sync.Mutex
	batches [][]int
	now     int // flushes under way
	most    int // the highest value of now
}

func (e *engine) flush(_ context.Context, items []int) []Result[int] {
	e.mu.Lock()
	e.batches = append(e.batches, append([]int(nil), items...))
	e.now++
	e.most = max(e.most, e.now)
	e.mu.Unlock()
	if e.hold != nil {
		<-e.hold
	}
	e.mu.Lock()
	e.now--
	e.mu.Unlock()
	results := make([]Result[int], len(items))
	for i, item := range items {
		results[i].Value = 2 * item
	}
	return results
}

// letGo ends n held flushes, in no special order if more are held, and waits until
// everything has come to rest.
func (e *engine) letGo(n int) {
	for range n {
		e.hold <- struct{}{}
		synctest.Wait()
	}
}

// sent checks the flushes so far, in the order in which they began.
func (e *engine) sent(t *testing.T, want ...[]int) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if !reflect.DeepEqual(e.batches, want) {
		t.Fatalf("sent %v, want %v", e.batches, want)
	}
}

// answer is the result of Do, once done is closed.
type answer struct {
	done  chan struct{}
	value int
	err   error
}

// ask calls Do on a goroutine of its own, and returns when the item is queued, held in a
// flush, or answered. So items are queued in the order of the calls of ask.
func ask(ctx context.Context, b *Batcher[int, int], item int) *answer {
	a := &answer{done: make(chan struct{})}
	go func() {
		defer close(a.done)
		a.value, a.err = b.Do(ctx, item)
	}()
	synctest.Wait()
	return a
}

// askAll asks for each item in turn.
func askAll(ctx context.Context, b *Batcher[int, int], items ...int) []*answer {
	var all []*answer
	for _, item := range items {
		all = append(all, ask(ctx, b, item))
	}
	return all
}

// pending reports whether Do has not returned yet.
func (a *answer) pending() bool {
	select {
	case <-a.done:
		return false
	default:
		return true
	}
}

// is waits for the answer and checks that it is value.
func (a *answer) is(t *testing.T, value int) {
	t.Helper()
	<-a.done
	if a.err != nil || a.value != value {
		t.Fatalf("got %v, %v; want %v", a.value, a.err, value)
	}
}

// atRest checks that nothing is queued or in flight in b, that b has no goroutine left,
// and that it keeps nothing alive.
func atRest[T comparable, R any](t *testing.T, b *Batcher[T, R]) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.queue != (queue[T, R]{}) || b.taker || len(b.air) != 0 || b.flying != 0 {
		t.Errorf("not at rest: queue %+v, taker %v, flights %d, flying %d", b.queue, b.taker, len(b.air), b.flying)
	}
	if len(b.spare) > b.cfg.InFlight {
		t.Errorf("%d spare buffers for %d in flight", len(b.spare), b.cfg.InFlight)
	}
	var none T
	for _, f := range b.spare {
		for _, c := range f.calls[:cap(f.calls)] {
			if c != nil {
				t.Error("a spare buffer keeps a call")
			}
		}
		for _, item := range f.items[:cap(f.items)] {
			if item != none {
				t.Errorf("a spare buffer keeps item %v", item)
			}
		}
	}
}

// flusherGoroutines counts the goroutines that run a flusher, of any Batcher.
func flusherGoroutines() int {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	return bytes.Count(buf, []byte("]).run("))
}
