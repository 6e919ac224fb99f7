package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file is the cases about the cost of a session in a request, without a network:
// one goroutine, one visitor after the other, records in memory.

func middlewareCases() []Case {
	speed := func(what string, goal, least Bound) Row {
		return Row{What: what, Unit: perOp, Kind: Faster, Ours: []string{"cloakroom+memory"}, Peers: []string{"scs+memory"}, Goal: goal, Least: least}
	}
	lean := func(what string, limit Bound) Row {
		return Row{What: what + ": our allocations", Unit: allocs, Kind: Alone, Ours: []string{"cloakroom+memory"}, Goal: limit, Least: limit}
	}
	return []Case{
		{
			Name:    "middleware/untouched",
			About:   "A request with a valid cookie whose handler doesn't look at its session.",
			Favours: "Us: scs loads and decodes a session for each request, whether or not it is used, and few sites have many such pages.",
			Rows:    []Row{speed("no session touched, against scs memstore: time", at(40), at(25)), lean("no session touched", at(4))},
			Setup:   inProcess(pageUntouched),
		},
		{
			Name:    "middleware/read",
			About:   "The handler reads two of the session's five values.",
			Favours: "Us: 1000 visitors come in turn, few enough for all their checked tokens to be remembered, and two of five values are decoded where scs decodes all. A whole request over a network costs several times as much, so there the difference is small.",
			Rows:    []Row{speed("session read, against scs memstore: time", at(10), at(8)), lean("session read", at(10))},
			Setup:   inProcess(pageRead),
		},
		{
			Name:    "middleware/write",
			About:   "The handler reads two values and changes one.",
			Favours: "Us: as middleware/read.",
			Rows:    []Row{speed("session read and written, against scs memstore: time", at(9), at(7)), lean("session read and written", at(20))},
			Setup:   inProcess(pageVisit),
		},
		{
			Name:    "middleware/all",
			About:   "The handler reads all five values.",
			Favours: "As middleware/read, but all values are decoded on all sides.",
			Rows:    []Row{speed("all values read, against scs memstore: time", untold, untold)},
			Setup:   inProcess(pageAll),
		},
		{
			Name:    "middleware/forged",
			About:   "The handler asks for its session; the cookie's token has one letter of its signature changed.",
			Favours: "Neither: both sides are ours.",
			Rows: []Row{
				{What: "forged token against an accepted one: time", Unit: perOp, Kind: Share, Ours: []string{"forged"}, Peers: []string{"accepted"}, Goal: better, Least: at(1)},
				{What: "forged token: store operations", Unit: storeOps, Kind: Alone, Ours: []string{"forged"}, Goal: at(0), Least: at(0)},
			},
			Setup: setupForged,
		},
	}
}

// sites opens the sites, in order.
func sites(b *Bench, open ...func(*Bench) (*site, error)) ([]*site, error) {
	var all []*site
	for _, f := range open {
		s, err := f(b)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func inProcess(page string) func(*Bench) ([]Side, error) {
	return func(b *Bench) ([]Side, error) {
		all, err := sites(b, memorySite, scsMemorySite, gorillaCookieSite, gorillaFileSite, fiberSite)
		if err != nil {
			return nil, err
		}
		var sides []Side
		for _, s := range all {
			visitors, err := newCrowd(b, 1, b.size(1000, 10), s.inside)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			request, turn := visitors.at(page), 0
			sides = append(sides, Side{
				Name: s.name, Settings: s.settings, Check: visitors.check,
				Round: func(ctx context.Context) (Result, error) {
					return b.alone(func() error {
						turn++
						return request(ctx, 0, turn)
					})
				},
			})
		}
		return sides, nil
	}
}

const storeOps = "store-ops/op"

// counted counts the operations that reach a store.
type counted struct {
	cloakroom.Store
	n atomic.Int64
}

func (c *counted) Get(ctx context.Context, id cloakroom.ID) (*driver.Record, error) {
	c.n.Add(1)
	return c.Store.Get(ctx, id)
}

func (c *counted) Create(ctx context.Context, r *driver.Record) (driver.Version, error) {
	c.n.Add(1)
	return c.Store.Create(ctx, r)
}

func (c *counted) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	c.n.Add(1)
	return c.Store.Update(ctx, r)
}

func (c *counted) Bury(ctx context.Context, id cloakroom.ID, g driver.Grave, v driver.Version) error {
	c.n.Add(1)
	return c.Store.Bury(ctx, id, g, v)
}

func setupForged(b *Bench) ([]Side, error) {
	kept := memstore.New(nil)
	b.Cleanup(kept.Close)
	store := &counted{Store: kept}
	l, err := newOurs(b, store)
	if err != nil {
		return nil, err
	}
	honest := &visitor{browser: newInside(application(l))}
	if _, err := honest.get(b, pageBegin); err != nil {
		return nil, err
	}
	if err := honest.count(b, pageVisit); err != nil { // an empty session has no count
		return nil, err
	}
	// The last letter has unused bits; the one before it is all signature.
	letters := []byte(honest.cookie)
	at := len(letters) - 2
	if letters[at]++; !bytes.ContainsAny(letters[at:at+1], base64Letters) {
		letters[at] = 'A'
	}
	open := l.wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := l.m.Session(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer(w, keyVisits.Get(s))
	}))
	side := func(name string, v *visitor) Side {
		return Side{
			Name: name, Settings: "memstore",
			Round: func(ctx context.Context) (Result, error) {
				ops, before := 0, store.n.Load()
				r, err := b.alone(func() error {
					ops++
					return v.look(ctx, pageRead)
				})
				if err == nil {
					r.Metrics[storeOps] = float64(store.n.Load()-before) / float64(ops)
				}
				return r, err
			},
			Check: func(ctx context.Context) error {
				if err := v.look(ctx, pageRead); err != nil {
					return err
				}
				return honest.look(ctx, pageAll)
			},
		}
	}
	return []Side{
		side("accepted", &visitor{browser: newInside(open), cookie: honest.cookie, visits: honest.visits}),
		side("forged", &visitor{browser: newInside(open), cookie: string(letters)}),
	}, nil
}

const base64Letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
