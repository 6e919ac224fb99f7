// Package listing lists sessions page by page: those that are there and those that have
// ended, in one order.
package listing

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is List and its pages. Each page is a merge of two searches, as records and
// graves have indexes of their own.

// Searcher yields records as a driver.Store does: one is a store, one a cloakroom.Admin.
type Searcher interface {
	Search(ctx context.Context, q driver.Query) iter.Seq2[*driver.Record, error]
}

// State selects sessions by whether they are over.
type State string

// The states.
const (
	Live    State = "live"    // they open
	Expired State = "expired" // they are over, and nobody has ended them yet
	Ended   State = "ended"   // they were ended, and their grave is kept
	All     State = "all"
)

// Order is the order of a list.
type Order string

// The orders. Sessions that have ended come by the time of their end.
const (
	Newest Order = "newest" // made last comes first
	Oldest Order = "oldest" // made first comes first
	Seen   Order = "seen"   // used last comes first
)

// List is the sessions that are wanted.
type List struct {
	Query driver.Query // without Ended, Order, After and Limit; of Expires nothing
	State State
	Order Order
	Now   time.Time

	Reason             driver.EndReason // of sessions that have ended
	EndedFrom, EndedTo time.Time
}

// Page is a part of a list.
type Page struct {
	Records []*driver.Record // graves as Search yields them
	Next    string           // the cursor of the next page; "" if there is none
	Back    string           // of Before: the cursor of the page before; "" if there is none
	// Truncated says that Query.Scan bounded the page: there may be more before Next.
	Truncated bool
}

// ErrCursor says that a cursor can't be used.
var ErrCursor = errors.New("the cursor can't be used")

// Check returns an error for what can't be asked.
func (l *List) Check() error {
	if l.State != Ended && l.State != All {
		return nil
	}
	q := l.graves()
	if err := q.Check(); err != nil {
		return errors.New("of sessions that have ended nothing is kept but the app, the principal, the reason and the times of making and end")
	}
	if l.Query.Address.IsValid() || l.Query.Agent != "" || !l.Query.SeenFrom.IsZero() || !l.Query.SeenTo.IsZero() {
		return errors.New("of sessions that have ended neither the address nor the agent nor the last activity is kept")
	}
	return nil
}

// records is the query for sessions that are there.
func (l *List) records() driver.Query {
	q := l.Query
	switch l.State {
	case Live:
		q.ExpiresFrom = l.Now.Truncate(time.Millisecond).Add(time.Millisecond) // at Expires a session is over
	case Expired:
		q.ExpiresTo = l.Now.Truncate(time.Millisecond).Add(time.Millisecond)
	}
	switch l.Order {
	case Newest:
		q.Order = driver.OrderNewest
	case Seen:
		q.Order = driver.OrderSeen
	}
	return q
}

// graves is the query for sessions that have ended.
func (l *List) graves() driver.Query {
	q := driver.Query{
		App: l.Query.App, Principal: l.Query.Principal, Scan: l.Query.Scan,
		Ended: true, Reason: l.Reason, EndedFrom: l.EndedFrom, EndedTo: l.EndedTo,
	}
	if l.Order != Oldest {
		q.Order = driver.OrderNewest
	}
	return q
}

// stream is one of the two searches of a page.
type stream struct {
	query driver.Query
	place place
	next  func() (*driver.Record, error, bool)
	stop  func()

	head *driver.Record // the next; nil: there is none
	cut  *driver.TruncatedError
}

func (s *stream) open(ctx context.Context, from Searcher, limit int) {
	s.next, s.stop = func() (*driver.Record, error, bool) { return nil, nil, false }, func() {}
	if s.place.Done {
		return
	}
	s.query.After = s.place.cursor(s.query.Order)
	if limit > 0 {
		s.query.Limit = limit + 1 // one more, to learn whether there is one
	}
	s.next, s.stop = iter.Pull2(from.Search(ctx, s.query))
}

// advance reads the next record.
func (s *stream) advance() error {
	s.head = nil
	rec, err, ok := s.next()
	switch {
	case !ok:
		return nil
	case err == nil:
		s.head = rec
		return nil
	}
	if cut, is := errors.AsType[*driver.TruncatedError](err); is {
		s.cut = cut
		return nil
	}
	return err
}

// take goes past the head.
func (s *stream) take() *driver.Record {
	rec := s.head
	s.place = placeOf(s.query.Cursor(rec))
	return rec
}

// Each yields the records of a page, at most limit of them, or all if that is 0. after is
// the cursor of the page, "" for the first. When the loop has ended, page tells of the next.
func (l *List) Each(ctx context.Context, from Searcher, after string, limit int, page *Page) iter.Seq2[*driver.Record, error] {
	return func(yield func(*driver.Record, error) bool) {
		places, err := l.decode(after)
		if err != nil {
			yield(nil, err)
			return
		}
		streams := [2]*stream{{query: l.records(), place: places.Records}, {query: l.graves(), place: places.Graves}}
		switch l.State {
		case Ended:
			streams[0].place.Done = true
		case Live, Expired:
			streams[1].place.Done = true
		}
		for _, s := range streams {
			s.open(ctx, from, limit)
			defer s.stop()
			if err := s.advance(); err != nil {
				yield(nil, err)
				return
			}
		}
		for n := 0; limit == 0 || n < limit; n++ {
			s := l.first(streams)
			if s == nil {
				break
			}
			if !yield(s.take(), nil) {
				break
			}
			if err := s.advance(); err != nil {
				yield(nil, err)
				return
			}
		}
		if err := l.end(streams, page); err != nil {
			yield(nil, err)
		}
	}
}

// first returns the stream whose head comes first; nil if there is none, or if it isn't
// known which comes first.
func (l *List) first(streams [2]*stream) (first *stream) {
	for _, s := range streams {
		switch {
		case s.cut != nil:
			return nil
		case s.head == nil:
		case first == nil || l.before(s, first):
			first = s
		}
	}
	return first
}

// before reports whether the head of a comes before that of b.
func (l *List) before(a, b *stream) bool {
	at, bt := a.query.Cursor(a.head).Created, b.query.Cursor(b.head).Created
	if l.Order == Oldest {
		return at.Before(bt)
	}
	return at.After(bt)
}

// end tells of the next page.
func (l *List) end(streams [2]*stream, page *Page) error {
	more := false
	for _, s := range streams {
		switch {
		case s.cut != nil && s.cut.After == (driver.Cursor{}):
			return s.cut
		case s.cut != nil:
			if s.head == nil && s.place.before(s.cut.After) {
				s.place = placeOf(s.cut.After)
			}
			more, page.Truncated = true, true
		case s.head != nil:
			more = true
		default:
			s.place.Done = true
		}
	}
	if more {
		page.Next = l.encode(places{Records: streams[0].place, Graves: streams[1].place})
	}
	return nil
}

// Of returns a page.
func (l *List) Of(ctx context.Context, from Searcher, after string, limit int) (Page, error) {
	var p Page
	for rec, err := range l.Each(ctx, from, after, limit, &p) {
		if err != nil {
			return p, err
		}
		p.Records = append(p.Records, rec)
	}
	return p, nil
}
