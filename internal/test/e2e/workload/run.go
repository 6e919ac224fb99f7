package workload

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
)

// Options say what clients do. The zero Options are fine, but for Ops if the
// context of Run doesn't end.
type Options struct {
	// Seed of all that is drawn. How operations fall together differs from run
	// to run all the same.
	Seed int64
	// Clients is how many clients work at once. Defaults to 8.
	Clients int
	// Families is how many families are alive at once. With fewer families,
	// more clients meet in one. Defaults to 2.
	Families int
	// MinOps and MaxOps bound the operations of a family, drawn anew for each.
	// Longer ones take longer to check, and so do more clients in one: with 120
	// operations and 4 clients it took 20 ms at most, with 12 clients 4 s; with
	// 240 operations and 8 clients some checks don't end. Default to 40 and 120.
	MinOps, MaxOps int
	// Ops ends the run after so many operations, or a few more if some kind of
	// the Mix has not succeeded by then. Defaults to 0: when the context ends.
	Ops int
	// Mix has the weight of each kind of operation. Defaults to Mix().
	Mix map[history.Kind]int
	// Idle and Clock make sessions expire: the executors' Config.IdleTimeout
	// and Config.Now. Clients move the clock. The Mix then defaults to
	// IdleMix().
	Idle  time.Duration
	Clock *Clock
	// Patience is how long a family's last reads are tried, before the run
	// counts as failed. Defaults to 15 s.
	Patience time.Duration
	// Check says how histories are checked. Defaults to the zero Options.
	Check *history.Options
	// Record, if set, gets all families, as history.Read reads them.
	Record io.Writer
}

// Mix returns the weights of kinds where sessions don't expire. The caller may
// change them.
func Mix() map[history.Kind]int {
	return map[history.Kind]int{
		history.Get: 26, history.Set: 18, history.Unset: 5, history.Update: 20, history.Renew: 6, history.Begin: 4,
		history.Login: 9, history.Destroy: 3, history.Revoke: 2, history.Create: 3, history.Sweep: 1,
	}
}

// IdleMix returns the weights of kinds where sessions expire while a clock is
// moved. Renewals and attempts to sign in have times of their own, and are left out.
func IdleMix() map[history.Kind]int {
	return map[history.Kind]int{
		history.Get: 30, history.Set: 25, history.Unset: 5, history.Update: 25, history.Destroy: 3, history.Create: 4, history.Sweep: 12,
	}
}

func (o Options) withDefaults() Options {
	set := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	set(&o.Clients, 8)
	set(&o.Families, 2)
	set(&o.MinOps, 40)
	set(&o.MaxOps, max(120, o.MinOps))
	if o.Patience == 0 {
		o.Patience = 15 * time.Second
	}
	if o.Mix == nil {
		o.Mix = Mix()
		if o.Idle > 0 {
			o.Mix = IdleMix()
		}
	}
	return o
}

// Run has clients do operations on executors, each on one drawn by chance, until
// ctx ends or enough was done, and checks what they were told. It returns when
// all clients have ended. An error means that the workload itself failed: it
// could not learn what some sessions came to, or write the record.
func Run(ctx context.Context, executors []Executor, o Options) (*history.Report, error) {
	o = o.withDefaults()
	r := &run{
		Options: o, executors: executors, began: time.Now(),
		name: fmt.Sprintf("%x", rand.Uint64()), // principals of runs on one store are not the same
		slot: make([]*family, o.Families), most: (o.Clients+o.Families-1)/o.Families + 2, checker: history.NewChecker(o.Check), done: map[history.Kind]bool{},
	}
	var clients sync.WaitGroup
	for i := range o.Clients {
		clients.Go(func() {
			c := &client{run: r, number: i + 1, rng: rand.New(rand.NewPCG(uint64(o.Seed), uint64(i)))}
			for ctx.Err() == nil && r.more() {
				c.once(ctx)
			}
		})
	}
	clients.Wait()
	last := &client{run: r, number: 0, rng: rand.New(rand.NewPCG(uint64(o.Seed), 1<<32))}
	for _, f := range r.slot {
		if f != nil {
			last.finish(f)
		}
	}
	return r.checker.Close(), r.failure
}

// run is a run under way.
type run struct {
	Options
	executors []Executor
	began     time.Time
	name      string
	checker   *history.Checker
	ops       atomic.Int64
	stamp     atomic.Int64

	mu       sync.Mutex
	done     map[history.Kind]bool // kinds of which an operation succeeded
	slot     []*family
	most     int // operations in one family at once: where it is slow, clients would gather
	families int
	failure  error

	recording sync.Mutex
}

// now returns the time since the run began, in nanoseconds. No two times are
// the same.
func (r *run) now() int64 {
	for {
		last := r.stamp.Load()
		now := max(last+1, time.Since(r.began).Nanoseconds())
		if r.stamp.CompareAndSwap(last, now) {
			return now
		}
	}
}

// more reports whether another operation is to be done.
func (r *run) more() bool {
	n := int(r.ops.Add(1))
	if r.Ops == 0 || n <= r.Ops {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, weight := range r.Mix {
		if weight > 0 && !r.done[k] {
			return n <= 5*r.Ops
		}
	}
	return false
}

// enter returns a family to do one operation on, and begins another one where
// the last has had enough.
func (r *run) enter(rng *rand.Rand) *family {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := rng.IntN(len(r.slot))
	for f := r.slot[i]; f != nil && f.inside >= r.most; f = r.slot[i] {
		i = (i + 1) % len(r.slot)
	}
	f := r.slot[i]
	if f == nil || f.left == 0 {
		r.families++
		f = newFamily(r.families, fmt.Sprintf("%s-%d", r.name, r.families), r.MinOps+rng.IntN(r.MaxOps-r.MinOps+1))
		r.slot[i] = f
	}
	f.left--
	f.inside++
	return f
}

// leave reports whether that was the family's last operation.
func (r *run) leave(f *family) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	f.inside--
	if f.inside > 0 || f.left > 0 {
		return false
	}
	for i := range r.slot {
		if r.slot[i] == f {
			r.slot[i] = nil
		}
	}
	return true
}

// hand gives a family that has ended to the checker.
func (r *run) hand(f *family) {
	h := history.Family{Number: f.number, Seed: r.Seed, Idle: r.Idle.Milliseconds(), Ops: f.ops}
	if r.Record != nil {
		r.recording.Lock()
		err := history.Write(r.Record, &h)
		r.recording.Unlock()
		if err != nil {
			r.fail(fmt.Errorf("workload: recording the history: %w", err))
		}
	}
	r.checker.Add(h)
}

// fail keeps the first thing that went wrong with the workload itself.
func (r *run) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure == nil {
		r.failure = err
	}
}

// client does one operation after the other.
type client struct {
	*run
	number int
	rng    *rand.Rand
}

func (c *client) once(ctx context.Context) {
	if c.Clock != nil && c.rng.IntN(40) == 0 {
		c.Clock.Advance(c.Idle/8 + time.Duration(c.rng.Int64N(int64(c.Idle/4))))
	}
	f := c.enter(c.rng)
	c.do(ctx, f, f.draw(c.rng, &c.Options), c.executor())
	if c.leave(f) {
		c.finish(f)
	}
}

func (c *client) executor() Executor { return c.executors[c.rng.IntN(len(c.executors))] }

// do has an executor do an operation and records it.
func (c *client) do(ctx context.Context, f *family, d drawn, e Executor) history.Outcome {
	h := d.record
	h.Client, h.Where, h.How = c.number, e.Name(), string(d.op.How)
	h.ClockCall = c.Clock.millis()
	h.Call = c.now()
	res := e.Do(ctx, d.op)
	h.Return = c.now()
	h.ClockReturn = c.Clock.millis()
	h.Outcome, h.Ended, h.Values, h.Note = res.Outcome, res.Ended, res.Values, res.Note
	if res.Lag > 0 {
		h.Since = max(h.Call-res.Lag.Nanoseconds(), 1)
	}
	f.record(h, &res)
	if h.Outcome == history.Done {
		c.mu.Lock()
		c.done[h.Kind] = true
		c.mu.Unlock()
	}
	return h.Outcome
}

// finish reads what a family's sessions came to, signs everybody out, and looks
// again.
func (c *client) finish(f *family) {
	ctx, cancel := context.WithTimeout(context.Background(), c.Patience)
	defer cancel()
	read := c.readAll(ctx, f)
	if c.Idle == 0 && read {
		read = c.insist(ctx, f, f.lastRevoke()) && c.readAll(ctx, f)
	}
	if !read {
		c.fail(fmt.Errorf("workload: the last reads of family %d were not answered within %v", f.number, c.Patience))
	}
	c.hand(f)
}

// readAll reads by all tokens, several at a time. These readers have numbers
// after those of the clients.
func (c *client) readAll(ctx context.Context, f *family) bool {
	var failed atomic.Bool
	var readers sync.WaitGroup
	reads := f.reads(c.Idle > 0)
	const most = 8
	for i := range min(most, len(reads)) {
		rng := rand.New(rand.NewPCG(c.rng.Uint64(), 0))
		readers.Go(func() {
			reader := &client{run: c.run, number: c.Clients + 1 + i, rng: rng}
			for ; i < len(reads); i += most {
				if !reader.insist(ctx, f, reads[i]) {
					failed.Store(true)
					return
				}
			}
		})
	}
	readers.Wait()
	return !failed.Load()
}

// insist does an operation again until it is answered.
func (c *client) insist(ctx context.Context, f *family, d drawn) bool {
	wait := time.NewTimer(0)
	defer wait.Stop()
	for {
		switch c.do(ctx, f, d, c.executor()) {
		case history.Unavailable, history.Unknown:
		default:
			return true
		}
		wait.Reset(20 * time.Millisecond)
		select {
		case <-ctx.Done():
			return false
		case <-wait.C:
		}
		d.record.N = f.next()
		d.op.N = d.record.N
	}
}
