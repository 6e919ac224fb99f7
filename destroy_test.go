package cloakroom_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of the sign-out, and random interleavings of all that ends or
// changes sessions.

// Destroy doesn't wait for the save in flight, and fails the queue behind it. Both errors
// name the session.
func TestI2_DestroyOvertakesTheQueue(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(1)
		ender := r.open(s)
		g, inFlight := r.blocked(s)
		var queued []<-chan error
		for range 10 {
			queued = append(queued, r.saving(r.open(s)))
		}
		synctest.Wait()
		if err := ender.Destroy(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantGone := func(what string, err error) {
			r.wantErr(what, err, cloakroom.ErrGone)
			if err != nil && !strings.Contains(err.Error(), s.ID().String()) {
				t.Errorf("%s: the error doesn't name the session: %v", what, err)
			}
		}
		for _, c := range queued {
			wantGone("a queued save", <-c) // before the gate opens
		}
		g.let(pass)
		wantGone("the save in flight", <-inFlight)
	})
}

// A create that the store does late, after everything else.
func TestI2_LateCreate(t *testing.T) {
	create := func(r *rig) (id *cloakroom.ID) {
		id = new(cloakroom.ID)
		r.store.hook(func(c *call) fate {
			if c.op == "create" && !c.ledger() {
				*id = c.id
			}
			return pass
		})
		return id
	}
	runInBubble(t, "of a session that was destroyed", func(t *testing.T) {
		r := newRig(t, nil)
		r.store.fate(isOp("create"), delayed)
		g := r.guest()
		g.want(200, visit)
		token := g.token
		s := r.openBy(r.m, token)
		g.want(200, logout)
		if n := r.store.deliver(); n != 1 {
			t.Errorf("%d writes were late, want 1", n)
		}
		r.wantGrave(s.ID(), cloakroom.EndDestroyed)
		r.wantShut(s.ID(), token)
	})
	runInBubble(t, "of a session that was revoked before it was there", func(t *testing.T) {
		r := newRig(t, nil)
		id := create(r)
		r.store.hook(func(c *call) fate {
			if c.op == "create" {
				return delayed
			}
			return pass
		})
		r.guest().want(503, visit)
		r.store.heal()
		if err := r.m.Admin().Revoke(t.Context(), *id); err != nil {
			t.Fatal(err)
		}
		r.wantGrave(*id, cloakroom.EndRevoked)
		if n := r.store.deliver(); n == 0 {
			t.Error("no write was late")
		}
		r.wantGrave(*id, cloakroom.EndRevoked)
	})
	runInBubble(t, "of a sign-in that failed", func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(1)
		id := create(r)
		r.store.fate(isOp("create"), copied)
		r.store.answer(isLedger("create"), errFull)
		r.wantErr("Login", s.Login(t.Context(), "ann", nil), cloakroom.ErrUnavailable)
		r.wantGrave(*id, cloakroom.EndAbandoned)
		r.store.heal()
		r.store.deliver()
		r.wantGrave(*id, cloakroom.EndAbandoned)
		r.wantVisits(s.ID(), 1)
	})
}

func TestI2_DestroyWhileTheSessionIsBeingStored(t *testing.T) {
	r := newRig(t, nil)
	var id cloakroom.ID
	r.store.hook(func(c *call) fate {
		if c.op == "create" {
			id = c.id
		}
		return pass
	})
	g := r.store.hold(isOp("create"))
	w := r.guest().want(200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
		visits.Set(s, 1)
		var all sync.WaitGroup
		all.Go(func() {
			if err := s.Save(req.Context()); err != nil {
				t.Error(err)
			}
		})
		<-g.reached
		all.Go(func() {
			if err := s.Destroy(req.Context()); err != nil {
				t.Error(err)
			}
		})
		g.let(pass)
		all.Wait()
		return nil
	})
	r.wantGrave(id, cloakroom.EndDestroyed)
	if c := w.Result().Cookies(); len(c) != 1 || c[0].MaxAge >= 0 {
		t.Errorf("got cookies %v, want one that is deleted", c)
	}
}

func TestDestroyInARequest(t *testing.T) {
	var ended []string
	r := newRig(t, &cloakroom.Config{Events: &cloakroom.Events{Ended: func(_ context.Context, e cloakroom.Ending) {
		ended = append(ended, fmt.Sprint(e.ID, " ", e.Reason))
	}}})
	s := r.stored(1)
	g := r.as(s)
	w := g.want(200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
		visits.Set(s, 2) // is dropped
		if err := s.Destroy(req.Context()); err != nil {
			return err
		}
		if !s.IsNew() || !s.ID().IsZero() || s.Token() != "" || visits.Get(s) != 0 || s.Err() != nil {
			t.Errorf("after Destroy: new %v, id %v, visits %d, error %v", s.IsNew(), s.ID(), visits.Get(s), s.Err())
		}
		return nil
	})
	if c := w.Result().Cookies(); len(c) != 1 || c[0].MaxAge >= 0 || c[0].Value != "" {
		t.Errorf("got cookies %v, want one that is deleted", c)
	}
	if w.Header().Get("Cache-Control") != "private, no-store" {
		t.Errorf("Cache-Control: %q", w.Header().Get("Cache-Control"))
	}
	r.wantGrave(s.ID(), cloakroom.EndDestroyed)
	if want := fmt.Sprint(s.ID(), " destroyed"); strings.Join(ended, ",") != want {
		t.Errorf("events of endings: %q, want %s", ended, want)
	}

	s = r.stored(1)
	g = r.as(s)
	g.want(200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
		if err := errors.Join(s.Destroy(req.Context()), s.Destroy(req.Context())); err != nil {
			return err
		}
		visits.Set(s, 10) // begins another
		return nil
	})
	r.wantGrave(s.ID(), cloakroom.EndDestroyed)
	next := r.openBy(r.m, g.token)
	if next.ID() == s.ID() || visits.Get(next) != 10 {
		t.Errorf("the next session is %v with %d visits", next.ID(), visits.Get(next))
	}

	r.store.since()
	r.guest().want(200, logout) // of a visitor without a session
	r.wantOps("nothing")
}

func TestI2_DestroyResolvesLostAnswers(t *testing.T) {
	for name, fates := range fates {
		runInBubble(t, name, func(t *testing.T) {
			r := newRig(t, nil)
			s := r.signedIn("ann")
			token := s.Token()
			r.store.fate(isOp("bury"), fates...)
			r.as(s).want(200, logout)
			r.wantGrave(s.ID(), cloakroom.EndDestroyed)
			r.store.deliver()
			r.wantGrave(s.ID(), cloakroom.EndDestroyed)
			r.wantShut(s.ID(), token)
		})
	}
}

var seedFlag = flag.Uint64("seed", 0, "the one seed to run random interleavings with; 0: many, by chance")

// Clients of three processes save, touch, sign in, renew, sign out and revoke in random
// order, over a store that loses answers, does things late, twice or never, and is slow
// at times. The rules are checked after each step of the store.
func TestI1I2I9I10I13_RandomInterleavings(t *testing.T) {
	round := func(seed uint64) bool {
		return t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			inBubble(t, func(t *testing.T) { newChaos(t, seed).run() })
		})
	}
	if *seedFlag != 0 {
		round(*seedFlag)
		return
	}
	patience := 3 * time.Second
	if testing.Short() {
		patience /= 10
	}
	seed, rounds := rand.Uint64()>>16, 0
	for begun := time.Now(); rounds < 3 || time.Since(begun) < patience; rounds++ {
		if !round(seed + uint64(rounds)) {
			t.Fatalf("run it again with: go test -run %s -seed %d", t.Name(), seed+uint64(rounds))
		}
	}
	t.Logf("%d rounds, from seed %d", rounds, seed)
}

// chaos is one round of random interleavings.
type chaos struct {
	*rig
	rand     *rand.Rand // the scheduler's
	managers []*cloakroom.Manager

	mu       sync.Mutex
	waiting  []*step
	coats    []*coat
	slots    map[string]*slot
	shut     map[cloakroom.ID]string // must not open any more, and why
	signedIn map[string]map[cloakroom.ID]bool
	attempts map[string]map[cloakroom.LoginAttempt]bool // begun, and not outdated by a RevokeAll
	revoking map[string]bool
}

// step is an operation of the store that waits for its fate.
type step struct {
	c    *call
	fate chan fate
	left bool
}

// coat is a session that somebody was given.
type coat struct {
	id        cloakroom.ID
	token     string
	principal string
	renewed   bool // some of its tokens may be refused although it lives
}

// slot is one increment: it is made once, of a name of its own.
type slot struct {
	at      cloakroom.ID
	outcome string // "saved", "not saved" or "unknown"
	from    string // "Admin", or ""
}

const chaosIdle = 10 * time.Minute

func newChaos(t *testing.T, seed uint64) *chaos {
	c := &chaos{rand: rand.New(rand.NewPCG(seed, 0)), slots: map[string]*slot{}, shut: map[cloakroom.ID]string{}, signedIn: map[string]map[cloakroom.ID]bool{},
		attempts: map[string]map[cloakroom.LoginAttempt]bool{}, revoking: map[string]bool{}}
	config := &cloakroom.Config{IdleTimeout: chaosIdle, TouchEvery: -1, MaxPerPrincipal: 1 + c.rand.IntN(4)}
	c.rig = newRig(t, config)
	c.managers = []*cloakroom.Manager{c.m, c.manager(config), c.manager(config)}
	for range 2 {
		s := c.stored(0)
		c.coats = append(c.coats, &coat{id: s.ID(), token: s.Token()})
	}
	c.store.hook(func(op *call) fate {
		s := &step{c: op, fate: make(chan fate)}
		c.mu.Lock()
		c.waiting = append(c.waiting, s)
		c.mu.Unlock()
		select {
		case f := <-s.fate:
			return f
		case <-op.ctx.Done():
			c.mu.Lock()
			defer c.mu.Unlock()
			s.left = true
			return delayed
		}
	})
	return c
}

func (c *chaos) run() {
	done := make(chan struct{})
	var clients sync.WaitGroup
	for range 4 {
		r := rand.New(rand.NewPCG(c.rand.Uint64(), 0))
		clients.Go(func() {
			for range 3 + r.IntN(4) {
				c.act(r)
			}
		})
	}
	go func() {
		clients.Wait()
		for _, m := range c.managers {
			m.Close()
		}
		close(done)
	}()
	for faults := c.rand.IntN(8); ; {
		synctest.Wait()
		c.check()
		c.mu.Lock()
		c.waiting = slices.DeleteFunc(c.waiting, func(s *step) bool { return s.left })
		n := len(c.waiting)
		c.mu.Unlock()
		switch x := c.rand.IntN(100); {
		case n == 0:
			select {
			case <-done:
				c.finish()
				return
			case <-time.After(10 * time.Millisecond):
			}
		case x < 1:
			<-time.After(6 * time.Second) // the store is slow: waiting has an end
		case x < 3:
			c.clock.add(chaosIdle / 3)
		case x < 4:
			if _, err := c.store.Sweep(context.Background(), c.clock.now()); err != nil {
				c.Error(err)
			}
		case x < 15:
			c.deliverOne()
		default:
			c.mu.Lock()
			i := c.rand.IntN(n)
			s := c.waiting[i]
			c.waiting = slices.Delete(c.waiting, i, i+1)
			c.mu.Unlock()
			f := pass
			if faults > 0 && c.rand.IntN(6) == 0 {
				faults--
				f = dropped
				if s.c.op != "get" {
					f = []fate{lost, dropped, delayed, copied, doubled, denied}[c.rand.IntN(6)]
				}
			}
			s.fate <- f
		}
	}
}

// deliverOne does one of the things that are late.
func (c *chaos) deliverOne() {
	c.store.mu.Lock()
	var f func()
	if n := len(c.store.later); n > 0 {
		i := c.rand.IntN(n)
		f = c.store.later[i]
		c.store.later = slices.Delete(c.store.later, i, i+1)
	}
	c.store.mu.Unlock()
	if f != nil {
		f()
	}
}

// with calls f with the books open.
func (c *chaos) with(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// end notes that a session must not open any more.
func (c *chaos) end(why string, id cloakroom.ID) { c.shut[id] = why }

// act does a random operation, and notes its result.
func (c *chaos) act(r *rand.Rand) {
	ctx := context.Background()
	m, principal := c.managers[r.IntN(len(c.managers))], []string{"ann", "bob"}[r.IntN(2)]
	var k *coat // what may change in it is read with the books open
	c.with(func() { k = c.coats[r.IntN(len(c.coats))] })
	switch x := r.IntN(20); x {
	case 0, 1:
		c.revoke(ctx, m.Admin(), principal)
		return
	case 2:
		if m.Admin().Revoke(ctx, k.id) == nil {
			c.with(func() { c.end("Revoke", k.id) })
		}
		return
	case 3:
		name := c.slot(k.id)
		c.with(func() { c.slots[name].from = "Admin" })
		c.saved(name, m.Admin().Update(ctx, k.id, func(tx *cloakroom.Tx) error {
			cloakroom.NewKey[int](name).Update(tx, plusOne)
			return nil
		}))
		return
	default:
		s, err := m.Retrieve(ctx, k.token)
		if err != nil {
			c.with(func() {
				if errors.Is(err, cloakroom.ErrNotFound) && !k.renewed {
					c.end("Retrieve", k.id)
				}
			})
			return
		}
		c.visit(ctx, r, m, s, principal, x)
	}
}

func (c *chaos) visit(ctx context.Context, r *rand.Rand, m *cloakroom.Manager, s *cloakroom.Session, principal string, x int) {
	id := s.ID()
	switch {
	case x < 5:
		if s.Destroy(ctx) == nil {
			c.with(func() { c.end("Destroy", id) })
		}
	case x < 6:
		c.with(func() {
			for _, k := range c.coats {
				k.renewed = k.renewed || k.id == id
			}
		})
		if s.Renew(ctx) == nil && s.Token() != "" {
			c.with(func() { c.coats = append(c.coats, &coat{id, s.Token(), s.Principal(), true}) })
		}
	case x < 11:
		c.login(ctx, m, s, principal)
	default:
		for range 1 + r.IntN(2) {
			name := c.slot(id)
			cloakroom.NewKey[int](name).Update(s, plusOne)
			err := s.Save(ctx)
			if c.saved(name, err); err != nil {
				return // the next save would take it along
			}
		}
	}
}

// slot begins an increment.
func (c *chaos) slot(id cloakroom.ID) (name string) {
	c.with(func() {
		name = fmt.Sprint("slot", len(c.slots))
		c.slots[name] = &slot{at: id, outcome: "unknown"}
	})
	return name
}

// saved notes the result of a save.
func (c *chaos) saved(name string, err error) {
	c.with(func() {
		switch {
		case err == nil:
			c.slots[name].outcome = "saved"
		case !errors.Is(err, cloakroom.ErrUnknown):
			c.slots[name].outcome = "not saved"
		}
	})
}

func (c *chaos) login(ctx context.Context, m *cloakroom.Manager, s *cloakroom.Session, principal string) {
	id := s.ID()
	attempt, err := m.BeginLogin(ctx, principal)
	if err != nil {
		return
	}
	begun := c.clock.now()
	c.with(func() {
		if c.attempts[principal] == nil {
			c.attempts[principal], c.signedIn[principal] = map[cloakroom.LoginAttempt]bool{}, map[cloakroom.ID]bool{}
		}
		c.attempts[principal][attempt] = true
	})
	name := c.slot(id)
	cloakroom.NewKey[int](name).Update(s, plusOne) // goes along
	keeps := s.Principal() == "" || s.Principal() == principal
	err = s.Login(ctx, principal, &cloakroom.LoginOptions{Attempt: attempt})
	c.with(func() {
		switch {
		case err == nil:
			c.end("Login", id)
			c.coats = append(c.coats, &coat{id: s.ID(), token: s.Token(), principal: principal})
			if keeps {
				*c.slots[name] = slot{at: s.ID(), outcome: "saved"}
			}
			if !c.attempts[principal][attempt] { // a RevokeAll came after the attempt began, and has returned
				c.end("RevokeAll after the attempt", s.ID())
			}
			c.signedIn[principal][s.ID()] = true
		case errors.Is(err, cloakroom.ErrRevoked) && !c.revoking[principal] && c.clock.now().Sub(begun) <= 30*time.Minute:
			c.Errorf("Login: %v, though nobody revoked", err)
		}
	})
}

func (c *chaos) revoke(ctx context.Context, a *cloakroom.Admin, principal string) {
	var before []cloakroom.ID
	var attempts []cloakroom.LoginAttempt
	c.with(func() {
		c.revoking[principal] = true
		before = slices.Collect(maps.Keys(c.signedIn[principal]))
		attempts = slices.Collect(maps.Keys(c.attempts[principal]))
	})
	if a.RevokeAll(ctx, principal) != nil {
		return
	}
	c.with(func() {
		for _, id := range before {
			c.end("RevokeAll", id)
		}
		for _, t := range attempts {
			c.attempts[principal][t] = false
		}
	})
}

// opens reports whether a session opens.
func (c *chaos) opens(id cloakroom.ID) bool {
	rec, err := c.kept(id)
	now := c.clock.now()
	return err == nil && now.Before(rec.Expires) && now.Before(rec.Deadline)
}

func (c *chaos) check() {
	c.with(func() {
		for id, why := range c.shut {
			if c.opens(id) {
				c.Errorf("%v opens after %s", id, why)
				delete(c.shut, id)
			}
		}
	})
}

// finish lets everything late happen and looks at each increment.
func (c *chaos) finish() {
	c.store.heal()
	for c.store.deliver() > 0 {
		c.check()
	}
	for name, s := range c.slots {
		id := s.at
		for {
			rec, err := c.kept(id)
			if err == nil {
				n := string(rec.Values.Get(name))
				if n != "" && n != "1" || n == "" && s.outcome == "saved" || n == "1" && s.outcome == "not saved" {
					c.Errorf("%s, %s in %v, is %q in %v", name, s.outcome, s.at, n, id)
				}
				break
			}
			if rec == nil || rec.Grave == nil || rec.Grave.Reason != cloakroom.EndReplaced || !c.keeps(id, rec.Grave.Successor) {
				if rec != nil && rec.Grave != nil && rec.Grave.Reason == cloakroom.EndAbandoned && s.outcome == "saved" {
					c.Errorf("%s, saved in %v, is lost: the sign-in that replaced it was taken back", name, s.at)
				}
				break
			}
			if s.from == "Admin" && id == s.at && strings.Contains(string(rec.Grave.Extra.Get(driver.ExtraReplaced)), `"unused":true`) {
				break // the sign-in that is repeated hadn't carried it
			}
			id = rec.Grave.Successor
		}
	}
}

// keeps reports whether a sign-in takes the values along, as far as that is
// known.
func (c *chaos) keeps(from, to cloakroom.ID) bool {
	principal := func(id cloakroom.ID) (string, bool) {
		for _, k := range c.coats {
			if k.id == id {
				return k.principal, true
			}
		}
		return "", false
	}
	a, known := principal(from)
	if known && a == "" {
		return true
	}
	b, also := principal(to)
	return known && also && a == b
}
