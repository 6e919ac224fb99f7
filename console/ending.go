package console

import (
	"context"
	"errors"
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

// The patience to count what is to be ended.
const (
	patienceToCount = 200 * time.Millisecond // exactly
	patienceWithAll = 300 * time.Millisecond // where the store has to look at all sessions
)

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

// countToEnd counts what is to be ended. Where the store has no index for that, it looks at
// all sessions, if that is done in time.
func (c *Console) countToEnd(v *visit, s ending.Selection) (found ending.Found, err error) {
	ctx, leave, err := c.look(v.Context())
	if err != nil {
		return found, err
	}
	defer leave()
	s.Patience = patienceToCount
	found, err = widening(ctx, func(ctx context.Context, scan int) (found ending.Found, cut bool, err error) {
		s.Query.Scan = scan
		found, err = s.Find(ctx, sampled)
		return found, err == nil && found.AtLeast, err
	})
	if err != nil || !found.AtLeast {
		return found, err
	}
	ctx, cancel := context.WithTimeout(ctx, patienceWithAll)
	defer cancel()
	s.Query.Scan = 0
	if whole, err := s.Find(ctx, sampled); err == nil {
		return whole, nil
	}
	return found, nil
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
		Name: name, Conditions: f.conditions(), Counts: true, Address: f.prefix.IsValid(),
		Act: Act{Actor: v.op.Name, Action: ActEndAll, Reason: reason, App: f.admin.App(), Filter: f.String(), Count: count},
	}
	s := ending.Selection{Admin: f.admin, Query: f.doomed(at)}
	if v.PostForm.Get("more") == "" { // else it had no end when it was counted
		if err := c.countedAgain(v, s, count); err != nil {
			return err
		}
	}
	err = c.begin(v.Context(), x, func(ctx context.Context, x *job) (outcome, error) { return endSelected(ctx, &s, x) })
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

// countedAgain refuses to begin when more sessions match than were confirmed: whoever came
// since the count may be selected now, as by the time of the last use. Those who come
// still later are left, as the job ends no more than were confirmed.
func (c *Console) countedAgain(v *visit, s ending.Selection, count int64) error {
	found, err := c.countToEnd(v, s)
	switch {
	case err != nil:
		return err
	case found.AtMost: // it has those that are over too, which the form's count may not have
		return nil
	case found.Count > count:
		return &complaint{http.StatusConflict, "More match by now", fmt.Sprintf("%s matched, and by now %s do. Open the page again. Nothing was ended.", human.Number(count), human.Number(found.Count))}
	case found.AtLeast:
		return &complaint{http.StatusConflict, "More may match by now", fmt.Sprintf("%s matched, and they can't be counted in time now. Open the page again. Nothing was ended.", human.Number(count))}
	}
	return nil
}

// endSelected does a job: it ends what is selected, as many as were confirmed.
func endSelected(ctx context.Context, s *ending.Selection, x *job) (outcome, error) {
	err := s.End(ctx, x.Act.Count, &x.count, nil)
	o := outcome{ended: x.count.Ended(), left: -1, doubt: x.count.Unsure() > 0}
	if err == nil || errors.Is(err, ending.ErrMore) {
		o.countLeft(ctx, s)
	}
	if err == nil || o.left == 0 && errors.Is(err, ending.ErrMore) { // those beyond were over
		err = x.count.First()
	}
	o.cut = ctx.Err() != nil && (err != nil || o.left != 0)
	return o, err
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
