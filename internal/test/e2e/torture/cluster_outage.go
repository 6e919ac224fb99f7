package torture

import (
	"context"
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/test/e2e/workload"
)

const (
	outageTime = 30 * time.Second
	// outageMemory is by how much a worker's memory may grow in an outage: the
	// bound of the store's queue of writes, once more for what holds it, and
	// what Go's collector leaves for later.
	outageMemory = 256 << 20
)

// outage stops all nodes. They stay one cluster: of the checks that they make of
// each other, three have to fail in a row, and one is under way at a time.
func outage(ctx context.Context, r *Run) error {
	c := startCluster(r, false)
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
			if err := c.healed(ctx); err != nil {
				return err
			}
		}
		r.Note("memory of an application process grew by %d KiB at most; clients were answered again at most %v after the nodes went on",
			grown>>10, slowest.Round(100*time.Millisecond))
		if grown > outageMemory {
			return fmt.Errorf("the memory of an application process grew by %d MiB: more than %d is not bounded", grown>>20, outageMemory>>20)
		}
		return nil
	})
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
