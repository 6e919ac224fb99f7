package main

import (
	"fmt"
	"time"
)

// This file writes times, numbers and sizes for people.

// ago writes an age by its largest unit: 3d, 12h, 40m, 5s.
func ago(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	switch {
	case d >= 2*day:
		return fmt.Sprintf("%s%dd", sign, d/day)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%s%dh", sign, d/time.Hour)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%s%dm", sign, d/time.Minute)
	}
	return fmt.Sprintf("%s%ds", sign, d/time.Second)
}

// round keeps milliseconds.
func round(seconds float64) float64 { return float64(int64(seconds*1000+0.5)) / 1000 }

// counted writes a number of things.
func counted(n int64, what string) string {
	if n != 1 {
		what += "s"
	}
	return number(n) + " " + what
}

// size spells a number of bytes.
func size(n int64) string {
	const unit = 1 << 10
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	f, name := float64(n)/unit, "KiB"
	for _, next := range []string{"MiB", "GiB", "TiB"} {
		if f < unit {
			break
		}
		f, name = f/unit, next
	}
	return fmt.Sprintf("%.1f %s", f, name)
}
