package elasticstore

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is Report: the parts that it has, side by side, and what they found.

// Report names the engine, the store's indices and counts, and the problems it found;
// see driver.Inspector. It makes no index or template, and changes nothing.
//
// It asks some twenty requests, most of them at once, and ends after twice
// Config.RequestTimeout.
// What the login may not see is one problem, which names the rights that show it. What
// can't be learned for another reason is a problem too. Report fails only if the engine
// doesn't answer at all.
func (s *Store) Report(ctx context.Context) (driver.Report, error) {
	bounded, done, err := s.begin(ctx)
	if err != nil {
		return driver.Report{}, searchError(ctx, "report", err)
	}
	defer done()
	r, err := s.report(bounded)
	if err != nil {
		return driver.Report{}, searchError(ctx, "report", err)
	}
	return r, nil
}

// examination is one Report under way. The parts that begin it are there for all others.
type examination struct {
	*Store
	engine   engineVersion
	listed   bool                  // else there is nothing in indices, found and ours
	indices  []indexInfo           // whose names match the pattern
	found    map[string]*indexInfo // those with our names, by these
	ours     []string              // the names of those that are ours, sorted
	template template              // zero: there is none, or the login may not see it
	cluster  *clusterSettings
	health   map[string]indexHealth // of ours, by our names
	red      bool                   // a shard of ours has no copy that works
	fence    *fence                 // nil: there is none, or the login may not see it
}

// reportPart is one part of a Report. It adds what it found.
type reportPart func(context.Context, *findings)

func (s *Store) report(ctx context.Context) (r driver.Report, err error) {
	x := &examination{Store: s}
	first := [5]findings{}
	var engineErr error
	together(
		func() { x.engine, engineErr = s.engine(ctx) },
		func() { x.list(ctx, &first[0]) },
		func() { x.readSettings(ctx, &first[1]) },
		func() { x.readTemplate(ctx, &first[2]) },
		func() { x.readHealth(ctx, &first[3]) },
		func() { x.reportFence(ctx, &first[4]) },
	)
	if engineErr != nil {
		return r, engineErr
	}
	x.keepOurs()
	parts := []reportPart{
		x.reportIndices, x.reportRegister, x.reportCounts, x.reportSizes, x.reportHealth, x.reportCluster, x.reportDisks, x.reportRights,
		x.reportNeighbours, x.reportSettings,
	}
	found := make([]findings, len(parts))
	var jobs []func()
	for i, p := range parts {
		jobs = append(jobs, func() { p(ctx, &found[i]) })
	}
	together(jobs...)
	return x.merge(append(first[:], found...)), nil
}

// together does jobs at the same time, and returns when all are done.
func together(jobs ...func()) {
	var all sync.WaitGroup
	for _, job := range jobs {
		all.Go(job)
	}
	all.Wait()
}

// merge makes the report of what the parts found, in their order.
func (x *examination) merge(all []findings) driver.Report {
	r := driver.Report{Engine: x.engine.String()}
	own := &findings{}
	own.fact("index", x.names.pattern())
	if hosts := x.inClear(); len(hosts) > 0 {
		own.problem("login-in-clear", driver.SeverityWarn, "Use https in ClientConfig.URLs, and change the password.", "%s", inClearMeaning(hosts))
	}
	var unseen, failed []string
	for _, f := range append([]findings{*own}, all...) {
		r.Facts = append(r.Facts, f.facts...)
		r.Problems = append(r.Problems, f.problems...)
		r.Periods = append(r.Periods, f.periods...)
		for _, u := range f.unseen {
			unseen = append(unseen, u.what+" ("+u.needs.of(x.engine)+")")
		}
		failed = append(failed, f.failed...)
	}
	// Where another's template keeps ours from being made, running setup is no remedy.
	has := func(code string) func(driver.Problem) bool {
		return func(p driver.Problem) bool { return p.Code == code }
	}
	if slices.ContainsFunc(r.Problems, has("template-overlap")) {
		r.Problems = slices.DeleteFunc(r.Problems, has("template-missing"))
	}
	end := &findings{}
	if len(failed) > 0 {
		end.problem("report-incomplete", driver.SeverityWarn, "See to the engine's health, and ask again.",
			"Some things couldn't be learned: %s.", strings.Join(failed, "; "))
	}
	if len(unseen) > 0 {
		end.problem("rights-to-see", driver.SeverityInfo, "Give the login these rights, or run the report with one that has them. The store doesn't need them for sessions.",
			"%s may not see: %s.", x.who(), strings.Join(unseen, "; "))
	}
	r.Problems = append(r.Problems, end.problems...)
	return r
}

// findings are what a part of a Report found.
type findings struct {
	problems []driver.Problem
	facts    []driver.Fact
	periods  []driver.Period
	unseen   []unseen // what the login may not see
	failed   []string // what couldn't be learned, each with the reason
}

func (f *findings) problem(code string, how driver.Severity, remedy, format string, args ...any) {
	f.problems = append(f.problems, driver.Problem{Code: code, Severity: how, Meaning: fmt.Sprintf(format, args...), Remedy: remedy})
}

func (f *findings) fact(name, value string) {
	f.facts = append(f.facts, driver.Fact{Name: name, Value: value})
}

// right is a right that shows something, in each family's terms.
type right struct{ elasticsearch, openSearch string }

// of returns the right in an engine's terms.
func (r right) of(v engineVersion) string {
	switch {
	case v.Number == "":
		return "Elasticsearch: " + r.elasticsearch + "; OpenSearch: " + r.openSearch
	case v.openSearch():
		return r.openSearch
	}
	return r.elasticsearch
}

// unseen is what the login may not see, and the right that shows it.
type unseen struct {
	what  string
	needs right
}

// learn asks for a part's answer, and decodes it. It returns false, with a finding, if
// there is none.
func (x *examination) learn(ctx context.Context, f *findings, what string, needs right, r request, into any) bool {
	a, err := x.ask(ctx, r, http.StatusNotFound)
	if err == nil {
		defer a.release()
		if a.status == http.StatusNotFound {
			if err = x.checkMissing(&r, a); err == nil {
				return false // nothing is there, which other parts tell
			}
		} else if bad := json.Unmarshal(a.body, into); bad != nil {
			err = malformed(&r, "%v", bad)
		}
	}
	return f.learned(what, needs, err)
}

// learned adds a finding for an error, and reports whether there was none.
func (f *findings) learned(what string, needs right, err error) bool {
	switch {
	case err == nil:
		return true
	case isForbidden(err):
		f.unseen = append(f.unseen, unseen{what, needs})
	default:
		f.failed = append(f.failed, fmt.Sprintf("%s: %v", what, err))
	}
	return false
}

// seeTemplates is the right to see index templates.
var seeTemplates = right{"manage_index_templates", "indices:admin/index_template/get"}

// readTemplate reads the index template, and tells what is wrong with it.
func (x *examination) readTemplate(ctx context.Context, f *findings) {
	t, err := x.getTemplate(ctx)
	x.template = t
	switch {
	case !f.learned("the index template", seeTemplates, err):
	case !t.found && x.cfg.NoTemplate:
	case !t.found:
		f.problem("template-missing", driver.SeverityWarn, "Run setup.", "The index template %q is missing.", x.names.template())
	case t.mark == nil:
		f.problem("template-foreign", driver.SeverityFail, "Remove it, or choose another Config.Index.",
			"The index template %q is not one of this package.", x.names.template())
	case t.mark.Format < format:
		f.problem("template-old", driver.SeverityWarn, "Run setup.", "The index template %q is of an older release.", x.names.template())
	}
}

// engineVersion is what an engine says of itself; empty if the login may not see it.
type engineVersion struct {
	Number       string `json:"number"`
	Distribution string `json:"distribution"`
}

func (v engineVersion) openSearch() bool { return v.Distribution == "opensearch" }

func (v engineVersion) String() string {
	switch {
	case v.Number == "":
		return "Elasticsearch or OpenSearch (the version can't be read)"
	case v.openSearch():
		return "OpenSearch " + v.Number
	}
	return "Elasticsearch " + v.Number
}

// engine returns the engine's name and version, if the login may see them.
func (s *Store) engine(ctx context.Context) (engineVersion, error) {
	a, err := s.ask(ctx, request{method: http.MethodGet, path: "/"}, http.StatusForbidden, http.StatusMethodNotAllowed)
	if err != nil {
		return engineVersion{}, err
	}
	defer a.release()
	var body struct {
		Version engineVersion `json:"version"`
	}
	if err := json.Unmarshal(a.body, &body); err != nil {
		return engineVersion{}, nil // the answer is an engine's; its version is a nicety
	}
	return body.Version, nil
}
