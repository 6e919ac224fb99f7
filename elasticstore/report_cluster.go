package elasticstore

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is what a Report tells of the cluster: blocks, room for shards, and disks.

// clusterSettings are the settings of the cluster that matter here, by their names.
type clusterSettings map[string]string

// readSettings reads the cluster's settings.
func (x *examination) readSettings(ctx context.Context, f *findings) {
	var body map[string]json.RawMessage
	r := request{
		method: http.MethodGet, path: "/_cluster/settings",
		query: "include_defaults=true&filter_path=*.cluster.max_shards_per_node,*.cluster.blocks,*.cluster.routing.allocation.disk",
	}
	if !x.learn(ctx, f, "the cluster's settings, with blocks and bounds", right{"monitor", "cluster:monitor/state"}, r, &body) {
		return
	}
	set := clusterSettings{}
	for _, level := range []string{"defaults", "persistent", "transient"} { // the last one wins
		var tree any
		if json.Unmarshal(body[level], &tree) == nil {
			set.add("", tree)
		}
	}
	x.cluster = &set
}

// add adds the leaves of a tree of settings.
func (c clusterSettings) add(path string, tree any) {
	if branches, ok := tree.(map[string]any); ok {
		for name, branch := range branches {
			c.add(strings.TrimPrefix(path+"."+name, "."), branch)
		}
		return
	}
	if text, ok := tree.(string); ok {
		c[path] = text
	}
}

// reportCluster tells blocks on the whole cluster, and whether the shards of the next week
// have room.
func (x *examination) reportCluster(ctx context.Context, f *findings) {
	if x.cluster == nil {
		return
	}
	set := *x.cluster
	for _, block := range []string{"read_only", "read_only_allow_delete", "create_index"} {
		if name := "cluster.blocks." + block; set[name] == "true" {
			remedy := "Set " + name + " to null."
			if block != "read_only" {
				remedy = "Free disk space; then set " + name + " to null, if the engine doesn't by itself."
			}
			f.problem("cluster-blocked", driver.SeverityFail, remedy,
				"The cluster has the block %s: %s.", name, map[bool]string{true: "no index can be made, as each new period needs", false: "nothing can be written"}[block == "create_index"])
		}
	}
	most, err := strconv.Atoi(set["cluster.max_shards_per_node"])
	if err != nil || most <= 0 {
		return // the engine has no bound
	}
	var health struct {
		Nodes        int `json:"number_of_data_nodes"`
		Active       int `json:"active_shards"`
		Initializing int `json:"initializing_shards"`
		Unassigned   int `json:"unassigned_shards"`
	}
	r := request{
		method: http.MethodGet, path: "/_cluster/health",
		query: "timeout=1s&filter_path=number_of_data_nodes,active_shards,initializing_shards,unassigned_shards",
	}
	if !x.learn(ctx, f, "the cluster's number of shards", right{"monitor", "cluster:monitor/health"}, r, &health) {
		return
	}
	used, bound := health.Active+health.Initializing+health.Unassigned, most*health.Nodes
	f.fact("shards in the cluster", fmt.Sprintf("%d of %d", used, bound))
	next, week := x.shardsToCome(x.cfg.now())
	room := bound - used
	switch remedy := "Remove indices that nobody needs, add a node, or raise cluster.max_shards_per_node."; {
	case room < next:
		f.problem("shards-short", driver.SeverityFail, remedy,
			"The cluster has %d of the %d shards that cluster.max_shards_per_node allows, and the next period's index needs %d: it can't be made, and new sessions then fail.", used, bound, next)
	case room < week:
		f.problem("shards-short", driver.SeverityWarn, remedy,
			"The cluster has %d of the %d shards that cluster.max_shards_per_node allows, and the indices of the next week need %d more.", used, bound, week)
	}
}

// shardsToCome returns the shards of the index that is made next, and how many more shards
// there will be within a week: those of new periods without those of dropped ones.
func (x *examination) shardsToCome(now time.Time) (next, week int) {
	const days = 7 * 24 * time.Hour
	newest := map[driver.Layout]int{} // shards of each layout's last index
	length := map[driver.Layout]time.Duration{}
	for _, name := range x.ours {
		p, ok := x.names.parse(name)
		if !ok {
			continue
		}
		index := x.found[name]
		n := index.shards * (1 + index.number(keyReplicas))
		if p.end.After(now) {
			newest[p.layout], length[p.layout] = n, p.end.Sub(p.start) // the names are sorted
		}
		if p.dropFrom(index.mark.Lifetime).Before(now.Add(days)) {
			week -= n
		}
	}
	if len(newest) == 0 && !x.names.one {
		return x.cfg.Shards, x.cfg.Shards
	}
	for layout, n := range newest {
		next = max(next, n)
		week += n * max(1, int(days/length[layout]))
	}
	return next, max(week, next)
}

// reportDisks tells which nodes' disks are beyond a watermark.
func (x *examination) reportDisks(ctx context.Context, f *findings) {
	if x.cluster == nil || (*x.cluster)["cluster.routing.allocation.disk.threshold_enabled"] == "false" {
		return
	}
	var nodes []struct {
		Node  string `json:"node"`
		Free  string `json:"disk.avail"`
		Total string `json:"disk.total"`
	}
	r := request{method: http.MethodGet, path: "/_cat/allocation", query: "format=json&bytes=b&h=node,disk.avail,disk.total", list: true}
	if !x.learn(ctx, f, "the disks", right{"monitor", "cluster:monitor/state and cluster:monitor/nodes/stats"}, r, &nodes) {
		return
	}
	beyond := map[string][]string{}
	for _, n := range nodes {
		free, bad := strconv.ParseFloat(n.Free, 64)
		total, _ := strconv.ParseFloat(n.Total, 64) // 0, as of shards that are unassigned: no disk
		if bad != nil || total <= 0 {
			continue
		}
		for _, mark := range []string{"flood_stage", "high", "low"} {
			if free < x.cluster.leastFree(mark, total) {
				beyond[mark] = append(beyond[mark], n.Node)
				break
			}
		}
	}
	const remedy = "Free disk space, add a disk or a node, or keep sessions for a shorter time."
	for _, m := range []struct {
		mark  string
		how   driver.Severity
		means string
	}{
		{"flood_stage", driver.SeverityFail, "the engine blocks writes to the indices on them"},
		{"high", driver.SeverityFail, "the engine moves shards away, and blocks writes soon"},
		{"low", driver.SeverityWarn, "the engine puts no more shards on them, such as those of new periods"},
	} {
		if names := beyond[m.mark]; len(names) > 0 {
			slices.Sort(names)
			f.problem("disk-full", m.how, remedy, "The disks of %s are beyond the watermark %s: %s.", few(names), m.mark, m.means)
		}
	}
}

// leastFree returns the bytes that a watermark wants free on a disk; 0 if it can't be
// understood.
func (c clusterSettings) leastFree(mark string, total float64) float64 {
	const disk = "cluster.routing.allocation.disk.watermark."
	text := c[disk+mark]
	if bytes, ok := byteSize(text); ok {
		return bytes
	}
	share, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if err != nil {
		return 0
	}
	if strings.HasSuffix(text, "%") {
		share /= 100
	}
	least := total * (1 - share)
	if most, ok := byteSize(c[disk+mark+".max_headroom"]); ok && most > 0 {
		least = min(least, most)
	}
	return least
}

// byteSize reads a size such as "200GB".
func byteSize(text string) (float64, bool) {
	text = strings.ToLower(text)
	for i, unit := range []string{"kb", "mb", "gb", "tb", "pb"} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			n, err := strconv.ParseFloat(number, 64)
			return n * float64(int64(1)<<(10*(i+1))), err == nil
		}
	}
	number, ok := strings.CutSuffix(text, "b")
	n, err := strconv.ParseFloat(number, 64)
	return n, ok && err == nil
}
