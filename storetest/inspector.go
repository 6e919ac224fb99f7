package storetest

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is driver.Inspector, the optional interface by which operators see what a store
// keeps and what is wrong with its engine.

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
	kept := e.createAll(e.visited(60))
	gone := e.record(driver.LayoutDay)
	gone.Principal = "alice"
	gone = e.mustCreate(gone)
	e.mustBury(gone.ID, e.grave(gone), gone.Version)
	other := *e
	other.app = newApp()
	e.createAll(other.some(10))
	e.settle()
	ended := &driver.Record{ID: gone.ID, Grave: new(driver.Grave)}
	*ended.Grave = e.grave(gone)
	kept = append(kept, ended)
	for i := range 40 {
		q := e.anyQuery(kept[:60])
		switch i {
		case 0:
			q = driver.Query{App: e.app}
		case 1, 2:
			q = driver.Query{App: e.app, Ended: true, Principal: []string{"", "bob"}[i-1]}
		}
		all := q
		all.After, all.Limit = driver.Cursor{}, 0
		var want driver.Summary
		for _, r := range expect(kept, all) {
			want.Records++
			if r.Principal != "" || r.Grave != nil && r.Grave.Principal != "" {
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
		if !problemCode.MatchString(p.Code) || p.Meaning == "" || p.Remedy == "" || !slices.Contains(severities, p.Severity) {
			e.Errorf("the problem %+v lacks a code of lower-case words with hyphens, a severity, a meaning or a remedy", p)
		}
	}
}

var severities = []driver.Severity{driver.SeverityInfo, driver.SeverityWarn, driver.SeverityFail}

var problemCode = regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
