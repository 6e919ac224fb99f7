package devices

import (
	"fmt"
	"time"
)

// This file is the words of the page, and the times in it. texts.txt has all of them.

// words translates.
type words struct {
	text func(english string) string
	now  time.Time
}

// T returns a text in the visitor's language, with what its verbs stand for.
func (w words) T(english string, of ...any) string {
	if len(of) == 0 {
		return w.text(english)
	}
	return fmt.Sprintf(w.text(english), of...)
}

// name is the device in the visitor's language.
func (w words) name(d Device) string {
	switch {
	case d.Program == "" && d.System == "":
		return w.T("Unknown program")
	case d.Program == "":
		return w.T("Unknown browser on %s", d.System)
	case d.System == "":
		return d.Program
	}
	return w.T("%s on %s", d.Program, d.System)
}

// active says when a device was last active, no more exactly than that is known.
func (w words) active(d Device) string {
	age := w.now.Sub(d.Seen)
	switch {
	case d.Current:
		return w.T("Active now")
	case age > 4*max(d.SeenWithin, time.Minute):
		return w.T("Last active %s", w.Ago(d.Seen))
	}
	n, u := measure(max(age, d.SeenWithin))
	if n*u.unit < max(age, d.SeenWithin) { // rounded up, it is true wherever in that time the activity was
		n++
	}
	return w.count(int(n), u.within, u.withinMany)
}

// Ago says how long ago a time was.
func (w words) Ago(t time.Time) string {
	age := w.now.Sub(t)
	if age < time.Minute {
		return w.T("just now")
	}
	n, u := measure(age)
	return w.count(int(n), u.ago, u.agoMany)
}

// count says a number of things.
func (w words) count(n int, one, many string) string {
	if n == 1 {
		return w.T(one)
	}
	return w.T(many, n)
}

// unit is a unit of time.
type unit struct {
	unit               time.Duration
	ago, agoMany       string
	within, withinMany string
}

// measure returns a duration in its largest unit, rounded down, and 1 minute at least.
func measure(d time.Duration) (n time.Duration, u unit) {
	const day = 24 * time.Hour
	switch {
	case d >= day:
		u = unit{day, "1 day ago", "%d days ago", "Active within the last day", "Active within the last %d days"}
	case d >= time.Hour:
		u = unit{time.Hour, "1 hour ago", "%d hours ago", "Active within the last hour", "Active within the last %d hours"}
	default:
		u = unit{time.Minute, "1 minute ago", "%d minutes ago", "Active within the last minute", "Active within the last %d minutes"}
	}
	return max(1, d/u.unit), u
}
