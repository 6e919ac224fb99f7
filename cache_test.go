package cloakroom_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of Config.CacheFor: sessions that are read from memory, and
// the invariants with it.

// cacheFlag has tests run with Config.CacheFor. Invariants hold with it, except that a
// test may count reads, or look at another manager's change.
var cacheFlag = flag.Duration("cache", 0, "the managers' CacheFor where a test doesn't say")

// cacheFor is the CacheFor of the tests here.
const cacheFor = 10 * time.Second

// lateAnswers is a store of which an operation that is done can be kept from
// being answered.
type lateAnswers struct {
	cloakroom.Store
	get, update atomic.Pointer[gate]
}

func holdAnswer(of *atomic.Pointer[gate]) *gate {
	g := &gate{reached: make(chan struct{}), open: make(chan struct{})}
	of.Store(g)
	return g
}

func await(of *atomic.Pointer[gate]) {
	if g := of.Swap(nil); g != nil {
		close(g.reached)
		<-g.open
	}
}

func (s *lateAnswers) Get(ctx context.Context, id cloakroom.ID) (*driver.Record, error) {
	rec, err := s.Store.Get(ctx, id)
	await(&s.get)
	return rec, err
}

func (s *lateAnswers) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	v, err := s.Store.Update(ctx, r)
	await(&s.update)
	return v, err
}

// cachingRig is a rig whose manager remembers, and another manager on the same
// store that doesn't.
func cachingRig(t *testing.T) (r *rig, elsewhere *cloakroom.Manager, late *lateAnswers) {
	t.Helper()
	r = newRig(t, &cloakroom.Config{CacheFor: cacheFor})
	late = &lateAnswers{Store: r.store.Store}
	r.store.Store = late
	return r, r.manager(nil), late
}

// wantRead checks the value that a request reads, and the operations that it costs.
func (r *rig) wantRead(when string, m *cloakroom.Manager, token string, want int, ops string) {
	r.Helper()
	r.store.since()
	got := visits.Get(r.openBy(m, token))
	if faked() {
		synctest.Wait() // for a touch
	}
	if got != want {
		r.Errorf("%s a request reads %d visits, want %d", when, got, want)
	}
	r.wantOps(ops)
}

func TestI6_CacheAnswersRepeatedReads(t *testing.T) {
	r, elsewhere, _ := cachingRig(t)
	token := func() string {
		s, err := elsewhere.Create(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		visits.Set(s, 1)
		r.save(s)
		return s.Token()
	}()
	r.wantRead("the first time", r.m, token, 1, "get 1")
	r.wantRead("again", r.m, token, 1, "nothing")
	r.clock.add(cacheFor - time.Millisecond)
	r.wantRead("to the last", r.m, token, 1, "nothing")
	r.clock.add(time.Millisecond)
	r.wantRead("after CacheFor", r.m, token, 1, "get 1")
	r.wantRead("without CacheFor", elsewhere, token, 1, "get 1")
	r.wantRead("without CacheFor, again", elsewhere, token, 1, "get 1")
}

// A request reads the writes of this manager and its Admin at once, without asking the
// store.
func TestI1_CacheShowsOwnWrites(t *testing.T) {
	r, _, _ := cachingRig(t)
	s := r.stored(1)
	r.wantRead("after a save", r.m, s.Token(), 1, "nothing")
	admin := r.m.Admin()
	if err := admin.Update(t.Context(), s.ID(), func(tx *cloakroom.Tx) error { visits.Set(tx, 2); return nil }); err != nil {
		t.Fatal(err)
	}
	r.wantRead("after an admin's update", r.m, s.Token(), 2, "nothing")
	for i, f := range []fate{lost, denied, doubled, delayed} {
		r.store.fate(isOp("update"), f)
		mine := r.open(s)
		visits.Update(mine, plusOne)
		r.save(mine)
		r.wantRead(fmt.Sprintf("after a save of fate %d", f), r.m, s.Token(), 3+i, "nothing")
		r.store.deliver()
		r.store.heal()
	}
	g := r.as(s)
	g.want(200, loginAs("hatter", nil))
	r.wantRead("after a sign-in", r.m, g.token, 6, "update 1") // which the first request records
	g.want(200, look)                                          // the token came from the client
	g.want(200, renew)
	r.store.since()
	if got := visits.Get(r.openBy(r.m, g.token)); got != 6 {
		t.Errorf("after a renewal a request reads %d visits, want 6", got)
	}
	// The first use of the new secret is written, sooner or later.
	if ops := r.store.since(); strings.Contains(ops, "get") {
		t.Errorf("store operations: %s, want no get", ops)
	}
}

// endingsHere are the ways in which a manager ends a session.
var endingsHere = map[string]func(r *rig, s *cloakroom.Session) error{
	"Destroy":   func(_ *rig, s *cloakroom.Session) error { return s.Destroy(context.Background()) },
	"Login":     func(_ *rig, s *cloakroom.Session) error { return s.Login(context.Background(), "bowler", nil) },
	"Revoke":    func(r *rig, s *cloakroom.Session) error { return r.m.Admin().Revoke(context.Background(), s.ID()) },
	"RevokeAll": func(r *rig, _ *cloakroom.Session) error { return r.m.Admin().RevokeAll(context.Background(), "hatter") },
}

// A read or a save that was done before a session ended, and is answered after,
// doesn't put it back.
func TestI2_CacheNothingComesBack(t *testing.T) {
	for name, end := range endingsHere {
		for _, what := range []string{"nothing", "a read", "a save"} {
			runInBubble(t, name+" during "+what, func(t *testing.T) {
				r, _, late := cachingRig(t)
				s := r.signedIn("hatter")
				id, token := s.ID(), s.Token()
				mine, ending := r.open(s), r.open(s)
				var g *gate
				var done <-chan error
				switch what {
				case "a read":
					g = holdAnswer(&late.get)
					done = later(func() error { _, err := r.m.Admin().Find(context.Background(), id); return err })
					<-g.reached
				case "a save":
					g = holdAnswer(&late.update)
					done = r.saving(mine)
					<-g.reached
				}
				if err := end(r, ending); err != nil {
					t.Fatal(err)
				}
				r.wantNotFound("after the ending", token)
				if g != nil {
					g.let(pass)
					<-done
				}
				r.wantNotFound("after the late answer", token)
			})
		}
	}
}

func (r *rig) wantNotFound(when, token string) {
	r.Helper()
	if _, err := r.m.Retrieve(context.Background(), token); !errors.Is(err, cloakroom.ErrNotFound) {
		r.Errorf("%s: Retrieve returned %v", when, err)
	}
}

// A read that began before a save was acknowledged, and is answered after, doesn't
// put the older state back.
func TestI1_CacheKeepsTheNewer(t *testing.T) {
	r, elsewhere, late := cachingRig(t)
	s, err := elsewhere.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g := holdAnswer(&late.get)
	reading := later(func() error { _, err := r.m.Retrieve(context.Background(), s.Token()); return err })
	<-g.reached
	mine := r.open(s)
	visits.Set(mine, 2)
	r.save(mine)
	r.wantRead("after the save", r.m, s.Token(), 2, "nothing")
	g.let(pass)
	if err := <-reading; err != nil {
		t.Error(err)
	}
	r.wantRead("after the late answer", r.m, s.Token(), 2, "nothing")
}

// A session that is ended by another process is dead here when CacheFor has passed
// since the read began, and can't be saved before.
func TestI10_CacheRevokedElsewhere(t *testing.T) {
	r, elsewhere, late := cachingRig(t)
	s := r.signedIn("hatter")
	token := s.Token()
	r.clock.add(cacheFor)
	g := holdAnswer(&late.get)
	reading := later(func() error { _, err := r.m.Retrieve(context.Background(), token); return err })
	<-g.reached
	r.clock.add(cacheFor / 2)
	if err := elsewhere.Admin().RevokeAll(t.Context(), "hatter"); err != nil {
		t.Fatal(err)
	}
	g.let(pass)
	if err := <-reading; err != nil {
		t.Error(err)
	}
	r.clock.add(cacheFor/2 - time.Millisecond)
	r.wantRead("just before CacheFor", r.m, token, 0, "nothing")
	r.clock.add(time.Millisecond)
	r.wantNotFound("after CacheFor", token)

	again := r.signedIn("hatter")
	if err := elsewhere.Admin().RevokeAll(t.Context(), "hatter"); err != nil {
		t.Fatal(err)
	}
	mine := r.open(again)
	visits.Set(mine, 1)
	r.wantErr("Save", mine.Save(t.Context()), cloakroom.ErrGone)
	r.wantNotFound("after the save has met the end", again.Token())
	r.wantGrave(again.ID(), cloakroom.EndRevoked)
}

// Saves and sign-ins work on the state that others have saved meanwhile.
func TestI3_CacheMergesWithOthers(t *testing.T) {
	r, elsewhere, _ := cachingRig(t)
	s := r.stored(1)
	for _, after := range []time.Duration{0, cacheFor / 2} {
		other := r.openBy(elsewhere, s.Token())
		visits.Update(other, plusOne)
		r.save(other)
		r.clock.add(after)
		mine := r.open(s)
		visits.Update(mine, plusOne)
		r.save(mine)
	}
	r.wantVisits(s.ID(), 5)
	other := r.openBy(elsewhere, s.Token())
	visits.Update(other, plusOne)
	r.save(other)
	mine := r.open(s)
	if err := mine.Login(t.Context(), "hatter", nil); err != nil {
		t.Fatal(err)
	}
	r.wantVisits(mine.ID(), 6)
}

// The store confirms an answer that would turn a visitor away.
func TestI9_CacheRenewedElsewhere(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r, elsewhere, _ := cachingRig(t)
		s := r.stored(1)
		old := r.as(s)
		old.want(200, look)
		g := r.as(s)
		g.m = elsewhere
		g.want(200, renew)
		if g.token == old.token {
			t.Fatal("the renewal handed out no token")
		}
		r.wantRead("with the old token", r.m, old.token, 1, "nothing")
		r.wantRead("with the new token", r.m, g.token, 1, "get 1, update 1") // its first use
	})
}

func TestI11_CacheAndTheIdleTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const idle = cacheFor * 3 / 2
		config := func(keep time.Duration) *cloakroom.Config {
			return &cloakroom.Config{CacheFor: keep, IdleTimeout: idle, TouchEvery: -1}
		}
		r := newRig(t, config(cacheFor))
		elsewhere := r.manager(config(0))
		s := r.stored(1)
		r.clock.add(cacheFor / 2)
		background := r.manager(&cloakroom.Config{
			CacheFor: cacheFor, IdleTimeout: idle,
			Background: func(*http.Request) bool { return true },
		})
		g := r.as(s)
		g.m = background
		g.want(200, look) // remembered, and not touched
		r.clock.add(cacheFor / 2)
		r.wantRead("elsewhere", elsewhere, s.Token(), 1, "get 1, update 1")
		r.clock.add(cacheFor/2 - time.Millisecond)
		g.want(200, look)
		r.clock.add(time.Millisecond) // over, as far as is known here
		g.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			if s.IsNew() {
				t.Error("a session that was in use elsewhere is said to be over")
			}
			return nil
		})
		r.clock.add(cacheFor) // idle, since it was in use elsewhere
		g.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			if !s.IsNew() {
				t.Error("a session that is over opens")
			}
			return nil
		})
		r.wantGrave(s.ID(), cloakroom.EndExpired)
	})
}

// While the store is out of reach, remembered sessions are read, for CacheFor.
func TestI8_CacheDuringAnOutage(t *testing.T) {
	r, _, _ := cachingRig(t)
	s := r.stored(1)
	g := r.as(s)
	r.store.answer(isAny, errNoAnswer)
	g.want(200, look)
	r.clock.add(cacheFor - time.Millisecond)
	g.want(200, look)
	r.clock.add(time.Millisecond)
	if w := g.want(503, look); len(w.Result().Cookies()) != 0 {
		t.Errorf("the response touches the cookie: %v", w.Result().Cookies())
	}
	r.store.heal()
	g.want(200, visit)
	r.wantVisits(s.ID(), 2)
}

// TestInvariantsWithCache runs the tests of invariants once more in managers that
// remember. It leaves out tests that count reads, or look at another manager's change
// at once.
func TestInvariantsWithCache(t *testing.T) {
	if *cacheFlag != 0 {
		t.Skip("it is running")
	}
	out, err := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestI(1|2|3|4|9|10|13|14)(I|_)", "-test.skip=RenewalAgainstWhatIsUnderWay|GraceOfTheOldSecret|RenewAndSaves",
		"-cache="+cacheFor.String(), "-store="+*storeFlag).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// A remembered session opens no longer than it lives.
func TestI11_CacheIsNeverLater(t *testing.T) {
	r := newRig(t, &cloakroom.Config{
		CacheFor: cacheFor, IdleTimeout: cacheFor * 3 / 2,
		Background: func(*http.Request) bool { return true },
	})
	s := r.stored(1)
	g := r.as(s)
	for _, after := range []time.Duration{cacheFor, cacheFor/2 - time.Millisecond, time.Millisecond} {
		r.clock.add(after)
		g.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			if s.IsNew() != (after == time.Millisecond) {
				t.Errorf("after another %v the session is new: %t", after, s.IsNew())
			}
			return nil
		})
	}
	r.wantGrave(s.ID(), cloakroom.EndExpired)
}
