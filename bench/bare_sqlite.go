package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file is SQLite alone, as a peer of our store.

// sqliteStore opens a store in a file of its own. Store and file end with the case.
func (b *Bench) sqliteStore(copyBytes int) (store *sqlitestore.Store, path string, err error) {
	dir, err := b.tempDir()
	if err != nil {
		return nil, "", err
	}
	path = filepath.Join(dir, "sessions.db")
	store, err = b.openSQLiteFile(path, copyBytes)
	return store, path, err
}

func (b *Bench) openSQLiteFile(path string, copyBytes int) (*sqlitestore.Store, error) {
	store, err := sqlitestore.Open(b, path, &sqlitestore.Config{CopyBytes: copyBytes})
	if err == nil {
		b.Cleanup(store.Close)
	}
	return store, err
}

// openSQLite fills a store in a file of its own. The check at the end reads the file.
func openSQLite(b *Bench, n, copyBytes int) (*records, error) {
	store, path, err := b.sqliteStore(copyBytes)
	if err != nil {
		return nil, err
	}
	rs, err := fill(b, store, n, time.Now())
	if err != nil {
		return nil, err
	}
	rs.reader, err = b.openSQLiteFile(path, withoutCopies)
	return rs, err
}

// ourSettings are those of our store's writer, which all of SQLite's peers have too.
var ourSettings = []string{
	"synchronous = FULL", "trusted_schema = 0", "temp_store = MEMORY", "cache_size = -32000", "secure_delete = FAST", "wal_autocheckpoint = 2000",
	"journal_size_limit = 16777216",
}

// bare is SQLite alone with the rows of a store: one connection, prepared statements and
// parameters. It is the bound of our store, reached if the store did nothing but
// SQLite's work.
type bare struct {
	conn                        *sqlite.Conn
	begin, commit, save, search *sqlite.Stmt
	rows                        []*bareRow
}

type bareRow struct {
	id, revs, data string
	rec            *driver.Record
	written        int64
}

// openBare opens a file that a store has filled and closed.
func openBare(b *Bench, n int) (*bare, error) {
	dir, err := b.tempDir()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "bare.db")
	store, err := sqlitestore.Open(b, path, nil)
	if err != nil {
		return nil, err
	}
	rs, err := fill(b, store, n, time.Now())
	if err := errors.Join(err, store.Close()); err != nil {
		return nil, err
	}
	s := &bare{}
	for _, r := range rs.all {
		data, err := json.Marshal(maps.Collect(r.Values.All()))
		if err != nil {
			return nil, err
		}
		revs := make([]string, len(r.WriteIDs))
		for i, v := range r.WriteIDs {
			revs[i] = v.String()
		}
		s.rows = append(s.rows, &bareRow{id: r.ID.String(), revs: strings.Join(revs, " "), data: string(data), rec: r})
	}
	if s.conn, err = sqlite.OpenConn(path, sqlite.OpenReadWrite); err != nil {
		return nil, err
	}
	b.Cleanup(s.conn.Close)
	for _, setting := range ourSettings {
		if err := sqlitex.ExecuteTransient(s.conn, "PRAGMA "+setting, nil); err != nil {
			return nil, err
		}
	}
	for _, p := range []struct {
		stmt **sqlite.Stmt
		sql  string
	}{
		{&s.begin, `BEGIN IMMEDIATE`}, {&s.commit, `COMMIT`},
		{&s.save, `UPDATE records SET seq = ?2 + 1, authenticated = ?3, seen = ?4, expires = ?5, deadline = ?6, verifier = ?7,
			address = ?8, user_agent = ?9, writes = ?10, revs = ?11, data = ?12
			WHERE term = ?1 AND seq = ?2 AND id = ?13 AND grave IS NULL`},
		{&s.search, `SELECT * FROM records WHERE id = ?1`},
	} {
		if *p.stmt, err = s.conn.Prepare(p.sql); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// transaction saves size rows, from the place where the last one ended.
func (s *bare) transaction(turn, size int) error {
	if err := step(s.begin); err != nil {
		return err
	}
	for i := range size {
		if err := s.write(s.rows[(turn*size+i)*7%len(s.rows)]); err != nil {
			return err
		}
	}
	return step(s.commit)
}

func (s *bare) write(r *bareRow) error {
	q := s.save
	q.BindInt64(1, int64(r.rec.Version.Term))
	q.BindInt64(2, int64(r.rec.Version.Seq)+r.written)
	q.BindInt64(3, r.rec.Authenticated.UnixMilli())
	q.BindInt64(4, r.rec.Seen.UnixMilli()+r.written+1)
	q.BindInt64(5, r.rec.Expires.UnixMilli())
	q.BindInt64(6, r.rec.Deadline.UnixMilli())
	q.BindBytes(7, r.rec.Verifier)
	q.BindText(8, r.rec.Client.Address)
	q.BindText(9, r.rec.Client.UserAgent)
	q.BindInt64(10, r.written+1)
	q.BindText(11, r.revs)
	q.BindText(12, r.data)
	q.BindText(13, r.id)
	if err := step(q); err != nil {
		return err
	}
	if n := s.conn.Changes(); n != 1 {
		return fmt.Errorf("an update changed %d rows", n)
	}
	r.written++
	return nil
}

// read finds a row and reads each column.
func (s *bare) read(turn int) error {
	r := s.rows[turn*7%len(s.rows)]
	s.search.BindText(1, r.id)
	found, err := s.search.Step()
	if err != nil || !found {
		return errors.Join(err, fmt.Errorf("row found: %v", found))
	}
	for c := range s.search.ColumnCount() {
		if s.search.ColumnType(c) == sqlite.TypeInteger {
			_ = s.search.ColumnInt64(c)
		} else {
			_ = s.search.ColumnText(c)
		}
	}
	return s.search.Reset()
}

// check fails unless each row was written as often as it should have been.
func (s *bare) check(context.Context) error {
	for _, r := range s.rows {
		var got int64 = -1
		err := sqlitex.Execute(s.conn, `SELECT writes FROM records WHERE id = ?1`, &sqlitex.ExecOptions{
			Args: []any{r.id}, ResultFunc: func(q *sqlite.Stmt) error { got = q.ColumnInt64(0); return nil },
		})
		if err != nil {
			return err
		}
		if got != r.written {
			return fmt.Errorf("a row was written %d times in place of %d", got, r.written)
		}
	}
	return nil
}

// step runs a statement that has no result.
func step(q *sqlite.Stmt) error {
	_, err := q.Step()
	return errors.Join(err, q.Reset())
}
