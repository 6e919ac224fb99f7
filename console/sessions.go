package console

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/listing"
)

// This file is the page of sessions: a filter, and a page of what it selects.

// pageSize is the number of sessions on a page.
const pageSize = 50

// row is a session in a table.
type row struct {
	ID, App, Principal string
	State              string // live, expired or ended
	Reason             driver.EndReason
	Made, Seen, Ends   moment
	Address            string
	Device, Agent      string // such as "Chrome on Windows", and what the client sent
	Persistent         bool
	Bytes              int64
}

// rowOf returns a record or a grave as it is at a time.
func (c *Console) rowOf(rec *driver.Record, op Operator, now time.Time) row {
	r := row{ID: rec.ID.String(), State: "live"}
	if g := rec.Grave; g != nil {
		r.State, r.App, r.Principal, r.Reason = "ended", g.App, g.Principal, g.Reason
		r.Made, r.Ends = when(now, rec.ID.Time()), when(now, g.At)
		return r
	}
	if !now.Before(rec.Expires) || !now.Before(rec.Deadline) {
		r.State = "expired"
	}
	r.App, r.Principal, r.Agent, r.Persistent = rec.App, rec.Principal, rec.Client.UserAgent, rec.Persistent
	if r.Agent != "" {
		r.Device = c.agents.Read(r.Agent).String()
	}
	if op.SeeAddresses {
		r.Address = rec.Client.Address
	}
	r.Made, r.Seen, r.Ends, r.Bytes = when(now, rec.Created), when(now, rec.Seen), when(now, rec.Expires), int64(rec.Values.Bytes())
	return r
}

// sessionsPage is the page's data.
type sessionsPage struct {
	Filter       *filter
	State, Order string
	Rows         []row
	Next, Back   template.URL // parameters of these pages
	First        bool
	Truncated    bool
	Problem      string
	MayEnd       bool // what is selected can be ended
	Since        string
	News         int64 // made since the page was; of a fragment
	Every        time.Duration
	Reasons      []driver.EndReason
}

// sessions shows a page of sessions.
func (c *Console) sessions(v *visit) error {
	f, err := c.filterOf(v, "after", "before", "since", "id")
	if err != nil {
		return err
	}
	q := v.URL.Query()
	if id := strings.TrimSpace(q.Get("id")); id != "" {
		return c.byID(v, id)
	}
	if v.isFragment() && q.Get("since") != "" {
		return c.news(v, f, q.Get("since"))
	}
	if q.Has("since") || hasEmpty(q) {
		return c.to(v, "sessions?"+f.String())
	}
	p := &sessionsPage{
		Filter: f, State: string(f.state()), Order: string(f.order()),
		First: q.Get("after") == "" && q.Get("before") == "", Every: shortest,
		MayEnd:  v.op.End && f.state() == listing.Live,
		Reasons: driver.EndReasons(),
	}
	newest, err := c.fill(v, f, p)
	if err != nil {
		return err
	}
	// New ones are told where they would stand. Searches may trail, so the newest on the
	// page counts, not its time.
	if p.First && f.order() == listing.Newest && f.state() != listing.Ended && f.state() != listing.Expired {
		at := newest.UnixMilli() + 1
		if long := v.now.Add(-mostTrail); newest.Before(long) {
			at = long.UnixMilli()
		}
		p.Since = strconv.FormatInt(at, 10)
	}
	c.show(v, http.StatusOK, "sessions", "Sessions", "sessions", p)
	return nil
}

// mostTrail is more than searches trail.
const mostTrail = time.Hour

// mostSince is how long a page tells what is new.
const mostSince = 24 * time.Hour

// hasEmpty reports whether a form was sent with fields that nobody filled in.
func hasEmpty(q url.Values) bool {
	for _, values := range q {
		if strings.TrimSpace(values[0]) == "" {
			return true
		}
	}
	return false
}

// byID goes to the session of an id.
func (c *Console) byID(v *visit, text string) error {
	id, err := driver.ParseID(text)
	if err != nil {
		return bad("The id: " + err.Error() + ".")
	}
	return c.to(v, "session/"+id.String())
}

// isCut reports whether an error says that a search was cut off.
func isCut(err error) bool {
	_, ok := errors.AsType[*driver.TruncatedError](err)
	return ok
}

// fill reads the page. newest is the time from which on sessions aren't on it yet.
func (c *Console) fill(v *visit, f *filter, p *sessionsPage) (newest time.Time, err error) {
	q, l := v.URL.Query(), f.list(v.now)
	after, before := q.Get("after"), q.Get("before")
	if after != "" && before != "" {
		return newest, bad("after and before exclude each other.")
	}
	ctx, leave, err := c.look(v.Context())
	if err != nil {
		return newest, err
	}
	defer leave()
	part, err := widening(ctx, func(ctx context.Context, scan int) (part listing.Page, cut bool, err error) {
		l.Query.Scan = scan
		if before != "" {
			part, err = l.Before(ctx, f.admin, before, pageSize)
		} else {
			part, err = l.Of(ctx, f.admin, after, pageSize)
		}
		return part, isCut(err) || err == nil && part.Truncated && len(part.Records) < pageSize, err
	})
	if before == "" && after != "" && l.Order != listing.Seen {
		part.Back = after
	}
	switch {
	case errors.Is(err, listing.ErrCursor):
		return newest, bad(err.Error() + ".")
	case isCut(err):
		p.Problem = "The store has no index for that, and too many sessions would have to be looked at. Choose another order, or select fewer sessions."
	case err != nil:
		return newest, err
	}
	newest = v.now
	for _, rec := range slices.Backward(part.Records) {
		if rec.Grave == nil {
			newest = rec.Created
		}
	}
	for _, rec := range part.Records {
		p.Rows = append(p.Rows, c.rowOf(rec, v.op, v.now))
	}
	p.Truncated = part.Truncated
	link := func(name, cursor string) template.URL {
		if cursor == "" {
			return ""
		}
		return f.With(name, cursor)
	}
	p.Next, p.Back = link("after", part.Next), link("before", part.Back)
	return newest, nil
}

// news tells how many sessions were made since a page was.
func (c *Console) news(v *visit, f *filter, since string) error {
	at, err := millis(since)
	if err != nil {
		return bad("since: " + err.Error())
	}
	if v.now.Sub(at) > mostSince+mostTrail {
		return bad("since is more than a day ago: load the page again.")
	}
	q := f.query(v.now)
	if q.CreatedFrom.Before(at) {
		q.CreatedFrom = at
	}
	got := figureOf(v.Context(), c.tidings, f.String()+" "+strconv.FormatInt(at.UnixMilli(), 10), func(ctx context.Context) (int64, error) {
		sum, err := c.tidings.summarizeSoon(ctx, f.admin, q)
		return sum.Records, err
	})
	if got.Problem != "" { // it isn't told then
		got.Every = max(got.Every, shortest)
	}
	c.show(v, http.StatusOK, "sessions", "", "", &sessionsPage{Filter: f, Since: since, News: got.Value, Every: got.Every})
	return nil
}

// millis reads a time in Unix milliseconds.
func millis(text string) (time.Time, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 || n > 1<<45 {
		return time.Time{}, errors.New("it is no time in Unix milliseconds")
	}
	return time.UnixMilli(n).UTC(), nil
}
