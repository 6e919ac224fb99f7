package elasticstore

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests a Manager on this store.

func newManager(t *testing.T, s driver.Store) *cloakroom.Manager {
	t.Helper()
	keyring, err := cloakroom.NewKeyring([]byte("a secret of a test: 32 bytes, no more"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := cloakroom.New(s, keyring, &cloakroom.Config{SweepEvery: -1, SaveTimeout: patient})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// TestI1_NoSaveIsLostNorDoubled: two processes save into one session while every fifth
// answer to a write is lost.
func TestI1_NoSaveIsLostNorDoubled(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	f := newFaulty(l.client)
	managers := []*cloakroom.Manager{newManager(t, l.open(t, f, nil)), newManager(t, l.open(t, f, nil))}
	first, err := managers[0].Create(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	n := cloakroom.NewKey[int]("n")
	f.set(onKind("_bulk", func(req *http.Request, body []byte, send func() (*http.Response, error)) (*http.Response, error) {
		if rand.IntN(5) == 0 {
			return broken(req, body, send)
		}
		return send()
	}))
	var done, unknown atomic.Int64
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for range 10 {
				s, err := managers[i%2].Retrieve(testContext(t), first.Token())
				if err != nil {
					t.Error(err)
					return
				}
				err = s.Update(testContext(t), func(tx *cloakroom.Tx) error {
					n.Update(tx, func(n int) int { return n + 1 })
					return nil
				})
				switch {
				case err == nil:
					done.Add(1)
				case errors.Is(err, driver.ErrUnknown):
					unknown.Add(1)
				case !errors.Is(err, driver.ErrUnavailable):
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	f.set(nil)
	s, err := managers[0].Retrieve(testContext(t), first.Token())
	if err != nil {
		t.Fatal(err)
	}
	if got := int64(n.Get(s)); got < done.Load() || got > done.Load()+unknown.Load() || done.Load() == 0 {
		t.Errorf("the count is %d after %d updates that were acknowledged and %d whose outcome was unknown", got, done.Load(), unknown.Load())
	}
}

// TestI10_SignOutEverywhere signs out everywhere, on a real index of ledgers.
func TestI10_SignOutEverywhere(t *testing.T) {
	t.Parallel()
	_, s := newStore(t)
	m := newManager(t, s)
	var tokens []string
	for range 3 {
		session, err := m.Create(testContext(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := session.Login(testContext(t), "alice", nil); err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, session.Token())
	}
	if err := m.Admin().RevokeAll(testContext(t), "alice"); err != nil {
		t.Fatal(err)
	}
	for _, token := range tokens {
		_, err := m.Retrieve(testContext(t), token)
		wantError(t, err, driver.ErrNotFound)
	}
}
