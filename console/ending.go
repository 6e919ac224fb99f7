package console

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/ending"
	"github.com/cloakroom-go/cloakroom/internal/human"
	"github.com/cloakroom-go/cloakroom/internal/listing"
)

// This file is ending all that match a filter: the page that asks, and the job.

// sampled is the number of sessions that are shown before they are ended.
const sampled = 5

// patienceToCount bounds the exact count of what is to be ended.
const patienceToCount = 200 * time.Millisecond

// endingPage is the data of the page that asks.
type endingPage struct {
	Filter     *filter
	Conditions []condition
	App        string
	All        bool
	Count      int64
	AtLeast    bool
	AtMost     bool // with those that are over
	Sample     []row
	At         int64  // what was made later isn't meant
	Job        string // the name of the job
	Typed      bool   // the number has to be typed
}

// ending asks before all that match are ended.
func (c *Console) ending(v *visit) error {
	f, err := c.toEnd(v)
	if err != nil {
		return err
	}
	at := v.now.Truncate(time.Millisecond)
	found, err := c.countToEnd(v, ending.Selection{Admin: f.admin, Query: f.doomed(at)})
	if err != nil {
		return err
	}
	p := &endingPage{
		Filter: f, Conditions: f.conditions(), App: f.admin.App(), All: f.isAll(), Count: found.Count, AtLeast: found.AtLeast, AtMost: found.AtMost,
		At: at.UnixMilli(), Job: newJobName(), Typed: c.config.Production || f.isAll(),
	}
	for _, rec := range found.Sample {
		p.Sample = append(p.Sample, c.rowOf(rec, v.op, v.now))
	}
	c.show(v, http.StatusOK, "ending", "End sessions", "sessions", p)
	return nil
}

// countToEnd counts what is to be ended, within a moment.
func (c *Console) countToEnd(v *visit, s ending.Selection) (found ending.Found, err error) {
	ctx, leave, err := c.look(v.Context())
	if err != nil {
		return found, err
	}
	defer leave()
	s.Patience = patienceToCount
	widening(func(scan int) bool {
		s.Query.Scan = scan
		found, err = s.Find(ctx, sampled)
		return err == nil && found.AtLeast
	})
	return found, err
}

// toEnd reads the filter of what is to be ended.
func (c *Console) toEnd(v *visit) (*filter, error) {
	if err := c.mayEnd(v); err != nil {
		return nil, err
	}
	f, err := c.filterOf(v)
	if err != nil {
		return nil, err
	}
	if f.state() != listing.Live {
		return nil, bad("Only live sessions can be ended: leave state out.")
	}
	return f, nil
}

// beginEnding begins the job.
func (c *Console) beginEnding(v *visit) error {
	f, err := c.toEnd(v)
	if err != nil {
		return err
	}
	if err := v.form(); err != nil {
		return err
	}
	reason, err := reasonOf(v)
	if err != nil {
		return err
	}
	at, err := countedAt(v)
	if err != nil {
		return err
	}
	count, name, err := c.confirmed(v, f.isAll())
	if err != nil {
		return err
	}
	x := &job{
		Name: name, Conditions: f.conditions(), Counts: true, Address: f.prefix.IsValid(), AtLeast: v.PostForm.Get("more") != "",
		Act: Act{Actor: v.op.Name, Action: ActEndAll, Reason: reason, App: f.admin.App(), Filter: f.String(), Count: count},
	}
	s := ending.Selection{Admin: f.admin, Query: f.doomed(at)}
	if err := c.countedAgain(v, s, count, x.AtLeast); err != nil {
		return err
	}
	err = c.begin(v.Context(), x, func(ctx context.Context, x *job) (int64, error) {
		if err := s.End(ctx, &x.count, nil); err != nil {
			return -1, err
		}
		return left(ctx, &s), nil
	})
	if err != nil {
		return err
	}
	return c.to(v, "jobs/"+name)
}

// countedAt returns when the count of a form was made. A form that is old, or is sent once
// more after a restart, isn't taken: what it was about has changed.
func countedAt(v *visit) (time.Time, error) {
	at, err := millis(v.PostForm.Get("at"))
	switch {
	case err != nil || at.After(v.now):
		return at, bad("The form lacks the time of its count: open the page again. Nothing was ended.")
	case v.now.Sub(at) > formLasts:
		return at, bad("The count is more than an hour old: open the page again. Nothing was ended.")
	}
	return at, nil
}

// countedAgain refuses to end more sessions than were confirmed: whoever came since the
// count may be selected now, as by the time of the last use. atLeast says that the count
// had no end.
func (c *Console) countedAgain(v *visit, s ending.Selection, count int64, atLeast bool) error {
	found, err := c.countToEnd(v, s)
	switch {
	case err != nil:
		return err
	case found.Count > count && !atLeast:
		return &complaint{http.StatusConflict, "More match by now", fmt.Sprintf("%s matched, and by now %s do. Open the page again. Nothing was ended.", human.Number(count), human.Number(found.Count))}
	}
	return nil
}

// left returns how many sessions are still selected; -1: it can't be told.
func left(ctx context.Context, s *ending.Selection) int64 {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), countWithin) // also of a job that was stopped
	defer cancel()
	found, err := s.Find(ctx, 1)
	if err != nil {
		return -1
	}
	return found.Count
}

// confirmed reads the count that the operator saw, and the name of the job.
func (c *Console) confirmed(v *visit, all bool) (count int64, name string, err error) {
	name = v.PostForm.Get("job")
	if count, err = strconv.ParseInt(v.PostForm.Get("count"), 10, 64); err != nil || count < 0 || !isJobName(name) {
		return 0, "", bad("The form is incomplete: open the page again. Nothing was ended.")
	}
	if c.config.Production || all {
		typed := strings.NewReplacer(",", "", " ", "").Replace(v.PostForm.Get("typed"))
		if typed != strconv.FormatInt(count, 10) {
			return 0, "", bad(fmt.Sprintf("To end them, type their number, %s. Nothing was ended.", human.Number(count)))
		}
	}
	return count, name, nil
}
