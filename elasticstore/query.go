package elasticstore

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is a Query in the engine's form.

// condition is a Query, without After and Limit, in the engine's form.
type condition struct {
	exact []object
	// loose are conditions on members that the mapping of an index may lack, by member. A
	// document whose member the engine hasn't indexed has to be looked at.
	loose map[string]object
}

// conditionOf makes a query's condition.
func conditionOf(q *driver.Query) condition {
	kind := q.Kind
	switch {
	case q.Ended:
		kind = kindGrave
	case kind == "":
		kind = driver.KindSession
	}
	c := condition{exact: []object{term("kind", string(kind))}, loose: map[string]object{}}
	if q.App != "" {
		c.exact = append(c.exact, term("app", q.App))
	}
	if q.Principal != "" {
		c.exact = append(c.exact, term("principal", q.Principal))
	}
	if !q.CreatedFrom.IsZero() || !q.CreatedTo.IsZero() {
		c.exact = append(c.exact, between("created", q.CreatedFrom, q.CreatedTo))
	}
	switch in := between("expires", q.ExpiresFrom, q.ExpiresTo); {
	case !q.ExpiresFrom.IsZero():
		c.exact = append(c.exact, in)
	case !q.ExpiresTo.IsZero(): // a record without the time comes before all
		c.exact = append(c.exact, anyOf(in, lacks("expires")))
	}
	if !q.SeenFrom.IsZero() || !q.SeenTo.IsZero() {
		c.loose["seen"] = between("seen", q.SeenFrom, q.SeenTo)
	}
	if !q.EndedFrom.IsZero() || !q.EndedTo.IsZero() {
		c.loose["at"] = between("at", q.EndedFrom, q.EndedTo)
	}
	if q.Reason != "" {
		c.loose["reason"] = term("reason", string(q.Reason))
	}
	if q.Address.IsValid() {
		c.loose["client.address"] = addressIn(q.Address)
	}
	switch {
	case len(q.Agent) > agentBytes: // no longer one is indexed, and such a pattern costs an engine seconds
		c.loose["client.agent"] = object{"match_none": object{}}
	case q.Agent != "":
		c.loose["client.agent"] = object{"wildcard": object{"client.agent": object{
			"value": "*" + wildcards.Replace(q.Agent) + "*", "case_insensitive": true,
		}}}
	}
	return c
}

var wildcards = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`)

// addressIn is the condition that an address is in a prefix. To an engine an IPv4 address
// is one of IPv6; to Query.Matches it is in no prefix of IPv6.
func addressIn(p netip.Prefix) object {
	const field = "client.address"
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	in := term(field, p.Masked().String())
	if p.Addr().Is4() {
		return in
	}
	return object{"bool": object{"filter": []object{in}, "must_not": term(field, "0.0.0.0/0")}}
}

// candidates selects the documents that match, and those that may.
func (c condition) candidates() object {
	filters := slices.Clip(c.exact)
	for member, filter := range c.loose {
		filters = append(filters, anyOf(filter, lacks(member)))
	}
	return allOf(filters...)
}

// certain selects the documents that match, as far as the engine can tell.
func (c condition) certain() object {
	filters := slices.Clip(c.exact)
	for _, filter := range c.loose {
		filters = append(filters, filter)
	}
	return allOf(filters...)
}

// uncertain selects the candidates that the engine can't judge.
func (c condition) uncertain() object {
	var unjudged []object
	for member := range c.loose {
		unjudged = append(unjudged, lacks(member))
	}
	return allOf(c.candidates(), anyOf(unjudged...))
}

// sortField returns the member that a query's order goes by.
func sortField(q *driver.Query) string {
	switch {
	case q.Ended:
		return "at"
	case q.Order == driver.OrderSeen:
		return "seen"
	}
	return "created"
}

// afterCursor returns a search_after that continues behind a cursor; nil for the start.
func afterCursor(c driver.Cursor) json.RawMessage {
	if c == (driver.Cursor{}) {
		return nil
	}
	ms, id := ceilMillis(c.Created), c.ID.String()
	if !time.UnixMilli(ms).Equal(c.Created) {
		ms, id = ms-1, "~" // behind all ids of that millisecond; newest first, before them
	}
	return fmt.Appendf(nil, "[%d,%q]", ms, id)
}

func sortBy(field, order, kind string) object {
	return object{field: object{"order": order, "unmapped_type": kind}}
}

func term(field, value string) object { return object{"term": object{field: value}} }

// between restricts a time to from and to; a zero one doesn't restrict.
func between(field string, from, to time.Time) object {
	r := object{}
	if !from.IsZero() {
		r["gte"] = ceilMillis(from)
	}
	if !to.IsZero() {
		r["lt"] = ceilMillis(to)
	}
	return object{"range": object{field: r}}
}

// ceilMillis returns t in milliseconds, rounded up. Records' times are whole
// milliseconds: one is before t if it is before ceilMillis(t). A time that is further than
// engines can tell is as far as they can.
func ceilMillis(t time.Time) int64 {
	const most = 1e15 // seconds; Elasticsearch 7.10 takes only whole ones before 1970
	switch seconds := t.Unix(); {
	case seconds >= most:
		return most * 1000
	case seconds <= -most:
		return -most * 1000
	}
	ms := t.UnixMilli()
	if time.UnixMilli(ms).Before(t) {
		ms++
	}
	return ms
}

func allOf(filters ...object) object { return object{"bool": object{"filter": filters}} }

func anyOf(filters ...object) object {
	return object{"bool": object{"should": filters, "minimum_should_match": 1}}
}

func has(field string) object { return object{"exists": object{"field": field}} }

func lacks(field string) object {
	return object{"bool": object{"must_not": has(field)}}
}
