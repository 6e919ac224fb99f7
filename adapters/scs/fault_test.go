package scsstore_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	scsstore "github.com/cloakroom-go/cloakroom/adapters/scs"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file tests databases that lose, delay or deny what they do.

func first(n int, f fate) func(int) fate {
	return func(call int) fate {
		if call <= n {
			return f
		}
		return pass
	}
}

func always(f fate) func(int) fate { return func(int) fate { return f } }

// on gives the operations of one kind their fates.
func on(op string, f func(int) fate) func(string, int) fate {
	return func(name string, n int) fate {
		if name == op {
			return f(n)
		}
		return pass
	}
}

// A lost answer is looked for: the Commit succeeds, and counts as one for those who
// commit next.
func TestLostCommits(t *testing.T) {
	for name, f := range map[string]func(int) fate{
		"lost": first(1, lost), "dropped": first(1, dropped), "denied": first(1, denied), "lost often": first(3, lost), "late": first(1, late),
	} {
		for _, op := range []string{"create", "update"} {
			synctest.Test(t, func(t *testing.T) {
				db := newFaulty(memstore.New(nil), on(op, f))
				s := newStore(t, db, scsstore.Config{})
				if op == "update" {
					commit(t, s, token, "before", time.Now().Add(time.Hour))
				}
				commit(t, s, token, "data", time.Now().Add(time.Hour))
				wantFound(t, s, token, "data")
				db.deliver()
				wantFound(t, s, token, "data")
				commit(t, s, token, "next", time.Now().Add(time.Hour))
				wantFound(t, s, token, "next")
				if t.Failed() {
					t.Fatal(name, op)
				}
			})
		}
	}
}

// A Commit that was answered as a conflict and has happened isn't done again over
// another's.
func TestDeniedCommitIsNotDoneTwice(t *testing.T) {
	mem := memstore.New(nil)
	other := newStore(t, mem, scsstore.Config{})
	db := newFaulty(mem, on("update", func(n int) fate {
		if n == 1 {
			return denied
		}
		return pass
	}))
	s := newStore(t, db, scsstore.Config{})
	commit(t, s, token, "before", time.Now().Add(time.Hour))
	gets := 0
	db.fate = func(op string, n int) fate {
		if op == "get" {
			if gets++; gets == 2 { // after the write
				commit(t, other, token, "the other's", time.Now().Add(time.Hour))
			}
		}
		if op == "update" && n == 1 {
			return denied
		}
		return pass
	}
	commit(t, s, token, "data", time.Now().Add(time.Hour))
	wantFound(t, s, token, "the other's")
}

// What can't be learned is an error that says so, and what certainly didn't happen one
// that doesn't.
func TestOutage(t *testing.T) {
	for name, c := range map[string]struct {
		fate    func(string, int) fate
		unknown bool
	}{
		"reads":             {on("get", always(dropped)), false},
		"creates":           {on("create", always(dropped)), true},
		"burials":           {on("bury", always(dropped)), true},
		"lost burials":      {on("bury", always(lost)), true},
		"conflicts forever": {func(op string, _ int) fate { return map[bool]fate{true: denied}[op == "bury" || op == "create"] }, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			db := newFaulty(memstore.New(nil), c.fate)
			s := newStore(t, db, scsstore.Config{})
			begun := time.Now()
			for doing, err := range map[string]error{
				"Commit": s.Commit(token+"c", nil, begun.Add(time.Hour)), "Delete": s.Delete(token),
			} {
				if err != nil && (!errors.Is(err, driver.ErrUnavailable) || errors.Is(err, driver.ErrUnknown) != c.unknown || errors.Is(err, driver.ErrConflict) || errors.Is(err, driver.ErrGone)) {
					t.Errorf("%s: %s: %v", name, doing, err)
				}
				if err == nil && name == "reads" {
					t.Errorf("%s: %s succeeded", name, doing)
				}
			}
			if took := time.Since(begun); took > 10*time.Second+time.Millisecond {
				t.Errorf("%s: both took %v", name, took)
			}
		})
	}
}

// A Commit that is carried out late meets the grave.
func TestLateCommitMeetsTheGrave(t *testing.T) {
	for _, op := range []string{"create", "update"} {
		synctest.Test(t, func(t *testing.T) {
			mem := memstore.New(nil)
			other := newStore(t, mem, scsstore.Config{})
			if op == "update" {
				commit(t, other, token, "before", time.Now().Add(time.Hour))
			}
			db := newFaulty(mem, on(op, always(late)))
			s := newStore(t, db, scsstore.Config{})
			if err := s.Commit(token, []byte("late"), time.Now().Add(time.Hour)); !errors.Is(err, driver.ErrUnknown) {
				t.Errorf("Commit: %v", err)
			}
			remove(t, other, token)
			db.deliver()
			wantMissing(t, other, token)
		})
	}
}

// A Delete whose answer was lost, or that others overtake, is carried through.
func TestLostDeletes(t *testing.T) {
	for name, f := range map[string]func(int) fate{"lost": first(2, lost), "dropped": first(2, dropped), "denied": first(2, denied), "overtaken": nil} {
		synctest.Test(t, func(t *testing.T) {
			mem := memstore.New(nil)
			other := newStore(t, mem, scsstore.Config{})
			commit(t, other, token, "data", time.Now().Add(time.Hour))
			db := newFaulty(mem, func(op string, n int) fate {
				switch {
				case op != "bury":
					return pass
				case f != nil:
					return f(n)
				default: // somebody commits between each read and each burial
					_ = other.Commit(token, []byte("overtakes"), time.Now().Add(2*time.Hour))
				}
				return pass
			})
			s := newStore(t, db, scsstore.Config{})
			remove(t, s, token)
			wantMissing(t, other, token)
			if err := other.Commit(token, nil, time.Now().Add(time.Hour)); !errors.Is(err, driver.ErrGone) {
				t.Errorf("%s: Commit: %v", name, err)
			}
			rec, err := mem.Get(t.Context(), s.ID(token))
			if !driver.IsGone(rec, err) || rec.Grave.Until.Before(time.Now().Add(23*time.Hour)) || rec.Grave.Reason != driver.EndDestroyed {
				t.Errorf("%s: %+v, error %v", name, rec, err)
			}
		})
	}
}
