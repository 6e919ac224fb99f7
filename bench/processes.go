package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// This file is the cases of several processes on one store.

func processesCases() []Case {
	several := func(engine, settings string, needs []need, at func(*Bench) (where, error)) Case {
		return Case{
			Name: "processes/" + engine, Needs: needs, Warm: 6, Most: 3,
			About:   "Four processes work on one store, each with 16 callers, against one process with 64. Each operation is a read of anybody's session or a save of an own one, half and half.",
			Favours: "The one process: it knows of every save, so its copies stay current. Behind a balancer that keeps a visitor with a process, four would do better than here.",
			Rows: []Row{{
				What: "reads and saves/s of four processes on one store, against one process with as many callers (" + engine + ")", Unit: perSec, Kind: More,
				Ours: []string{"four processes"}, Peers: []string{"one process"}, Goal: untold, Least: untold,
			}},
			Setup: func(b *Bench) ([]Side, error) {
				var sides []Side
				for _, by := range []struct {
					name string
					n    int
				}{{"four processes", 4}, {"one process", 1}} {
					place, err := at(b)
					if err != nil {
						return nil, err
					}
					side, err := team(b, by.name, settings, place, by.n)
					if err != nil {
						return nil, fmt.Errorf("%s: %w", by.name, err)
					}
					sides = append(sides, side)
				}
				return sides, nil
			},
		}
	}
	return []Case{
		several("sqlite", sqliteSettings, nil, func(b *Bench) (where, error) {
			dir, err := b.tempDir()
			return where{File: filepath.Join(dir, "sessions.db")}, err
		}),
		several("opensearch", engineSettings, []need{needEngine}, func(b *Bench) (where, error) {
			e, name, err := b.engine()
			if err != nil {
				return where{}, err
			}
			return where{URL: e.url, Index: name}, nil
		}),
	}
}

// hand is a worker as this process sees it.
type hand struct {
	cmd  *exec.Cmd
	to   *json.Encoder
	from *json.Decoder
}

// hire starts a worker, which ends with the case.
func hire(b *Bench) (*hand, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(b, self)
	cmd.Env = append(os.Environ(), workerFor+"=1")
	cmd.SysProcAttr = asUser(nil)
	complaints := &output{}
	cmd.Stderr = complaints
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	b.Cleanup(func() error {
		_ = in.Close() // it has no more orders, and ends
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("a worker: %w\n%s", err, complaints.text())
		}
		return nil
	})
	return &hand{cmd, json.NewEncoder(in), json.NewDecoder(out)}, nil
}

// do has the worker carry an order out.
func (h *hand) do(o order) (done, error) {
	if err := h.to.Encode(o); err != nil {
		return done{}, fmt.Errorf("worker %d: %w", h.cmd.Process.Pid, err)
	}
	var d done
	if err := h.from.Decode(&d); err != nil {
		return done{}, fmt.Errorf("worker %d: %w", h.cmd.Process.Pid, err)
	}
	if d.Err != "" {
		return done{}, fmt.Errorf("worker %d: %s", h.cmd.Process.Pid, d.Err)
	}
	return d, nil
}

// inStep has each worker carry an order out, at the same time.
func inStep(hands []*hand, of func(i int) order) ([]done, error) {
	answers, errs := make([]done, len(hands)), make([]error, len(hands))
	var wg sync.WaitGroup
	for i, h := range hands {
		wg.Go(func() { answers[i], errs[i] = h.do(of(i)) })
	}
	wg.Wait()
	return answers, errors.Join(errs...)
}

// team is a side of n processes on one store, with 64 callers in all.
func team(b *Bench, name, settings string, at where, n int) (Side, error) {
	var hands []*hand
	for range n {
		h, err := hire(b)
		if err != nil {
			return Side{}, err
		}
		hands = append(hands, h)
	}
	each := b.size(8192, 256) / n
	made, err := inStep(hands, func(i int) order {
		own := at
		own.Sessions, own.First = each, i*each
		return order{Open: &own}
	})
	if err != nil {
		return Side{}, err
	}
	var known []ids
	for _, d := range made {
		known = append(known, *d.IDs)
	}
	if _, err := inStep(hands, func(int) order { return order{Know: known} }); err != nil {
		return Side{}, err
	}
	callers := b.size(64, 8) / n
	return Side{
		Name: name, Settings: settings,
		Round: func(context.Context) (Result, error) {
			answers, err := inStep(hands, func(int) order { return order{Work: &work{callers, b.span()}} })
			return together(answers), err
		},
		Check: func(context.Context) error {
			_, err := inStep(hands, func(int) order { return order{Check: true} })
			return err
		},
	}, nil
}

// together is the result of workers who worked side by side.
func together(answers []done) Result {
	var n int
	var rate float64
	var busy time.Duration
	for _, d := range answers {
		if d.N > 0 {
			n += d.N
			busy += d.CPU
			rate += float64(d.N) / d.Took.Seconds()
		}
	}
	if n == 0 {
		return Result{}
	}
	r := Result{N: n, Metrics: map[string]float64{perSec: rate, perOp: float64(time.Second) / rate}}
	if busy > 0 {
		r.Metrics[perOpCPU] = float64(busy) / float64(n)
	}
	return r
}
