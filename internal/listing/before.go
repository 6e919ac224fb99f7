package listing

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the way back: the page before a cursor. Both searches go from the cursor's
// place in the reverse order.

// Before returns the page that ends at a cursor, which is that of a page that Of or Before
// returned. Its Next is the cursor. The order Seen has no reverse, and so no way back
// (ErrCursor).
func (l *List) Before(ctx context.Context, from Searcher, cursor string, limit int) (Page, error) {
	p := Page{Next: cursor}
	if l.Order == Seen {
		return p, fmt.Errorf("%w: a list in the order %s goes on, and not back", ErrCursor, Seen)
	}
	places, err := l.decode(cursor)
	if err != nil {
		return p, err
	}
	back := [2]*backStream{{stream: stream{query: l.records()}, from: places.Records}, {stream: stream{query: l.graves()}, from: places.Graves}}
	for _, s := range back {
		s.open(ctx, from, limit)
		defer func() { s.stop() }() // of the last search
		if err := s.advance(); err != nil {
			return p, err
		}
	}
	for len(p.Records) < limit {
		s := l.last(back)
		if s == nil {
			break
		}
		p.Records = append(p.Records, s.head)
		if err := s.advance(); err != nil {
			return p, err
		}
	}
	slices.Reverse(p.Records)
	return p, l.begin(back, &p)
}

// backStream is a search in the reverse order.
type backStream struct {
	stream
	from place  // its record is the first of the search
	read int    // by the search
	goOn func() // begins another one behind that
}

// open begins the search. It begins a millisecond early, since a search begins behind its
// cursor, and its own record belongs to the page.
func (s *backStream) open(ctx context.Context, from Searcher, limit int) {
	if s.from.ID == "" { // nothing of this search is on an earlier page
		s.place.Done = true
		s.stream.open(ctx, from, 0)
		return
	}
	early := -time.Millisecond
	if s.query.Order == driver.OrderNewest {
		s.query.Order = driver.OrderCreated
	} else {
		s.query.Order, early = driver.OrderNewest, time.Millisecond
	}
	start := s.from.cursor(s.query.Order)
	start.Created = start.Created.Add(early)
	s.place = placeOf(start)
	s.stream.open(ctx, from, limit)
	s.goOn = func() {
		s.query.Limit = 0
		s.stream.open(ctx, from, 0)
	}
}

// advance reads the next record, and passes over those that the search had begun early for.
// They count for its limit, and may be more than that: then another search goes on behind
// them, without a limit. It ends with the page.
func (s *backStream) advance() error {
	for {
		if err := s.stream.advance(); err != nil || s.cut != nil {
			return err
		}
		if s.head == nil {
			if s.read == 0 || s.read != s.query.Limit {
				return nil
			}
			s.goOn()
			continue
		}
		at := s.query.Cursor(s.head)
		s.read, s.place = s.read+1, placeOf(at)
		if s.from.cursor(s.query.Order).Compare(at) <= 0 {
			return nil
		}
	}
}

// last returns the search whose head comes last in the list's order; nil as first does.
func (l *List) last(back [2]*backStream) (last *backStream) {
	for _, s := range back {
		switch {
		case s.cut != nil:
			return nil
		case s.head == nil:
		case last == nil || !l.before(&s.stream, &last.stream):
			last = s
		}
	}
	return last
}

// begin tells of the page before: it ends with the heads of both searches.
func (l *List) begin(back [2]*backStream, p *Page) error {
	at := [2]place{}
	more := false
	for i, s := range back {
		switch {
		case s.head != nil:
			at[i], more = placeOf(s.query.Cursor(s.head)), true
		case s.cut != nil && s.cut.After == (driver.Cursor{}):
			return s.cut
		case s.cut != nil:
			at[i], more, p.Truncated = placeOf(s.cut.After), true, true
		}
	}
	if more {
		p.Back = l.encode(places{Records: at[0], Graves: at[1]})
	}
	return nil
}
