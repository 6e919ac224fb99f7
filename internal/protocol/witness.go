package protocol

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the second witness of the time: the clock of the store's engine
// (driver.EngineClock). What ends because of the time is over by both clocks, as long as
// they lie apart.

// witness asks the engine's clock how far this machine's is ahead, and tells where the two
// lie apart: the log when that begins and ends, and once an hour meanwhile, told as often.
type witness struct {
	store  driver.Store
	clock  Clock
	logger *slog.Logger
	told   func(ctx context.Context, ahead time.Duration) // nil: nobody is
	within time.Duration                                  // in which the engine has to answer
	turn   chan struct{}                                  // has room for one: who is in it asks

	mu     sync.Mutex
	answer Witness
	asked  clocks // when, by both times of the clock
	apart  bool   // the last answer said so
	said   bool   // that they are apart was told since they last agreed
	logged time.Time
	agreed time.Time // since when they agree, or when they last began to
}

// Witness is what the engine's clock says.
type Witness struct {
	Has   bool          // there is one
	Ahead time.Duration // of this machine's clock; negative: it is behind
}

// Apart reports whether the clocks lie apart by more than is tolerated.
func (w Witness) Apart() bool { return w.Ahead.Abs() > driver.ClockTolerance }

// clocks are the two times of a Clock at one moment.
type clocks struct{ now, actual time.Time }

const (
	// witnessFor is how long an answer is good.
	witnessFor = 10 * time.Second
	// witnessJump is how far the time of records may run from the real one, since the
	// answer, before the answer is no good: somebody has set the clock.
	witnessJump = time.Second
	// witnessEvery is how often it is told that the clocks still lie apart.
	witnessEvery = time.Hour
	// witnessSteady is how long the clocks have to agree before it is told at once that
	// they don't: one node of several may be wrong, and they answer in turn.
	witnessSteady = 10 * time.Minute
)

// recall returns the last answer, if it is still good.
func (w *witness) recall() (Witness, bool) {
	now, actual := w.clock.Both()
	w.mu.Lock()
	defer w.mu.Unlock()
	passed := actual.Sub(w.asked.actual)
	jumped := (now.Sub(w.asked.now) - passed).Abs()
	return w.answer, !w.asked.actual.IsZero() && passed < witnessFor && jumped < witnessJump
}

// last returns the last answer, and when it was asked for by the real clock; the zero time:
// never.
func (w *witness) last() (Witness, time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.answer, w.asked.actual
}

// ask returns what the engine's clock says, as of witnessFor ago at most. Those that call
// at the same time wait for the first one's answer.
func (w *witness) ask(ctx context.Context) (Witness, error) {
	if _, ok := w.store.(driver.EngineClock); !ok {
		return Witness{}, nil
	}
	if a, ok := w.recall(); ok {
		return a, nil
	}
	ctx, cancel := context.WithTimeout(ctx, w.within)
	defer cancel()
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return Witness{}, w.failed(ctx.Err())
	}
	if a, ok := w.recall(); ok {
		return a, nil
	}
	now, actual := w.clock.Both()
	ahead, err := driver.ClockAhead(ctx, w.store, w.clock.Now)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return Witness{}, w.failed(err)
	}
	a := Witness{Has: err == nil, Ahead: ahead}
	w.keep(ctx, a, clocks{now, actual})
	return a, nil
}

// failed is the error for a clock that couldn't be asked: without it nobody can tell
// whether a session is over.
func (w *witness) failed(err error) error {
	return fmt.Errorf("cloakroom: asking for the time of the store's engine: %w: %w", driver.ErrUnavailable, err)
}

// keep remembers an answer, and tells where the clocks lie apart.
func (w *witness) keep(ctx context.Context, a Witness, asked clocks) {
	w.mu.Lock()
	w.answer, w.asked = a, asked
	begins := a.Apart() && !w.apart && (w.agreed.IsZero() || asked.actual.Sub(w.agreed) >= witnessSteady)
	tells := a.Apart() && (begins || asked.actual.Sub(w.logged) >= witnessEvery)
	ends := w.apart && !a.Apart() && w.said
	switch {
	case tells:
		w.logged, w.said = asked.actual, true
	case w.apart && !a.Apart():
		w.agreed, w.said = asked.actual, false
	}
	w.apart = a.Apart()
	w.mu.Unlock()
	switch {
	case tells && a.Ahead > 0:
		w.logger.ErrorContext(ctx, "cloakroom: the clock of this machine is ahead of that of the store's engine, or that is behind: nobody here knows which is wrong, so nothing is swept, and no session ends because of the time that isn't over by both; set both clocks by one source (NTP)",
			"ahead", a.Ahead, "tolerated", driver.ClockTolerance)
	case tells:
		w.logger.WarnContext(ctx, "cloakroom: the clock of this machine is behind that of the store's engine, or that is ahead: nobody here knows which is wrong; by this machine's, sessions end late; set both clocks by one source (NTP)",
			"behind", -a.Ahead, "tolerated", driver.ClockTolerance)
	case ends:
		w.logger.InfoContext(ctx, "cloakroom: the clocks of this machine and of the store's engine agree again")
	}
	if tells && w.told != nil {
		w.told(ctx, a.Ahead)
	}
}

// time returns what the engine's clock shows when this machine's shows now. It returns now
// where the two don't lie apart, or there is but one.
func (w *witness) time(ctx context.Context, now time.Time) (time.Time, error) {
	a, err := w.ask(ctx)
	if err == nil && a.Apart() {
		now = now.Add(-a.Ahead)
	}
	return now, err
}

// judging returns the time at which what is over is so by both clocks.
func (w *witness) judging(ctx context.Context, now time.Time) (time.Time, error) {
	there, err := w.time(ctx, now)
	if err == nil && there.Before(now) {
		now = there
	}
	return now, err
}

// judgingSoon is judging for a change that is being made, which has no context. It
// returns the zero time, at which nothing is over, if the engine's clock can't be asked.
func (w *witness) judgingSoon(now time.Time) time.Time {
	at, err := w.judging(context.Background(), now)
	if err != nil {
		return time.Time{}
	}
	return at
}
