package torture

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/workload"
	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
)

// indices is the pattern of all indices of a store with elasticstore's defaults.
const indices = "session-*"

// cluster is a cluster of three OpenSearch nodes, three processes, with one copy
// of each shard beside the primary.
type cluster struct {
	*testengine.Cluster
	run     *Run
	secret  []byte
	workers []*Worker
}

const engineName = "opensearch2"

// startCluster starts a cluster whose nodes hold one that doesn't answer for
// gone after the engine's own half a minute: one that is killed they miss at
// once. On a machine with more to do than it can, that keeps them together.
// quick: after seconds.
func startCluster(r *Run, quick bool) *cluster {
	r.Helper()
	o := testengine.ClusterOptions{Name: engineName}
	if !quick {
		o.Settings = map[string]string{
			"cluster.fault_detection.leader_check.timeout":       "10s",
			"cluster.fault_detection.leader_check.retry_count":   "3",
			"cluster.fault_detection.follower_check.timeout":     "10s",
			"cluster.fault_detection.follower_check.retry_count": "3",
			"cluster.publish.timeout":                            "30s",
			"cluster.follower_lag.timeout":                       "90s",
		}
	}
	c := &cluster{Cluster: testengine.StartCluster(r, o), run: r}
	r.Uses(fmt.Sprintf("OpenSearch %s, three nodes", c.Node(0).Version()))
	for range 4 {
		c.secret = append(c.secret, fmt.Sprintf("%016x", rand.Uint64())...) // never the same again
	}
	return c
}

// work starts two workers on the addresses and has clients work there until
// faults returns.
func (c *cluster) work(ctx context.Context, urls []string, replicas int, o workload.Options, faults func(ctx context.Context) error) error {
	c.run.Helper()
	c.startWorkers(2, urls, replicas)
	return c.run.Work(ctx, c.executors(), o, func(ctx context.Context) error {
		c.AwaitHealth(c.run, "green") // the indices are there, and copied
		return faults(ctx)
	})
}

func (c *cluster) startWorkers(n int, urls []string, replicas int) {
	c.run.Helper()
	for i := range n {
		ahead := driver.ClockTolerance / 2 // the clocks of any two lie as far apart as is tolerated, or agree
		if i%2 == 0 {
			ahead = -ahead
		}
		c.workers = append(c.workers, c.run.StartWorker(WorkerSpec{
			Name: fmt.Sprintf("worker%d", i+1), Secret: c.secret, URLs: urls, Replicas: replicas, Ahead: ahead,
		}))
	}
}

func (c *cluster) executors() []workload.Executor {
	var all []workload.Executor
	for _, w := range c.workers {
		all = append(all, w)
	}
	return all
}

// healed waits until all nodes are there with all copies, and clients are
// answered.
func (c *cluster) healed(ctx context.Context) error {
	c.run.Helper()
	c.AwaitHealth(c.run, "green")
	return c.run.Recovered(ctx)
}

// caughtUp waits until all nodes know the same state of the cluster, so that none
// is cut off and doesn't know.
func (c *cluster) caughtUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		states := map[string]bool{}
		for _, u := range c.URLs() {
			var s struct {
				State string `json:"state_uuid"`
			}
			if err := get(ctx, u+"/_cluster/state/version?local=true", &s); err != nil {
				s.State = err.Error() // ask again
			}
			states[s.State] = true
		}
		if len(states) == 1 {
			return nil
		}
		t := time.NewTimer(20 * time.Millisecond)
		select {
		case <-t.C:
		case <-ctx.Done():
			return fmt.Errorf("the nodes did not come to the same state of the cluster: %v", states)
		}
	}
}

// get reads JSON from a node.
func get(ctx context.Context, url string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute) // a busy machine, not a dead node
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(into)
}

// victim returns the node with the primary of an index that is drawn: of
// sessions or of ledgers.
func (c *cluster) victim(ctx context.Context) (int, error) {
	c.run.Helper()
	var rows []struct{ Index string }
	if err := get(ctx, c.URLs()[0]+"/_cat/indices/"+indices+"?format=json&h=index", &rows); err != nil {
		return 0, fmt.Errorf("the indices of the cluster: %w", err)
	}
	if len(rows) < 2 {
		return 0, fmt.Errorf("the cluster has %d indices: there should be one of sessions and one of ledgers", len(rows))
	}
	index := rows[c.run.Rand().IntN(len(rows))].Index
	n := c.PrimaryOf(c.run, index)
	kind := "sessions"
	if strings.Contains(index, "-principals") {
		kind = "ledgers"
	}
	c.run.Logf("node %d has the primary of %s", n, kind)
	return n, nil
}

// kill ends a node with SIGKILL.
func (c *cluster) kill(node int) {
	c.run.Helper()
	c.run.Logf("SIGKILL of node %d", node)
	c.Node(node).Kill()
	c.run.Killed()
}

// restart starts a node that was killed again.
func (c *cluster) restart(node int) {
	c.run.Helper()
	c.Node(node).Restart(c.run)
	c.run.Restarted()
}
