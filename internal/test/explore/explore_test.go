package explore

import (
	"context"
	"flag"
	"fmt"
	"hash/maphash"
	"math/bits"
	"runtime"
	"strings"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/test/leaktest"
	"github.com/cloakroom-go/cloakroom/storetest"
)

var (
	costly = flag.Bool("explore.costly", false, "explore with all faults also where that takes long")
	full   = flag.Bool("explore.full", false, "explore with more faults and crashes, for minutes")
	limit  = flag.Int("explore.limit", 20_000_000, "states after which a scenario is cut")
)

func TestMain(m *testing.M) {
	// One goroutine at a time: what clients do in the background comes in the
	// same order each time, and nothing is passed from core to core.
	runtime.GOMAXPROCS(1)
	leaktest.Main(m)
}

// TestModelStore shows that the model is a store like any other.
func TestModelStore(t *testing.T) {
	storetest.Run(t, storetest.Harness{Open: func(testing.TB) cloakroom.Store { return newModelStore() }})
}

// result is what exploring a scenario came to.
type result struct {
	states, depth, runs, histories, strayed int

	cut    bool
	failed string
	trace  []string
	seen   ghost // all that was reached anywhere
	took   time.Duration
}

func (r *result) String() string {
	how := "exhausted"
	if r.cut {
		how = "CUT"
	}
	return fmt.Sprintf("%d states, depth %d, %s, %d runs of real code, %.1f s", r.states, r.depth, how, r.runs, r.took.Seconds())
}

// visited tells a world by two hashes.
type visited [2]uint64

type step struct {
	parent uint32
	action action
}

type found struct {
	world world
	index uint32
}

// explore visits all worlds that a scenario can come to, the nearest first.
func explore(t *testing.T, sc *scenario) (r result) {
	repeatable(t, func() { r = exploreOnce(t, sc) })
	return r
}

func exploreOnce(t *testing.T, sc *scenario) result {
	x, start := newExplorer(t, sc), time.Now()
	seeds := [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	hash := func(w *world) visited {
		return visited{maphash.Comparable(seeds[0], *w), maphash.Comparable(seeds[1], *w)}
	}
	first := x.initial()
	known := map[visited]struct{}{hash(&first): {}}
	steps := []step{{}}
	front := []found{{first, 0}}
	var next []successor
	var r result
	for len(front) > 0 && r.failed == "" && !r.cut {
		var beyond []found
		for i := range front {
			next = front[i].world.successors(x, next[:0])
			for j := range next {
				s := &next[j]
				k := hash(&s.world)
				if _, old := known[k]; old {
					continue
				}
				known[k] = struct{}{}
				steps = append(steps, step{front[i].index, s.action})
				index := uint32(len(steps) - 1)
				r.seen.add(&s.ghost)
				if r.failed = s.check(x); r.failed != "" {
					r.trace = x.trace(steps, index)
					break
				}
				beyond = append(beyond, found{s.world, index})
			}
			if r.failed != "" {
				break
			}
		}
		front = beyond
		r.depth++
		r.cut = len(steps) > *limit
	}
	r.states, r.took = len(steps), time.Since(start)
	r.runs, r.histories, r.strayed = x.runs, len(x.nodes), x.strayed
	return r
}

// add keeps what was reached anywhere.
func (g *ghost) add(h *ghost) {
	g.acked |= h.acked
	g.notApplied |= h.notApplied
	g.dead |= h.dead
	g.deadRevoked |= h.deadRevoked
	g.deadLogin |= h.deadLogin
	g.expired |= h.expired
	g.signedIn |= h.signedIn
	g.mustFail |= h.mustFail
	g.renewed |= h.renewed
	g.taken |= h.taken
	g.came = max(g.came, h.came)
}

// initial makes the first sessions, and starts the clients.
func (x *explorer) initial() world {
	var w world
	sc := x.sc
	synctest.Test(x.t, func(t *testing.T) {
		cryptotest.SetGlobalRandom(t, 0)
		store := newModelStore()
		x.setUp(t, store)
		for slot, id := range x.slots {
			if r := store.records[id]; r != nil {
				w.records[slot], w.last[slot] = x.intern(r), uint8(r.Version.Seq)
				if sc.lost && slot == ledgerSlot {
					w.records[slot] = 0
				}
			}
		}
	})
	for i, in := range sc.signedIn {
		if in {
			w.signedIn |= 1 << x.tokenSlot[i]
		}
	}
	for i := range w.copies {
		w.copies[i] = noCopy
	}
	if sc.note {
		w.left = 1
	}
	w.faults, w.crashes, w.tokens = sc.faults, sc.crashes, 1
	if sc.foreign {
		w.tokens = 0
	}
	for i := range sc.clients {
		w.enter(x, uint8(i), x.begin(i))
	}
	return w
}

func (x *explorer) setUp(t *testing.T, store *modelStore) {
	ctx, config := context.Background(), x.sc.config()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	session := func(m *cloakroom.Manager, signedIn bool) {
		s, err := m.Create(ctx)
		must(err)
		if signedIn {
			anonymous := s.ID()
			must(s.Login(ctx, principal, nil))
			delete(store.records, anonymous)
			_, err = m.Retrieve(ctx, s.Token()) // it has been used
			must(err)
		}
		if x.sc.note {
			theNote.Set(s, 0)
			must(s.Save(ctx))
		}
		x.tokenSlot = append(x.tokenSlot, x.slot(s.ID()))
		x.token(s.Token())
	}
	now := x.sc.time(0).Add(-time.Duration(x.sc.ledgerAge) * x.sc.tick)
	config.Now = func() time.Time { return now }
	m, err := cloakroom.New(store, x.keyring, config)
	must(err)
	if x.sc.ledger {
		must(m.Admin().RevokeAll(ctx, principal))
	}
	now = x.sc.time(0).Add(-time.Millisecond) // so that who comes at once is seen to
	for _, in := range x.sc.signedIn {
		session(m, in)
	}
	if id := x.slots[x.sc.ended]; x.sc.ended != 0 {
		must(store.Bury(ctx, id, store.records[id].GraveFor(cloakroom.EndDestroyed, now, driver.WriteID{}), driver.Version{}))
	}
	must(m.Close())
	if x.sc.foreign {
		_, err := store.Create(ctx, &driver.Record{ID: foreignID(), Kind: driver.KindLedger, App: app})
		must(err)
		must(x.recordImportEnd(ctx, store))
		x.tokenSlot = append(x.tokenSlot, 1)
		return
	}
	if len(x.sc.signedIn) == 0 { // the first client makes it: the same one each time
		cryptotest.SetGlobalRandom(t, 1)
		m, err := cloakroom.New(newModelStore(), x.keyring, config)
		must(err)
		session(m, false)
		must(m.Close())
	}
}

// report prints a result, and the trace of a failure.
func report(t *testing.T, sc *scenario, r *result) {
	t.Logf("%s: %s", sc.about, r)
	var s []string
	for _, one := range []struct {
		what string
		set  uint16
	}{{"saves acknowledged", r.seen.acked}, {"reported not applied", r.seen.notApplied}, {"signed in", r.seen.signedIn},
		{"closed for good", r.seen.dead}, {"told expired", r.seen.expired}, {"notes taken", r.seen.taken}} {
		s = append(s, fmt.Sprintf("%s %d", one.what, bits.OnesCount16(one.set)))
	}
	t.Logf("reached: %s", strings.Join(s, ", "))
	if r.strayed > 0 {
		t.Logf("%d runs strayed and were repeated", r.strayed)
	}
}

// TestScenarios: what has to hold holds in every state.
func TestScenarios(t *testing.T) {
	for _, sc := range scenarios() {
		t.Run(sc.name, func(t *testing.T) {
			r := explore(t, &sc)
			report(t, &sc, &r)
			if r.failed != "" {
				t.Errorf("breach of %s\n%s", r.failed, strings.Join(r.trace, "\n"))
			}
			if r.cut && !*full {
				t.Error("not all states were visited")
			}
			if g := r.seen; r.failed == "" && g.acked|g.notApplied|g.dead|g.deadLogin|g.expired|g.signedIn|g.taken|uint16(g.came) == 0 && g.renewed == 0 {
				t.Error("nobody was promised anything: that shows nothing")
			}
		})
	}
}
