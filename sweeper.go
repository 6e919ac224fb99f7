package cloakroom

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is the regular sweep: a manager has its store remove expired records, and
// ends sessions that were left ending.

// sweeper has the store remove expired records, from time to time, and ends sessions that
// somebody began to end and left.
type sweeper struct {
	sweeps  *sweeping
	records *protocol.Records
	logger  *slog.Logger
	cancel  context.CancelFunc
	done    chan struct{}
}

// leftoversEvery is the number of sweeps for each search for sessions that other
// processes left ending: some stores read all ledgers for it. This manager's own are
// looked for after each sweep.
const leftoversEvery = 6

func startSweeper(sweeps *sweeping, records *protocol.Records, c *Config) *sweeper {
	ctx, cancel := context.WithCancel(context.Background())
	s := &sweeper{sweeps: sweeps, records: records, logger: c.Logger, cancel: cancel, done: make(chan struct{})}
	if c.SweepEvery < 0 {
		close(s.done)
		return s
	}
	go s.run(ctx, c.SweepEvery)
	return s
}

func (s *sweeper) run(ctx context.Context, every time.Duration) {
	defer close(s.done)
	// Managers that start together sweep apart.
	wait := rand.N(every) + 1
	for n := 0; ; n++ {
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
		s.sweep(ctx, every, n%leftoversEvery == 0)
		wait = every
	}
}

// sweep sweeps once. It recovers from a panic of the store, which would end the process
// here.
func (s *sweeper) sweep(ctx context.Context, every time.Duration, leftovers bool) {
	defer func() {
		if p := recover(); p != nil {
			s.logger.ErrorContext(ctx, "cloakroom: sweep panicked"+panicSite()+", and will be tried again", "panic", protocol.PanicText(p), "in", every)
		}
	}()
	report, err := s.sweeps.sweep(ctx)
	switch {
	case err != nil && ctx.Err() != nil, errors.Is(err, ErrClosed):
	case errors.Is(err, driver.ErrClock): // which was told when the clock was asked
		s.logger.DebugContext(ctx, "cloakroom: not swept", "error", err, "in", every)
	case err != nil:
		s.logger.WarnContext(ctx, "cloakroom: sweep failed, and will be tried again", "error", err, "in", every)
	case report != driver.SweepReport{}:
		s.logger.DebugContext(ctx, "cloakroom: swept", "buried", report.Buried, "removed", report.Removed, "dropped", report.Dropped)
	}
	if leftovers || s.records.HasLeftovers() {
		if err := s.records.EndLeftovers(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, ErrClosed) {
			s.logger.WarnContext(ctx, "cloakroom: sessions that are to be ended can't be, and will be tried again", "error", err, "in", every)
		}
	}
}

func (s *sweeper) stop() {
	s.cancel()
	<-s.done
}
