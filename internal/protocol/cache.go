package protocol

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/lru"
)

// This file is the cache of sessions in memory (Options.CacheFor), with which a request
// may do without a read of the store.

const (
	// cacheBytes bounds the memory of a cache: 64 MiB. Each session counts sessionBytes
	// at least, so there are 65,536 sessions at most.
	cacheBytes = 64 << 20
	// sessionBytes is the memory of a remembered session beside its values.
	sessionBytes = lru.LeastBytes
)

// cache is a store that remembers the sessions that pass through it (Options.CacheFor).
// Only recall answers in the store's place. Get still asks the store, so a decision rests
// on the state that is there.
//
// An operation that reveals a session's state marks all others in flight on it as
// spoiled, since they may carry an older state. A spoiled result is remembered only if it
// is newer than the state that is remembered.
type cache struct {
	driver.Store
	app   string
	clock Clock
	keep  time.Duration

	mu       sync.Mutex
	sessions *lru.Cache[driver.ID, remembered]
	underWay map[driver.ID]*cohort // those not spoiled
}

// remembered is a session as it was at some time after asOf.
type remembered struct {
	rec  *driver.Record
	asOf instant
}

// instant is a time by both clocks: that of records, and the real one, which can't be
// set.
type instant struct{ now, actual time.Time }

// cohort is the operations under way on one record that began since its state was last
// learned.
type cohort struct {
	n       int
	spoiled bool
}

// operation is a call to the store for one record, under way.
type operation struct {
	id    driver.ID
	began instant
	of    *cohort
}

func newCache(store driver.Store, app string, clock Clock, keep time.Duration, bound int) *cache {
	return &cache{Store: store, app: app, clock: clock, keep: keep, sessions: lru.New[driver.ID, remembered](bound), underWay: make(map[driver.ID]*cohort)}
}

// recall returns a remembered session, and the time, less than Options.CacheFor ago, at
// which the store was asked for it. It returns nil where there is none. It costs no store
// operation.
func (c *cache) recall(id driver.ID) (*driver.Record, time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, ok := c.sessions.Get(id)
	switch {
	case !ok:
		return nil, time.Time{}
	case !c.young(m.asOf, c.instant()):
		c.sessions.Remove(id)
		return nil, time.Time{}
	}
	return m.rec, m.asOf.now
}

// young reports whether two instants are less than Options.CacheFor apart by both clocks.
// The real clock is monotonic, so it shows when the clock of records was set back. The
// clock of records shows when the machine slept.
func (c *cache) young(from, to instant) bool {
	age := to.now.Sub(from.now)
	return age >= 0 && max(age, to.actual.Sub(from.actual)) < c.keep
}

func (c *cache) instant() instant {
	now, actual := c.clock.Both()
	return instant{now, actual}
}

func (c *cache) track(id driver.ID) operation {
	began := c.instant()
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.underWay[id]
	if g == nil {
		g = new(cohort)
		c.underWay[id] = g
	}
	g.n++
	return operation{id, began, g}
}

// untrack ends an operation. rec is the state that it read or wrote, if err is nil.
func (c *cache) untrack(o operation, rec *driver.Record, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		c.learn(o, rec)
	case answered(err), errors.Is(err, driver.ErrCorrupt), errors.Is(err, driver.ErrNewer):
		c.learn(o, nil)
	default: // no answer: nothing is learned
		if o.of.n--; o.of.n == 0 && !o.of.spoiled {
			delete(c.underWay, o.id)
		}
	}
}

// learn takes in that a session was in state rec at some time since the operation began.
// rec is nil where the session has ended, or is in another state than the one remembered.
// mu is held.
func (c *cache) learn(o operation, rec *driver.Record) {
	m, known := c.sessions.Peek(o.id)
	switch {
	case rec == nil || rec.Kind != driver.KindSession || rec.App != c.app:
		c.sessions.Remove(o.id)
	case known && rec.Writes < m.rec.Writes, known && rec.Writes == m.rec.Writes && o.began.actual.Before(m.asOf.actual):
		// The remembered state is newer.
	case known || !o.of.spoiled:
		c.sessions.Put(o.id, remembered{rec, o.began}, sessionBytes+rec.Size())
	}
	if g := c.underWay[o.id]; g != nil {
		g.spoiled = true
		delete(c.underWay, o.id)
	}
}

// Get implements Store.
func (c *cache) Get(ctx context.Context, id driver.ID) (*driver.Record, error) {
	o := c.track(id)
	rec, err := c.Store.Get(ctx, id)
	c.untrack(o, rec, err)
	return rec, err
}

// Create implements Store.
func (c *cache) Create(ctx context.Context, r *driver.Record) (driver.Version, error) {
	return c.write(ctx, r, c.Store.Create)
}

// Update implements Store.
func (c *cache) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	return c.write(ctx, r, c.Store.Update)
}

func (c *cache) write(ctx context.Context, r *driver.Record, do func(context.Context, *driver.Record) (driver.Version, error)) (driver.Version, error) {
	o := c.track(r.ID)
	v, err := do(ctx, r)
	saved := *r // a copy, as the caller may change r
	saved.Version = v
	c.untrack(o, &saved, err)
	return v, err
}

// Bury implements Store. The session is forgotten whatever the store answers.
func (c *cache) Bury(ctx context.Context, id driver.ID, g driver.Grave, v driver.Version) error {
	o := c.track(id)
	err := c.Store.Bury(ctx, id, g, v)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.learn(o, nil)
	return err
}
