package console

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/ending"
)

// This file is jobs: the ending of many sessions, which goes on without the operator's
// browser, and whose result can be looked at again. They are kept in memory.

// Bounds of jobs.
const (
	mostRunning = 4
	mostKept    = 100
	mostNames   = 10_000
)

// formLasts is how long a form is good. So long the name of its job is known, whatever
// began since: the form begins it once.
const formLasts = time.Hour

// running is the state of a job that is under way.
const running Result = "running"

// jobs are those that this console began, oldest first.
type jobs struct {
	mu    sync.Mutex
	list  []*job
	names map[string]time.Time // of those that began of late, also that aren't kept
}

// job ends sessions.
type job struct {
	Name       string
	Act        Act // when it began
	Conditions []condition
	Address    bool // the filter has an address, which not everybody may see
	Begun      time.Time
	Counts     bool // it counts what it ends while it runs
	cancel     context.CancelFunc
	count      ending.Count

	mu    sync.Mutex // guards what follows
	state Result     // running, then that of the act
	outcome
	err   error
	over  time.Time
	asked string // who asked to stop it
}

// newJobName makes the name of a job. The page that asks has it, so that a form that is
// sent twice begins one.
func newJobName() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func isJobName(text string) bool {
	const length = 22
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return err == nil && len(b) == 16 && len(text) == length // which leaves out line ends
}

// running returns how many are under way.
func (j *jobs) running() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for _, x := range j.list {
		if x.isRunning() {
			n++
		}
	}
	return n
}

// find returns a job; nil: there is none of that name.
func (j *jobs) find(name string) *job {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, x := range j.list {
		if x.Name == name {
			return x
		}
	}
	return nil
}

// all returns the jobs, newest first.
func (j *jobs) all() []*job {
	j.mu.Lock()
	defer j.mu.Unlock()
	all := slices.Clone(j.list)
	slices.Reverse(all)
	return all
}

// add enters a job, unless there is one of its name.
func (j *jobs) add(x *job) (added bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	maps.DeleteFunc(j.names, func(_ string, begun time.Time) bool { return x.Begun.Sub(begun) > formLasts })
	if _, again := j.names[x.Name]; again {
		return false, nil
	}
	under := 0
	for _, other := range j.list {
		if other.isRunning() && other.Act.Action == ActEndAll {
			under++
		}
	}
	switch {
	case len(j.names) >= mostNames:
		return false, &complaint{http.StatusServiceUnavailable, "Too much of late", fmt.Sprintf("%d jobs began within the last hour. Wait. Nothing was ended.", len(j.names))}
	case under >= mostRunning && x.Act.Action == ActEndAll: // signing somebody out can't wait
		return false, &complaint{http.StatusServiceUnavailable, "Too much at once", fmt.Sprintf("%d jobs are under way. Wait until one is over. Nothing was ended.", under)}
	}
	j.list, j.names[x.Name] = append(j.list, x), x.Begun
	for i := 0; len(j.list) > mostKept && i < len(j.list); {
		if j.list[i].isRunning() {
			i++
			continue
		}
		j.list = append(j.list[:i], j.list[i+1:]...)
	}
	return true, nil
}

// remove takes a job out that doesn't begin.
func (j *jobs) remove(x *job) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.names, x.Name)
	j.list = slices.DeleteFunc(j.list, func(other *job) bool { return other == x })
}

func (x *job) isRunning() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.state == running
}

// ask notes who asks to stop a job. It returns false if that changes nothing.
func (x *job) ask(who string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.state != running || x.asked != "" {
		return false
	}
	x.asked = who
	return true
}

// begin begins a job: f ends the sessions.
func (c *Console) begin(ctx context.Context, x *job, f func(context.Context, *job) (outcome, error)) error {
	leave, err := c.enter()
	if err != nil {
		return err
	}
	defer leave()
	work, cancel := context.WithCancel(c.ctx)
	x.cancel, x.state, x.left, x.Begun = cancel, running, -1, c.config.Now()
	x.Act.Job, x.Act.Result = x.Name, ResultBegun
	added, err := c.jobs.add(x)
	if !added || err != nil {
		cancel()
		return err
	}
	if err := c.act(context.WithoutCancel(ctx), x.Act); err != nil {
		cancel()
		c.jobs.remove(x)
		return err
	}
	c.run(func() {
		defer cancel()
		o, err := c.work(work, x, f)
		x.finish(o, err, c.config.Now())
		x.mu.Lock()
		act := x.Act
		act.Count, act.Result, act.Err = x.ended, x.state, x.err
		x.mu.Unlock()
		_ = c.act(context.WithoutCancel(work), act) // which has logged its error
	})
	return nil
}

// jobPage is what the pages of jobs show of one.
type jobPage struct {
	Name, By, Why, App   string
	State                Result
	Action               Action
	Principal            string
	Conditions           []condition
	Filter               template.URL // "": it has an address that isn't shown
	Begun, Over          moment
	Took                 time.Duration
	Matched, Ended       int64
	Gone, Spared, Failed int64
	Unsure               int64
	Left                 int64
	LeftMore, Doubt      bool
	Counts               bool
	Problem, Asked       string
	Every                time.Duration
	MayCancel            bool
}

// viewOf returns a job as an operator may see it.
func (c *Console) viewOf(v *visit, x *job) jobPage {
	x.mu.Lock()
	defer x.mu.Unlock()
	p := jobPage{
		Name: x.Name, State: x.state, By: x.Act.Actor, Why: x.Act.Reason, App: x.Act.App, Action: x.Act.Action, Principal: x.Act.Principal,
		Conditions: x.Conditions, Filter: template.URL(x.Act.Filter), Begun: when(v.now, x.Begun), Over: when(v.now, x.over), Took: v.now.Sub(x.Begun),
		Matched: x.Act.Count, Ended: x.ended, Gone: x.count.Over(), Spared: x.count.Spared(), Failed: x.count.Failed(), Unsure: x.count.Unsure(), Left: x.left,
		LeftMore: x.more, Doubt: x.doubt, Counts: x.Counts, Asked: x.asked, MayCancel: v.op.End && x.state == running && x.asked == "", Every: time.Second,
	}
	if x.state == running && x.Counts {
		p.Ended = x.count.Ended()
	}
	if !x.over.IsZero() {
		p.Took = x.over.Sub(x.Begun)
	}
	if x.err != nil {
		p.Problem = x.err.Error()
	}
	if x.Address && !v.op.SeeAddresses {
		p.Filter, p.Conditions = "", []condition{{Before: "a filter with an address, which you may not see"}}
	}
	return p
}

// jobList shows the jobs.
func (c *Console) jobList(v *visit) error {
	all := []jobPage{}
	for _, x := range c.jobs.all() {
		all = append(all, c.viewOf(v, x))
	}
	c.show(v, http.StatusOK, "jobs", "Jobs", "jobs", all)
	return nil
}

// job shows a job.
func (c *Console) job(v *visit) error {
	x := c.jobs.find(v.PathValue("id"))
	if x == nil {
		if v.isFragment() { // of a page that outlived it
			c.show(v, http.StatusOK, "nojob", "", "jobs", nil)
			return nil
		}
		return missing("This console has no such job. It keeps the last 100, until it is stopped; the log has all.")
	}
	c.show(v, http.StatusOK, "job", "Ending sessions", "jobs", c.viewOf(v, x))
	return nil
}

// cancelJob stops a job.
func (c *Console) cancelJob(v *visit) error {
	if err := c.mayEnd(v); err != nil {
		return err
	}
	x := c.jobs.find(v.PathValue("id"))
	if x == nil {
		return missing("This console has no such job.")
	}
	if x.ask(v.op.Name) { // it is stopped though that can't be told: so less is done
		_ = c.act(v.Context(), Act{
			Actor: v.op.Name, Action: ActStop, App: x.Act.App, Principal: x.Act.Principal, Filter: x.Act.Filter, Job: x.Name,
			Count: x.count.Ended(), Result: ResultBegun,
		})
	}
	x.cancel()
	return c.to(v, "jobs/"+x.Name)
}
