package main

import (
	"context"
	"sync/atomic"
)

// This file is the cases about latency.

func latencyCases() []Case { //nolint:funlen // a table of cases
	against := func(what, ours string) Row {
		return Row{
			What: "p50 latency with 1 caller against a single raw operation: " + what, Unit: half, Kind: Share,
			Ours: []string{ours}, Peers: []string{"raw"}, Goal: at(1.1), Least: at(1.25),
		}
	}
	alone := func(name, what, about string, needs []need, setup func(b *Bench) ([]Side, error)) Case {
		return Case{Name: "latency/" + name, About: about, Favours: "The raw side: it checks no version and makes no record of what it gets.", Needs: needs, Warm: 8, Rows: []Row{against(what, "store")}, Setup: setup}
	}
	engine := []need{needEngine}
	return []Case{
		{
			Name: "latency/sqlite-read", Warm: 8,
			About:   "One caller's reads, against a prepared SELECT of the same rows. store has read or written each session before, store-copies keeps nothing.",
			Favours: "Us, by copies (not store-copies); the raw side, in that it does nothing with what it gets.",
			Rows: []Row{against("SQLite read", "store"), {
				What: "p50 latency with 1 caller against a single raw operation: SQLite read without copies", Unit: half, Kind: Share,
				Ours: []string{"store-copies"}, Peers: []string{"raw"}, Goal: untold, Least: untold,
			}},
			Setup: func(b *Bench) ([]Side, error) {
				sides, err := besideBare(b, (*records).reads, func(s *bare) load {
					return func(_ context.Context, _, turn int) error { return s.read(turn) }
				})
				if err != nil {
					return nil, err
				}
				rs, err := openSQLite(b, b.size(20_000, 100), withoutCopies)
				if err != nil {
					return nil, err
				}
				return append(sides, b.side("store-copies", wholeSQLite, 1, rs.reads(1), rs.check)), nil
			},
		},
		alone("sqlite-save", "SQLite save", "One caller's saves, against a prepared UPDATE in a transaction.", nil, func(b *Bench) ([]Side, error) {
			return besideBare(b, (*records).saves, func(s *bare) load {
				return func(_ context.Context, _, turn int) error { return s.transaction(turn, 1) }
			})
		}),
		{
			Name: "latency/opensearch-read", Needs: engine, Warm: 8,
			About:   "One caller's reads, against GET requests. store has read or written each session before, store-copies keeps nothing.",
			Favours: "Us, by copies (not store-copies); the raw side, in that it does nothing with what it gets.",
			Rows:    []Row{against("OpenSearch read", "store"), against("OpenSearch read without copies", "store-copies")},
			Setup: func(b *Bench) ([]Side, error) {
				sides, err := besideSingle(b, (*records).reads, (*single).reads)
				if err != nil {
					return nil, err
				}
				rs, err := openEngine(b, b.size(2000, 100), withoutCopies)
				if err != nil {
					return nil, err
				}
				return append(sides, b.side("store-copies", wholeSettings, 1, rs.reads(1), rs.check)), nil
			},
		},
		alone("opensearch-save", "OpenSearch save", "One caller's compare-and-set saves, against PUT requests.", engine, func(b *Bench) ([]Side, error) {
			return besideSingle(b, (*records).saves, (*single).saves)
		}),
		{
			Name: "latency/same-load", Needs: engine, Warm: 6,
			About:   "Sessions are read and saved in OpenSearch, half and half, at 70 % of what one operation per request reaches with 64 callers. Latencies count from when an operation was due.",
			Favours: "Us: the load is a share of what the peer can do, and we can do more.",
			Rows: []Row{{
				What: "p99 under the load of 64 callers, against one operation per request at the same offered load", Unit: tail, Kind: Share,
				Ours: []string{"store"}, Peers: []string{"single"}, Goal: better, Least: at(1),
			}},
			Plot:  &Plot{Title: "Latency at the same offered load", X: "share of operations", Y: "took at most, ms", Distribution: true},
			Setup: setupSameLoad,
		},
	}
}

func besideBare(b *Bench, ours func(*records, int) load, theirs func(*bare) load) ([]Side, error) {
	n := b.size(20_000, 100)
	rs, err := openSQLite(b, n, withCopies)
	if err != nil {
		return nil, err
	}
	s, err := openBare(b, n)
	if err != nil {
		return nil, err
	}
	return []Side{
		b.side("store", sqliteSettings, 1, ours(rs, 1), rs.check),
		b.side("raw", sqliteSettings, 1, theirs(s), s.check),
	}, nil
}

func besideSingle(b *Bench, ours func(*records, int) load, theirs func(*single, int) load) ([]Side, error) {
	n := b.size(2000, 100)
	rs, err := openEngine(b, n, withCopies)
	if err != nil {
		return nil, err
	}
	s, err := openSingle(b, n)
	if err != nil {
		return nil, err
	}
	return []Side{
		b.side("store", engineSettings, 1, ours(rs, 1), rs.check),
		b.side("raw", engineSettings, 1, theirs(s, 1), s.check),
	}, nil
}

func setupSameLoad(b *Bench) ([]Side, error) {
	callers, n := b.size(64, 8), b.size(8192, 512)
	rs, err := openEngine(b, n, withCopies)
	if err != nil {
		return nil, err
	}
	s, err := openSingle(b, n)
	if err != nil {
		return nil, err
	}
	half := func(read, save load) load {
		return func(ctx context.Context, caller, turn int) error {
			if turn%2 == 0 {
				return read(ctx, caller, turn/2)
			}
			return save(ctx, caller, turn/2)
		}
	}
	capacity, err := closed(b, b.span(), callers, half(s.reads(callers), s.saves(callers)))
	if err != nil {
		return nil, err
	}
	rate := 0.7 * capacity.Metrics[perSec]
	// Each operation has a session that no other operation under way has: there are as
	// many callers as sessions, with one operation each at a time.
	side := func(name string, op load, check func(context.Context) error) Side {
		free := newTickets(n)
		return Side{Name: name, Settings: engineSettings, Check: check, Round: func(ctx context.Context) (Result, error) {
			var first atomic.Pointer[error]
			r, err := open(ctx, b.span(), rate, all(func(ctx context.Context, i int) error {
				// A side that is far behind waits here, which counts.
				session, err := free.wait(ctx)
				if err == nil {
					err = op(ctx, session, i)
					free.give(session)
				}
				if err != nil {
					first.CompareAndSwap(nil, &err)
				}
				return err
			}))
			if e := first.Load(); err == nil && e != nil {
				err = *e
			}
			return r, err
		}}
	}
	return []Side{
		side("store", half(rs.reads(n), rs.saves(n)), rs.check),
		side("single", half(s.reads(n), s.saves(n)), s.check),
	}, nil
}

// tickets are the sessions that no operation under way uses.
type tickets chan int

func newTickets(n int) tickets {
	t := make(tickets, n)
	for i := range n {
		t <- i
	}
	return t
}

func (t tickets) take() (int, bool) {
	select {
	case i := <-t:
		return i, true
	default:
		return 0, false
	}
}

// wait takes a session as soon as one is free.
func (t tickets) wait(ctx context.Context) (int, error) {
	select {
	case i := <-t:
		return i, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (t tickets) give(i int) { t <- i }
