package console

import (
	"context"
	"net/http"
	"time"
)

// This file is the bounds of what one page may cost the store.

// A store may have no index for a filter. It looks at few sessions in vain at first, and at
// more while that is quick: an engine takes a second for some ten thousand, a file far less.
const (
	scanFirst  = 2_000
	scanMost   = 100_000
	scanQuick  = 100 * time.Millisecond // four times as much is looked at if it took no longer
	scanWithin = 400 * time.Millisecond // and if that takes no longer than this
)

// widening calls f with a bound of the sessions that are looked at in vain, and again with
// more, as long as f says that it was cut off and was quick. A look that takes too long is
// ended, and what the one before it found stands.
func widening[T any](ctx context.Context, f func(ctx context.Context, scan int) (found T, cut bool, err error)) (T, error) {
	scan, begun := scanFirst, time.Now()
	found, cut, err := f(ctx, scan)
	for cut && scan < scanMost && time.Since(begun) <= scanQuick {
		scan, begun = min(4*scan, scanMost), time.Now()
		bounded, cancel := context.WithTimeout(ctx, scanWithin)
		wider, more, failed := f(bounded, scan)
		late := bounded.Err() != nil && ctx.Err() == nil
		cancel()
		if late && failed != nil {
			break
		}
		found, cut, err = wider, more, failed
	}
	return found, err
}

// mostLooks is the number of searches of pages that are under way together. The visitors
// of the application are served by the same store.
const mostLooks = 4

// looksWithin bounds the time of a page's searches, with the wait for a turn.
const looksWithin = 20 * time.Second

// look waits until a page may search, and returns the context of that. leave ends it.
func (c *Console) look(ctx context.Context) (_ context.Context, leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, looksWithin)
	select {
	case c.looks <- struct{}{}:
		return ctx, func() { <-c.looks; cancel() }, nil
	case <-ctx.Done():
		cancel()
		return nil, nil, &complaint{http.StatusServiceUnavailable, "Too many look at once", "Other pages keep the store busy. Try again soon."}
	}
}
