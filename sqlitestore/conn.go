package sqlitestore

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// openConn opens a connection to a file that is there. It never waits for
// locks by itself: retry does, which knows for how long.
func openConn(path string) (*sqlite.Conn, error) {
	// Without OpenCreate a file that is gone is an error; without OpenURI a
	// path is a path, whatever it begins with.
	c, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return nil, err
	}
	c.SetBusyTimeout(0)
	return c, nil
}

// execute runs one statement that is not needed again and has no result.
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

// transact calls f in a transaction that may write, and ends it as end says.
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

// Between two attempts to get a lock retry pauses for firstPause to begin with, for a
// tenth less each time, and for lastPause in the end.
const (
	firstPause = 800 * time.Microsecond
	lastPause  = 50 * time.Microsecond
)

// retry calls f again as long as it fails because another connection holds a
// lock, until patience or ctx ends. SQLite keeps no queue of those who wait. Where
// another process commits one batch after the other, the lock is free for some
// microseconds at a time, and SQLite's own waiting, which sleeps for up to 100 ms,
// rarely meets them. So retry asks often; and the more often the longer it has waited,
// so that those who wait longest are the likeliest to get their turn.
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
