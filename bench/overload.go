package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// This file is the cases of overload: more callers come than can be served.

// goodput is the unit of requests that are answered well and in time.
const goodput = "good/s"

// inTime is the time that a visitor waits.
const inTime = time.Second

func overloadCases() []Case {
	inProcess, fewer := []float64{0.25, 0.5, 1, 2, 3, 4}, []float64{0.5, 1, 2, 4} // of the capacity
	sqlite := overloadCase("sqlite", "cloakroom+sqlite", 0.82, noNetwork, inProcess, eager(sqliteSite))
	sqlite.Rows = append(sqlite.Rows, againstWaiting("sqlite", "cloakroom+sqlite", at(0.7), at(0.6)))
	sockets := overloadCase("sqlite-sockets", "cloakroom+sqlite", 0.82, sockets, fewer, eager(sqliteSite))
	sockets.About += " Requests come over loopback, by up to 4096 connections, and wait for one that is free. What couldn't be offered, since clients and server share the machine, is missing in offered/s."
	sockets.Favours = "The peer of each row, fewer requests: what it takes to send, to receive and to parse one that is turned down is taken from the others, and none of it is the library's."
	sockets.Rows[0].Goal, sockets.Rows[0].Least = untold, untold
	sockets.Rows = append(sockets.Rows, againstWaiting("sqlite-sockets", "cloakroom+sqlite", untold, untold))
	engine := overloadCase("opensearch", "cloakroom+opensearch", 0.8, noNetwork, fewer, eager(ourEngineSite), plainSite(false))
	engine.Needs = []need{needEngine}
	return []Case{sqlite, sockets, engine}
}

func overloadCase(name, ours string, least float64, by way, offered []float64, open ...func(*Bench) (*site, error)) Case {
	var served []string
	for _, x := range offered {
		served = append(served, offeredName(ours, x))
	}
	return Case{
		Name: "overload/" + name, Most: 3,
		About: fmt.Sprintf("Requests that read and write a session arrive at a rate, whether or not earlier ones are answered. "+
			"Those answered with 200 within %v count; 1 is what callers reach who wait for their answers, the better of 64 and 256. "+
			"What is turned down gets 503 with Retry-After. Clients, server and engine share the machine.", inTime),
		Favours: "Us: requests come without a network, which would cost each that is turned down more than we do. overload/sqlite-sockets has them by sockets.",
		Rows: []Row{{
			What: "goodput at 4 times the capacity, against the best at any load (" + name + ")", Unit: goodput, Kind: More,
			Ours: served[len(served)-1:], Peers: served, Goal: at(0.9), Least: at(least),
		}},
		Plot: &Plot{Title: "Goodput by offered load, " + name, X: "offered load, 1 is capacity", Y: "good answers/s", Unit: goodput},
		Setup: func(b *Bench) ([]Side, error) {
			all, err := sites(b, open...)
			if err != nil {
				return nil, err
			}
			var sides []Side
			for _, s := range all {
				more, err := overloaded(b, s, by, offered)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", s.name, err)
				}
				sides = append(sides, more...)
			}
			return sides, nil
		},
	}
}

func againstWaiting(name, ours string, goal, least Bound) Row {
	return Row{
		What: "goodput at 4 times the capacity, against callers who wait for their answers (" + name + ")", Unit: goodput, Kind: More,
		Ours: []string{offeredName(ours, 4)}, Peers: []string{ours + "/waiting"}, Goal: goal, Least: least,
	}
}

func offeredName(name string, x float64) string { return fmt.Sprintf("%s/offered=%v", name, x) }

// rush is visitors who don't wait for each other. They use the browsers of the callers
// that carry their requests out: a browser for each would give the garbage collector
// more work than the server has.
type rush struct {
	visitors []*visitor
	unknown  []int // visits that may have been counted
	free     tickets
	hasty    atomic.Int64 // refusals without a time to come again

	site     *site
	open     func() (browser, error)
	mu       sync.Mutex
	browsers []browser // by caller
}

// newRush begins the visitors' sessions. They come by what open returns.
func newRush(b *Bench, s *site, open func() (browser, error)) (*rush, error) {
	callers := b.size(crowding, 8)
	c, err := newCrowd(b, callers, b.size(30_000, 500)/callers, open)
	if err != nil {
		return nil, err
	}
	r := &rush{visitors: slices.Concat(c...), site: s, open: open}
	r.unknown, r.free = make([]int, len(r.visitors)), newTickets(len(r.visitors))
	for _, own := range c {
		r.browsers = append(r.browsers, own[0].browser)
	}
	return r, nil
}

// browser returns a caller's browser.
func (r *rush) browser(caller int) (browser, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.browsers) <= caller {
		b, err := r.open()
		if err != nil {
			return nil, err
		}
		r.browsers = append(r.browsers, b)
	}
	return r.browsers[caller], nil
}

// visit makes one more visit of a visitor, with the caller's browser.
func (r *rush) visit(ctx context.Context, i int, b browser) error {
	v := r.visitors[i]
	v.browser = b
	_, err := v.get(ctx, pageVisit)
	if err == nil {
		v.visits++
		return nil
	}
	r.unknown[i]++
	if in, ok := b.(*inside); ok && unavailable(err) && in.w.header.Get("Retry-After") == "" {
		r.hasty.Add(1)
	}
	return err
}

// capacity measures the requests a second that are served if callers wait.
func (r *rush) capacity(b *Bench) (most float64, err error) {
	for _, n := range []int{64, 256, 64, 256} { // the first ones warm up
		closed, err := r.closed(b, b, n)
		if err != nil {
			return 0, err
		}
		most = max(most, closed.Metrics[perSec])
	}
	return most, nil
}

// closed lets n callers come, each with visitors of its own.
func (r *rush) closed(ctx context.Context, b *Bench, n int) (Result, error) {
	callers := b.size(n, 8)
	each := len(r.visitors) / callers
	return closed(ctx, b.span(), callers, func(ctx context.Context, caller, turn int) error {
		return r.visit(ctx, caller*each+turn%each, r.browsers[caller])
	})
}

// check fails if a visit was lost or counted twice, or if a refusal has no time to come
// again.
func (r *rush) check(ctx context.Context, lossy bool) error {
	if n := r.hasty.Load(); n > 0 {
		return fmt.Errorf("%d answers of status 503 had no Retry-After", n)
	}
	if err := r.recovered(ctx); err != nil {
		return err
	}
	return share(ctx, crowding, len(r.visitors), func(ctx context.Context, i int) error {
		v := *r.visitors[i]
		var err error
		if v.browser, err = r.site.inside(); err != nil {
			return err
		}
		n, err := v.get(ctx, pageAll)
		if err == nil && (n < v.visits && !lossy || n > v.visits+r.unknown[i]) {
			err = fmt.Errorf("visitor %d: %d visits were acknowledged, of %d it can't be known, and %d are there", i, v.visits, r.unknown[i], n)
		}
		return err
	})
}

// recovered waits until the site answers again: without admission, after a rush an
// engine may have to recover a shard first.
func (r *rush) recovered(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		v := *r.visitors[0]
		var err error
		if v.browser, err = r.site.inside(); err == nil {
			_, err = v.get(ctx, pageAll)
		}
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("no good answer within a minute after the rush: %w", err)
		}
	}
}

// way is how visitors come to a site: inside of this process, or by sockets.
type way func(*Bench, *site) (open func() (browser, error), err error)

func noNetwork(_ *Bench, s *site) (func() (browser, error), error) { return s.inside, nil }

func overloaded(b *Bench, s *site, by way, offered []float64) ([]Side, error) {
	open, err := by(b, s)
	if err != nil {
		return nil, err
	}
	visitors, err := newRush(b, s, open)
	if err != nil {
		return nil, err
	}
	capacity, err := visitors.capacity(b)
	if err != nil {
		return nil, err
	}
	b.log.Info("capacity", "side", s.name, "requests/s", int(capacity))
	check := once(func(ctx context.Context) error { return visitors.check(ctx, s.lossy) })
	var sides []Side
	for _, x := range offered {
		sides = append(sides, Side{
			Name: offeredName(s.name, x), Series: s.name, X: x, Settings: s.settings, Check: check,
			Round: func(ctx context.Context) (Result, error) { return visitors.come(ctx, b.long(), x*capacity) },
		})
	}
	return append(sides, Side{
		Name: s.name + "/waiting", Series: s.name + ", callers who wait", X: 1, Settings: s.settings, Check: check, Round: visitors.wait(b),
	}), nil
}

// wait lets callers come who wait for their answers, in the number that serves the most.
func (r *rush) wait(b *Bench) func(context.Context) (Result, error) {
	return func(ctx context.Context) (best Result, err error) {
		for _, n := range []int{64, 256} {
			result, err := r.closed(ctx, b, n)
			if err != nil {
				return best, err
			}
			result.Metrics[goodput] = result.Metrics[perSec]
			if best.N == 0 || result.Metrics[goodput] > best.Metrics[goodput] {
				best = result
			}
		}
		return best, nil
	}
}

var errNobody = errors.New("nobody is left who could ask: all visitors wait for answers")

// come makes visitors come at a rate for a span of time.
func (r *rush) come(ctx context.Context, span time.Duration, rate float64) (Result, error) {
	var good, refused, late, workers atomic.Int64
	var broken atomic.Pointer[error]
	begin := time.Now()
	end := begin.Add(span)
	// A timer for each visitor would cost more than to refuse one.
	const slice = 50 * time.Millisecond
	impatient := make([]context.Context, span/slice+1)
	for i := range impatient {
		ctx, cancel := context.WithDeadline(ctx, begin.Add(time.Duration(i+1)*slice+inTime))
		defer cancel()
		impatient[i] = ctx
	}
	result, err := open(ctx, span, rate, func() arrival {
		b, err := r.browser(int(workers.Add(1)) - 1)
		return func(_ context.Context, i int) error {
			if err != nil {
				return err
			}
			due := begin.Add(time.Duration(float64(i) / rate * float64(time.Second)))
			ctx := impatient[min(len(impatient)-1, int(due.Sub(begin)/slice))]
			who, ok := r.free.take()
			if !ok {
				late.Add(1)
				return errNobody
			}
			defer r.free.give(who)
			err := r.visit(ctx, who, b)
			switch {
			case err == nil:
				if now := time.Now(); now.Sub(due) > inTime {
					late.Add(1)
				} else if now.Before(end) { // a later answer is from the time after the last visitor
					good.Add(1)
				}
			case unavailable(err):
				refused.Add(1)
			case tooLate(err), answered(err):
				late.Add(1)
			default: // the measurement itself is at its limit
				broken.CompareAndSwap(nil, &err)
			}
			return err
		}
	})
	if b := broken.Load(); err == nil && b != nil {
		err = *b
	}
	if err != nil {
		return result, err
	}
	seconds := span.Seconds()
	result.N = max(1, int(rate*seconds)) // with refused and late requests
	result.Metrics[goodput] = float64(good.Load()) / seconds
	result.Metrics["refused/s"] = float64(refused.Load()) / seconds
	result.Metrics["late/s"] = float64(late.Load()) / seconds
	return result, nil
}
