package sqlitestore

import (
	"math"
	"slices"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is a Query as SQL, and the part of it that SQL doesn't judge.

// The expressions that indexes are made of. SQLite uses an index only for the same text.
// A grave that is no JSON, which only an operator makes, mustn't fail a write.
const (
	noTime         = "-62135596800000" // the zero time, in milliseconds: it comes before all
	graveAt        = "coalesce(CASE WHEN json_valid(grave) THEN json_extract(grave, '$.at') END, " + noTime + ")"
	graveApp       = "coalesce(CASE WHEN json_valid(grave) THEN json_extract(grave, '$.app') END, '')"
	gravePrincipal = "coalesce(CASE WHEN json_valid(grave) THEN json_extract(grave, '$.principal') END, '')"
	graveReason    = "coalesce(CASE WHEN json_valid(grave) THEN json_extract(grave, '$.reason') END, '')"
	lastSeen       = "coalesce(seen, " + noTime + ")"
)

// condition is a Query as SQL, without After. There are few texts, so connections can
// keep their statements.
type condition struct {
	where     string
	args      []any  // int64 or string
	time      string // what the order goes by, before the id
	principal string // the expression of it
	down      bool   // newest first
	graves    bool
	covered   bool                                 // the indexes have all that where asks for
	rest      func(*sqlite.Stmt, restColumns) bool // judges what where doesn't; nil: nothing is left
}

// newCondition makes a query's condition. What SQL can't judge is left to rest, and with
// a bound what no index has: so the rows that are read in vain are counted.
func newCondition(q driver.Query) condition {
	c := condition{time: "created", principal: "principal", down: q.Order != driver.OrderCreated}
	if q.Ended {
		return c.ended(q)
	}
	c.where = "kind <> ''" // no graves; for the planner: the indexes have none
	if q.Order == driver.OrderSeen {
		c.time = lastSeen
	}
	if q.Kind == "" {
		q.Kind = driver.KindSession
	}
	c = c.and("kind = ?", string(q.Kind))
	if q.App != "" {
		c = c.and("app = ?", q.App)
	}
	if q.Principal != "" {
		c = c.and("principal = ? AND principal <> ''", q.Principal)
	}
	if !q.CreatedFrom.IsZero() {
		c = c.and("created >= ?", ceilMillis(q.CreatedFrom))
	}
	if !q.CreatedTo.IsZero() {
		c = c.and("created < ?", ceilMillis(q.CreatedTo))
	}
	c.covered = q.Principal == "" && q.ExpiresFrom.IsZero() && q.ExpiresTo.IsZero() && q.SeenFrom.IsZero() && q.SeenTo.IsZero()
	rest := driver.Query{Address: q.Address, Agent: q.Agent}
	if q.Scan > 0 {
		rest.ExpiresFrom, rest.ExpiresTo = q.ExpiresFrom, q.ExpiresTo
	} else {
		c = c.between("expires", q.ExpiresFrom, q.ExpiresTo)
	}
	switch {
	case q.Order == driver.OrderSeen: // by its index
		c = c.between(lastSeen, q.SeenFrom, q.SeenTo)
	case q.Scan > 0:
		rest.SeenFrom, rest.SeenTo = q.SeenFrom, q.SeenTo
	default:
		c = c.between("seen", q.SeenFrom, q.SeenTo)
	}
	if rest != (driver.Query{}) {
		c.rest = func(s *sqlite.Stmt, at restColumns) bool { return matchesRest(&rest, s, at) }
	}
	return c
}

// ended makes the condition of a query for graves.
func (c condition) ended(q driver.Query) condition {
	c.where, c.time, c.principal, c.graves = "grave IS NOT NULL", graveAt, gravePrincipal, true
	if q.App != "" {
		c = c.and(graveApp+" = ?", q.App)
	}
	if q.Principal != "" {
		c = c.and(gravePrincipal+" = ? AND "+gravePrincipal+" <> ''", q.Principal)
	}
	if q.Reason != "" {
		c = c.and(graveReason+" = ?", string(q.Reason))
	}
	if !q.EndedFrom.IsZero() {
		c = c.and(graveAt+" >= ?", ceilMillis(q.EndedFrom))
	}
	if !q.EndedTo.IsZero() {
		c = c.and(graveAt+" < ?", ceilMillis(q.EndedTo))
	}
	return c
}

// restColumns are the places of the columns that rest reads, in a statement.
type restColumns struct{ seen, expires, address, agent int }

// matchesRest judges a row by the fields of a query that no index has.
func matchesRest(q *driver.Query, s *sqlite.Stmt, at restColumns) bool {
	r := driver.Record{Kind: driver.KindSession, Seen: columnTime(s, at.seen), Expires: columnTime(s, at.expires)}
	if q.Address.IsValid() {
		r.Client.Address = s.ColumnText(at.address)
	}
	if q.Agent != "" {
		r.Client.UserAgent = s.ColumnText(at.agent)
	}
	return q.Matches(&r)
}

// and returns the condition with one more term. It doesn't change c.
func (c condition) and(term string, args ...any) condition {
	c.where += " AND " + term
	c.args = append(slices.Clip(c.args), args...)
	return c
}

// between returns the condition with bounds of a column that may be NULL. A record
// without the time comes before all.
func (c condition) between(column string, from, to time.Time) condition {
	if !from.IsZero() {
		c = c.and(column+" >= ?", ceilMillis(from))
	}
	if !to.IsZero() {
		c = c.and("("+column+" IS NULL OR "+column+" < ?)", ceilMillis(to))
	}
	return c
}

// behind returns the condition of the rows behind a place; nil: of all.
func (c condition) behind(p *place) condition {
	if p == nil {
		return c
	}
	sign := ">"
	if c.down {
		sign = "<"
	}
	if c.time != "created" { // SQLite seeks by pairs of columns, and not of expressions
		c = c.and(c.time+" "+sign+"= ?", p.time)
	}
	return c.and("("+c.time+", id) "+sign+" (?, ?)", p.time, p.id)
}

// order returns the ORDER BY clause.
func (c condition) order() string {
	if c.down {
		return " ORDER BY " + c.time + " DESC, id DESC"
	}
	return " ORDER BY " + c.time + ", id"
}

// place is a row's place in the order of Search. The row may be unreadable.
type place struct {
	time int64
	id   string
}

// placeOf returns the place behind which a search begins; nil for the start.
func placeOf(c driver.Cursor) *place {
	if c == (driver.Cursor{}) {
		return nil
	}
	p := &place{ceilMillis(c.Created), c.ID.String()}
	if !time.UnixMilli(p.time).Equal(c.Created) {
		p.time, p.id = p.time-1, "~" // between two milliseconds: behind all ids of the first, before them newest first
	}
	return p
}

// cursor returns the place as a cursor. A row whose id is none has no cursor.
func (p place) cursor(o driver.Order) (driver.Cursor, bool) {
	id, err := driver.ParseID(p.id)
	return driver.Cursor{Created: fromMillis(p.time), ID: id, Order: o}, err == nil
}

// ceilMillis returns t in milliseconds, rounded up. Stored times are whole milliseconds:
// one is before t if it is before ceilMillis(t). A time that is further than all that can
// be stored is as far as they can.
func ceilMillis(t time.Time) int64 {
	switch seconds := t.Unix(); {
	case seconds >= math.MaxInt64/1000:
		return math.MaxInt64
	case seconds <= math.MinInt64/1000:
		return math.MinInt64 + 1
	}
	ms := t.UnixMilli()
	if t.Nanosecond()%int(time.Millisecond) != 0 {
		ms++
	}
	return ms
}
