package transfer

import (
	"sync"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file bounds memory: of the records in flight, and of what is known of the target.

// mostBytes bounds the records in flight, by their bytes.
const mostBytes = 64 << 20

// gate lets records in, by number and bytes. A record larger than all goes alone.
type gate struct {
	mu           sync.Mutex
	free         sync.Cond
	n, bytes     int
	most, weight int
}

func (g *gate) init(most, weight int) {
	g.most, g.weight = most, weight
	g.free.L = &g.mu
}

func (g *gate) enter(size int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.n > 0 && (g.n >= g.most || g.bytes+size > g.weight) {
		g.free.Wait()
	}
	g.n++
	g.bytes += size
}

func (g *gate) leave(size int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n--
	g.bytes -= size
	g.free.Signal() // one goroutine lists
}

// known is the states that this process knows to be at the target, as far as there is
// room. It spares asking for them in every pass. What it has forgotten is asked for.
type known struct {
	mu   sync.Mutex
	tags map[driver.ID]uint64
	full bool // something was forgotten
}

// mostKnown bounds the states known, some 150 MiB.
const mostKnown = 4 << 20

// has reports whether the target has just this state, and whether it has one of the id,
// as far as is known. all says that there was room for everything.
func (k *known) has(r *driver.Record) (same, there, all bool) {
	t, ok := tag(r)
	k.mu.Lock()
	defer k.mu.Unlock()
	was, there := k.tags[r.ID]
	return ok && there && was == t, there, !k.full
}

// met reports whether the target is known to have a state of an id.
func (k *known) met(id driver.ID) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, there := k.tags[id]
	return there
}

// learn notes that the target has a state.
func (k *known) learn(r *driver.Record) {
	t, ok := tag(r)
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case !ok:
		delete(k.tags, r.ID)
		k.full = true
	case k.tags == nil:
		k.tags = map[driver.ID]uint64{r.ID: t}
	default:
		if _, there := k.tags[r.ID]; there || len(k.tags) < mostKnown {
			k.tags[r.ID] = t
		} else {
			k.full = true
		}
	}
}

// forget has an id asked for again.
func (k *known) forget(id driver.ID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.tags, id)
	k.full = true
}
