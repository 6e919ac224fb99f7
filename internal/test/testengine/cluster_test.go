package testengine

import (
	"strings"
	"testing"
)

func TestClusterSurvivesItsNodes(t *testing.T) {
	c := StartCluster(t, ClusterOptions{})
	if c.Len() != 3 || len(c.URLs()) != 3 {
		t.Fatalf("%d nodes at %q", c.Len(), c.URLs())
	}
	mustSend(t, "PUT", c.URLs()[0]+"/coats", `{"settings":{"number_of_shards":1,"number_of_replicas":1}}`, 200)
	c.AwaitHealth(t, "green")
	mustSend(t, "PUT", c.URLs()[1]+"/coats/_doc/1", `{"colour":"green"}`, 201)
	there := func(when string, node int) {
		t.Helper()
		if got := mustSend(t, "GET", c.URLs()[node]+"/coats/_doc/1", "", 200); !strings.Contains(got, "green") {
			t.Errorf("%s: %s", when, got)
		}
	}

	primary := c.PrimaryOf(t, "coats")
	c.Node(primary).Kill()
	c.AwaitHealth(t, "yellow")
	if now := c.PrimaryOf(t, "coats"); now == primary {
		t.Errorf("node %d was killed and has the primary still", now)
	} else {
		there("after the primary's end", now)
	}
	c.Node(primary).Restart(t)
	c.AwaitHealth(t, "green")
	there("by the node that is back", primary)

	manager := c.Manager(t)
	c.Node(manager).Pause()
	c.AwaitHealth(t, "yellow") // two nodes, so another manager
	if now := c.Manager(t); now == manager {
		t.Errorf("node %d is paused and the manager still", now)
	}
	c.Node(manager).Resume()
	c.AwaitHealth(t, "green")

	c.Node(0).Kill()
	c.Node(1).Pause()
	urls := c.URLs()
	c.Restart(t)
	c.AwaitHealth(t, "green")
	for i, u := range c.URLs() {
		if u != urls[i] {
			t.Errorf("node %d is at %s, before at %s", i, u, urls[i])
		}
		there("after the restart of all", i)
	}
}

func TestClusterSettingsThatAreNotTheCallers(t *testing.T) {
	for _, k := range []string{"http.port", "node.name", "discovery.seed_hosts"} {
		if _, err := startCluster(t, ClusterOptions{Settings: map[string]string{k: "x"}}); err == nil || !strings.Contains(err.Error(), k) {
			t.Errorf("%s: %v", k, err)
		}
	}
}
