package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the three ways of "cloakroom revoke": by ids, by a principal, and by flags
// that select sessions.

// byIDs ends sessions by their ids.
func (r *revocation) byIDs() error {
	var f found
	var absent error
	for _, id := range r.IDs {
		rec, err := r.o.find(r.t.ctx, id)
		switch {
		case err == nil && rec.Grave != nil:
			r.Over++
			r.t.note("the session %v has ended already (%s).", id, rec.Grave.Reason)
		case err == nil:
			f.sample = append(f.sample, rec)
		case exitCode(r.t.ctx, err) == exitNotFound:
			r.Missing++
			if absent = err; len(r.IDs) > 1 {
				r.t.note("%v.", err)
			}
		default:
			return err
		}
	}
	f.count = int64(len(f.sample))
	if f.count > 0 {
		goOn, err := r.ask(f, "")
		if err != nil {
			return err
		}
		for _, rec := range f.sample {
			if !goOn {
				break
			}
			if err := r.o.admin.Revoke(r.t.ctx, rec.ID); err != nil {
				r.Failed++
				r.t.note("the session %v couldn't be ended: %v", rec.ID, err)
				continue
			}
			r.Ended++
		}
		if goOn {
			if err := r.tell(nil); err != nil {
				return err
			}
		}
	}
	switch {
	case r.Missing == 1 && len(r.IDs) == 1:
		return absent
	case r.Missing > 0:
		return notFound(fmt.Errorf("%s of %d are not there", number(r.Missing), len(r.IDs)))
	}
	return nil
}

// byPrincipal signs a principal out everywhere.
func (r *revocation) byPrincipal() error {
	f, err := r.look()
	if err != nil {
		return err
	}
	goOn, err := r.ask(f, fmt.Sprintf(" of %q, and all that the principal is signed in to", r.Principal))
	if err != nil || !goOn {
		return err
	}
	p := r.t.progress("signing out", -1)
	err = r.o.admin.RevokeAll(r.t.ctx, r.Principal)
	p.stop()
	// What is left is counted: the ledger may have known of more than the search.
	if left, lookErr := r.look(); lookErr == nil {
		r.Left = left.count
	}
	r.Ended = max(0, f.count-r.Left)
	if err != nil {
		return r.tell(fmt.Errorf("%q may still be signed in somewhere: %w", r.Principal, err))
	}
	if f.count == 0 {
		return notFound(fmt.Errorf("no session of %q was found. Sign-ins that were under way fail", r.Principal))
	}
	return r.tell(nil)
}

// byFilter ends the sessions that flags select, or all.
func (r *revocation) byFilter() error {
	f, err := r.look()
	if err != nil {
		return err
	}
	if f.count == 0 && !f.atLeast {
		if hint := r.o.otherApps(r.t.ctx); hint != "" && !r.o.chosen {
			r.t.note("%s", hint)
		}
		if !r.t.json {
			r.t.say("No session is selected. Nothing was ended.")
		}
		return nil
	}
	whose := ""
	if r.All {
		whose = fmt.Sprintf(", all of the app %q", r.o.app)
	}
	goOn, err := r.ask(f, whose)
	if err != nil || !goOn {
		return err
	}
	err = r.endSelected()
	if err == nil && r.Failed == 0 {
		if left, lookErr := r.look(); lookErr == nil {
			r.Left = left.count
		}
	}
	return r.tell(err)
}

// workers is the number of sessions that are ended at a time, so that a store can gather
// the writes.
const workers = 64

// endSelected ends the sessions that the query selects, while it finds them.
func (r *revocation) endSelected() error {
	p := r.t.progress("sessions ended", r.Matched)
	defer p.stop()
	var c counter
	jobs := make(chan *driver.Record)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for rec := range jobs {
				r.endOne(r.t.ctx, rec, &c)
				p.add(1)
			}
		})
	}
	err := r.feed(jobs)
	close(jobs)
	all.Wait()
	r.Ended, r.Over, r.Failed = c.ended.Load(), c.over.Load(), c.failed.Load()
	if err == nil && r.t.ctx.Err() == nil && c.first != nil {
		r.t.note("the first that couldn't be ended: %v", c.first)
	}
	return err
}

// feed hands out what the query selects. A bound of the search is no end.
func (r *revocation) feed(jobs chan<- *driver.Record) error {
	q := r.q
	for {
		var cut *driver.TruncatedError
		for rec, err := range r.o.Search(r.t.ctx, q) {
			if e, ok := errors.AsType[*driver.TruncatedError](err); ok {
				cut = e
				break
			}
			if err != nil {
				return err
			}
			select {
			case jobs <- rec:
			case <-r.t.ctx.Done():
				return r.t.ctx.Err()
			}
		}
		if cut == nil || cut.After == (driver.Cursor{}) {
			return nil
		}
		q.After = cut.After
	}
}

// endOne ends a session, if it is still selected: its visitor may have come meanwhile.
func (r *revocation) endOne(ctx context.Context, rec *driver.Record, c *counter) {
	if ctx.Err() != nil {
		return
	}
	again, err := r.o.Get(ctx, rec.ID)
	switch {
	case driver.IsGone(again, err), driver.IsNotFound(err):
		c.over.Add(1)
		return
	case errors.Is(err, driver.ErrCorrupt), errors.Is(err, driver.ErrNewer): // it is ended unread
	case err != nil:
		c.fail(err)
		return
	default:
		if q := r.q; !q.Matches(again) {
			return
		}
	}
	if err := r.o.admin.Revoke(ctx, rec.ID); err != nil {
		if ctx.Err() == nil {
			c.fail(err)
		}
		return
	}
	c.ended.Add(1)
}
