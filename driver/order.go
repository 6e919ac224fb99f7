package driver

import (
	"strings"
	"time"
)

// This file is the orders of a Search, and places in them.

// Order is an order of records. Records of the same time are ordered by the text of ID,
// byte by byte; an order that is newest first is the exact reverse.
type Order string

// The orders. Graves, which keep no time of making, are ordered by Grave.At in its place.
const (
	OrderCreated Order = ""       // by Created, oldest first
	OrderNewest  Order = "newest" // by Created, newest first
	OrderSeen    Order = "seen"   // by Seen, latest first; not for graves
)

// Cursor is the place of a record in the order of Search. The record need not exist any
// more.
type Cursor struct {
	// Created is the time that the order goes by: the record's Created; with OrderSeen its
	// Seen; of a grave, its At.
	Created time.Time
	ID      ID
	Order   Order
}

// Cursor returns the record's place in the order OrderCreated. Query.Cursor returns that
// in a query's order.
func (r *Record) Cursor() Cursor {
	if r.Grave != nil {
		return Cursor{Created: r.Grave.At, ID: r.ID}
	}
	return Cursor{Created: r.Created, ID: r.ID}
}

// Cursor returns the record's place in the query's order.
func (q *Query) Cursor(r *Record) Cursor {
	c := r.Cursor()
	c.Order = q.Order
	if q.Order == OrderSeen {
		c.Created = r.Seen
	}
	return c
}

// Compare orders cursors of the same order, as that order says. Its result is as that of
// cmp.Compare.
func (c Cursor) Compare(d Cursor) int {
	n := c.Created.Compare(d.Created)
	if n == 0 {
		n = strings.Compare(c.ID.String(), d.ID.String())
	}
	if c.Order != OrderCreated {
		return -n
	}
	return n
}

// Compare compares two records' places in the query's order.
func (q *Query) Compare(a, b *Record) int { return q.Cursor(a).Compare(q.Cursor(b)) }
