package batch

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// This file tests Flush functions that fail.

// failing returns a Batcher whose Flush calls fail for each batch that has the item 0.
// One flush is held; the items -1, 0 and 1 are in the batch behind it. all are their
// answers.
func failing(t *testing.T, fail func(items []int) []Result[int]) (*engine, *Batcher[int, int], []*answer) {
	e := &engine{hold: make(chan struct{})}
	b := New(Config[int, int]{
		Flush: func(ctx context.Context, items []int) []Result[int] {
			results := e.flush(ctx, items)
			if slices.Contains(items, 0) {
				return fail(items)
			}
			return results
		},
		MaxItems: 3,
	})
	ask(t.Context(), b, 100)
	return e, b, askAll(t.Context(), b, -1, 0, 1)
}

// goesOn checks that all answers failed alike, none as ErrNotSent, and that the item
// queued behind them and later ones are answered.
func goesOn(t *testing.T, e *engine, b *Batcher[int, int], all []*answer, check func(error) bool) {
	t.Helper()
	behind := ask(t.Context(), b, 5)
	e.letGo(3)
	for _, a := range all {
		<-a.done
		if a.err == nil || errors.Is(a.err, ErrNotSent) || !check(a.err) {
			t.Errorf("got %v", a.err)
		}
	}
	behind.is(t, 10)
	later := ask(t.Context(), b, 6)
	e.letGo(1)
	later.is(t, 12)
	e.sent(t, []int{100}, []int{-1, 0, 1}, []int{5}, []int{6})
	b.Close()
	atRest(t, b)
}

func panicForTest(v any) { panic(v) }

func TestPanic(t *testing.T) {
	cause := errors.New("cause")
	for _, test := range []struct {
		value any
		text  string
		is    error
	}{
		{"out of cheese", "out of cheese", nil},
		{fmt.Errorf("because: %w", cause), "because: cause", cause},
		{nil, "panic called with nil", nil},
		{ErrFull, "queue full", nil}, // must not match ErrNotSent
	} {
		t.Run(test.text, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, b, all := failing(t, func([]int) []Result[int] {
					panicForTest(test.value)
					return nil
				})
				goesOn(t, e, b, all, func(err error) bool {
					var p *PanicError
					return errors.As(err, &p) &&
						(test.value == nil || p.Value == test.value) &&
						strings.Contains(string(p.Stack), "panicForTest") &&
						strings.Contains(err.Error(), test.text) &&
						strings.Contains(err.Error(), "panicForTest") &&
						(test.is == nil || errors.Is(err, test.is))
				})
			})
		})
	}
}

func TestGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, b, all := failing(t, func([]int) []Result[int] {
			runtime.Goexit()
			return nil
		})
		goesOn(t, e, b, all, func(err error) bool { return errors.Is(err, errGoexit) })
	})
}

// TestGoexitAlone: after a Goexit with nothing queued the Batcher starts again by
// itself.
func TestGoexitAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		exit := true
		b := New(Config[int, int]{
			Flush: func(_ context.Context, items []int) []Result[int] {
				if exit {
					runtime.Goexit()
				}
				return make([]Result[int], len(items))
			},
			InFlight: 2,
		})
		if _, err := b.Do(t.Context(), 1); !errors.Is(err, errGoexit) {
			t.Errorf("got %v", err)
		}
		exit = false
		if _, err := b.Do(t.Context(), 1); err != nil {
			t.Error(err)
		}
		b.Close()
		atRest(t, b)
	})
}

func TestWrongCount(t *testing.T) {
	for _, n := range []int{0, 2, 4} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, b, all := failing(t, func([]int) []Result[int] {
					return make([]Result[int], n)
				})
				want := fmt.Sprintf("%d results for 3 items", n)
				goesOn(t, e, b, all, func(err error) bool { return strings.Contains(err.Error(), want) })
			})
		})
	}
}
