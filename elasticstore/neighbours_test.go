package elasticstore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests the store beside index templates, indices and data streams of others.

// foreign makes an index template of others.
func (l *lab) foreign(t testing.TB, name string, patterns []string, priority int, more string) {
	t.Helper()
	text, err := json.Marshal(patterns)
	if err != nil {
		t.Fatal(err)
	}
	l.call(t, http.MethodPut, "/_index_template/"+l.index+name, fmt.Sprintf(`{"index_patterns":%s,"priority":%d%s}`, text, priority, more))
}

// streams reports whether the engine has all of data streams, and has the one of this
// name removed when the test ends.
func (l *lab) streams(t testing.TB, name string) bool {
	t.Helper()
	there := true
	remove := func() {
		for range 4 { // a busy engine gives up
			answer := l.call(t, http.MethodDelete, "/_data_stream/"+l.index+name, "", 200, 404, 405, 503)
			there = !bytes.Contains(answer, []byte(`"status":405`))
			if !bytes.Contains(answer, []byte(`"status":503`)) {
				return
			}
		}
		t.Error("the engine doesn't remove a data stream")
	}
	if remove(); there {
		t.Cleanup(remove)
	}
	return there
}

// TestNeighbours: others have indices and a data stream whose names begin as ours do.
// Nothing of ours reaches them.
func TestNeighbours(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	// An earlier release took all names.
	l.call(t, http.MethodPut, "/_index_template/"+l.index+"-periods", fmt.Sprintf(
		`{"index_patterns":[%q],"priority":500,"template":{"mappings":{"dynamic":false,"_meta":{"cloakroom":{"format":2}}}}}`, l.index+"-*"))
	s := l.open(t, nil, nil)
	mustCreate(t, s, session(driver.LayoutDay, time.Now()))
	streams := l.streams(t, "-events")
	if streams {
		l.foreign(t, "-events", []string{l.index + "-events*"}, 200, `,"data_stream":{},"template":{"mappings":{"properties":{"note":{"type":"keyword"}}}}`)
	}
	for _, name := range []string{"-replay-2026.11.30", "-logs-1", "-2026", "-principals-old"} {
		// The mapping is given, here and above: a busy engine gives up mapping what it finds.
		l.call(t, http.MethodPut, "/"+l.index+name+"?master_timeout=2m", `{"mappings":{"properties":{"note":{"type":"keyword"}}}}`)
		l.call(t, http.MethodPost, "/"+l.index+name+"/_doc", `{"note":"words"}`)
		text := string(l.call(t, http.MethodGet, "/"+l.index+name, ""))
		if strings.Contains(text, "cloakroom") || strings.Contains(text, "translog") || strings.Contains(text, "_none") {
			t.Errorf("%s is as ours are: %s", name, text)
		}
	}
	l.call(t, http.MethodPost, "/"+l.index+"-events/_doc", `{"@timestamp":"2026-11-30T00:00:00Z","note":"words"}`)
	if text := string(l.call(t, http.MethodGet, "/"+l.index+"-events", "")); streams && !strings.Contains(text, `".ds-`) {
		t.Errorf("the data stream isn't one: %s", text)
	}
	found := problemsOf(t, s)
	if len(found) != 0 {
		t.Errorf("problems: %v", found)
	}
	if err := s.Refresh(testContext(t)); err != nil {
		t.Error(err)
	}
	l.refresh(t)
	if sum, err := s.Summarize(testContext(t), driver.Query{}); err != nil || sum.Records != 1 {
		t.Errorf("%+v, %v", sum, err)
	}
	l.sweep(t, s, time.Now().AddDate(1, 0, 0))
	for _, name := range []string{"-replay-2026.11.30", "-logs-1", "-2026", "-principals-old", "-events"} {
		l.call(t, http.MethodGet, "/"+l.index+name+"/_count", "")
	}
}

// TestTemplateOfEarlierRelease: a template with the earlier releases' pattern is
// replaced. Such a release leaves the new one alone, since its number is higher.
func TestTemplateOfEarlierRelease(t *testing.T) {
	t.Parallel()
	for _, one := range []bool{false, true} {
		l := newLab(t)
		s := l.open(t, nil, func(c *Config) { c.OneIndex = one })
		l.call(t, http.MethodPut, "/_index_template/"+s.names.template(), fmt.Sprintf(
			`{"index_patterns":[%q],"priority":500,"template":{"mappings":{"_meta":{"cloakroom":{"format":2}}}}}`, s.names.pattern()))
		if err := s.Setup(testContext(t)); err != nil {
			t.Fatal(err)
		}
		there, err := s.getTemplate(testContext(t))
		if err != nil || !slices.Equal(there.patterns, s.names.templatePatterns()) || there.priority != 500 {
			t.Errorf("%+v, %v", there, err)
		}
		const earlier = 2
		if there.mark == nil || there.mark.Format <= earlier {
			t.Errorf("an earlier release would replace it again: %+v", there.mark)
		}
	}
}

// TestPatterns: each name of ours matches a pattern of the template.
func TestPatterns(t *testing.T) {
	t.Parallel()
	n := names{prefix: "session"}
	now := time.Date(2026, 12, 31, 23, 0, 0, 0, time.UTC)
	for _, l := range []driver.Layout{driver.LayoutHour, driver.LayoutDay, driver.LayoutWeek, driver.LayoutMonth, driver.LayoutLedger, driver.LayoutImport} {
		index := n.of(driver.NewID(l, now))
		shaped := slices.ContainsFunc(n.shapes(now), func(s shape) bool { return fit(index, s.form) })
		if !shaped || !slices.ContainsFunc(n.templatePatterns(), func(p string) bool { return fit(p, index) }) {
			t.Errorf("%s doesn't match", index)
		}
	}
	for _, name := range []string{"session-replay-2026.11.30", "session-2026", "session-principals-2", "session", "sessions-2026.11"} {
		if slices.ContainsFunc(n.templatePatterns(), func(p string) bool { return fit(p, name) }) {
			t.Errorf("%s matches", name)
		}
	}
	for _, c := range []struct {
		pattern, other string
		want           bool
	}{
		{"", "", true}, {"*", "", true}, {"*", "*", true}, {"a*", "b*", false}, {"a*", "*a", true}, {"a", "#", false}, {"7", "#", true},
		{"session-*", "session-20##.##", true}, {"*.w*", "session-20##.##.##", false}, {"*.w*", "session-20##.w##", true},
		{"session-2*-x", "session-20*.*", true}, {"*-1?", "session-20##.##.##-##", false}, {"*s*e*s*s*i*o*n*-*2*0*.*x", "session-20##.##.##-##", false},
		{"session-2026.11.*", "session-20##.##.##", true}, {"session-19*", "session-20##.##", false},
	} {
		if got := fit(c.pattern, c.other); got != c.want {
			t.Errorf("%q and %q: %v", c.pattern, c.other, got)
		}
		if strings.Contains(c.other, "#") {
			continue
		}
		if got := fit(c.other, c.pattern); got != c.want {
			t.Errorf("%q and %q: %v", c.other, c.pattern, got)
		}
	}
}

// TestOverlap: another template has the same priority and overlapping patterns, so the
// engine refuses ours. The store works without, and says what to do.
func TestOverlap(t *testing.T) {
	t.Parallel()
	for _, one := range []bool{false, true} {
		t.Run(fmt.Sprint(one), func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.foreign(t, "foreign", []string{l.index + "*"}, 500, `,"template":{"settings":{"final_pipeline":"nowhere","number_of_replicas":3}}`)
			var log bytes.Buffer
			change := func(c *Config) {
				c.OneIndex = one
				c.Logger = slog.New(slog.NewTextHandler(&log, nil))
			}
			s := l.open(t, nil, change)
			err := s.Setup(testContext(t)) // the template is its purpose
			wantError(t, err, driver.ErrUnavailable)
			for _, text := range []string{l.index + "foreign", "Config.TemplatePriority", "Config.NoTemplate"} {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("the error doesn't tell %q: %v", text, err)
				}
			}
			opened, err := Open(testContext(t), ClientConfig{URLs: []string{l.url}}, l.config(change))
			if err != nil {
				t.Fatal(err)
			}
			defer opened.Close()
			r := mustCreate(t, opened, session(driver.LayoutDay, time.Now()))
			if text := string(l.call(t, http.MethodGet, "/"+s.names.of(r.ID)+"/_settings?flat_settings=true", "")); strings.Contains(text, "nowhere") ||
				!strings.Contains(text, `"index.auto_expand_replicas":"0-1"`) || strings.Contains(text, `"index.number_of_replicas":"3"`) {
				t.Errorf("the settings are the other's: %s", text)
			}
			if n := strings.Count(log.String(), l.index+"foreign =>"); n != 1 || !strings.Contains(log.String(), "Config.TemplatePriority") {
				t.Errorf("%d lines are logged: %s", n, log.String())
			}
			found := problemsOf(t, opened)
			if p := found["template-overlap"]; p.Severity != driver.SeverityWarn || !strings.Contains(p.String(), l.index+"foreign") {
				t.Errorf("problems: %v", found)
			}
			if p, there := found["template-missing"]; there { // its remedy wouldn't help
				t.Errorf("told beside it: %v", p)
			}
			// The remedy mends it.
			for _, priority := range []int{499, 501} {
				s = l.open(t, nil, func(c *Config) {
					c.OneIndex = one
					c.TemplatePriority = priority
				})
				if err := s.Setup(testContext(t)); err != nil {
					t.Fatal(err)
				}
				_, captured := problemsOf(t, s)["template-captures"]
				if there, err := s.getTemplate(testContext(t)); err != nil || there.priority != priority || captured != (priority < 500) {
					t.Errorf("%d: %+v, %v, captured %v", priority, there, err, captured)
				}
			}
		})
	}
}

// TestCaptured: a foreign template with a higher priority is named before it does harm.
// A data stream's keeps the indices from being made.
func TestCaptured(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.foreign(t, "foreign", []string{"nothing", l.index + "-2*"}, 900, `,"template":{"settings":{"default_pipeline":"nowhere","codec":"best_compression"},"aliases":{"`+l.index+`all":{}}}`)
	streams := !bytes.Contains(l.call(t, http.MethodPut, "/_index_template/"+l.index+"other",
		`{"index_patterns":["`+l.index+`-replay*"],"priority":1900,"data_stream":{}}`, 200, 400), []byte("unknown field"))
	var log bytes.Buffer
	s := l.open(t, nil, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	if err := s.Setup(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if err := s.Setup(testContext(t)); err != nil {
		t.Fatal(err)
	}
	text := log.String()
	if strings.Count(text, "level=WARN") != 1 || !strings.Contains(text, l.index+"foreign") || strings.Contains(text, l.index+"other") {
		t.Errorf("the log: %s", text)
	}
	mustCreate(t, s, session(driver.LayoutDay, time.Now())) // no pipeline is asked
	found := problemsOf(t, s)
	if p := found["template-captures"]; len(found) != 1 || p.Severity != driver.SeverityWarn || !strings.Contains(p.Meaning, l.index+"foreign") {
		t.Errorf("problems: %v", found)
	}
	l.call(t, http.MethodDelete, "/_index_template/"+l.index+"foreign", "")

	if !streams {
		return // Elasticsearch 7.10 as it comes from Maven has none
	}
	l.foreign(t, "streams", []string{l.index + "-20*"}, 901, `,"data_stream":{}`)
	if p := problemsOf(t, s)["template-data-stream"]; p.Severity != driver.SeverityFail || !strings.Contains(p.Remedy, "TemplatePriority above 901") {
		t.Errorf("problem: %+v", p)
	}
	_, err := s.Create(testContext(t), session(driver.LayoutMonth, time.Now()))
	wantError(t, err, driver.ErrUnavailable)
	if !strings.Contains(err.Error(), l.index+"streams") || !strings.Contains(err.Error(), "Config.TemplatePriority") {
		t.Errorf("the error doesn't tell what to do: %v", err)
	}
	s = l.open(t, nil, func(c *Config) { c.TemplatePriority = 902 })
	if err := s.Setup(testContext(t)); err != nil {
		t.Fatal(err)
	}
	mustCreate(t, s, session(driver.LayoutMonth, time.Now()))
}

// TestNoTemplate: the store makes no template, and works.
func TestNoTemplate(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	f := newFaulty(l.client)
	s := l.open(t, f, func(c *Config) { c.NoTemplate = true })
	if err := s.Setup(testContext(t)); err != nil {
		t.Fatal(err)
	}
	mustCreate(t, s, session(driver.LayoutDay, time.Now()))
	if n := f.requests(l.index + "-periods"); n != 0 || len(l.templates(t)) != 0 {
		t.Errorf("%d requests for the template; there are %v", n, l.templates(t))
	}
	if found := problemsOf(t, s); len(found) != 0 {
		t.Errorf("problems: %v", found)
	}
	// Others' defaults for all indices are worth knowing, no more.
	l.foreign(t, "foreign", []string{l.index + "*"}, 0, `,"template":{"settings":{"codec":"best_compression"}}`)
	if p := problemsOf(t, s)["template-captures"]; p.Severity != driver.SeverityInfo {
		t.Errorf("problem: %+v", p)
	}
}

// TestTemplatesUnseen: the login may not see templates. A report says so.
func TestTemplatesUnseen(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	f := newFaulty(l.client)
	s := l.open(t, f, nil)
	forbidden := instead(func() *http.Response {
		return replyJSON(403, `{"error":{"type":"security_exception","reason":"no permissions for [indices:admin/index_template/get] and User [name=app]"},"status":403}`)
	})
	f.set(func(req *http.Request, body []byte, send func() (*http.Response, error)) (*http.Response, error) {
		if strings.HasPrefix(req.URL.Path, "/_index_template") {
			return forbidden(req, body, send)
		}
		return send()
	})
	mustCreate(t, s, session(driver.LayoutDay, time.Now()))
	if n := f.requests(l.index + "-periods"); n > 1 {
		t.Errorf("it was asked %d times for what is forbidden", n)
	}
	if p := problemsOf(t, s)["rights-to-see"]; p.Severity != driver.SeverityInfo {
		t.Errorf("problem: %+v", p)
	}
}
