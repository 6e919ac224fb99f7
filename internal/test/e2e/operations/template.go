package main

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// This file is operations on templates, and on indices of others.

// tomorrow makes the next period's index, as a sweep does.
func tomorrow(s *stage) { s.sweep(nil) }

// then does one after the other.
func then(all ...func(s *stage)) func(s *stage) {
	return func(s *stage) {
		for _, f := range all {
			f(s)
		}
	}
}

// editTemplate changes our template, if there is one, as an operator does: the other settings
// stay, or the next index would have a replica that no node can hold.
func editTemplate(s *stage) {
	path := "/_index_template/" + s.index + "-periods"
	var t struct {
		Templates []struct {
			Template map[string]any `json:"index_template"`
		} `json:"index_templates"`
	}
	if err := json.Unmarshal(s.call(http.MethodGet, path, "", http.StatusNotFound), &t); err != nil || len(t.Templates) == 0 {
		return
	}
	body := t.Templates[0].Template
	inner, _ := body["template"].(map[string]any)
	settings, _ := inner["settings"].(map[string]any)
	index, ok := settings["index"].(map[string]any)
	if !ok {
		s.Fatalf("the template has no settings: %v", body)
	}
	index["refresh_interval"], index["codec"] = "20s", "best_compression"
	text, err := json.Marshal(body)
	if err != nil {
		s.Fatal(err)
	}
	s.call(http.MethodPut, path, string(text))
}

func templates() []operation {
	foreign := func(pattern string, priority int, more string) func(s *stage) {
		return func(s *stage) {
			s.call(http.MethodPut, "/_index_template/of-"+s.index, fmt.Sprintf(
				`{"index_patterns":[%q],"priority":%d%s}`, s.index+pattern, priority, more))
		}
	}
	restart := func(s *stage) { s.reopen(nil) }
	gone := func(s *stage) { s.call(http.MethodDelete, "/_index_template/of-"+s.index, "") }
	return []operation{
		{
			name: "template-deleted", title: "delete our template, restart the application",
			do: then(func(s *stage) {
				s.call(http.MethodDelete, "/_index_template/"+s.index+"-periods", "", http.StatusNotFound)
			}, restart),
		},
		{
			name: "template-above", title: "a template of others for `session-*` above ours; restart",
			do: then(foreign("-*", 900, `,"template":{"settings":{"index.refresh_interval":"90s"}}`), tomorrow, restart), end: gone,
			want: want{log: []string{"WARN elasticstore"}, report: []string{"template-captures"}},
		},
		{
			name: "template-below", title: "one below ours; restart",
			do: then(foreign("-*", 1, ""), tomorrow, restart), end: gone,
		},
		{
			name: "template-edited", title: "edit our template: another refresh interval, a codec; restart",
			do:   then(editTemplate, tomorrow, restart),
			want: want{report: []string{"template-edited", "settings-drift"}, after: []string{"template-edited", "settings-drift"}},
		},
		{
			name: "template-pipeline", title: "one above ours with a `final_pipeline` that doesn't exist; the next period", hasty: true,
			do: then(foreign("-*", 900, `,"template":{"settings":{"index.final_pipeline":"nowhere"}}`), func(s *stage) {
				s.call(http.MethodDelete, "/"+s.today(), "") // as if the day began now
			}, restart), end: gone,
			mend: func(s *stage) { s.settings(s.today(), `{"index.final_pipeline":"_none"}`) },
			want: want{
				see: everywhere("200 503"), out: "?", recover: either, lost: "sessions of today",
				log: anything, report: []string{"template-captures", "*"}, after: []string{"index-remade|index-lost"},
			},
		},
		{
			name: "index-of-others", title: "an index `session-replay-2026` of others, made and written; restart",
			do: then(func(s *stage) {
				s.call(http.MethodPut, "/"+s.index+"-replay-2026/_doc/1?refresh=true", `{"created":"yesterday","kind":{"of":"replay"}}`, http.StatusBadRequest)
			}, restart),
		},
		{
			name: "data-stream", title: "a data stream template of others for `session-logs-*`; restart",
			do: then(foreign("-logs-*", 200, `,"data_stream":{}`), restart), end: gone,
		},
	}
}
