package console

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/figures"
	"github.com/cloakroom-go/cloakroom/internal/human"
)

// This file is the figures of this process: what the application's Manager and its store
// have done.

// process is what the page shows of them.
type process struct {
	Since moment
	since time.Time
	Calls []call
	Facts []driver.Fact
}

// call is the calls of one method of the store.
type call struct {
	Name          string
	Count, Failed int64
	Rate          string // a second, of late
	Median, Most  string
}

// readings keeps the last reading, of which and the next rates are made.
type readings struct {
	mu   sync.Mutex
	last cloakroom.Figures
}

// process returns the figures; nil without a Manager. A rate is that between two readings.
func (c *Console) process(v *visit) *process {
	m := c.config.Manager
	if m == nil {
		return nil
	}
	got := figureOf(v.Context(), c.shared, "process", func(context.Context) (*process, error) {
		now := m.Figures()
		c.readings.mu.Lock()
		defer c.readings.mu.Unlock()
		before := c.readings.last
		c.readings.last = now
		return processOf(now, before), nil
	})
	if got.Value == nil {
		return nil
	}
	p := *got.Value
	p.Since = when(time.Now(), p.since) // as figures are by the machine's clock, whatever Config.Now is
	return &p
}

// processOf tells figures to people. before is an earlier reading, or zero.
func processOf(now, before cloakroom.Figures) *process {
	p := &process{since: now.Since}
	seconds := now.At.Sub(before.At).Seconds()
	earlier := maps.Collect(before.Operations.All())
	for name, o := range now.Operations.All() {
		late := o.Latency.Minus(earlier[name].Latency) // of all, at first
		x := call{Name: name, Count: o.Count, Failed: o.Failed(), Rate: "–", Median: "–", Most: "–"}
		if late.Count > 0 {
			x.Median, x.Most = short(late.Quantile(0.5)), short(late.Quantile(0.99))
		}
		if !before.At.IsZero() && seconds > 0 {
			x.Rate = fmt.Sprintf("%.1f", float64(o.Count-earlier[name].Count)/seconds)
		}
		p.Calls = append(p.Calls, x)
	}
	add := func(name, format string, args ...any) {
		p.Facts = append(p.Facts, driver.Fact{Name: name, Value: fmt.Sprintf(format, args...)})
	}
	add("Sessions", "%s made, %s signed in, %s renewed", human.Number(now.Created), human.Number(now.SignedIn), human.Number(now.Renewed))
	add("Ended here", "%s", kinds(now.Ended, reasonText))
	add("Tokens refused", "%s", kinds(now.Refused, func(r cloakroom.Refusal) string { return string(r) }))
	add("Conflicts merged", "%s", human.Number(now.Merged))
	add("Changes gathered", "%s needed no write of their own", human.Number(now.Gathered))
	add("Under way", "%s; %s were turned down", human.Number(now.UnderWay), human.Number(now.TurnedDown))
	if s := now.Store; s != nil && !s.Since.IsZero() {
		add("Reads together", "%s", sizes(s.Reads))
		add("Writes together", "%s", sizes(s.Writes))
		add("Requests", "%s, to an engine or of a file; %s sent once more", human.Number(s.Requests), human.Number(s.Retries))
	}
	return p
}

// sizes tells the sizes of batches.
func sizes(b figures.Batches) string {
	return fmt.Sprintf("%s at a time, 99 %% at most %s; %s wait", human.Number(b.Sizes.Mean()), human.Number(b.Sizes.Quantile(0.99)), human.Number(b.Waiting))
}

// kinds tells counts by kind, those that aren't 0.
func kinds[K ~string](all map[K]int64, name func(K) string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(all)) {
		if n := all[k]; n > 0 {
			parts = append(parts, human.Number(n)+" "+name(k))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// short writes a time with two digits that count.
func short(d time.Duration) string {
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "µs"}} {
		if d >= unit.of {
			return fmt.Sprintf("%.3g %s", float64(d)/float64(unit.of), unit.name)
		}
	}
	return fmt.Sprintf("%d ns", d)
}
