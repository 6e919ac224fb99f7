package elasticstore

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is what a Report tells of the health of the store's indices.

// indexHealth is the health of an index.
type indexHealth struct {
	Status     string                 `json:"status"`
	Unassigned int                    `json:"unassigned_shards"`
	Shards     map[string]shardHealth `json:"shards"`
}

type shardHealth struct {
	PrimaryActive bool `json:"primary_active"`
	Unassigned    int  `json:"unassigned_shards"`
}

// beingMade reports whether an index is yellow only because the engine has just made it: its
// primaries start, and no copy is missing.
func (h indexHealth) beingMade() bool {
	for _, s := range h.Shards {
		if !s.PrimaryActive {
			return h.Status == "yellow" && h.Unassigned == 0
		}
	}
	return false
}

// readHealth reads the health of the indices.
func (x *examination) readHealth(ctx context.Context, f *findings) {
	var body struct {
		Indices map[string]indexHealth `json:"indices"`
	}
	r := request{
		method: http.MethodGet, path: "/_cluster/health/" + x.names.pattern(),
		query: "level=shards&timeout=1s&filter_path=indices.*.status,indices.*.unassigned_shards,indices.*.shards.*.primary_active,indices.*.shards.*.unassigned_shards",
	}
	if !x.learn(ctx, f, "the health of the indices", right{"monitor", "cluster:monitor/health"}, r, &body) {
		return
	}
	x.health = body.Indices
}

// keepOurs leaves the health of the store's indices, by our names.
func (x *examination) keepOurs() {
	all := x.health
	x.health = map[string]indexHealth{}
	for _, name := range x.ours {
		if h, known := all[x.found[name].name]; known {
			x.health[name] = h
			x.red = x.red || h.Status == "red"
		}
	}
}

// reportHealth tells which of the store's indices are yellow or red, and why.
func (x *examination) reportHealth(ctx context.Context, f *findings) {
	for _, state := range []struct {
		status, code string
		how          driver.Severity
		means        string
	}{
		{"red", "health-red", driver.SeverityFail, "A shard without a copy that works can be neither read nor written"},
		{"yellow", "health-yellow", driver.SeverityWarn, "What is saved lacks a copy: the loss of one machine's disk can lose it"},
	} {
		var names []string
		shards := 0
		for name, i := range x.health {
			if i.Status == state.status && !i.beingMade() {
				names = append(names, name)
				shards += i.Unassigned
			}
		}
		if len(names) == 0 {
			continue
		}
		slices.Sort(names)
		why := x.explain(ctx, f, names[0], x.health[names[0]])
		f.problem(state.code, state.how,
			"Bring the missing nodes back, or add some, or see to what GET /_cluster/allocation/explain tells. If the data is lost, restore a snapshot.",
			"%d of the store's indices are %s, with %d unassigned shards: %s. %s.%s", len(names), state.status, shards, few(names), state.means, why)
	}
}

// few lists the first names of a list.
func few(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// explain returns why a shard of an index is unassigned, as a sentence; "" if the engine
// doesn't say.
func (x *examination) explain(ctx context.Context, f *findings, index string, health indexHealth) string {
	var shard string
	var primary bool
	for n, s := range health.Shards {
		if s.Unassigned > 0 && (shard == "" || !s.PrimaryActive && !primary) {
			shard, primary = n, !s.PrimaryActive
		}
	}
	if shard == "" {
		return ""
	}
	ask, err := json.Marshal(object{"index": index, "shard": json.RawMessage(shard), "primary": primary})
	if err != nil {
		return ""
	}
	var body struct {
		Unassigned struct {
			Reason string `json:"reason"`
			Detail string `json:"details"`
		} `json:"unassigned_info"`
		Explanation string `json:"allocate_explanation"`
		Nodes       []struct {
			Deciders []struct {
				Explanation string `json:"explanation"`
			} `json:"deciders"`
		} `json:"node_allocation_decisions"`
	}
	r := request{method: http.MethodPost, path: "/_cluster/allocation/explain", body: ask}
	if !x.learn(ctx, f, "why shards are unassigned", right{"monitor", "cluster:monitor/allocation/explain"}, r, &body) {
		return ""
	}
	text := body.Explanation
	for _, n := range body.Nodes {
		if len(n.Deciders) > 0 {
			text = n.Deciders[0].Explanation
			break
		}
	}
	if text == "" {
		text = body.Unassigned.Reason
	}
	if text == "" {
		return ""
	}
	return fmt.Sprintf(" The engine says of the first: %.300s.", strings.TrimRight(text, "."))
}
