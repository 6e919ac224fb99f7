package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/batch"
)

// This file is Store: its operations, and a save's way to the writer.

// Store is a driver.Store that keeps records in an SQLite file. Make one with Open. Its
// methods may be called concurrently.
type Store struct {
	path     string
	log      *slog.Logger
	writer   *writer
	saves    *batch.Batcher[item, outcome]
	readers  *pool
	lookups  *lookups
	listings listings
	opened   time.Time

	closing  sync.Once
	closeErr error
}

var (
	_ driver.Store     = (*Store)(nil)
	_ driver.Inspector = (*Store)(nil)
	_ driver.Assurer   = (*Store)(nil)
	_ driver.Lister    = (*Store)(nil)
	_ driver.Fencer    = (*Store)(nil)
	_ driver.Counter   = (*Store)(nil)
)

// Format implements fmt.Formatter: a store is printed as its file's path.
func (s *Store) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "sqlitestore %q", s.path) }

// item is an op with the bytes that it holds while it waits.
type item struct {
	op    op
	size  int
	claim *atomic.Int32 // who has the item; nil: it can't be taken back

	id    driver.ID // of the record that the op writes, and no other; zero: see tells
	tells bool      // the op tells the copies what it writes; without it, all are dropped
	copy  *kept     // what a read has after the op; nil: nothing to keep
}

// The states of an item's claim. Until the item's transaction has begun the caller can
// take the item back, and then nothing has happened.
const (
	waiting int32 = iota
	begun
	takenBack
)

// begins claims the item for the writer. It reports false if it was taken back.
func (i item) begins() bool {
	return i.claim == nil || i.claim.CompareAndSwap(waiting, begun) || i.claim.Load() == begun
}

// save hands an item to the writer, and waits for its outcome.
func (s *Store) save(ctx context.Context, i item) (outcome, error) {
	i.claim = new(atomic.Int32)
	out, err := s.saves.Do(ctx, i)
	if err == nil || !errors.Is(err, context.DeadlineExceeded) {
		return out, err
	}
	if errors.Is(err, batch.ErrNotSent) || i.claim.CompareAndSwap(waiting, takenBack) {
		err = notBegun(err)
	}
	return out, err
}

func newStore(path string, cfg Config, w *writer, readers *pool) *Store {
	s := &Store{path: path, opened: time.Now(), log: cfg.Logger, writer: w, readers: readers, lookups: newLookups(readers, w, runtime.GOMAXPROCS(0))}
	s.saves = batch.New(batch.Config[item, outcome]{
		Flush:      w.flush,
		Size:       func(i item) int { return i.size },
		MaxItems:   cfg.MaxBatch,
		MaxBytes:   maxBatchBytes,
		QueueItems: cfg.QueueItems,
		QueueBytes: cfg.QueueBytes,
		InFlight:   1, // SQLite has one writer at a time
	})
	return s
}

// maxBatchBytes keeps a transaction well below the size of the page cache. SQLite would
// write a larger one in parts.
const maxBatchBytes = 8 << 20

// Close finishes the accepted saves and closes the file. From then on methods return
// driver.ErrClosed. A further call waits as well, and returns the same error.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.saves.Close()
		if err := errors.Join(s.readers.close(), s.writer.conn.Close()); err != nil {
			s.closeErr = s.fail("close", driver.ID{}, err)
		}
	})
	return s.closeErr
}

// Assurances vouches for reads: once a commit is in the file, everybody sees it, and it
// lasts. It vouches for answers as well: a refused item has changed nothing, and an item
// is repeated only after a rollback. If a transaction's commit fails, none of its items
// is told which version it met.
func (s *Store) Assurances() driver.Assurances {
	return driver.Assurances{Reads: true, Answers: true}
}

// Get returns the record of an id; see driver.Store.
func (s *Store) Get(ctx context.Context, id driver.ID) (*driver.Record, error) {
	r, err := s.get(ctx, id)
	if err != nil {
		err = s.fail("get", id, err)
	}
	return r, err
}

func (s *Store) get(ctx context.Context, id driver.ID) (*driver.Record, error) {
	f := s.lookups.find(ctx, id)
	if isBusy(f.err) { // for moments, when another process opens or closes the file
		f.err = retry(ctx, s.readers.busy, func() error {
			s.lookups.retries.Add(1)
			f = s.lookups.find(ctx, id)
			return f.err
		})
	}
	switch {
	case f.err != nil:
		return nil, f.err
	case !f.ok:
		return nil, driver.ErrNotFound
	case f.grave != nil:
		return f.grave, driver.ErrGone
	}
	r, err := f.copy.record()
	if err != nil {
		return nil, fmt.Errorf("%w: the values: %w", driver.ErrCorrupt, err)
	}
	return r, nil
}

// Create stores a new record; see driver.Store.
func (s *Store) Create(ctx context.Context, r *driver.Record) (driver.Version, error) {
	return s.write(ctx, "create", r, create)
}

// Update replaces a record at r.Version; see driver.Store.
func (s *Store) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	return s.write(ctx, "update", r, func(w *row) op { return update(w, r.Version) })
}

func (s *Store) write(ctx context.Context, name string, r *driver.Record, change func(*row) op) (driver.Version, error) {
	w, err := newRow(r)
	if err != nil {
		return driver.Version{}, s.fail(name, r.ID, err)
	}
	i := item{op: change(w), size: w.size(), id: r.ID}
	if !s.writer.copies.none {
		i.copy = copyOfWrite(w)
	}
	out, err := s.save(ctx, i)
	if err != nil {
		return driver.Version{}, s.fail(name, r.ID, err)
	}
	return out.version, nil
}

// Bury replaces a record by a grave; see driver.Store.
func (s *Store) Bury(ctx context.Context, id driver.ID, g driver.Grave, v driver.Version) error {
	text, err := encodeGrave(g)
	if err != nil {
		err = fmt.Errorf("%w: %w", driver.ErrInvalid, err)
	} else {
		_, err = s.save(ctx, item{op: bury(id.String(), text, removable(g.Until), v), size: len(text), id: id})
	}
	if err != nil {
		return s.fail("bury", id, err)
	}
	return nil
}
