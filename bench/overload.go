package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

// What callers get when more of them come than can be served.

// goodput is how many requests a second were answered well and in time.
const goodput = "good/s"

// inTime is what a visitor waits for.
const inTime = time.Second

func overloadCases() []Case {
	offered := []float64{0.25, 0.5, 1, 2, 3, 4} // of what can be served
	flat := func(engine string, needs []need, open func(*Bench) (*site, error), peers ...func(*Bench) (*site, error)) Case {
		var served []string
		for _, x := range offered {
			served = append(served, offeredName("cloakroom+"+engine, x))
		}
		return Case{
			Name: "overload/" + engine, Needs: needs,
			About: fmt.Sprintf("Requests that read and write a session arrive at a rate, whether or not earlier ones are answered. "+
				"Those answered with 200 within %v count; 1 is what 64 callers reach who wait for their answers.", inTime),
			Rows: []Row{{
				What: "goodput at 4 times the capacity, against the best at any load (" + engine + ")", Unit: goodput, Kind: More,
				Ours: served[len(served)-1:], Peers: served, Goal: at(0.9), Least: at(0.8),
			}},
			Plot: &Plot{Title: "Goodput by offered load, " + engine, X: "offered load, 1 is capacity", Y: "good answers/s", Unit: goodput},
			Setup: func(b *Bench) ([]Side, error) {
				all, err := sites(b, append([]func(*Bench) (*site, error){open}, peers...)...)
				if err != nil {
					return nil, err
				}
				var sides []Side
				for _, s := range all {
					more, err := overloaded(b, s, offered)
					if err != nil {
						return nil, fmt.Errorf("%s: %w", s.name, err)
					}
					sides = append(sides, more...)
				}
				return sides, nil
			},
		}
	}
	return []Case{
		flat("sqlite", nil, sqliteSite),
		flat("opensearch", []need{needEngine}, engineSite, plainSite(false)),
	}
}

func offeredName(name string, x float64) string { return fmt.Sprintf("%s/offered=%v", name, x) }

func overloaded(b *Bench, s *site, offered []float64) ([]Side, error) {
	callers := b.size(64, 8)
	// Each visitor has a browser of its own, as any number of them may be waiting.
	visitors, err := newCrowd(b, b.size(30_000, 500), 1, s.inside)
	if err != nil {
		return nil, err
	}
	var capacity float64
	for range 3 { // the first ones warm up
		r, err := closed(b, b.span(), callers, visitors.at(pageVisit))
		if err != nil {
			return nil, err
		}
		capacity = max(capacity, r.Metrics[perSec])
	}
	span := 2 * b.span()
	free := newTickets(len(visitors))
	unknown := make([]int, len(visitors)) // visits that may have been counted
	check := once(func(ctx context.Context) error {
		return share(ctx, crowding, len(visitors), func(ctx context.Context, i int) error {
			v := visitors[i][0]
			n, err := v.get(ctx, pageAll)
			if err == nil && (n < v.visits && !s.lossy || n > v.visits+unknown[i]) {
				err = fmt.Errorf("visitor %d: %d visits were acknowledged, of %d it can't be known, and %d are there", i, v.visits, unknown[i], n)
			}
			return err
		})
	})
	var sides []Side
	for _, x := range offered {
		sides = append(sides, Side{
			Name: offeredName(s.name, x), Series: s.name, X: x, Settings: s.settings, Check: check,
			Round: func(ctx context.Context) (Result, error) {
				var good, refused, late atomic.Int64
				end := time.Now().Add(span)
				r, err := open(ctx, span, x*capacity, func(ctx context.Context, _ int) error {
					i, ok := free.take()
					if !ok {
						return errBehind // nobody is left who could ask
					}
					defer free.give(i)
					v := visitors[i][0]
					ctx, cancel := context.WithTimeout(ctx, inTime)
					defer cancel()
					_, err := v.get(ctx, pageVisit)
					switch status, _ := errors.AsType[*statusError](err); {
					case err == nil:
						v.visits++
						switch {
						case ctx.Err() != nil:
							late.Add(1)
						case time.Now().Before(end): // else it is of the time when nobody comes any more
							good.Add(1)
						}
					case status != nil && status.status == http.StatusServiceUnavailable:
						unknown[i]++
						refused.Add(1)
					default:
						unknown[i]++
						late.Add(1)
					}
					return err
				})
				if err != nil {
					return r, err
				}
				seconds := span.Seconds()
				r.N = max(1, int(x*capacity*seconds)) // refused and late ones as well
				r.Metrics[goodput] = float64(good.Load()) / seconds
				r.Metrics["refused/s"] = float64(refused.Load()) / seconds
				r.Metrics["late/s"] = float64(late.Load()) / seconds
				return r, nil
			},
		})
	}
	return sides, nil
}
