package protocol

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the telling of sessions from the future, which a machine with a wrong
// clock has used (Options.Ahead, the log). They are neither ended nor moved back, since
// nobody here knows which clock is wrong.

// Skew counts reads of sessions from the future: their last use, or their making, was
// ahead of this machine's clock by more than driver.ClockTolerance.
type Skew struct {
	Met   int64
	Worst time.Duration // the furthest ahead
}

// skews tells of sessions from the future: told each time, the log once a minute at most.
type skews struct {
	logger *slog.Logger
	told   func(context.Context, driver.ID, time.Duration) // nil: nobody is

	mu     sync.Mutex
	all    Skew
	quiet  int64     // those of all.Met not logged yet
	logged time.Time // by the real clock; zero: never
}

// look tells of a session that was read at a time, if it is from the future.
func (s *skews) look(ctx context.Context, rec *driver.Record, now time.Time) {
	if ahead := later(rec.Seen, rec.Created).Sub(now); ahead > driver.ClockTolerance {
		s.met(ctx, rec.ID, ahead)
	}
}

// met counts a session from the future, and logs it or leaves that to a later one.
func (s *skews) met(ctx context.Context, id driver.ID, ahead time.Duration) {
	s.mu.Lock()
	s.all.Met++
	s.all.Worst = max(s.all.Worst, ahead)
	s.quiet++
	now, n := time.Now(), s.quiet
	logs := s.logged.IsZero() || now.Sub(s.logged) >= time.Minute
	if logs {
		s.logged, s.quiet = now, 0
	}
	s.mu.Unlock()
	if logs {
		s.logger.WarnContext(ctx, "cloakroom: a session was used at a time that is still to come: the clock of this machine, or that of another, is wrong",
			"session", id, "ahead", ahead, "tolerated", driver.ClockTolerance, "times", n)
	}
	if s.told != nil {
		s.told(ctx, id, ahead)
	}
}

// sum returns the counts.
func (s *skews) sum() Skew {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all
}
