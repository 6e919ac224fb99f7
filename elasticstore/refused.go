package elasticstore

import (
	"net/http"
	"strings"
)

// This file tells what an engine refuses for the document from what it refuses for the
// cluster's sake: with the status 400 it does both.

// refused reports whether an item failed because of its document. In its plainest form a
// document of ours can only be too much for a field, or have a name in Extra that the
// engine doesn't take. Or the index has another's mapping, which foreignMapping tells.
// Every other refusal is the cluster's: what operators can set has no end.
func (e said) refused() bool {
	if e.status != http.StatusBadRequest || strings.Contains(e.reason, "timestamp field") {
		return false
	}
	switch e.kind {
	case "mapper_parsing_exception", "document_parsing_exception", "strict_dynamic_mapping_exception",
		"parse_exception", "json_parse_exception", "x_content_parse_exception", "not_x_content_exception":
		return true
	}
	for _, text := range []string{"immense term", "field name", "object field", "Duplicate field"} {
		if strings.Contains(e.reason, text) {
			return true
		}
	}
	return e.foreignMapping()
}

// foreignMapping reports whether the index's mapping made the engine refuse members that
// all documents have. Only Extra can have a name that the engine keeps for itself.
func (e said) foreignMapping() bool {
	if strings.Contains(e.reason, "failed to parse field [_") {
		return false
	}
	for _, text := range []string{"failed to parse field [", "mapping set to strict", "object mapping for [", "Limit of total fields"} {
		if strings.Contains(e.reason, text) {
			return true
		}
	}
	return false
}

// byCluster reports whether a refusal names something that an operator has set, or has
// to set. It is certain that nothing was done.
func (e said) byCluster() bool { return e.remedy() != "" }

// remedies are the beginnings and ends of what operators have to do, by what the engine
// says.
var remedies = []struct{ kind, text, remedy string }{
	{"ingest_", "", "; an ingest pipeline fails: set index.default_pipeline and index.final_pipeline of the index to _none"},
	{"", "pipeline with id [", "; set index.default_pipeline and index.final_pipeline of the index to _none (Store.ApplySettings does)"},
	{"", "that creates data streams only", "; narrow the patterns of that template, or lower its priority, or set Config.TemplatePriority above it and run setup"},
	{"", "in data streams", "; a data stream has the name of one of the store's indices: remove it, and narrow the patterns of the template that made it"},
	{"", "timestamp field", "; a data stream has the name of one of the store's indices: remove it, and narrow the patterns of the template that made it"},
	{"", "more than one ind", "; the name is an alias: let it point to one index"},
	{"routing_missing_exception", "", "; the index has another's mapping, which requires routing: remove it, or reindex it into one of the store's"},
	{"", "umber of documents in ", "; the index is full: set Config.Shards higher, or shorten the lifetimes of sessions, so that periods are shorter"},
}

// remedy returns what to do about a refusal that is the cluster's; "" if nothing is known.
func (e said) remedy() string {
	for _, r := range remedies {
		if strings.HasPrefix(e.kind, r.kind) && strings.Contains(e.reason, r.text) {
			return r.remedy
		}
	}
	return ""
}
