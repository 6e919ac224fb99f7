package elasticstore

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

func (l *lab) sweep(t testing.TB, s *Store, now time.Time) driver.SweepReport {
	t.Helper()
	r, err := s.Sweep(testContext(t), now)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSweepDropsPeriods has periods in which everything is over, and others.
func TestSweepDropsPeriods(t *testing.T) {
	t.Parallel()
	l, s := newStore(t)
	now := time.Now().UTC()
	day := func(n int) time.Time { return now.AddDate(0, 0, -n) }
	// Made ten days ago, with a lifetime of two days.
	dead := session(driver.LayoutDay, day(10))
	dead.Deadline = dead.Created.Add(48 * time.Hour)
	mustCreate(t, s, dead)
	// About as old, but one of the sessions lives, and the grave of another.
	alive := session(driver.LayoutDay, day(11))
	alive.Deadline = alive.Created.Add(48 * time.Hour)
	alive = mustCreate(t, s, alive)
	grave := session(driver.LayoutDay, day(12))
	grave.Deadline = grave.Created.Add(48 * time.Hour)
	mustCreate(t, s, grave)
	u := *alive
	u.Deadline = now.Add(time.Hour)
	u.Expires = u.Deadline
	if _, err := s.Update(testContext(t), &u); err != nil {
		t.Fatal(err)
	}
	if err := s.Bury(testContext(t), grave.ID, driver.Grave{Reason: driver.EndDestroyed, Until: now.Add(time.Hour)}, driver.Version{}); err != nil {
		t.Fatal(err)
	}
	// Everything is over, but not for as long as the longest lifetime.
	other := l.open(t, nil, nil)
	recent := session(driver.LayoutDay, day(4))
	recent.Deadline = recent.Created.Add(72 * time.Hour)
	mustCreate(t, other, recent)
	mustCreate(t, other, session(driver.LayoutDay, day(10)))
	// A record without a deadline is never over.
	endless := session(driver.LayoutDay, day(13))
	endless.Deadline = time.Time{}
	mustCreate(t, s, endless)
	// A deadline is over only once the clock tolerance has passed as well.
	edge := session(driver.LayoutHour, day(2))
	edge.Deadline = now.Add(-driver.ClockTolerance + time.Minute)
	mustCreate(t, s, edge)

	report := l.sweep(t, s, now)
	if report.Dropped != 1 {
		t.Errorf("report %+v, want one period dropped", report)
	}
	for _, c := range []struct {
		r    *driver.Record
		want bool
	}{{dead, false}, {alive, true}, {grave, true}, {recent, true}, {endless, true}, {edge, true}} {
		if got := l.exists(t, s.names.of(c.r.ID)); got != c.want {
			t.Errorf("%s exists: %v, want %v", s.names.of(c.r.ID), got, c.want)
		}
	}
	_, err := s.Get(testContext(t), dead.ID)
	wantError(t, err, driver.ErrNotFound)

	// A late write brings the index back, through the template. The next sweep drops it.
	_, err = other.Update(testContext(t), &driver.Record{ID: dead.ID, Kind: dead.Kind, Version: driver.Version{Term: 1, Seq: 7}})
	wantError(t, err, driver.ErrNotFound)
	if err := other.Bury(testContext(t), dead.ID, driver.Grave{Reason: driver.EndRevoked, Until: day(8)}, driver.Version{}); err != nil {
		t.Fatal(err)
	}
	if !l.exists(t, s.names.of(dead.ID)) {
		t.Fatal("a burial did not bring the index back")
	}
	report = l.sweep(t, s, now)
	if l.exists(t, s.names.of(dead.ID)) {
		t.Errorf("the index that a late write brought back stays: %+v", report)
	}
}

// TestI14_SweepAsksAllShards: nothing is dropped on the word of some of the shards.
func TestI14_SweepAsksAllShards(t *testing.T) {
	t.Parallel()
	l, s := newStore(t)
	now := time.Now().UTC()
	f := newFaulty(l.client)
	short := l.open(t, f, func(c *Config) { c.RequestTimeout = time.Second }) // for shards that stay away
	warm(t, s)
	warm(t, short)
	for name, c := range map[string]struct {
		alter sender
		says  string
	}{
		"shard missing": {onKind("_count", edited(func(b string) string { return strings.Replace(b, `"successful":`, `"successful":0,"x":`, 1) })), "only 0 of 1 shards answered"},
		"fewer shards":  {onKind("_count", edited(func(b string) string { return strings.ReplaceAll(b, `:1,"successful":1`, `:0,"successful":0`) })), "has 1 shards, but only 0 answered"},
		"not refreshed": {onKind("_refresh", edited(func(b string) string { return strings.Replace(b, `"failed":0`, `"failed":1`, 1) })), "1 failed"},
		"no refresh":    {onKind("_refresh", instead(func() *http.Response { return replyJSON(200, `{}`) })), "0 were refreshed"},
		"503":           {onKind("_refresh", instead(func() *http.Response { return replyJSON(503, unavailableBody) })), "no master"},
	} {
		t.Run(name, func(t *testing.T) {
			r := session(driver.LayoutDay, now.AddDate(0, 0, -20))
			index := s.names.of(r.ID)
			mustCreate(t, s, r)
			f.set(c.alter)
			eventually(t, func() error { // the sweep may run out of time before
				report, err := short.Sweep(testContext(t), now)
				if err == nil || report.Dropped != 0 || !l.exists(t, index) {
					t.Fatalf("Sweep: %+v, %v", report, err)
				}
				if !strings.Contains(err.Error(), c.says) {
					return err
				}
				return nil
			})
			f.set(nil)
			if report := l.sweep(t, s, now); report.Dropped != 1 || l.exists(t, index) {
				t.Errorf("afterwards: %+v", report)
			}
		})
	}
}

// TestSweepGoesOn: trouble with one index doesn't keep a sweep from the others.
func TestSweepGoesOn(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	f := newFaulty(l.client)
	s := l.open(t, f, nil)
	now := time.Now().UTC()
	poor := session(driver.LayoutDay, now.AddDate(0, 0, -20))
	mustCreate(t, s, poor)
	over := session(driver.LayoutDay, now.AddDate(0, 0, -19))
	mustCreate(t, s, over)
	idle := session(driver.LayoutImport, now.Add(-2*time.Hour))
	mustCreate(t, s, idle)
	l.refresh(t)
	f.set(onKind("_refresh", func(req *http.Request, _ []byte, send func() (*http.Response, error)) (*http.Response, error) {
		if strings.Contains(req.URL.Path, s.names.of(poor.ID)) {
			return replyJSON(403, `{"error":{"type":"security_exception","reason":"no permissions"},"status":403}`), nil
		}
		return send()
	}))
	report, err := s.Sweep(testContext(t), now)
	if err == nil || report.Dropped != 1 || report.Buried != 1 {
		t.Errorf("Sweep: %+v, %v", report, err)
	}
}

func TestSweepLeavesForeignIndicesAlone(t *testing.T) {
	t.Parallel()
	l, s := newStore(t)
	now := time.Now().UTC()
	mustCreate(t, s, session(driver.LayoutDay, now))
	foreign := []string{"-2020.01.01x", "-2020.13", "-notes", "-2020.1.1", "-2020.w60", "-2020.01.01-24", "-principals2"}
	for _, suffix := range foreign {
		l.call(t, http.MethodPut, "/"+l.index+suffix, "")
	}
	// An index with a period's name that this package did not make.
	l.call(t, http.MethodDelete, "/_index_template/"+s.names.template(), "")
	l.call(t, http.MethodPut, "/"+l.index+"-2020.01.01", "")
	foreign = append(foreign, "-2020.01.01")
	// Indices whose members can't be sorted by.
	for _, suffix := range []string{"-2", "-2020"} {
		l.call(t, http.MethodPut, "/"+l.index+suffix, `{"mappings":{"properties":{"id":{"type":"text"},"created":{"type":"text"}}}}`)
		foreign = append(foreign, suffix)
	}
	if report := l.sweep(t, s, now); report.Dropped != 0 {
		t.Errorf("report %+v", report)
	}
	for _, suffix := range foreign {
		if !l.exists(t, l.index+suffix) {
			t.Errorf("the foreign index %s is gone", suffix)
		}
	}
	for _, err := range s.Search(testContext(t), driver.Query{}) {
		if err != nil {
			t.Errorf("Search: %v", err)
		}
	}
	report, err := s.Report(testContext(t))
	if err != nil || len(report.Problems) != 2 || !strings.Contains(fmt.Sprint(report.Problems), l.index+"-2020.01.01") {
		t.Errorf("Report: %v, %v", report.Problems, err)
	}
}

// TestSweepMakesTheNextPeriod, for layouts in use.
func TestSweepMakesTheNextPeriod(t *testing.T) {
	t.Parallel()
	l, s := newStore(t)
	now := time.Now().UTC()
	inUse := session(driver.LayoutDay, now)
	inUse.Deadline = now.AddDate(0, 0, 30)
	mustCreate(t, s, inUse)
	empty, _ := s.names.holding(driver.LayoutWeek, now)
	if err := s.ensure(testContext(t), empty.index, 0); err != nil {
		t.Fatal(err)
	}
	l.refresh(t)
	fresh := l.open(t, nil, nil) // knows of nothing
	l.sweep(t, fresh, now)
	for layout, want := range map[driver.Layout]bool{
		driver.LayoutHour: false, driver.LayoutDay: true, driver.LayoutWeek: false, driver.LayoutMonth: false,
	} {
		p, _ := s.names.holding(layout, now)
		next, _ := s.names.holding(layout, p.end)
		if got := l.exists(t, next.index); got != want {
			t.Errorf("%s exists: %v, want %v", next.index, got, want)
		}
		if !want {
			continue
		}
		list, err := s.listIndices(testContext(t), next.index)
		if err != nil || len(list) != 1 || list[0].mark == nil {
			t.Fatal(list, err)
		}
		if want := inUse.Deadline.Truncate(time.Millisecond).Sub(inUse.ID.Time()); list[0].mark.Lifetime != want.Milliseconds() {
			t.Errorf("the lifetime of the next period is %d, want %v", list[0].mark.Lifetime, want)
		}
	}
}

// TestI14_SweepJudgesVersions: a search may show a state that was since saved over.
func TestI14_SweepJudgesVersions(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := l.open(t, nil, func(c *Config) { c.RefreshInterval = time.Hour })
	now := time.Now().UTC()
	var records []*driver.Record
	for range 3 {
		r := session(driver.LayoutImport, now.Add(-2*time.Hour))
		r.Expires = now.Add(-time.Minute)
		records = append(records, mustCreate(t, s, r))
	}
	l.refresh(t)
	saved := *records[0]
	saved.Expires = now.Add(time.Hour)
	if _, err := s.Update(testContext(t), &saved); err != nil {
		t.Fatal(err)
	}
	f := newFaulty(l.client)
	other := l.open(t, f, nil)
	f.set(onKind("_bulk", times(1, broken))) // executed, but the answer is lost
	report, err := other.Sweep(testContext(t), now)
	if err != nil || report.Buried != 0 {
		t.Errorf("Sweep: %+v, %v", report, err)
	}
	if got, err := s.Get(testContext(t), saved.ID); err != nil || !got.Expires.Equal(saved.Expires.Truncate(time.Millisecond)) {
		t.Errorf("the session that was saved meanwhile: %v", err)
	}
	for _, r := range records[1:] {
		_, err := s.Get(testContext(t), r.ID)
		wantError(t, err, driver.ErrGone)
	}
}

func TestSummaryAndReport(t *testing.T) {
	t.Parallel()
	l, s := newStore(t)
	r, err := s.Report(testContext(t))
	if err != nil || len(r.Problems) != 2 || r.Engine == "" {
		t.Errorf("before Setup: %+v, %v", r, err)
	}
	now := time.Now()
	for i, layout := range []driver.Layout{driver.LayoutDay, driver.LayoutDay, driver.LayoutImport, driver.LayoutLedger} {
		rec := session(layout, now)
		if i == 1 {
			rec.Principal = ""
		}
		mustCreate(t, s, rec)
	}
	gone := mustCreate(t, s, session(driver.LayoutDay, now))
	if err := s.Bury(testContext(t), gone.ID, driver.Grave{Reason: driver.EndDestroyed, Until: gone.Deadline}, gone.Version); err != nil {
		t.Fatal(err)
	}
	l.refresh(t)
	sum, err := s.Summarize(testContext(t), driver.Query{App: "app"})
	if err != nil || sum != (driver.Summary{Records: 3, SignedIn: 2}) {
		t.Errorf("Summarize: %+v, %v", sum, err)
	}
	r, err = s.Report(testContext(t))
	if err != nil || len(r.Problems) > 0 {
		t.Errorf("Report: %v, %v", r.Problems, err)
	}
	text := fmt.Sprint(r.Facts)
	for _, want := range []string{"{sessions 3}", "{ledgers 1}", "{graves 1}", "{indices 3}"} {
		if !strings.Contains(text, want) {
			t.Errorf("the facts %s don't have %s", text, want)
		}
	}
}
