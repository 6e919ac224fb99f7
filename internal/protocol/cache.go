package protocol

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/lru"
)

// This file is the cache: sessions are remembered, so that a request may do without
// the store.

const (
	// cacheBytes bounds what a manager remembers: 64 MiB, and so, with what each
	// session takes at least, 65,536 sessions.
	cacheBytes = 64 << 20
	// sessionBytes is what a remembered session takes beside its values.
	sessionBytes = lru.LeastBytes
)

// cache is a store that remembers the sessions that pass through it
// (Options.CacheFor). Only recall answers in the store's place: Get still asks it,
// so whoever is to decide something sees what is there.
//
// An operation that reveals a session's state marks all others in flight on it as
// spoiled, since they may carry an older state. A spoiled result is remembered only
// if it is newer than the state that is remembered.
type cache struct {
	driver.Store
	app   string
	clock Clock
	keep  time.Duration

	mu       sync.Mutex
	sessions *lru.Cache[driver.ID, remembered]
	underWay map[driver.ID]*generation // what isn't spoiled
}

// remembered is a session as it was at some time after asOf.
type remembered struct {
	rec  *driver.Record
	asOf instant
}

// instant is a time by both clocks: the one of records, and the real one, which can't
// be set.
type instant struct{ now, actual time.Time }

// generation is those operations on a record under way that began since it was
// last learned what has become of it.
type generation struct {
	n       int
	spoiled bool
}

// operation is one on a record, under way.
type operation struct {
	id    driver.ID
	began instant
	of    *generation
}

func newCache(store driver.Store, app string, clock Clock, keep time.Duration, bound int) *cache {
	return &cache{Store: store, app: app, clock: clock, keep: keep, sessions: lru.New[driver.ID, remembered](bound), underWay: make(map[driver.ID]*generation)}
}

// recall returns a session as it was less than Options.CacheFor ago, and when it
// was asked for; nil if that isn't remembered. It costs no store operation.
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

// young reports whether it is less than Options.CacheFor from one instant to another, by
// both clocks. The real one is monotonic, and knows if that of records was set back meanwhile,
// which knows if the machine slept.
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
		g = new(generation)
		c.underWay[id] = g
	}
	g.n++
	return operation{id, began, g}
}

// untrack ends an operation that returned err, and if that is nil, found or left rec.
func (c *cache) untrack(o operation, rec *driver.Record, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		c.learn(o, rec)
	case answered(err), errors.Is(err, driver.ErrCorrupt), errors.Is(err, driver.ErrNewer):
		c.learn(o, nil)
	default: // no answer, which tells nothing
		if o.of.n--; o.of.n == 0 && !o.of.spoiled {
			delete(c.underWay, o.id)
		}
	}
}

// learn takes in that a session was rec at some time since the operation began;
// nil: that it was ended, or is no longer what it was. With mu held.
func (c *cache) learn(o operation, rec *driver.Record) {
	m, known := c.sessions.Peek(o.id)
	switch {
	case rec == nil || rec.Kind != driver.KindSession || rec.App != c.app:
		c.sessions.Remove(o.id)
	case known && rec.Writes < m.rec.Writes, known && rec.Writes == m.rec.Writes && o.began.actual.Before(m.asOf.actual):
		// What is remembered is newer.
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
	saved := *r // r is the caller's again
	saved.Version = v
	c.untrack(o, &saved, err)
	return v, err
}

// Bury implements Store. Whatever comes of it, a session that was to be ended isn't
// answered for from memory any more.
func (c *cache) Bury(ctx context.Context, id driver.ID, g driver.Grave, v driver.Version) error {
	o := c.track(id)
	err := c.Store.Bury(ctx, id, g, v)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.learn(o, nil)
	return err
}
