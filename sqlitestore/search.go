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
// is yielded. So a slow consumer holds up nobody, and may use the store meanwhile.
const (
	pageRows  = 500
	pageBytes = 4 << 20
)

// Search yields records in the order of Cursor.Compare; see driver.Store. It reads page
// by page: it finds every write that was acknowledged before it began, and may find
// those made meanwhile. A row that can't be read is logged and passed over.
func (s *Store) Search(ctx context.Context, q driver.Query) iter.Seq2[*driver.Record, error] {
	return func(yield func(*driver.Record, error) bool) {
		c, after, left := newCondition(q), placeOf(q.After), q.Limit
		for {
			rows := pageRows
			if q.Limit > 0 {
				rows = min(rows, left)
			}
			p, err := s.page(ctx, c, after, rows)
			for _, r := range p.records {
				if !yield(r, nil) {
					return
				}
			}
			if err != nil {
				yield(nil, s.fail("search", driver.ID{}, err))
				return
			}
			left -= len(p.records)
			if !p.more || q.Limit > 0 && left <= 0 {
				return
			}
			after = &p.end
		}
	}
}

// page is a part of a search's answer.
type page struct {
	records []*driver.Record
	end     place // the last row's place, readable or not
	more    bool  // there may be another page
}

// page reads the next page, of at most rows rows.
func (s *Store) page(ctx context.Context, c condition, after *place, rows int) (p page, err error) {
	if after != nil {
		c = c.and("(created, id) > (?, ?)", after.created, after.id)
	}
	sql := "SELECT " + columns + ", id FROM records WHERE " + c.where + " ORDER BY created, id LIMIT ?"
	args := append(slices.Clip(c.args), int64(rows))
	err = s.readers.long(ctx, func(r *reader) error {
		p = page{}
		n, bytes := 0, 0
		return r.each(sql, args, func(stmt *sqlite.Stmt) bool {
			n++
			bytes += stmt.ColumnLen(cData)
			p.end = place{stmt.ColumnInt64(cCreated), stmt.ColumnText(cID)}
			p.more = n == rows || bytes >= pageBytes
			if rec, err := scanWithID(stmt, p.end.id, r.app); err != nil {
				s.log.WarnContext(ctx, "sqlitestore: search passes over a record", "id", p.end.id, "error", err)
			} else if rec.Grave == nil { // a grave with a kind, which only an operator makes
				p.records = append(p.records, rec)
				r.app = rec.App
			}
			return bytes < pageBytes
		})
	})
	return p, err
}

const cID = cData + 1

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

// condition is a Query as SQL, without After. There are few texts, so connections can
// keep their statements.
type condition struct {
	where string
	args  []any // int64 or string
}

func newCondition(q driver.Query) condition {
	c := condition{where: "kind <> ''"} // no graves; for the planner: the indexes have none
	if q.Kind == "" {
		q.Kind = driver.KindSession
	}
	c = c.and("kind = ?", string(q.Kind))
	if q.App != "" {
		c = c.and("app = ?", q.App)
	}
	if q.Principal != "" {
		c = c.and("principal = ? AND principal <> ''", q.Principal)
	}
	if !q.CreatedFrom.IsZero() {
		c = c.and("created >= ?", ceilMillis(q.CreatedFrom))
	}
	if !q.CreatedTo.IsZero() {
		c = c.and("created < ?", ceilMillis(q.CreatedTo))
	}
	if !q.ExpiresFrom.IsZero() {
		c = c.and("expires >= ?", ceilMillis(q.ExpiresFrom))
	}
	if !q.ExpiresTo.IsZero() { // a record without the time comes before all
		c = c.and("(expires IS NULL OR expires < ?)", ceilMillis(q.ExpiresTo))
	}
	return c
}

// and returns the condition with one more term. It doesn't change c.
func (c condition) and(term string, args ...any) condition {
	return condition{c.where + " AND " + term, append(slices.Clip(c.args), args...)}
}

// place is a row's place in the order of Search. The row may be unreadable.
type place struct {
	created int64
	id      string
}

// placeOf returns the place behind which a search begins; nil for the start.
func placeOf(c driver.Cursor) *place {
	if c == (driver.Cursor{}) {
		return nil
	}
	p := &place{c.Created.UnixMilli(), c.ID.String()}
	if ceilMillis(c.Created) != p.created {
		p.id = "~" // between two milliseconds: behind all ids of the first
	}
	return p
}

// ceilMillis returns t in milliseconds, rounded up. Stored times are whole milliseconds:
// one is before t if it is before ceilMillis(t).
func ceilMillis(t time.Time) int64 {
	ms := t.UnixMilli()
	if t.Nanosecond()%int(time.Millisecond) != 0 {
		ms++
	}
	return ms
}
