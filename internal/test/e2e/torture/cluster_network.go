package torture

import (
	"context"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/test/e2e/workload"
)

// network has proxies between the workers and the nodes make trouble.
func network(ctx context.Context, r *Run) error {
	c := startCluster(r, false)
	var proxies []*proxy
	var urls []string
	for _, u := range c.URLs() {
		p, err := newProxy(u)
		if err != nil {
			return err
		}
		r.Cleanup(p.close)
		proxies = append(proxies, p)
		urls = append(urls, p.url())
	}
	err := c.work(ctx, urls, 1, workload.Options{}, func(ctx context.Context) error {
		for round := 0; round == 0 || r.More(); round++ {
			r.Pause(ctx, 500*time.Millisecond, 2*time.Second)
			t := r.trouble(round)
			hit := r.Rand().Perm(len(proxies))[:1+r.Rand().IntN(len(proxies))]
			r.Logf("nodes %v: %v", hit, t)
			for _, n := range hit {
				proxies[n].set(t)
				r.Cut()
			}
			r.Pause(ctx, 500*time.Millisecond, 8*time.Second)
			for _, n := range hit {
				proxies[n].set(trouble{})
			}
			if err := r.Recovered(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	resets, held := 0, 0
	for _, p := range proxies {
		resets += p.count(&p.resets)
		held += p.count(&p.held)
	}
	r.Note("%d connections were refused, or reset in the middle of an answer; %d requests and answers were held back", resets, held)
	return err
}

// trouble draws how much of a sort of trouble there is; the sorts take turns.
func (r *Run) trouble(round int) trouble {
	const sorts = 6
	n := r.Rand()
	switch (round + int(uint64(r.Seed())%sorts)) % sorts {
	case 0:
		return trouble{reset: 1 + n.IntN(4000)}
	case 1:
		return trouble{deaf: true}
	case 2:
		return trouble{mute: true}
	case 3:
		return trouble{latency: time.Duration(20+n.IntN(1500)) * time.Millisecond}
	case 4:
		return trouble{rate: 500 + n.IntN(20_000)}
	}
	return trouble{refuse: true}
}
