package cloakroom

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func newTimeout(parent context.Context, d time.Duration) *timeout {
	t := new(timeout)
	t.begin(parent, time.Now(), d)
	return t
}

// TestTimeoutIsWithTimeout has a timeout and the context that it stands for go
// through the same.
func TestTimeoutIsWithTimeout(t *testing.T) {
	type key struct{}
	cause := errors.New("why")
	for name, act := range map[string]func(wait func(time.Duration), cancelParent context.CancelCauseFunc, end func()){
		"nothing":                func(func(time.Duration), context.CancelCauseFunc, func()) {},
		"in time":                func(wait func(time.Duration), _ context.CancelCauseFunc, _ func()) { wait(time.Second - 1) },
		"late":                   func(wait func(time.Duration), _ context.CancelCauseFunc, _ func()) { wait(time.Second) },
		"ended":                  func(_ func(time.Duration), _ context.CancelCauseFunc, end func()) { end() },
		"ended twice":            func(_ func(time.Duration), _ context.CancelCauseFunc, end func()) { end(); end() },
		"parent cancelled":       func(_ func(time.Duration), cancel context.CancelCauseFunc, _ func()) { cancel(cause) },
		"late, then ended":       func(wait func(time.Duration), _ context.CancelCauseFunc, end func()) { wait(time.Second); end() },
		"ended after the parent": func(_ func(time.Duration), cancel context.CancelCauseFunc, end func()) { cancel(cause); end() },
	} {
		for _, asked := range []bool{false, true} { // for Done, beforehand
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					parent, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "kept"))
					defer cancel(nil)
					want, stop := context.WithTimeout(parent, time.Second)
					defer stop()
					got := newTimeout(parent, time.Second)
					defer got.end()
					if asked {
						got.Done()
					}
					wait := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
					act(wait, cancel, func() { stop(); got.end() })
					synctest.Wait()
					compareContexts(got, want, t)
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

func compareContexts(got, want context.Context, t *testing.T) {
	t.Helper()
	if fmt.Sprint(got.Err(), context.Cause(got)) != fmt.Sprint(want.Err(), context.Cause(want)) {
		t.Errorf("Err %v, Cause %v; want %v, %v", got.Err(), context.Cause(got), want.Err(), context.Cause(want))
	}
	gotEnd, _ := got.Deadline()
	if wantEnd, ok := want.Deadline(); !ok || !gotEnd.Equal(wantEnd) {
		t.Errorf("Deadline: %v, want %v", gotEnd, wantEnd)
	}
	select {
	case <-got.Done():
		if want.Err() == nil {
			t.Error("Done before its time")
		}
	default:
		if want.Err() != nil {
			t.Error("not Done")
		}
	}
}

// TestTimeoutWakes waits for each of a timeout's ends.
func TestTimeoutWakes(t *testing.T) {
	for name, end := range map[string]func(*timeout, context.CancelFunc){
		"time":   func(*timeout, context.CancelFunc) {},
		"end":    func(c *timeout, _ context.CancelFunc) { c.end() },
		"parent": func(_ *timeout, cancel context.CancelFunc) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				parent, cancel := context.WithCancel(t.Context())
				defer cancel()
				c := newTimeout(parent, time.Minute)
				defer c.end()
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

// TestTimeoutOfAParentsDeadline: the earlier one counts.
func TestTimeoutOfAParentsDeadline(t *testing.T) {
	parent, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	want, _ := parent.Deadline()
	c := newTimeout(parent, time.Hour)
	defer c.end()
	if got, ok := c.Deadline(); !ok || !got.Equal(want) {
		t.Errorf("%v, want %v", got, want)
	}
}
