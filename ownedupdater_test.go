package cloakroom_test

import (
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file is the test of stores that keep the record that they are given
// (driver.OwnedUpdater).

// TestOwnedUpdates: two managers save one session in a bare memstore, which is an
// OwnedUpdater, as the wrapped stores of the other tests are not. No save is lost,
// and no record changes once it was handed out.
func TestOwnedUpdates(t *testing.T) {
	const callers, each = 4, 25
	store := memstore.New(nil)
	defer func() { _ = store.Close() }()
	var managers []*cloakroom.Manager
	for range 2 {
		keyring, err := cloakroom.NewKeyring([]byte("a secret of a test: 32 bytes, no more"))
		if err != nil {
			t.Fatal(err)
		}
		m, err := cloakroom.New(store, keyring, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = m.Close() }()
		managers = append(managers, m)
	}
	s, err := managers[0].Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	visits.Set(s, 0)
	if err := s.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	token, id := s.Token(), s.ID()

	var unknown atomic.Int64
	var all sync.WaitGroup
	for _, m := range managers {
		for range callers {
			all.Go(func() {
				for range each {
					rec, err := store.Get(t.Context(), id)
					if err != nil {
						t.Error(err)
						return
					}
					before := *rec
					before.Values, before.WriteIDs = append(driver.ValueList(nil), rec.Values...), append([]driver.WriteID(nil), rec.WriteIDs...)
					s, err := m.Retrieve(t.Context(), token)
					if err == nil {
						visits.Update(s, plusOne)
						err = s.Save(t.Context())
					}
					switch {
					case errors.Is(err, cloakroom.ErrUnknown): // the others wrote more than MaxWriteIDs times meanwhile
						unknown.Add(1)
					case err != nil:
						t.Error(err)
					}
					if !reflect.DeepEqual(*rec, before) {
						t.Errorf("a record that was handed out became %+v, it was %+v", *rec, before)
					}
				}
			})
		}
	}
	all.Wait()
	s, err = managers[1].Retrieve(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	n, least := visits.Get(s), int(2*callers*each-unknown.Load())
	if n < least || n > 2*callers*each || least == 0 {
		t.Errorf("%d visits are kept, of %d saves; of %d the outcome is unknown", n, 2*callers*each, unknown.Load())
	}
}
