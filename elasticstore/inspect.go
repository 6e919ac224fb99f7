package elasticstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is Summarize and Report, for operators.

// Summarize counts the records that a query selects; see driver.Inspector. It trails
// acknowledged writes by Config.RefreshInterval, as Search does.
func (s *Store) Summarize(ctx context.Context, q driver.Query) (driver.Summary, error) {
	sum, err := s.summarize(ctx, q)
	if err != nil {
		return sum, searchError(ctx, "summarize", err)
	}
	return sum, nil
}

func (s *Store) summarize(ctx context.Context, q driver.Query) (sum driver.Summary, err error) {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return sum, err
	}
	defer done()
	if err := s.prepare(ctx); err != nil {
		return sum, err
	}
	query := selected(q)
	if sum.Records, err = s.count(ctx, s.names.searched(), query); err != nil {
		return driver.Summary{}, err
	}
	query = allOf(query, object{"exists": object{"field": "principal"}})
	if sum.SignedIn, err = s.count(ctx, s.names.searched(), query); err != nil {
		return driver.Summary{}, err
	}
	return sum, nil
}

// Report names the engine, the store's indices and counts, and the problems it found;
// see driver.Inspector. It makes no index or template.
func (s *Store) Report(ctx context.Context) (driver.Report, error) {
	bounded, done, err := s.begin(ctx)
	if err != nil {
		return driver.Report{}, searchError(ctx, "report", err)
	}
	defer done()
	r := &driver.Report{}
	if err := s.report(bounded, r); err != nil {
		return driver.Report{}, searchError(ctx, "report", err)
	}
	return *r, nil
}

func (s *Store) report(ctx context.Context, r *driver.Report) error {
	list, err := s.listIndices(ctx, s.names.pattern())
	if err != nil {
		return err
	}
	if r.Engine, err = s.engine(ctx); err != nil {
		return err
	}
	problem := func(code string, how driver.Severity, remedy, format string, args ...any) {
		r.Problems = append(r.Problems, driver.Problem{Code: code, Severity: how, Meaning: fmt.Sprintf(format, args...), Remedy: remedy})
	}
	fact := func(name, value string) { r.Facts = append(r.Facts, driver.Fact{Name: name, Value: value}) }

	fact("index", s.names.pattern())
	if hosts := s.inClear(); len(hosts) > 0 {
		problem("login-in-clear", driver.SeverityWarn, "Use https in ClientConfig.URLs, and change the password.", "%s", inClearMeaning(hosts))
	}
	found := s.reportIndices(list, problem)
	s.registerProblems(ctx, list, problem)
	s.reportTemplate(ctx, problem)
	s.reportNeighbours(ctx, problem)
	s.reportSettings(ctx, problem)
	whole := true
	if index := s.names.ledgers(); !found.ours[index] {
		whole = false
		problem("index-missing", driver.SeverityFail, "Run setup, or if it was there before, restore it from a snapshot.",
			"The index %q is missing.", index)
	}
	fact("indices", strconv.Itoa(len(found.ours)))
	if n := len(found.periods); n > 0 {
		fact("periods", fmt.Sprintf("%d, %s to %s", n, found.periods[0], found.periods[n-1]))
	}
	if found.foreign > 0 {
		fact("indices of others that match", strconv.Itoa(found.foreign))
	}
	if !whole {
		return nil // a count would fail
	}
	for _, kind := range []struct {
		name string
		kind driver.Kind
	}{{"sessions", driver.KindSession}, {"ledgers", driver.KindLedger}, {"graves", kindGrave}} {
		n, err := s.count(ctx, s.names.searched(), term("kind", string(kind.kind)))
		if err != nil {
			problem("count-failed", driver.SeverityWarn, "See to the engine's health.", "The %s can't be counted: %v.", kind.name, err)
			break
		}
		fact(kind.name, strconv.FormatInt(n, 10))
	}
	return nil
}

// tellProblem adds a problem to a report.
type tellProblem func(code string, how driver.Severity, remedy, format string, args ...any)

// foundIndices are the indices whose names match the pattern.
type foundIndices struct {
	ours    map[string]bool
	periods []string // names of ours, in order
	foreign int
}

// reportIndices sorts a listing into ours and others, and reports foreign indices that
// have our names.
func (s *Store) reportIndices(list []indexInfo, problem tellProblem) foundIndices {
	found := foundIndices{ours: map[string]bool{}}
	named := s.byName(list)
	behind := map[string]bool{} // indices behind our names
	for name, info := range named {
		behind[info.name] = true
		if info.mark == nil {
			problem("index-foreign", driver.SeverityFail, "Remove it if there is nothing in it that matters, or move its documents into an index with our mapping: docs/operations.md says how.",
				"The index %q has one of our names, but was not made by this package, or not with its template.", name)
			continue
		}
		found.ours[name] = true
		if _, periodic := s.names.parse(name); periodic {
			found.periods = append(found.periods, name)
		}
	}
	for _, info := range list {
		if !behind[info.name] {
			found.foreign++
		}
	}
	slices.Sort(found.periods)
	return found
}

func (s *Store) reportTemplate(ctx context.Context, problem tellProblem) {
	t, err := s.getTemplate(ctx)
	var f *fault
	switch {
	case errors.As(err, &f) && f.forbidden:
		// The login has no right to see it, and doesn't need one.
	case err != nil:
		problem("template-unreadable", driver.SeverityWarn, "See to the engine's health, and to the rights of the login.",
			"The index template %q can't be read: %v.", s.names.template(), err)
	case !t.found && s.cfg.NoTemplate:
	case !t.found:
		problem("template-missing", driver.SeverityWarn, "Run setup.", "The index template %q is missing.", s.names.template())
	case t.mark == nil:
		problem("template-foreign", driver.SeverityFail, "Remove it, or choose another Config.Index.",
			"The index template %q is not one of this package.", s.names.template())
	case t.mark.Format < format:
		problem("template-old", driver.SeverityWarn, "Run setup.", "The index template %q is of an older release.", s.names.template())
	}
}

// engine returns the engine's name and version, if the login may see them.
func (s *Store) engine(ctx context.Context) (string, error) {
	a, err := s.ask(ctx, request{method: http.MethodGet, path: "/"}, http.StatusForbidden, http.StatusMethodNotAllowed)
	if err != nil {
		return "", err
	}
	defer a.release()
	var body struct {
		Version struct {
			Number       string `json:"number"`
			Distribution string `json:"distribution"`
		} `json:"version"`
	}
	if err := json.Unmarshal(a.body, &body); err != nil || body.Version.Number == "" {
		return "Elasticsearch or OpenSearch (the version can't be read)", nil
	}
	if body.Version.Distribution == "opensearch" {
		return "OpenSearch " + body.Version.Number, nil
	}
	return "Elasticsearch " + body.Version.Number, nil
}
