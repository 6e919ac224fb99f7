package batch

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestNewNeedsFlush(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	New(Config[int, int]{})
}

// TestNoIdleLatency: a single Do takes as long as its flush, and not an instant more.
func TestNoIdleLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const cost = 200 * time.Microsecond
		b := New(Config[int, int]{
			Flush: func(_ context.Context, items []int) []Result[int] {
				time.Sleep(cost)
				return make([]Result[int], len(items))
			},
			InFlight: 4,
		})
		defer b.Close()
		for range 3 {
			start := time.Now()
			if _, err := b.Do(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took != cost {
				t.Errorf("took %v, want %v", took, cost)
			}
			time.Sleep(time.Hour)
		}
	})
}

func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{hold: make(chan struct{})}
		b := New(Config[int, int]{Flush: e.flush})
		defer b.Close()
		all := askAll(t.Context(), b, 1, 2, 3, 4, 5, 6)
		e.sent(t, []int{1})
		e.letGo(1)
		e.sent(t, []int{1}, []int{2, 3, 4, 5, 6})
		e.letGo(1)
		for i, a := range all {
			a.is(t, 2*(i+1))
		}
	})
}

// TestReadAfterWrite: an operation that is asked for during a flush is not part of it.
// So a read sees everything that was complete before it was asked for.
func TestReadAfterWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		value := "old"
		b := New(Config[int, string]{
			Flush: func(_ context.Context, items []int) []Result[string] {
				seen := value // the engine looks early and answers late
				time.Sleep(time.Second)
				results := make([]Result[string], len(items))
				for i := range results {
					results[i].Value = seen
				}
				return results
			},
		})
		defer b.Close()
		first := make(chan string)
		go func() {
			v, _ := b.Do(t.Context(), 1)
			first <- v
		}()
		synctest.Wait()
		value = "new"
		second, err := b.Do(t.Context(), 1)
		if <-first != "old" || second != "new" || err != nil {
			t.Errorf("read %q, %v after the write", second, err)
		}
	})
}

func TestMaxItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{hold: make(chan struct{})}
		b := New(Config[int, int]{Flush: e.flush, MaxItems: 3})
		defer b.Close()
		askAll(t.Context(), b, 1, 2, 3, 4, 5, 6, 7, 8)
		e.letGo(4)
		e.sent(t, []int{1}, []int{2, 3, 4}, []int{5, 6, 7}, []int{8})
	})
}

func TestMaxBytes(t *testing.T) {
	for _, test := range []struct {
		name  string
		items []int // each item is its own size
		want  [][]int
	}{
		{"fills up", []int{4, 6, 1}, [][]int{{4, 6}, {1}}},
		{"cuts before", []int{4, 5, 2, 8}, [][]int{{4, 5}, {2, 8}}},
		{"too large goes alone", []int{3, 11, 4}, [][]int{{3}, {11}, {4}}},
		{"not even with nothing", []int{50, 0, 0}, [][]int{{50}, {0, 0}}},
		{"nothing with just enough", []int{10, 0, 0}, [][]int{{10, 0, 0}}},
		{"negative is nothing", []int{-7, 10, 1}, [][]int{{-7, 10}, {1}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &engine{hold: make(chan struct{})}
				b := New(Config[int, int]{
					Flush:    e.flush,
					Size:     func(item int) int { return item },
					MaxBytes: 10,
				})
				defer b.Close()
				ask(t.Context(), b, 1) // other items gather behind it
				askAll(t.Context(), b, test.items...)
				e.letGo(1 + len(test.want))
				e.sent(t, append([][]int{{1}}, test.want...)...)
			})
		})
	}
}

func TestQueueItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{hold: make(chan struct{})}
		b := New(Config[int, int]{Flush: e.flush, QueueItems: 2})
		defer b.Close()
		ctx, leave := context.WithCancel(t.Context())
		ask(t.Context(), b, 1) // sent, so it doesn't count
		ask(ctx, b, 2)
		ask(t.Context(), b, 3)

		_, err := b.Do(t.Context(), 4)
		if !errors.Is(err, ErrFull) || !errors.Is(err, ErrNotSent) || errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
		leave() // makes room
		synctest.Wait()
		a := ask(t.Context(), b, 5)
		e.letGo(2)
		a.is(t, 10)
		e.sent(t, []int{1}, []int{3, 5})
	})
}

func TestQueueBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{hold: make(chan struct{})}
		b := New(Config[int, int]{
			Flush:      e.flush,
			Size:       func(item int) int { return item },
			QueueBytes: 10,
		})
		defer b.Close()
		tooLarge := func() {
			t.Helper()
			if _, err := b.Do(t.Context(), 11); !errors.Is(err, ErrTooLarge) || !errors.Is(err, ErrNotSent) || errors.Is(err, ErrFull) {
				t.Errorf("more than the queue may ever hold: %v", err)
			}
		}
		tooLarge()
		askAll(t.Context(), b, 9, 8) // the first is sent
		if _, err := b.Do(t.Context(), 3); !errors.Is(err, ErrFull) {
			t.Errorf("11 bytes in a queue of 10: %v", err)
		}
		a := ask(t.Context(), b, 2)
		tooLarge() // also while the queue is full
		e.letGo(2)
		a.is(t, 4)
		e.sent(t, []int{9}, []int{8, 2})
	})
}

func TestErrorOfOneItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		poison := errors.New("poison")
		e := &engine{hold: make(chan struct{})}
		b := New(Config[int, int]{
			Flush: func(ctx context.Context, items []int) []Result[int] {
				results := e.flush(ctx, items)
				for i, item := range items {
					if item == 3 {
						results[i].Err = poison
					}
				}
				return results
			},
		})
		defer b.Close()
		all := askAll(t.Context(), b, 1, 2, 3, 4)
		e.letGo(2)
		all[1].is(t, 4)
		all[3].is(t, 8)
		if <-all[2].done; !errors.Is(all[2].err, poison) {
			t.Errorf("got %v, want the error as it is", all[2].err)
		}
	})
}

func TestFlushContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		b := New(Config[int, int]{
			Flush: func(ctx context.Context, _ []int) []Result[int] {
				if ctx.Value(key{}) != nil {
					t.Error("Flush sees a value of the caller's context")
				}
				<-ctx.Done()
				return []Result[int]{{Err: ctx.Err()}}
			},
			FlushTimeout: 3 * time.Second,
		})
		defer b.Close()
		ctx := context.WithValue(t.Context(), key{}, "caller's")
		for range 2 {
			start := time.Now()
			_, err := b.Do(ctx, 1)
			if took := time.Since(start); took != 3*time.Second || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v after %v", err, took)
			}
		}
	})
}

func TestNoFlushTimeout(t *testing.T) {
	b := New(Config[int, int]{
		Flush: func(ctx context.Context, _ []int) []Result[int] {
			if _, ok := ctx.Deadline(); ok {
				t.Error("a deadline")
			}
			return make([]Result[int], 1)
		},
	})
	defer b.Close()
	if _, err := b.Do(t.Context(), 1); err != nil {
		t.Error(err)
	}
}

func TestInFlight(t *testing.T) {
	for _, inFlight := range []int{0, 1, 2, 3, 4} {
		t.Run(fmt.Sprint(inFlight), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &engine{hold: make(chan struct{})}
				b := New(Config[int, int]{Flush: e.flush, MaxItems: 2, InFlight: inFlight})
				defer b.Close()
				var all []*answer
				for i := range 20 {
					all = append(all, ask(t.Context(), b, i))
				}
				close(e.hold)
				for i, a := range all {
					a.is(t, 2*i)
				}
				if want := max(inFlight, 1); e.most != want {
					t.Errorf("%d flushes at once, want %d", e.most, want)
				}
			})
		})
	}
}

// TestBurst: if a flusher leaves items behind, another flushes them beside it.
func TestBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{hold: make(chan struct{})}
		b := New(Config[int, int]{Flush: e.flush, MaxItems: 2, InFlight: 4})
		b.mu.Lock() // so that all are queued before any is taken
		for i := range 8 {
			b.queue.push(b.newCall(i, 0))
			b.start()
		}
		b.mu.Unlock()
		synctest.Wait()
		if e.now != 4 {
			t.Errorf("%d flushes at once, want 4", e.now)
		}
		close(e.hold)
		b.Close()
		atRest(t, b)
	})
}

// TestEnough: beside others a flush starts only for enough items.
func TestEnough(t *testing.T) {
	// setup starts a flush of the item 0, in flight until let is closed.
	setup := func(t *testing.T) (e *engine, b *Batcher[int, int], let chan struct{}) {
		let = make(chan struct{})
		e = &engine{}
		b = New(Config[int, int]{
			Flush: func(ctx context.Context, items []int) []Result[int] {
				if items[0] == 0 {
					<-let
				}
				return e.flush(ctx, items)
			},
			Size:     func(item int) int { return item - 600 }, // 0 for most
			MaxItems: 100,
			MaxBytes: 900,
			InFlight: 4,
		})
		ask(t.Context(), b, 0)
		return e, b, let
	}
	many := func(from, n int) (items []int) {
		for i := range n {
			items = append(items, from+i)
		}
		return items
	}

	t.Run("gathers until it is enough", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e, b, let := setup(t)
			defer b.Close()
			askAll(t.Context(), b, many(1, fewItems-1)...)
			e.sent(t)
			ask(t.Context(), b, fewItems)
			e.sent(t, many(1, fewItems))
			close(let)
		})
	})
	t.Run("goes when a flush ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e, b, let := setup(t)
			defer b.Close()
			all := askAll(t.Context(), b, 1, 2)
			e.sent(t)
			close(let)
			all[1].is(t, 4)
			e.sent(t, []int{0}, []int{1, 2})
		})
	})
	t.Run("a flush that hangs holds up nobody", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e, b, let := setup(t)
			defer b.Close()
			first := ask(t.Context(), b, 1)
			e.sent(t)
			time.Sleep(longFlight + 1) // of fake time; nobody else comes
			synctest.Wait()
			e.sent(t, []int{1})
			first.is(t, 2)
			for i := range 5 {
				ask(t.Context(), b, 30+i).is(t, 2*(30+i))
			}
			close(let)
		})
	})
	t.Run("a full batch goes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e, b, let := setup(t)
			defer b.Close()
			ask(t.Context(), b, 1099)
			e.sent(t)
			ask(t.Context(), b, 1001) // 499 and 401 bytes
			e.sent(t, []int{1099, 1001})
			close(let)
		})
	})
}

// TestFairShare: each flush takes its share of many waiting items, and a further flush
// starts only if it carries as many.
func TestFairShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{hold: make(chan struct{})}
		b := New(Config[int, int]{Flush: e.flush, InFlight: 4})
		defer b.Close()
		const share = 2 * fewItems
		b.mu.Lock() // so that all are queued before any is taken
		for range 4 * share {
			b.queue.push(b.newCall(0, 0))
		}
		b.start()
		b.mu.Unlock()
		synctest.Wait()
		zeros := make([]int, share)
		e.sent(t, zeros, zeros, zeros, zeros)
		e.letGo(1)
		for range share - 1 {
			ask(t.Context(), b, 0)
		}
		e.sent(t, zeros, zeros, zeros, zeros)
		ask(t.Context(), b, 0)
		e.sent(t, zeros, zeros, zeros, zeros, zeros)
		close(e.hold)
	})
}

func TestNoGoroutineWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{hold: make(chan struct{})}
		b := New(Config[int, int]{Flush: e.flush, MaxItems: 1, InFlight: 3})
		before := flusherGoroutines() // other tests may run
		all := askAll(t.Context(), b, 1, 2, 3, 4)
		if n := flusherGoroutines() - before; n != 3 {
			t.Errorf("%d flushers, want 3", n)
		}
		e.letGo(4)
		for i, a := range all {
			a.is(t, 2*(i+1))
		}
		synctest.Wait()
		if n := flusherGoroutines() - before; n != 0 {
			t.Errorf("%d flushers of an idle Batcher", n)
		}
		atRest(t, b)
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{hold: make(chan struct{})}
		b := New(Config[int, int]{Flush: e.flush, MaxItems: 2})
		all := askAll(t.Context(), b, 1, 2, 3, 4)
		var closed [3]chan struct{}
		for i := range closed {
			closed[i] = make(chan struct{})
			go func() {
				b.Close()
				close(closed[i])
			}()
		}
		synctest.Wait()

		_, err := b.Do(t.Context(), 5)
		if !errors.Is(err, ErrClosed) || !errors.Is(err, ErrNotSent) || errors.Is(err, ErrFull) {
			t.Errorf("got %v", err)
		}
		for range 3 { // 1, 2 and 3, 4
			for _, c := range closed {
				select {
				case <-c:
					t.Fatal("Close returned before the end of what was accepted")
				default:
				}
			}
			e.letGo(1)
		}
		for _, c := range closed {
			<-c
		}
		for i, a := range all {
			if a.pending() {
				t.Fatal("Close returned before Do")
			}
			a.is(t, 2*(i+1))
		}
		e.sent(t, []int{1}, []int{2, 3}, []int{4})
		b.Close()
		atRest(t, b)
	})
}

func TestCloseUnused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Config[int, int]{Flush: new(engine).flush})
		b.Close()
		b.Close()
		if _, err := b.Do(t.Context(), 1); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}
