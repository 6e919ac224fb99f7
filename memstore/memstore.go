// Package memstore keeps sessions in the memory of this process: for tests,
// for demos, and for services of one process whose visitors may be signed out
// by a restart.
//
//	store := memstore.New(nil)
//	defer store.Close()
//	sessions, err := cloakroom.New(store, keyring, nil)
//
// # Durability
//
// None. An acknowledged write lasts until Close or the end of the process.
//
// # Consistency
//
// Each operation happens at one moment, between its call and its return. Search and
// Summarize go through the records part by part. Their answer has every write that was
// acknowledged before they began, and may have writes made meanwhile.
//
// # Concurrency
//
// Records are spread over locks by their ids, so callers rarely wait for each other. The
// store starts no goroutines.
//
// # Memory
//
// The records that were written last, some 4,000, are kept as they are: Get returns the
// very record and allocates nothing. Other records are packed, into the size of their
// values and some 300 bytes. Get unpacks them, which takes one or two microseconds. A
// write of a packed record packs another.
//
// # Moving
//
// List and Fence are for copying the sessions into another store.
//
// # Limits
//
// Config.MaxRecords can bound the number of records and graves; their size has no bound.
// Search sorts all records that the query selects before it yields the first.
//
// # Deviations from the contract
//
// None.
package memstore

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is Store: its shards, and the operations on one record.

// Config says how a Store works. The zero value is fine.
type Config struct {
	// MaxRecords bounds the number of records and graves. At the bound, writes that
	// would add one fail with driver.ErrOverloaded; other writes, and Sweep, which makes
	// room, go on. Defaults to 0: no bound.
	MaxRecords int
}

// Store is a driver.Store that keeps records in memory. Make one with New. Its methods
// may be called concurrently.
type Store struct {
	max    int64
	count  atomic.Int64 // records and graves
	last   atomic.Uint64
	fence  atomic.Pointer[time.Time] // since when writes are refused; nil: they aren't
	shards *[shardCount]shard        // behind a pointer, so that printing a Store never reaches the records
}

var (
	_ driver.Store        = (*Store)(nil)
	_ driver.Inspector    = (*Store)(nil)
	_ driver.OwnedUpdater = (*Store)(nil)
	_ driver.Assurer      = (*Store)(nil)
	_ driver.Lister       = (*Store)(nil)
	_ driver.Fencer       = (*Store)(nil)
)

// Format implements fmt.Formatter. It prints the number of records and graves, and none
// of them.
func (s *Store) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "memstore of %d records and graves", s.count.Load())
}

const (
	shardCount = 256
	// freshCount is the number of records of a shard that are not packed.
	freshCount = 16
)

// shard is a part of the records. Graves are among them, as records with a Grave. A
// record is in one of the two maps, which are nil once the store is closed. Records are
// never changed, but replaced: readers hold them without a lock.
type shard struct {
	mu     sync.RWMutex
	fresh  map[driver.ID]*driver.Record // the records written last, no graves
	packed map[driver.ID]packed
	turn   [freshCount]driver.ID // the ids in fresh; the oldest is at next
	next   int
	_      [64]byte // keeps two locks out of one cache line
}

// state decides whether a record may be replaced. The zero state means that the id has
// nothing.
type state struct {
	version driver.Version
	grave   bool
}

// state returns the state of an id. sh.mu must be held.
func (sh *shard) state(id driver.ID) state {
	if r := sh.fresh[id]; r != nil {
		return state{version: r.Version}
	}
	if p, ok := sh.packed[id]; ok {
		return p.state()
	}
	return state{}
}

// put keeps a record in place of its id's earlier one. It may have to pack another.
func (sh *shard) put(r *driver.Record) {
	switch {
	case r.Grave != nil: // rarely read again
		delete(sh.fresh, r.ID)
		sh.packed[r.ID] = pack(r)
		return
	case sh.fresh[r.ID] == nil:
		delete(sh.packed, r.ID)
		if old := sh.fresh[sh.turn[sh.next]]; old != nil {
			delete(sh.fresh, old.ID)
			sh.packed[old.ID] = pack(old)
		}
		sh.turn[sh.next] = r.ID
		sh.next = (sh.next + 1) % freshCount
	}
	sh.fresh[r.ID] = r
}

// New returns an empty store. A nil config means the zero Config.
func New(config *Config) *Store {
	s := &Store{shards: new([shardCount]shard)}
	if config != nil {
		s.max = int64(config.MaxRecords)
	}
	for i := range s.shards {
		s.shards[i].fresh = map[driver.ID]*driver.Record{}
		s.shards[i].packed = map[driver.ID]packed{}
	}
	return s
}

// Close forgets all records. From then on methods return driver.ErrClosed. It waits for
// nothing, always returns nil, and can be called again.
func (s *Store) Close() error {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		sh.fresh, sh.packed = nil, nil
		sh.mu.Unlock()
	}
	return nil
}

// shard returns the shard of an id. The last byte is random in ids of every layout.
func (s *Store) shard(id driver.ID) *shard { return &s.shards[id[len(id)-1]] }

// next returns a version that no record of this store has had.
func (s *Store) next() driver.Version {
	return version(s.last.Add(1))
}

func version(seq uint64) driver.Version { return driver.Version{Term: 1, Seq: seq} }

// fail adds the operation and the id to an error.
func fail(op string, id driver.ID, err error) error {
	return fmt.Errorf("memstore: %s %s: %w", op, id, err)
}

// Assurances vouches for reads, since there is one copy of everything, and for answers,
// since each operation is carried out once.
func (s *Store) Assurances() driver.Assurances {
	return driver.Assurances{Reads: true, Answers: true}
}

// Get returns the record of an id; see driver.Store.
func (s *Store) Get(ctx context.Context, id driver.ID) (*driver.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, fail("get", id, err)
	}
	sh := s.shard(id)
	sh.mu.RLock()
	if r := sh.fresh[id]; r != nil {
		sh.mu.RUnlock()
		return known(r)
	}
	p, ok := sh.packed[id]
	closed := sh.packed == nil
	sh.mu.RUnlock()
	switch {
	case closed:
		return nil, fail("get", id, driver.ErrClosed)
	case !ok:
		return nil, fail("get", id, driver.ErrNotFound)
	}
	r := p.unpack(id)
	if r.Grave != nil {
		return r, fail("get", id, driver.ErrGone)
	}
	return known(r)
}

// known returns a record that is not a grave, or an error if it is of a newer format.
func known(r *driver.Record) (*driver.Record, error) {
	if err := driver.CheckFormat(r.Extra); err != nil {
		return nil, fail("get", r.ID, err)
	}
	return r, nil
}

// Create stores a new record; see driver.Store.
func (s *Store) Create(ctx context.Context, r *driver.Record) (driver.Version, error) {
	return s.write(ctx, "create", r, func(old state) error {
		if old != (state{}) {
			return driver.ErrExists
		}
		return nil
	})
}

// Update replaces a record at r.Version; see driver.Store.
func (s *Store) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	return s.write(ctx, "update", r, func(old state) error {
		return isAt(old, r.Version)
	})
}

// UpdateOwned replaces a record at r.Version by r itself; see driver.OwnedUpdater.
func (s *Store) UpdateOwned(ctx context.Context, r *driver.Record) error {
	at := r.Version
	return s.keep(ctx, "update", r, func(old state) error { return isAt(old, at) })
}

// Bury replaces a record by a grave; see driver.Store.
func (s *Store) Bury(ctx context.Context, id driver.ID, g driver.Grave, v driver.Version) error {
	_, err := s.write(ctx, "bury", &driver.Record{ID: id, Grave: &g}, func(old state) error {
		if v.IsZero() || old.grave && old.version == v {
			return nil
		}
		return isAt(old, v)
	})
	return err
}

// isAt returns the error of a compare-and-set on version v, nil if it succeeds.
func isAt(old state, v driver.Version) error {
	switch {
	case old == state{}:
		return driver.ErrNotFound
	case old.grave:
		return driver.ErrGone
	case old.version != v:
		return driver.ErrConflict
	}
	return nil
}

// write stores a copy of r, with a new version, if check accepts the state that it
// replaces.
func (s *Store) write(ctx context.Context, op string, r *driver.Record, check func(old state) error) (driver.Version, error) {
	kept := *r // shallow: by contract the lists of r are the store's
	err := s.keep(ctx, op, &kept, check)
	if err != nil {
		return driver.Version{}, err
	}
	return kept.Version, nil
}

// keep stores r, with a new version, if check accepts the state that it replaces.
func (s *Store) keep(ctx context.Context, op string, r *driver.Record, check func(old state) error) error {
	if err := ctx.Err(); err != nil {
		return fail(op, r.ID, err)
	}
	if err := checkDepth(r); err != nil {
		return fail(op, r.ID, err)
	}
	sh := s.shard(r.ID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.packed == nil {
		return fail(op, r.ID, driver.ErrClosed)
	}
	old := sh.state(r.ID)
	if err := check(old); err != nil {
		return fail(op, r.ID, err)
	}
	if err := s.fenced(); err != nil {
		return fail(op, r.ID, err)
	}
	if old == (state{}) {
		if n := s.count.Add(1); s.max > 0 && n > s.max {
			s.count.Add(-1)
			return fail(op, r.ID, fmt.Errorf("%w: %w: Config.MaxRecords is %d",
				driver.ErrUnavailable, driver.ErrOverloaded, s.max))
		}
	}
	r.Version = s.next()
	sh.put(r)
	return nil
}

// checkDepth refuses a record that a durable store couldn't keep.
func checkDepth(r *driver.Record) error {
	if r.Grave != nil {
		return driver.CheckDepth(r.Grave.Extra)
	}
	return driver.CheckDepth(r.Values, r.Extra)
}

// entry is a record or a grave that each found. It has at least the fields that
// packed.head sets, and is valid until the next.
type entry struct {
	*driver.Record
	packed packed // the packed record, if its text isn't nil
}

// whole returns the whole record.
func (e entry) whole() *driver.Record {
	if e.packed.text == nil {
		return e.Record
	}
	return e.packed.unpack(e.ID)
}

// each calls f with every record and grave of a shard; sh.mu must be held. It returns
// false if the store is closed.
func (sh *shard) each(f func(entry)) bool {
	for _, r := range sh.fresh {
		f(entry{Record: r})
	}
	var head driver.Record
	for id, p := range sh.packed {
		p.head(id, &head)
		f(entry{&head, p})
	}
	return sh.packed != nil
}

// each calls f with every record and grave. f holds up writers: it must be quick and
// must not call the store.
func (s *Store) each(ctx context.Context, op string, f func(entry)) error {
	for i := range s.shards {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("memstore: %s: %w", op, err)
		}
		sh := &s.shards[i]
		sh.mu.RLock()
		open := sh.each(f)
		sh.mu.RUnlock()
		if !open {
			return fmt.Errorf("memstore: %s: %w", op, driver.ErrClosed)
		}
	}
	return nil
}
