package main

import (
	"fmt"
	"math"

	"github.com/cloakroom-go/cloakroom/internal/ending"
	"github.com/cloakroom-go/cloakroom/internal/human"
)

// This file is the three ways of "cloakroom revoke": by ids, by a principal, and by flags
// that select sessions.

// byIDs ends sessions by their ids.
func (r *revocation) byIDs() error {
	var f ending.Found
	var absent error
	for _, id := range r.IDs {
		rec, err := r.o.find(r.t.ctx, id)
		switch {
		case err == nil && rec.Grave != nil:
			r.Over++
			r.t.note("the session %v has ended already (%s).", id, rec.Grave.Reason)
		case err == nil:
			f.Sample = append(f.Sample, rec)
		case exitCode(r.t.ctx, err) == exitNotFound:
			r.Missing++
			if absent = err; len(r.IDs) > 1 {
				r.t.note("%v.", err)
			}
		default:
			return err
		}
	}
	f.Count = int64(len(f.Sample))
	if f.Count > 0 {
		goOn, err := r.ask(f, "")
		if err != nil {
			return err
		}
		for _, rec := range f.Sample {
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
		return notFound(fmt.Errorf("%s of %d are not there", human.Number(r.Missing), len(r.IDs)))
	}
	return nil
}

// byPrincipal signs a principal out everywhere.
func (r *revocation) byPrincipal() error {
	f, err := r.look()
	if err != nil {
		return err
	}
	if f.Count == 0 {
		r.hint()
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
		r.Left = left.Count
	}
	r.Ended = max(0, f.Count-r.Left)
	if err != nil {
		return r.tell(fmt.Errorf("%q may still be signed in somewhere: %w", r.Principal, err))
	}
	if f.Count == 0 {
		return notFound(fmt.Errorf("no session of %q was found. Sign-ins that were under way fail", r.Principal))
	}
	return r.tell(nil)
}

// hint notes that another app has sessions, if the app, which nobody chose, has none.
func (r *revocation) hint() {
	if r.o.chosen {
		return
	}
	if hint := r.o.otherApps(r.t.ctx); hint != "" {
		r.t.note("%s", hint)
	}
}

// byFilter ends the sessions that flags select, or all.
func (r *revocation) byFilter() error {
	f, err := r.look()
	if err != nil {
		return err
	}
	if f.Count == 0 && !f.AtLeast {
		r.hint()
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
			r.Left = left.Count
		}
	}
	return r.tell(err)
}

// endSelected ends the sessions that the query selects, while it finds them.
func (r *revocation) endSelected() error {
	p := r.t.progress("sessions ended", r.Matched)
	defer p.stop()
	var c ending.Count
	err := r.selection().End(r.t.ctx, math.MaxInt64, &c, func() { p.add(1) })
	r.Ended, r.Over, r.Failed = c.Ended(), c.Over(), c.Failed()+c.Unsure()
	if first := c.First(); err == nil && r.t.ctx.Err() == nil && first != nil {
		r.t.note("the first that couldn't be ended: %v", first)
	}
	return err
}
