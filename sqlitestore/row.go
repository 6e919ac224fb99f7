package sqlitestore

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/cloakroom-go/cloakroom/driver"
)

// row is a record as it is bound to statements: made by the caller, outside of
// the one writer.
type row struct {
	rec  *driver.Record
	id   string
	due  int64
	revs string
	data string
}

func newRow(r *driver.Record) (*row, error) {
	data, err := encodeValues(r.Values)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", driver.ErrInvalid, err)
	}
	return &row{
		rec:  r,
		id:   r.ID.String(),
		due:  dueOf(r.Kind, r.Expires, r.Deadline),
		revs: encodeRevs(r.WriteIDs),
		data: data,
	}, nil
}

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
	pTerm
	pSeq
)

// bind binds what a statement that writes a whole record has for it.
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
}

// bindTime binds a time, and NULL for the zero time, so that the epoch is still
// a time. Only created is never NULL: rows are compared by it, which NULL
// doesn't stand for. Its zero time is a number like any other.
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

// columns are what scan reads, in its order. The values come last: what stands
// behind them in a long row would have to be looked for on other pages.
const columns = `term, seq, kind, app, principal, created, authenticated, seen, expires, deadline,
	verifier, previous, previous_ends, persistent, address, user_agent, writes, revs, grave, data`

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
	cData
)

// scan reads a record from the statement's row. app is one that the row is
// likely to have: most rows share theirs, and need no copy of it. An error says
// why the row can't be understood.
func scan(s *sqlite.Stmt, id driver.ID, app string) (*driver.Record, error) {
	r, data, err := scanRow(s, id, app)
	if err == nil && r.Grave == nil {
		r.Values, err = decodeValues(data)
	}
	return r, err
}

// scanRow is scan for who decodes the values of a record, which aren't a grave's,
// when the connection is somebody else's.
func scanRow(s *sqlite.Stmt, id driver.ID, app string) (r *driver.Record, data []byte, err error) {
	r = &driver.Record{ID: id, Version: scanVersion(s)}
	if !s.ColumnIsNull(cGrave) {
		r.Grave, err = decodeGrave(columnBytes(s, cGrave))
		return r, nil, err
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
	if r.WriteIDs, err = scanRevs(s, cRevs); err != nil {
		return nil, nil, err
	}
	return r, columnBytes(s, cData), nil
}

func scanRevs(s *sqlite.Stmt, col int) ([]driver.WriteID, error) {
	var all [driver.MaxWriteIDs * (revSize + 1)]byte
	if s.ColumnLen(col) > len(all) {
		return nil, errors.New("more revs than are ever kept")
	}
	return decodeRevs(all[:s.ColumnBytes(col, all[:])])
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

// columnText returns a text column, and likely itself if that is what it holds,
// which spares a copy.
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

// never is the due of what is never over.
const never = math.MaxInt64

// dueOf returns when the sweep has to look at a record, which is over not a
// millisecond earlier: at a session's Expires, and otherwise when it may be
// removed.
func dueOf(kind driver.Kind, expires, deadline time.Time) int64 {
	due := removable(deadline)
	if kind == driver.KindSession && !expires.IsZero() {
		due = min(due, expires.UnixMilli())
	}
	return due
}

// removable returns when what has this deadline may be removed.
func removable(deadline time.Time) int64 {
	if deadline.IsZero() {
		return never
	}
	return deadline.Add(driver.ClockTolerance).UnixMilli()
}

const revSize = 11 // a rev as text

// encodeRevs spells revs as text with blanks between them.
func encodeRevs(revs []driver.WriteID) string {
	if len(revs) == 0 {
		return ""
	}
	b := make([]byte, 0, len(revs)*(revSize+1))
	for i, r := range revs {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, r.String()...)
	}
	return string(b)
}

// decodeRevs is the inverse of encodeRevs.
func decodeRevs(text []byte) ([]driver.WriteID, error) {
	if len(text) == 0 {
		return nil, nil
	}
	n := (len(text) + 1) / (revSize + 1)
	if len(text) != n*(revSize+1)-1 {
		return nil, fmt.Errorf("revs of %d bytes", len(text))
	}
	revs := make([]driver.WriteID, n)
	for i := range revs {
		at := i * (revSize + 1)
		if i > 0 && text[at-1] != ' ' {
			return nil, errors.New("no blank between revs")
		}
		if err := revs[i].UnmarshalText(text[at : at+revSize]); err != nil {
			return nil, err
		}
	}
	return revs, nil
}

// grave is a grave as the column of that name has it.
type grave struct {
	Reason    driver.EndReason `json:"reason"`
	At        *int64           `json:"at,omitempty"` // Unix milliseconds
	Until     *int64           `json:"until,omitempty"`
	Successor *driver.ID       `json:"successor,omitempty"`
	Writes    uint64           `json:"writes"`
	Revs      []driver.WriteID `json:"revs"`
}

func encodeGrave(g driver.Grave) (string, error) {
	millis := func(t time.Time) *int64 {
		if t.IsZero() {
			return nil
		}
		ms := t.UnixMilli()
		return &ms
	}
	j := grave{Reason: g.Reason, At: millis(g.At), Until: millis(g.Until), Writes: g.Writes, Revs: g.WriteIDs}
	if !g.Successor.IsZero() {
		j.Successor = &g.Successor
	}
	text, err := json.Marshal(j)
	return string(text), err
}

// decodeGrave is the inverse of encodeGrave.
func decodeGrave(text []byte) (*driver.Grave, error) {
	var j grave
	if err := json.Unmarshal(text, &j); err != nil {
		return nil, fmt.Errorf("its grave: %w", err)
	}
	time := func(ms *int64) (t time.Time) {
		if ms != nil {
			t = fromMillis(*ms)
		}
		return t
	}
	g := &driver.Grave{Reason: j.Reason, At: time(j.At), Until: time(j.Until), Writes: j.Writes, WriteIDs: j.Revs}
	if j.Successor != nil {
		g.Successor = *j.Successor
	}
	return g, nil
}
