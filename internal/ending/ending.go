// Package ending ends the sessions that a query selects: it counts them and shows some,
// and ends only what is still selected when its turn comes.
package ending

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is Selection: the sessions that are about to be ended, before and while they
// are.

// Selection is the sessions of an app that a query selects.
type Selection struct {
	Admin *cloakroom.Admin
	// Query selects them. Its CreatedTo should be set: else what is made meanwhile is ended
	// as well, and there may be no end.
	Query driver.Query
	// Patience bounds the exact count. After it those that are over, and not yet swept, are
	// counted as well where that is quicker (Found.AtMost). Defaults to 0: no bound.
	Patience time.Duration
}

// Found is what a selection has.
type Found struct {
	Count   int64
	AtLeast bool             // there may be more: Query.Scan bounded the count
	AtMost  bool             // there may be fewer: Selection.Patience bounded the count
	Sample  []*driver.Record // the newest
}

// Find counts the sessions, and keeps some. Where searches trail, it has them catch up
// first, if it may.
func (s *Selection) Find(ctx context.Context, sample int) (f Found, err error) {
	if err := s.Admin.RefreshSearch(ctx); err != nil && ctx.Err() != nil {
		return f, ctx.Err()
	}
	few := s.Query
	few.Limit, few.Order = sample, driver.OrderNewest
	cut := false
	for rec, err := range s.Admin.Search(ctx, few) {
		if _, cut = errors.AsType[*driver.TruncatedError](err); cut {
			break
		}
		if err != nil {
			return f, err
		}
		f.Sample = append(f.Sample, rec)
	}
	if n := len(f.Sample); n < sample && !cut {
		f.Count = int64(n)
		return f, nil // these are all
	}
	sum, err := s.count(ctx, &f)
	if _, f.AtLeast = errors.AsType[*driver.TruncatedError](err); err != nil && !f.AtLeast {
		return f, err
	}
	f.Count = sum.Records
	return f, nil
}

// count counts the sessions, exactly if that is soon done. Stores have no index for when
// sessions are over, but for all else of most selections. So both are counted at once.
func (s *Selection) count(ctx context.Context, f *Found) (driver.Summary, error) {
	if s.Patience <= 0 {
		return s.Admin.Summarize(ctx, s.Query)
	}
	loose := s.Query
	loose.ExpiresFrom = time.Time{}
	const more = 8 // times the patience, for what may have an index
	exact, rough := s.begin(ctx, s.Query, s.Patience), s.begin(ctx, loose, more*s.Patience)
	defer rough.stop()
	defer exact.stop()
	for _, b := range []*counting{exact, rough} {
		<-b.done
		if b.err == nil || !b.late {
			f.AtMost = b == rough && !s.Query.ExpiresFrom.IsZero()
			return b.sum, b.err
		}
	}
	return s.Admin.Summarize(ctx, s.Query)
}

// counting is a count that is under way.
type counting struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when the fields below are known
	sum    driver.Summary
	err    error
	late   bool // it took too long
}

// begin begins a count that has so much time.
func (s *Selection) begin(ctx context.Context, q driver.Query, most time.Duration) *counting {
	ctx, cancel := context.WithTimeout(ctx, most)
	c := &counting{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		defer func() {
			if p := recover(); p != nil { // in this goroutine it would end the process
				c.err = fmt.Errorf("the store panicked: %v", p)
			}
		}()
		c.sum, c.err = s.Admin.Summarize(ctx, q)
		c.late = ctx.Err() != nil
	}()
	return c
}

// stop ends a count, and waits for its end.
func (c *counting) stop() {
	c.cancel()
	<-c.done
}

// workers is the number of sessions that are ended at a time, so that a store can gather
// the writes.
const workers = 64

// ErrMore says that more sessions match than End was to end.
var ErrMore = errors.New("more sessions match than were to be ended")

// End ends the sessions, while it finds them, and takes most of them at most: also one that
// turns out to be over, or not to match any more, is one of these. It counts them in c, and
// calls done, unless that is nil, after each. Its error is that of the search, ErrMore, or
// the context's; those of single sessions are in c.
func (s *Selection) End(ctx context.Context, most int64, c *Count, done func()) error {
	found := make(chan *driver.Record)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for rec := range found {
				s.endOne(ctx, rec, c)
				if done != nil {
					done()
				}
			}
		})
	}
	defer all.Wait()
	defer close(found) // also if the search panics
	return s.feed(ctx, most, found)
}

// feed hands out what the query selects, most at most. A bound of the search is no end.
func (s *Selection) feed(ctx context.Context, most int64, found chan<- *driver.Record) error {
	q := s.Query
	for {
		var cut *driver.TruncatedError
		for rec, err := range s.Admin.Search(ctx, q) {
			if e, ok := errors.AsType[*driver.TruncatedError](err); ok {
				cut = e
				break
			}
			if err != nil {
				return err
			}
			if most--; most < 0 {
				return ErrMore
			}
			select {
			case found <- rec:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		switch {
		case cut == nil:
			return nil
		case cut.After == (driver.Cursor{}): // the store can't go on from there
			return cut
		}
		q.After = cut.After
	}
}

// endOne ends a session, if it is still selected: its visitor may have come meanwhile.
// Also one that has ended is revoked: that the grave is read doesn't prove that it stays
// (invariant 13).
func (s *Selection) endOne(ctx context.Context, rec *driver.Record, c *Count) {
	if ctx.Err() != nil {
		return
	}
	over, begun := false, false
	defer func() {
		if p := recover(); p != nil { // in this goroutine it would end the process
			err := fmt.Errorf("the store panicked: %v", p)
			if begun {
				c.doubt(err)
			} else {
				c.fail(err)
			}
		}
	}()
	again, err := s.Admin.Stored(ctx, rec.ID)
	switch {
	case err == nil && again.Grave != nil:
		over = true
	case errors.Is(err, cloakroom.ErrNotFound):
		c.over.Add(1)
		return
	case errors.Is(err, driver.ErrCorrupt), errors.Is(err, driver.ErrNewer): // it is ended unread
	case err != nil && ctx.Err() != nil:
		return
	case err != nil:
		c.fail(err)
		return
	default:
		q := s.Query
		q.App, q.Kind = s.Admin.App(), driver.KindSession
		if !q.Matches(again) {
			c.spared.Add(1)
			return
		}
	}
	begun = true
	switch err := s.Admin.Revoke(ctx, rec.ID); {
	case errors.Is(err, cloakroom.ErrNotFound): // it is another app's
		c.fail(err)
	case err != nil:
		c.doubt(err)
	case over:
		c.over.Add(1)
	default:
		c.ended.Add(1)
	}
}
