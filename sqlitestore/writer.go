package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/cloakroom-go/cloakroom/figures"
	"github.com/cloakroom-go/cloakroom/internal/batch"
)

// This file is the connection that writes: group commit, and the size of the write-
// ahead log.

// writer is the one connection that writes. At most one flush uses it at a time.
type writer struct {
	conn  *sqlite.Conn
	path  string
	file  os.FileInfo // the file that was opened
	busy  time.Duration
	stmts statements

	own    own // its lock is that of conn
	copies *copies

	commits atomic.Int64         // transactions that wrote; for tests
	sizes   figures.Tally[int64] // of transactions
	unbegun atomic.Int64         // items of the transaction that is about to begin
	retries atomic.Int64         // items that got a transaction of their own
	walLook time.Time            // when to look at the log's size again
}

// The commit that finds the write-ahead log grown to checkpointPages copies it into the
// file. (Copying it from another connection, beside the saves, was not faster and gave
// no better latencies: the file system makes the syncs of both files wait for each
// other.) The next save starts the log anew if no reader is still in it. If some reader
// always is, the log goes on growing. So the writer looks at the log's size now and
// then. Once that is walLimit it waits for the readers, but not for long; if that is in
// vain, it doesn't try again for a while.
const (
	checkpointPages = 2000
	walLimit        = 32 << 20
	walEvery        = time.Second
	walPatience     = 100 * time.Millisecond
	walPause        = 30 * time.Second
)

// openWriter opens the connection that writes, and makes the schema if needed.
func openWriter(ctx context.Context, path string, cfg Config) (w *writer, err error) {
	c, err := openConn(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = c.Close()
		}
	}()
	try := func(f func() error) {
		if err == nil {
			err = retry(ctx, cfg.BusyTimeout, f)
		}
	}
	// Check whose file it is, and that it can be written to, before anything in it is
	// changed.
	try(func() error {
		return transact(c, "ROLLBACK", func() error {
			_, err := schemaVersion(c)
			return err
		})
	})
	try(func() error {
		mode, err := queryText(c, "PRAGMA journal_mode = WAL")
		if err == nil && mode != "wal" {
			err = refusal("its file system can't keep a write-ahead log, as network file systems can't; use a local disk")
		}
		return err
	})
	for _, sql := range []string{
		"PRAGMA synchronous = FULL", // a commit returns when it is on the disk
		"PRAGMA trusted_schema = 0",
		"PRAGMA temp_store = MEMORY",
		"PRAGMA cache_size = -32000",
		// Overwrite the content of an ended session where that needs no further page:
		// this costs nothing measurable.
		"PRAGMA secure_delete = FAST",
		fmt.Sprintf("PRAGMA wal_autocheckpoint = %d", checkpointPages),
		fmt.Sprintf("PRAGMA journal_size_limit = %d", walLimit/2),
	} {
		try(func() error { return execute(c, sql) })
	}
	try(func() error { return transact(c, "COMMIT", func() error { return migrate(c, cfg) }) })
	if err != nil {
		return nil, err
	}
	w = &writer{conn: c, path: path, busy: cfg.BusyTimeout, copies: newCopies(cfg.CopyBytes)}
	try(func() error { return w.stmts.prepare(c) })
	try(func() (err error) {
		w.own.observer, err = observe(c)
		return err
	})
	try(func() (err error) {
		w.file, err = os.Stat(path)
		return err
	})
	return w, err
}

// flush carries out a batch in one transaction. If an item breaks the transaction, each
// item gets a transaction of its own, so that only that item fails.
func (w *writer) flush(ctx context.Context, ops []item) []batch.Result[outcome] {
	w.own.Lock()
	defer w.own.Unlock()
	results := make([]batch.Result[outcome], len(ops))
	end := time.Now().Add(w.busy)
	if w.transaction(ctx, end, ops, results) {
		w.limitWAL()
		return results
	}
	if len(ops) > 1 {
		w.retries.Add(int64(len(ops)))
		for i := range ops {
			w.transaction(ctx, end, ops[i:i+1], results[i:i+1])
		}
	}
	return results
}

// transaction carries out ops in one transaction. If an op breaks it, transaction
// returns false: everything is rolled back, and the results are those of ops that didn't
// happen.
func (w *writer) transaction(ctx context.Context, end time.Time, ops []item, results []batch.Result[outcome]) bool {
	w.sizes.Add(int64(len(ops)))
	w.unbegun.Store(int64(len(ops)))
	err := w.begin(ctx, end)
	w.unbegun.Store(0)
	if err != nil {
		giveAll(results, err)
		return true
	}
	if !w.copies.none {
		unchanged := w.own.unchanged()
		if w.conn.AutocommitEnabled() { // SQLite has ended the transaction, and each op would be one by itself
			giveAll(results, errors.New("nothing was written: SQLite ended the transaction as it began"))
			return true
		}
		w.copies.begin(ops, unchanged)
	}
	done := false
	defer func() {
		if !done {
			w.own.sure = false
			w.copies.failed()
		}
	}()
	wrote := false
	for i, o := range ops {
		if !o.begins() {
			results[i].Err = context.DeadlineExceeded // its caller has left
			continue
		}
		var err error
		results[i].Value, err = o.op(w)
		switch {
		case err == nil:
			wrote = true
		case !isTold(err):
			w.copies.release()
			giveAll(results, fmt.Errorf("nothing was written: %w", errors.Join(err, w.rollback())))
			return false
		}
		results[i].Err = err
	}
	w.copies.release()
	if err := run(w.stmts.commit); err != nil {
		// Even so the commit may be on the disk, and be found there after a crash.
		giveAll(results, fmt.Errorf("the commit failed, its outcome is unknown: %w", errors.Join(err, w.rollback())))
		return true
	}
	done = true
	w.copies.committed(ops, results)
	if wrote {
		w.commits.Add(1)
	}
	return true
}

func giveAll(results []batch.Result[outcome], err error) {
	for i := range results {
		results[i] = batch.Result[outcome]{Err: err}
	}
}

// begin begins a transaction that writes, when no other process has one.
func (w *writer) begin(ctx context.Context, end time.Time) error {
	if err := w.rollback(); err != nil { // in case an earlier one failed
		return err
	}
	if info, err := os.Stat(w.path); err != nil || !os.SameFile(info, w.file) {
		return errMoved(w.path)
	}
	err := run(w.stmts.begin)
	if isBusy(err) {
		err = retry(ctx, time.Until(end), func() error { return run(w.stmts.begin) })
	}
	if isBusy(err) {
		return notBegun(explain(w.path, err))
	}
	return err
}

// rollback ends the transaction if there is one. After some errors SQLite has ended it
// by itself.
func (w *writer) rollback() error {
	if w.conn.AutocommitEnabled() {
		return nil
	}
	return run(w.stmts.rollback)
}

// limitWAL keeps the write-ahead log from growing for ever. It ignores errors: the next
// save, or the next look, meets them again.
func (w *writer) limitWAL() {
	now := time.Now()
	if now.Before(w.walLook) {
		return
	}
	w.walLook = now.Add(walEvery)
	if walSize(w.path) < walLimit {
		return
	}
	w.conn.SetBusyTimeout(walPatience)
	defer w.conn.SetBusyTimeout(0)
	if busy, err := queryInt(w.conn, "PRAGMA wal_checkpoint(RESTART)"); busy != 0 || err != nil {
		w.walLook = now.Add(walPause)
	}
}

// walSize returns the size of the write-ahead log, 0 if there is none.
func walSize(path string) int64 {
	info, err := os.Stat(path + "-wal")
	if err != nil {
		return 0
	}
	return info.Size()
}
