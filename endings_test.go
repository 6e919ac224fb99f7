package cloakroom_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the tests of each way to end a session, or to renew its secret, against
// each operation under way (invariants 2 and 9).

// underWay is something that is on its way to the store when a session of one
// visit ends, or gets another secret.
type underWay struct {
	// before is called before the session is made.
	before func(r *rig)
	// start returns when it is on its way, with a function that lets it go on,
	// and its result if somebody waits for it.
	start func(r *rig, s *cloakroom.Session) (let func(), result <-chan error)
	// saved: the store has done it by then.
	saved bool
	// leaves is how many visits the session has when it has been done.
	leaves int
}

// saving begins the save of a visit.
func (r *rig) saving(s *cloakroom.Session) <-chan error {
	visits.Update(s, plusOne)
	return later(func() error { return s.Save(context.Background()) })
}

var underWays = map[string]underWay{
	"a save": {leaves: 2, start: func(r *rig, s *cloakroom.Session) (func(), <-chan error) {
		g := r.store.hold(isOn("update", s.ID()))
		done := r.saving(s)
		<-g.reached
		return func() { g.let(pass) }, done
	}},
	"a save that arrives after its time": {leaves: 2, start: func(r *rig, s *cloakroom.Session) (func(), <-chan error) {
		r.store.fate(isOn("update", s.ID()), delayed)
		g := r.store.hold(isOn("update", s.ID()))
		done := r.saving(s)
		<-g.reached
		return func() { r.store.deliver(); g.let(delayed) }, done
	}},
	"a queued save": {leaves: 2, start: func(r *rig, s *cloakroom.Session) (func(), <-chan error) {
		queued := r.open(s)
		g, _ := r.blocked(s)
		done := r.saving(queued)
		synctest.Wait()
		return func() { g.let(pass) }, done
	}},
	"a save whose answer was lost": {saved: true, leaves: 2, start: func(r *rig, s *cloakroom.Session) (func(), <-chan error) {
		r.store.fate(isOn("update", s.ID()), lost)
		g := r.store.hold(isOn("get", s.ID()))
		done := r.saving(s)
		<-g.reached
		return func() { g.let(pass) }, done
	}},
	"a save that was not done, about to be tried again": {leaves: 2, start: func(r *rig, s *cloakroom.Session) (func(), <-chan error) {
		r.store.fate(isOn("update", s.ID()), dropped)
		g := r.store.hold(isOn("get", s.ID()))
		done := r.saving(s)
		<-g.reached
		return func() { g.let(pass) }, done
	}},
	"a save that is done twice": {saved: true, leaves: 2, start: func(r *rig, s *cloakroom.Session) (func(), <-chan error) {
		r.store.fate(isOn("update", s.ID()), copied)
		if err := <-r.saving(s); err != nil {
			r.Error(err)
		}
		return func() {}, nil
	}},
	"a save after the request": {leaves: 2, start: func(r *rig, s *cloakroom.Session) (func(), <-chan error) {
		open := make(chan struct{})
		visits.Update(s, plusOne)
		done := later(func() error {
			<-open
			return s.Save(context.Background())
		})
		return func() { close(open) }, done
	}},
	"a transaction": {leaves: 9, start: func(r *rig, s *cloakroom.Session) (func(), <-chan error) {
		g := r.store.hold(isOn("update", s.ID()))
		done := later(func() error {
			return s.Update(context.Background(), func(tx *cloakroom.Tx) error { visits.Set(tx, 9); return nil })
		})
		<-g.reached
		return func() { g.let(pass) }, done
	}},
	"a touch": {leaves: 1, start: func(r *rig, s *cloakroom.Session) (func(), <-chan error) {
		r.clock.add(2 * time.Minute)
		g := r.store.hold(isOn("update", s.ID()))
		r.as(s).want(200, look)
		<-g.reached
		return func() { g.let(pass) }, nil
	}},
	"a reader with a touch due": {leaves: 1, start: func(r *rig, s *cloakroom.Session) (func(), <-chan error) {
		r.clock.add(2 * time.Minute)
		read, open := make(chan struct{}), make(chan struct{})
		done := later(func() int {
			return r.as(s).do(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				visits.Get(s)
				close(read)
				<-open
				return nil
			}).Code
		})
		<-read
		return func() {
			close(open)
			if code := <-done; code != 200 {
				r.Errorf("the request that only read got the status %d", code)
			}
		}, nil
	}},
	"its own create, once more": {
		leaves: 1,
		before: func(r *rig) {
			r.store.fate(func(c *call) bool { return isOp("create")(c) && c.rec.Principal != "" }, delayed)
		},
		start: func(r *rig, _ *cloakroom.Session) (func(), <-chan error) {
			return func() {
				if n := r.store.deliver(); n != 1 {
					r.Errorf("%d writes were late, want the create", n)
				}
			}, nil
		},
	},
	"a renewal": {leaves: 1, start: func(r *rig, s *cloakroom.Session) (func(), <-chan error) {
		g := r.store.hold(isOn("update", s.ID()))
		done := later(func() error { return s.Renew(context.Background()) })
		<-g.reached
		return func() { g.let(pass) }, done
	}},
	"an admin's update": {leaves: 9, start: func(r *rig, s *cloakroom.Session) (func(), <-chan error) {
		g := r.store.hold(isOn("update", s.ID()))
		done := later(func() error {
			return r.m.Admin().Update(context.Background(), s.ID(), func(tx *cloakroom.Tx) error { visits.Set(tx, 9); return nil })
		})
		<-g.reached
		return func() { g.let(pass) }, done
	}},
}

// ending ends a session that was opened before. It returns the session that took over.
type ending struct {
	why cloakroom.EndReason
	end func(r *rig, s *cloakroom.Session) (successor *cloakroom.Session)
	// unread says that it buries a session that it hasn't read, or not lately, so that
	// its grave doesn't tell which saves came before.
	unread bool
}

var endings = map[string]ending{
	"Destroy": {why: cloakroom.EndDestroyed, unread: true, end: func(r *rig, s *cloakroom.Session) *cloakroom.Session {
		if err := s.Destroy(context.Background()); err != nil {
			r.Errorf("Destroy: %v", err)
		}
		return nil
	}},
	"Revoke": {why: cloakroom.EndRevoked, end: func(r *rig, s *cloakroom.Session) *cloakroom.Session {
		if err := r.m.Admin().Revoke(context.Background(), s.ID()); err != nil {
			r.Errorf("Revoke: %v", err)
		}
		return nil
	}},
	"Revoke in another process": {why: cloakroom.EndRevoked, end: func(r *rig, s *cloakroom.Session) *cloakroom.Session {
		if err := cloakroom.NewAdmin(r.store, "").Revoke(context.Background(), s.ID()); err != nil {
			r.Errorf("Revoke: %v", err)
		}
		return nil
	}},
	"RevokeAll": {why: cloakroom.EndRevoked, end: func(r *rig, _ *cloakroom.Session) *cloakroom.Session {
		if err := r.m.Admin().RevokeAll(context.Background(), "ann"); err != nil {
			r.Errorf("RevokeAll: %v", err)
		}
		return nil
	}},
	"the limit per principal": {why: cloakroom.EndOverLimit, end: func(r *rig, _ *cloakroom.Session) *cloakroom.Session {
		m := r.manager(&cloakroom.Config{MaxPerPrincipal: 1})
		s, err := m.Create(context.Background())
		if err == nil {
			err = s.Login(context.Background(), "ann", nil)
		}
		if err != nil {
			r.Errorf("Login: %v", err)
		}
		return nil
	}},
	"expiry": {why: cloakroom.EndExpired, end: func(r *rig, s *cloakroom.Session) *cloakroom.Session {
		r.clock.add(25 * time.Hour)
		if _, err := r.manager(nil).Retrieve(context.Background(), s.Token()); !errors.Is(err, cloakroom.ErrNotFound) {
			r.Errorf("Retrieve after the idle timeout: %v", err)
		}
		return nil
	}},
	"Login": {why: cloakroom.EndReplaced, end: func(r *rig, s *cloakroom.Session) *cloakroom.Session {
		if err := s.Login(context.Background(), "ann", nil); err != nil {
			r.Errorf("Login: %v", err)
		}
		return s
	}},
}

// begun returns a rig with a session of one visit, and the operation under way in it.
func (way underWay) begun(t *testing.T) (r *rig, s *cloakroom.Session) {
	r = newRig(t, nil)
	if way.before != nil {
		way.before(r)
	}
	s = r.signedIn("ann")
	visits.Set(s, 1)
	r.save(s)
	return r, s
}

// Nothing that is under way when a session ends brings it back.
func TestI2_NothingComesBack(t *testing.T) {
	for endName, ending := range endings {
		for name, way := range underWays {
			runInBubble(t, endName+" against "+name, func(t *testing.T) {
				r, s := way.begun(t)
				id, token := s.ID(), s.Token()
				ender := r.open(s)
				let, result := way.start(r, r.open(s))
				successor := ending.end(r, ender)
				r.wantGrave(id, ending.why)
				if _, err := r.store.Sweep(t.Context(), r.clock.now()); err != nil {
					t.Error(err)
				}
				let()
				if result != nil {
					switch err := <-result; {
					case !way.saved:
						r.wantErr(name, err, cloakroom.ErrGone)
					case ending.unread:
						r.wantErr(name, err, cloakroom.ErrGone, cloakroom.ErrUnknown)
					case err != nil:
						t.Errorf("%s, which was done before the end: %v", name, err)
					}
				}
				synctest.Wait()
				r.store.deliver()
				r.wantGrave(id, ending.why)
				if successor != nil {
					want := 1
					if way.saved {
						want = way.leaves
					}
					r.wantVisits(successor.ID(), want)
				}
				r.clock.add(3 * time.Minute) // past RenewGrace and the clock tolerance
				r.wantShut(id, token)
				r.store.deliver()
				r.wantGrave(id, ending.why)
			})
		}
	}
}

// An operation that is under way when a session gets another secret is not lost, and
// doesn't bring the old secret back.
func TestI9_RenewalAgainstWhatIsUnderWay(t *testing.T) {
	for name, way := range underWays {
		for _, elsewhere := range []bool{false, true} {
			runInBubble(t, fmt.Sprint(name, ", elsewhere ", elsewhere), func(t *testing.T) {
				r, s := way.begun(t)
				id, old := s.ID(), s.Token()
				mine, g := r.open(s), r.as(s)
				if elsewhere {
					g.m = r.manager(nil)
				}
				let, result := way.start(r, mine)
				renewing := later(func() int { return g.do(renew).Code })
				if elsewhere { // it comes first; in this process it waits for what is in flight
					synctest.Wait()
					if g.token == old {
						t.Error("the renewal handed out no token")
					}
				}
				let()
				if code := <-renewing; code != 200 {
					t.Errorf("the renewal got the status %d", code)
				}
				if result != nil {
					if err := <-result; err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
				synctest.Wait()
				r.store.deliver()
				fresh := map[string]bool{g.token: true, mine.Token(): true}
				delete(fresh, old)
				delete(fresh, "")
				if len(fresh) != 1 {
					t.Fatalf("there are %d new tokens, want 1", len(fresh))
				}
				for g.token = range fresh {
					g.wantReads("the new", way.leaves)
				}
				synctest.Wait()
				r.clock.add(3 * time.Minute) // past RenewGrace and the clock tolerance
				r.wantShut(id, old)
				g.wantReads("after the grace the new", way.leaves)
				r.wantVisits(id, way.leaves)
			})
		}
	}
}
