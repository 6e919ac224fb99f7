package console_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/console"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file tests that the result of a job is what came of it, whatever the store does.

// tricky is a store whose reads and burials do what a test says.
type tricky struct {
	*memstore.Store
	count  func(driver.Query) error                    // nil: counts succeed
	search func()                                      // is called before a search
	read   func(driver.ID) error                       // nil: reads succeed
	bury   func(id driver.ID, bury func() error) error // nil: bury is called
}

func (s *tricky) Get(ctx context.Context, id driver.ID) (*driver.Record, error) {
	if s.read != nil {
		if err := s.read(id); err != nil {
			return nil, err
		}
	}
	return s.Store.Get(ctx, id)
}

func (s *tricky) Summarize(ctx context.Context, q driver.Query) (driver.Summary, error) {
	sum, err := s.Store.Summarize(ctx, q)
	if err == nil && s.count != nil {
		err = s.count(q)
	}
	return sum, err
}

func (s *tricky) Search(ctx context.Context, q driver.Query) iter.Seq2[*driver.Record, error] {
	if s.search != nil {
		s.search()
	}
	return s.Store.Search(ctx, q)
}

func (s *tricky) Bury(ctx context.Context, id driver.ID, g driver.Grave, v driver.Version) error {
	bury := func() error { return s.Store.Bury(ctx, id, g, v) }
	if s.bury != nil {
		return s.bury(id, bury)
	}
	return bury()
}

// newTricky makes a console on such a store, with n sessions of ann's.
func newTricky(t *testing.T, n int) (*rig, *tricky) {
	t.Helper()
	s := &tricky{Store: memstore.New(nil)}
	t.Cleanup(func() { s.Close() })
	r := newRig(t, s)
	for range n {
		r.comes(comer{principal: "ann", agent: "curl/8"})
	}
	r.later()
	return r, s
}

// last waits until a job is over, and returns its page and what is told of it.
func (r *rig) last(job string) (string, console.Act) {
	r.Helper()
	page := r.result(job)
	var act console.Act
	r.until("what is told of the result", func() bool {
		acts := r.told()
		act = acts[len(acts)-1]
		return act.Job != "" && act.Result != console.ResultBegun && act.Action != console.ActStop
	})
	return page, act
}

// signOut begins to sign ann out, and returns the job.
func (r *rig) signOut() string {
	r.Helper()
	return r.post("/principals/sign-out", forEnding(r, "/principals?principal=ann"))
}

// errLost is the error of a store that doesn't answer.
func errLost() error { return fmt.Errorf("the cable is out: %w", driver.ErrUnavailable) }

// TestNoMoreThanConfirmed: a job ends no more sessions than were confirmed, also where the
// count had no end or others come to match while it runs.
func TestNoMoreThanConfirmed(t *testing.T) {
	r, _ := newTricky(t, 7)
	form := forEnding(r, "/ending?agent=curl")
	form.Set("count", "5")
	form.Set("more", "1") // at least 5
	page, act := r.last(r.post("/ending?agent=curl", form))
	r.wants(page, "partial", "5 of 5 ended", "more sessions match", "2 are left: do it again")
	if act.Result != console.ResultPartial || act.Count != 5 {
		t.Errorf("%+v", act)
	}
	if n := live(r, "ann"); n != 2 {
		t.Errorf("%d are left", n)
	}
}

// TestCountWithoutEnd: where the store has no index all sessions are looked at, and a count
// that has no end even so is told as what it is.
func TestCountWithoutEnd(t *testing.T) {
	const path = "/ending?agent=curl"
	r, s := newTricky(t, 7)
	s.count = func(q driver.Query) error {
		if q.Scan > 0 {
			return &driver.TruncatedError{}
		}
		return nil
	}
	r.wants(r.page(path), "End 7 sessions?")
	r.lacks(text(r.page(path)), "More may match")
	exact := forEnding(r, path)
	s.count = func(q driver.Query) error {
		if q.Scan > 0 {
			return &driver.TruncatedError{}
		}
		return errLost()
	}
	r.wants(r.page(path), "End 7 sessions?", "More may match", "So many end at most", "End at most 7 sessions")
	if w := r.do(http.MethodPost, path, exact); w.Code != http.StatusConflict || len(r.told()) > 0 {
		t.Errorf("%d %s", w.Code, text(w.Body.String()))
	}
	r.wants(r.result(r.post(path, forEnding(r, path))), "done", "7 of 7 ended")
}

// TestSignOutStopped: signing out can't be stopped once it has begun, and says so.
func TestSignOutStopped(t *testing.T) {
	r, s := newTricky(t, 10)
	begun, hold := make(chan struct{}, 100), make(chan struct{})
	s.bury = func(_ driver.ID, bury func() error) error {
		begun <- struct{}{}
		<-hold
		return bury()
	}
	job := r.signOut()
	<-begun
	r.post(job+"/cancel", url.Values{})
	close(hold)
	page, act := r.last(job)
	r.wants(page, "done", "10 sessions ended", "None is left")
	if act.Result != console.ResultDone || act.Count != 10 {
		t.Errorf("%+v", act)
	}
}

// TestSignOutStoppedBefore: one that is stopped while it looks who is there does nothing.
func TestSignOutStoppedBefore(t *testing.T) {
	r, s := newTricky(t, 3)
	form := forEnding(r, "/principals?principal=ann")
	begun, hold := make(chan struct{}), make(chan struct{})
	s.search = func() {
		close(begun)
		<-hold
	}
	job := r.post("/principals/sign-out", form)
	<-begun
	r.post(job+"/cancel", url.Values{})
	s.search = nil
	close(hold)
	page, act := r.last(job)
	r.wants(page, "stopped", "0 sessions ended")
	if n := live(r, "ann"); n != 3 || act.Result != console.ResultStopped || act.Count != 0 {
		t.Errorf("%+v, and %d are left", act, n)
	}
}

// TestSignOutFails: what had ended before the store was lost is told, or that it isn't
// known. It is never told that nothing was done.
func TestSignOutFails(t *testing.T) {
	var lost atomic.Bool
	afterFive := func(s *tricky) {
		var n atomic.Int64
		s.bury = func(_ driver.ID, bury func() error) error {
			if n.Add(1) > 5 {
				lost.Store(true)
				return errLost()
			}
			return bury()
		}
	}
	for name, test := range map[string]struct {
		spoil func(s *tricky)
		want  console.Result
		ended int64
		page  []string
	}{
		"burials are lost": {afterFive, console.ResultPartial, 5, []string{"partial", "5 sessions ended", "5 are left", "More may have ended or not"}},
		"the store is lost": {func(s *tricky) {
			afterFive(s)
			s.read = func(driver.ID) error {
				if lost.Load() {
					return errLost()
				}
				return nil
			}
		}, console.ResultUncertain, -1, []string{"uncertain", "it isn't known how many", "More may have ended or not"}},
		"the search panics": {func(s *tricky) {
			n := 0
			s.search = func() {
				if n++; n == 2 { // the first looks who is there
					panic("a fault of the store")
				}
			}
		}, console.ResultUncertain, -1, []string{"uncertain", "it isn't known how many", "panicked"}},
	} {
		t.Run(name, func(t *testing.T) {
			lost.Store(false)
			r, s := newTricky(t, 10)
			form := forEnding(r, "/principals?principal=ann")
			test.spoil(s)
			page, act := r.last(r.post("/principals/sign-out", form))
			r.wants(page, test.page...)
			r.lacks(text(page), "None is left", "failed")
			if act.Result != test.want || act.Count != test.ended || act.Err == nil {
				t.Errorf("%+v", act)
			}
		})
	}
}

// TestSignOutWithoutLedger: sessions that the ledger doesn't name, as it is lost or can't
// be read, are ended and counted all the same.
func TestSignOutWithoutLedger(t *testing.T) {
	ledger := driver.LedgerID("session", "ann")
	r, s := newTricky(t, 4)
	rec, err := s.Store.Get(t.Context(), ledger)
	if err != nil {
		t.Fatal(err)
	}
	lost := *rec
	lost.Deadline = time.Now().Add(-time.Hour)
	if _, err := s.Update(t.Context(), &lost); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sweep(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	page, act := r.last(r.signOut())
	r.wants(page, "done", "4 sessions ended", "None is left")
	if act.Result != console.ResultDone || act.Count != 4 {
		t.Errorf("%+v", act)
	}

	r, s = newTricky(t, 4)
	s.read = func(id driver.ID) error {
		if id == ledger {
			return fmt.Errorf("the record is torn: %w", driver.ErrCorrupt)
		}
		return nil
	}
	r.wants(r.page("/principals?principal=ann"), "It can't be read", "if the store can still read its record")
	page, act = r.last(r.signOut())
	r.wants(page, "partial", "4 sessions ended", "the record is torn")
	if act.Result != console.ResultPartial || act.Count != 4 || !errors.Is(act.Err, driver.ErrCorrupt) {
		t.Errorf("%+v", act)
	}
}

// TestAnswerLost: a session that was ended, of which the answer was lost, isn't told as one
// that wasn't.
func TestAnswerLost(t *testing.T) {
	for name, bury := range map[string]func(driver.ID, func() error) error{
		"lost": func(_ driver.ID, bury func() error) error { return errors.Join(bury(), errLost()) },
		"panic": func(_ driver.ID, bury func() error) error {
			_ = bury()
			panic("a fault of the store")
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, s := newTricky(t, 1)
			s.bury = bury
			page, act := r.last(r.post("/ending?agent=curl", forEnding(r, "/ending?agent=curl")))
			r.wants(page, "uncertain", "1 may have ended or not: do it again")
			r.lacks(text(page), "None is left", "couldn't be ended")
			if act.Result != console.ResultUncertain || act.Count != 0 || act.Err == nil {
				t.Errorf("%+v", act)
			}
		})
	}
}

// trailing is a store whose exact counts may take too long; the quick ones have those that
// are over as well.
type trailing struct {
	*memstore.Store
	slow atomic.Bool
}

func (s *trailing) Summarize(ctx context.Context, q driver.Query) (driver.Summary, error) {
	if !s.slow.Load() {
		return s.Store.Summarize(ctx, q)
	}
	if !q.ExpiresFrom.IsZero() {
		<-ctx.Done()
		return driver.Summary{}, ctx.Err()
	}
	sum, err := s.Store.Summarize(ctx, q)
	sum.Records += 2
	return sum, err
}

// TestRecountWithThoseOver: a recount that has those that are over too says nothing against
// a count that hasn't.
func TestRecountWithThoseOver(t *testing.T) {
	s := &trailing{Store: memstore.New(nil)}
	t.Cleanup(func() { s.Close() })
	r := newRig(t, s)
	for range 6 { // more than the sample, which is counted without a search
		r.comes(comer{principal: "ann", agent: "curl/8"})
	}
	r.later()
	const path = "/ending?principal=ann"
	form := forEnding(r, path)
	s.slow.Store(true)
	r.wants(r.page(path), "End at most 8 sessions?")
	_, act := r.last(r.post(path, form))
	if act.Count != 6 || live(r, "ann") > 0 {
		t.Errorf("%+v", act)
	}
}
