package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is the page of a principal, and signing one out everywhere.

// principalPage is the page's data. Without a Principal it asks for one.
type principalPage struct {
	App, Principal string
	Live, Ending   []row
	Ended          []row // of late
	SignedOut      moment
	Problem        string // of the ledger
	MayEnd         bool
	Count          int64 // of all that the ledger names
	Older          int64 // of these, those that aren't shown; some may be over
	Typed          bool
	Job            string
	At             int64 // when it was counted
}

// principalOf reads the principal and the app.
func (c *Console) principalOf(values url.Values) (*cloakroom.Admin, string, error) {
	for name, given := range values {
		if !slices.Contains([]string{"principal", "app"}, name) || len(given) > 1 {
			return nil, "", bad(fmt.Sprintf("The parameters are principal and app, each once: %q.", name))
		}
	}
	a, ok := c.admin(values.Get("app"))
	if !ok {
		return nil, "", missing(fmt.Sprintf("The console doesn't show an app %q.", values.Get("app")))
	}
	principal := values.Get("principal")
	if principal == "" {
		return a, "", nil
	}
	if err := protocol.CheckPrincipal(principal); err != nil {
		return nil, "", bad("The principal: " + strings.TrimPrefix(err.Error(), "cloakroom: ") + ".")
	}
	return a, principal, nil
}

// principals shows a principal's sessions.
func (c *Console) principals(v *visit) error {
	a, principal, err := c.principalOf(v.URL.Query())
	if err != nil {
		return err
	}
	p := &principalPage{App: a.App(), Principal: principal}
	if principal == "" {
		c.show(v, http.StatusOK, "principals", "Principals", "principals", p)
		return nil
	}
	ctx, leave, err := c.look(v.Context())
	if err != nil {
		return err
	}
	defer leave()
	if err := c.readPrincipal(ctx, v, a, p); err != nil {
		return err
	}
	p.MayEnd, p.Typed, p.Job, p.At = v.op.End, c.config.Production, newJobName(), v.now.UnixMilli()
	c.show(v, http.StatusOK, "principals", principal, "principals", p)
	return nil
}

// The most sessions of a principal that its page shows.
const (
	mostOfPrincipal = 200 // live ones, of the latest sign-ins
	fewEnded        = 20
)

// readPrincipal reads what the page of a principal shows.
func (c *Console) readPrincipal(ctx context.Context, v *visit, a *cloakroom.Admin, p *principalPage) error {
	list, older, err := a.ReadSessions(ctx, p.Principal, mostOfPrincipal)
	switch {
	case errors.Is(err, driver.ErrCorrupt):
		p.Problem = err.Error()
	case err != nil:
		return err
	}
	for _, s := range list {
		if s.Ending {
			p.Ending = append(p.Ending, c.rowOf(s.Record, v.op, v.now))
		} else {
			p.Live = append(p.Live, c.rowOf(s.Record, v.op, v.now))
		}
	}
	slices.Reverse(p.Live) // the latest first
	p.Count, p.Older = int64(len(list)+older), int64(older)
	if p.Problem == "" {
		at, err := a.LastSignedOut(ctx, p.Principal)
		if err != nil {
			return err
		}
		p.SignedOut = when(v.now, at)
	}
	for rec, err := range a.Search(ctx, driver.Query{Principal: p.Principal, Ended: true, Order: driver.OrderNewest, Limit: fewEnded, Scan: scanMost}) {
		if _, cut := errors.AsType[*driver.TruncatedError](err); cut {
			break
		}
		if err != nil {
			return err
		}
		p.Ended = append(p.Ended, c.rowOf(rec, v.op, v.now))
	}
	return nil
}

// signOut signs a principal out everywhere.
func (c *Console) signOut(v *visit) error {
	if err := c.mayEnd(v); err != nil {
		return err
	}
	if err := v.form(); err != nil {
		return err
	}
	reason, err := reasonOf(v)
	if err != nil {
		return err
	}
	a, principal, err := c.principalOf(url.Values{"principal": {v.PostForm.Get("principal")}, "app": {v.PostForm.Get("app")}})
	if err != nil {
		return err
	}
	if principal == "" {
		return bad("The principal is missing. Nothing was done.")
	}
	if _, err := countedAt(v); err != nil {
		return err
	}
	count, name, err := c.confirmed(v, false)
	if err != nil {
		return err
	}
	x := &job{Name: name, Act: Act{Actor: v.op.Name, Action: ActSignOut, Reason: reason, App: a.App(), Principal: principal, Count: count}}
	err = c.begin(v.Context(), x, func(ctx context.Context, _ *job) (outcome, error) { return signOutEverywhere(ctx, a, principal) })
	if err != nil {
		return err
	}
	return c.to(v, "jobs/"+name)
}

// signOutEverywhere does a job: it signs a principal out, and tells what became of the
// sessions that were there before. Once it has begun nothing stops it.
func signOutEverywhere(ctx context.Context, a *cloakroom.Admin, principal string) (outcome, error) {
	before, unread := sessionsOf(ctx, a, principal)
	if ctx.Err() != nil {
		return outcome{left: -1, cut: true}, ctx.Err()
	}
	err := a.RevokeAll(ctx, principal)
	o, n := outcome{ended: -1, left: -1, doubt: err != nil}, int64(len(before))
	if err == nil {
		o.left = 0 // but for later sign-ins
		if unread == nil {
			o.ended = n
		}
		return o, nil
	}
	if o.ended = endedOf(ctx, a, before); o.ended >= 0 && o.ended < n {
		o.left, o.more = n-o.ended, unread != nil
	}
	return o, err
}

// sessionsOf returns a principal's live sessions: those in the ledger, and those that only
// a search finds, as RevokeAll does where the ledger is lost or corrupt. With an error there
// may be more.
func sessionsOf(ctx context.Context, a *cloakroom.Admin, principal string) (map[cloakroom.ID]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, countWithin)
	defer cancel()
	all := map[cloakroom.ID]bool{}
	list, _, unread := a.ReadSessions(ctx, principal, 0)
	if errors.Is(unread, driver.ErrCorrupt) {
		unread = nil
	}
	for _, s := range list {
		all[s.ID] = true
	}
	_ = a.RefreshSearch(ctx) // without it the ledger's are known
	for rec, err := range a.Live(ctx, driver.Query{Principal: principal}) {
		if err != nil {
			return all, errors.Join(unread, err)
		}
		if all[rec.ID] {
			continue
		}
		if _, err := a.Find(ctx, rec.ID); !errors.Is(err, cloakroom.ErrNotFound) { // a search may trail
			all[rec.ID] = true
		}
	}
	return all, unread
}

// endedOf returns how many of these have ended; -1: that can't be read.
func endedOf(ctx context.Context, a *cloakroom.Admin, ids map[cloakroom.ID]bool) (n int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), countWithin) // also of a job that was stopped
	defer cancel()
	for id := range ids {
		rec, err := a.Stored(ctx, id)
		switch {
		case err == nil && rec.Grave != nil, errors.Is(err, cloakroom.ErrNotFound):
			n++
		case err != nil:
			return -1
		}
	}
	return n
}
