package driver

import (
	"fmt"
	"net/netip"
	"time"
)

// This file is the query of a Search, and what it selects.

// Query selects records, or with Ended graves. Zero fields don't restrict, except for
// Kind. Other fields must match exactly where their comment doesn't say more. A record
// whose time is zero comes before all times.
type Query struct {
	Kind      Kind // "" stands for KindSession
	App       string
	Principal string

	// Address selects the sessions whose Client.Address is in it, as netip.ParseAddr and
	// Prefix.Contains judge. netip.PrefixFrom(a, a.BitLen()) is one address. An IPv4
	// address is the same in the form of IPv6, and a zone doesn't count.
	Address netip.Prefix
	// Agent selects the sessions whose Client.UserAgent contains it. Upper and lower case
	// of ASCII letters are alike.
	Agent string

	CreatedFrom, CreatedTo time.Time // from inclusive, to exclusive
	ExpiresFrom, ExpiresTo time.Time // from inclusive, to exclusive
	SeenFrom, SeenTo       time.Time // from inclusive, to exclusive

	// Ended selects graves in place of records. They are yielded as Get returns them:
	// with ID, Grave and Version alone. App and Principal are the grave's, and so are the
	// fields below. None of the fields above goes with Ended but these two and
	// KindSession.
	Ended              bool
	Reason             EndReason
	EndedFrom, EndedTo time.Time // of Grave.At; from inclusive, to exclusive

	Order Order
	// After selects the records behind a place in the order: those of the next page are
	// behind Query.Cursor of the last record. Zero: from the start.
	After Cursor
	Limit int // at most this many records; 0: all

	// Scan bounds the records that are read in vain. A store may have no index for a
	// condition or for an order, and then reads records that it doesn't yield. When it has
	// read more than this, it stops with a *TruncatedError. 0: no bound. Each store's
	// documentation tells what it has an index for.
	Scan int
}

// TruncatedError tells that a Search, or a Summarize, has read more records in vain than
// Query.Scan allows. What it has yielded is right, and there may be more.
type TruncatedError struct {
	// After is the place up to which everything was read: a Search goes on from there. The
	// zero Cursor means that it can't go on, as the order takes a look at all records. So
	// restrict the query, or raise Scan.
	After Cursor
}

// Error returns what happened and what to do.
func (e *TruncatedError) Error() string {
	if e.After == (Cursor{}) {
		return "more records than Query.Scan allows must be read to tell which are the first: restrict the query, or raise Scan"
	}
	return "more records than Query.Scan allows were read in vain: search on behind TruncatedError.After, restrict the query, or raise Scan"
}

// Check returns an error, which wraps ErrInvalid, for a query that nothing could be told
// of: an unknown Order, a cursor of another order than the query's, or fields that don't
// go with each other. A store's Search and Summarize return it.
func (q *Query) Check() error {
	invalid := func(format string, args ...any) error {
		return fmt.Errorf("%w: the query's %s", ErrInvalid, fmt.Sprintf(format, args...))
	}
	switch {
	case q.Order != OrderCreated && q.Order != OrderNewest && q.Order != OrderSeen:
		return invalid("Order is %q: there are %q, %q and %q", q.Order, OrderCreated, OrderNewest, OrderSeen)
	case q.After != (Cursor{}) && q.After.Order != q.Order:
		return invalid("After is a place in the order %q, and its Order is %q: they must be the same, as that of Query.Cursor is", q.After.Order, q.Order)
	case q.Address != (netip.Prefix{}) && !q.Address.IsValid():
		return invalid("Address is no prefix of addresses: make it by netip.ParsePrefix or netip.PrefixFrom")
	case !q.Ended && (q.Reason != "" || !q.EndedFrom.IsZero() || !q.EndedTo.IsZero()):
		return invalid("Reason, EndedFrom and EndedTo need Ended")
	case !q.Ended:
		return nil
	case q.Kind != "" && q.Kind != KindSession,
		q.Address.IsValid(), q.Agent != "",
		!q.CreatedFrom.IsZero(), !q.CreatedTo.IsZero(), !q.ExpiresFrom.IsZero(), !q.ExpiresTo.IsZero(),
		!q.SeenFrom.IsZero(), !q.SeenTo.IsZero(), q.Order == OrderSeen:
		return invalid("Ended goes with App, Principal, Reason, EndedFrom and EndedTo, and with the orders %q and %q: "+
			"graves keep nothing else", OrderCreated, OrderNewest)
	}
	return nil
}

// Matches reports whether the query selects the record or the grave, its Limit and Scan
// aside. Stores use it if their engine can't judge.
func (q *Query) Matches(r *Record) bool {
	if q.After != (Cursor{}) && q.Cursor(r).Compare(q.After) <= 0 {
		return false
	}
	if r.Grave != nil || q.Ended {
		g := r.Grave
		return g != nil && q.Ended &&
			(q.App == "" || g.App == q.App) &&
			(q.Principal == "" || g.Principal == q.Principal) &&
			(q.Reason == "" || g.Reason == q.Reason) &&
			within(g.At, q.EndedFrom, q.EndedTo)
	}
	kind := q.Kind
	if kind == "" {
		kind = KindSession
	}
	return r.Kind == kind &&
		(q.App == "" || r.App == q.App) &&
		(q.Principal == "" || r.Principal == q.Principal) &&
		within(r.Created, q.CreatedFrom, q.CreatedTo) &&
		within(r.Expires, q.ExpiresFrom, q.ExpiresTo) &&
		within(r.Seen, q.SeenFrom, q.SeenTo) &&
		(!q.Address.IsValid() || contains(q.Address, r.Client.Address)) &&
		(q.Agent == "" || containsFold(r.Client.UserAgent, q.Agent))
}

func within(t, from, to time.Time) bool {
	return (from.IsZero() || !t.Before(from)) && (to.IsZero() || t.Before(to))
}

// contains reports whether an address, as text, is in a prefix. Both forms of an IPv4
// address are the same.
func contains(p netip.Prefix, text string) bool {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return false
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Contains(a.Unmap().WithZone(""))
}

// containsFold reports whether s contains part; ASCII letters of both cases are alike.
func containsFold(s, part string) bool {
	for ; len(s) >= len(part); s = s[1:] {
		if equalFold(s[:len(part)], part) {
			return true
		}
	}
	return false
}

func equalFold(a, b string) bool {
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
