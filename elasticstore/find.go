package elasticstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is Search: a query's records from documents that the engine sorts, and from
// those that it can't.

// Pages begin small, since the size of the records isn't known yet.
const (
	firstPage = 100
	mostPage  = 1000
	pageBytes = 16 << 20
)

// Search yields records and graves in the query's order; see driver.Store. It trails
// acknowledged writes by Config.RefreshInterval. A document that can't be read is logged
// and passed over.
//
// The engine finds everything but Address and Agent, which need Config.Dashboards: for
// them Search reads the documents that the rest of the query selects, bounded by
// Query.Scan. It does the same with documents in indices of earlier versions, whose
// mapping lacks what the query asks for.
func (s *Store) Search(ctx context.Context, q driver.Query) iter.Seq2[*driver.Record, error] {
	return func(yield func(*driver.Record, error) bool) {
		if err := q.Check(); err != nil {
			yield(nil, opError("search", err))
			return
		}
		const most = 1 << 29 // so that no sum of them overflows
		q.Limit, q.Scan = min(q.Limit, most), min(q.Scan, most)
		unsorted, err := s.unsorted(ctx, &q)
		if err != nil {
			yield(nil, searchError(ctx, "search", err))
			return
		}
		left := q.Limit
		give := func(r *driver.Record) bool {
			left--
			return yield(r, nil) && left != 0
		}
		var failed error
		for r, err := range s.sorted(ctx, &q) {
			if err != nil {
				failed = err
				break
			}
			for len(unsorted) > 0 && q.Compare(unsorted[0], r) < 0 {
				next := unsorted[0]
				if unsorted = unsorted[1:]; !give(next) {
					return
				}
			}
			if !give(r) {
				return
			}
		}
		var cut *driver.TruncatedError
		if failed != nil && !errors.As(failed, &cut) {
			yield(nil, searchError(ctx, "search", failed))
			return
		}
		for _, r := range unsorted {
			if cut != nil && q.Cursor(r).Compare(cut.After) > 0 {
				break
			}
			if !give(r) {
				return
			}
		}
		if cut != nil {
			yield(nil, cut)
		}
	}
}

// sorted yields what a query selects of the documents that the engine can sort.
func (s *Store) sorted(ctx context.Context, q *driver.Query) iter.Seq2[*driver.Record, error] {
	return func(yield func(*driver.Record, error) bool) {
		c := conditionOf(q)
		query, by := c.candidates(), sortField(q)
		if by != "created" {
			query = allOf(query, has(by))
		}
		order := "asc"
		if q.Order != driver.OrderCreated {
			order = "desc"
		}
		sort := []object{sortBy(by, order, "long"), sortBy("id", order, "keyword")}
		after, size, left, vain := afterCursor(q.After), firstPage, q.Limit, 0
		for {
			if len(c.loose) > 0 && q.Scan > 0 {
				size = min(size, q.Scan+1-vain+max(left, 1))
			} else if len(c.loose) == 0 && q.Limit > 0 {
				size = min(size, left)
			}
			p, err := s.searchPage(ctx, query, sort, after, size)
			if err != nil {
				yield(nil, err)
				return
			}
			found := 0
			for _, r := range p.items {
				if len(c.loose) > 0 && !q.Matches(r) {
					continue
				}
				if found++; !yield(r, nil) {
					return
				}
			}
			if left -= found; p.hits < size || q.Limit > 0 && left <= 0 {
				return
			}
			if vain += p.hits - found; q.Scan > 0 && vain > q.Scan {
				yield(nil, &driver.TruncatedError{After: cursorOf(p.last, q.Order)})
				return
			}
			after = p.last
			size = nextPage(p.bytes, p.hits)
		}
	}
}

// nextPage returns the size of a page behind one of so many bytes.
func nextPage(bytes, hits int) int { return min(max(pageBytes/max(bytes/hits, 1), 10), mostPage) }

// unsorted returns, in order, what a query selects of the documents that the engine can't
// sort: they lack the time, or their index has a mapping of earlier versions.
func (s *Store) unsorted(ctx context.Context, q *driver.Query) (found []*driver.Record, err error) {
	by := sortField(q)
	if by == "created" {
		return nil, nil // each document has it, in each mapping
	}
	cut := func() {
		slices.SortFunc(found, q.Compare)
		if q.Limit > 0 && len(found) > q.Limit {
			clear(found[q.Limit:])
			found = found[:q.Limit]
		}
	}
	err = s.walk(ctx, allOf(conditionOf(q).candidates(), lacks(by)), func(r *driver.Record, looked int) error {
		if q.Scan > 0 && looked > q.Scan {
			return &driver.TruncatedError{}
		}
		if r != nil && q.Matches(r) {
			found = append(found, r)
		}
		if q.Limit > 0 && len(found) >= 2*q.Limit+firstPage {
			cut()
		}
		return nil
	})
	cut()
	return found, err
}

// walk reads the documents of a query, in no order that means anything, until f returns
// an error. It counts them for f, which gets nil in place of one that can't be read.
func (s *Store) walk(ctx context.Context, query object, f func(r *driver.Record, looked int) error) error {
	var after json.RawMessage
	looked, size := 0, firstPage
	for {
		p, err := s.searchPage(ctx, query, []object{sortBy("id", "asc", "keyword")}, after, size)
		if err != nil {
			return err
		}
		for i := range p.hits {
			var r *driver.Record
			if i < len(p.items) {
				r = p.items[i]
			}
			looked++
			if err := f(r, looked); err != nil {
				return err
			}
		}
		if p.hits < size {
			return nil
		}
		after, size = p.last, nextPage(p.bytes, p.hits)
	}
}

func (s *Store) searchPage(ctx context.Context, query object, sort []object, after json.RawMessage, size int) (page[*driver.Record], error) {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return page[*driver.Record]{}, err
	}
	defer done()
	if err := s.prepareToRead(ctx); err != nil {
		return page[*driver.Record]{}, err
	}
	body := object{
		"size":                size,
		"query":               query,
		"sort":                sort,
		"seq_no_primary_term": true,
		"track_total_hits":    false,
	}
	if after != nil {
		body["search_after"] = after
	}
	return search(ctx, s, s.names.searched(), body, func(h *hit) (*driver.Record, bool) {
		rec, err := s.searched(ctx, h)
		if err != nil && s.notes.first("passed over "+string(h.index)+string(h.id)) {
			s.cfg.Logger.Warn("elasticstore: a search passes over a document", "id", string(h.id), "index", string(h.index), "error", err)
		}
		return rec, err == nil
	})
}

// searched reads the document of a hit of a search. One of an index behind an alias that
// this process hasn't seen yet has the alias looked up.
func (s *Store) searched(ctx context.Context, h *hit) (*driver.Record, error) {
	id, err := driver.ParseID(string(h.id))
	if err != nil {
		return nil, errors.New("its _id isn't one of a record")
	}
	p := s.placeOf(id)
	h.home = p.home.Load()
	if !h.home.is(p.name, h.index) {
		if err := s.lookSince(ctx, p, time.Second); err != nil {
			return nil, err
		}
		h.home = p.home.Load()
	}
	if !h.home.is(p.name, h.index) {
		return nil, errors.New("it isn't where a record of its id would be")
	}
	return h.record(id)
}

// cursorOf returns the place of a hit's sort values; zero if they are of no record.
func cursorOf(sort json.RawMessage, o driver.Order) driver.Cursor {
	var ms int64
	var id driver.ID
	d := json.NewDecoder(bytes.NewReader(sort))
	if t, err := d.Token(); err != nil || t != json.Delim('[') || d.Decode(&ms) != nil || d.Decode(&id) != nil {
		return driver.Cursor{}
	}
	return driver.Cursor{Created: time.UnixMilli(ms).UTC(), ID: id, Order: o}
}
