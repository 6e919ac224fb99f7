package torture

import (
	"context"
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/e2e/workload"
)

const (
	outageTime = 30 * time.Second
	// outageMemory is by how much a worker's memory may grow in an outage: the
	// bound of the store's queue of writes, once more for what holds it, and
	// what Go's collector leaves for later.
	outageMemory = 256 << 20
)

func outage(ctx context.Context, r *Run) error {
	c := startCluster(r, false)
	defer r.noteCuts()
	load := workload.Options{Clients: 64, Families: 16}
	return c.work(ctx, c.URLs(), 1, load, func(ctx context.Context) error {
		grown := 0
		var slowest time.Duration
		for first := true; first || r.More(); first = false {
			r.Pause(ctx, 2*time.Second, 5*time.Second)
			before, _, err := c.memory()
			if err != nil {
				return err
			}
			for n := range c.Len() {
				c.Node(n).Pause()
				r.Paused()
			}
			r.Pause(ctx, outageTime, outageTime)
			r.CutOff(time.Now()) // while all were stopped, none could go on without the others
			for n := range c.Len() {
				c.Node(n).Resume()
			}
			back := time.Now()
			if err := r.Recovered(ctx); err != nil {
				return err
			}
			slowest = max(slowest, time.Since(back))
			_, most, err := c.memory()
			if err != nil {
				return err
			}
			for i := range most {
				grown = max(grown, most[i]-before[i])
			}
			if err := c.settled(ctx); err != nil {
				return err
			}
			r.Back()
			if err := c.healed(ctx); err != nil {
				return err
			}
		}
		r.Note("memory of an application process grew by %d MiB at most; clients were answered again at most %v after the nodes went on",
			grown>>20, slowest.Round(100*time.Millisecond))
		if grown > outageMemory {
			return fmt.Errorf("the memory of an application process grew by %d MiB: more than %d is not bounded", grown>>20, outageMemory>>20)
		}
		return nil
	})
}

// settled waits until no node has left the cluster or come back for a while:
// those who find after the outage that they haven't heard of each other may
// part first.
func (c *cluster) settled(ctx context.Context) error {
	const calm = 5 * time.Second
	var version int
	since := time.Now()
	for time.Since(since) < calm {
		c.AwaitHealth(c.run, "green")
		if err := c.caughtUp(ctx); err != nil {
			return err
		}
		var s struct{ Version int }
		if err := get(ctx, c.URLs()[0]+"/_cluster/state/version?local=true", &s); err != nil {
			return err
		}
		if s.Version != version {
			version, since = s.Version, time.Now()
		}
		c.run.Pause(ctx, 100*time.Millisecond, 200*time.Millisecond)
	}
	return nil
}

// memory returns what the workers have in use, and the most they ever had.
func (c *cluster) memory() (now, most []int, err error) {
	for _, w := range c.workers {
		n, m, err := w.Memory()
		if err != nil {
			return nil, nil, err
		}
		now, most = append(now, n), append(most, m)
	}
	return now, most, nil
}
