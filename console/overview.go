package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the overview: how many sessions there are, and what becomes of them.

// counts are an app's figures for which stores have an index.
type counts struct {
	Sessions, SignedIn      int64 // with those that are over and not ended
	Ended, Begun1h, Ended1h int64
	Begun24h, Ended24h      int64
	EndedBy                 []endedBy // in 24 hours
}

// slowCounts are those for which they may have none. One that is nil takes longer than a
// moment.
type slowCounts struct {
	Live, LiveSigned, Seen5m, Seen1h *int64
}

// Anonymous returns how many of the live sessions nobody has signed in to.
func (n slowCounts) Anonymous() int64 { return *n.Live - *n.LiveSigned }

// endedBy is how many sessions ended for a reason.
type endedBy struct {
	Reason driver.EndReason
	Count  int64
}

// Anonymous returns how many of the sessions nobody has signed in to.
func (n counts) Anonymous() int64 { return n.Sessions - n.SignedIn }

// appFigures are an app's figures on the page.
type appFigures struct {
	App string
	figure[counts]
	Slow figure[slowCounts]
}

// overviewPage is the page's data.
type overviewPage struct {
	Apps    []appFigures
	App     string // whose plots are shown
	Range   string
	Ranges  []plotRange
	Plots   []plot
	Health  *healthPage
	Process *process // nil without Config.Manager
	Every   time.Duration
}

// overview shows the overview.
func (c *Console) overview(v *visit) error {
	q := v.URL.Query()
	for name, values := range q {
		if name != "app" && name != "range" || len(values) > 1 {
			return bad(fmt.Sprintf("The parameters are app and range, each once: %q.", name))
		}
	}
	chosen, ok := c.admin(q.Get("app"))
	if !ok {
		return missing(fmt.Sprintf("The console doesn't show an app %q.", q.Get("app")))
	}
	span, err := rangeOf(q.Get("range"))
	if err != nil {
		return err
	}
	p := &overviewPage{App: chosen.App(), Range: span.Name, Ranges: ranges(), Apps: make([]appFigures, len(c.config.Admins))}
	plots := plotsOf(chosen, span)
	p.Plots = make([]plot, len(plots))
	health := &healthPage{}
	var all sync.WaitGroup
	for i, a := range c.config.Admins {
		all.Go(func() {
			p.Apps[i].App = a.App()
			p.Apps[i].figure = figureOf(v.Context(), c.shared, "counts "+a.App(), func(ctx context.Context) (counts, error) {
				return c.count(ctx, a, c.config.Now())
			})
		})
		all.Go(func() {
			p.Apps[i].Slow = figureOf(v.Context(), c.shared, "slow counts "+a.App(), func(ctx context.Context) (slowCounts, error) {
				return c.countSlow(ctx, a, c.config.Now())
			})
		})
	}
	for i, x := range plots {
		all.Go(func() { p.Plots[i] = c.plot(v, x) })
	}
	all.Go(func() { health.figure = c.report(v) })
	all.Wait()
	health.Worst = worst(health.Value.Problems)
	p.Health, p.Process = health, c.process(v)
	waits := health.waits()
	for _, x := range p.Plots {
		waits = waits || x.waits
	}
	p.Every = shortest
	for _, a := range p.Apps {
		p.Every = max(p.Every, a.Every)
		waits = waits || a.waits() || a.Slow.waits()
	}
	if waits {
		p.Every = time.Second
	}
	c.show(v, http.StatusOK, "overview", "Overview", "overview", p)
	return nil
}

// count counts an app's sessions.
func (c *Console) count(ctx context.Context, a *cloakroom.Admin, now time.Time) (n counts, err error) {
	sums := func(to *int64, q driver.Query) func() error {
		return func() error {
			sum, err := c.shared.summarize(ctx, a, q)
			*to = sum.Records
			return err
		}
	}
	hour, day := now.Add(-time.Hour), now.Add(-24*time.Hour)
	jobs := []func() error{
		func() error {
			sum, err := c.shared.summarize(ctx, a, driver.Query{})
			n.Sessions, n.SignedIn = sum.Records, sum.SignedIn
			return err
		},
		sums(&n.Ended, driver.Query{Ended: true}),
		sums(&n.Begun1h, driver.Query{CreatedFrom: hour}),
		sums(&n.Begun24h, driver.Query{CreatedFrom: day}),
		sums(&n.Ended1h, driver.Query{Ended: true, EndedFrom: hour}),
		sums(&n.Ended24h, driver.Query{Ended: true, EndedFrom: day}),
	}
	n.EndedBy = make([]endedBy, len(driver.EndReasons()))
	for i, why := range driver.EndReasons() {
		n.EndedBy[i].Reason = why
		jobs = append(jobs, sums(&n.EndedBy[i].Count, driver.Query{Ended: true, EndedFrom: day, Reason: why}))
	}
	return n, together(jobs...)
}

// countSlow counts that for which stores may have no index. What takes longer than a
// moment is left out.
func (c *Console) countSlow(ctx context.Context, a *cloakroom.Admin, now time.Time) (n slowCounts, err error) {
	part := func(q driver.Query, to func(driver.Summary)) func() error {
		return func() error {
			sum, err := c.shared.summarizeSoon(ctx, a, q)
			switch {
			case errors.Is(err, errSlow):
				return nil
			case err == nil:
				to(sum)
			}
			return err
		}
	}
	err = together(
		part(driver.Query{ExpiresFrom: now.Truncate(time.Millisecond).Add(time.Millisecond)}, func(s driver.Summary) { n.Live, n.LiveSigned = &s.Records, &s.SignedIn }),
		part(driver.Query{SeenFrom: now.Add(-5 * time.Minute)}, func(s driver.Summary) { n.Seen5m = &s.Records }),
		part(driver.Query{SeenFrom: now.Add(-time.Hour)}, func(s driver.Summary) { n.Seen1h = &s.Records }),
	)
	return n, err
}

// together does jobs at the same time, and returns the first of their errors: where a store
// fails, all jobs tell the same.
func together(jobs ...func() error) error {
	errs := make([]error, len(jobs))
	var all sync.WaitGroup
	for i, job := range jobs {
		all.Go(func() {
			defer func() {
				if p := recover(); p != nil { // of a store; it would end the process
					errs[i] = fmt.Errorf("the store panicked: %v", p)
				}
			}()
			errs[i] = job()
		})
	}
	all.Wait()
	return cmp.Or(errs...)
}
