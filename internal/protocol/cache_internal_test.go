package protocol

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of the cache: what it keeps, and which results it learns.

func testCache(sessions int) *cache {
	return newCache(nil, "session", Clock{}, time.Minute, sessions*sessionBytes)
}

func (c *cache) read(r *driver.Record) { c.untrack(c.track(r.ID), r, nil) }

func cacheRecord(writes uint64, bytes int) *driver.Record {
	r := &driver.Record{ID: driver.NewID(driver.LayoutDay, time.Now()), Kind: driver.KindSession, App: "session", Writes: writes}
	if bytes > 0 {
		r.Values = driver.NewValueList(map[string]json.RawMessage{"v": make(json.RawMessage, bytes)})
	}
	return r
}

// TestCacheBounds: the cache keeps the sessions asked for last, within its number and
// bytes.
func TestCacheBounds(t *testing.T) {
	for _, test := range []struct{ size, most int }{{0, 100}, {sessionBytes, 48}, {5 * sessionBytes, 16}, {7 * sessionBytes, 0}} {
		c := testCache(100)
		first := cacheRecord(1, test.size)
		c.read(first)
		var last *driver.Record
		for range 1000 {
			last = cacheRecord(1, test.size)
			c.read(last)
			c.recall(first.ID)
		}
		if n := c.sessions.Len(); n != test.most || c.sessions.Bytes() != n*(sessionBytes+last.Size()) {
			t.Errorf("values of %d bytes: it keeps %d sessions of %d bytes, want %d", test.size, n, c.sessions.Bytes(), test.most)
		}
		for _, r := range []*driver.Record{first, last} {
			if got, _ := c.recall(r.ID); (got != nil) != (test.most > 0) {
				t.Errorf("values of %d bytes: one of those asked for last is kept: %t", test.size, got != nil)
			}
		}
		if len(c.underWay) != 0 {
			t.Errorf("%d operations are left under way", len(c.underWay))
		}
	}
}

// TestCacheForgetsWhatIsNoLonger: an answer that a session is in another state, without
// telling which, has it forgotten; no answer doesn't.
func TestCacheForgetsWhatIsNoLonger(t *testing.T) {
	for err, kept := range map[error]bool{
		driver.ErrNotFound: false, driver.ErrGone: false, driver.ErrConflict: false, driver.ErrExists: false,
		driver.ErrCorrupt: false, driver.ErrNewer: false,
		driver.ErrUnavailable: true, driver.ErrOverloaded: true, context.DeadlineExceeded: true,
	} {
		c := testCache(100)
		r := cacheRecord(1, 0)
		c.read(r)
		c.untrack(c.track(r.ID), nil, err)
		if got, _ := c.recall(r.ID); (got != nil) != kept {
			t.Errorf("after %q it is remembered: %t", err, got != nil)
		}
	}
}

// TestCacheEvictedStaysOut: a session that was evicted after a save isn't replaced by the
// result of a read that began before.
func TestCacheEvictedStaysOut(t *testing.T) {
	c := testCache(16)
	old := cacheRecord(1, 0)
	saved := *old
	saved.Writes = 2
	slow := c.track(old.ID)
	c.read(&saved)
	for range 16 { // they evict it
		c.read(cacheRecord(1, 0))
	}
	c.untrack(slow, old, nil)
	if got, _ := c.recall(old.ID); got != nil {
		t.Errorf("a read that began before a save puts the state of %d writes back", got.Writes)
	}
	c.read(&saved)
	if got, _ := c.recall(old.ID); got != &saved {
		t.Error("a read that begins later isn't remembered")
	}
}

// TestCacheSpoiledBringsNewer: a read that was overtaken by one of an older state
// still takes its place.
func TestCacheSpoiledBringsNewer(t *testing.T) {
	c := testCache(16)
	old := cacheRecord(1, 0)
	saved := *old
	saved.Writes = 2
	slow := c.track(old.ID)
	c.read(old)
	c.untrack(slow, &saved, nil)
	if got, _ := c.recall(old.ID); got != &saved {
		t.Error("the newer state isn't remembered")
	}
}

// TestCacheUnanswered: an operation without an answer tells nothing, and leaves
// nothing behind.
func TestCacheUnanswered(t *testing.T) {
	c := testCache(16)
	r := cacheRecord(1, 0)
	c.read(r)
	c.untrack(c.track(r.ID), nil, driver.ErrUnavailable)
	if got, _ := c.recall(r.ID); got != r || len(c.underWay) != 0 {
		t.Errorf("got %v, with %d under way", got, len(c.underWay))
	}
	c.untrack(c.track(r.ID), nil, driver.ErrConflict)
	if got, _ := c.recall(r.ID); got != nil {
		t.Error("it is answered for after a conflict")
	}
	ledger := &driver.Record{ID: driver.LedgerID("session", "hatter"), Kind: driver.KindLedger, App: "session"}
	foreign := cacheRecord(1, 0)
	foreign.App = "another"
	for _, r := range []*driver.Record{ledger, foreign} {
		c.read(r)
		if got, _ := c.recall(r.ID); got != nil {
			t.Errorf("a %s of app %q is remembered", r.Kind, r.App)
		}
	}
}

// TestCacheClocks: a clock of records that is set back, and one that went on while the
// monotonic one slept, make nothing live longer.
func TestCacheClocks(t *testing.T) {
	c, start := testCache(1), time.Now()
	for name, test := range map[string]struct {
		now, actual time.Duration // since the remembered session was asked for
		young       bool
	}{
		"the same moment":           {0, 0, true},
		"soon":                      {time.Minute - 1, time.Minute - 1, true},
		"at the bound":              {time.Minute, time.Minute, false},
		"slept":                     {time.Hour, 0, false},
		"set back":                  {-time.Millisecond, time.Second, false},
		"set back, by a little":     {time.Second, time.Minute - 1, true},
		"set back again and again":  {time.Second, time.Minute, false},
		"set back, and a long time": {time.Minute - 1, time.Hour, false},
	} {
		from, to := instant{start, start}, instant{start.Add(test.now), start.Add(test.actual)}
		if got := c.young(from, to); got != test.young {
			t.Errorf("%s: young is %t", name, got)
		}
	}
}
