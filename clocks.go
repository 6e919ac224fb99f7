package cloakroom

import (
	"context"
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is the problems of clocks that lie apart: settings that are too short for the
// tolerance, sessions from the future, an engine's clock that differs, and the tolerance of
// a grace.

// clockProblems returns the settings that are too short where the clocks of machines lie
// apart by the tolerance. Other settings don't mind. CacheFor and SaveTimeout run by the
// machine's own clock. TouchEvery only causes more or fewer touches. RenewGrace gets the
// tolerance added where another machine's time is judged.
func clockProblems(c *Config) (all []driver.Problem) {
	if c.IdleTimeout-max(c.TouchEvery, 0) <= driver.ClockTolerance {
		all = append(all, driver.Problem{
			Code: "idle-below-tolerance", Severity: driver.SeverityWarn,
			Meaning: fmt.Sprintf("Config.IdleTimeout is %v, and activity is recorded every %v: where the clocks of machines lie apart by the %v that are tolerated, sessions of active visitors end.", c.IdleTimeout, max(c.TouchEvery, 0), driver.ClockTolerance),
			Remedy:  fmt.Sprintf("Set it to more than %v beyond Config.TouchEvery, or see to it that all clocks agree.", driver.ClockTolerance),
		})
	}
	for _, f := range []struct {
		code, name string
		value      time.Duration
	}{
		{"lifetime-below-tolerance", "Lifetime", c.Lifetime},
		{"anonymous-lifetime-below-tolerance", "AnonymousLifetime", c.AnonymousLifetime},
	} {
		if f.value <= driver.ClockTolerance {
			all = append(all, driver.Problem{
				Code: f.code, Severity: driver.SeverityWarn,
				Meaning: fmt.Sprintf("Config.%s is %v: where the clocks of machines lie apart by the %v that are tolerated, sessions are over when they begin.", f.name, f.value, driver.ClockTolerance),
				Remedy:  "Set it to more, or see to it that all clocks agree.",
			})
		}
	}
	return all
}

// skewProblems returns the problem that sessions from the future were read, if there is
// one.
func skewProblems(s protocol.Skew) []driver.Problem {
	if s.Met == 0 {
		return nil
	}
	return []driver.Problem{{
		Code: "clock-skew", Severity: driver.SeverityWarn,
		Meaning: fmt.Sprintf("Since this process began it read %d times a session that was used, or made, at a time that is still to come here, by up to %v. So the clock of this machine, or that of another, is wrong by more than the %v that are tolerated, and idle timeouts come too late or too early.", s.Met, s.Worst.Round(time.Second), driver.ClockTolerance),
		Remedy:  "Set the clocks of all machines by one source (NTP). Events.ClockSkew and the log name sessions.",
	}}
}

// reportWitness adds what the engine's clock says to a report.
func reportWitness(ctx context.Context, r *driver.Report, store Store, records *protocol.Records) {
	w, err := records.Witness(ctx)
	value := "it agrees with this machine's"
	_, could := store.(driver.EngineClock)
	switch {
	case err != nil:
		value = "it can't be learned now: " + err.Error()
	case !could:
		value = "none: this machine's decides alone"
	case !w.Has:
		value = "it can't be learned: this machine's decides alone"
		r.Problems = append(r.Problems, driver.Problem{
			Code: "clock-unwitnessed", Severity: driver.SeverityInfo,
			Meaning: "The store's engine doesn't tell its time to this login, so this machine's clock decides alone what is over. If it is wrong, live sessions end.",
			Remedy:  "Give the login the rights that the store's documentation lists, or watch the clocks of all machines.",
		})
	case w.Ahead > 0 && w.Apart():
		value = fmt.Sprintf("this machine's is %v ahead", w.Ahead.Round(time.Millisecond))
		r.Problems = append(r.Problems, driver.Problem{
			Code: "clock-ahead", Severity: driver.SeverityFail,
			Meaning: fmt.Sprintf("The clock of this machine is %v ahead of that of the store's engine, and %v are tolerated. Either this one is ahead, or the engine's is behind; nobody here knows. Until they agree this process sweeps nothing, and ends no session because of the time that isn't over by both clocks.", w.Ahead.Round(time.Second), driver.ClockTolerance),
			Remedy:  "Set the clocks of this machine and of all the engine's nodes by one source (NTP).",
		})
	case w.Apart():
		value = fmt.Sprintf("this machine's is %v behind", -w.Ahead.Round(time.Millisecond))
		r.Problems = append(r.Problems, driver.Problem{
			Code: "clock-behind", Severity: driver.SeverityWarn,
			Meaning: fmt.Sprintf("The clock of this machine is %v behind that of the store's engine, and %v are tolerated. Either this one is behind, or the engine's is ahead; nobody here knows. Sessions may end that much too late here, and those that are made here too early elsewhere.", -w.Ahead.Round(time.Second), driver.ClockTolerance),
			Remedy:  "Set the clocks of this machine and of all the engine's nodes by one source (NTP).",
		})
	}
	r.Facts = append(r.Facts, driver.Fact{Name: "clock of the store's engine", Value: value})
}

// endedLately reports whether a grace goes on that began with the end of a session. began
// is by another machine's clock, which may be behind by the tolerance: without it, a
// grace of 30 s would be over at once, and a late request would begin a session whose
// cookie replaces the good one. A longer grace opens nothing.
func endedLately(grace time.Duration, began, now time.Time) bool {
	return now.Sub(began) < grace+driver.ClockTolerance
}
