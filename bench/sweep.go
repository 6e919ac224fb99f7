package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the cases about sweeps.

func sweepCases() []Case {
	return []Case{{
		Name: "sweep/expired", Needs: []need{needEngine}, Most: 3,
		About:   "A million sessions that are over: our Sweep, and the engine's _delete_by_query by deadline. They are made anew for each round.",
		Favours: "Us: whole periods are over, whose indices are deleted. Where some of a period live on, documents are ended one by one.",
		Rows: []Row{{
			What: "ending 1 million expired sessions against _delete_by_query", Unit: perOp, Kind: Faster,
			Ours: []string{"sweep"}, Peers: []string{"delete_by_query"}, Goal: at(100), Least: at(50),
		}},
		Setup: setupSweep,
	}}
}

func setupSweep(b *Bench) ([]Side, error) {
	n := b.size(1_000_000, 500)
	now := time.Now()
	made := now.Add(-60 * 24 * time.Hour) // all are over, with a lifetime of 30 days
	store, e, ours, err := b.engineStore(withCopies)
	if err != nil {
		return nil, err
	}
	// The same documents, in an index like our store's, but under another name.
	plain, _, theirs, err := b.engineStore(withCopies)
	if err != nil {
		return nil, err
	}
	filled := func(name string, by cloakroom.Store) func(context.Context) error {
		return func(ctx context.Context) error {
			if _, err := e.fill(ctx, by, name, n, made); err != nil {
				return err
			}
			if _, err := e.rest(ctx, name+"-2*"); err != nil {
				return err
			}
			return e.expect(ctx, name+"-2*", n)
		}
	}
	timed := func(f func(context.Context) error) func(context.Context) (Result, error) {
		return func(ctx context.Context) (Result, error) {
			begin := time.Now()
			if err := f(ctx); err != nil {
				return Result{}, err
			}
			return Result{N: n, Metrics: map[string]float64{perOp: float64(time.Since(begin)) / float64(n)}}, nil
		}
	}
	gone := func(name string) func(context.Context) error {
		return func(ctx context.Context) error { return e.expect(ctx, name+"-2*", 0) }
	}
	return []Side{
		{
			Name: "sweep", Settings: engineSettings, Prepare: filled(ours, store), Check: gone(ours),
			Round: timed(func(ctx context.Context) error {
				report, err := store.Sweep(ctx, now)
				if err == nil && report.Dropped != 1 {
					err = fmt.Errorf("%d periods were dropped in place of 1", report.Dropped)
				}
				return err
			}),
		},
		{
			Name: "delete_by_query", Settings: engineSettings + "; scroll_size 10000, refresh at the end", Prepare: filled(theirs, plain), Check: gone(theirs),
			Round: timed(func(ctx context.Context) error {
				var answer struct {
					Deleted int `json:"deleted"`
				}
				err := e.json(ctx, http.MethodPost, "/"+theirs+"-2*/_delete_by_query?scroll_size=10000&refresh=true",
					object{"query": object{"range": object{"deadline": object{"lt": now.UnixMilli()}}}}, &answer)
				if err == nil && answer.Deleted != n {
					err = fmt.Errorf("%d documents were deleted in place of %d", answer.Deleted, n)
				}
				return err
			}),
		},
	}, nil
}

// expect fails unless the indices of a pattern hold n documents.
func (e *raw) expect(ctx context.Context, pattern string, n int) error {
	got, err := e.count(ctx, pattern)
	if err == nil && got != n {
		err = fmt.Errorf("%d documents are there in place of %d", got, n)
	}
	return err
}
