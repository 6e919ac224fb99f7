package elasticstore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests that each panel of docs/dashboards/sessions.ndjson draws something: its
// query and its aggregation, taken from the file, are asked of an engine.

// savedObject is a line of the file. Attributes hold JSON as text.
type savedObject struct {
	ID         string         `json:"id"`
	Type       string         `json:"type"`
	Attributes map[string]any `json:"attributes"`
	References []reference    `json:"references"`
	Migration  object         `json:"migrationVersion,omitempty"`
}

type reference struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
}

// visState is what a classic visualization keeps of itself.
type visState struct {
	Title  string `json:"title"`
	Type   string `json:"type"`
	Aggs   []agg  `json:"aggs"`
	Params object `json:"params"`
}

type agg struct {
	ID      string `json:"id"`
	Enabled bool   `json:"enabled"`
	Type    string `json:"type"`
	Schema  string `json:"schema"`
	Params  object `json:"params"`
}

// indexPatternFields are the fields in a pattern's cached list, which 7.10 and OpenSearch
// Dashboards read.
type indexPatternField struct {
	Name         string `json:"name"`
	Type         string `json:"type"`
	Aggregatable bool   `json:"aggregatable"`
}

const dashboardsFile = "../docs/dashboards/sessions.ndjson"

func readDashboards(t *testing.T) (objects []savedObject) {
	t.Helper()
	if *updateGolden {
		if err := os.WriteFile(dashboardsFile, makeDashboards(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(dashboardsFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, makeDashboards()) {
		t.Errorf("%s is not what dashboards_made_test.go makes: run go test -run TestDashboards ./elasticstore -update", dashboardsFile)
	}
	for line := range bytes.Lines(text) {
		var o savedObject
		if err := json.Unmarshal(line, &o); err != nil {
			t.Fatal(err)
		}
		objects = append(objects, o)
	}
	return objects
}

// in decodes JSON that an attribute has as text.
func (o savedObject) in(t *testing.T, into any, path ...string) {
	t.Helper()
	var v any = o.Attributes
	for _, name := range path {
		v, _ = v.(map[string]any)[name]
	}
	text, ok := v.(string)
	if !ok {
		t.Fatalf("%s %s has no text at %v", o.Type, o.ID, path)
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%s %s, %v: %v", o.Type, o.ID, path, err)
	}
}

// TestDashboards asks each panel's question, as Kibana and OpenSearch Dashboards put it.
func TestDashboards(t *testing.T) {
	t.Parallel()
	objects := readDashboards(t)
	l := newLab(t)
	s := l.open(t, nil, func(c *Config) { c.Dashboards = true })
	fillForDashboards(t, s)
	l.refresh(t)

	patterns := map[string]savedObject{}
	panels := 0
	for _, o := range objects {
		switch o.Type {
		case "index-pattern":
			patterns[o.ID] = o
			l.checkFields(t, o)
		case "visualization":
			panels++
			t.Run(o.ID, func(t *testing.T) { l.checkPanel(t, o, patterns) })
		case "dashboard":
			checkDashboard(t, o, objects)
		default:
			t.Errorf("%s is a %s, which not both families import", o.ID, o.Type)
		}
	}
	if panels < 10 {
		t.Errorf("there are %d panels", panels)
	}
}

// fillForDashboards makes sessions of all kinds and ends some.
func fillForDashboards(t *testing.T, s *Store) {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Millisecond)
	for i := range 40 {
		r := session(driver.LayoutDay, now.Add(-time.Duration(i%20)*time.Hour))
		r.App, r.Principal = []string{"shop", "forum"}[i%2], []string{"alice", "bob", ""}[i%3]
		r.Seen, r.Expires, r.Deadline = now.Add(-time.Duration(i)*time.Minute), now.Add(time.Duration(i)*time.Hour), now.Add(100*time.Hour)
		r.Persistent = i%4 == 0
		r.Client = driver.Client{Address: []string{"192.0.2.1", "2001:db8::1", "unix"}[i%3], UserAgent: []string{"Browser/1", strings.Repeat("x", 300)}[i%2]}
		r = mustCreate(t, s, r)
		if i%5 == 0 {
			g := r.GraveFor([]driver.EndReason{driver.EndDestroyed, driver.EndExpired}[i%2], now.Add(-time.Duration(i)*time.Minute), driver.NewWriteID())
			if err := s.Bury(testContext(t), r.ID, g, r.Version); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// at returns a pattern's indices among those of the lab.
func (l *lab) at(t *testing.T, pattern savedObject) string {
	t.Helper()
	title, _ := pattern.Attributes["title"].(string)
	rest, ok := strings.CutPrefix(title, "session")
	if !ok {
		t.Fatalf("the pattern %s is of %q", pattern.ID, title)
	}
	return l.index + rest
}

// checkFields checks a pattern's list of fields against what the engine says of them.
func (l *lab) checkFields(t *testing.T, pattern savedObject) {
	t.Helper()
	var fields []indexPatternField
	pattern.in(t, &fields, "fields")
	types := map[string]string{"keyword": "string", "date": "date", "ip": "ip", "boolean": "boolean"}
	caps := l.getJSON(t, "/"+l.at(t, pattern)+"/_field_caps?fields="+url.QueryEscape("*"))["fields"].(map[string]any)
	for _, f := range fields {
		kinds, _ := caps[f.Name].(map[string]any)
		if len(kinds) != 1 {
			t.Errorf("%s: the engine has %d types for %s, want one", pattern.ID, len(kinds), f.Name)
		}
		for kind, c := range kinds {
			if types[kind] != f.Type || !f.Aggregatable || c.(map[string]any)["aggregatable"] != true {
				t.Errorf("%s says %+v of what is a %s to the engine: %v", pattern.ID, f, kind, c)
			}
		}
	}
	if by, ok := pattern.Attributes["timeFieldName"].(string); ok && !slices.ContainsFunc(fields, func(f indexPatternField) bool { return f.Name == by && f.Type == "date" }) {
		t.Errorf("%s goes by %s, which is no date of its fields", pattern.ID, by)
	}
}

// checkPanel asks a panel's question, and wants something in each bucket that it draws.
func (l *lab) checkPanel(t *testing.T, o savedObject, patterns map[string]savedObject) {
	t.Helper()
	var state visState
	o.in(t, &state, "visState")
	var source struct {
		Query struct{ Query, Language string }
		Ref   string `json:"indexRefName"`
	}
	o.in(t, &source, "kibanaSavedObjectMeta", "searchSourceJSON")
	var pattern savedObject
	for _, r := range o.References {
		if r.Name == source.Ref && r.Type == "index-pattern" {
			pattern = patterns[r.ID]
		}
	}
	if pattern.ID == "" || source.Query.Language != "lucene" || len(state.Aggs) == 0 {
		t.Fatalf("%+v of %+v: it has no pattern before it, no query in lucene, or no aggregation", o, state)
	}
	filters := []object{{"query_string": object{"query": source.Query.Query, "analyze_wildcard": true, "time_zone": "UTC"}}}
	if by, ok := pattern.Attributes["timeFieldName"].(string); ok {
		day := time.Now().UTC().Add(-24 * time.Hour)
		filters = append(filters, object{"range": object{by: object{
			"gte": day.Format(time.RFC3339Nano), "lte": day.Add(25 * time.Hour).Format(time.RFC3339Nano), "format": "strict_date_optional_time",
		}}})
	}
	body := object{"size": 0, "track_total_hits": true, "query": allOf(filters...)}
	var names []string
	inner := body
	for _, a := range state.Aggs {
		if a.Type == "count" {
			continue // a bucket's doc_count
		}
		next := object{a.Type: paramsOf(t, a)}
		inner["aggs"] = object{a.ID: next}
		inner, names = next, append(names, a.ID)
	}
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	var answer map[string]any
	path := "/" + l.at(t, pattern) + "/_search?allow_partial_search_results=false"
	if err := json.Unmarshal(l.call(t, http.MethodPost, path, string(text)), &answer); err != nil {
		t.Fatal(err)
	}
	if n := answer["hits"].(map[string]any)["total"].(map[string]any)["value"].(float64); n == 0 {
		t.Errorf("the query %q finds nothing", source.Query.Query)
	}
	level, _ := answer["aggregations"].(map[string]any)
	for _, name := range names {
		level = fullest(level[name])
		if n, _ := level["doc_count"].(float64); n == 0 {
			t.Errorf("the aggregation %s has no bucket with anything in it\n%s", name, text)
		}
	}
}

// fullest returns the bucket with the most documents; of named ones, the emptiest, as each
// must have some.
func fullest(aggregation any) (bucket map[string]any) {
	buckets := aggregation.(map[string]any)["buckets"]
	count := func(b any) float64 { return b.(map[string]any)["doc_count"].(float64) }
	by := func(a, b any) int { return int(count(a) - count(b)) }
	switch buckets := buckets.(type) {
	case []any:
		if len(buckets) > 0 {
			bucket = slices.MaxFunc(buckets, by).(map[string]any)
		}
	case map[string]any:
		bucket = slices.MinFunc(slices.Collect(maps.Values(buckets)), by).(map[string]any)
	}
	return bucket
}

// paramsOf turns an aggregation's parameters into those that the engine is asked with.
func paramsOf(t *testing.T, a agg) object {
	t.Helper()
	switch a.Type {
	case "date_histogram":
		p := object{"field": a.Params["field"], "min_doc_count": 1, "time_zone": "UTC"}
		switch a.Params["interval"] {
		case "auto":
			p["fixed_interval"] = "30m" // it depends on the time that is shown
		case "d", "h":
			p["calendar_interval"] = fmt.Sprintf("1%v", a.Params["interval"])
		default:
			t.Fatalf("the interval %v", a.Params["interval"])
		}
		return p
	case "terms":
		if a.Params["orderBy"] != "1" {
			t.Fatalf("terms are ordered by %v, want the count, whose id is 1", a.Params["orderBy"])
		}
		return object{"field": a.Params["field"], "size": a.Params["size"], "order": object{"_count": a.Params["order"]}}
	case "filters":
		named := object{}
		for _, f := range a.Params["filters"].([]any) {
			f := f.(map[string]any)
			named[f["label"].(string)] = object{"query_string": object{"query": f["input"].(map[string]any)["query"], "analyze_wildcard": true}}
		}
		return object{"filters": named}
	}
	t.Fatalf("the test doesn't know the aggregation %s", a.Type)
	return nil
}

// checkDashboard checks that a dashboard shows each of the panels once, and none over
// another.
func checkDashboard(t *testing.T, o savedObject, objects []savedObject) {
	t.Helper()
	var panels []struct {
		Ref  string                   `json:"panelRefName"`
		Grid struct{ X, Y, W, H int } `json:"gridData"`
	}
	o.in(t, &panels, "panelsJSON")
	shown, taken := map[string]bool{}, map[[2]int]bool{}
	for _, p := range panels {
		for _, r := range o.References {
			if r.Name == p.Ref {
				shown[r.ID] = true
			}
		}
		for x := range p.Grid.W {
			for y := range p.Grid.H {
				at := [2]int{p.Grid.X + x, p.Grid.Y + y}
				if taken[at] || at[0] >= 48 {
					t.Errorf("%s lies over another panel or outside", p.Ref)
				}
				taken[at] = true
			}
		}
	}
	for _, v := range objects {
		if v.Type == "visualization" && !shown[v.ID] {
			t.Errorf("the dashboard doesn't show %s", v.ID)
		}
	}
	if len(shown) != len(panels) || len(panels) != len(o.References) {
		t.Errorf("%d panels show %d of %d references", len(panels), len(shown), len(o.References))
	}
}
