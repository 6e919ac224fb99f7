package elasticstore

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// This file makes docs/dashboards/sessions.ndjson: saved objects of the kinds and versions
// that both Kibana from 7.10 on and OpenSearch Dashboards import.

// panel is one visualization.
type panel struct {
	id, title, kind, pattern, query string
	w                               int // of 48
	aggs                            []agg
}

const (
	sessions = "kind:session"
	live     = "kind:session AND expires:[now TO *]"
)

// panels are the dashboard's, in rows from the left.
func panels() []panel {
	count := func(label string) agg {
		return agg{ID: "1", Enabled: true, Type: "count", Schema: "metric", Params: object{"customLabel": label}}
	}
	over := func(field, interval string) agg {
		return agg{ID: "2", Enabled: true, Type: "date_histogram", Schema: "segment", Params: object{
			"field": field, "useNormalizedEsInterval": true, "interval": interval, "drop_partials": false, "min_doc_count": 1, "extended_bounds": object{},
		}}
	}
	terms := func(id, schema, field string, size int) agg {
		return agg{ID: id, Enabled: true, Type: "terms", Schema: schema, Params: object{
			"field": field, "orderBy": "1", "order": "desc", "size": size, "otherBucket": false, "otherBucketLabel": "Other",
			"missingBucket": false, "missingBucketLabel": "None",
		}}
	}
	either := func(yes, query, no string) agg {
		filter := func(label, query string) object {
			return object{"input": object{"query": query, "language": "lucene"}, "label": label}
		}
		return agg{ID: "2", Enabled: true, Type: "filters", Schema: "segment",
			Params: object{"filters": []object{filter(yes, query), filter(no, "NOT "+query)}}}
	}
	s := "Sessions"
	return []panel{
		{"cloakroom-live", "Live sessions", "metric", "now", live, 8, []agg{count("live sessions")}},
		{"cloakroom-begun", "Sessions begun", "histogram", "begun", sessions, 20, []agg{count(s), over("created", "auto")}},
		{"cloakroom-last-seen", "Last seen", "histogram", "seen", live, 20, []agg{count(s), over("seen", "auto")}},
		{"cloakroom-live-by-app", "Live, by app", "pie", "now", live, 12, []agg{count(s), terms("2", "segment", "app", 10)}},
		{"cloakroom-signed-in", "Live, signed in or not", "pie", "now", live, 12, []agg{count(s), either("signed in", "principal:*", "anonymous")}},
		{"cloakroom-remembered", "Live, remembered or not", "pie", "now", live, 12, []agg{count(s), either("remembered", "persistent:true", "until the browser ends")}},
		{"cloakroom-authenticated", "Live, signed in since", "histogram", "now", live, 12, []agg{count(s), over("authenticated", "h")}},
		{"cloakroom-ended", "Ended, by reason", "histogram", "ended", "kind:grave", 24, []agg{count("Ended sessions"), over("at", "auto"), terms("3", "group", "reason", 10)}},
		{"cloakroom-time-to-live", "Live, by when they expire", "histogram", "now", live, 24, []agg{count(s), over("expires", "h")}},
		{"cloakroom-principals", "Principals with the most live sessions", "table", "now", live, 16, []agg{count(s), terms("2", "bucket", "principal", 20)}},
		{"cloakroom-agents", "User agents", "table", "now", live, 16, []agg{count(s), terms("2", "bucket", "client.agent", 20)}},
		{"cloakroom-addresses", "Addresses", "table", "now", live, 16, []agg{count(s), terms("2", "bucket", "client.address", 20)}},
	}
}

// visParams are what a kind of visualization draws with. The rest is its default.
func visParams(kind string) object {
	switch kind {
	case "metric":
		return object{"addTooltip": true, "addLegend": false, "type": "metric", "metric": object{
			"percentageMode": false, "useRanges": false, "colorSchema": "Green to Red", "metricColorMode": "None",
			"colorsRange": []object{{"from": 0, "to": 1000000000}}, "labels": object{"show": true}, "invertColors": false,
			"style": object{"bgFill": "#000", "bgColor": false, "labelColor": false, "subText": "", "fontSize": 40},
		}}
	case "pie":
		return object{"type": "pie", "addTooltip": true, "addLegend": true, "legendPosition": "right", "isDonut": true,
			"labels": object{"show": false, "values": true, "last_level": true, "truncate": 100}}
	case "table":
		return object{"perPage": 10, "showPartialRows": false, "showMetricsAtAllLevels": false, "showTotal": false, "totalFunc": "sum", "percentageCol": ""}
	}
	axis := func(id, kind, position string) object {
		return object{"id": id, "type": kind, "position": position, "show": true, "style": object{}, "scale": object{"type": "linear"},
			"labels": object{"show": true, "filter": true, "truncate": 100}, "title": object{}}
	}
	value := axis("ValueAxis-1", "value", "left")
	value["name"], value["scale"] = "LeftAxis-1", object{"type": "linear", "mode": "normal"}
	return object{
		"type": "histogram", "grid": object{"categoryLines": false}, "addTooltip": true, "addLegend": true, "legendPosition": "right", "times": []any{},
		"addTimeMarker": false, "labels": object{"show": false}, "thresholdLine": object{"show": false, "value": 10, "width": 1, "style": "full", "color": "#E7664C"},
		"categoryAxes": []object{axis("CategoryAxis-1", "category", "bottom")}, "valueAxes": []object{value},
		"seriesParams": []object{{"show": true, "type": "histogram", "mode": "stacked", "data": object{"label": "Sessions", "id": "1"}, "valueAxis": "ValueAxis-1",
			"drawLinesBetweenPoints": true, "lineWidth": 2, "showCircles": true}},
	}
}

// fieldsOfPatterns are the fields that panels use, as an index pattern lists them.
func fieldsOfPatterns() string {
	var list []object
	add := func(kind, esType string, names ...string) {
		for _, name := range names {
			list = append(list, object{"name": name, "type": kind, "esTypes": []string{esType}, "count": 0, "scripted": false,
				"searchable": true, "aggregatable": true, "readFromDocValues": true})
		}
	}
	add("string", "keyword", "kind", "app", "principal", "reason", "client.agent")
	add("date", "date", "created", "authenticated", "seen", "expires", "deadline", "at")
	add("ip", "ip", "client.address")
	add("boolean", "boolean", "persistent")
	return asText(list)
}

// asText encodes JSON for an attribute that holds it as text.
func asText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// makeDashboards makes the file.
func makeDashboards() []byte {
	var b bytes.Buffer
	encode := json.NewEncoder(&b)
	encode.SetEscapeHTML(false)
	write := func(o savedObject) {
		if err := encode.Encode(o); err != nil {
			panic(err)
		}
	}
	for _, p := range []struct{ id, by string }{{"begun", "created"}, {"seen", "seen"}, {"ended", "at"}, {"now", ""}} {
		attributes := object{"title": "session-2*.*", "fields": fieldsOfPatterns()}
		if p.by != "" {
			attributes["timeFieldName"] = p.by
		}
		write(savedObject{ID: "cloakroom-" + p.id, Type: "index-pattern", Attributes: attributes, References: []reference{},
			Migration: object{"index-pattern": "7.6.0"}})
	}
	source := func(query string) object {
		return object{"searchSourceJSON": asText(object{
			"query": object{"query": query, "language": "lucene"}, "filter": []any{}, "indexRefName": "kibanaSavedObjectMeta.searchSourceJSON.index",
		})}
	}
	var shown []object
	var references []reference
	x, y, h := 0, 0, 12
	for i, p := range panels() {
		state := visState{p.title, p.kind, p.aggs, visParams(p.kind)}
		write(savedObject{
			ID: p.id, Type: "visualization",
			Attributes: object{"title": "Cloakroom: " + p.title, "description": "", "version": 1, "uiStateJSON": "{}", "visState": asText(state),
				"kibanaSavedObjectMeta": source(p.query)},
			References: []reference{{"cloakroom-" + p.pattern, "kibanaSavedObjectMeta.searchSourceJSON.index", "index-pattern"}},
			Migration:  object{"visualization": "7.10.0"},
		})
		if x+p.w > 48 {
			x, y = 0, y+h
		}
		name, index := fmt.Sprintf("panel_%d", i), fmt.Sprint(i+1)
		shown = append(shown, object{"version": "7.10.0", "panelIndex": index, "panelRefName": name, "title": p.title,
			"embeddableConfig": object{"title": p.title}, "gridData": object{"x": x, "y": y, "w": p.w, "h": h, "i": index}})
		references = append(references, reference{p.id, name, "visualization"})
		x += p.w
	}
	write(savedObject{
		ID: "cloakroom-sessions", Type: "dashboard",
		Attributes: object{
			"title": "Cloakroom: sessions", "description": "Sessions that live and that have ended", "version": 1, "hits": 0,
			"panelsJSON": asText(shown), "optionsJSON": asText(object{"useMargins": true, "hidePanelTitles": false}),
			"timeRestore": true, "timeFrom": "now-24h", "timeTo": "now", "refreshInterval": object{"pause": true, "value": 0},
			"kibanaSavedObjectMeta": object{"searchSourceJSON": asText(object{"query": object{"query": "", "language": "lucene"}, "filter": []any{}})},
		},
		References: references, Migration: object{"dashboard": "7.9.3"},
	})
	return b.Bytes()
}
