package scsstore_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	scsstore "github.com/cloakroom-go/cloakroom/adapters/scs"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/test/brokenstore"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file tests that nothing brings a deleted session back, and what parallel Commits
// leave.

func TestDeleteIsFinal(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db driver.Store) {
		for name, expiry := range map[string]time.Duration{"short": time.Second, "long": 100 * 24 * time.Hour} {
			c := newClock()
			s := newStore(t, db, scsstore.Config{Now: c.Now})
			other := newStore(t, db, scsstore.Config{Now: c.Now})
			token := token + name
			commit(t, s, token, "data", c.Now().Add(expiry))
			remove(t, s, token)
			refused := func(when string) {
				t.Helper()
				sweepAt(t, db, c.Now())
				for _, s := range []*scsstore.Store{s, other} {
					err := s.Commit(token, []byte("back"), c.Now().Add(time.Hour))
					if !errors.Is(err, driver.ErrGone) || errors.Is(err, driver.ErrUnavailable) {
						t.Errorf("%s, %s: Commit: %v", name, when, err)
					}
					wantMissing(t, s, token)
				}
			}
			kept := max(expiry, 24*time.Hour)
			refused("at once")
			c.add(time.Hour)
			refused("an hour later")
			c.add(kept - time.Hour - time.Second)
			refused("at the end")

			// A Delete of what has been deleted begins anew.
			remove(t, other, token)
			c.add(24 * time.Hour)
			refused("after another Delete")
			c.add(time.Second + driver.ClockTolerance + time.Second)
			sweepAt(t, db, c.Now())
			commit(t, s, token, "long after", c.Now().Add(time.Hour))
			wantFound(t, other, token, "long after")
		}
	})
}

// A Delete of nothing leaves a grave too: the session may have expired and been removed
// while a request is under way.
func TestDeleteOfAMissingSession(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db driver.Store) {
		c := newClock()
		s := newStore(t, db, scsstore.Config{Now: c.Now, KeepDeleted: time.Minute})
		commit(t, s, token, "data", c.Now().Add(time.Second))
		c.add(time.Hour)
		if r := sweepAt(t, db, c.Now()); r.Removed != 1 {
			t.Fatalf("swept: %+v", r)
		}
		remove(t, s, token)
		if err := s.Commit(token, nil, c.Now().Add(time.Hour)); !errors.Is(err, driver.ErrGone) {
			t.Errorf("Commit: %v", err)
		}
	})
}

// Of parallel Commits through two Stores each succeeds, and the last one stays.
func TestParallelCommits(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db driver.Store) {
		stores := []*scsstore.Store{newStore(t, db, scsstore.Config{}), newStore(t, db, scsstore.Config{})}
		const callers, times = 4, 10
		var wg sync.WaitGroup
		var ended atomic.Int64
		for i := range callers * len(stores) {
			wg.Go(func() {
				for n := range times {
					last := fmt.Sprint(i, " ", n)
					if err := stores[i%2].Commit(token, []byte(last), time.Now().Add(time.Hour)); err != nil {
						t.Errorf("Commit: %v", err)
					}
					ended.Add(1)
				}
			})
		}
		wg.Wait()
		rec, err := db.Get(t.Context(), stores[0].ID(token))
		if err != nil || rec.Writes != uint64(ended.Load()) {
			t.Errorf("%d writes for %d Commits (%v)", rec.Writes, ended.Load(), err)
		}
		got, _, _ := stores[0].Find(token)
		var i, n int
		if _, err := fmt.Sscan(string(got), &i, &n); err != nil || n != times-1 {
			t.Errorf("%q stayed, which isn't the last of its caller (%v)", got, err)
		}
	})
}

// TestDeleteDuringCommits deletes sessions while others commit them.
func TestDeleteDuringCommits(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db driver.Store) {
		stores := []*scsstore.Store{newStore(t, db, scsstore.Config{}), newStore(t, db, scsstore.Config{})}
		for i := range 20 {
			token := fmt.Sprint(token, i)
			var wg sync.WaitGroup
			begun := make(chan error, 8)
			for c := range cap(begun) {
				wg.Go(func() {
					for n := 0; ; n++ {
						err := stores[c%2].Commit(token, []byte("late"), time.Now().Add(time.Hour))
						if n == 0 {
							begun <- err
						}
						if err != nil && !errors.Is(err, driver.ErrGone) {
							t.Errorf("Commit: %v", err)
						}
						if err != nil {
							return
						}
					}
				})
			}
			for range cap(begun) {
				if err := <-begun; err != nil {
					t.Fatal(err)
				}
			}
			remove(t, stores[1], token)
			wantMissing(t, stores[0], token)
			wg.Wait()
			wantMissing(t, stores[0], token)
		}
	})
}

// comesBack reports whether a session is found again that was deleted between the read
// and the write (op) of a Commit, or after another Commit.
func comesBack(t *testing.T, db driver.Store, op string) bool {
	t.Helper()
	other := newStore(t, db, scsstore.Config{})
	if op == "update" {
		commit(t, other, token, "before", time.Now().Add(time.Hour))
	}
	s := newStore(t, newFaulty(db, func(name string, n int) fate {
		if name == op && n == 1 {
			remove(t, other, token)
		}
		return pass
	}), scsstore.Config{})
	late := s.Commit(token, []byte("late"), time.Now().Add(time.Hour))
	again := other.Commit(token, []byte("again"), time.Now().Add(time.Hour))
	_, found, err := other.Find(token)
	if err != nil {
		t.Fatal(err)
	}
	if !found && (!errors.Is(late, driver.ErrGone) || !errors.Is(again, driver.ErrGone)) {
		t.Errorf("%s: the Commits: %v, %v", op, late, again)
	}
	return found
}

// The Commit reads, the Delete happens, the Commit writes. The last part shows that the
// test notices databases that break a rule on which that rests.
func TestDeleteWithinACommit(t *testing.T) {
	for _, op := range []string{"create", "update"} {
		eachDatabase(t, func(t *testing.T, db driver.Store) {
			if comesBack(t, db, op) {
				t.Errorf("%s: the session came back", op)
			}
		})
	}
	notices := map[string]string{"delete-without-grave": "update", "upsert": "update", "create-replaces": "create", "bury-missing-nothing": "create"}
	for _, v := range brokenstore.All() {
		if op := notices[v.Name]; op != "" {
			delete(notices, v.Name)
			if !comesBack(t, v.Wrap(memstore.New(nil)), op) {
				t.Errorf("%s: nothing came back", v.Name)
			}
		}
	}
	if len(notices) > 0 {
		t.Errorf("there are no %v", notices)
	}
}
