package sqlitestore

import (
	"zombiezen.com/go/sqlite"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the writes: their statements, and the operations of a batch.

// statements are the statements of the connection that writes. Each decides by its WHERE
// alone. So each item of a batch happens whole or not at all, and doesn't disturb the
// others.
type statements struct {
	begin, commit, rollback *sqlite.Stmt

	insert  *sqlite.Stmt // a record for a new id
	save    *sqlite.Stmt // a record at a version, all indexed columns unchanged
	replace *sqlite.Stmt // a record at a version
	version *sqlite.Stmt // read the version of a record or grave
	bury    *sqlite.Stmt // a record or grave at a version
	dig     *sqlite.Stmt // a grave for an id, whatever is there
	remove  *sqlite.Stmt // a record or grave at a version
	expire  *sqlite.Stmt // bury a record, for the sweep
	name    *sqlite.Stmt // read a row's id
	spare   *sqlite.Stmt // move due: the sweep looks again later
}

// The statements that update a record. saveSQL is the common one, which moves nothing in
// an index: see migrations.
const (
	setRecord = `UPDATE records SET seq = ?22 + 1, authenticated = ?7, seen = ?8, expires = ?9, deadline = ?10,
		verifier = ?11, previous = ?12, previous_ends = ?13, persistent = ?14, address = ?15, user_agent = ?16,
		writes = ?17, revs = ?18, data = ?19, extra = ?20`
	atVersion = ` WHERE term = ?21 AND seq = ?22 AND id = ?1 AND grave IS NULL`
	saveSQL   = setRecord + atVersion + ` AND kind = ?2 AND app = ?3 AND principal = ?4 AND created = ?5 AND due <= ?6`
)

func (s *statements) prepare(c *sqlite.Conn) error {
	const (
		setGrave = ` SET seq = seq + 1, kind = '', app = '', principal = '', due = ?3, authenticated = NULL,
			seen = NULL, expires = NULL, deadline = NULL, verifier = NULL, previous = NULL, previous_ends = NULL,
			persistent = 0, address = '', user_agent = '', writes = 0, revs = '', data = '{}', extra = NULL, grave = ?4`
	)
	for _, p := range []struct {
		stmt **sqlite.Stmt
		sql  string
	}{
		{&s.begin, `BEGIN IMMEDIATE`},
		{&s.commit, `COMMIT`},
		{&s.rollback, `ROLLBACK`},
		{&s.insert, `INSERT INTO records (seq, id, kind, app, principal, created, due, authenticated, seen, expires,
			deadline, verifier, previous, previous_ends, persistent, address, user_agent, writes, revs, data,
			extra) VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19,
			?20)
			ON CONFLICT (id) DO NOTHING`},
		{&s.save, saveSQL},
		{&s.replace, setRecord + `, kind = ?2, app = ?3, principal = ?4, created = ?5, due = ?6` + atVersion},
		{&s.version, `SELECT term, seq, grave IS NOT NULL FROM records WHERE id = ?1`},
		{&s.bury, `UPDATE records` + setGrave + ` WHERE term = ?1 AND seq = ?2 AND id = ?5`},
		{&s.dig, `INSERT INTO records (seq, id, kind, app, principal, created, due, persistent, address, user_agent,
			writes, revs, data, grave) VALUES (1, ?5, '', '', '', 0, ?3, 0, '', '', 0, '', '{}', ?4)
			ON CONFLICT (id) DO UPDATE` + setGrave},
		{&s.remove, `DELETE FROM records WHERE term = ?1 AND seq = ?2`},
		{&s.expire, `UPDATE records` + setGrave + ` WHERE term = ?1 AND seq = ?2 AND grave IS NULL`},
		{&s.name, `SELECT id FROM records WHERE term = ?1`},
		{&s.spare, `UPDATE records SET due = ?3 WHERE term = ?1 AND seq = ?2`},
	} {
		var err error
		if *p.stmt, err = c.Prepare(p.sql); err != nil {
			return err
		}
	}
	return nil
}

// op is one item of a batch. It runs inside the writer's transaction. An error that
// isn't one of told means that the transaction is broken.
type op func(w *writer) (outcome, error)

// outcome is the result of an op.
type outcome struct {
	version driver.Version
	report  driver.SweepReport
}

// change runs a statement and reports whether it changed anything.
func (w *writer) change(s *sqlite.Stmt) (bool, error) {
	err := run(s)
	if err != nil { // SQLite may have ended the transaction, and given up its lock
		w.copies.release()
	}
	return err == nil && w.conn.Changes() > 0, err
}

func create(r *row) op {
	return func(w *writer) (outcome, error) {
		r.bind(w.stmts.insert)
		ok, err := w.change(w.stmts.insert)
		if err == nil && !ok {
			err = driver.ErrExists
		}
		return outcome{version: driver.Version{Term: uint64(w.conn.LastInsertRowID()), Seq: 1}}, err
	}
}

func update(r *row, v driver.Version) op {
	return func(w *writer) (outcome, error) {
		next := outcome{version: driver.Version{Term: v.Term, Seq: v.Seq + 1}}
		for _, s := range []*sqlite.Stmt{w.stmts.save, w.stmts.replace} {
			r.bind(s)
			s.BindInt64(pTerm, int64(v.Term))
			s.BindInt64(pSeq, int64(v.Seq))
			if ok, err := w.change(s); ok || err != nil {
				return next, err
			}
			if err := w.check(r.id, v); err != nil {
				return outcome{}, err
			}
		}
		return outcome{}, driver.ErrConflict // not reached: the update would have changed it
	}
}

// check returns nil if the record of an id is at a version, and otherwise the error of a
// compare-and-set on it.
func (w *writer) check(id string, v driver.Version) error {
	s := w.stmts.version
	s.BindText(1, id)
	there, err := s.Step()
	at := driver.Version{Term: uint64(s.ColumnInt64(0)), Seq: uint64(s.ColumnInt64(1))}
	buried := s.ColumnBool(2)
	if resetErr := s.Reset(); err == nil {
		err = resetErr
	}
	switch {
	case err != nil:
		return err
	case !there:
		return driver.ErrNotFound
	case buried:
		return driver.ErrGone
	case at != v:
		return driver.ErrConflict
	}
	return nil
}

// bury buries a record, or replaces a grave, at a version; with the zero version
// unconditionally. grave is encoded, and due is the grave's.
func bury(id, grave string, due int64, v driver.Version) op {
	return func(w *writer) (outcome, error) {
		s := w.stmts.dig
		if !v.IsZero() {
			s = w.stmts.bury
			s.BindInt64(1, int64(v.Term))
			s.BindInt64(2, int64(v.Seq))
		}
		s.BindInt64(3, due)
		s.BindText(4, grave)
		s.BindText(5, id)
		ok, err := w.change(s)
		if err == nil && !ok {
			err = w.check(id, v)
		}
		return outcome{}, err
	}
}
