package elasticstore

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests settings: those of Config.Settings, an operator's edits, and indices
// that differ from the configuration.

// settingsOf returns the settings of an index, by their flat names.
func (l *lab) settingsOf(t testing.TB, index string) map[string]any {
	t.Helper()
	return l.getJSON(t, "/"+index+"/_settings?flat_settings=true")[index].(map[string]any)["settings"].(map[string]any)
}

// TestSettingsOfConfig: further settings reach the template and new indices.
func TestSettingsOfConfig(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := l.open(t, nil, func(c *Config) {
		c.Settings = map[string]any{
			"index.codec": "best_compression", "search.slowlog.threshold.query.warn": "2s", "max_ngram_diff": 3,
			"index": map[string]any{"indexing": map[string]any{"slowlog.threshold.index.warn": "1s"}},
			"query": map[string]any{"default_field": []string{"app", "principal"}}, "auto_expand_replicas": "0-2", "warmer.enabled": false,
		}
	})
	r := mustCreate(t, s, session(driver.LayoutDay, time.Now()))
	for _, index := range []string{s.names.of(r.ID), l.index + "-principals", l.index + "-20.26"} {
		if index == l.index+"-20.26" {
			l.call(t, http.MethodPut, "/"+index, "") // the engine takes the template
		}
		has := l.settingsOf(t, index)
		for name, want := range map[string]string{
			"index.codec": "best_compression", "index.search.slowlog.threshold.query.warn": "2s", "index.max_ngram_diff": "3", "index.warmer.enabled": "false",
			"index.indexing.slowlog.threshold.index.warn": "1s", "index.query.default_field": "[app principal]", "index.auto_expand_replicas": "0-2",
			"index.final_pipeline": "_none", "index.default_pipeline": "_none", "index.translog.durability": "request",
		} {
			if fmt.Sprint(has[name]) != want {
				t.Errorf("%s: %s is %v, want %s", index, name, has[name], want)
			}
		}
	}
	if found := problemsOf(t, s); len(found) != 0 {
		t.Errorf("problems: %v", found)
	}
	// What the engine doesn't know is told by Open.
	_, err := Open(testContext(t), ClientConfig{URLs: []string{l.url}}, l.config(func(c *Config) { c.Settings = map[string]any{"codecs": 1} }))
	if err == nil || !strings.Contains(err.Error(), "index.codecs") || !strings.Contains(err.Error(), "Config.Settings") {
		t.Errorf("Open: %v", err)
	}
}

// TestSettingsRefused: settings that would break a promise are errors of New.
func TestSettingsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		settings map[string]any
		says     string
	}{
		"durability":    {map[string]any{"index": map[string]any{"translog": map[string]any{"durability": "async"}}}, "acknowledged saves"},
		"pipeline":      {map[string]any{"final_pipeline": "x"}, "pipeline"},
		"shards":        {map[string]any{"number_of_shards": 1}, "Config.Shards"},
		"replicas":      {map[string]any{"index.number_of_replicas": 1}, "Config.Replicas"},
		"refresh":       {map[string]any{"refresh_interval": "1s"}, "Config.RefreshInterval"},
		"block":         {map[string]any{"blocks.write": true}, "refuse"},
		"synthetic":     {map[string]any{"mapping.source.mode": "synthetic"}, "come back"},
		"segments":      {map[string]any{"replication.type": "SEGMENT"}, "newest state"},
		"twice":         {map[string]any{"codec": "a", "index.codec": "b"}, "twice"},
		"nil":           {map[string]any{"codec": nil}, "leave it out"},
		"not a number":  {map[string]any{"priority": math.NaN()}, "no number"},
		"infinite":      {map[string]any{"priority": math.Inf(1)}, "no number"},
		"no number":     {map[string]any{"priority": json.Number("1x")}, "no number"},
		"result window": {map[string]any{"max_result_window": 10}, "searches would fail"},
		"search":        {map[string]any{"search.default_pipeline": "hide"}, "what is there"},
		"struct":        {map[string]any{"codec": struct{}{}}, "struct {}"},
		"list of lists": {map[string]any{"a": []any{[]string{"b"}}}, "a list has strings"},
		"priority":      {nil, "Config.TemplatePriority is -1"},
		"two replicas":  {map[string]any{"auto_expand_replicas": "0-1"}, "Config.Replicas"},
	} {
		config := &Config{Settings: c.settings}
		switch name {
		case "priority":
			config.TemplatePriority = -1
		case "two replicas":
			config.Replicas = 2
		}
		_, err := New(newFaulty(nil), config)
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "elasticstore: Config.") {
			t.Errorf("%s: %v", name, err)
		}
	}
	settings := map[string]any{"codec": "best_compression"}
	s, err := New(newFaulty(nil), &Config{Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	settings["final_pipeline"] = "x" // the caller's map is the caller's
	if set := s.indexSettings(); set["index.codec"] != "best_compression" || set[keyFinalPipeline] != "_none" {
		t.Errorf("%v", set)
	}
}

// TestEditedTemplate: an operator's edits of the template survive a change of the
// configuration, and reach new indices. A change of the same setting replaces the edit.
func TestEditedTemplate(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	plain := l.open(t, nil, nil)
	if err := plain.Setup(testContext(t)); err != nil {
		t.Fatal(err)
	}
	name := plain.names.template()
	there, err := plain.getTemplate(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	// The operator edits it by hand: what the engine shows, with changes.
	l.call(t, http.MethodPut, "/_component_template/"+l.index+"part", `{"template":{"settings":{"index.max_ngram_diff":5}}}`)
	t.Cleanup(func() {
		l.call(t, http.MethodDelete, "/_index_template/"+name, "", 200, 404)
		l.call(t, http.MethodDelete, "/_component_template/"+l.index+"part", "")
	})
	whole := there.whole
	whole["priority"], whole["version"], whole["composed_of"] = 321, 7, []string{l.index + "part"}
	whole["_meta"] = object{"owner": "ops"}
	inner := whole["template"].(object)
	inner["aliases"] = object{l.index + "all": object{}}
	settings := inner["settings"].(object)["index"].(object)
	delete(settings, "auto_expand_replicas")
	settings["number_of_replicas"] = "0"
	settings["codec"] = "best_compression"
	settings["refresh_interval"] = "7s"
	settings["final_pipeline"] = "nowhere" // not to be honoured
	settings["query"] = object{"default_field": []string{"app", "kind"}}
	inner["mappings"].(object)["properties"].(object)["note"] = object{"type": "keyword"}
	inner["mappings"].(object)["_meta"].(object)["owner"] = "ops"
	l.call(t, http.MethodPut, "/_index_template/"+name, jsonOf(t, whole))

	want := func(s *Store, r *driver.Record, refresh, warn string) {
		t.Helper()
		there, err := s.getTemplate(testContext(t))
		if err != nil {
			t.Fatal(err)
		}
		has := l.settingsOf(t, s.names.of(r.ID))
		for _, set := range []map[string]any{has, there.settings} {
			if set[keyExpand] != nil || fmt.Sprint(set[keyReplicas]) != "0" || set["index.codec"] != "best_compression" || set[keyRefresh] != refresh ||
				fmt.Sprint(set["index.query.default_field"]) != "[app kind]" || set["index.search.slowlog.threshold.query.warn"] != nil && set["index.search.slowlog.threshold.query.warn"] != warn {
				t.Errorf("settings %v", set)
			}
		}
		if has[keyFinalPipeline] != "_none" || has["index.max_ngram_diff"] != "5" {
			t.Errorf("settings %v", has)
		}
		mapping := string(l.call(t, http.MethodGet, "/"+s.names.of(r.ID), ""))
		for _, text := range []string{`"note"`, `"owner"`, l.index + "all"} {
			if !strings.Contains(mapping, text) {
				t.Errorf("%s is not in the index: %s", text, mapping)
			}
		}
	}
	want(plain, mustCreate(t, plain, session(driver.LayoutDay, time.Now())), "7s", "")
	if p := problemsOf(t, plain)["template-edited"]; p.Severity != driver.SeverityInfo || !strings.Contains(p.Meaning, `index.refresh_interval is "7s"`) ||
		!strings.Contains(p.Meaning, keyExpand+" is not set") {
		t.Errorf("problem: %+v", p)
	}

	slow := func(c *Config) { c.Settings = map[string]any{"search.slowlog.threshold.query.warn": "2s"} }
	changed := l.open(t, nil, slow)
	if err := changed.Setup(testContext(t)); err != nil {
		t.Fatal(err)
	}
	want(changed, mustCreate(t, changed, session(driver.LayoutMonth, time.Now())), "7s", "2s")
	there, err = changed.getTemplate(testContext(t))
	if err != nil || there.priority != 321 || fmt.Sprint(there.whole["version"]) != "7" || fmt.Sprint(there.whole["composed_of"]) != "["+l.index+"part]" ||
		fmt.Sprint(there.whole["_meta"]) != "map[owner:ops]" || there.settings["index.search.slowlog.threshold.query.warn"] != "2s" || there.settings[keyFinalPipeline] != "_none" {
		t.Errorf("%+v, %v", there, err)
	}

	// The configuration changes what was edited, and leaves the slow log to the engine.
	last := l.open(t, nil, func(c *Config) { c.RefreshInterval, c.TemplatePriority = 3*time.Second, 400 })
	if err := last.Setup(testContext(t)); err != nil {
		t.Fatal(err)
	}
	want(last, mustCreate(t, last, session(driver.LayoutWeek, time.Now())), "3000ms", "")
	there, err = last.getTemplate(testContext(t))
	if err != nil || there.priority != 400 || there.settings["index.search.slowlog.threshold.query.warn"] != nil {
		t.Errorf("%+v, %v", there, err)
	}
	before := string(l.call(t, http.MethodGet, "/_index_template/"+name, ""))
	if err := last.Setup(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if after := string(l.call(t, http.MethodGet, "/_index_template/"+name, "")); after != before {
		t.Errorf("a Setup that changes nothing changed the template: %s, before %s", after, before)
	}
}

// TestSegmentReplication: OpenSearch can keep copies in a way that makes reads stale.
func TestSegmentReplication(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.foreign(t, "foreign", []string{l.index + "-20*"}, 901, "")
	text := fmt.Sprintf(`{"index_patterns":[%q],"priority":901,"template":{"settings":{"replication.type":"SEGMENT"}}}`, l.index+"-20*")
	if strings.Contains(string(l.call(t, http.MethodPut, "/_index_template/"+l.index+"foreign", text, 200, 400)), "unknown setting") {
		t.Skip("an engine without it")
	}
	s := l.open(t, nil, nil)
	r := mustCreate(t, s, session(driver.LayoutDay, time.Now()))
	if p := problemsOf(t, s)["segment-replication"]; p.Severity != driver.SeverityFail || !strings.Contains(p.Meaning, s.names.of(r.ID)) {
		t.Errorf("problem: %+v", p)
	}
	l.remove(t, s.names.of(r.ID))
	s = l.open(t, nil, func(c *Config) { c.Settings = map[string]any{"index.replication.type": "DOCUMENT"} })
	r = mustCreate(t, s, session(driver.LayoutDay, time.Now()))
	if has := l.settingsOf(t, s.names.of(r.ID)); has[keyReplication] != "DOCUMENT" {
		t.Errorf("%v", has)
	}
	// In our own template it is no edit to follow.
	there, err := s.getTemplate(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	there.whole["template"].(object)["settings"].(object)["index"].(object)["replication"] = object{"type": "SEGMENT"}
	there.whole["priority"] = 902
	l.call(t, http.MethodPut, "/_index_template/"+s.names.template(), jsonOf(t, there.whole))
	s = l.open(t, nil, nil)
	r = mustCreate(t, s, session(driver.LayoutMonth, time.Now()))
	if has := l.settingsOf(t, s.names.of(r.ID)); has[keyReplication] != "DOCUMENT" {
		t.Errorf("%v", has)
	}
}

// TestDrift: existing indices differ from the configuration, and ApplySettings applies
// it. Setup doesn't.
func TestDrift(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	old := l.open(t, nil, nil)
	r := mustCreate(t, old, session(driver.LayoutDay, time.Now()))
	other := mustCreate(t, old, session(driver.LayoutMonth, time.Now()))
	day, month := old.names.of(r.ID), old.names.of(other.ID)
	l.call(t, http.MethodPut, "/"+l.index+"-20-others.1", `{"settings":{"refresh_interval":"9s"}}`)

	s := l.open(t, nil, func(c *Config) {
		c.Replicas = -1
		c.RefreshInterval = 30 * time.Second
		c.Settings = map[string]any{"codec": "best_compression", "search.slowlog.threshold.query.warn": "2s", "query.default_field": []any{"app"}}
	})
	if err := s.Setup(testContext(t)); err != nil {
		t.Fatal(err)
	}
	l.settings(t, month, `{"index.refresh_interval":"30s"}`) // the same in other words
	l.settings(t, day, `{"index.translog.durability":"async"}`)
	drift, err := s.Drift(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, d := range drift {
		lines = append(lines, strings.TrimPrefix(d.String(), l.index))
	}
	for _, index := range []string{day, month, l.index + "-principals"} {
		index = strings.TrimPrefix(index, l.index)
		want := []string{
			index + `: index.auto_expand_replicas is "0-1" instead of "false"`,
			index + `: index.query.default_field is not set instead of "[\"app\"]"`,
			index + `: index.search.slowlog.threshold.query.warn is not set instead of "2s"`,
		}
		if "-"+index != "-"+strings.TrimPrefix(month, l.index) {
			want = append(want, index+`: index.refresh_interval is "5000ms" instead of "30000ms"`)
		}
		if index == strings.TrimPrefix(day, l.index) {
			want = append(want, index+`: index.translog.durability is "async" instead of "request"`)
		}
		for _, line := range want {
			if i := slices.Index(lines, line); i >= 0 {
				lines = slices.Delete(lines, i, i+1)
			} else {
				t.Errorf("not found: %s", line)
			}
		}
	}
	if len(lines) != 0 {
		t.Errorf("found: %q", lines)
	}
	found := problemsOf(t, s)
	if p := found["settings-drift"]; p.Severity != driver.SeverityWarn || !strings.Contains(p.Meaning, `index.refresh_interval is "5000ms" instead of "30000ms" in "`) {
		t.Errorf("problem: %v", p)
	}
	if p := found["settings-unsafe"]; p.Severity != driver.SeverityFail || !strings.Contains(p.Meaning, day) || strings.Contains(p.Meaning, `"`+month+`"`) {
		t.Errorf("problem: %v", p)
	}

	// An index that can't be changed keeps no other from it.
	l.settings(t, month, `{"index.blocks.read_only":true}`)
	err = s.ApplySettings(testContext(t), drift)
	wantError(t, err, driver.ErrUnavailable)
	if !strings.Contains(err.Error(), month+"/_settings") || strings.Contains(err.Error(), day) {
		t.Errorf("the error doesn't name the index: %v", err)
	}
	l.settings(t, month, `{"index.blocks.read_only":null}`)
	left, err := s.Drift(testContext(t))
	if err != nil || len(left) != 3 || left[0].Index != month {
		t.Fatalf("left: %v, %v", left, err)
	}
	if err := s.ApplySettings(testContext(t), left[:1]); err != nil {
		t.Fatal(err)
	}
	if now, err := s.Drift(testContext(t)); err != nil || !slices.Equal(now, left[1:]) {
		t.Errorf("left: %v, %v, want %v", now, err, left[1:])
	}
	if has := l.settingsOf(t, day); has["index.translog.durability"] != "request" || has["index.number_of_replicas"] != "0" {
		t.Errorf("%v", has)
	}
	for _, d := range []Drift{
		{l.index + "-20-others.1", keyRefresh, "9s", "30000ms"}, {day, keyRefresh, "", "1s"}, {day, "index.blocks.write", "", "true"}, {day, keyShards, "", "2"},
	} {
		if err := s.ApplySettings(testContext(t), []Drift{d}); err == nil || !strings.Contains(err.Error(), "Drift") {
			t.Errorf("%v: %v", d, err)
		}
	}
	if has := l.settingsOf(t, l.index+"-20-others.1"); has[keyRefresh] != "9s" {
		t.Errorf("another's index was changed: %v", has)
	}
	// And back again.
	drift, err = old.Drift(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := old.ApplySettings(testContext(t), drift); err != nil {
		t.Fatal(err)
	}
	if now, err := old.Drift(testContext(t)); err != nil || len(now) != 0 {
		t.Errorf("left: %v, %v", now, err)
	}
}

// jsonOf returns a value as JSON.
func jsonOf(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
