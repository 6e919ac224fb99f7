package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/alecthomas/kong"

	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/place"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/human"
)

// This file is "cloakroom stats".

type statsCommand struct {
	Watch bool     `help:"Count again and again, until interrupted."`
	Every duration `default:"5s" placeholder:"TIME" help:"How often with --watch; less often if counting takes long. Default: 5s."`
	Times int      `placeholder:"N" help:"End --watch after so many times."`
	Exact bool     `help:"Also wait for counts for which the store has no index, and so looks at each session."`
	storeFlags
}

// Help implements kong.HelpProvider.
func (*statsCommand) Help() string {
	return `Counts an app's sessions. What takes longer than a moment isn't counted without --exact. With --watch a terminal is written over; elsewhere it is a block of lines, or an object, each time. Counts trail the latest changes of an engine's store by some seconds.

Examples:

    cloakroom stats --store sqlite:sessions.db
    cloakroom stats --store https://engine:9200 --watch
    cloakroom stats --store sqlite:sessions.db --exact --json`
}

// statsLine is the counts, in JSON. One that wasn't counted isn't there.
type statsLine struct {
	Type       string    `json:"type"` // stats
	App        string    `json:"app"`
	At         time.Time `json:"at"`
	Sessions   int64     `json:"sessions"` // with those that are over and not ended
	SignedIn   int64     `json:"signedIn"` // of these
	Live       *int64    `json:"live,omitempty"`
	LiveSigned *int64    `json:"liveSignedIn,omitempty"`
	Expired    *int64    `json:"expired,omitempty"` // over, and not ended
	Ended      int64     `json:"ended"`             // graves
	MadeHour   int64     `json:"madeInHour"`
	EndedHour  int64     `json:"endedInHour"`
	UsedHour   *int64    `json:"usedInHour,omitempty"`
	UsedNow    *int64    `json:"usedIn5Minutes,omitempty"`
	MadeRate   *float64  `json:"madePerSecond,omitempty"` // since the last time, with --watch
	EndedRate  *float64  `json:"endedPerSecond,omitempty"`
	Seconds    float64   `json:"seconds"` // that counting took
}

// statsMoment bounds the counts for which a store has no index.
const statsMoment = 300 * time.Millisecond

// statsTrail is the time by which searches of an engine may trail: what happened later
// isn't part of a rate yet.
const statsTrail = 10 * time.Second

// Run counts.
func (c *statsCommand) Run(t *terminal, flags *kong.Context) error {
	if c.Times < 0 || c.Times > 0 && !c.Watch {
		return misuse("--times is how often --watch counts")
	}
	o, err := c.open(t, flags, place.Look)
	if err != nil {
		return err
	}
	defer o.close()
	lines := 0 // that are to be written over
	var last *statsLine
	for n := 1; ; n++ {
		begun := time.Now()
		l, err := c.count(t.ctx, o, last)
		if err != nil {
			if c.Watch && t.ctx.Err() != nil {
				return nil // which is how it ends
			}
			return err
		}
		c.tell(t, l, &lines)
		if !c.Watch || n == c.Times {
			if l.Sessions+l.Ended == 0 && !o.chosen {
				if hint := o.otherApps(t.ctx); hint != "" {
					t.note("%s", hint)
				}
			}
			return nil
		}
		last = l
		const share = 10 // of the time may go into counting
		timer := time.NewTimer(max(time.Duration(c.Every)-time.Since(begun), (share-1)*time.Since(begun)))
		select {
		case <-timer.C:
		case <-t.ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

// count counts once.
func (c *statsCommand) count(ctx context.Context, o *openedStore, last *statsLine) (*statsLine, error) {
	in, ok := o.Store.(driver.Inspector)
	if !ok {
		return nil, fmt.Errorf("%v can't count: %w", o.where, errors.ErrUnsupported)
	}
	now := time.Now()
	l := &statsLine{Type: "stats", App: o.app, At: now.UTC().Truncate(time.Millisecond)}
	count := func(ctx context.Context, q driver.Query) (driver.Summary, error) {
		q.App = o.app
		return in.Summarize(ctx, q)
	}
	var all, ended, made, endedLately driver.Summary
	err := together(
		func() (err error) { all, err = count(ctx, driver.Query{}); return err },
		func() (err error) { ended, err = count(ctx, driver.Query{Ended: true}); return err },
		func() (err error) { made, err = count(ctx, driver.Query{CreatedFrom: now.Add(-time.Hour)}); return err },
		func() (err error) {
			endedLately, err = count(ctx, driver.Query{Ended: true, EndedFrom: now.Add(-time.Hour)})
			return err
		},
	)
	if err != nil {
		return nil, err
	}
	l.Sessions, l.SignedIn, l.Ended, l.MadeHour, l.EndedHour = all.Records, all.SignedIn, ended.Records, made.Records, endedLately.Records
	if err := c.countSlow(ctx, count, now, l); err != nil {
		return nil, err
	}
	if last != nil {
		trails := time.Duration(0)
		if o.where.IsEngine() {
			trails = statsTrail
		}
		if err := rates(ctx, count, last.At.Add(-trails), l.At.Add(-trails), l); err != nil {
			return nil, err
		}
	}
	l.Seconds = round(time.Since(now).Seconds())
	return l, nil
}

// countSlow counts that for which stores may have no index. What takes long is left out,
// unless it was asked for.
func (c *statsCommand) countSlow(ctx context.Context, count func(context.Context, driver.Query) (driver.Summary, error), now time.Time, l *statsLine) error {
	bounded := ctx
	if !c.Exact {
		var cancel context.CancelFunc
		bounded, cancel = context.WithTimeout(ctx, statsMoment)
		defer cancel()
	}
	var live, lately, now5 *driver.Summary
	part := func(to **driver.Summary, q driver.Query) func() error {
		return func() error {
			sum, err := count(bounded, q)
			switch {
			case err == nil:
				*to = &sum
			case bounded.Err() != nil && ctx.Err() == nil:
				return nil // it takes too long
			}
			return err
		}
	}
	err := together(
		part(&live, driver.Query{ExpiresFrom: now.Truncate(time.Millisecond).Add(time.Millisecond)}),
		part(&lately, driver.Query{SeenFrom: now.Add(-time.Hour)}),
		part(&now5, driver.Query{SeenFrom: now.Add(-5 * time.Minute)}),
	)
	if live != nil {
		expired := max(0, l.Sessions-live.Records)
		l.Live, l.LiveSigned, l.Expired = &live.Records, &live.SignedIn, &expired
	}
	if lately != nil {
		l.UsedHour = &lately.Records
	}
	if now5 != nil {
		l.UsedNow = &now5.Records
	}
	return err
}

// together does jobs at the same time, and returns their errors joined.
func together(jobs ...func() error) error {
	errs := make([]error, len(jobs))
	var all sync.WaitGroup
	for i, job := range jobs {
		all.Go(func() { errs[i] = job() })
	}
	all.Wait()
	return errors.Join(errs...)
}

// rates tells how many sessions were made and ended in a second since the last time.
func rates(ctx context.Context, count func(context.Context, driver.Query) (driver.Summary, error), from, to time.Time, l *statsLine) error {
	seconds := to.Sub(from).Seconds()
	for _, part := range []struct {
		query driver.Query
		to    **float64
	}{
		{driver.Query{CreatedFrom: from, CreatedTo: to}, &l.MadeRate},
		{driver.Query{Ended: true, EndedFrom: from, EndedTo: to}, &l.EndedRate},
	} {
		sum, err := count(ctx, part.query)
		if err != nil {
			return err
		}
		rate := round(float64(sum.Records) / max(seconds, 0.001))
		*part.to = &rate
	}
	return nil
}

// tell tells the counts. In a terminal they are written over those of the last time.
func (c *statsCommand) tell(t *terminal, l *statsLine, lines *int) {
	if t.json {
		t.emit(l)
		return
	}
	text := l.String()
	if c.Watch {
		text += "\n" + moment(l.At) + fmt.Sprintf(", counted in %.2g s; Ctrl-C ends it", l.Seconds)
	}
	if *lines > 0 && isTerminal(t.stdout.w) {
		_, _ = fmt.Fprintf(t.stdout, "\x1b[%dA\x1b[J", *lines) // up, and empty from there
	} else if *lines > 0 {
		t.say("")
	}
	t.say("%s", text)
	*lines = strings.Count(text, "\n") + 1
}

// String tells the counts to people.
func (l *statsLine) String() string {
	var b strings.Builder
	add := func(name string, n *int64, more string, args ...any) {
		text := "not counted; --exact waits for it"
		if n != nil {
			text = human.Number(*n) + fmt.Sprintf(more, args...)
		}
		fmt.Fprintf(&b, "%-15s %s\n", name+":", text)
	}
	rate := func(r *float64) string {
		if r == nil {
			return ""
		}
		return fmt.Sprintf(", %g a second now", *r)
	}
	fmt.Fprintf(&b, "%-15s %s\n", "App:", human.Printable(plain(l.App)))
	if l.Live != nil && l.LiveSigned != nil {
		add("Live", l.Live, ", %s signed in", human.Number(*l.LiveSigned))
		add("Expired", l.Expired, ", not ended yet")
	} else {
		add("Sessions", &l.Sessions, ", %s signed in, with those that are over", human.Number(l.SignedIn))
		add("Live", nil, "")
	}
	add("Ended", &l.Ended, ", as far as the store remembers")
	add("Made in 1h", &l.MadeHour, "%s", rate(l.MadeRate))
	add("Ended in 1h", &l.EndedHour, "%s", rate(l.EndedRate))
	add("Used in 5m", l.UsedNow, "")
	add("Used in 1h", l.UsedHour, "")
	return strings.TrimSuffix(b.String(), "\n")
}

// round keeps milliseconds.
func round(seconds float64) float64 { return float64(int64(seconds*1000+0.5)) / 1000 }
