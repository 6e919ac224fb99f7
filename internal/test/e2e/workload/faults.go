package workload

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// FaultOptions have the probability of each fault, from 0 to 1, for each
// operation. The rest is done as it should be.
type FaultOptions struct {
	Seed int64
	// Lost: done, and the answer is lost.
	Lost float64
	// Dropped: not done, and no answer.
	Dropped float64
	// Late: no answer, and done at some later time.
	Late float64
	// Doubled: done twice, with the answer of the second time; or answered, and
	// done again at some later time. Writes only.
	Doubled float64
	// Outage: from here on, and for OutageOps operations, nothing is answered.
	Outage    float64
	OutageOps int
	// Slow is how long an operation is held up at most, before it is done.
	Slow time.Duration
	// Deliver is the probability that an operation brings a late one along, and
	// so says how late that is. Defaults to 0.3.
	Deliver float64
}

// ManyFaults returns a mix of all faults.
func ManyFaults(seed int64) FaultOptions {
	return FaultOptions{
		Seed: seed, Lost: 0.02, Dropped: 0.02, Late: 0.02, Doubled: 0.02,
		Outage: 0.0005, OutageOps: 40, Slow: 300 * time.Microsecond,
	}
}

// Faults is a store that another one lies behind, with a bad connection in
// between. Close has to be called before the other's.
type Faults struct {
	store cloakroom.Store
	o     FaultOptions

	mu     sync.Mutex
	rng    *rand.Rand
	later  []func()
	outage int // operations that it goes on for
	counts [fates]int
}

var _ cloakroom.Store = (*Faults)(nil)

// fate is what becomes of an operation.
type fate int

const (
	passed fate = iota
	lost
	dropped
	late
	doubled
	copied
	fates
)

// NewFaults returns a store with faults before another one, which stays the
// caller's.
func NewFaults(store cloakroom.Store, o FaultOptions) *Faults {
	if o.Deliver == 0 {
		o.Deliver = 0.3
	}
	return &Faults{store: store, o: o, rng: rand.New(rand.NewPCG(uint64(o.Seed), 0))}
}

// Close does what is still to be done late.
func (f *Faults) Close() error {
	for f.deliver(1) {
	}
	return nil
}

// Injected returns how many operations had a fault.
func (f *Faults) Injected() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, c := range f.counts[passed+1:] {
		n += c
	}
	return n
}

// String tells how often each fault happened.
func (f *Faults) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var parts []string
	for i, name := range [fates]string{"passed", "lost", "dropped", "late", "doubled", "copied"} {
		parts = append(parts, fmt.Sprint(name, " ", f.counts[i]))
	}
	return strings.Join(parts, ", ")
}

// deliver does one of the late operations, with some probability, and reports
// whether there was one.
func (f *Faults) deliver(probability float64) bool {
	f.mu.Lock()
	if len(f.later) == 0 || f.rng.Float64() >= probability {
		f.mu.Unlock()
		return false
	}
	i := f.rng.IntN(len(f.later))
	do := f.later[i]
	f.later[i] = f.later[len(f.later)-1]
	f.later = f.later[:len(f.later)-1]
	f.mu.Unlock()
	do()
	return true
}

// draw chooses an operation's fate, and how long it is held up.
func (f *Faults) draw() (fate, time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var slow time.Duration
	if f.o.Slow > 0 {
		slow = time.Duration(f.rng.Int64N(int64(f.o.Slow)))
	}
	if f.outage == 0 && f.rng.Float64() < f.o.Outage {
		f.outage = f.o.OutageOps
	}
	if f.outage > 0 {
		f.outage--
		return [...]fate{dropped, dropped, lost, late}[f.rng.IntN(4)], slow
	}
	x := f.rng.Float64()
	for _, c := range []struct {
		fate        fate
		probability float64
	}{{lost, f.o.Lost}, {dropped, f.o.Dropped}, {late, f.o.Late}, {doubled, f.o.Doubled / 2}, {copied, f.o.Doubled / 2}} {
		if x -= c.probability; x < 0 {
			return c.fate, slow
		}
	}
	return passed, slow
}

var errNoAnswer = fmt.Errorf("faults: no answer: %w", cloakroom.ErrUnavailable)

// run lets an operation go to its fate. again does it at another time;
// nil for an operation that only reads.
func (f *Faults) run(ctx context.Context, do func(context.Context) error, again func()) error {
	f.deliver(f.o.Deliver)
	fate, slow := f.draw()
	if slow > 0 {
		t := time.NewTimer(slow)
		select {
		case <-t.C:
		case <-ctx.Done():
			fate = late
		}
		t.Stop()
	}
	if again == nil && fate != passed {
		fate = dropped
	}
	f.mu.Lock()
	f.counts[fate]++
	f.mu.Unlock()
	switch fate {
	case dropped:
		return errNoAnswer
	case lost:
		_ = do(ctx)
		return errNoAnswer
	case late:
		f.keep(again)
		return errNoAnswer
	case doubled:
		again()
	case copied:
		defer f.keep(again)
	}
	return do(ctx)
}

func (f *Faults) keep(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.later = append(f.later, do)
}

// Get implements cloakroom.Store.
func (f *Faults) Get(ctx context.Context, id cloakroom.ID) (rec *driver.Record, err error) {
	err = f.run(ctx, func(ctx context.Context) (err error) {
		rec, err = f.store.Get(ctx, id)
		return err
	}, nil)
	if err != nil && !errors.Is(err, cloakroom.ErrGone) {
		rec = nil
	}
	return rec, err
}

// Create implements cloakroom.Store.
func (f *Faults) Create(ctx context.Context, r *driver.Record) (driver.Version, error) {
	return f.write(ctx, r, f.store.Create)
}

// Update implements cloakroom.Store.
func (f *Faults) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	return f.write(ctx, r, f.store.Update)
}

func (f *Faults) write(ctx context.Context, r *driver.Record, write func(context.Context, *driver.Record) (driver.Version, error)) (v driver.Version, err error) {
	sent := *r // a copy may be delivered when r is the caller's again
	err = f.run(ctx, func(ctx context.Context) (err error) {
		v, err = write(ctx, &sent)
		return err
	}, func() { _, _ = write(context.WithoutCancel(ctx), &sent) })
	if err != nil {
		v = driver.Version{}
	}
	return v, err
}

// Bury implements cloakroom.Store.
func (f *Faults) Bury(ctx context.Context, id cloakroom.ID, g driver.Grave, v driver.Version) error {
	return f.run(ctx, func(ctx context.Context) error { return f.store.Bury(ctx, id, g, v) },
		func() { _ = f.store.Bury(context.WithoutCancel(ctx), id, g, v) })
}

// Search implements cloakroom.Store. It has no faults.
func (f *Faults) Search(ctx context.Context, q driver.Query) iter.Seq2[*driver.Record, error] {
	return f.store.Search(ctx, q)
}

// Sweep implements cloakroom.Store. It has no faults.
func (f *Faults) Sweep(ctx context.Context, now time.Time) (driver.SweepReport, error) {
	return f.store.Sweep(ctx, now)
}
