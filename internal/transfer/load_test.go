package transfer_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/transfer"
)

// This file is the judgement of a move beside visitors who go on all the time: what they
// were told to be saved is there once, and who has left stays out.

var writes = cloakroom.NewKey[[]int]("log")

// walker is a visitor who writes numbers down, and remembers what was acknowledged.
type walker struct {
	visitor
	name    string // to sign in as: another's sign-in would begin with nothing
	n       int
	told    map[int]bool // a number that was written: acknowledged?
	login   bool
	out     bool // was signed out, and that was acknowledged
	leaving bool // was to be signed out, and nobody knows whether that happened
	old     []*http.Cookie
}

// step makes one request, chosen by chance.
func (w *walker) step(s *site, r *rand.Rand) {
	switch p := r.IntN(100); {
	case p < 2:
		if code := s.do(&w.visitor, logout); code == http.StatusOK {
			w.out = true
		} else {
			w.leaving = true
		}
	case p < 5 && len(w.told) > 0:
		before := w.cookie
		if code := s.do(&w.visitor, login(w.name)); code != http.StatusOK {
			w.leaving = true // nobody knows which of the sessions is theirs
			return
		}
		w.old, w.login = append(w.old, before), true
	case p < 8 && len(w.told) > 0:
		if code := s.do(&w.visitor, func(r *http.Request, s *cloakroom.Session) error { return s.Renew(r.Context()) }); code != http.StatusOK {
			w.leaving = true // perhaps the cookie that is kept is good for a short while
		}
	default:
		w.n++
		n := w.n
		code := s.do(&w.visitor, func(_ *http.Request, s *cloakroom.Session) error {
			writes.Update(s, func(l []int) []int { return append(slices.Clone(l), n) })
			return nil
		})
		w.told[n] = code == http.StatusOK
		if code == http.StatusOK || w.cookie != nil {
			return
		}
		delete(w.told, n) // it wasn't told the cookie of the session, if there is one
	}
}

// check checks what a walker finds in the end.
func (w *walker) check(t *testing.T, s *site) {
	t.Helper()
	if w.leaving || w.cookie == nil {
		return
	}
	var is bool
	var log []int
	s.must(&w.visitor, func(_ *http.Request, s *cloakroom.Session) error {
		is, log = !s.IsNew(), writes.Get(s)
		return nil
	})
	if w.out {
		if is {
			t.Errorf("a visitor who was signed out is back, with %v", log)
		}
		return
	}
	seen := map[int]bool{}
	for _, n := range log {
		if _, tried := w.told[n]; !tried || seen[n] {
			t.Errorf("%d is there twice, or wasn't written: %v", n, log)
		}
		seen[n] = true
	}
	for n, acknowledged := range w.told {
		if acknowledged && !seen[n] {
			t.Errorf("%d was acknowledged, and is lost: %v of %d", n, log, w.n)
		}
	}
	for _, old := range w.old {
		v := &visitor{cookie: old}
		s.must(v, func(_ *http.Request, s *cloakroom.Session) error {
			if len(writes.Get(s)) > 0 {
				t.Error("the cookie from before a sign-in opens a session")
			}
			return nil
		})
	}
}

// walk has visitors walk about in one site, and after the cut in the other. steps is given
// a function that has them make so many requests beside a step of the move.
func walk(t *testing.T, from, to driver.Store, n int, steps func(beside func(requests int, do func() error) error) error) {
	t.Helper()
	old, next := hastySite(t, from), newSite(t, to)
	turns := make(chan struct{})
	var mu sync.Mutex
	var walkers []*walker
	var wg sync.WaitGroup
	for i := range n {
		born := func() *walker {
			w := &walker{told: map[int]bool{}, name: fmt.Sprint("user", i%7)}
			mu.Lock()
			defer mu.Unlock()
			walkers = append(walkers, w)
			return w
		}
		wg.Go(func() {
			r := rand.New(rand.NewPCG(rand.Uint64(), uint64(i)))
			w := born()
			for range turns {
				if w.step(old, r); w.out || w.leaving {
					w = born()
				}
			}
			for range 15 {
				if w.step(next, r); w.out || w.leaving {
					w = born()
				}
			}
		})
	}
	err := steps(func(requests int, do func() error) error {
		var err error
		var work sync.WaitGroup
		for i := range requests {
			turns <- struct{}{}
			if i == requests/4 {
				work.Go(func() { err = do() })
			}
		}
		work.Wait()
		return err
	})
	close(turns)
	wg.Wait()
	old.m.Close() // it has writes left, which it makes when the fence ends
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range walkers {
		w.check(t, next)
	}
}

// passes makes some passes beside visitors, and then cuts.
func passes(t *testing.T, m *transfer.Mover, found *findings) func(beside func(int, func() error) error) error {
	return func(beside func(int, func() error) error) error {
		for range 3 {
			if err := beside(300, func() error {
				_, err := m.Pass(t.Context())
				return err
			}); err != nil {
				return err
			}
		}
		var o transfer.CutOptions
		if o.Changed = rand.IntN(2) == 0; o.Changed {
			if err := beside(200, func() error {
				_, err := m.Verify(t.Context())
				return err
			}); err != nil {
				return err
			}
		}
		return beside(300, func() error {
			cut, err := m.Cut(t.Context(), o)
			t.Logf("%+v %+v", o, cut)
			if err == nil && cut.From != cut.To {
				err = errors.New("the counts differ")
			}
			if err != nil {
				err = fmt.Errorf("%w\n%s", err, found)
			}
			return err
		})
	}
}

// TestUnderLoad moves beside visitors who go on, and who go on at the target afterwards.
func TestUnderLoad(t *testing.T) {
	eachPair(t, func(t *testing.T, from, to driver.Store) {
		m, found := mover(t, from, to, nil)
		walk(t, from, to, 60, passes(t, m, found))
		if s := found.String(); s != "" {
			t.Error(s)
		}
	})
}

// TestLostAnswers does the same where the target loses answers, and carries writes out
// late, twice or not at all.
func TestLostAnswers(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			from, to := newFile(t), kind.open(t)
			l := newLoser(t, to, 0.3)
			m, found := mover(t, from, l, nil)
			walk(t, from, to, 40, func(beside func(int, func() error) error) error {
				if err := passes(t, m, found)(beside); err != nil {
					return err
				}
				l.late.Wait()
				// What was carried out late has changed nothing.
				again, f := mover(t, from, to, nil)
				if c, err := again.Compare(t.Context()); err != nil || c.Different+c.Own != 0 {
					return fmt.Errorf("%+v %w\n%s", c, err, f)
				}
				return nil
			})
			if s := found.String(); s != "" {
				t.Error(s)
			}
			for fate := range l.fates {
				if l.fates[fate].Load() == 0 {
					t.Errorf("no write met fate %d", fate)
				}
			}
		})
	}
}
