package driver

import (
	"strings"
	"time"
)

// This file is the query of a Search, and the order of its results.

// Query selects records. Zero fields don't restrict, except for Kind. Other fields must
// match exactly. A record whose time is zero comes before all times.
type Query struct {
	Kind      Kind // "" stands for KindSession
	App       string
	Principal string

	CreatedFrom, CreatedTo time.Time // from inclusive, to exclusive
	ExpiresFrom, ExpiresTo time.Time // from inclusive, to exclusive

	After Cursor // only records behind this place in the order; zero: from the start
	Limit int    // at most this many records; 0: all
}

// Cursor is the place of a record in the order of Search. The record need not exist any
// more.
type Cursor struct {
	Created time.Time
	ID      ID
}

// Cursor returns the record's place in the order of Search.
func (r *Record) Cursor() Cursor { return Cursor{r.Created, r.ID} }

// Compare orders cursors by Created, then by the text of ID, byte by byte. Its result is
// as that of cmp.Compare.
func (c Cursor) Compare(d Cursor) int {
	if n := c.Created.Compare(d.Created); n != 0 {
		return n
	}
	return strings.Compare(c.ID.String(), d.ID.String())
}

// Matches reports whether the query selects the record, its Limit aside. It selects no
// grave. Stores use it if their engine can't judge.
func (q Query) Matches(r *Record) bool {
	kind := q.Kind
	if kind == "" {
		kind = KindSession
	}
	in := func(t, from, to time.Time) bool {
		return (from.IsZero() || !t.Before(from)) && (to.IsZero() || t.Before(to))
	}
	return r.Grave == nil && r.Kind == kind &&
		(q.App == "" || r.App == q.App) &&
		(q.Principal == "" || r.Principal == q.Principal) &&
		in(r.Created, q.CreatedFrom, q.CreatedTo) &&
		in(r.Expires, q.ExpiresFrom, q.ExpiresTo) &&
		(q.After == Cursor{} || r.Cursor().Compare(q.After) > 0)
}
