package transfer

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the sums over all that a store keeps. Two stores that keep the same have
// the same sums, in whatever order they list it. The sums are apart by the end of the id,
// so that a difference can be found again.

// buckets is the number of sums.
const buckets = 1 << 16

// bucketOf returns the bucket of an id. The last bytes of all ids are evenly spread.
func bucketOf(id driver.ID) int { return int(binary.BigEndian.Uint16(id[len(id)-2:])) }

// side is one of the stores while it is summed up.
type side struct {
	sums  [buckets][2]uint64
	n     Side
	found []Finding // what can't be read
}

// Side counts what a store keeps, as far as it matters.
type Side struct{ Sessions, Ledgers, Graves int64 }

// add adds a record or grave to the sums.
func (s *side) add(d *digester, r *driver.Record) {
	sum := d.of(r)
	b := &s.sums[bucketOf(r.ID)]
	b[0] += binary.BigEndian.Uint64(sum[:8])
	b[1] += binary.BigEndian.Uint64(sum[8:])
	switch {
	case r.Grave != nil:
		s.n.Graves++
	case r.Kind == driver.KindLedger:
		s.n.Ledgers++
	default:
		s.n.Sessions++
	}
}

// apps are the apps that the source has. What other apps have at the target is their own.
type apps struct {
	mu    sync.Mutex
	names map[string]bool
	whole bool // everything at the source was listed
}

func (a *apps) learn(r *driver.Record) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.names == nil {
		a.names = map[string]bool{"": true} // of a grave that doesn't know its app
	}
	a.names[appOf(r)] = true
}

func (a *apps) has(r *driver.Record) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.names[appOf(r)]
}

// appOf returns the app of a record or grave.
func appOf(r *driver.Record) string {
	if r.Grave != nil {
		return r.Grave.App
	}
	return r.App
}

// each calls f with everything that a store lists. f isn't called at the same time.
func (m *Mover) each(ctx context.Context, l driver.Lister, which string, f func(driver.Listed) error) error {
	type listed struct {
		part driver.Part
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	var lists sync.WaitGroup
	defer lists.Wait()
	defer cancel()
	ahead := make(chan listed, 1)
	lists.Go(func() {
		defer close(ahead)
		for after := ""; ; {
			part, err := m.list(ctx, l, which, after)
			select {
			case ahead <- listed{part, err}:
			case <-ctx.Done():
				return
			}
			if err != nil || part.End {
				return
			}
			after = part.Next
		}
	})
	for next := range ahead {
		if next.err != nil {
			return next.err
		}
		for _, l := range next.part.Items {
			if err := f(l); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// summing returns a function that sums up what the source lists.
func (m *Mover) summing(s *side) func(driver.Listed) {
	d, now := new(digester), m.c.Now()
	return func(l driver.Listed) {
		switch {
		case l.Err != nil:
			s.found = append(s.found, Finding{ID: l.ID, Reason: UnreadableSource, Cause: l.Err})
			return
		case !isOver(l.Record, now):
			s.add(d, l.Record)
		}
		m.apps.learn(l.Record)
	}
}

// sumSource and sumTarget sum up a store. What is over matters on neither side.
func (m *Mover) sumSource(ctx context.Context) (*side, error) {
	s := new(side)
	add := m.summing(s)
	return s, m.each(ctx, m.from, "source", func(l driver.Listed) error { add(l); return nil })
}

func (m *Mover) sumTarget(ctx context.Context) (*side, error) {
	s, d, now := new(side), new(digester), m.c.Now()
	return s, m.each(ctx, m.to, "target", func(l driver.Listed) error {
		switch {
		case l.Err != nil:
			s.found = append(s.found, Finding{ID: l.ID, Reason: UnreadableTarget, Cause: l.Err})
		case !isOver(l.Record, now) && m.apps.has(l.Record):
			s.add(d, l.Record)
		}
		return nil
	})
}

// sumUp sums up both stores, at once if the apps of the source are known. from is the
// source's if that was summed up already.
func (m *Mover) sumUp(ctx context.Context, from *side) (_, to *side, err error) {
	if !m.apps.whole && from == nil {
		if from, err = m.sumSource(ctx); err != nil {
			return nil, nil, err
		}
		m.apps.whole = true
	}
	var errs [2]error
	var work sync.WaitGroup
	if from == nil {
		work.Go(func() { from, errs[0] = m.sumSource(ctx) })
	}
	work.Go(func() { to, errs[1] = m.sumTarget(ctx) })
	work.Wait()
	return from, to, errors.Join(errs[:]...)
}
