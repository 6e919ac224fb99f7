package driver

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// This file is EngineClock, for stores whose engine has a clock of its own: a second
// witness of the time.

// EngineClock is an optional interface of stores whose engine runs on other machines, and
// so has another clock. The Manager asks it before it ends anything because of the time:
// where the two clocks lie apart by more than ClockTolerance, nobody knows which is wrong,
// and nothing ends that isn't over by both. The methods of Store never look at that clock.
// Without an EngineClock the machine's own clock decides alone. For contexts and Close the
// rules of Store hold.
type EngineClock interface {
	// EngineTime returns the time by the engine's clock at some moment of the call.
	//
	// errors.ErrUnsupported: it can't be learned here, however often it is asked for,
	// such as for want of a right. The Manager then goes by its own clock. After any
	// other error it ends nothing.
	EngineTime(ctx context.Context) (time.Time, error)
}

// ErrClock says that nothing was swept, since the clock of this machine and that of the
// store's engine lie apart by more than ClockTolerance.
var ErrClock = errors.New("the clocks of this machine and of the store's engine lie apart")

// ClockAhead returns how far the clock now is ahead of that of the store's engine. It is
// negative for a clock that is behind. The time that the question took is in favour of
// both clocks.
//
// errors.ErrUnsupported: the store has no such clock, or it can't be learned.
func ClockAhead(ctx context.Context, s Store, now func() time.Time) (time.Duration, error) {
	e, ok := s.(EngineClock)
	if !ok {
		return 0, fmt.Errorf("driver: the clock of the engine of %T: %w", s, errors.ErrUnsupported)
	}
	before := now()
	there, err := e.EngineTime(ctx)
	if err != nil {
		return 0, err
	}
	after := now()
	return max(before.Sub(there), 0) + min(after.Sub(there), 0), nil
}

// CheckClock returns ErrClock if a sweep that goes by the clock now could end what isn't
// over by that of the store's engine: now is ahead by more than ClockTolerance. Any other
// error says that this can't be learned now. It returns nil where the store has no such
// clock.
func CheckClock(ctx context.Context, s Store, now func() time.Time) error {
	ahead, err := ClockAhead(ctx, s, now)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return nil
	case err != nil:
		return err
	case ahead > ClockTolerance:
		return fmt.Errorf("%w by more than the %v that are tolerated: this machine's is %v ahead", ErrClock, ClockTolerance, ahead)
	}
	return nil
}
