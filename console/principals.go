package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

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
	err = c.begin(v.Context(), x, func(ctx context.Context, x *job) (int64, error) { return signOutEverywhere(ctx, a, principal, x) })
	if err != nil {
		return err
	}
	return c.to(v, "jobs/"+name)
}

// signOutEverywhere does a job: it signs a principal out, and counts before and after.
func signOutEverywhere(ctx context.Context, a *cloakroom.Admin, principal string, x *job) (left int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	before, _, beforeErr := a.ReadSessions(ctx, principal, 0)
	err = a.RevokeAll(ctx, principal)
	after, _, afterErr := a.ReadSessions(ctx, principal, 0)
	if afterErr != nil {
		return -1, err
	}
	were := map[cloakroom.ID]bool{}
	for _, s := range before {
		were[s.ID] = true
	}
	left = 0 // but for later sign-ins
	for _, s := range after {
		if were[s.ID] {
			left++
		}
	}
	if beforeErr == nil {
		x.mu.Lock()
		x.ended = int64(len(before)) - left
		x.mu.Unlock()
	}
	return left, err
}
