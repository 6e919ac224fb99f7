package cloakroom

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is one sweep, whoever asks for it: the question whether the clock can be
// trusted, the sweep of the store, and what is remembered of the last one.

// sweeping sweeps a store, and remembers how that went.
type sweeping struct {
	records *protocol.Records
	now     func() time.Time // Config.Now
	every   time.Duration    // Config.SweepEvery; negative: nobody sweeps regularly
	since   time.Time        // when this began, by the real clock

	mu   sync.Mutex
	last sweepResult
	well time.Time // when the last sweep without an error ended; zero: there was none
}

// sweepResult is how a sweep ended.
type sweepResult struct {
	ended time.Time // by the real clock; zero: there was none
	took  time.Duration
	driver.SweepReport
	err error
}

// sweep sweeps once; see Admin.Sweep.
func (s *sweeping) sweep(ctx context.Context) (report driver.SweepReport, err error) {
	began := time.Now()
	report, err = s.try(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = sweepResult{time.Now(), time.Since(began), report, err}
	if err == nil {
		s.well = s.last.ended
	}
	return report, err
}

func (s *sweeping) try(ctx context.Context) (driver.SweepReport, error) {
	now := s.now() // before the engine is asked: a clock that is set meanwhile counts from the next sweep on
	switch w, err := s.records.Witness(ctx); {
	case err != nil:
		return driver.SweepReport{}, fmt.Errorf("cloakroom: nothing was swept: %w", err)
	case w.Apart() && w.Ahead > 0:
		return driver.SweepReport{}, fmt.Errorf("cloakroom: nothing was swept: %w: this machine's is %v ahead, and %v are tolerated; set both by one source (NTP)",
			driver.ErrClock, w.Ahead.Round(time.Second), driver.ClockTolerance)
	}
	return s.records.Sweep(ctx, now)
}

// lateSweeps is the number of intervals without a sweep that is done after which
// Admin.Report calls it late.
const lateSweeps = 3

// report adds the last sweep to a report.
func (s *sweeping) report(r *driver.Report) {
	s.mu.Lock()
	last, well := s.last, s.well
	s.mu.Unlock()
	result := "none yet"
	if !last.ended.IsZero() {
		result = fmt.Sprintf("ended %v after %v: %d buried, %d removed, %d periods dropped",
			last.ended.UTC().Format(time.RFC3339), last.took.Round(time.Millisecond), last.Buried, last.Removed, last.Dropped)
		if last.err != nil {
			result += ", then an error: " + last.err.Error()
		}
	}
	if s.every >= 0 || !last.ended.IsZero() {
		r.Facts = append(r.Facts, driver.Fact{Name: "last sweep of this process", Value: result})
	}
	since := s.since
	if since.Before(well) {
		since = well
	}
	if s.every < 0 || time.Since(since)/lateSweeps <= s.every {
		return
	}
	text := fmt.Sprintf("This manager sweeps every %v, and has done no sweep without an error for %v: what is over stays in the store, which grows.", s.every, time.Since(since).Round(time.Second))
	if last.err != nil {
		text += " The last error: " + last.err.Error() + "."
	}
	remedy := "See to what the error says. If there is none, a sweep takes longer than that: see to the store's load."
	if errors.Is(last.err, driver.ErrClock) {
		remedy = "Set the clocks by one source (NTP); the next sweep is then done."
	}
	r.Problems = append(r.Problems, driver.Problem{Code: "sweep-late", Severity: driver.SeverityWarn, Meaning: text, Remedy: remedy})
}
