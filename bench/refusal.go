package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file is the case about the cost of a refusal: what a request costs that is turned
// down because the store has more to do than it can.

func refusalCase() Case {
	row := func(what, unit string, kind Kind, ours string, goal, least Bound) Row {
		r := Row{What: what, Unit: unit, Kind: kind, Ours: []string{ours}, Goal: goal, Least: least}
		if kind == Share {
			r.Peers = []string{"read"}
		}
		return r
	}
	return Case{
		Name:    "middleware/refused",
		About:   "A request with a valid cookie that is turned down: before its handler begins (Config.RefuseEarly), and when the handler asks for its session. Beside it a request that reads two of its session's values, as in middleware/read. The store stands still while more operations are under way than it carries out.",
		Favours: "Neither: all three sides are ours. A real rush adds what net/http does for each request, which is more than the refusal.",
		Rows: []Row{
			row("a refusal (Config.RefuseEarly) against a middleware read: time", perOp, Share, "refused early", at(0.1), at(0.25)),
			row("a refusal (Config.RefuseEarly): our allocations", allocs, Alone, "refused early", at(0), at(1)),
			row("a refusal when the handler asks for its session, against a middleware read: time", perOp, Share, "refused at its session", untold, untold),
		},
		Setup: setupRefusal,
	}
}

// held is a store whose reads wait while it is held.
type held struct {
	cloakroom.Store
	gate    atomic.Pointer[chan struct{}]
	entered atomic.Int64 // reads
}

func (h *held) Get(ctx context.Context, id cloakroom.ID) (*driver.Record, error) {
	h.entered.Add(1)
	if gate := h.gate.Load(); gate != nil {
		select {
		case <-*gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return h.Store.Get(ctx, id)
}

// crush is visitors at a site whose store stands still, so that others are turned down.
type crush struct {
	store    *held
	visitors []*visitor // who are turned down
	waiting  crowd      // whose reads are under way
	letGo    func() error
	entered  int64 // reads before the refusals
}

func setupRefusal(b *Bench) ([]Side, error) {
	reader, err := memorySite(b)
	if err != nil {
		return nil, err
	}
	readers, err := newCrowd(b, 1, b.size(1000, 10), reader.inside)
	if err != nil {
		return nil, err
	}
	c, err := newCrush(b)
	if err != nil {
		return nil, err
	}
	check := once(c.check)
	turn := 0
	read := readers.at(pageRead)
	side := func(name, page string) Side {
		return Side{Name: name, Settings: "in memory, no durability; the store stands still", Check: check, Round: func(ctx context.Context) (Result, error) {
			return b.alone(func() error {
				turn++
				return c.refused(ctx, turn, page)
			})
		}}
	}
	return []Side{
		side("refused early", pageRead),
		side("refused at its session", pageAll),
		{Name: "read", Settings: "in memory, no durability", Check: readers.check, Round: func(ctx context.Context) (Result, error) {
			return b.alone(func() error {
				turn++
				return read(ctx, 0, turn)
			})
		}},
	}, nil
}

// newCrush has so many requests wait for the store that others are turned down.
func newCrush(b *Bench) (*crush, error) {
	kept := memstore.New(nil)
	b.Cleanup(kept.Close)
	c := &crush{store: &held{Store: kept}}
	l, err := newOursWith(b, c.store, func(config *cloakroom.Config) {
		config.SaveTimeout = time.Hour // nobody who waits gives up while others are measured
		config.RefuseEarly = func(r *http.Request) bool { return r.URL.Path != pageAll }
	})
	if err != nil {
		return nil, err
	}
	s := newSite("", "", l)
	own, err := newCrowd(b, 1, b.size(1000, 10), s.inside)
	if err != nil {
		return nil, err
	}
	c.visitors = own[0]
	const several = 512 // more than are never too many
	if c.waiting, err = newCrowd(b, several, 1, s.inside); err != nil {
		return nil, err
	}
	c.hold(b)
	return c, c.await(b)
}

// hold has the store stand still, until letGo.
func (c *crush) hold(b *Bench) {
	gate := make(chan struct{})
	c.store.gate.Store(&gate)
	answers := make(chan error, len(c.waiting))
	for _, w := range c.waiting {
		go func() { answers <- w[0].look(b, pageRead) }()
	}
	c.letGo = sync.OnceValue(func() error {
		close(gate)
		var errs []error
		for range c.waiting {
			errs = append(errs, <-answers)
		}
		return errors.Join(errs...)
	})
	b.Cleanup(func() error { _ = c.letGo(); return nil }) // check has the error
}

// await waits until a request is turned down: the limit falls while the store does nothing.
func (c *crush) await(b *Bench) error {
	for c.store.entered.Load() < int64(len(c.waiting)) {
		if err := pause(b, time.Millisecond); err != nil {
			return err
		}
	}
	c.entered = c.store.entered.Load()
	for end := time.Now().Add(30 * time.Second); ; {
		ctx, cancel := context.WithTimeout(b, time.Second)
		err := c.refused(ctx, 0, pageRead)
		cancel()
		if err == nil {
			break
		}
		if time.Now().After(end) {
			return fmt.Errorf("nobody is turned down: %w", err)
		}
	}
	c.entered = c.store.entered.Load()
	return nil
}

// refused asks for a page, and fails unless the request is turned down.
func (c *crush) refused(ctx context.Context, turn int, page string) error {
	v := c.visitors[turn%len(c.visitors)]
	status, _, body, err := v.ask(ctx, page, v.cookie)
	if err == nil && status != http.StatusServiceUnavailable {
		err = fmt.Errorf("%s: status %d in place of a refusal: %.200s", page, status, body)
	}
	return err
}

// check fails if a refusal came to the store. When the store goes on, all who waited are
// answered well, and so are those who were turned down.
func (c *crush) check(ctx context.Context) error {
	if n := c.store.entered.Load() - c.entered; n != 0 {
		return fmt.Errorf("%d requests came to the store in place of being turned down", n)
	}
	if err := c.letGo(); err != nil {
		return err
	}
	if err := c.waiting.check(ctx); err != nil {
		return err
	}
	return crowd{c.visitors}.check(ctx)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
