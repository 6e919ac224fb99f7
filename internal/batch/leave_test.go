package batch

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// This file tests callers that leave before they have a result.

func TestLeaveBeforeSent(t *testing.T) {
	for _, test := range []struct {
		name  string
		leave []int
		want  [][]int
	}{
		{"first", []int{2}, [][]int{{1}, {3, 4, 5}}},
		{"middle", []int{3}, [][]int{{1}, {2, 4, 5}}},
		{"last", []int{5}, [][]int{{1}, {2, 3, 4}}},
		{"several", []int{4, 2}, [][]int{{1}, {3, 5}}},
		{"all", []int{2, 3, 4, 5}, [][]int{{1}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &engine{hold: make(chan struct{})}
				b := New(Config[int, int]{Flush: e.flush})
				ask(t.Context(), b, 1)
				all := map[int]*answer{}
				leave := map[int]context.CancelCauseFunc{}
				for item := 2; item <= 5; item++ {
					ctx, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					leave[item] = cancel
					all[item] = ask(ctx, b, item)
				}
				gone := errors.New("gone home")
				for _, item := range test.leave {
					leave[item](gone)
					synctest.Wait()
					a := all[item]
					if a.pending() {
						t.Fatal("still there")
					}
					if !errors.Is(a.err, ErrNotSent) || !errors.Is(a.err, gone) || !errors.Is(a.err, context.Canceled) {
						t.Errorf("got %v", a.err)
					}
					delete(all, item)
				}
				e.letGo(len(test.want))
				for item, a := range all {
					a.is(t, 2*item)
				}
				e.sent(t, test.want...)
				b.Close()
				atRest(t, b)
			})
		})
	}
}

// TestLeaveBeforeTaken: the only caller leaves when a flusher is already on its way.
func TestLeaveBeforeTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{}
		b := New(Config[int, int]{Flush: e.flush})
		b.mu.Lock()
		c := b.newCall(1, 0)
		b.queue.push(c)
		b.start()
		b.queue.remove(c)
		b.mu.Unlock()
		synctest.Wait()
		e.sent(t)
		atRest(t, b)
		if v, err := b.Do(t.Context(), 2); v != 4 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
		b.Close()
	})
}

func TestLeaveAfterSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{hold: make(chan struct{})}
		b := New(Config[int, int]{Flush: e.flush})
		ask(t.Context(), b, 1)
		gone := errors.New("gone home")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, gone)
		defer cancel()
		stays := ask(t.Context(), b, 2)
		leaves := ask(ctx, b, 3)
		e.letGo(1)
		time.Sleep(time.Second)
		synctest.Wait()

		if leaves.pending() {
			t.Fatal("still there")
		}
		if errors.Is(leaves.err, ErrNotSent) || !errors.Is(leaves.err, gone) || !errors.Is(leaves.err, context.DeadlineExceeded) {
			t.Errorf("got %v", leaves.err)
		}
		if !stays.pending() {
			t.Error("the flush was disturbed")
		}
		e.letGo(1)
		stays.is(t, 4)

		// The late result of item 3 must not reach anyone else.
		all := askAll(t.Context(), b, 5, 6, 7)
		e.letGo(2)
		for i, a := range all {
			a.is(t, 2*(5+i))
		}
		e.sent(t, []int{1}, []int{2, 3}, []int{5}, []int{6, 7})
		b.Close()
		atRest(t, b)
	})
}

func TestEndedContextIsNeverQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{}
		b := New(Config[int, int]{
			Flush: e.flush,
			Size: func(int) int {
				t.Error("the item was looked at")
				return 0
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := b.Do(ctx, 1)
		if !errors.Is(err, ErrNotSent) || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		b.Close()
		e.sent(t)
	})
}

// TestCauseIsErrorOfOtherOperation: a context that ends because another operation was
// refused says nothing about this one.
func TestCauseIsErrorOfOtherOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{hold: make(chan struct{})}
		b := New(Config[int, int]{Flush: e.flush})
		ctx, cancel := context.WithCancelCause(t.Context())
		sent, unsent := ask(ctx, b, 1), ask(ctx, b, 2)
		cancel(ErrFull)
		<-sent.done
		<-unsent.done
		if errors.Is(sent.err, ErrNotSent) || errors.Is(sent.err, ErrFull) || !errors.Is(sent.err, context.Canceled) {
			t.Errorf("sent: got %v", sent.err)
		}
		if !errors.Is(unsent.err, ErrNotSent) || errors.Is(unsent.err, ErrFull) || !errors.Is(unsent.err, context.Canceled) {
			t.Errorf("unsent: got %v", unsent.err)
		}
		e.letGo(1)
		b.Close()
	})
}

// TestResultBeatsEndOfContext: if both the result and the end of the context have come,
// Do returns the result.
func TestResultBeatsEndOfContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Config[context.CancelFunc, int]{
			Flush: func(_ context.Context, items []context.CancelFunc) []Result[int] {
				items[0]()
				return []Result[int]{{Value: 7}}
			},
		})
		defer b.Close()
		for range 100 {
			ctx, cancel := context.WithCancel(t.Context())
			v, err := b.Do(ctx, cancel)
			switch {
			case err == nil && v == 7:
			case errors.Is(err, context.Canceled) && !errors.Is(err, ErrNotSent):
			default:
				t.Fatalf("got %v, %v", v, err)
			}
		}
	})
}
