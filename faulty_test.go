package cloakroom_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is a store that loses, delays or repeats operations, and the tests of
// saves on it (invariant 13).

// fate is the fault, if any, of an operation of a faulty store.
type fate int

const (
	pass     fate = iota // done and answered
	lost                 // done, and the answer is lost
	dropped              // not done, and no answer
	delayed              // no answer; done when the test delivers it
	copied               // done and answered, and once more when the test delivers it
	doubled              // done twice, with the answer of the second time
	denied               // done, and answered as if someone else had written
	answered             // not done, and answered with call.err
	phantom              // not done, and no answer; reads show it as done until a write on top of it is refused
)

var (
	errNoAnswer = fmt.Errorf("faulty: no answer: %w", cloakroom.ErrUnavailable)
	errFull     = fmt.Errorf("faulty: %w: %w", cloakroom.ErrUnavailable, cloakroom.ErrOverloaded)
)

// call is an operation that is about to be done.
type call struct {
	ctx context.Context
	op  string // "get", "create", "update", "bury", "search", "refresh" or "clock"
	id  cloakroom.ID
	rec *driver.Record // of create and update; of bury one with the grave alone
	at  driver.Version // of bury
	err error          // the answer, with the fate answered
}

func (c *call) ledger() bool { return c.id.Layout() == driver.LayoutLedger }

type matcher func(*call) bool

// isOp matches operations on sessions.
func isOp(op string) matcher { return func(c *call) bool { return c.op == op && !c.ledger() } }

// isOn matches an operation on one record.
func isOn(op string, id cloakroom.ID) matcher {
	return func(c *call) bool { return c.op == op && c.id == id }
}

func isLedger(op string) matcher { return func(c *call) bool { return c.op == op && c.ledger() } }
func isWrite(c *call) bool       { return c.op == "create" || c.op == "update" || c.op == "bury" }
func isAny(*call) bool           { return true }

// faulty is a store whose operations meet the fates that a test chooses.
type faulty struct {
	cloakroom.Store
	mu    sync.Mutex
	hooks []func(*call) fate
	count map[string]int
	later []func()
	shown map[cloakroom.ID]*driver.Record // the phantoms: states that reads show and that aren't there
	vouch driver.Assurances

	engine func() (time.Time, error) // the time of the store's engine; nil: it isn't told
}

// EngineTime is the engine's clock, as a test sets it: those of real engines don't go by
// the tests' clocks.
func (s *faulty) EngineTime(ctx context.Context) (now time.Time, err error) {
	if s.engine == nil {
		return now, errors.ErrUnsupported
	}
	err = s.run(&call{ctx: ctx, op: "clock"}, func(context.Context) error {
		now, err = s.engine()
		return err
	})
	return now, err
}

// Assurances are those that a test sets: the fates break any.
func (s *faulty) Assurances() driver.Assurances { return s.vouch }

func newFaulty(store cloakroom.Store) *faulty {
	return &faulty{Store: store, count: map[string]int{}, shown: map[cloakroom.ID]*driver.Record{}}
}

// hook has f decide on all operations that hooks before it let pass.
func (s *faulty) hook(f func(*call) fate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks = append(s.hooks, f)
}

// heal takes all hooks away, and phantoms.
func (s *faulty) heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks = nil
	clear(s.shown)
}

// show has reads of a record show a phantom: a write that isn't done. So does an
// engine's node that had the primary, was cut off, and doesn't know.
func (s *faulty) show(c *call) {
	phantom := *c.rec
	if phantom.Grave != nil {
		phantom.Version = c.at
	}
	phantom.Version.Term = max(phantom.Version.Term, 1)
	phantom.Version.Seq += 1 << 20 // never a real one
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown[c.id] = &phantom
}

// dispel takes the phantom of a record away when a write shows that it is one.
func (s *faulty) dispel(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := c.at
	if c.op == "update" {
		at = c.rec.Version
	}
	if phantom := s.shown[c.id]; phantom != nil && (at == phantom.Version || c.op == "bury" && at.IsZero()) {
		delete(s.shown, c.id)
	}
}

// phantom returns the phantom that reads of a record show, or nil.
func (s *faulty) phantom(id cloakroom.ID) *driver.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown[id]
}

// fate gives the next operations that match these fates, one each.
func (s *faulty) fate(match matcher, fates ...fate) {
	var n atomic.Int64
	s.hook(func(c *call) fate {
		if !match(c) {
			return pass
		}
		if i := int(n.Add(1)) - 1; i < len(fates) {
			return fates[i]
		}
		return pass
	})
}

// answer has all operations that match answered with an error and not done.
func (s *faulty) answer(match matcher, err error) {
	s.hook(func(c *call) fate {
		if !match(c) {
			return pass
		}
		c.err = err
		return answered
	})
}

// gate holds an operation up.
type gate struct {
	reached chan struct{} // closed when the operation has come
	open    chan struct{}
	then    fate
}

// hold stops the next operation that matches before it is done, until let is
// called or its context ends: then there is no answer, and it may be delivered.
func (s *faulty) hold(match matcher) *gate {
	g := &gate{reached: make(chan struct{}), open: make(chan struct{})}
	var taken atomic.Bool
	s.hook(func(c *call) fate {
		if !match(c) || !taken.CompareAndSwap(false, true) {
			return pass
		}
		close(g.reached)
		select {
		case <-g.open:
			return g.then
		case <-c.ctx.Done():
			return delayed
		}
	})
	return g
}

// let lets the operation go to its fate.
func (g *gate) let(f fate) {
	g.then = f
	close(g.open)
}

// slow lets each operation take one to three milliseconds. In a bubble that
// costs none, and nobody falls far behind, as nobody does on a real store.
func (s *faulty) slow() {
	s.hook(func(c *call) fate {
		select {
		case <-time.After(time.Millisecond + rand.N(2*time.Millisecond)):
			return pass
		case <-c.ctx.Done():
			return delayed
		}
	})
}

// deliver does all that was delayed, in order.
func (s *faulty) deliver() int {
	s.mu.Lock()
	later := s.later
	s.later = nil
	s.mu.Unlock()
	for _, f := range later {
		f()
	}
	return len(later)
}

// since returns the operations since the last call, such as "get 1, update 1".
func (s *faulty) since() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var parts []string
	for _, op := range slices.Sorted(maps.Keys(s.count)) {
		parts = append(parts, fmt.Sprint(op, " ", s.count[op]))
	}
	s.count = map[string]int{}
	if parts == nil {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

func (s *faulty) run(c *call, do func(context.Context) error) error {
	s.mu.Lock()
	s.count[c.op]++
	hooks := slices.Clone(s.hooks)
	s.mu.Unlock()
	f := pass
	for _, h := range hooks {
		if f = h(c); f != pass {
			break
		}
	}
	if (f == delayed || f == copied) && isWrite(c) { // a read that comes late is nothing
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.later = append(s.later, func() { _ = do(context.WithoutCancel(c.ctx)) })
		}()
	}
	if isWrite(c) {
		s.dispel(c)
	}
	switch f {
	case phantom:
		s.show(c)
		return errNoAnswer
	case dropped, delayed:
		return errNoAnswer
	case answered:
		return c.err
	case lost:
		_ = do(c.ctx)
		return errNoAnswer
	case doubled:
		_ = do(c.ctx)
	case denied:
		if err := do(c.ctx); err != nil {
			return err
		}
		if c.op == "create" {
			return driver.ErrExists
		}
		return cloakroom.ErrConflict
	}
	return do(c.ctx)
}

func (s *faulty) Get(ctx context.Context, id cloakroom.ID) (rec *driver.Record, err error) {
	err = s.run(&call{ctx: ctx, op: "get", id: id}, func(ctx context.Context) (err error) {
		switch rec = s.phantom(id); {
		case rec == nil:
			rec, err = s.Store.Get(ctx, id)
		case rec.Grave != nil:
			err = cloakroom.ErrGone
		}
		return err
	})
	if err != nil && !errors.Is(err, cloakroom.ErrGone) {
		rec = nil
	}
	return rec, err
}

func (s *faulty) write(ctx context.Context, op string, r *driver.Record, write func(context.Context, *driver.Record) (driver.Version, error)) (driver.Version, error) {
	var v driver.Version
	var mu sync.Mutex // a copy may be delivered while the answer is read
	sent := *r        // and after it, when r is the caller's again
	err := s.run(&call{ctx: ctx, op: op, id: r.ID, rec: &sent}, func(ctx context.Context) error {
		got, err := write(ctx, &sent)
		mu.Lock()
		defer mu.Unlock()
		v = got
		return err
	})
	mu.Lock()
	defer mu.Unlock()
	if err != nil {
		return driver.Version{}, err
	}
	return v, nil
}

func (s *faulty) Create(ctx context.Context, r *driver.Record) (driver.Version, error) {
	return s.write(ctx, "create", r, s.Store.Create)
}

func (s *faulty) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	return s.write(ctx, "update", r, s.Store.Update)
}

func (s *faulty) Bury(ctx context.Context, id cloakroom.ID, g driver.Grave, v driver.Version) error {
	dug := &driver.Record{ID: id, Grave: &g}
	return s.run(&call{ctx: ctx, op: "bury", id: id, rec: dug, at: v}, func(ctx context.Context) error {
		return s.Store.Bury(ctx, id, g, v)
	})
}

func (s *faulty) Search(ctx context.Context, q driver.Query) iter.Seq2[*driver.Record, error] {
	return func(yield func(*driver.Record, error) bool) {
		if err := s.run(&call{ctx: ctx, op: "search"}, func(context.Context) error { return nil }); err != nil {
			yield(nil, err)
			return
		}
		s.Store.Search(ctx, q)(yield)
	}
}

// Refresh implements driver.Refresher, also for a store that doesn't trail.
func (s *faulty) Refresh(ctx context.Context) error {
	return s.run(&call{ctx: ctx, op: "refresh"}, func(ctx context.Context) error {
		if r, ok := s.Store.(driver.Refresher); ok {
			return r.Refresh(ctx)
		}
		return nil
	})
}

// later returns the result of f, which runs beside the test.
func later[T any](f func() T) <-chan T {
	c := make(chan T, 1)
	go func() { c <- f() }()
	return c
}

// fates are the faults of a save, with the most writes and re-reads that it may take.
// Each ends well.
var fates = map[string][]fate{
	"answered":                         {pass},
	"the answer is lost":               {lost},
	"the answers are lost":             {lost, lost, lost},
	"not done":                         {dropped},
	"not done, again and again":        {dropped, dropped, dropped, dropped, dropped},
	"done late":                        {delayed},
	"done late, twice":                 {delayed, delayed},
	"done, and again late":             {copied},
	"done twice":                       {doubled},
	"a conflict although done":         {denied},
	"not done, then the answer lost":   {dropped, lost},
	"late, then done twice":            {delayed, doubled},
	"late, then a false conflict":      {delayed, denied},
	"late, then the answer lost":       {delayed, lost},
	"not done, then a false conflict":  {dropped, denied},
	"not done, then done and late too": {dropped, copied},
	"a phantom, then done":             {phantom},
	"a phantom, then the answer lost":  {phantom, dropped, lost},
	"two phantoms":                     {phantom, pass, phantom},
}

func TestI13_FaultsOfASave(t *testing.T) {
	for name, fates := range fates {
		for _, reads := range [][]fate{nil, {dropped}, {lost, dropped, lost}} {
			runInBubble(t, fmt.Sprint(name, ", re-reads ", reads), func(t *testing.T) {
				r := newRig(t, nil)
				s := r.stored(1)
				mine := r.open(s)
				visits.Update(mine, plusOne)
				r.store.fate(isOn("update", s.ID()), fates...)
				r.store.fate(isOn("get", s.ID()), reads...)
				if err := mine.Save(t.Context()); err != nil {
					t.Errorf("Save: %v", err)
				}
				r.wantVisits(s.ID(), 2)
				r.store.deliver()
				r.wantVisits(s.ID(), 2)
				visits.Update(mine, plusOne)
				r.save(mine)
				r.wantVisits(s.ID(), 3)
				r.store.deliver()
				r.wantVisits(s.ID(), 3)
			})
		}
	}
}

func TestI13_FaultsOfANewSession(t *testing.T) {
	for name, fates := range fates {
		runInBubble(t, name, func(t *testing.T) {
			r := newRig(t, nil)
			r.store.fate(isOp("create"), fates...)
			g := r.guest()
			g.want(200, visit)
			r.store.deliver()
			g.want(200, visit)
			var id cloakroom.ID
			g.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				id = s.ID()
				return nil
			})
			r.wantVisits(id, 2)
			for rec, err := range r.m.Admin().Search(t.Context(), driver.Query{}) {
				if err != nil || rec.ID != id {
					t.Errorf("there is another session: %v, %v", rec, err)
				}
			}
		})
	}
}

// The first attempt is done while the second is on its way.
func TestI13_LateBeforeTheRetry(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(1)
		mine := r.open(s)
		visits.Update(mine, plusOne)
		r.store.fate(isOp("update"), delayed)
		retry := r.store.hold(isOp("update"))
		saved := later(func() error { return mine.Save(t.Context()) })
		<-retry.reached
		r.store.deliver()
		r.wantVisits(s.ID(), 2)
		retry.let(pass)
		if err := <-saved; err != nil {
			t.Error(err)
		}
		r.wantVisits(s.ID(), 2)
		if got := visits.Get(mine); got != 2 {
			t.Errorf("after the save it reads %d", got)
		}
	})
}

// Saves that queue behind one whose outcome is unknown wait until it is known.
func TestI13_UnknownHoldsTheQueue(t *testing.T) {
	for name, f := range map[string]fate{"done": lost, "not done": dropped, "done late": delayed} {
		runInBubble(t, name, func(t *testing.T) {
			r := newRig(t, nil)
			s := r.stored(0)
			a, b := r.open(s), r.open(s)
			visits.Update(a, plusOne)
			visits.Update(b, plusOne)
			r.store.fate(isOp("update"), f)
			read := r.store.hold(isOn("get", s.ID()))
			first := later(func() error { return a.Save(t.Context()) })
			<-read.reached
			r.store.since()
			second := later(func() error { return b.Save(t.Context()) })
			synctest.Wait()
			r.wantOps("nothing")
			r.store.deliver()
			read.let(pass)
			for _, c := range []<-chan error{first, second} {
				if err := <-c; err != nil {
					t.Error(err)
				}
			}
			r.wantVisits(s.ID(), 2)
		})
	}
}

// An increment whose answer is lost, and others that write over it: two never
// make three, nor one. The write can be told from one that never happened while
// no more than MaxWriteIDs others follow. Beyond that nobody guesses.
func TestI13_ManyWritesInBetween(t *testing.T) {
	for _, test := range []struct {
		fate    fate
		others  int
		unknown bool
	}{
		{lost, 1, false}, {lost, driver.MaxWriteIDs - 1, false}, {lost, driver.MaxWriteIDs, true}, {lost, 20, true},
		{dropped, 1, false}, {dropped, driver.MaxWriteIDs, false}, {dropped, driver.MaxWriteIDs + 1, true}, {dropped, 20, true},
		{delayed, driver.MaxWriteIDs, false}, {delayed, driver.MaxWriteIDs + 1, true},
	} {
		runInBubble(t, fmt.Sprintf("fate %d, %d others", test.fate, test.others), func(t *testing.T) {
			r := newRig(t, nil)
			s := r.stored(0)
			mine := r.open(s)
			visits.Update(mine, plusOne)
			r.store.fate(isOp("update"), test.fate)
			read := r.store.hold(isOn("get", s.ID()))
			saved := later(func() error { return mine.Save(t.Context()) })
			<-read.reached
			other := r.openBy(r.manager(nil), s.Token())
			for range test.others {
				visits.Update(other, plusOne)
				r.save(other)
			}
			r.store.deliver()
			read.let(pass)
			err := <-saved
			want := test.others + 1
			if !test.unknown {
				if err != nil {
					t.Errorf("Save: %v", err)
				}
			} else {
				r.wantErr("Save", err, cloakroom.ErrUnknown, cloakroom.ErrUnavailable)
				r.wantErr("Err", mine.Err(), cloakroom.ErrUnknown)
				number(1).Set(mine, 1)
				r.wantErr("the next Save", mine.Save(t.Context()), cloakroom.ErrUnknown)
				if test.fate != lost {
					want--
				}
			}
			r.wantVisits(s.ID(), want)
			next := r.open(s) // another request is well
			visits.Update(next, plusOne)
			r.save(next)
			r.wantVisits(s.ID(), want+1)
		})
	}
}

// The re-reads aren't answered until the time is over. The error says unknown, and the
// write that the store does late is neither lost nor done twice.
func TestI13_UnknownAtTheTimeout(t *testing.T) {
	for name, f := range map[string]fate{"done": lost, "not done": dropped, "done late": delayed} {
		runInBubble(t, name, func(t *testing.T) {
			r := newRig(t, nil)
			s := r.stored(1)
			g := r.as(s)
			r.store.fate(isOp("update"), f)
			w := g.do(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				visits.Update(s, plusOne)
				r.store.answer(isOp("get"), errNoAnswer)
				return nil
			})
			if w.Code != 503 || len(w.Result().Cookies()) != 0 {
				t.Errorf("got %d with cookies %v, want 503 and none", w.Code, w.Result().Cookies())
			}
			r.store.heal()
			r.store.deliver()
			want := 2
			if f == dropped {
				want = 1
			}
			r.wantVisits(s.ID(), want)
			g.want(200, visit)
			r.wantVisits(s.ID(), want+1)
		})
	}
}
