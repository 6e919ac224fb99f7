// Package ownstore is an example of a store of one's own: the shortest that keeps
// the whole contract of driver.Store. Copy it, and put your database in the place
// of the map. The comments say what to ask of it. Of cloakroom the package imports
// driver alone, and its test imports storetest.
//
//	store := ownstore.New()
//	defer store.Close()
//	sessions, err := cloakroom.New(store, keyring, nil)
//
// # Durability
//
// None. What is acknowledged lasts until Close or the end of the process.
//
// # Consistency
//
// Each operation happens at one moment, between its call and its return. Search
// too: it yields what was there when its loop began.
//
// # Concurrency
//
// Operations take turns. The store starts no goroutines.
//
// # Limits
//
// Nothing bounds the number of records. Search and Sweep look at all of them, and
// hold up everybody else meanwhile.
//
// # Deviations from the contract
//
// None.
package ownstore

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// Store keeps records in a map. Its methods are safe for concurrent use.
type Store struct {
	mu      sync.Mutex
	records map[driver.ID]*driver.Record // and graves; nil once the store is closed
	last    uint64                       // the newest version's number
}

var _ driver.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store { return &Store{records: map[driver.ID]*driver.Record{}} }

// Close forgets all records. Methods return driver.ErrClosed from then on. It can
// be called again.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = nil
	return nil
}

// do carries out an operation, and says what could not be done. A database's own
// errors are translated here: what says nothing of the record, such as a lost
// connection, is driver.ErrUnavailable. So nobody is signed out because of it.
func (s *Store) do(ctx context.Context, op string, f func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := ctx.Err()
	switch {
	case s.records == nil:
		err = driver.ErrClosed
	case err == nil:
		err = f()
	}
	if err != nil {
		return fmt.Errorf("ownstore: %s: %w", op, err)
	}
	return nil
}

// put keeps a record or a grave at a new version. The number never goes back, so
// that no version comes again after its record was removed. One that is counted in
// the record's row would, and so would one that is counted in this process.
func (s *Store) put(r driver.Record) driver.Version {
	s.last++
	r.Version = driver.Version{Seq: s.last}
	s.records[r.ID] = &r // a copy: r is the caller's again, and readers may hold the old one
	return r.Version
}

// Get returns the record of an id; see driver.Store. A database has to answer with
// what was acknowledged last: not from a replica.
func (s *Store) Get(ctx context.Context, id driver.ID) (found *driver.Record, err error) {
	err = s.do(ctx, "get "+id.String(), func() error {
		r := s.records[id]
		switch {
		case r == nil:
			return driver.ErrNotFound
		case r.Grave != nil: // of any format
			found = r
			return driver.ErrGone
		}
		if err := driver.CheckFormat(r.Extra); err != nil {
			return err
		}
		found = r
		return nil
	})
	return found, err
}

// Create stores a record that is not there yet; see driver.Store. In SQL: INSERT,
// with the id as the primary key.
func (s *Store) Create(ctx context.Context, r *driver.Record) (v driver.Version, err error) {
	err = s.do(ctx, "create "+r.ID.String(), func() error {
		if err := driver.CheckDepth(r.Values, r.Extra); err != nil {
			return err
		}
		if s.records[r.ID] != nil {
			return driver.ErrExists
		}
		v = s.put(*r)
		return nil
	})
	return v, err
}

// Update replaces a record that is at r.Version; see driver.Store. In SQL: UPDATE
// … WHERE id = ? AND version = ? AND NOT grave. Where that changes no row, another
// look tells which error it is.
func (s *Store) Update(ctx context.Context, r *driver.Record) (v driver.Version, err error) {
	err = s.do(ctx, "update "+r.ID.String(), func() error {
		if err := driver.CheckDepth(r.Values, r.Extra); err != nil {
			return err
		}
		if err := s.records[r.ID].CheckVersion(r.Version); err != nil {
			return err
		}
		v = s.put(*r)
		return nil
	})
	return v, err
}

// Bury replaces a record by a grave; see driver.Store. In SQL, without a version:
// INSERT … ON CONFLICT DO UPDATE.
func (s *Store) Bury(ctx context.Context, id driver.ID, g driver.Grave, v driver.Version) error {
	return s.do(ctx, "bury "+id.String(), func() error {
		if err := driver.CheckDepth(g.Extra); err != nil {
			return err
		}
		old := s.records[id]
		graveAtV := old != nil && old.Grave != nil && old.Version == v
		if err := old.CheckVersion(v); err != nil && !v.IsZero() && !graveAtV {
			return err
		}
		s.put(driver.Record{ID: id, Grave: &g})
		return nil
	})
}

// Search yields records in the order of Cursor.Compare; see driver.Store. A
// database reads page by page, with no transaction open while it yields.
func (s *Store) Search(ctx context.Context, q driver.Query) iter.Seq2[*driver.Record, error] {
	return func(yield func(*driver.Record, error) bool) {
		var found []*driver.Record
		err := s.do(ctx, "search", func() error {
			if err := q.Check(); err != nil {
				return err
			}
			for _, r := range s.records {
				if q.Matches(r) && driver.CheckFormat(r.Extra) == nil {
					found = append(found, r)
				}
			}
			return nil
		})
		slices.SortFunc(found, q.Compare)
		if q.Limit > 0 && len(found) > q.Limit {
			found = found[:q.Limit]
		}
		for _, r := range found {
			if !yield(r, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// Sweep buries the sessions that are past Expires and removes what is past its
// deadline; see driver.Store. A database judges outside of a transaction, and ends
// what it judged where the version is still the same.
func (s *Store) Sweep(ctx context.Context, now time.Time) (report driver.SweepReport, err error) {
	err = s.do(ctx, "sweep", func() error {
		for id, r := range s.records {
			switch r.Due(now) {
			case driver.DueRemoval:
				delete(s.records, id)
				report.Removed++
			case driver.DueBurial:
				g := r.ExpiredGrave(now)
				s.put(driver.Record{ID: id, Grave: &g})
				report.Buried++
			}
		}
		return nil
	})
	return report, err
}
