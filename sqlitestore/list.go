package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"zombiezen.com/go/sqlite"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is List.

// listSQL goes by rowid. A row keeps its rowid for as long as it lives, and a new one has
// a larger rowid than all before, so no row is passed over that is there all the time.
const listSQL = "SELECT " + columns + ", id FROM records WHERE term > ? ORDER BY term LIMIT ?"

// List returns the next part of all records and graves; see driver.Lister. It can't tell
// what was written since: it lists everything again, some seconds for a million records.
func (s *Store) List(ctx context.Context, after string) (driver.Part, error) {
	part, err := s.list(ctx, after)
	if err != nil {
		return driver.Part{}, s.fail("list", driver.ID{}, err)
	}
	return part, nil
}

func (s *Store) list(ctx context.Context, after string) (part driver.Part, err error) {
	var last int64
	if after != "" {
		if last, err = strconv.ParseInt(after, 10, 64); err != nil || last <= 0 || strconv.FormatInt(last, 10) != after {
			return part, fmt.Errorf("%w: no listing goes on at %q", driver.ErrInvalid, after)
		}
	}
	err = s.readers.long(ctx, func(r *reader) error {
		part = driver.Part{End: true}
		bytes := 0
		return r.each(listSQL, []any{last, int64(pageRows)}, func(stmt *sqlite.Stmt) bool {
			part.Items = append(part.Items, listed(stmt, r))
			bytes += stmt.ColumnLen(cData)
			if len(part.Items) == pageRows || bytes >= pageBytes {
				part.End, part.Next = false, strconv.FormatInt(stmt.ColumnInt64(cTerm), 10)
			}
			return bytes < pageBytes
		})
	})
	return part, err
}

// listed reads the row of a listing.
func listed(stmt *sqlite.Stmt, r *reader) driver.Listed {
	text := stmt.ColumnText(cID)
	id, err := driver.ParseID(text)
	if err != nil {
		return driver.Listed{Err: fmt.Errorf("%w: the row %d: its %w", driver.ErrCorrupt, stmt.ColumnInt64(cTerm), err)}
	}
	l := driver.Listed{ID: id}
	switch rec, err := scan(stmt, id, r.app); {
	case err == nil:
		l.Record = rec
		if rec.Grave == nil {
			r.app = rec.App
		}
	case errors.Is(err, driver.ErrNewer), errors.Is(err, driver.ErrCorrupt):
		l.Err = fmt.Errorf("%s: %w", text, err)
	default:
		l.Err = fmt.Errorf("%s: %w: %w", text, driver.ErrCorrupt, err)
	}
	return l
}
