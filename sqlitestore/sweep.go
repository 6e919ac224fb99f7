package sqlitestore

import (
	"context"
	"errors"
	"math"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the sweep.

// sweepRows is the number of records that a sweep ends in one transaction. Saves get
// their turn in between.
const sweepRows = 64

// Sweep buries sessions that are past Expires, and removes records and graves past their
// deadline; see driver.Store. A session without Expires isn't buried, and a record
// without a deadline isn't removed. The space of removed rows is used again; the file
// doesn't shrink.
func (s *Store) Sweep(ctx context.Context, now time.Time) (driver.SweepReport, error) {
	var report driver.SweepReport
	after := due{at: math.MinInt64}
	for {
		list, err := s.due(ctx, after, now)
		if err == nil && len(list) == 0 {
			return report, nil
		}
		var out outcome
		if err == nil {
			out, err = s.saves.Do(ctx, item{op: end(list), tells: true})
		}
		if err != nil {
			return report, s.fail("sweep", driver.ID{}, err)
		}
		report.Buried += out.report.Buried
		report.Removed += out.report.Removed
		after = list[len(list)-1]
	}
}

// due is a row that the sweep must look at: its place among all that are due, and its
// verdict.
type due struct {
	at, term, seq int64
	verdict       verdict
	grave         string // for expire: the grave
	next          int64  // for expire and spare: the new due
}

type verdict int

const (
	remove verdict = iota
	expire         // bury
	spare          // the session was used since its due was set
	leave          // a newer version must judge it
)

const dueSQL = `SELECT due, term, seq, grave IS NOT NULL, kind, expires, deadline, writes, revs, app, principal, extra
	FROM records WHERE due < ? AND (due, term) > (?, ?) ORDER BY due, term LIMIT ?`

// due returns the next sweepRows rows that are due before limit, behind after.
func (s *Store) due(ctx context.Context, after due, now time.Time) (list []due, err error) {
	limit := ceilMillis(now)
	err = s.readers.long(ctx, func(r *reader) error {
		list = nil
		return r.each(dueSQL, []any{limit, after.at, after.term, int64(sweepRows)}, func(stmt *sqlite.Stmt) bool {
			list = append(list, judge(stmt, limit, now))
			return true
		})
	})
	return list, err
}

// judge returns a sweep's verdict on a row of Store.due. A record that can't be
// understood is treated as any other, since only its times matter. Of a record of a
// newer format only the deadline matters. Its due stays, since only a newer version may
// move it.
func judge(stmt *sqlite.Stmt, limit int64, now time.Time) due {
	d := due{
		at:   stmt.ColumnInt64(0),
		term: stmt.ColumnInt64(1),
		seq:  stmt.ColumnInt64(2),
	}
	kind := driver.Kind(stmt.ColumnText(4))
	expires, deadline := columnTime(stmt, 5), columnTime(stmt, 6)
	switch end := removable(deadline); {
	case stmt.ColumnBool(3), end < limit:
		d.verdict = remove
	case isNewer(stmt, 11):
		d.verdict = leave
	case dueOf(kind, expires, deadline) < limit:
		ids, _ := scanWriteIDs(stmt, 8)
		d.verdict, d.next = expire, end
		rec := driver.Record{
			App: stmt.ColumnText(9), Principal: stmt.ColumnText(10), Deadline: deadline,
			Writes: uint64(stmt.ColumnInt64(7)), WriteIDs: ids,
		}
		d.grave, _ = encodeGrave(rec.ExpiredGrave(now)) // it is plain JSON
	default:
		d.verdict, d.next = spare, dueOf(kind, expires, deadline)
	}
	return d
}

func isNewer(stmt *sqlite.Stmt, extra int) bool {
	_, err := scanExtra(stmt, extra)
	return errors.Is(err, driver.ErrNewer)
}

// end carries out verdicts, each at the version that was judged.
func end(list []due) op {
	return func(w *writer) (out outcome, err error) {
		for _, d := range list {
			var s *sqlite.Stmt
			var done *int
			switch d.verdict {
			case remove:
				s, done = w.stmts.remove, &out.report.Removed
			case expire:
				s, done = w.stmts.expire, &out.report.Buried
				s.BindText(4, d.grave)
				s.BindInt64(3, d.next)
			case spare:
				s, done = w.stmts.spare, new(int)
				s.BindInt64(3, d.next)
			case leave:
				continue
			}
			if err := w.tell(d.term); err != nil {
				return outcome{}, err
			}
			s.BindInt64(1, d.term)
			s.BindInt64(2, d.seq)
			ok, err := w.change(s)
			if err != nil {
				return outcome{}, err
			}
			if ok {
				*done++
			}
		}
		return out, nil
	}
}

// tell tells the copies that a row is to be written. Of a row whose id is none there are
// no copies.
func (w *writer) tell(term int64) error {
	if w.copies.none {
		return nil
	}
	s := w.stmts.name
	s.BindInt64(1, term)
	there, err := s.Step()
	if there {
		if id, err := driver.ParseID(s.ColumnText(0)); err == nil {
			w.copies.writes(id)
		}
	}
	if resetErr := s.Reset(); err == nil {
		err = resetErr
	}
	return err
}
