package testengine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// This file is Cluster.

const (
	defaultNodes = 3
	settleLimit  = 3 * time.Minute // a node that was killed is back after half a minute on two busy cores
	nodePatience = 3 * time.Second // with a node that may hang, before another is asked
)

// ClusterOptions choose a cluster for StartCluster. The zero value is a fresh cluster of three nodes of the default engine.
type ClusterOptions struct {
	// Name is the engine, one of Names. Defaults as in Options.
	Name string

	// Nodes is the number of nodes. All can hold data and become the manager. Defaults to 3.
	Nodes int

	// Settings are added to those of each node, as in Options. A node that hangs is
	// noticed after seconds, unless cluster.fault_detection.* are set here; the engines'
	// own defaults take a minute and more.
	Settings map[string]string

	// Heap is the heap of each node's JVM. Defaults to 512m.
	Heap string
}

// Cluster is a number of engine processes that form one cluster and belong to one test. Its methods are safe for
// concurrent use.
type Cluster struct {
	nodes []*Engine
	urls  []string
}

// StartCluster starts a cluster for this test and waits until all nodes have joined.
// Each node is an Engine, with the same guarantees: it ends with the test, and an end
// that nobody asked for is an error of the test.
func StartCluster(t TB, o ClusterOptions) *Cluster {
	t.Helper()
	c, err := startCluster(t, o)
	if err != nil {
		giveUp(t, err, os.Getenv)
	}
	for i, n := range c.nodes {
		t.Logf("testengine: node %d of %d: %v", i, len(c.nodes), n.running())
	}
	return c
}

func startCluster(t TB, o ClusterOptions) (*Cluster, error) {
	t.Helper()
	if o.Nodes == 0 {
		o.Nodes = defaultNodes
	}
	common := Options{Name: o.Name, Settings: o.Settings, Heap: o.Heap}
	d, err := common.distribution(os.Getenv)
	if err != nil {
		return nil, err
	}
	for _, k := range []string{"cluster.name", "node.name", "discovery.type", "discovery.seed_hosts", d.initialNodes} {
		if _, has := o.Settings[k]; has {
			return nil, fmt.Errorf("ClusterOptions.Settings can't have %s: this package chooses it", k)
		}
	}
	tools, err := prepare(t.Context(), d, os.Getenv)
	if err != nil {
		return nil, err
	}
	c := &Cluster{}
	name := newCluster(d)
	for range o.Nodes {
		e, err := newEngine(t, tools, d, name, common)
		if err != nil {
			return nil, err
		}
		e.spec.member = true
		c.nodes = append(c.nodes, e)
	}
	for range portAttempts {
		if err = c.found(t.Context(), d, o.Settings); !errors.Is(err, errPortTaken) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	for _, n := range c.nodes {
		c.urls = append(c.urls, n.URL())
	}
	return c, c.await(t.Context(), "green")
}

// found chooses the nodes' ports and starts them, all or none.
func (c *Cluster) found(ctx context.Context, d distribution, settings map[string]string) error {
	ports, err := findPorts(2 * len(c.nodes))
	if err != nil {
		return err
	}
	var names, seeds []string
	for i := range c.nodes {
		names = append(names, nodeName(i))
		seeds = append(seeds, "127.0.0.1:"+strconv.Itoa(ports[2*i+1]))
	}
	for i, n := range c.nodes {
		n.spec.extra = map[string]string{
			"node.name":            nodeName(i),
			"discovery.type":       "",
			"discovery.seed_hosts": strings.Join(seeds, ","),
			d.initialNodes:         strings.Join(names, ","),
			"cluster.fault_detection.leader_check.timeout":       "1s",
			"cluster.fault_detection.leader_check.retry_count":   "2",
			"cluster.fault_detection.follower_check.timeout":     "1s",
			"cluster.fault_detection.follower_check.retry_count": "2",
			"cluster.publish.timeout":                            "3s",
			"cluster.follower_lag.timeout":                       "3s",
		}
		maps.Copy(n.spec.extra, settings)
		n.now.httpPort, n.now.transportPort = ports[2*i], ports[2*i+1]
	}
	return c.boot(ctx)
}

func nodeName(i int) string { return "n" + strconv.Itoa(i+1) }

// boot starts all nodes at once, since none can be ready alone. If one fails, all are
// ended.
func (c *Cluster) boot(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for _, n := range c.nodes {
		all.Go(func() {
			tried := false
			err := n.boot(ctx, func() (int, int, error) {
				if tried { // the other nodes count on these ports
					return 0, 0, errPortTaken
				}
				tried = true
				return n.now.samePorts()
			})
			if err != nil {
				cancel(err) // the first error stays the cause
			}
		})
	}
	all.Wait()
	err := context.Cause(ctx)
	if err != nil {
		for _, n := range c.nodes {
			n.Kill()
		}
	}
	return err
}

// Node returns the i-th node, from 0, to kill, stop, freeze and restart. Its Restart
// waits until the node has joined a cluster, which needs a majority of the nodes to run:
// without one, use the Cluster's Restart.
func (c *Cluster) Node(i int) *Engine { return c.nodes[i] }

// Len returns the number of nodes.
func (c *Cluster) Len() int { return len(c.nodes) }

// URLs returns the base addresses of all nodes, in order. They stay the same over
// restarts.
func (c *Cluster) URLs() []string { return slices.Clone(c.urls) }

// Restart stops the nodes that still run, starts all again on their data, and waits
// until all have joined.
func (c *Cluster) Restart(t TB) {
	t.Helper()
	var all sync.WaitGroup
	for _, n := range c.nodes {
		all.Go(n.Stop)
	}
	all.Wait()
	if err := c.boot(t.Context()); err != nil {
		t.Fatalf("testengine: restart of the cluster: %v", err)
	}
	if err := c.await(t.Context(), "red"); err != nil {
		t.Fatalf("testengine: restart of the cluster: %v", err)
	}
}

// AwaitHealth waits until the cluster consists of all nodes that were neither ended nor paused, and its health is status
// ("red", "yellow" or "green") or better. It fails the test after three minutes.
func (c *Cluster) AwaitHealth(t TB, status string) {
	t.Helper()
	if err := c.await(t.Context(), status); err != nil {
		t.Fatalf("testengine: %v", err)
	}
}

func (c *Cluster) await(ctx context.Context, status string) error {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	var h health
	var last error
	want := 0
	err := every(ctx, 100*time.Millisecond, func() (bool, error) {
		want = 0
		for _, n := range c.nodes {
			if n.serves() {
				want++
			}
		}
		last = c.get(ctx, "/_cluster/health?timeout=1s&wait_for_status="+status+"&wait_for_nodes="+strconv.Itoa(want), &h)
		return last == nil && !h.TimedOut && h.Nodes == want, nil
	})
	if err != nil {
		return fmt.Errorf("the cluster is %q with %d of %d nodes, not %s with all: %w", h.Status, h.Nodes, want, status,
			errors.Join(err, last))
	}
	return nil
}

// PrimaryOf returns the number of the node that holds the primary of an index's first
// shard. It waits until the shard is started.
func (c *Cluster) PrimaryOf(t TB, index string) int {
	t.Helper()
	return c.find(t, "/_cat/shards/"+index+"?format=json&h=shard,prirep,state,node", func(row map[string]string) string {
		if row["shard"] == "0" && row["prirep"] == "p" && row["state"] == "STARTED" {
			return row["node"]
		}
		return ""
	})
}

// Manager returns the number of the node that is the cluster's manager (master).
func (c *Cluster) Manager(t TB) int {
	t.Helper()
	return c.find(t, "/_cat/master?format=json&h=node", func(row map[string]string) string { return row["node"] })
}

// find asks until a row names a node of the cluster.
func (c *Cluster) find(t TB, path string, name func(row map[string]string) string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), settleLimit)
	defer cancel()
	found := -1
	var last error
	err := every(ctx, 100*time.Millisecond, func() (bool, error) {
		var rows []map[string]string
		last = c.get(ctx, path, &rows)
		for _, row := range rows {
			for i := range c.nodes {
				if name(row) == nodeName(i) {
					found = i
				}
			}
		}
		return found >= 0, nil
	})
	if err != nil {
		t.Fatalf("testengine: GET %s names no node: %v", path, errors.Join(err, last))
	}
	return found
}

// get asks the nodes that should answer, one after the other.
func (c *Cluster) get(ctx context.Context, path string, into any) error {
	err := errors.New("no node of the cluster runs")
	for i, n := range c.nodes {
		if !n.serves() {
			continue
		}
		one, cancel := context.WithTimeout(ctx, nodePatience)
		if err = getJSON(one, nil, c.urls[i]+path, into); err == nil {
			cancel()
			return nil
		}
		cancel()
	}
	return err
}
