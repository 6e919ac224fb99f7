package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/alecthomas/kong"

	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/place"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/human"
	"github.com/cloakroom-go/cloakroom/internal/listing"
)

// This file is "cloakroom ls".

type lsCommand struct {
	State  string `enum:"live,expired,ended,all" default:"live" placeholder:"STATE" help:"live; expired: they are over, and nobody has ended them yet; ended: signed out, revoked and the like, as long as the store remembers; or all. Default: live."`
	Order  string `enum:"newest,oldest,seen" default:"newest" placeholder:"ORDER" help:"newest or oldest by the time of making, or seen: used last first. Sessions that have ended come by their end. Default: newest."`
	Reason string `enum:",destroyed,replaced,revoked,limit,expired,abandoned" default:"" placeholder:"REASON" help:"Ended sessions that ended because of this: destroyed (signed out), replaced, revoked, limit, expired or abandoned."`
	Limit  int    `default:"50" placeholder:"N" help:"So many at most; 0 for all. Default: 50."`
	After  string `placeholder:"CURSOR" help:"Go on behind a page: the cursor that the page ended with."`
	Wide   bool   `help:"Cut nothing to fit."`
	filterFlags
	storeFlags
}

// Help implements kong.HelpProvider.
func (*lsCommand) Help() string {
	return `Of ended sessions --older-than and --newer-than mean the time since the end. Values are not shown, only their size. Nothing is changed. A list trails the latest changes of an engine's store by some seconds.

Examples:

    cloakroom ls --store sqlite:sessions.db
    cloakroom ls --store sqlite:sessions.db --principal ann --state all
    cloakroom ls --store https://engine:9200 --address 203.0.113.0/24 --used-within 1h
    cloakroom ls --store sqlite:sessions.db --state ended --reason revoked --newer-than 1d --json`
}

// lsResult is the command's members of the result.
type lsResult struct {
	Sessions  int    `json:"sessions"`
	After     string `json:"after,omitempty"`     // the next page's cursor
	Truncated bool   `json:"truncated,omitempty"` // --scan bounded the page
}

// Run lists sessions.
func (c *lsCommand) Run(t *terminal, flags *kong.Context) error {
	now := time.Now()
	l, err := c.list(flags, now)
	if err != nil {
		return err
	}
	o, err := c.open(t, flags, place.Look)
	if err != nil {
		return err
	}
	defer o.close()
	l.Query.App = o.app
	var page listing.Page
	n := 0
	table := newSessionTable(t.stdout, c.Wide, now)
	p := t.progress("sessions listed", 0)
	for rec, e := range l.Each(t.ctx, o.Store, c.After, c.Limit, &page) {
		if err = e; err != nil {
			break
		}
		n++
		p.add(1)
		if t.json {
			t.emit(lineOf(rec, now))
			continue
		}
		table.add(lineOf(rec, now))
		if n%1000 == 0 {
			table.flush()
		}
	}
	p.stop()
	table.flush()
	t.result(lsResult{n, page.Next, page.Truncated})
	switch {
	case errors.Is(err, listing.ErrCursor):
		return misuse("--after: " + err.Error())
	case isTruncated(err):
		return fmt.Errorf("%w (--scan 0 takes the bound away)", err)
	case err != nil:
		return err
	}
	c.tellRest(t, o, n, page)
	return nil
}

// list returns what the flags ask for.
func (c *lsCommand) list(flags *kong.Context, now time.Time) (*listing.List, error) {
	q, err := c.query(flags, now)
	if err != nil {
		return nil, err
	}
	if c.Order == string(listing.Seen) && !slices.Contains(given(flags), "scan") {
		q.Scan = 0 // that order may need a look at all, and is of no use otherwise
	}
	if c.Limit < 0 {
		return nil, misuse("--limit: give how many, or 0 for all")
	}
	l := &listing.List{Query: q, State: listing.State(c.State), Order: listing.Order(c.Order), Now: now, Reason: driver.EndReason(c.Reason)}
	if l.State == listing.Ended || l.State == listing.All {
		l.EndedFrom, l.EndedTo = q.CreatedFrom, q.CreatedTo
	} else if c.Reason != "" {
		return nil, misuse("--reason is that of ended sessions: add --state ended")
	}
	if c.Reason != "" && l.State == listing.All {
		return nil, misuse("--reason is that of ended sessions: give --state ended in place of all")
	}
	if err := l.Check(); err != nil {
		return nil, misuse(fmt.Sprintf("--state %s: %v", c.State, err))
	}
	return l, nil
}

// tellRest tells people whether there is more.
func (c *lsCommand) tellRest(t *terminal, o *openedStore, n int, page listing.Page) {
	if n == 0 && page.Next == "" && c.After == "" && !o.chosen {
		if hint := o.otherApps(t.ctx); hint != "" {
			t.note("%s", hint)
			return
		}
	}
	switch {
	case t.json:
	case page.Truncated:
		t.warn("%s sessions were looked at in vain. To look further: --after %s", human.Number(int64(c.Scan)), page.Next)
	case page.Next != "":
		t.warn("There are more: --after %s", page.Next)
	case n == 0:
		t.warn("There are none.")
	}
}

// isTruncated reports whether Query.Scan bounded a search.
func isTruncated(err error) bool {
	_, is := errors.AsType[*driver.TruncatedError](err)
	return is
}
