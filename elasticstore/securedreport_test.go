package elasticstore

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests the problems that Report tells of a whole cluster and of rights, on
// engines of their own.

// testReportedOfCluster makes troubles of the whole cluster.
func (e *secured) testReportedOfCluster(t *testing.T) {
	s := e.open(t, e.client(e.admin), securedIndex(), nil)
	mustCreate(t, s, session(driver.LayoutDay, time.Now()))
	set := func(settings object) func() {
		return func() { e.call(t, http.MethodPut, "/_cluster/settings", object{"persistent": settings}) }
	}
	for _, block := range []string{"read_only", "read_only_allow_delete"} {
		name := "cluster.blocks." + block
		reported(t, s, "cluster-blocked", driver.SeverityFail, set(object{name: true}), set(object{name: nil}), name)
	}
	const most = "cluster.max_shards_per_node"
	health := e.json(t, http.MethodGet, "/_cluster/health")
	used := int(health["active_shards"].(float64) + health["unassigned_shards"].(float64))
	reported(t, s, "shards-short", driver.SeverityFail, set(object{most: used}), set(object{most: nil}), "can't be made", most)
	reported(t, s, "shards-short", driver.SeverityWarn, set(object{most: used + 2}), set(object{most: nil}), "next week")

	const disk = "cluster.routing.allocation.disk."
	marks := func(low, high, flood any) func() {
		on := any("true")
		if low == nil {
			on = nil
		}
		return set(object{
			disk + "threshold_enabled": on, disk + "watermark.low": low, disk + "watermark.high": high, disk + "watermark.flood_stage": flood,
		})
	}
	none := marks(nil, nil, nil)
	reported(t, s, "disk-full", driver.SeverityWarn, marks("1%", "99.8%", "99.9%"), none, "watermark low")
	reported(t, s, "disk-full", driver.SeverityFail, marks("1%", "2%", "99.9%"), none, "watermark high")
}

// json makes a request as the administrator, and returns the answer.
func (e *secured) json(t testing.TB, method, path string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(e.call(t, method, path, nil), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// testReportedOfRights takes rights from a login, also those that are needed later alone.
func (e *secured) testReportedOfRights(t *testing.T) {
	index, password := securedIndex(), "One-password-of-many-1"
	all := e.allRights()
	if e.name == "es8" {
		all.indices = append(all.indices, "monitor")
	} else {
		all.cluster = append(all.cluster, "cluster_monitor")
		all.indices = append(all.indices, "indices:monitor/stats")
	}
	login := e.user(t, "lacking", password, index, all)
	s := e.open(t, e.client(login), index, nil)
	mustCreate(t, s, session(driver.LayoutDay, time.Now()))
	if err := s.Refresh(testContext(t)); err != nil {
		t.Fatal(err)
	}
	give := func(r rights) func() { return func() { e.user(t, "lacking", password, index, r) } }
	without := func(names ...string) rights {
		return rights{all.cluster, slices.DeleteFunc(slices.Clone(all.indices), func(r string) bool { return slices.Contains(names, r) })}
	}
	if e.name == "es8" {
		for _, right := range []string{"delete_index", "create_index", "write", "maintenance"} {
			reported(t, s, "rights-missing", driver.SeverityFail, give(without(right)), give(all), right+" (")
		}
	} else {
		reported(t, s, "rights-missing", driver.SeverityFail, give(without("indices:admin/delete")), give(all), "indices:admin/delete (")
		reported(t, s, "rights-missing", driver.SeverityFail, give(without("create_index")), give(all), "indices:admin/create (")
		reported(t, s, "rights-missing", driver.SeverityFail, give(without("indices:admin/refresh*")), give(all), "indices:admin/refresh* (")
		reported(t, s, "rights-missing", driver.SeverityFail, func() {
			r := without("crud")
			r.indices = append(r.indices, "read")
			give(r)()
		}, give(all), "indices:data/write/bulk (")
	}
	documented := e.allRights()
	reported(t, s, "rights-to-see", driver.SeverityInfo, give(documented), give(all), "The user \"lacking\" may not see", "monitor")

	reader := e.user(t, "seeing", password, index, e.readRights())
	only := e.open(t, e.client(reader), index, func(c *Config) { c.ReadOnly = true })
	problems := problemsOf(t, only)
	if p := problems["rights-to-see"]; !strings.Contains(p.Meaning, "the indices") || !strings.Contains(p.Meaning, "health") || len(problems) != 1 {
		t.Errorf("the problems of a login that only reads: %v", problems)
	}
	// The trials of rights leave nothing behind.
	if got := string(e.call(t, http.MethodGet, "/"+index+"-1970*", nil)); got != "{}" {
		t.Errorf("an index was made: %s", got)
	}
}
