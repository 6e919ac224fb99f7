package console_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/console"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file is the tests of what changes something, and of what is told of it.

// forEnding returns the form that a page of ending asks for.
func forEnding(r *rig, path string) url.Values {
	r.Helper()
	page := r.page(path)
	form := hidden(page)
	form.Set("reason", "a lost phone")
	if strings.Contains(page, `name="typed"`) {
		form.Set("typed", form.Get("count"))
	}
	return form
}

// TestReveal: values are shown to who may, after it was told.
func TestReveal(t *testing.T) {
	r := newRig(t, nil)
	id := r.comes(comer{principal: "ann", cart: "a secret hat"})
	path := "/session/" + id.String() + "/values"
	if w := r.do(http.MethodPost, path, url.Values{}); w.Code != http.StatusBadRequest || len(r.told()) > 0 {
		t.Errorf("without a reason: %d", w.Code)
	}
	w := r.do(http.MethodPost, path, url.Values{"reason": {"ticket 7"}})
	r.wants(w.Body.String(), `"a secret hat"`)
	acts := r.told()
	if len(acts) != 1 || acts[0].Action != console.ActReveal || acts[0].Actor != "olga" || acts[0].Reason != "ticket 7" || acts[0].ID != id || acts[0].Principal != "ann" || acts[0].Result != console.ResultBegun {
		t.Errorf("%+v", acts)
	}
	if s := r.log.String(); !strings.Contains(s, "reveal") || !strings.Contains(s, "ticket 7") || strings.Contains(s, "secret hat") {
		t.Error(s)
	}
	if w := r.do(http.MethodGet, path, nil); w.Code == http.StatusOK {
		t.Error("a link reveals values")
	}
	r.op.SeeValues = false
	w = r.do(http.MethodPost, path, url.Values{"reason": {"ticket 7"}})
	if w.Code != http.StatusForbidden || len(r.told()) != 1 {
		t.Errorf("who may not: %d", w.Code)
	}
	r.lacks(w.Body.String(), "secret hat")
	r.lacks(r.page("/session/"+id.String()), "reveal-reason", "secret hat")
}

// TestEndOne: one session ends, with a reason, and that is told.
func TestEndOne(t *testing.T) {
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, store)
			id, other := r.comes(comer{principal: "ann"}), r.comes(comer{principal: "ann"})
			path := "/session/" + id.String()
			for _, reason := range []string{"", "  ", strings.Repeat("x", 201), "a\nb", "\xff", "a\u202eb", "a\u200bb", "a\u2028b"} {
				if w := r.do(http.MethodPost, path+"/end", url.Values{"reason": {reason}}); w.Code != http.StatusBadRequest {
					t.Errorf("reason %q: %d", reason, w.Code)
				}
			}
			if to := r.post(path+"/end", url.Values{"reason": {"a lost phone"}}); to != path {
				t.Error(to)
			}
			r.wants(r.page(path), "revoked")
			r.post(path+"/end", url.Values{"reason": {"again"}}) // it is over
			for i, a := range r.told() {
				reason, count := "a lost phone", int64(1)
				if i > 1 {
					reason = "again"
				}
				if i == 3 { // none was ended
					count = 0
				}
				if a.Action != console.ActEnd || a.Reason != reason || a.Count != count || a.Principal != "ann" || a.ID != id || a.Result != []console.Result{console.ResultBegun, console.ResultDone}[i%2] {
					t.Errorf("%d: %+v", i, a)
				}
			}
			if n := len(r.told()); n != 4 {
				t.Errorf("%d are told", n)
			}
			if _, err := r.manager.Admin().Find(t.Context(), other); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestEndAll: all that match are ended, but what was made after the question.
func TestEndAll(t *testing.T) {
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, store)
			for range 7 {
				r.comes(comer{principal: "ann", agent: "curl/8"})
			}
			stays := r.comes(comer{principal: "ann", agent: firefox})
			const path = "/ending?agent=curl"
			r.later()
			r.wants(r.page(path), "End 7 sessions?")
			form := forEnding(r, path)
			later := r.comes(comer{principal: "ann", agent: "curl/8"})
			job := r.post(path, form)
			if again := r.post(path, form); again != job {
				t.Errorf("a form that is sent twice begins %s and %s", job, again)
			}
			r.wants(r.result(job), "done", "7 of 7 ended", "None is left", "a lost phone", "olga")
			for _, id := range []cloakroom.ID{stays, later} {
				if _, err := r.manager.Admin().Find(t.Context(), id); err != nil {
					t.Error(err)
				}
			}
			acts := r.told()
			if len(acts) != 2 || acts[0].Result != console.ResultBegun || acts[0].Count != 7 || acts[1].Result != console.ResultDone || acts[1].Count != 7 || acts[1].Filter != "agent=curl" || acts[1].Reason != "a lost phone" {
				t.Errorf("%+v", acts)
			}
			r.wants(r.page("/jobs"), "done", "7 ended")
		})
	}
}

// TestForms: a form that is incomplete, old or not confirmed ends nothing.
func TestForms(t *testing.T) {
	r := newRig(t, nil, func(c *console.Config) { c.Production = true })
	r.comes(comer{principal: "ann"})
	r.comes(comer{principal: "ann"})
	r.later()
	for _, path := range []string{"/ending?principal=ann", "/ending"} {
		page := path
		for name, change := range map[string]func(url.Values){
			"no reason":        func(f url.Values) { f.Del("reason") },
			"no count":         func(f url.Values) { f.Del("count") },
			"no job":           func(f url.Values) { f.Del("job") },
			"a strange job":    func(f url.Values) { f.Set("job", "../x") },
			"nothing typed":    func(f url.Values) { f.Del("typed") },
			"another typed":    func(f url.Values) { f.Set("typed", "3") },
			"no time":          func(f url.Values) { f.Del("at") },
			"a time to come":   func(f url.Values) { f.Set("at", "9999999999999") },
			"a time long past": func(f url.Values) { f.Set("at", "1000000000000") },
			"a strange time":   func(f url.Values) { f.Set("at", "now") },
		} {
			form := forEnding(r, page)
			change(form)
			if w := r.do(http.MethodPost, path, form); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "Nothing was ended") && !strings.Contains(w.Body.String(), "Nothing was done") {
				t.Errorf("%s: %s: %d %s", path, name, w.Code, text(w.Body.String()))
			}
		}
	}
	form := hidden(r.page("/principals?principal=ann"))
	form.Set("reason", "x")
	if w := r.do(http.MethodPost, "/principals/sign-out", form); w.Code != http.StatusBadRequest {
		t.Errorf("signed out without a number: %d", w.Code)
	}
	if len(r.told()) != 0 {
		t.Errorf("%+v", r.told())
	}
}

// TestSignOut: a principal is signed out everywhere, and its page says when.
func TestSignOut(t *testing.T) {
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, store, func(c *console.Config) { c.Production = true })
			r.comes(comer{principal: "ann"})
			r.comes(comer{principal: "ann"})
			bob := r.comes(comer{principal: "bob"})
			page := r.page("/principals?principal=ann")
			r.wants(page, "2 sessions", "Type the number")
			form := hidden(page)
			form.Set("reason", "left the company")
			form.Set("typed", "2")
			r.wants(r.result(r.post("/principals/sign-out", form)), "done", "2 sessions ended", "None is left")
			r.wants(r.page("/principals?principal=ann"), "Signed in nowhere", "Signed out everywhere just now")
			if _, err := r.manager.Admin().Find(t.Context(), bob); err != nil {
				t.Error(err)
			}
			acts := r.told()
			if len(acts) != 2 || acts[1].Action != console.ActSignOut || acts[1].Principal != "ann" || acts[1].Count != 2 || acts[1].Result != console.ResultDone {
				t.Errorf("%+v", acts)
			}
		})
	}
}

// faulty is a store whose burials fail, or wait.
type faulty struct {
	driver.Store
	tried  time.Duration // how long a burial is tried, if it isn't 0
	buried atomic.Int64
	fail   func(id driver.ID) error
	hold   chan struct{} // burials wait until it is closed, or their context ends; nil: not
}

func (f *faulty) Bury(ctx context.Context, id driver.ID, g driver.Grave, v driver.Version) error {
	f.buried.Add(1)
	if f.hold != nil {
		select {
		case <-f.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if f.fail != nil {
		if err := f.fail(id); err != nil {
			return err
		}
	}
	return f.Store.Bury(ctx, id, g, v)
}

func (f *faulty) Summarize(ctx context.Context, q driver.Query) (driver.Summary, error) {
	return f.Store.(driver.Inspector).Summarize(ctx, q)
}

func (f *faulty) Report(ctx context.Context) (driver.Report, error) {
	return f.Store.(driver.Inspector).Report(ctx)
}

// newFaulty makes a console on a store that fails.
func newFaulty(t *testing.T, f *faulty) *rig {
	memory := memstore.New(nil)
	t.Cleanup(func() { memory.Close() })
	f.Store = memory
	return newRig(t, f)
}

// TestPartly: what may not have ended is told, by number and by its error.
func TestPartly(t *testing.T) {
	r := newFaulty(t, &faulty{tried: 500 * time.Millisecond, fail: func(id driver.ID) error {
		if id[15]%3 == 0 {
			return errors.New("the disk is full")
		}
		return nil
	}})
	for range 60 {
		r.comes(comer{agent: "curl/8"})
	}
	r.later()
	page := r.result(r.post("/ending?agent=curl", forEnding(r, "/ending?agent=curl")))
	r.wants(page, "the disk is full", "may have ended or not", "left: do it again")
	acts := r.told()
	if last := acts[len(acts)-1]; last.Result != console.ResultPartial || last.Count == 0 || last.Count >= 60 || last.Err == nil {
		t.Errorf("%+v", last)
	}
}

// TestCancel: a job that is stopped says who stopped it, and what it has done.
func TestCancel(t *testing.T) {
	f := &faulty{hold: make(chan struct{})}
	r := newFaulty(t, f)
	for range 100 {
		r.comes(comer{agent: "curl/8"})
	}
	r.later()
	job := r.post("/ending?agent=curl", forEnding(r, "/ending?agent=curl"))
	r.until("burials", func() bool { return f.buried.Load() > 0 })
	r.wants(r.page(job), "under way", "Stop")
	r.wants(r.page("/"), "1 under way")
	r.op.Name = "otto"
	if to := r.post(job+"/cancel", url.Values{}); to != job {
		t.Error(to)
	}
	close(f.hold) // what has begun is carried through
	r.wants(r.result(job), "stopped", "stopped by otto", "olga")
	acts := r.told()
	if last := acts[len(acts)-1]; last.Result != console.ResultStopped || last.Actor != "olga" {
		t.Errorf("%+v", last)
	}
	if stop := acts[len(acts)-2]; stop.Action != console.ActStop || stop.Result != console.ResultBegun || stop.Actor != "otto" || stop.Job == "" || stop.Job != acts[len(acts)-1].Job {
		t.Errorf("who stopped it: %+v", stop)
	}
}

// TestCloseStopsJobs: Close stops what is under way, and waits for it.
func TestCloseStopsJobs(t *testing.T) {
	f := &faulty{tried: time.Second, hold: make(chan struct{})}
	r := newFaulty(t, f)
	r.comes(comer{agent: "curl/8"})
	r.later()
	form := forEnding(r, "/ending?agent=curl")
	job := r.post("/ending?agent=curl", form)
	r.until("burials", func() bool { return f.buried.Load() > 0 })
	if err := r.console.Close(); err != nil {
		t.Fatal(err)
	}
	r.wants(r.page(job), "stopped")
	if acts := r.told(); acts[len(acts)-1].Result != console.ResultStopped {
		t.Errorf("%+v", acts)
	}
	form.Set("job", "AAAAAAAAAAAAAAAAAAAAAA")
	if w := r.do(http.MethodPost, "/ending?agent=curl", form); w.Code != http.StatusServiceUnavailable {
		t.Errorf("after Close: %d", w.Code)
	}
	r.page("/")
}

// TestBound: only so many jobs run at a time.
func TestBound(t *testing.T) {
	f := &faulty{hold: make(chan struct{})}
	r := newFaulty(t, f)
	r.comes(comer{agent: "curl/8"})
	r.later()
	for range 4 {
		r.post("/ending?agent=curl", forEnding(r, "/ending?agent=curl"))
	}
	if w := r.do(http.MethodPost, "/ending?agent=curl", forEnding(r, "/ending?agent=curl")); w.Code != http.StatusServiceUnavailable {
		t.Errorf("a fifth: %d", w.Code)
	}
	close(f.hold)
	r.until("room", func() bool { return !strings.Contains(text(r.page("/jobs")), "under way") })
}

// TestTwoAtOnce: of two operators who end the same sessions neither leaves one, and neither
// is told of more than there were.
func TestTwoAtOnce(t *testing.T) {
	r := newRig(t, nil)
	for range 300 {
		r.comes(comer{agent: "curl/8"})
	}
	r.later()
	forms := []url.Values{forEnding(r, "/ending?agent=curl"), forEnding(r, "/ending?agent=curl")}
	jobs := make([]string, 2)
	var both sync.WaitGroup
	for i, form := range forms {
		both.Go(func() { jobs[i] = r.do(http.MethodPost, "/ending?agent=curl", form).Header().Get("Location") })
	}
	both.Wait()
	for _, job := range jobs {
		r.wants(r.result(job), "None is left")
	}
	counted := int64(0)
	for _, a := range r.told() {
		if a.Result != console.ResultBegun {
			counted += a.Count
			if a.Result != console.ResultDone || a.Count > 300 {
				t.Errorf("%+v", a)
			}
		}
	}
	graves := 0
	for _, err := range r.manager.Admin().Search(t.Context(), driver.Query{Ended: true, Reason: driver.EndRevoked}) {
		if err != nil {
			t.Fatal(err)
		}
		graves++
	}
	if graves != 300 || counted < 300 { // of two that end one at the same moment, both may count it
		t.Errorf("%d have ended, and the jobs count %d", graves, counted)
	}
}

// TestShares: however many look, the store counts once in an interval.
func TestShares(t *testing.T) {
	memory := memstore.New(nil)
	defer memory.Close()
	store := &counting{Store: memory}
	r := newRig(t, store)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { r.do(http.MethodGet, "/", nil) })
	}
	all.Wait()
	r.until("the figures", func() bool { return strings.Contains(text(r.page("/")), "Active 0") })
	n := store.n.Load()
	for range 20 {
		r.page("/")
	}
	if again := store.n.Load(); again != n || n == 0 {
		t.Errorf("%d counts, then %d", n, again)
	}
}

// counting is a store that counts its counts.
type counting struct {
	driver.Store
	n atomic.Int64
}

func (c *counting) Summarize(ctx context.Context, q driver.Query) (driver.Summary, error) {
	c.n.Add(1)
	return c.Store.(driver.Inspector).Summarize(ctx, q)
}

func (c *counting) Report(ctx context.Context) (driver.Report, error) {
	return c.Store.(driver.Inspector).Report(ctx)
}
