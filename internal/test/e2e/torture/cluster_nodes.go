package torture

import (
	"context"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/test/e2e/workload"
)

// clusterScenarios are those on OpenSearch.
func clusterScenarios() []Scenario {
	return []Scenario{
		{
			Name: "node-killed", Weight: 4, Run: nodeKilled,
			What: "SIGKILL of the node that holds the primary shard of sessions or of ledgers, or of the cluster's manager, in turn. " +
				"After some seconds the node is started again; the next one is killed when the cluster is green.",
		},
		{
			Name: "node-paused", Weight: 3, Run: nodePaused,
			What: "SIGSTOP of such a node until the others have gone on without it, and for some seconds more; then SIGCONT, so that it " +
				"goes on with what it had in hand.",
		},
		{
			Name: "network", Weight: 4, Run: network,
			What: "Connections between the application and one, two or all nodes are slowed down, throttled, refused, reset in the middle of " +
				"answers, or half-open: requests held back for seconds and delivered then, or carried out with their answers held back.",
		},
		{
			Name: "cluster-restarted", Weight: 2, Run: clusterRestarted,
			What: "SIGKILL of all three nodes at once, and a start of all on the data that they left.",
		},
		{
			Name: "worker-killed", Weight: 2, Run: workerKilled,
			What: "SIGKILL of an application process while it works, at random moments; another takes its place.",
		},
		{
			Name: "revoke-interrupted", Weight: 2, Run: revokeInterrupted,
			What: "An application process is asked to sign a principal out everywhere and gets SIGKILL on the way; another process is " +
				"asked again. Sign-ins that were begun before must not complete after.",
		},
		{
			Name: "outage", Weight: 2, Run: outage,
			What: "SIGSTOP of all three nodes for 30 seconds under the load of 64 clients, then SIGCONT.",
		},
	}
}

// prey draws which node is hit: now the one with a primary, now the manager.
func (c *cluster) prey(ctx context.Context, round int) (int, error) {
	c.run.Helper()
	if round%2 == 1 {
		n := c.Manager(c.run)
		c.run.Logf("node %d is the manager", n)
		return n, nil
	}
	return c.victim(ctx)
}

func nodeKilled(ctx context.Context, r *Run) error {
	c := startCluster(r, false)
	return c.work(ctx, c.URLs(), 1, workload.Options{}, func(ctx context.Context) error {
		for round := 0; round == 0 || r.More(); round++ {
			r.Pause(ctx, time.Second, 4*time.Second)
			n, err := c.prey(ctx, round)
			if err != nil {
				return err
			}
			c.kill(n)
			r.Pause(ctx, 0, 6*time.Second)
			c.restart(n)
			if err := c.healed(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

func nodePaused(ctx context.Context, r *Run) error {
	c := startCluster(r, true)
	defer r.noteCuts()
	return c.work(ctx, c.URLs(), 1, workload.Options{}, func(ctx context.Context) error {
		for round := 0; round == 0 || r.More(); round++ {
			r.Pause(ctx, time.Second, 4*time.Second)
			n, err := c.prey(ctx, round)
			if err != nil {
				return err
			}
			stopped := time.Now()
			r.Logf("SIGSTOP of node %d", n)
			c.Node(n).Pause()
			r.Paused()
			c.AwaitHealth(r, "red") // the other two go on; an index that was just made may have had no copy yet
			r.Pause(ctx, 0, 5*time.Second)
			r.CutOff(stopped)
			c.Node(n).Resume()
			if err := c.caughtUp(ctx); err != nil {
				return err
			}
			r.Back()
			if err := c.healed(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

func clusterRestarted(ctx context.Context, r *Run) error {
	c := startCluster(r, false)
	return c.work(ctx, c.URLs(), 0, workload.Options{}, func(ctx context.Context) error {
		for first := true; first || r.More(); first = false {
			r.Pause(ctx, time.Second, 5*time.Second)
			var all sync.WaitGroup
			for n := range c.Len() {
				all.Go(func() { c.kill(n) })
			}
			all.Wait()
			c.Restart(r)
			for range c.Len() {
				r.Restarted()
			}
			if err := c.healed(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

func workerKilled(ctx context.Context, r *Run) error {
	c := startCluster(r, false)
	return c.work(ctx, c.URLs(), 1, workload.Options{}, func(ctx context.Context) error {
		for first := true; first || r.More(); first = false {
			r.Pause(ctx, 100*time.Millisecond, 2*time.Second)
			w := c.workers[r.Rand().IntN(len(c.workers))]
			w.Kill()
			r.Pause(ctx, 0, 500*time.Millisecond)
			w.Restart()
			if err := r.Recovered(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}
