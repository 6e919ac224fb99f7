package timeout

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/batch"
)

var _ batch.Bounded = (*Context)(nil)

const step = time.Second

func start(parent context.Context, d time.Duration, alarms *Alarms) *Context {
	c := new(Context)
	c.Begin(parent, time.Now().Add(d), alarms)
	return c
}

// TestIsWithTimeout puts a Context, and the context.WithTimeout that it stands for,
// through the same events.
func TestIsWithTimeout(t *testing.T) {
	type key struct{}
	const span = time.Minute
	cause := errors.New("why")
	wait := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
	for name, act := range map[string]func(cancelParent context.CancelCauseFunc, end func()){
		"nothing":                func(context.CancelCauseFunc, func()) {},
		"in time":                func(context.CancelCauseFunc, func()) { wait(span - 1) },
		"late":                   func(context.CancelCauseFunc, func()) { wait(span) },
		"late by a step":         func(context.CancelCauseFunc, func()) { wait(span + step) },
		"ended":                  func(_ context.CancelCauseFunc, end func()) { end() },
		"ended twice":            func(_ context.CancelCauseFunc, end func()) { end(); end() },
		"parent cancelled":       func(cancel context.CancelCauseFunc, _ func()) { cancel(cause) },
		"late, then ended":       func(_ context.CancelCauseFunc, end func()) { wait(span); end() },
		"ended after the parent": func(cancel context.CancelCauseFunc, end func()) { cancel(cause); end() },
	} {
		for asked, ask := range map[string]func(*Context){
			"nothing": func(*Context) {},
			"Done":    func(c *Context) { c.Done() },
			"Ends":    func(c *Context) { c.Ends() },
		} {
			for in, within := range map[string]time.Duration{"another": 0, "an earlier one": span, "a later one": 2 * span} {
				t.Run(fmt.Sprintf("%s, asked for %s, in %s", name, asked, in), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						parent, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "kept"))
						defer cancel(nil)
						d := span
						above := parent
						if within > 0 {
							outer := start(parent, within, nil)
							defer outer.End()
							above, d = outer, span*3/2
						}
						want, stop := context.WithTimeout(parent, min(d, max(within, span)))
						defer stop()
						alarms := NewAlarms(step)
						defer alarms.Stop()
						got := start(above, d, alarms)
						defer got.End()
						ask(got)
						act(cancel, func() { stop(); got.End() })
						synctest.Wait()
						compare(got, want, t)
						if v := got.Value(key{}); v != "kept" {
							t.Errorf("Value: %v", v)
						}
						below, done := context.WithCancel(got)
						defer done()
						if !errors.Is(below.Err(), want.Err()) {
							t.Errorf("a child's Err: %v, want %v", below.Err(), want.Err())
						}
					})
				})
			}
		}
	}
}

func compare(got, want context.Context, t *testing.T) {
	t.Helper()
	if fmt.Sprint(got.Err(), context.Cause(got)) != fmt.Sprint(want.Err(), context.Cause(want)) {
		t.Errorf("Err %v, Cause %v; want %v, %v", got.Err(), context.Cause(got), want.Err(), context.Cause(want))
	}
	gotEnd, _ := got.Deadline()
	if wantEnd, ok := want.Deadline(); !ok || !gotEnd.Equal(wantEnd) {
		t.Errorf("Deadline: %v, want %v", gotEnd, wantEnd)
	}
	if isClosed(got.Done()) != (want.Err() != nil) {
		t.Errorf("Done is closed: %v; Err %v", isClosed(got.Done()), want.Err())
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// TestWakes waits for each of a Context's ends.
func TestWakes(t *testing.T) {
	for name, end := range map[string]func(*Context, context.CancelFunc){
		"time":   func(*Context, context.CancelFunc) {},
		"end":    func(c *Context, _ context.CancelFunc) { c.End() },
		"parent": func(_ *Context, cancel context.CancelFunc) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				parent, cancel := context.WithCancel(t.Context())
				defer cancel()
				c := start(parent, time.Minute, nil)
				defer c.End()
				below, stop := context.WithCancel(c)
				defer stop()
				began := time.Now()
				go func() {
					time.Sleep(time.Second)
					end(c, cancel)
				}()
				<-below.Done()
				want := time.Second
				if name == "time" {
					want = time.Minute
				}
				if took := time.Since(began); took != want || c.Err() == nil {
					t.Errorf("woken after %v, want %v; Err %v", took, want, c.Err())
				}
			})
		})
	}
}

// TestEnds waits for one of the channels, as a batcher does. That makes no timer of the
// Context's own, nor of a Context above it.
func TestEnds(t *testing.T) {
	const never = time.Hour
	for _, test := range []struct {
		name               string
		own, outer, cancel time.Duration // ends
		foreign            time.Duration // of a context of another kind between
		want               time.Duration
		alarm              bool // an alarm ends the wait, up to a step later
	}{
		{"time", time.Minute, never, never, never, time.Minute, true},
		{"the outer's time", never, time.Minute, never, never, time.Minute, true},
		{"parent", never, never, time.Minute, never, time.Minute, false},
		{"the time of another kind", never, never, never, time.Minute, time.Minute, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				alarms := NewAlarms(step)
				defer alarms.Stop()
				time.Sleep(step / 3)
				parent, cancel := context.WithTimeout(t.Context(), test.cancel)
				defer cancel()
				outermost := start(parent, never, nil)
				defer outermost.End()
				outer := start(outermost, test.outer, nil)
				defer outer.End()
				above := context.Context(outer)
				if test.foreign != never {
					foreign, stop := context.WithTimeout(outer, test.foreign)
					defer stop()
					above = foreign
				}
				c := start(above, test.own, alarms)
				defer c.End()
				began := time.Now()
				done, late := c.Ends()
				if c.timed != nil || test.foreign == never && (outer.timed != nil || outermost.timed != nil) {
					t.Error("there is a timer")
				}
				if isClosed(done) || isClosed(late) || c.Err() != nil {
					t.Error("it has ended at once")
				}
				select {
				case <-done:
					if test.alarm {
						t.Error("woken by the parent")
					}
				case <-late:
					if !test.alarm {
						t.Error("woken by an alarm")
					}
				}
				took := time.Since(began)
				if test.alarm && (took < test.want || took > test.want+step) || !test.alarm && took != test.want || !errors.Is(c.Err(), context.DeadlineExceeded) {
					t.Errorf("woken after %v, want %v; Err %v", took, test.want, c.Err())
				}
			})
		})
	}
}

// TestEndsWithoutAlarms: without alarms Ends gives Done, which End closes as well.
func TestEndsWithoutAlarms(t *testing.T) {
	c := start(t.Context(), time.Hour, nil)
	done, late := c.Ends()
	if isClosed(done) || late != nil {
		t.Errorf("before: %v, %v", isClosed(done), late)
	}
	c.End()
	if !isClosed(done) {
		t.Error("not closed by End")
	}
}

// TestInABatch: a caller that waits for a batch leaves it when its time is over, and is
// told whether its item was sent.
func TestInABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		let := make(chan struct{})
		b := batch.New(batch.Config[int, int]{Flush: func(_ context.Context, items []int) []batch.Result[int] {
			<-let
			return make([]batch.Result[int], len(items))
		}})
		defer b.Close()
		defer close(let)
		alarms := NewAlarms(step)
		defer alarms.Stop()
		for i, span := range []time.Duration{time.Minute, 30 * time.Second} {
			began := time.Now()
			c := start(t.Context(), span, alarms)
			_, err := b.Do(c, i)
			if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, batch.ErrNotSent) != (i > 0) || took < span || took > span+step {
				t.Errorf("%v after %v", err, took)
			}
			c.End()
		}
	})
}
