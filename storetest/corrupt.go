package storetest

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/cloakroom-go/cloakroom/driver"
)

// testCorrupt checks that a damaged record fails alone.
func testCorrupt(e *env) {
	if e.h.Corrupt == nil {
		e.Skip("Harness.Corrupt is nil: there is nothing to damage")
	}
	e.openStore()
	e.eachLayout("I12_fails_alone", testCorruptFailsAlone)
	e.run("big_search", testCorruptBigSearch)
}

func testCorruptFailsAlone(e *env, l driver.Layout) {
	var kept []*driver.Record
	for i := range 5 {
		r := e.recordAt(l, e.now.Add(-ms*10))
		r.Principal = []string{"alice", "bob"}[i%2]
		kept = append(kept, e.mustCreate(r))
	}
	bad := kept[2]
	others := append(kept[:2:2], kept[3:]...)
	e.h.Corrupt(e.T, e.store, bad.ID)

	_, err := e.get(bad.ID)
	e.wantError(err, driver.ErrCorrupt, "Get of a damaged record")
	e.together(min(e.h.Many, 40), func(i int) error {
		r := kept[i%len(kept)]
		if r != bad {
			return e.isKept(r)
		}
		_, err := e.get(r.ID)
		return isError(err, driver.ErrCorrupt)
	})
	_, err = e.create(e.withID(l, bad.ID))
	e.wantError(err, driver.ErrExists, "Create over a damaged record")

	e.settle()
	e.wantFound(driver.Query{App: e.app, Kind: bad.Kind}, others)
	e.wantFound(driver.Query{App: e.app, Kind: bad.Kind, Principal: "alice"}, others)
	if _, err := e.sweep(e.now); err != nil {
		e.Errorf("Sweep beside a damaged record: %v", err)
	}
	for _, r := range others {
		e.wantRecord(r)
	}
	if _, err := e.get(bad.ID); !errors.Is(err, driver.ErrCorrupt) {
		e.Errorf("Get of a damaged record after a sweep: error %v, want ErrCorrupt", err)
	}

	// It can be ended like any other.
	g := e.grave(bad)
	e.mustBury(bad.ID, g, driver.Version{})
	e.wantGrave(bad.ID, g)
	_, err = e.create(e.withID(l, bad.ID))
	e.wantError(err, driver.ErrExists, "Create on the grave of a damaged record")
}

func testCorruptBigSearch(e *env) {
	// A page that begins, ends or consists of damaged records is no end.
	kept := e.createAll(e.some(24))
	want := expect(kept, driver.Query{App: e.app})
	var rest []*driver.Record
	for i, r := range want {
		if i < 3 || i == 7 || i == len(want)-1 {
			e.h.Corrupt(e.T, e.store, r.ID)
		} else {
			rest = append(rest, r)
		}
	}
	e.settle()
	for _, limit := range []int{0, 1, 2, 3, 5} {
		q := driver.Query{App: e.app, Limit: limit}
		if d := diffFound(e.mustSearch(q), expect(rest, q)); d != "" {
			e.Errorf("the query %s %s", describeQuery(q), d)
		}
	}
}

func (e *env) withID(l driver.Layout, id driver.ID) *driver.Record {
	r := e.record(l)
	r.ID = id
	return r
}

// testInspector checks Summarize and Report.
func testInspector(e *env) {
	e.openStore()
	if _, ok := e.store.(driver.Inspector); !ok {
		e.Skip("the store is no Inspector")
	}
	e.run("summary_of_nothing", testInspectorSummaryOfNothing)
	e.run("summary", testInspectorSummary)
	e.run("report", testInspectorReport)
}

func (e *env) summarize(q driver.Query) driver.Summary {
	e.Helper()
	ctx, cancel := e.context()
	defer cancel()
	sum, err := e.store.(driver.Inspector).Summarize(ctx, q)
	if err != nil {
		e.Fatalf("Summarize: %v", err)
	}
	return sum
}

func testInspectorSummaryOfNothing(e *env) {
	for _, q := range []driver.Query{{}, {App: e.app}, {App: e.app, Principal: "alice"}} {
		if sum := e.summarize(q); sum != (driver.Summary{}) {
			e.Errorf("Summarize %s counts %+v where nothing is", describeQuery(q), sum)
		}
	}
}

func testInspectorSummary(e *env) {
	kept := e.createAll(e.some(60))
	gone := e.record(driver.LayoutDay)
	gone.Principal = "alice"
	gone = e.mustCreate(gone)
	e.mustBury(gone.ID, e.grave(gone), gone.Version)
	other := *e
	other.app = newApp()
	e.createAll(other.some(10))
	e.settle()
	for i := range 40 {
		q := e.query(kept)
		if i == 0 {
			q = driver.Query{App: e.app}
		}
		all := q
		all.After, all.Limit = driver.Cursor{}, 0
		var want driver.Summary
		for _, r := range expect(kept, all) {
			want.Records++
			if r.Principal != "" {
				want.SignedIn++
			}
		}
		if sum := e.summarize(q); sum != want {
			e.Errorf("Summarize %s counts %+v, want %+v", describeQuery(q), sum, want)
		}
	}
}

func testInspectorReport(e *env) {
	ctx, cancel := e.context()
	defer cancel()
	report, err := e.store.(driver.Inspector).Report(ctx)
	if err != nil {
		e.Fatalf("Report: %v", err)
	}
	if report.Engine == "" {
		e.Error("the report names no engine")
	}
	for _, f := range report.Facts {
		if f.Name == "" || f.Value == "" {
			e.Errorf("the report has the fact %q without a name or a value", fmt.Sprint(f))
		}
	}
	e.Logf("%s: %v", report.Engine, report.Facts)
	for _, p := range report.Problems {
		e.Logf("problem: %s", p)
		if !problemCode.MatchString(p.Code) || p.Meaning == "" || p.Remedy == "" || p.Severity != driver.SeverityWarn && p.Severity != driver.SeverityFail {
			e.Errorf("the problem %+v lacks a code of lower-case words with hyphens, a severity, a meaning or a remedy", p)
		}
	}
}

var problemCode = regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
