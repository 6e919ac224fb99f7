package transfer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is Mover: its configuration, and how it is made.

// Config says what is moved. From and To are required.
type Config struct {
	// From is the source, and To the target. Both have to be driver.Lister, and From
	// driver.Fencer for Cut.
	From, To driver.Store

	// Begin is where the first pass begins: a Progress.Place of an earlier run. It saves
	// time, and nothing rests on it. Defaults to the beginning.
	Begin string

	// Found is told each finding, one at a time. nil: nobody is.
	Found func(Finding)

	// Progress is told how far a pass is, one at a time, and not more often than it is
	// worth. nil: nobody is.
	Progress func(Progress)

	// InFlight bounds the records that are written at a time. Defaults to 2048.
	InFlight int

	// Patience bounds the time for which one operation is tried while a store is in
	// trouble. Defaults to a minute.
	Patience time.Duration

	// Now is the time, which says what is over. Defaults to time.Now.
	Now func() time.Time
}

// Progress is how far a pass is.
type Progress struct {
	Counts
	Place string // where another run can begin
}

// Counts are what a pass did.
type Counts struct {
	Listed  int64 // records and graves that the source has, as far as they were listed
	Copied  int64 // of these: written at the target
	Graves  int64 // of these: graves
	Over    int64 // not copied, since they matter no more
	Left    int64 // not copied, for a reason that was told
	Removed int64 // ended at the target, since the source has nothing of them any more
}

// Mover copies one store into another. Its methods are called one at a time.
type Mover struct {
	c        Config
	from, to driver.Lister
	begun    bool   // both stores were checked
	vouches  bool   // a read of the target proves a state
	blank    bool   // the target was empty at first
	next     string // where the next pass begins
	resumed  bool   // the next pass begins behind the beginning
	known    known
	apps     apps
	verified bool        // Verify has compared everything
	doubtful []Finding   // what it has found and not mended
	changed  []driver.ID // what passes have copied or left since
	memory   gate
	strategy strategy

	mu   sync.Mutex // guards told, and calls of Found
	told map[told]bool
}

// told is a finding that was told.
type told struct {
	id     driver.ID
	reason Reason
}

// New returns a Mover. It fails for stores that can't be moved, and asks neither.
func New(c Config) (*Mover, error) {
	if c.InFlight <= 0 {
		c.InFlight = 2048
	}
	if c.Patience <= 0 {
		c.Patience = time.Minute
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	m := &Mover{c: c, vouches: driver.AssurancesOf(c.To).Reads, told: map[told]bool{}, next: c.Begin, resumed: c.Begin != ""}
	m.memory.init(c.InFlight, mostBytes)
	var ok bool
	if m.from, ok = c.From.(driver.Lister); !ok {
		return nil, fmt.Errorf("the source, a %T, can't list its records (driver.Lister)", c.From)
	}
	if m.to, ok = c.To.(driver.Lister); !ok {
		return nil, fmt.Errorf("the target, a %T, can't list its records (driver.Lister)", c.To)
	}
	return m, nil
}

// Check says whether copying can begin, and changes nothing.
func (m *Mover) Check(ctx context.Context) error { return m.begin(ctx) }

// begin checks, once, that the clocks agree on what is over, and that nothing keeps the
// target from being written to.
func (m *Mover) begin(ctx context.Context) error {
	if m.begun {
		return nil
	}
	if err := m.checkClocks(ctx); err != nil {
		return err
	}
	if f, ok := m.c.To.(driver.Fencer); ok {
		switch since, err := f.Fenced(ctx); {
		case err != nil:
			return fmt.Errorf("the target: %w", err)
		case !since.IsZero():
			return fmt.Errorf("the target is fenced since %s, as when it was the source of another move: if nothing uses it any more, end its fence first: cloakroom copy --unfence, with --from in the place of --to",
				since.Format(time.RFC3339))
		}
	}
	var err error
	m.blank, err = m.isBlank(ctx)
	m.begun = err == nil
	return err
}

func (m *Mover) checkClocks(ctx context.Context) error {
	for _, end := range []struct {
		what string
		s    driver.Store
	}{{"source", m.c.From}, {"target", m.c.To}} {
		if err := driver.CheckClock(ctx, end.s, m.c.Now); err != nil {
			return fmt.Errorf("the clock of the %s: %w: nobody can say what is over", end.what, err)
		}
	}
	return nil
}

// isBlank reports whether the target has nothing.
func (m *Mover) isBlank(ctx context.Context) (bool, error) {
	for after := ""; ; {
		part, err := m.list(ctx, m.to, "target", after)
		if err != nil || len(part.Items) > 0 || part.End {
			return err == nil && len(part.Items) == 0, err
		}
		after = part.Next
	}
}

// find tells a finding, unless it was told before.
func (m *Mover) find(f Finding) {
	m.mu.Lock()
	defer m.mu.Unlock()
	const most = 1 << 20
	t := told{f.ID, f.Reason}
	if m.told[t] && !f.ID.IsZero() || m.c.Found == nil {
		return
	}
	if len(m.told) < most {
		m.told[t] = true
	}
	m.c.Found(f)
}

// wasTold reports whether a finding was told.
func (m *Mover) wasTold(id driver.ID, why Reason) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.told[told{id, why}]
}

// list returns the next part of a listing. It tries again while a store is in trouble.
func (m *Mover) list(ctx context.Context, l driver.Lister, which, after string) (driver.Part, error) {
	for b := m.backoff(); ; {
		part, err := l.List(ctx, after)
		switch {
		case err == nil:
			return part, nil
		case errors.Is(err, driver.ErrInvalid) && after != "":
			return part, fmt.Errorf("listing the %s: %w", which, err)
		case isFinal(err) || !b.wait(ctx):
			return part, fmt.Errorf("listing the %s: %w", which, err)
		}
	}
}

// get reads a record or a grave, nil for nothing. It tries again while a store is in
// trouble. Of the store's errors it returns ErrCorrupt and ErrNewer at once.
func (m *Mover) get(ctx context.Context, s driver.Store, which string, id driver.ID) (*driver.Record, error) {
	for b := m.backoff(); ; {
		r, err := s.Get(ctx, id)
		switch {
		case err == nil, driver.IsGone(r, err):
			return r, nil
		case driver.IsNotFound(err):
			return nil, nil
		case unreadable(err), isFinal(err), !b.wait(ctx):
			return nil, fmt.Errorf("reading %v at the %s: %w", id, which, err)
		}
	}
}

// unreadable reports whether an error is that of a record which can't be understood.
func unreadable(err error) bool {
	return errors.Is(err, driver.ErrCorrupt) || errors.Is(err, driver.ErrNewer)
}

// isFinal reports whether trying again won't help.
func isFinal(err error) bool {
	return errors.Is(err, driver.ErrClosed) || errors.Is(err, context.Canceled)
}

// backoff is the pauses between attempts, longer each time, and their end.
type backoff struct {
	pause time.Duration
	end   time.Time
}

func (m *Mover) backoff() backoff {
	return backoff{pause: 5 * time.Millisecond, end: time.Now().Add(m.c.Patience)}
}

// wait waits before the next attempt. It returns false if there is to be none.
func (b *backoff) wait(ctx context.Context) bool {
	if ctx.Err() != nil || time.Now().After(b.end) {
		return false
	}
	timer := time.NewTimer(b.pause)
	defer timer.Stop()
	b.pause = min(2*b.pause, time.Second)
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// strategy chooses whether a record that isn't known is created, or looked for first. It
// goes by what was met lately.
type strategy struct{ met atomic.Int64 }

const strategyMost = 128

// looks reports whether to look first.
func (s *strategy) looks() bool { return s.met.Load() > strategyMost/2 }

// note notes that a record was there, or wasn't.
func (s *strategy) note(there bool) {
	switch n := s.met.Load(); {
	case there && n < strategyMost:
		s.met.Add(1)
	case !there && n > 0:
		s.met.Add(-1)
	}
}
