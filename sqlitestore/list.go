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

// Rows are listed by rowid. A row keeps its rowid for as long as it lives, and a new one
// has a larger rowid than all before, so no row is passed over that is there all the time.
const (
	listSQL    = "SELECT " + columns + ", id FROM records WHERE term > ? ORDER BY term LIMIT ?"
	listRowSQL = "SELECT " + columns + ", id FROM records WHERE term = ?"
	listSeqSQL = "SELECT term, seq FROM records WHERE term > ? ORDER BY term LIMIT ?"
	cListedID  = cData + 1
)

// skimmed bounds the rows of which one part of a listing looks at the version alone.
const skimmed = 20_000

// List returns the next part of all records and graves; see driver.Lister. What was
// written since the listing before is told by the rows' versions, as long as this process
// remembers them: a million rows take 16 MiB and about a second. Otherwise everything is
// listed again.
func (s *Store) List(ctx context.Context, after string) (driver.Part, error) {
	part, err := s.list(ctx, after)
	if err != nil {
		return driver.Part{}, s.fail("list", driver.ID{}, err)
	}
	return part, nil
}

func (s *Store) list(ctx context.Context, after string) (part driver.Part, err error) {
	at, err := readListing(after)
	if err != nil {
		return part, err
	}
	l := s.listings.find(&at)
	defer l.mu.Unlock() // a listing goes on one part at a time
	from := at.row
	err = s.readers.long(ctx, func(r *reader) error {
		part, at.row = driver.Part{End: true}, from // it may be tried again
		l.cut(from)
		if l.before != nil {
			return l.skim(r, &at, &part)
		}
		return l.read(r, &at, &part)
	})
	if err != nil {
		return driver.Part{}, err
	}
	if !part.End {
		part.Next = at.String()
	} else if l.end() {
		part.Next = listingMark + at.name
	}
	return part, nil
}

// read lists the next rows.
func (l *rowsListed) read(r *reader, at *listing, part *driver.Part) error {
	rows, bytes := 0, 0
	return r.each(listSQL, []any{at.row, int64(pageRows)}, func(stmt *sqlite.Stmt) bool {
		rows++
		bytes += stmt.ColumnLen(cData)
		at.row = stmt.ColumnInt64(cTerm)
		l.saw(at.row, stmt.ColumnInt64(cSeq))
		part.Items = append(part.Items, listed(stmt, r))
		part.End = rows < pageRows && bytes < pageBytes
		return bytes < pageBytes
	})
}

// skim looks at the versions of the next rows, and lists those that aren't as they were.
func (l *rowsListed) skim(r *reader, at *listing, part *driver.Part) error {
	var changed []int64
	rows := 0
	err := r.each(listSeqSQL, []any{at.row, int64(skimmed)}, func(stmt *sqlite.Stmt) bool {
		rows++
		at.row = stmt.ColumnInt64(0)
		seq := stmt.ColumnInt64(1)
		l.saw(at.row, seq)
		if !l.before.has(at.row, seq) {
			changed = append(changed, at.row)
		}
		return len(changed) < pageRows
	})
	part.End = rows < skimmed && len(changed) < pageRows
	for _, row := range changed { // one that was written meanwhile is listed again by the next listing
		if err == nil {
			err = r.each(listRowSQL, []any{row}, func(stmt *sqlite.Stmt) bool {
				part.Items = append(part.Items, listed(stmt, r))
				return true
			})
		}
	}
	return err
}

// listed reads the row of a listing.
func listed(stmt *sqlite.Stmt, r *reader) driver.Listed {
	text := stmt.ColumnText(cListedID)
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

// listing is a place in a listing: the text of a Next. Behind an end it is the mark and
// the listing's name.
type listing struct {
	row  int64  // the last one listed
	name string // of the listing; only this process may know it
	end  bool
}

const listingMark = "+"

func (l listing) String() string { return strconv.FormatInt(l.row, 10) + "." + l.name }

// readListing reads a Next; "" is the beginning.
func readListing(text string) (l listing, err error) {
	if text == "" {
		return l, nil
	}
	if name, ok := cutMark(text); ok {
		return listing{name: name, end: true}, nil
	}
	for i := range text {
		if text[i] == '.' {
			l.row, err = strconv.ParseInt(text[:i], 10, 64)
			l.name = text[i+1:]
			if err == nil && l.row > 0 && len(l.name) == listingName && l.String() == text {
				return l, nil
			}
			break
		}
	}
	return listing{}, fmt.Errorf("%w: no listing goes on at %.100q", driver.ErrInvalid, text)
}

func cutMark(text string) (name string, ok bool) {
	if len(text) != len(listingMark)+listingName || text[:len(listingMark)] != listingMark {
		return "", false
	}
	return text[len(listingMark):], true
}
