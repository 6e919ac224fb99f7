package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"zombiezen.com/go/sqlite"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/batch"
)

// This file turns SQLite's errors into those of package driver, with a remedy.

// told are the errors that leave this package unchanged.
var told = []error{
	driver.ErrNotFound, driver.ErrGone, driver.ErrExists, driver.ErrConflict,
	driver.ErrInvalid, driver.ErrTooLarge, driver.ErrCorrupt, driver.ErrClosed, driver.ErrUnavailable,
	context.Canceled, context.DeadlineExceeded,
}

func isTold(err error) bool {
	return slices.ContainsFunc(told, func(t error) bool { return errors.Is(err, t) })
}

// fail names the operation that failed, the record if there is one, and the reason. All
// errors of an open store pass through it.
func (s *Store) fail(op string, id driver.ID, err error) error {
	if !id.IsZero() {
		op += " " + id.String()
	}
	switch {
	case errors.Is(err, batch.ErrTooLarge):
		err = fmt.Errorf("%w: the values are larger than Config.QueueBytes", driver.ErrTooLarge)
	case errors.Is(err, batch.ErrFull):
		err = fmt.Errorf("%w: %w: too many saves wait for %s", driver.ErrUnavailable, driver.ErrOverloaded, s.path)
	case errors.Is(err, batch.ErrClosed):
		err = driver.ErrClosed
	case isFence(err):
		err = fenced(s.path, err)
	case !isTold(err):
		err = explain(s.path, err)
	}
	return fmt.Errorf("sqlitestore: %s: %w", op, err)
}

// explain adds the meaning for the file, and the remedy, to an error of SQLite. All but
// one concern the state of the file and not the request. These are ErrUnavailable, so
// that nobody is signed out because of them.
func explain(path string, err error) error {
	var why string
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultTooBig:
		return fmt.Errorf("%w: too large for SQLite: %w", driver.ErrTooLarge, err)
	case sqlite.ResultBusy, sqlite.ResultLocked, sqlite.ResultProtocol:
		why = "another process keeps %s locked"
	case sqlite.ResultFull:
		why = "no space is left for %s; make room on its disk"
	case sqlite.ResultReadOnly, sqlite.ResultPerm, sqlite.ResultAuth:
		why = "%s can't be written to; check the permissions of the file and its folder, and whether the file system is read-only"
	case sqlite.ResultCantOpen:
		why = "%s, or a file beside it, can't be opened; check that its folder is there and can be written to"
	case sqlite.ResultIOErr:
		why = "reading or writing %s failed; check the disk and the system's log"
	case sqlite.ResultCorrupt:
		why = "%s is damaged; restore it from a backup"
	case sqlite.ResultNotADB:
		why = "%s is not an SQLite database; give the store a file of its own"
	default:
		why = "%s can't be used"
	}
	return fmt.Errorf("%w: "+why+": %w", driver.ErrUnavailable, path, err)
}

// notBegun is the error of an operation that didn't get its turn to write in time, so
// that nothing was sent.
func notBegun(err error) error {
	return fmt.Errorf("%w: %w: it didn't get to write in time: %w", driver.ErrUnavailable, driver.ErrOverloaded, err)
}

// errMoved is the error of saves into a file that nobody would find again.
func errMoved(path string) error {
	return fmt.Errorf("%w: %s is not the file that was opened: it was moved, deleted or replaced; restart the program",
		driver.ErrUnavailable, path)
}

// refusal is the reason why Open doesn't take a file, with the remedy.
type refusal string

func (r refusal) Error() string { return string(r) }

// openError turns an error into one of Open.
func openError(path string, err error) error {
	var refused refusal
	if errors.As(err, &refused) || isTold(err) {
		return fmt.Errorf("sqlitestore: open %s: %w", path, err)
	}
	return fmt.Errorf("sqlitestore: open: %w", explain(path, err))
}
