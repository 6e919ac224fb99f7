package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
)

// This file is the engine's ceilings: prepared requests with many documents, whose answers
// are only counted.

// batches are the number of documents in a request, and the number of requests in
// flight.
type batches struct{ size, inFlight int }

var (
	// anyBatches are those of which a ceiling is the best: up to 4096 documents are
	// under way at a time.
	anyBatches = []batches{{64, 2}, {64, 4}, {64, 8}, {256, 2}, {256, 4}, {256, 8}, {512, 2}, {512, 4}, {512, 8}}
	// fewBatches have as many documents under way as there are callers: callers that
	// wait for their answers can't ask for more.
	fewBatches = []batches{{32, 8}, {64, 4}, {128, 2}, {256, 1}}
)

func (s batches) of(kind string) string { return fmt.Sprintf("%s-%dx%d", kind, s.size, s.inFlight) }

func ceilings(kind string, of []batches) (names []string) {
	for _, s := range of {
		names = append(names, s.of(kind))
	}
	return names
}

// batchOf makes requests with size documents each.
type batchOf func(s *single, size int) (load, error)

func ceilingSides(b *Bench, s *single, kind string, of batchOf) ([]Side, error) {
	check := once(s.check)
	var sides []Side
	for _, by := range append(slices.Clone(anyBatches), fewBatches...) {
		name := by.of(kind)
		if slices.ContainsFunc(sides, func(s Side) bool { return s.Name == name }) {
			continue
		}
		op, err := of(s, by.size)
		if err != nil {
			return nil, err
		}
		side := b.lots(name, engineSettings, by.inFlight, by.size, op, check)
		side.Series = "prepared _" + kind
		sides = append(sides, side)
	}
	return sides, nil
}

// buffers are for answers, which ceilings count and throw away.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 1<<20); return &b }}

// counting sends prepared bodies, and counts a word in the answer.
func (s *single) counting(path string, bodies [][]byte, word string, want int, acknowledged func()) load {
	w := []byte(word)
	return func(ctx context.Context, caller, turn int) error {
		buf := buffers.Get().(*[]byte)
		defer buffers.Put(buf)
		answer, err := s.ask(ctx, "POST", path, bodies[(caller*31+turn)%len(bodies)], (*buf)[:0])
		if err != nil {
			return err
		}
		*buf = answer
		if n := bytes.Count(answer, w); n != want {
			return fmt.Errorf("%s: %d of %d documents were answered", path, n, want)
		}
		acknowledged()
		return nil
	}
}

func (s *single) mget(size int) (load, error) {
	bodies, err := s.bodies(size, func(part []*place) ([]byte, error) {
		var ids []string
		for _, p := range part {
			ids = append(ids, p.id)
		}
		return json.Marshal(object{"ids": ids})
	})
	return s.counting("/"+s.index+"/_mget", bodies, `"found":true`, size, func() {}), err
}

func (s *single) bulk(size int) (load, error) {
	bodies, err := s.bodies(size, func(part []*place) (b []byte, _ error) {
		for _, p := range part {
			line, err := json.Marshal(object{"index": object{"_id": p.id}})
			if err != nil {
				return nil, err
			}
			b = append(append(append(append(b, line...), '\n'), p.source...), '\n')
		}
		return b, nil
	})
	return s.counting("/"+s.index+"/_bulk", bodies, `"status":200`, size, func() { s.writes.Add(int64(size)) }), err
}

// bodies returns the bodies of requests with size documents each.
func (s *single) bodies(size int, of func(part []*place) ([]byte, error)) (all [][]byte, err error) {
	for part := range slices.Chunk(s.docs, size) {
		if len(part) < size {
			break
		}
		b, err := of(part)
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, nil
}
