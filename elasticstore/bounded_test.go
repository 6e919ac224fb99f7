package elasticstore

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/batch"
)

var _ batch.Bounded = (*bounded)(nil)

func TestBounded(t *testing.T) {
	const span, step = time.Minute, time.Second
	stop := errors.New("stop")
	for _, test := range []struct {
		name  string
		timer bool // somebody asks for Done
		how   func(cancel context.CancelCauseFunc, b *bounded)
		err   error
		cause error
	}{
		{"in time", false, func(context.CancelCauseFunc, *bounded) {}, nil, nil},
		{"too late", false, func(context.CancelCauseFunc, *bounded) { time.Sleep(span + step) }, context.DeadlineExceeded, context.DeadlineExceeded},
		{"too late, exactly", true, func(context.CancelCauseFunc, *bounded) { time.Sleep(span) }, context.DeadlineExceeded, context.DeadlineExceeded},
		{"canceled", false, func(c context.CancelCauseFunc, _ *bounded) { c(stop) }, context.Canceled, stop},
		{"canceled with a timer", true, func(c context.CancelCauseFunc, _ *bounded) { c(stop) }, context.Canceled, stop},
		{"left", true, func(_ context.CancelCauseFunc, b *bounded) { b.leave() }, context.Canceled, context.Canceled},
		{"left before", false, func(_ context.CancelCauseFunc, b *bounded) { b.leave() }, context.Canceled, context.Canceled},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				parent, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				a := alarms{step: step}
				end := time.Now().Add(span)
				b := &bounded{Context: parent, end: end, late: a.at(end)}
				defer b.leave()
				if d, ok := b.Deadline(); !ok || !d.Equal(end) || b.Err() != nil {
					t.Fatalf("at first: until %v, %v", d, b.Err())
				}
				if test.timer {
					b.Done()
				}
				test.how(cancel, b)
				synctest.Wait()
				if err, cause := b.Err(), context.Cause(b); !errors.Is(err, test.err) || !errors.Is(cause, test.cause) {
					t.Errorf("%v because of %v, want %v because of %v", err, cause, test.err, test.cause)
				}
				select {
				case <-b.Done():
					if test.err == nil {
						t.Error("it is done")
					}
				default:
					if test.err != nil {
						t.Error("it isn't done")
					}
				}
			})
		})
	}
}

// Whoever waits for a batch leaves it at the end of the time, and those who begin
// soon after one another share a timer.
func TestBoundedInABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		let := make(chan struct{})
		b := batch.New(batch.Config[int, int]{Flush: func(_ context.Context, items []int) []batch.Result[int] {
			<-let
			return make([]batch.Result[int], len(items))
		}})
		defer b.Close()
		defer close(let)
		a := alarms{step: time.Second}
		for i, want := range []time.Duration{61 * time.Second, 60 * time.Second} {
			start := time.Now()
			first := a.at(start.Add(time.Minute))
			ctx := &bounded{Context: t.Context(), end: start.Add(time.Minute), late: first}
			if i == 1 {
				ctx.end, ctx.late = start.Add(59*time.Second), first
				if a.at(start.Add(time.Minute+time.Second)) != first {
					t.Error("another timer")
				}
			}
			_, err := b.Do(ctx, i)
			if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, batch.ErrNotSent) != (i > 0) || took > want+time.Second || took < ctx.end.Sub(start) {
				t.Errorf("%v after %v", err, took)
			}
			ctx.leave()
		}
	})
}
