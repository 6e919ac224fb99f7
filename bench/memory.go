package main

import (
	"context"
	"fmt"
	"runtime"
)

// This file is the cases about memory.

// bytesSession is the unit of a live session's memory in this process.
const bytesSession = "B/session"

func memoryCases() []Case {
	return []Case{{
		Name:    "memory/session",
		About:   "The heap that sessions with the same five values take after a collection, each begun by a request.",
		Favours: "Neither: the same values on both sides.",
		Rows: []Row{{
			What: "memory per live session, memory store, against scs memstore", Unit: bytesSession, Kind: Share,
			Ours: []string{"cloakroom+memory"}, Peers: []string{"scs+memory"}, Goal: better, Least: at(1),
		}},
		Setup: func(b *Bench) ([]Side, error) {
			return []Side{heapSide(b, "cloakroom+memory", memorySite), heapSide(b, "scs+memory", scsMemorySite)}, nil
		},
	}}
}

func heapSide(b *Bench, name string, open func(*Bench) (*site, error)) Side {
	n := b.size(100_000, 1000)
	each := n / 100 // of these one is remembered
	var kept []*visitor
	return Side{
		Name: name, Settings: "in memory, no durability",
		Round: func(ctx context.Context) (_ Result, err error) {
			own := &Bench{Context: ctx, services: b.services, quick: b.quick, log: b.log}
			defer func() {
				if cerr := own.close(); err == nil {
					err = cerr
				}
			}()
			kept = nil
			before := liveHeap()
			s, err := open(own)
			if err != nil {
				return Result{}, err
			}
			way, err := s.inside()
			if err != nil {
				return Result{}, err
			}
			for i := range n {
				v := &visitor{browser: way}
				if _, err := v.get(ctx, pageBegin); err != nil {
					return Result{}, err
				}
				if i%each == 0 {
					kept = append(kept, v)
				}
			}
			took := liveHeap() - before
			for i, v := range kept {
				if err := v.look(ctx, pageAll); err != nil {
					return Result{}, fmt.Errorf("visitor %d: %w", i, err)
				}
			}
			return Result{N: n, Metrics: map[string]float64{bytesSession: took / float64(n)}}, nil
		},
		Check: func(context.Context) error { // each round has checked its own
			if len(kept) != n/each {
				return fmt.Errorf("%d visitors were looked at", len(kept))
			}
			return nil
		},
	}
}

func liveHeap() float64 {
	runtime.GC()
	runtime.GC() // frees what finalizers released
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
