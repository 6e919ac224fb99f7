package elasticstore

import (
	"maps"
	"slices"
	"strings"
)

// This file is the mapping of indices, and its versions.

// format is the version of the mapping, and of the template that has it. Setup replaces
// an older template and leaves a newer one alone: so two versions at work on one engine
// don't replace each other's in turn, and the newer stays. Indices keep the mapping that
// they were made with. A version works with indices of all formats, side by side in one
// search. format says nothing of documents, which are the same in all formats; see
// driver.CheckFormat.
//
//	1  times are dates, and members that no query asks for are not mentioned
//	2  times are numbers, and members that no query will ask for are disabled
//	3  searches go by seen, and in graves by at and reason; perhaps for dashboards; the
//	   template's patterns are as narrow as the names of indices
const format = 3

// mark is the member of a mapping's _meta that shows that the mapping is ours.
type mark struct {
	Cloakroom *markOfOurs `json:"cloakroom,omitempty"`
}

type markOfOurs struct {
	Format int `json:"format"`
	// Settings are those of the configuration that the template was made from, and
	// Priority is that priority. Where the template differs, an operator has edited it.
	Settings string `json:"settings,omitempty"`
	Priority int    `json:"priority,omitempty"`
	// Dashboards says that the mapping is that of Config.Dashboards.
	Dashboards bool `json:"dashboards,omitempty"`
	// Lifetime is the longest lifetime, in milliseconds, that was known when the index
	// was made. Sweep keeps the index that much longer.
	Lifetime int64 `json:"lifetime,omitempty"`
}

type object = map[string]any

// mapping indexes only the members that queries need, since each field costs on every
// save, unless it is for dashboards.
//
// Times are numbers, because an engine reads a date by a calendar each time. A search
// goes through both: either is a number of milliseconds when it is sorted and compared
// (TestMixedMappings).
//
// seen is what a console lists sessions by. Its cost is lost in the noise: 48 µs of the
// engine for a save, beside 52 without (BenchmarkMappings; the least of 56 turns 33
// beside 31). The client's address and agent cost more, 64 µs in the same run (least 34),
// and are looked for rarely. So a search for them reads the documents that the rest of
// the query selects, except with Config.Dashboards.
//
// Members that no query will ask for are disabled ("enabled": false). The engine passes
// over a disabled member unread, which costs less than a member that the mapping doesn't
// name, for which the engine looks first. An index can't index a member any more once
// its mapping has disabled it. So the mapping doesn't name members that a later version
// may want to find records by: those reserved for it (driver.ExtraLabels and its likes),
// and successor, which is a grave's alone. at and reason are a grave's alone as well: no
// save pays for them.
func mapping(m markOfOurs) object {
	term := object{"type": "keyword", "doc_values": false}
	time := object{"type": "long", "doc_values": false}
	properties := object{
		"id":        object{"type": "keyword", "index": false}, // searches sort by it
		"kind":      term,
		"app":       term,
		"principal": term,
		"created":   object{"type": "long"}, // and by this,
		"seen":      lenient("long"),        // and this,
		"at":        lenient("long"),        // and this
		"expires":   time,
		"deadline":  time,
		"reason":    term,
	}
	for _, name := range []string{"authenticated", "verifier", "previous", "previousEnds", "persistent", "client", "writes", "revs", "values", "raw"} {
		properties[name] = object{"type": "object", "enabled": false}
	}
	if m.Dashboards {
		maps.Copy(properties, forDashboards())
	}
	return object{"_meta": mark{&m}, "dynamic": false, "properties": properties}
}

// unclashing returns a mapping without the members that the formats before had as objects,
// and this one hasn't. An engine merges the mapping of an index that is made into that of
// its template, and refuses the index where one has an object and the other none. So the
// template names none of them, for the sake of earlier releases; nor do indices where the
// template is of an earlier one. A search reads the documents of an index without them.
func unclashing(m object) object {
	m = maps.Clone(m)
	properties := maps.Clone(m["properties"].(object))
	for _, name := range objectsBefore {
		if member, ok := properties[name].(object); ok && member["type"] != "object" {
			delete(properties, name)
		}
	}
	m["properties"] = properties
	return m
}

// objectsBefore are members that were objects in a mapping of format 2.
var objectsBefore = []string{"authenticated", "seen", "persistent"}

// clashes reports whether an engine refuses a mapping because of one of them.
func clashes(e said) bool {
	return slices.ContainsFunc(objectsBefore, func(name string) bool { return strings.Contains(e.reason, "["+name+"]") })
}

// lenient is a time that the engine leaves out of the index, and keeps, where it is none:
// no mistake in it, and no later version's form of it, fails a save. A search reads such a
// document (see condition).
func lenient(kind string) object {
	return object{"type": kind, "ignore_malformed": true}
}

// forDashboards are the members that Kibana and OpenSearch Dashboards draw. Such panels
// need doc values, and dates to tell what a number is. A date is still kept as the number
// that the document has; people may write a calendar's date in a query.
func forDashboards() object {
	date := object{"type": "date", "format": "epoch_millis||strict_date_optional_time"}
	loose := lenient("date")
	loose["format"] = date["format"]
	keyword := object{"type": "keyword"}
	return object{
		"kind": keyword, "app": keyword, "principal": keyword, "reason": keyword,
		"created": date, "authenticated": loose, "seen": loose, "expires": date, "deadline": date, "at": loose,
		"persistent": object{"type": "boolean"},
		"client": object{"properties": object{
			"address": object{"type": "ip", "ignore_malformed": true}, // Config.ClientAddr may return anything
			"agent":   object{"type": "keyword", "ignore_above": agentBytes},
		}},
	}
}

// agentBytes is the longest user agent that is indexed; the Manager keeps no longer one.
const agentBytes = 256

// indexed reports whether a mapping makes the engine read a member of this name.
func indexed(name string) bool {
	switch name {
	case "id", "kind", "app", "principal", "created", "expires", "deadline", "seen", "at", "reason",
		"authenticated", "persistent", "client":
		return true
	}
	return false
}
