package cloakroom_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of replays: a session's changes on the state that others left
// (invariants 3 and 13).

// hooked is a store that calls a function before each write.
type hooked struct {
	cloakroom.Store
	before func()
}

func (h *hooked) call() {
	if f := h.before; f != nil {
		h.before = nil
		f()
	}
}

func (h *hooked) Create(ctx context.Context, r *driver.Record) (driver.Version, error) {
	h.call()
	return h.Store.Create(ctx, r)
}

func (h *hooked) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	h.call()
	return h.Store.Update(ctx, r)
}

// TestPanicInReplay: a function may panic when it is run again, on values that others
// saved meanwhile or after a save that was under way. That is an error of the save. The
// caller of Save may be any goroutine: a panic there would end the process.
func TestPanicInReplay(t *testing.T) {
	// twice is a function that does well once.
	twice := func() func(int) int {
		n := 0
		return func(x int) int {
			if n++; n > 1 {
				panic("not again")
			}
			return x + 1
		}
	}
	n := cloakroom.NewKey[int]("n")
	wantError := func(t *testing.T, what string, save func() error) {
		t.Helper()
		defer func() {
			if p := recover(); p != nil {
				t.Errorf("%s: Save panics: %v", what, p)
			}
		}()
		if err := save(); err == nil || !strings.Contains(err.Error(), "panicked") {
			t.Errorf("%s: %v", what, err)
		}
	}
	desks := func(t *testing.T) (*desk, *hooked) {
		h := &hooked{Store: openStore(t)}
		return newDeskOn(t, h, testKeyring(t), nil), h
	}
	ctx := context.Background()
	t.Run("on a conflict", func(t *testing.T) {
		d, h := desks(t)
		s, tok := d.begun("n=1")
		other := newDeskOn(t, h.Store, d.keyring, nil).open(tok)
		n.Update(s, twice())
		n.Set(other, 10)
		d.save(other)
		wantError(t, "save", func() error { return s.Save(ctx) })
		d.wantKept(tok, "n=10")
	})
	t.Run("logged while a save is under way", func(t *testing.T) {
		d, h := desks(t)
		s, tok := d.begun("n=1")
		h.before = func() { n.Update(s, twice()) }
		hat.Set(s, "cap")
		wantError(t, "the save under way, or the one after it", func() error {
			if err := s.Save(ctx); err != nil {
				return err
			}
			return s.Save(ctx)
		})
		d.wantKept(tok, `hat="cap" n=1`)
	})
	t.Run("logged while a new session is made", func(t *testing.T) {
		d, h := desks(t)
		defer func() {
			if p := recover(); p != nil {
				t.Errorf("the handler panics: %v", p)
			}
		}()
		resp := d.ask(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
			h.before = func() { n.Update(s, twice()) }
			hat.Set(s, "cap")
			return s.Save(r.Context())
		})
		if resp.StatusCode != http.StatusInternalServerError {
			t.Errorf("status %d", resp.StatusCode)
		}
	})
}

// TestI1_UpdateFailsAfterMerge: an update is logged while a save is under way. That
// save meets somebody else's, after which the update can't be run. The next save has to
// say so. To save the present values without it would lose the update in silence.
func TestI1_UpdateFailsAfterMerge(t *testing.T) {
	h := &hooked{Store: openStore(t)}
	d := newDeskOn(t, h, testKeyring(t), nil)
	elsewhere := newDeskOn(t, h.Store, d.keyring, nil)
	s, tok := d.begun("n=1")
	n := cloakroom.NewKey[int]("n")
	h.before = func() {
		n.Update(s, plusOneMore)
		other := elsewhere.open(tok)
		cloakroom.NewKey[string]("n").Set(other, "text")
		elsewhere.save(other)
	}
	hat.Set(s, "cap")
	if err := s.Save(context.Background()); err != nil {
		t.Fatalf("the save under way, which has no part in it: %v", err)
	}
	d.wantKept(tok, `hat="cap" n="text"`)
	if err := s.Save(context.Background()); err == nil || !strings.Contains(err.Error(), `"n"`) {
		t.Errorf("the save of the update: %v; the store keeps %s", err, d.kept(tok))
	}
	n.Set(s, 5)
	d.save(s)
	d.wantKept(tok, `hat="cap" n=5`)
}

// TestI3_SlowRequest: a request that takes so long that others save the session
// more often than write ids are kept is merged like any other. Nothing of it was sent
// before they were done.
func TestI3_SlowRequest(t *testing.T) {
	n := cloakroom.NewKey[int]("n")
	for _, others := range []int{1, driver.MaxWriteIDs, driver.MaxWriteIDs + 1, 3 * driver.MaxWriteIDs} {
		t.Run(fmt.Sprintf("%d saves in between", others), func(t *testing.T) {
			d := newDesk(t, nil)
			_, tok := d.begun("n=0")
			resp := d.ask(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				for range others {
					other := d.open(tok)
					n.Update(other, plusOneMore)
					d.save(other)
				}
				n.Update(s, plusOneMore)
				return nil
			}, bring(tok))
			if resp.StatusCode != http.StatusOK {
				t.Errorf("the slow request: status %d: %s", resp.StatusCode, d.log)
			}
			d.wantKept(tok, fmt.Sprintf("n=%d", others+1))
		})
	}
}

// TestUpdateDoesNotHeal: a value that couldn't be encoded is lost. An update of
// the value before it must not cover that up.
func TestUpdateDoesNotHeal(t *testing.T) {
	eachValues(t, []string{"n=1"}, func(t *testing.T, d *desk, v cloakroom.Values, finish func() error, tok string) {
		v.SetRaw("n", json.RawMessage("{"))
		cloakroom.NewKey[int]("n").Update(v, plusOneMore)
		if err := finish(); err == nil {
			t.Errorf("it is saved: the store keeps %s", d.kept(tok))
		}
	})
}

// TestSessionInParallel uses one session from many goroutines, for the race
// detector, and counts.
func TestSessionInParallel(t *testing.T) {
	d := newDesk(t, nil)
	s, tok := d.begun("n=0")
	n := cloakroom.NewKey[int]("n")
	var all sync.WaitGroup
	const goroutines, rounds = 8, 20
	for i := range goroutines {
		own := cloakroom.NewKey[int](fmt.Sprintf("own%d", i))
		all.Go(func() {
			for round := range rounds {
				n.Update(s, plusOneMore)
				own.Set(s, round)
				if got := own.Get(s); got != round {
					t.Errorf("goroutine %d reads %d in round %d", i, got, round)
				}
				s.SetRaw("passing", json.RawMessage("1"))
				s.Unset("passing")
				for name := range s.Names() {
					s.Raw(name)
				}
				_, _, _, _ = s.ID(), s.Token(), s.Info(), s.IsNew()
				if err := s.Save(context.Background()); err != nil || s.Err() != nil {
					t.Errorf("Save: %v, Err: %v", err, s.Err())
				}
			}
		})
	}
	all.Wait()
	d.save(s)
	want := fmt.Sprintf("n=%d", goroutines*rounds)
	for i := range goroutines {
		want += fmt.Sprintf(" own%d=%d", i, rounds-1)
	}
	d.wantKept(tok, want)
}

// TestRandomChanges does anything to a session, in any order, and compares with
// a plain map.
func TestRandomChanges(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	d := newDesk(t, nil)
	names := []string{"a", "b", "c", "d"}
	for range 300 {
		s, tok := d.begun()
		model := map[string]int{}
		var history []string
		for range random.IntN(30) {
			name, value := names[random.IntN(len(names))], random.IntN(3)
			key := cloakroom.NewKey[int](name)
			what := random.IntN(7)
			history = append(history, fmt.Sprintf("%d %s %d", what, name, value))
			switch what {
			case 0, 1:
				key.Set(s, value)
				model[name] = value
			case 2:
				key.Delete(s)
				delete(model, name)
			case 3:
				key.Update(s, func(n int) int { return 2*n + value })
				model[name] = 2*model[name] + value
			case 4:
				if err := s.Update(context.Background(), func(tx *cloakroom.Tx) error {
					key.Update(tx, func(n int) int { return n - value })
					cloakroom.NewKey[int]("a").Delete(tx)
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				model[name] -= value
				delete(model, "a")
			case 5:
				d.save(s)
			case 6:
				if key.Pop(s) != model[name] {
					t.Errorf("Pop after %q", history)
				}
				delete(model, name)
			}
			if got, want := listed(s), plainList(model); got != want {
				t.Fatalf("after %q it reads %s, want %s", history, got, want)
			}
		}
		d.save(s)
		if got, want := d.kept(tok), plainList(model); got != want {
			t.Fatalf("after %q the store keeps %s, want %s", history, got, want)
		}
	}
}

func plainList(m map[string]int) string {
	var b bytes.Buffer
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for n := range m {
			if !yield(n) {
				return
			}
		}
	}) {
		fmt.Fprintf(&b, " %s=%d", name, m[name])
	}
	return strings.TrimPrefix(b.String(), " ")
}

// A save that waits behind another is told that the session has ended once that
// is so: not while it is still open to others, nor if the sign-out fails.
func TestI13_NobodyIsToldOfAnEndBeforeIt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(1)
		ender := r.open(s)
		g, inFlight := r.blocked(s)
		queued := r.saving(r.open(s))
		synctest.Wait()
		r.store.answer(isOn("bury", s.ID()), errNoAnswer)
		ended := later(func() error { return ender.Destroy(t.Context()) })
		synctest.Wait()
		g.let(pass)
		if err := errors.Join(<-inFlight, <-queued); err != nil {
			t.Errorf("a save beside a sign-out that failed: %v", err)
		}
		r.wantErr("the sign-out", <-ended, cloakroom.ErrUnknown, cloakroom.ErrUnavailable)
		r.wantVisits(s.ID(), 2)
	})
}

// A change that is refused in view of another's, which is about to be written along, is
// asked again if the other isn't written.
func TestI13_RefusalsRestOnWhatIsWritten(t *testing.T) {
	errUsed := errors.New("used already")
	for name, written := range map[string]bool{"written": true, "not written": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := newRig(t, nil)
				s := r.stored(1)
				g, _ := r.blocked(s)
				use := func() <-chan error {
					s := r.open(s)
					done := later(func() error {
						return s.Update(context.Background(), func(tx *cloakroom.Tx) error {
							if visits.Get(tx) > 1 {
								return errUsed
							}
							visits.Set(tx, 2)
							return nil
						})
					})
					synctest.Wait()
					return done
				}
				first, second := use(), use()
				if !written {
					next := 0
					r.store.hook(func(c *call) fate {
						if c.err = errFull; !isOn("update", s.ID())(c) || next != 0 {
							return pass
						}
						next++
						return answered
					})
				}
				g.let(pass)
				if written {
					r.wantErr("the second", <-second, errUsed)
					if err := <-first; err != nil {
						t.Error(err)
					}
				} else {
					r.wantErr("the first", <-first, cloakroom.ErrOverloaded)
					if err := <-second; err != nil {
						t.Errorf("the second, after the first was not written: %v", err)
					}
				}
				r.wantVisits(s.ID(), 2)
			})
		})
	}
}
