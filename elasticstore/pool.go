package elasticstore

import (
	"net/url"
	"sync"
	"time"
)

// This file chooses a node for each request.

// pool picks the node of the next request: in turn, leaving out those that failed
// lately. When a node's rest is over it gets one request, and no other until that is
// answered. So a node that hangs holds up one request only.
type pool struct {
	now func() time.Time

	mu    sync.Mutex
	nodes []*node
	turn  int
}

type node struct {
	url      *url.URL
	failures int       // in a row
	until    time.Time // the end of its rest
	asked    int       // requests under way to a node that failed
	probes   probes
}

const (
	firstRest = time.Second
	mostRest  = 30 * time.Second
)

func newPool(urls []*url.URL, now func() time.Time) *pool {
	p := &pool{now: now}
	for _, u := range urls {
		p.nodes = append(p.nodes, &node{url: u})
	}
	return p
}

// next returns a node. If all rest, it returns the one with the fewest requests under
// way, and of these the one whose rest ends first: somebody has to try. The caller must
// then call one of answered, failed and leave.
func (p *pool) next() *node {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	var best *node
	for range p.nodes {
		n := p.nodes[p.turn]
		p.turn = (p.turn + 1) % len(p.nodes)
		switch {
		case n.failures == 0:
			return n
		case !n.until.After(now) && n.asked == 0:
			n.asked++
			return n
		case best == nil || n.asked < best.asked || n.asked == best.asked && n.until.Before(best.until):
			best = n
		}
	}
	best.asked++
	return best
}

// answered notes that a node works.
func (p *pool) answered(n *node) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n.failures, n.until, n.asked = 0, time.Time{}, 0
}

// failed notes that a node doesn't work. Failures during its rest come from requests
// that were under way, and don't lengthen the rest.
func (p *pool) failed(n *node) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n.asked = max(n.asked-1, 0)
	now := p.now()
	if n.until.After(now) {
		return
	}
	n.until = now.Add(min(firstRest<<min(n.failures, 10), mostRest))
	n.failures++
}

// leave notes that a request ended without telling anything about the node.
func (p *pool) leave(n *node) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n.asked = max(n.asked-1, 0)
}
