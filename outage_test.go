package cloakroom_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
)

// This file is the tests of an outage under load, and the recovery from it (invariant
// 8).

// load is a stream of requests that doesn't slow down when the store does.
type load struct {
	*rig
	every    time.Duration
	visitors []*guest // who are signed in
	down     atomic.Bool
	up       chan struct{} // closed when the outage is over

	all    sync.WaitGroup
	mu     sync.Mutex
	now    int // requests under way
	most   int
	counts map[string]int
	sums   map[string]*sum // by token
}

// sum is the results of requests with one session.
type sum struct{ saved, failed int }

func newLoad(r *rig, every time.Duration) *load {
	l := &load{rig: r, every: every, up: make(chan struct{}), counts: map[string]int{}, sums: map[string]*sum{}}
	for i := range 5 {
		g := r.as(r.signedIn(fmt.Sprint("visitor", i)))
		l.visitors = append(l.visitors, g)
		l.sums[g.token] = &sum{}
	}
	return l
}

// run makes requests until stop is closed: visits that are saved, looks, and new
// visitors.
func (l *load) run(stop <-chan struct{}) {
	tick := time.NewTicker(l.every)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		g, what, f := l.visitors[rand.IntN(len(l.visitors))].twin(), "visits", visit
		switch rand.IntN(5) {
		case 0:
			what, f = "looks", look
		case 1:
			g, what = l.guest(), "new visitors"
		}
		l.all.Go(func() { l.request(g, what, f) })
	}
}

func (l *load) request(g *guest, what string, f page) {
	l.mu.Lock()
	l.now++
	l.most = max(l.most, l.now)
	l.mu.Unlock()
	before, token := l.down.Load(), g.token
	w := g.do(f)
	during := before && l.down.Load()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now--
	l.counts[fmt.Sprintf("%s, %d", what, w.Code)]++
	switch {
	case w.Code != 200 && w.Code != 503:
		l.Errorf("%s got the status %d: %s", what, w.Code, w.Body)
	case during && w.Code != 503:
		l.Errorf("%s got the status %d in the outage", what, w.Code)
	case (w.Code != 200 || token != "") && len(w.Result().Cookies()) != 0:
		l.Errorf("%s: the status %d came with cookies %v", what, w.Code, w.Result().Cookies())
	}
	if during {
		l.counts["in the outage"]++
	}
	switch {
	case what == "visits" && w.Code == 200:
		l.sums[token].saved++
	case what == "visits":
		l.sums[token].failed++
	case what == "new visitors" && w.Code == 200:
		l.sums[g.token] = &sum{saved: 1}
	}
}

// check looks at each session: nobody was signed out, and each acknowledged save is
// there.
func (l *load) check() {
	l.Helper()
	saved := 0
	for token, n := range l.sums {
		s, err := l.m.Retrieve(l.Context(), token)
		if err != nil {
			l.Errorf("after the outage a session doesn't open: %v", err)
			continue
		}
		if got := visits.Get(s); got < n.saved || got > n.saved+n.failed {
			l.Errorf("session %v has %d visits; %d were saved, and %d others may have been", s.ID(), got, n.saved, n.failed)
		}
		saved += n.saved
	}
	for i, g := range l.visitors {
		if s := l.openBy(l.m, g.token); s.Principal() != fmt.Sprint("visitor", i) {
			l.Errorf("a visitor is signed in as %q", s.Principal())
		}
	}
	if saved == 0 || l.counts["in the outage"] == 0 {
		l.Errorf("there was no load: %v", l.counts)
	}
	l.Logf("%v, at most %d at once", l.counts, l.most)
}

// The store is away for half a minute, under load: the time of outage is
// begun by stop and ended by resume.
func (l *load) outage(stop, resume func()) {
	l.Helper()
	end := make(chan struct{})
	ran := later(func() bool { l.run(end); return true })
	healthy := func() bool { return l.visitors[0].twin().do(look).Code == 200 }
	<-time.After(3 * time.Second)
	before := heap()
	stop()
	l.await("the outage begins", func() bool { return !healthy() })
	l.down.Store(true)
	<-time.After(30 * time.Second)
	grown := heap() - before
	l.down.Store(false)
	resume()
	l.await("the store is used again", healthy)
	<-time.After(3 * time.Second)
	close(end)
	<-ran
	l.all.Wait()
	l.Logf("the heap grew by %d KiB in the outage", grown>>10)
	if most := int64(32 << 20); grown > most {
		l.Errorf("the heap grew by %d bytes in the outage, want less than %d", grown, most)
	}
	l.check()
}

// heap is how many bytes are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestI8_OutageUnderLoad(t *testing.T) {
	const every = 20 * time.Millisecond
	for name, f := range map[string]func(*call) fate{
		"refused": func(c *call) fate {
			c.err = fmt.Errorf("dial: connection refused")
			return answered
		},
		"silent, and done when it is over": func(c *call) fate {
			<-c.ctx.Done()
			return delayed
		},
	} {
		runInBubble(t, name, func(t *testing.T) {
			l := newLoad(newRig(t, nil), every)
			l.outage(func() { l.store.hook(f) }, func() { l.store.heal(); l.store.deliver() })
			// A request reads and then saves, perhaps behind a save in flight.
			if most := int(15 * time.Second / every); l.most > most {
				t.Errorf("%d requests were under way at once: %d are what SaveTimeout allows", l.most, most)
			}
		})
	}
}

// An engine stands still for half a minute, while connections to it stay open. It
// carries out later what was asked of it meanwhile.
func TestI8_OutageOfAnEngine(t *testing.T) {
	if *storeFlag != "opensearch" {
		t.Skip("memory and files can't stand still by themselves: TestI8_OutageUnderLoad makes them seem to")
	}
	t.Parallel() // it waits most of the time
	engine := testengine.Start(t, testengine.Options{})
	p := &place{kind: *storeFlag, engine: engine.URL(), at: "outage", periods: true, real: true}
	l := newLoad(newRigAt(t, p, &cloakroom.Config{SaveTimeout: 5 * time.Second}), 50*time.Millisecond)
	l.outage(engine.Pause, engine.Resume)
}
