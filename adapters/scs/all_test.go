package scsstore_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"

	scsstore "github.com/cloakroom-go/cloakroom/adapters/scs"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file tests the list of sessions.

func TestAllNeedsHashes(t *testing.T) {
	for _, c := range []scsstore.Config{{}, {Manager: scs.New()}} {
		s := newStore(t, memstore.New(nil), c)
		commit(t, s, token, "data", time.Now().Add(time.Hour))
		if all, err := s.All(); !errors.Is(err, scsstore.ErrNoTokens) || all != nil {
			t.Errorf("All: %v, error %v", all, err)
		}
	}
}

func TestAll(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db driver.Store) {
		c := newClock()
		hashing := scs.New()
		hashing.HashTokenInStore = true
		s := newStore(t, db, scsstore.Config{Now: c.Now, Manager: hashing})
		if all, err := s.All(); err != nil || all == nil || len(all) != 0 {
			t.Errorf("of none: %v, error %v", all, err)
		}
		commit(t, newStore(t, db, scsstore.Config{Now: c.Now, App: "other", Manager: hashing}), token, "another's", c.Now().Add(time.Hour))
		commit(t, newStore(t, db, scsstore.Config{Now: c.Now}), token+"unhashed", "unknown to All", c.Now().Add(time.Hour))
		for i := range 5 {
			commit(t, s, fmt.Sprint(token, i), fmt.Sprint(i), c.Now().Add(time.Duration(i)*time.Minute))
		}
		commit(t, s, "\xff", "any text", c.Now().Add(time.Hour))
		remove(t, s, token+"4")
		c.add(2 * time.Minute)
		all, err := s.AllCtx(t.Context())
		if err != nil || len(all) != 2 || string(all[token+"3"]) != "3" || string(all["\xff"]) != "any text" {
			t.Errorf("%q, error %v", all, err)
		}
		for token := range all {
			remove(t, s, token)
		}
		if all, err := s.All(); err != nil || len(all) != 0 {
			t.Errorf("after their end: %q, error %v", all, err)
		}
	})
}
