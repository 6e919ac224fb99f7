package elasticstore

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the names of indices.

// names gives the index of a record. It depends on the record's id alone:
//
//	hour    session-2026.11.22-13
//	day     session-2026.11.22
//	week    session-2026.w47    (ISO 8601)
//	month   session-2026.11
//	ledger  session-principals
//	import  session-imports       (made with the first import)
//
// With one index, all are in the index session.
type names struct {
	prefix string
	one    bool
}

// period is one period of time and the index that holds its records.
type period struct {
	index      string
	layout     driver.Layout
	start, end time.Time
}

// dropFrom returns the time from which a sweep drops the period's index, if no deadline in
// it lies ahead: one more period and the longest lifetime that is known, in milliseconds,
// after its end.
func (p period) dropFrom(lifetime int64) time.Time {
	return p.end.Add(p.end.Sub(p.start)).Add(time.Duration(lifetime) * time.Millisecond)
}

// droppable reports whether a sweep, which may know of no lifetime, could have dropped the
// period's index. If so, a missing index means that its records are gone.
func (p period) droppable(now time.Time) bool { return now.After(p.dropFrom(0)) }

// known reports whether this package has a place for a layout.
func known(l driver.Layout) bool { return l.MaxLifetime() > 0 }

// of returns the name of the index of an id's record.
func (n names) of(id driver.ID) string {
	l := id.Layout()
	if n.one {
		return n.prefix
	}
	switch l {
	case driver.LayoutLedger:
		return n.ledgers()
	case driver.LayoutImport:
		return n.prefix + "-imports"
	}
	if start, _, ok := id.Period(); ok {
		return n.at(l, start)
	}
	return n.prefix // not reached: known layouts are all above
}

// periodic reports whether an id's record lives in a period's index.
func (n names) periodic(id driver.ID) bool {
	switch id.Layout() {
	case driver.LayoutHour, driver.LayoutDay, driver.LayoutWeek, driver.LayoutMonth:
		return !n.one
	}
	return false
}

// at returns the name of a layout's index for the period that begins at start.
func (n names) at(l driver.Layout, start time.Time) string {
	b := make([]byte, 0, len(n.prefix)+len("-2026.11.22-13"))
	b = append(b, n.prefix...)
	b = append(b, '-')
	two := func(sep string, v int) {
		b = append(b, sep...)
		b = append(b, byte('0'+v/10), byte('0'+v%10))
	}
	year, week := start.Year(), 0
	if l == driver.LayoutWeek {
		year, week = start.ISOWeek()
	}
	if year < 1000 { // only the zero time, which no period has
		b = append(b, "0000"[:4-len(strconv.Itoa(year))]...)
	}
	b = strconv.AppendInt(b, int64(year), 10)
	switch l {
	case driver.LayoutWeek:
		two(".w", week)
	case driver.LayoutMonth:
		two(".", int(start.Month()))
	default:
		two(".", int(start.Month()))
		two(".", start.Day())
		if l == driver.LayoutHour {
			two("-", start.Hour())
		}
	}
	return string(b)
}

// holding returns the period of a layout that contains t.
func (n names) holding(l driver.Layout, t time.Time) (period, bool) {
	start, end, ok := l.Period(t)
	if !ok || n.one {
		return period{}, false
	}
	return period{n.at(l, start), l, start, end}, true
}

// parse reads the name of a period's index. It accepts exactly the results of at.
func (n names) parse(index string) (period, bool) {
	text, ok := strings.CutPrefix(index, n.prefix+"-")
	if !ok || n.one {
		return period{}, false
	}
	var y, m, d, h int
	var l driver.Layout
	var t time.Time
	switch {
	case scan(text, "%d.w%d", &y, &m):
		l = driver.LayoutWeek
		t = time.Date(y, 1, 4, 0, 0, 0, 0, time.UTC).AddDate(0, 0, 7*(m-1)) // week 1 has January 4th
	case scan(text, "%d.%d.%d-%d", &y, &m, &d, &h):
		l, t = driver.LayoutHour, time.Date(y, time.Month(m), d, h, 0, 0, 0, time.UTC)
	case scan(text, "%d.%d.%d", &y, &m, &d):
		l, t = driver.LayoutDay, time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)
	case scan(text, "%d.%d", &y, &m):
		l, t = driver.LayoutMonth, time.Date(y, time.Month(m), 1, 0, 0, 0, 0, time.UTC)
	default:
		return period{}, false
	}
	p, ok := n.holding(l, t)
	return p, ok && p.index == index
}

func scan(text, format string, into ...any) bool {
	n, err := fmt.Sscanf(text, format, into...)
	return n == len(into) && err == nil
}

// ledgers returns the index that holds the ledgers, and the register. Setup makes it.
func (n names) ledgers() string {
	if n.one {
		return n.prefix
	}
	return n.prefix + "-principals"
}

// lasting returns the indices that belong to no period.
func (n names) lasting() []string {
	if n.one {
		return []string{n.prefix}
	}
	return []string{n.ledgers(), n.prefix + "-imports"}
}

// ours reports whether an index has one of the store's names.
func (n names) ours(index string) bool {
	_, ok := n.parse(index)
	return ok || slices.Contains(n.lasting(), index)
}

// pattern returns a pattern that matches all the store's indices; the template has it.
func (n names) pattern() string {
	if n.one {
		return n.prefix
	}
	return n.prefix + "-*"
}

// template returns the name of the index template.
func (n names) template() string {
	if n.one {
		return n.prefix
	}
	return n.prefix + "-periods"
}

// searched returns the patterns that searches use. They match all the store's indices,
// and as few of others as patterns allow: an index of others may have other types for
// the members that searches sort by, which fails the search. So session-2 must not
// match.
func (n names) searched() string {
	if n.one {
		return n.prefix
	}
	var b strings.Builder
	for digit := '1'; digit <= '9'; digit++ {
		fmt.Fprintf(&b, "%s-%c*.*,", n.prefix, digit)
	}
	b.WriteString(n.ledgers() + "," + n.prefix + "-imports*") // a pattern, since it may not be there
	return b.String()
}
