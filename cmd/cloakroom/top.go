package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"

	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/place"
	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/toplist"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/human"
)

// This file is "cloakroom top".

type topCommand struct {
	Limit  int  `default:"10" placeholder:"N" help:"So many of each. Default: 10."`
	Sample int  `default:"10000" placeholder:"N" help:"Look at so many sessions if there are more. Default: 10000."`
	All    bool `help:"Look at all sessions, however many."`
	Wide   bool `help:"Cut nothing to fit."`
	storeFlags
}

// Help implements kong.HelpProvider.
func (*topCommand) Help() string {
	return `The biggest sessions, and the principals with most of them. Of a large store a sample is looked at, spread evenly over the time in which the sessions were made: then a big session may be missed. It says so. The numbers of principals' sessions are counted, and not estimated.

Examples:

    cloakroom top --store sqlite:sessions.db
    cloakroom top --store https://engine:9200 --all --json`
}

// principalLine is a principal with its sessions, in JSON.
type principalLine struct {
	Type      string `json:"type"` // principal
	Principal string `json:"principal"`
	Sessions  int64  `json:"sessions"` // live
}

// topResult is the command's members of the result.
type topResult struct {
	Sessions int64 `json:"sessions"` // that the store has of the app, with those that are over
	Looked   int64 `json:"looked"`   // that were looked at
	Sampled  bool  `json:"sampled"`  // not all were
}

// topping is a top under way.
type topping struct {
	*topCommand
	topResult
	t       *terminal
	o       *openedStore
	now     time.Time
	biggest *toplist.Largest[*driver.Record]
	whose   *toplist.Frequent
}

// followed bounds the principals that are followed at a time.
const followed = 100_000

// Run finds them.
func (c *topCommand) Run(t *terminal, flags *kong.Context) error {
	if c.Limit < 1 || c.Sample < 1 {
		return misuse("--limit and --sample: at least 1 is needed")
	}
	o, err := c.open(t, flags, place.Look)
	if err != nil {
		return err
	}
	defer o.close()
	x := &topping{topCommand: c, t: t, o: o, now: time.Now(), biggest: toplist.NewLargest[*driver.Record](c.Limit), whose: toplist.NewFrequent(followed)}
	defer func() { t.result(x.topResult) }()
	sum, err := o.admin.Summarize(t.ctx, driver.Query{})
	if err != nil {
		return err
	}
	x.Sessions = sum.Records
	x.Sampled = !c.All && x.Sessions > int64(c.Sample)
	if err := x.look(); err != nil {
		return err
	}
	principals, err := x.principals()
	if err != nil {
		return err
	}
	x.tell(principals)
	if x.Sessions == 0 && !o.chosen {
		if hint := o.otherApps(t.ctx); hint != "" {
			t.note("%s", hint)
		}
	}
	return nil
}

// look looks at all sessions, or at a sample of them.
func (x *topping) look() error {
	total := x.Sessions
	if x.Sampled {
		total = int64(x.Sample)
	}
	p := x.t.progress("sessions looked at", total)
	defer p.stop()
	queries := []driver.Query{{App: x.o.app}}
	if x.Sampled {
		var err error
		if queries, err = x.windows(); err != nil {
			return err
		}
	}
	for _, q := range queries {
		for rec, err := range x.o.Search(x.t.ctx, q) {
			if err != nil {
				return err
			}
			x.Looked++
			p.add(1)
			if isOver(rec, x.now) {
				continue
			}
			x.biggest.Add(rec, int64(bytesOf(rec)))
			if rec.Principal != "" {
				x.whose.Add(rec.Principal)
			}
		}
	}
	return nil
}

// sampleWindows is the number of places in time at which a sample looks.
const sampleWindows = 40

// windows returns the searches of a sample: as many sessions from each of some windows of
// the time in which all were made.
func (x *topping) windows() (all []driver.Query, err error) {
	var ends [2]time.Time
	for i, order := range []driver.Order{driver.OrderCreated, driver.OrderNewest} {
		for rec, err := range x.o.Search(x.t.ctx, driver.Query{App: x.o.app, Order: order, Limit: 1}) {
			if err != nil {
				return nil, err
			}
			ends[i] = rec.Created
		}
	}
	each := max(x.Sample/sampleWindows, 1)
	step := max(ends[1].Sub(ends[0])/sampleWindows, time.Millisecond)
	for i := range sampleWindows {
		from := ends[0].Add(time.Duration(i) * step).Truncate(time.Millisecond)
		q := driver.Query{App: x.o.app, CreatedFrom: from, CreatedTo: from.Add(step), Limit: each}
		if i == sampleWindows-1 {
			q.CreatedTo = time.Time{}
		}
		all = append(all, q)
	}
	return all, nil
}

// principals counts the sessions of those that were met most often.
func (x *topping) principals() ([]principalLine, error) {
	counts := toplist.NewLargest[string](x.Limit)
	for _, name := range x.whose.Top(2 * x.Limit) {
		sum, err := x.o.admin.Summarize(x.t.ctx, driver.Query{Principal: name, ExpiresFrom: x.now})
		if err != nil {
			return nil, err
		}
		counts.Add(name, sum.Records)
	}
	var all []principalLine
	counts.Each(func(name string, n int64) { all = append(all, principalLine{"principal", name, n}) })
	return all, nil
}

// tell tells both lists.
func (x *topping) tell(principals []principalLine) {
	if x.t.json {
		x.biggest.Each(func(rec *driver.Record, _ int64) { x.t.emit(lineOf(rec, x.now)) })
		for _, l := range principals {
			x.t.emit(l)
		}
		return
	}
	what := fmt.Sprintf("of %s", human.Counted(x.Sessions, "session"))
	if x.Sampled {
		what = fmt.Sprintf("of a sample of %s of %s; --all looks at all", human.Number(x.Looked), human.Counted(x.Sessions, "session"))
	}
	x.t.say("The biggest (%s):", what)
	table := newSessionTable(x.t.stdout, x.Wide, x.now)
	x.biggest.Each(func(rec *driver.Record, _ int64) { table.add(lineOf(rec, x.now)) })
	table.flush()
	x.t.say("\nPrincipals with most sessions:")
	w := tabwriter.NewWriter(x.t.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, l := range principals {
		_, _ = fmt.Fprintf(w, "%s\t  %s\n", human.Number(l.Sessions), strings.TrimSpace(human.Printable(plain(l.Principal))))
	}
	_ = w.Flush()
}
