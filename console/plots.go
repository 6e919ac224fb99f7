package console

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is plots: sessions counted by the time of something. Each is a picture and a
// table of the same numbers.

// plotRange is a stretch of time on the page.
type plotRange struct {
	Name, Text, Step string
	step             time.Duration
	buckets          int
}

func ranges() []plotRange {
	return []plotRange{
		{"day", "24 hours", "an hour", time.Hour, 24},
		{"week", "7 days", "6 hours", 6 * time.Hour, 28},
		{"month", "30 days", "a day", 24 * time.Hour, 30},
	}
}

// rangeOf reads the parameter; "" is a day.
func rangeOf(text string) (plotRange, error) {
	for _, r := range ranges() {
		if r.Name == text || text == "" {
			return r, nil
		}
	}
	return plotRange{}, bad(fmt.Sprintf("range is %q: there are day, week and month.", text))
}

// plotKind is what is counted.
type plotKind struct {
	Name, Title, Unit string
	ahead             bool // times that are to come
	query             func(from, to time.Time) driver.Query
}

// plotting is a plot of an app.
type plotting struct {
	plotKind
	admin *cloakroom.Admin
	span  plotRange
}

// plotsOf returns the plots of an app.
func plotsOf(a *cloakroom.Admin, span plotRange) []plotting {
	kinds := []plotKind{
		{"begun", "Begun, and still there", "begun and still there", false, func(from, to time.Time) driver.Query { return driver.Query{CreatedFrom: from, CreatedTo: to} }},
		{"ended", "Sessions ended", "ended", false, func(from, to time.Time) driver.Query {
			return driver.Query{Ended: true, EndedFrom: from, EndedTo: to}
		}},
		{"seen", "Last seen", "last seen", false, func(from, to time.Time) driver.Query { return driver.Query{SeenFrom: from, SeenTo: to} }},
		{"left", "Time to live", "expire, unless they are used", true, func(from, to time.Time) driver.Query { return driver.Query{ExpiresFrom: from, ExpiresTo: to} }},
	}
	all := make([]plotting, len(kinds))
	for i, k := range kinds {
		all[i] = plotting{k, a, span}
	}
	return all
}

// bar is a bucket of a plot.
type bar struct {
	From, To  time.Time
	Label     string
	Count     int64
	X, Y      float64 // of the picture, which is 100 by 40
	W, Height float64
}

// plot is a plot on the page.
type plot struct {
	plotKind
	Ready   bool
	Problem string
	Slow    bool // counting takes too long
	waits   bool
	Bars    []bar
	Most    int64
	Total   int64
	Span    string
	Step    string
}

// LastBar returns the index of the last bar.
func (p plot) LastBar() int { return len(p.Bars) - 1 }

// plot returns a plot.
func (c *Console) plot(v *visit, x plotting) plot {
	key := "plot " + x.Name + " " + x.span.Name + " " + x.admin.App()
	got := figureOf(v.Context(), c.shared, key, func(context.Context) (plot, error) { return x.countInTurn(c.shared) })
	p := got.Value
	p.plotKind, p.Ready, p.Problem, p.Span, p.waits = x.plotKind, got.Ready, got.Problem, x.span.Text, got.waits()
	p.Ready = p.Ready && !p.Slow
	return p
}

// countInTurn counts a plot when no other is being counted. It has countWithin then, without
// the wait: all plots of a page together may take longer.
func (x plotting) countInTurn(s *shared) (plot, error) {
	wait, cancel := context.WithTimeout(s.ctx, turnWithin)
	defer cancel()
	select {
	case s.plotting <- struct{}{}:
	case <-wait.Done():
		return plot{Slow: true}, nil
	}
	defer func() { <-s.plotting }()
	ctx, cancel := context.WithTimeout(s.ctx, countWithin)
	defer cancel()
	p, err := x.count(ctx, s, s.now())
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return plot{Slow: true}, nil
	}
	return p, err
}

// turnWithin bounds the time until it is a plot's turn. A page has four.
const turnWithin = 4 * countWithin

// count counts a plot's buckets. The first is counted alone: if it takes longer than a
// moment, the store has no index for it, and all of them would take a look at everything.
func (x plotting) count(ctx context.Context, s *shared, now time.Time) (plot, error) {
	bars := make([]bar, x.span.buckets)
	first := now.Truncate(x.span.step).Add(x.span.step).Add(-time.Duration(len(bars)) * x.span.step)
	if x.ahead {
		first = now.Truncate(x.span.step)
		bars = append(bars, bar{}) // the first has begun
	}
	layout := "15:04"
	if x.span.step > time.Hour {
		layout = "Jan 2, 15:04"
	}
	if x.span.step >= 24*time.Hour {
		layout = "Jan 2"
	}
	for i := range bars {
		b := &bars[i]
		b.From = first.Add(time.Duration(i) * x.span.step)
		b.To, b.Label = b.From.Add(x.span.step), b.From.UTC().Format(layout)
	}
	one := func(b *bar) func() error {
		return func() error {
			from := b.From
			if x.ahead && from.Before(now) {
				from = now
			}
			sum, err := s.summarizeSoon(ctx, x.admin, x.query(from, b.To))
			b.Count = sum.Records
			return err
		}
	}
	err := one(&bars[len(bars)-1])()
	if err == nil {
		var jobs []func() error
		for i := range bars[:len(bars)-1] {
			jobs = append(jobs, one(&bars[i]))
		}
		err = together(jobs...)
	}
	switch {
	case errors.Is(err, errSlow):
		return plot{Slow: true}, nil
	case err != nil:
		return plot{}, err
	}
	p := plot{Bars: bars, Step: x.span.Step}
	p.draw()
	return p, nil
}

// The size of a picture, in its own units.
const (
	plotWidth  = 300.0
	plotHeight = 80.0
)

// draw places the bars.
func (p *plot) draw() {
	for _, b := range p.Bars {
		p.Most = max(p.Most, b.Count)
		p.Total += b.Count
	}
	wide := plotWidth / float64(len(p.Bars))
	for i := range p.Bars {
		b := &p.Bars[i]
		b.X, b.W = float64(i)*wide, wide*0.8
		if p.Most > 0 {
			b.Height = plotHeight * float64(b.Count) / float64(p.Most)
		}
		b.Y = plotHeight - b.Height
	}
}
