package cloakroom_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the outcome of writes where the store vouches for its answers
// (driver.Assurances).

// newCertainRig is a rig whose store vouches for its answers: no test may have it
// repeat a write, nor answer a conflict that isn't one.
func newCertainRig(t testing.TB) *rig {
	t.Helper()
	r := newRig(t, nil)
	r.store.vouch.Answers = true
	r.m = r.manager(nil)
	return r
}

// certainFates are the fates of a store that vouches for its answers.
func certainFates() map[string][]fate {
	certain := map[string][]fate{}
	for name, list := range fates {
		if !slices.Contains(list, denied) && !slices.Contains(list, doubled) {
			certain[name] = list
		}
	}
	return certain
}

// others has another process count so many visits.
func (r *rig) others(s *cloakroom.Session, n int) {
	r.Helper()
	other := r.openBy(r.manager(nil), s.Token())
	for range n {
		visits.Update(other, plusOne)
		r.save(other)
	}
}

func TestI13_CertainFaultsOfASave(t *testing.T) {
	for name, fates := range certainFates() {
		runInBubble(t, name, func(t *testing.T) {
			r := newCertainRig(t)
			s := r.stored(1)
			mine := r.open(s)
			visits.Update(mine, plusOne)
			r.store.fate(isOn("update", s.ID()), fates...)
			if err := mine.Save(t.Context()); err != nil {
				t.Errorf("Save: %v", err)
			}
			r.wantVisits(s.ID(), 2)
			r.store.deliver()
			r.wantVisits(s.ID(), 2)
		})
		runInBubble(t, "a new session, "+name, func(t *testing.T) {
			r := newCertainRig(t)
			r.store.fate(isOp("create"), fates...)
			g := r.guest()
			g.want(200, visit)
			r.store.deliver()
			g.want(200, visit)
			g.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				r.wantVisits(s.ID(), 2)
				return nil
			})
		})
	}
}

// However many writes of others a conflict stands for, the save's outcome is known: it
// didn't happen, and is made anew.
func TestI13_CertainConflict(t *testing.T) {
	for _, n := range []int{1, driver.MaxWriteIDs, driver.MaxWriteIDs + 1, 30} {
		runInBubble(t, fmt.Sprint(n, " others"), func(t *testing.T) {
			r := newCertainRig(t)
			s := r.stored(0)
			mine := r.open(s)
			visits.Update(mine, plusOne)
			write := r.store.hold(isOp("update"))
			saved := later(func() error { return mine.Save(t.Context()) })
			<-write.reached
			r.others(s, n)
			write.let(pass)
			if err := <-saved; err != nil {
				t.Errorf("Save: %v", err)
			}
			r.wantVisits(s.ID(), n+1)
		})
	}
}

// A conflict rules out its own attempt alone. The outcome of an earlier attempt,
// without an answer, is found out or unknown, as elsewhere.
func TestI13_CertainConflictAfterNoAnswer(t *testing.T) {
	runInBubble(t, "found out", func(t *testing.T) {
		r := newCertainRig(t)
		s := r.stored(0)
		mine := r.open(s)
		visits.Update(mine, plusOne)
		r.store.fate(isOp("update"), delayed)
		retry := r.store.hold(isOp("update"))
		saved := later(func() error { return mine.Save(t.Context()) })
		<-retry.reached
		r.store.deliver()
		r.others(s, driver.MaxWriteIDs-1)
		retry.let(pass)
		if err := <-saved; err != nil {
			t.Errorf("Save: %v", err)
		}
		r.wantVisits(s.ID(), driver.MaxWriteIDs)
	})
	runInBubble(t, "found out too late", func(t *testing.T) {
		r := newCertainRig(t)
		s := r.stored(0)
		mine := r.open(s)
		visits.Update(mine, plusOne)
		r.store.fate(isOp("update"), delayed)
		retry := r.store.hold(isOp("update"))
		saved := later(func() error { return mine.Save(t.Context()) })
		<-retry.reached
		r.store.deliver()
		r.others(s, driver.MaxWriteIDs)
		retry.let(pass)
		r.wantErr("Save", <-saved, cloakroom.ErrUnknown, cloakroom.ErrUnavailable)
		r.wantVisits(s.ID(), driver.MaxWriteIDs+1)
	})
}

// A sign-in takes over all that others saved in the old session meanwhile.
func TestI9I13_CertainConflictOfASignIn(t *testing.T) {
	for _, n := range []int{1, driver.MaxWriteIDs + 1, 30} {
		runInBubble(t, fmt.Sprint(n, " others"), func(t *testing.T) {
			r := newCertainRig(t)
			s := r.stored(0)
			mine := r.open(s)
			retire := r.store.hold(isOn("bury", s.ID()))
			done := later(func() error { return mine.Login(t.Context(), "ann", nil) })
			<-retire.reached
			r.others(s, n)
			retire.let(pass)
			if err := <-done; err != nil {
				t.Fatalf("Login: %v", err)
			}
			r.wantVisits(mine.ID(), n)
			r.wantGrave(s.ID(), cloakroom.EndReplaced)
			if l := r.ledger("ann"); len(l.Live) != 1 {
				t.Errorf("the ledger keeps %v, want one device", l.Live)
			}
		})
	}
}

// A record that can't be re-read after a conflict is an outage: nothing is in doubt,
// and the change can be saved later.
func TestI13_CertainConflictThenAnOutage(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newCertainRig(t)
		s := r.stored(0)
		mine := r.open(s)
		visits.Update(mine, plusOne)
		write := r.store.hold(isOp("update"))
		saved := later(func() error { return mine.Save(t.Context()) })
		<-write.reached
		r.others(s, 1)
		r.store.answer(isAny, errNoAnswer)
		write.let(pass)
		err := <-saved
		r.wantErr("Save", err, cloakroom.ErrUnavailable)
		if errors.Is(err, cloakroom.ErrUnknown) || errors.Is(err, cloakroom.ErrConflict) {
			t.Errorf("Save: %v, which is neither unknown nor a conflict", err)
		}
		r.store.heal()
		r.save(mine)
		r.wantVisits(s.ID(), 2)
	})
}

// The first attempt of a create is done late: the second, which finds something there,
// doesn't mean that somebody else made it.
func TestI13_CertainExistsAfterNoAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newCertainRig(t)
		r.store.fate(isOp("create"), delayed)
		retry := r.store.hold(isOp("create"))
		g := r.guest()
		done := later(func() int { return g.do(visit).Code })
		<-retry.reached
		r.store.deliver()
		retry.let(pass)
		if code := <-done; code != http.StatusOK {
			t.Errorf("got status %d, want 200", code)
		}
		g.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			r.wantVisits(s.ID(), 1)
			return nil
		})
	})
}
