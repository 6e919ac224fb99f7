package main

import (
	"context"
	"fmt"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the cases about SQLite.

func sqliteCases() []Case {
	const parallel = 64
	single := []string{"scs+sqlite-1conn", "scs+sqlite-8conn"}
	return []Case{
		{
			Name: "sqlite/requests", Warm: 1,
			About:   "64 parallel requests that each read and write a session of their own, without a network.",
			Favours: "Us: many save at once, and so share a sync to the disk, which sqlite3store does not. With 1 caller nothing is shared (latency/sqlite-save). Few sessions, all of them hot.",
			Rows: []Row{{
				What: "durable saves/s on SQLite, 64 parallel requests, against scs sqlite3store", Unit: perSec, Kind: More,
				Ours: []string{"cloakroom+sqlite"}, Peers: single, Goal: at(8), Least: at(6),
			}},
			Setup: func(b *Bench) ([]Side, error) {
				return crowds(b, b.size(parallel, 8), pageVisit, sqliteSite, scsSQLiteSite(1), scsSQLiteSite(8))
			},
		},
		{
			Name: "sqlite/commit", Warm: 1,
			About:   "Saves by compare-and-set from 64 callers, against a loop of the same prepared updates with nobody else there.",
			Favours: "The bare loop: nobody waits for it, and it compares nothing.",
			Rows: []Row{{
				What: "SQLite group commit against a bare loop of prepared updates in transactions of 64", Unit: perSec, Kind: More,
				Ours: []string{"store"}, Peers: []string{"bare loop"}, Goal: at(0.9), Least: at(0.75),
			}},
			Setup: func(b *Bench) ([]Side, error) {
				n := b.size(20_000, 640)
				rs, err := openSQLite(b, n, withCopies)
				if err != nil {
					return nil, err
				}
				loop, err := openBare(b, n)
				if err != nil {
					return nil, err
				}
				return []Side{
					b.side("store", sqliteSettings, parallel, rs.saves(parallel), rs.check),
					b.lots("bare loop", "the same driver, file and settings; transactions of 64", 1, parallel,
						func(_ context.Context, _, turn int) error { return loop.transaction(turn, parallel) }, loop.check),
				}, nil
			},
		},
		incrementCase("sqlite", sqliteSettings, nil, func(b *Bench) (cloakroom.Store, error) {
			rs, err := openSQLite(b, 0, withCopies)
			if err != nil {
				return nil, err
			}
			return rs.store, nil
		}),
	}
}

// crowds returns a side for each site, with callers inside of it, each with some
// visitors of its own.
func crowds(b *Bench, callers int, page string, open ...func(*Bench) (*site, error)) ([]Side, error) {
	all, err := sites(b, open...)
	if err != nil {
		return nil, err
	}
	var sides []Side
	for _, s := range all {
		visitors, err := newCrowd(b, callers, b.size(32, 2), s.inside)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		sides = append(sides, b.side(s.name, s.settings, callers, visitors.at(page), visitors.check))
	}
	return sides, nil
}

// incrementCase lets 64 requests count visits, in one session and in one each.
func incrementCase(engine, settings string, needs []need, open func(*Bench) (cloakroom.Store, error)) Case {
	const parallel = 64
	return Case{
		Name: engine + "/one-session", Needs: needs, Warm: 6,
		About:   "64 parallel requests in one process that count visits: all in one session, against a session each.",
		Favours: "Us: requests of one session in one process are merged. In several processes they would meet.",
		Rows: []Row{{
			What: "64 parallel increments of one session, against separate sessions (" + engine + ")", Unit: perSec, Kind: More,
			Ours: []string{"one session"}, Peers: []string{"separate"}, Goal: better, Least: at(1),
		}},
		Setup: func(b *Bench) ([]Side, error) {
			store, err := open(b)
			if err != nil {
				return nil, err
			}
			l, err := newOurs(b, store)
			if err != nil {
				return nil, err
			}
			s := newSite("", settings, l)
			separate, err := newCrowd(b, parallel, 1, s.inside)
			if err != nil {
				return nil, err
			}
			one, err := newShared(b, parallel, s)
			if err != nil {
				return nil, err
			}
			return []Side{
				b.side("one session", settings, parallel, one.increment, one.check),
				b.side("separate", settings, parallel, separate.at(pageVisit), separate.check),
			}, nil
		},
	}
}

// shared is one session that callers have open side by side.
type shared struct {
	tabs   crowd
	counts []int // by caller
}

func newShared(ctx context.Context, callers int, s *site) (*shared, error) {
	tabs, err := newCrowd(ctx, callers, 1, s.inside)
	if err != nil {
		return nil, err
	}
	for _, c := range tabs {
		c[0].cookie = tabs[0][0].cookie
	}
	return &shared{tabs, make([]int, callers)}, nil
}

func (s *shared) increment(ctx context.Context, caller, _ int) error {
	n, err := s.tabs[caller][0].get(ctx, pageVisit)
	if err != nil {
		return err
	}
	if s.counts[caller]++; n < s.counts[caller] {
		return fmt.Errorf("a caller's visit %d was counted as %d", s.counts[caller], n)
	}
	return nil
}

func (s *shared) check(ctx context.Context) error {
	v := s.tabs[0][0]
	v.visits = 0
	for _, n := range s.counts {
		v.visits += n
	}
	return v.look(ctx, pageAll)
}
