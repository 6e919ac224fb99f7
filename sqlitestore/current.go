package sqlitestore

import (
	"sync"

	"zombiezen.com/go/sqlite"
)

// This file is how a read knows that copies are current: that no other connection than
// the writer's has changed the file in the copies' era.
//
// PRAGMA data_version is a number that a connection sees change if another connection
// has changed the file since. On the writer's own connection it changes only with the
// writes of others: other stores, other processes, the sqlite3 shell. So a change there
// begins a new era, without copies. On a reader's connection it changes with the
// writer's commits as well. If it is what it was when the reader was last sure, the file
// is as it was then, so the reader is sure again. Otherwise it looks, after it has read
// its own number, for one of two signs:
//
//   - The writer is in a transaction that found its own number unchanged. It has the
//     file's write lock, so nobody else can have written since either.
//   - The writer is idle, and its number is unchanged now.
//
// While the writer waits for the file's lock, or commits, there is no sign, and the read
// reads the file. What was found is true of a moment after the read began, and copies
// that were found by then have all that was committed before. So a read sees each write
// that was acknowledged before it began, wherever that was.
//
// There is one exception. An error of the disk, or of memory, makes SQLite end a transaction
// by itself within a statement. The writer takes the first sign back as soon as the
// statement has returned. A read in that moment would miss another process's write that was
// begun, synced and acknowledged within it.
//
// To know this costs each of the writer's transactions one reading of its number. Readers
// read theirs when they find copies, and at no other time.

// observer reads PRAGMA data_version of a connection.
type observer struct {
	stmt *sqlite.Stmt
	sure bool   // the fields below hold
	seen int64  // the number
	era  uint64 // a reader's: nobody else had written in this era when the number was seen
}

// observe prepares an observer.
func observe(c *sqlite.Conn) (o observer, err error) {
	o.stmt, err = c.Prepare("PRAGMA data_version")
	return o, err
}

// read reads the number.
func (o *observer) read() (n int64, err error) {
	ok, err := o.stmt.Step()
	if ok {
		n = o.stmt.ColumnInt64(0)
	}
	if resetErr := o.stmt.Reset(); err == nil {
		err = resetErr
	}
	return n, err
}

// unchanged reads the number, and reports whether it is the one seen last.
func (o *observer) unchanged() bool {
	n, err := o.read()
	same := o.sure && err == nil && n == o.seen
	o.seen, o.sure = n, err == nil
	return same
}

// own is the writer's observer. Its lock is that of the writer's connection, which
// readers borrow while it is idle.
type own struct {
	sync.Mutex
	observer
}

// alone asks the idle writer whether nobody else has written in an era. If somebody may
// have, it begins a new one. now is the present era, if ok or other than the one that was
// asked about; asked is false if there was no answer: the writer is busy, or its number
// couldn't be read.
func (w *writer) alone(c *copies, era uint64) (now uint64, ok, asked bool) {
	if !w.own.TryLock() {
		return 0, false, false
	}
	defer w.own.Unlock()
	if !w.conn.AutocommitEnabled() { // a transaction that couldn't be ended sees nothing new
		return 0, false, false
	}
	if !w.own.unchanged() {
		return c.drop(), false, w.own.sure
	}
	return era, c.isIn(era), true
}

// isCurrent reports whether nobody else has written in an era, up to some moment since
// the call.
func (r *reader) isCurrent(c *copies, w *writer, era uint64) bool {
	n, err := r.own.read()
	switch {
	case err != nil, !r.conn.AutocommitEnabled(): // or it sees nothing new
		r.own.sure = false
		return false
	case r.own.sure && r.own.seen == n && r.own.era == era:
		return true
	case c.heldIn(era):
		r.own.sure, r.own.seen, r.own.era = true, n, era
		return true
	}
	now, ok, asked := w.alone(c, era)
	r.own.sure, r.own.seen, r.own.era = asked && (ok || now != era), n, now
	return ok
}
