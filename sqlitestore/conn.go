package sqlitestore

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// This file is connections to the file: opening them, running statements, and waiting
// for locks.

// openConn opens a connection to an existing file. The connection doesn't wait for
// locks: retry does, since it knows for how long.
func openConn(path string) (*sqlite.Conn, error) {
	// Without OpenCreate a missing file is an error. Without OpenURI a path is never
	// taken for a URI.
	c, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return nil, err
	}
	c.SetBusyTimeout(0)
	return c, nil
}

// execute runs one statement that has no result and isn't kept.
func execute(c *sqlite.Conn, sql string) error {
	return sqlitex.ExecuteTransient(c, sql, nil)
}

// queryText returns the first column of the first row.
func queryText(c *sqlite.Conn, sql string) (text string, err error) {
	err = sqlitex.ExecuteTransient(c, sql, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		text = s.ColumnText(0)
		return nil
	}})
	return text, err
}

// queryInt is queryText for integers.
func queryInt(c *sqlite.Conn, sql string) (n int64, err error) {
	err = sqlitex.ExecuteTransient(c, sql, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		n = s.ColumnInt64(0)
		return nil
	}})
	return n, err
}

// transact calls f in a transaction that may write, and ends it with the statement end.
// If f or end fails, it rolls back.
func transact(c *sqlite.Conn, end string, f func() error) error {
	err := execute(c, "BEGIN IMMEDIATE")
	if err != nil {
		return err
	}
	if err = f(); err == nil {
		err = execute(c, end)
	}
	if !c.AutocommitEnabled() {
		err = errors.Join(err, execute(c, "ROLLBACK"))
	}
	return err
}

// run executes a prepared statement that has no result.
func run(s *sqlite.Stmt) error {
	_, err := s.Step()
	if resetErr := s.Reset(); err == nil {
		err = resetErr
	}
	return err
}

// Pauses of retry between two attempts. The first is firstPause; each is a tenth shorter
// than the one before, down to lastPause.
const (
	firstPause = 800 * time.Microsecond
	lastPause  = 50 * time.Microsecond
)

// retry calls f until it no longer fails because another connection holds a lock, or
// until patience or ctx ends. SQLite keeps no queue of waiting connections. If another
// process commits one batch after the other, the lock is free for some microseconds at a
// time. SQLite's own waiting sleeps for up to 100 ms and rarely meets them. So retry
// asks often, and more often the longer it has waited: the longest wait has the best
// chance.
func retry(ctx context.Context, patience time.Duration, f func() error) error {
	err := f()
	if !isBusy(err) {
		return err
	}
	end := time.Now().Add(patience)
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for pause := firstPause; isBusy(err) && time.Now().Before(end); pause = max(pause*9/10, lastPause) {
		timer.Reset(pause/2 + rand.N(pause))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		err = f()
	}
	return err
}

func isBusy(err error) bool {
	if err == nil {
		return false
	}
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultBusy, sqlite.ResultProtocol:
		return true
	}
	return false
}
