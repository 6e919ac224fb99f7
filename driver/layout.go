package driver

import (
	"fmt"
	"time"
)

// This file is the layouts, which assign ids to periods of time.

// Layout assigns a record to a period of time, in stores that keep records by periods.
// The period depends on the id alone. Other stores ignore the layout. A record's Kind,
// and not its layout, tells a session from a ledger.
type Layout uint8

// The layouts. A store takes ids of all of them.
const (
	LayoutHour   Layout = 1 // kept by the hour it was made in
	LayoutDay    Layout = 2 // kept by the day
	LayoutWeek   Layout = 3 // kept by the week, from Monday
	LayoutMonth  Layout = 4 // kept by the month
	_            Layout = 5 // reserved: it was made from a time and kept in no period
	LayoutLedger Layout = 6 // the ledger of a principal; derived
	LayoutImport Layout = 7 // a session adopted from elsewhere; derived
)

// MaxLifetime is the longest lifetime that a session can have: 400 days. Browsers keep
// no cookie for longer (RFC 6265bis).
const MaxLifetime = 400 * 24 * time.Hour

// ClockTolerance bounds the difference between the clocks of the machines that share a
// store. Ids from further in the future are refused. Nothing is removed from a store
// before this time has passed since its deadline.
const ClockTolerance = 2 * time.Minute

type layoutInfo struct {
	name    string
	longest time.Duration // the longest lifetime that gets this layout
	period  func(time.Time) (start, end time.Time)
}

// layoutOf is the one registry of layouts.
func layoutOf(l Layout) (layoutInfo, bool) {
	const day = 24 * time.Hour
	switch l {
	case LayoutHour:
		return layoutInfo{"hour", day, func(t time.Time) (time.Time, time.Time) {
			start := t.Truncate(time.Hour)
			return start, start.Add(time.Hour)
		}}, true
	case LayoutDay:
		return layoutInfo{"day", 45 * day, func(t time.Time) (time.Time, time.Time) {
			start := t.Truncate(day)
			return start, start.Add(day)
		}}, true
	case LayoutWeek:
		return layoutInfo{"week", 200 * day, func(t time.Time) (time.Time, time.Time) {
			start := t.Truncate(day)
			start = start.AddDate(0, 0, -(int(start.Weekday())+6)%7)
			return start, start.AddDate(0, 0, 7)
		}}, true
	case LayoutMonth:
		return layoutInfo{"month", MaxLifetime, func(t time.Time) (time.Time, time.Time) {
			start := time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
			return start, start.AddDate(0, 1, 0)
		}}, true
	case LayoutLedger:
		return layoutInfo{"ledger", MaxLifetime, nil}, true
	case LayoutImport:
		return layoutInfo{"import", MaxLifetime, nil}, true
	}
	return layoutInfo{}, false
}

// LayoutFor returns the layout for sessions that live no longer than lifetime: the
// shortest period of which only some dozens are live at a time.
func LayoutFor(lifetime time.Duration) Layout {
	for l := LayoutHour; l < LayoutMonth; l++ {
		if info, _ := layoutOf(l); lifetime <= info.longest {
			return l
		}
	}
	return LayoutMonth
}

// String returns the layout's name, such as "day".
func (l Layout) String() string {
	if info, ok := layoutOf(l); ok {
		return info.name
	}
	return fmt.Sprintf("layout %d", uint8(l))
}

// MaxLifetime returns the longest lifetime of a session of this layout; 0 for unknown
// layouts.
func (l Layout) MaxLifetime() time.Duration {
	info, _ := layoutOf(l)
	return info.longest
}

// Period returns the layout's period that contains t; see ID.Period.
func (l Layout) Period(t time.Time) (start, end time.Time, ok bool) {
	info, known := layoutOf(l)
	if !known || info.period == nil {
		return time.Time{}, time.Time{}, false
	}
	start, end = info.period(t.UTC())
	return start, end, true
}
