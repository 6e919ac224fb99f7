package sqlitestore

import (
	"errors"
	"fmt"
	"math"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file binds records to statements and scans them from rows.

// row is a record in the form that statements take. Its caller makes it, so that the one
// writer needn't.
type row struct {
	rec   *driver.Record
	id    string
	due   int64
	revs  string
	data  string
	extra string // "" for none
}

func newRow(r *driver.Record) (*row, error) {
	data, err := encodeValues(r.Values)
	if err != nil {
		return nil, fmt.Errorf("%w: in the values: %w", driver.ErrInvalid, err)
	}
	extra := ""
	if len(r.Extra) > 0 {
		if extra, err = encodeValues(r.Extra); err != nil {
			return nil, fmt.Errorf("%w: in Extra: %w", driver.ErrInvalid, err)
		}
	}
	return &row{
		rec:   r,
		id:    r.ID.String(),
		due:   dueOf(r.Kind, r.Expires, r.Deadline),
		revs:  encodeWriteIDs(r.WriteIDs),
		data:  data,
		extra: extra,
	}, nil
}

// size estimates the bytes that the row holds while it waits.
func (w *row) size() int { return len(w.data) + len(w.extra) }

// The parameters that statements share, by number.
const (
	pID = 1 + iota
	pKind
	pApp
	pPrincipal
	pCreated
	pDue
	pAuthenticated
	pSeen
	pExpires
	pDeadline
	pVerifier
	pPrevious
	pPreviousEnds
	pPersistent
	pAddress
	pUserAgent
	pWrites
	pRevs
	pData
	pExtra
	pTerm
	pSeq
)

// bind binds the parameters of a statement that writes a whole record.
func (w *row) bind(s *sqlite.Stmt) {
	r := w.rec
	s.BindText(pID, w.id)
	s.BindText(pKind, string(r.Kind))
	s.BindText(pApp, r.App)
	s.BindText(pPrincipal, r.Principal)
	s.BindInt64(pCreated, r.Created.UnixMilli())
	s.BindInt64(pDue, w.due)
	bindTime(s, pAuthenticated, r.Authenticated)
	bindTime(s, pSeen, r.Seen)
	bindTime(s, pExpires, r.Expires)
	bindTime(s, pDeadline, r.Deadline)
	bindBlob(s, pVerifier, r.Verifier)
	bindBlob(s, pPrevious, r.Previous)
	bindTime(s, pPreviousEnds, r.PreviousEnds)
	s.BindBool(pPersistent, r.Persistent)
	s.BindText(pAddress, r.Client.Address)
	s.BindText(pUserAgent, r.Client.UserAgent)
	s.BindInt64(pWrites, int64(r.Writes))
	s.BindText(pRevs, w.revs)
	s.BindText(pData, w.data)
	if w.extra == "" {
		s.BindNull(pExtra)
	} else {
		s.BindText(pExtra, w.extra)
	}
}

// bindTime binds a time, or NULL for the zero time, so that the epoch remains a time.
// Only created is never NULL: rows are compared by it, and NULL can't be compared. Its
// zero time is a number like any other.
func bindTime(s *sqlite.Stmt, param int, t time.Time) {
	if t.IsZero() {
		s.BindNull(param)
		return
	}
	s.BindInt64(param, t.UnixMilli())
}

func bindBlob(s *sqlite.Stmt, param int, b []byte) {
	if len(b) == 0 {
		s.BindNull(param)
		return
	}
	s.BindBytes(param, b)
}

// columns are the columns that scan reads, in its order. In the row, data is the last
// but extra, which few rows have: SQLite must look on other pages for columns behind the
// values of a long row. The front of the row tells that extra is NULL.
const columns = `term, seq, kind, app, principal, created, authenticated, seen, expires, deadline,
	verifier, previous, previous_ends, persistent, address, user_agent, writes, revs, grave, extra, data`

const (
	cTerm = iota
	cSeq
	cKind
	cApp
	cPrincipal
	cCreated
	cAuthenticated
	cSeen
	cExpires
	cDeadline
	cVerifier
	cPrevious
	cPreviousEnds
	cPersistent
	cAddress
	cUserAgent
	cWrites
	cRevs
	cGrave
	cExtra
	cData
)

// scan reads a record from the statement's row. app is the app that the row is likely to
// have: most rows share one, and need no copy of it. The error is driver.ErrNewer, or
// the reason why the row can't be understood.
func scan(s *sqlite.Stmt, id driver.ID, app string) (*driver.Record, error) {
	r, data, err := scanRow(s, id, app)
	if err == nil && r.Grave == nil {
		if r.Values, err = decodeValues(data); err != nil {
			err = fmt.Errorf("the values: %w", err)
		}
	}
	return r, err
}

// scanRow is scan without decoding the values, for callers that do so after they have
// given the connection back. A grave has no values.
func scanRow(s *sqlite.Stmt, id driver.ID, app string) (r *driver.Record, data []byte, err error) {
	r = &driver.Record{ID: id, Version: scanVersion(s)}
	if !s.ColumnIsNull(cGrave) {
		r.Grave, err = decodeGrave(columnBytes(s, cGrave))
		return r, nil, err
	}
	// A row of a newer format need not resemble this version's in the columns below.
	if r.Extra, err = scanExtra(s, cExtra); err != nil {
		return nil, nil, err
	}
	r.Kind = driver.Kind(columnText(s, cKind, string(driver.KindSession)))
	r.App = columnText(s, cApp, app)
	r.Principal = s.ColumnText(cPrincipal)
	r.Created = fromMillis(s.ColumnInt64(cCreated))
	r.Authenticated = columnTime(s, cAuthenticated)
	r.Seen = columnTime(s, cSeen)
	r.Expires = columnTime(s, cExpires)
	r.Deadline = columnTime(s, cDeadline)
	r.Verifier = columnBytes(s, cVerifier)
	r.Previous = columnBytes(s, cPrevious)
	r.PreviousEnds = columnTime(s, cPreviousEnds)
	r.Persistent = s.ColumnBool(cPersistent)
	r.Client.Address = s.ColumnText(cAddress)
	r.Client.UserAgent = s.ColumnText(cUserAgent)
	r.Writes = uint64(s.ColumnInt64(cWrites))
	if r.WriteIDs, err = scanWriteIDs(s, cRevs); err != nil {
		return nil, nil, err
	}
	return r, columnBytes(s, cData), nil
}

// scanExtra reads the column extra, and checks the row's format.
func scanExtra(s *sqlite.Stmt, col int) (driver.ValueList, error) {
	if s.ColumnIsNull(col) {
		return nil, nil
	}
	extra, err := decodeValues(columnBytes(s, col))
	if err != nil {
		return nil, fmt.Errorf("extra: %w", err)
	}
	return extra, driver.CheckFormat(extra)
}

func scanWriteIDs(s *sqlite.Stmt, col int) ([]driver.WriteID, error) {
	var all [driver.MaxWriteIDs * (writeIDSize + 1)]byte
	if s.ColumnLen(col) > len(all) {
		return nil, errors.New("more write ids than are ever kept")
	}
	return decodeWriteIDs(all[:s.ColumnBytes(col, all[:])])
}

func scanVersion(s *sqlite.Stmt) driver.Version {
	return driver.Version{Term: uint64(s.ColumnInt64(cTerm)), Seq: uint64(s.ColumnInt64(cSeq))}
}

func columnTime(s *sqlite.Stmt, col int) time.Time {
	if s.ColumnIsNull(col) {
		return time.Time{}
	}
	return fromMillis(s.ColumnInt64(col))
}

func fromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// columnText returns a text column. If it equals likely, it returns likely itself, which
// saves a copy.
func columnText(s *sqlite.Stmt, col int, likely string) string {
	var b [64]byte
	if n := s.ColumnLen(col); n == len(likely) && n <= len(b) && string(b[:s.ColumnBytes(col, b[:])]) == likely {
		return likely
	}
	return s.ColumnText(col)
}

func columnBytes(s *sqlite.Stmt, col int) []byte {
	n := s.ColumnLen(col)
	if n == 0 {
		return nil
	}
	b := make([]byte, n)
	return b[:s.ColumnBytes(col, b)]
}

// never is the due of records that are never over.
const never = math.MaxInt64

// dueOf returns when the sweep must look at a record: at a session's Expires, and
// otherwise when the record may be removed. The record isn't over a millisecond earlier.
func dueOf(kind driver.Kind, expires, deadline time.Time) int64 {
	due := removable(deadline)
	if kind == driver.KindSession && !expires.IsZero() {
		due = min(due, expires.UnixMilli())
	}
	return due
}

// removable returns when a record of this deadline may be removed.
func removable(deadline time.Time) int64 {
	if deadline.IsZero() {
		return never
	}
	return deadline.Add(driver.ClockTolerance).UnixMilli()
}

const writeIDSize = 11 // bytes, as text

// encodeWriteIDs encodes write ids as text, separated by blanks.
func encodeWriteIDs(ids []driver.WriteID) string {
	if len(ids) == 0 {
		return ""
	}
	b := make([]byte, 0, len(ids)*(writeIDSize+1))
	for i, w := range ids {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, w.String()...)
	}
	return string(b)
}

// decodeWriteIDs is the inverse of encodeWriteIDs.
func decodeWriteIDs(text []byte) ([]driver.WriteID, error) {
	if len(text) == 0 {
		return nil, nil
	}
	n := (len(text) + 1) / (writeIDSize + 1)
	if len(text) != n*(writeIDSize+1)-1 {
		return nil, fmt.Errorf("write ids of %d bytes", len(text))
	}
	ids := make([]driver.WriteID, n)
	for i := range ids {
		at := i * (writeIDSize + 1)
		if i > 0 && text[at-1] != ' ' {
			return nil, errors.New("no blank between write ids")
		}
		if err := ids[i].UnmarshalText(text[at : at+writeIDSize]); err != nil {
			return nil, err
		}
	}
	return ids, nil
}
