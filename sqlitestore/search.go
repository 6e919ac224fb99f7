package sqlitestore

import (
	"context"
	"iter"
	"slices"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is Search.

// Bounds of a page of a search. The page's reader goes back to the pool before a record
// is yielded. So a slow consumer holds up nobody, and may use the store meanwhile. Rows
// that are only judged count for the last alone.
const (
	pageRows   = 500
	pageBytes  = 4 << 20
	pageJudged = 20_000
)

// Search yields records and graves in the query's order; see driver.Store. It reads page
// by page: it finds every write that was acknowledged before it began, and may find
// those made meanwhile. A row that can't be read is logged and passed over.
//
// There are indexes for App and Principal, for both orders of Created, for graves, and
// with Config.IndexSeen for OrderSeen. For Address, Agent, Seen and Expires it reads the
// rows that the rest of the query selects. Without its index, each page in OrderSeen takes
// a look at all of these.
func (s *Store) Search(ctx context.Context, q driver.Query) iter.Seq2[*driver.Record, error] {
	return func(yield func(*driver.Record, error) bool) {
		fail := func(err error) { yield(nil, s.fail("search", driver.ID{}, err)) }
		if err := q.Check(); err != nil {
			fail(err)
			return
		}
		const most = 1 << 29 // so that no sum of it overflows
		q.Scan = min(q.Scan, most)
		switch cut, err := s.cannotOrder(ctx, &q); {
		case err != nil:
			fail(err)
			return
		case cut != nil:
			yield(nil, cut)
			return
		}
		c, after, left, vain := newCondition(q), placeOf(q.After), q.Limit, 0
		done := q.After // up to here all was read
		for {
			want := pageRows
			if q.Limit > 0 {
				want = min(want, left)
			}
			most := pageJudged
			if q.Scan > 0 {
				most = min(most, q.Scan+1-vain)
			}
			p, err := s.page(ctx, c, after, want, most)
			for _, r := range p.records {
				if !yield(r, nil) {
					return
				}
			}
			if err != nil {
				fail(err)
				return
			}
			left -= len(p.records)
			if !p.more || q.Limit > 0 && left <= 0 {
				return
			}
			after, vain = &p.end, vain+p.vain
			if at, ok := p.end.cursor(q.Order); ok {
				done = at
			}
			if q.Scan > 0 && vain > q.Scan {
				yield(nil, &driver.TruncatedError{After: done})
				return
			}
		}
	}
}

// cannotOrder returns a TruncatedError if the order takes a look at more rows than the
// query allows. Otherwise that look is allowed, and the query's bound is taken away.
func (s *Store) cannotOrder(ctx context.Context, q *driver.Query) (cut *driver.TruncatedError, err error) {
	if q.Order != driver.OrderSeen || q.Scan <= 0 {
		return nil, nil
	}
	all := *q
	all.SeenFrom, all.SeenTo = time.Time{}, time.Time{}
	c := newCondition(all)
	err = s.readers.long(ctx, func(r *reader) error {
		if made, err := seenIndex.made(r.conn); err != nil || made {
			return err
		}
		n := int64(0)
		sql := "SELECT count(*) FROM (SELECT 1 FROM records WHERE " + c.where + " LIMIT ?)"
		err := r.each(sql, append(slices.Clip(c.args), int64(q.Scan)+1), func(stmt *sqlite.Stmt) bool {
			n = stmt.ColumnInt64(0)
			return true
		})
		if n > int64(q.Scan) {
			cut = &driver.TruncatedError{}
		} else {
			q.Scan = 0
		}
		return err
	})
	return cut, err
}

// page is a part of a search's answer.
type page struct {
	records []*driver.Record
	vain    int   // rows that were judged and not selected
	end     place // the last row's place, readable or not
	more    bool  // there may be another page
}

// page reads the next page: at most want records, and most rows that are not selected.
func (s *Store) page(ctx context.Context, c condition, after *place, want, most int) (p page, err error) {
	cond := c.behind(after)
	sql := "SELECT " + columns + ", " + c.time + ", id FROM records WHERE " + cond.where + cond.order() + " LIMIT ?"
	limit := want
	if c.rest != nil {
		limit = most + want
	}
	args := append(slices.Clip(cond.args), int64(limit))
	err = s.readers.long(ctx, func(r *reader) error {
		p = page{}
		n, bytes := 0, 0
		return r.each(sql, args, func(stmt *sqlite.Stmt) bool {
			n++
			p.end = place{stmt.ColumnInt64(cTime), stmt.ColumnText(cID)}
			p.more = n == limit
			if c.rest != nil && !c.rest(stmt, restColumns{cSeen, cExpires, cAddress, cUserAgent}) {
				p.vain++
			} else {
				bytes += stmt.ColumnLen(cData)
				if rec, err := scanWithID(stmt, p.end.id, r.app); err != nil {
					s.log.WarnContext(ctx, "sqlitestore: search passes over a record", "id", p.end.id, "error", err)
				} else if (rec.Grave != nil) == c.graves { // a grave with a kind is one that an operator made
					p.records = append(p.records, rec)
					r.app = rec.App
				}
			}
			if bytes >= pageBytes || p.vain >= most || len(p.records) >= want {
				p.more = true
			}
			return !p.more
		})
	})
	return p, err
}

// The columns behind those of scan.
const (
	cTime = cData + 1 + iota
	cID
)

func scanWithID(stmt *sqlite.Stmt, text, app string) (*driver.Record, error) {
	id, err := driver.ParseID(text)
	if err != nil {
		return nil, err
	}
	return scan(stmt, id, app)
}

// each runs a query, and calls f at each row until it returns false.
func (r *reader) each(sql string, args []any, f func(*sqlite.Stmt) bool) error {
	stmt, err := r.conn.Prepare(sql)
	if err != nil {
		return err
	}
	for i, a := range args {
		switch a := a.(type) {
		case int64:
			stmt.BindInt64(i+1, a)
		case string:
			stmt.BindText(i+1, a)
		}
	}
	for {
		ok, err := stmt.Step()
		if err != nil || !ok || !f(stmt) {
			if resetErr := stmt.Reset(); err == nil {
				err = resetErr
			}
			return err
		}
	}
}
