// Package ledgers compares ledgers, which say who is signed in where, with the sessions
// that are there. It changes nothing.
package ledgers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/lru"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is Check: all ledgers of an app, or one principal's, in bounded memory.

// State is what is the matter with a ledger.
type State string

// The states. A ledger can lack sessions and name foreign ones; then it is Incomplete.
const (
	Missing    State = "missing"    // there is none, and there are sessions
	Incomplete State = "incomplete" // it lacks sessions
	Unreadable State = "unreadable" // it can't be understood
	Foreign    State = "foreign"    // it names a session of somebody else
)

// Finding is a ledger that isn't as it has to be. A principal may come several times, with
// other sessions.
type Finding struct {
	Principal string
	State     State
	Lacks     []driver.ID // live sessions of the principal that it doesn't name
	Foreign   []driver.ID // sessions that it names, and that are somebody else's
}

// Checker compares the ledgers of an app.
type Checker struct {
	Store driver.Store
	App   string
	Now   func() time.Time
	Limit int                // look at so many sessions, the newest; 0: at all
	Done  func(sessions int) // is told of progress; nil: nobody
	// Found is called for each finding. After true the ledger was changed, and is read
	// anew when it is needed.
	Found func(context.Context, Finding) (changed bool, err error)

	mu    sync.Mutex // guards known
	known *lru.Cache[string, *view]
}

// view is a ledger as it was read.
type view struct {
	missing, unreadable bool
	ids                 []driver.ID // live and ending, sorted
}

// Bounds of what is looked at together, and of the ledgers that are remembered.
const (
	together = 512
	atOnce   = 64
	bytes    = 64 << 20
)

// settling is the time for which a new session may not be in its ledger yet: its sign-in is
// under way.
const settling = time.Minute + driver.ClockTolerance

// Check compares the ledger of a principal, or with "" those of all that have sessions. Where
// searches trail, it has them catch up first, if it may.
func (c *Checker) Check(ctx context.Context, principal string) error {
	c.known = lru.New[string, *view](bytes)
	if r, ok := c.Store.(driver.Refresher); ok {
		if err := r.Refresh(ctx); err != nil && ctx.Err() != nil {
			return err
		}
	}
	q := driver.Query{App: c.App, Principal: principal, Limit: c.Limit}
	if c.Limit > 0 {
		q.Order = driver.OrderNewest
	}
	var batch []*driver.Record
	for rec, err := range c.Store.Search(ctx, q) {
		if err != nil {
			return fmt.Errorf("searching for sessions: %w", err)
		}
		if batch = append(batch, rec); len(batch) < together {
			continue
		}
		if err := c.compare(ctx, batch); err != nil {
			return err
		}
		batch = batch[:0]
	}
	return c.compare(ctx, batch)
}

// compare compares some sessions with their principals' ledgers.
func (c *Checker) compare(ctx context.Context, batch []*driver.Record) error {
	of := map[string][]*driver.Record{}
	now := c.Now()
	for _, rec := range batch {
		if rec.Principal != "" && now.Before(rec.Expires) && now.Before(rec.Deadline) {
			of[rec.Principal] = append(of[rec.Principal], rec)
		}
	}
	names := make([]string, 0, len(of))
	for name := range of {
		names = append(names, name)
	}
	slices.Sort(names)
	found := make([]*Finding, len(names))
	err := each(len(names), func(i int) (err error) {
		found[i], err = c.compareOne(ctx, names[i], of[names[i]])
		return err
	})
	if err != nil {
		return err
	}
	for _, f := range found {
		if f == nil {
			continue
		}
		changed, err := c.Found(ctx, *f)
		if err != nil {
			return err
		}
		if changed {
			c.remember(f.Principal, nil)
		}
	}
	if c.Done != nil {
		c.Done(len(batch))
	}
	return nil
}

// compareOne compares sessions of one principal with its ledger.
func (c *Checker) compareOne(ctx context.Context, principal string, sessions []*driver.Record) (*Finding, error) {
	f := &Finding{Principal: principal}
	v := c.recall(principal)
	if v == nil {
		var err error
		if v, err = c.read(ctx, principal); err != nil {
			return nil, err
		}
		if f.Foreign, err = c.foreign(ctx, principal, v, sessions); err != nil {
			return nil, err
		}
		c.remember(principal, v)
	}
	if lacks := v.lacks(sessions, c.Now()); len(lacks) > 0 {
		// A sign-in or sign-out may have changed it since it was read, or since the search.
		live, err := c.still(ctx, principal, lacks)
		if err != nil {
			return nil, err
		}
		if v, err = c.read(ctx, principal); err != nil {
			return nil, err
		}
		c.remember(principal, v)
		for _, rec := range v.lacks(live, c.Now()) {
			f.Lacks = append(f.Lacks, rec.ID)
		}
	}
	switch {
	case f.Lacks == nil && f.Foreign == nil:
		return nil, nil
	case f.Lacks == nil:
		f.State = Foreign
	case v.unreadable:
		f.State = Unreadable
	case v.missing:
		f.State = Missing
	default:
		f.State = Incomplete
	}
	return f, nil
}

// still returns those of the sessions that are there and the principal's.
func (c *Checker) still(ctx context.Context, principal string, sessions []*driver.Record) (live []*driver.Record, err error) {
	for _, rec := range sessions {
		again, err := c.Store.Get(ctx, rec.ID)
		switch {
		case err == nil && again.Principal == principal:
			live = append(live, again)
		case err != nil && !driver.IsNotFound(err) && !driver.IsGone(again, err):
			return nil, err
		}
	}
	return live, nil
}

// lacks returns the sessions that the ledger doesn't name, without those whose sign-in may
// be under way.
func (v *view) lacks(sessions []*driver.Record, now time.Time) (all []*driver.Record) {
	for _, rec := range sessions {
		if _, ok := slices.BinarySearchFunc(v.ids, rec.ID, compareIDs); !ok && now.Sub(rec.Created) > settling {
			all = append(all, rec)
		}
	}
	return all
}

// foreign returns the ids in a ledger that are somebody else's. known are the principal's.
func (c *Checker) foreign(ctx context.Context, principal string, v *view, known []*driver.Record) (all []driver.ID, err error) {
	for _, id := range v.ids {
		if slices.ContainsFunc(known, func(rec *driver.Record) bool { return rec.ID == id }) {
			continue
		}
		rec, err := c.Store.Get(ctx, id)
		switch {
		case driver.IsNotFound(err), driver.IsGone(rec, err), errors.Is(err, driver.ErrCorrupt), errors.Is(err, driver.ErrNewer):
		case err != nil:
			return nil, err
		case rec.Kind != driver.KindSession || rec.App != c.App || rec.Principal != principal:
			all = append(all, id)
		}
	}
	return all, nil
}

// read reads a ledger.
func (c *Checker) read(ctx context.Context, principal string) (*view, error) {
	rec, err := c.Store.Get(ctx, driver.LedgerID(c.App, principal))
	switch {
	case driver.IsNotFound(err):
		return &view{missing: true}, nil
	case errors.Is(err, driver.ErrCorrupt):
		return &view{unreadable: true}, nil
	case err != nil:
		return nil, fmt.Errorf("reading the ledger of %q: %w", principal, err)
	}
	live, ending, err := protocol.LedgerIDs(rec, c.App, principal)
	if err != nil {
		return &view{unreadable: true}, nil //nolint:nilerr // that it can't be understood is the finding
	}
	v := &view{ids: append(live, ending...)}
	slices.SortFunc(v.ids, compareIDs)
	return v, nil
}

func compareIDs(a, b driver.ID) int { return slices.Compare(a[:], b[:]) }
