package console

import (
	"context"
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/ending"
)

// This file is what came of a job, and the result that is told of it.

// outcome is what came of a job.
type outcome struct {
	ended int64 // -1: unknown
	left  int64 // -1: unknown
	more  bool  // at least so many are left
	doubt bool  // more than that may have ended
	cut   bool  // it was stopped before its end
}

// countLeft counts how many sessions are still selected. A count that was bounded and found
// none tells nothing, nor does one while it isn't known whether a session has ended.
func (o *outcome) countLeft(ctx context.Context, s *ending.Selection) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), countWithin) // also of a job that was stopped
	defer cancel()
	found, err := s.Find(ctx, 1)
	if err != nil || found.Count == 0 && (found.AtLeast || o.doubt) {
		return
	}
	o.left, o.more = found.Count, found.AtLeast
}

// work does a job's work. A panic of a store ends the job, and not the process; what was
// under way may be done.
func (c *Console) work(ctx context.Context, x *job, f func(context.Context, *job) (outcome, error)) (o outcome, err error) {
	defer func() {
		if p := recover(); p != nil {
			o, err = outcome{ended: -1, left: -1, doubt: true}, fmt.Errorf("the store panicked: %v", p)
			if x.Counts {
				o.ended = x.count.Ended()
			}
		}
	}()
	return f(ctx, x)
}

// finish keeps the result. What failed isn't told as failed unless nothing was done.
func (x *job) finish(o outcome, err error, now time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.outcome, x.over, x.err = o, now, err
	switch {
	case o.cut:
		x.state, x.err = ResultStopped, nil
	case err == nil && o.left <= 0:
		x.state = ResultDone
	case err == nil || o.ended > 0:
		x.state = ResultPartial
	case o.doubt:
		x.state = ResultUncertain
	default:
		x.state = ResultFailed
	}
}
