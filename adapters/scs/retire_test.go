package scsstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/alexedwards/scs/v2"

	"github.com/cloakroom-go/cloakroom"
	scsstore "github.com/cloakroom-go/cloakroom/adapters/scs"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file tests imports from a Store, whose sessions have versions.

// storeSwitch is an old application on a Store, and a new one that imports from it by a
// database with faults.
type storeSwitch struct {
	old  *scs.SessionManager
	db   *faulty
	m    *cloakroom.Manager
	v    *traveller
	slow context.Context // of a request to an old process that has read the session
}

func newStoreSwitch(t *testing.T, fate func(op string, n int) fate) *storeSwitch {
	mem := memstore.New(nil)
	w := &storeSwitch{db: newFaulty(mem, fate), v: newTraveller(t)}
	w.old = newOld(nil, nil)
	w.old.Store = newStore(t, mem, scsstore.Config{})
	again := newOld(nil, nil)
	again.Store = newStore(t, w.db, scsstore.Config{})
	w.m = newNew(t, newImporter(t, again, nil), func(c *cloakroom.Config) { c.Logger = slog.New(slog.NewTextHandler(io.Discard, nil)) })
	w.v.signsInAtOld(w.old)
	w.v.with("old").atOld(w.old, func(ctx context.Context) { w.slow = ctx })
	return w
}

// TestImportFromStoreBesideOldProcesses: nothing that an old process saves is lost. Either
// it is taken over, or it isn't acknowledged.
func TestImportFromStoreBesideOldProcesses(t *testing.T) {
	for _, at := range []string{"get 1", "get 2", "bury 1", "later"} {
		t.Run(at, func(t *testing.T) {
			var w *storeSwitch
			w = newStoreSwitch(t, func(op string, n int) fate {
				if fmt.Sprint(op, " ", n) == at {
					addAtOld(w.slow, w.old)
				}
				return pass
			})
			if at == "later" {
				w.v.wantAtNew(w.m, "ann", "tea")
				w.old.Put(w.slow, "cart", []string{"milk"})
				if _, _, err := w.old.Commit(w.slow); !errors.Is(err, driver.ErrGone) {
					t.Errorf("an old process saves after the import: %v", err)
				}
				w.v.wantAtNew(w.m, "ann", "tea")
				return
			}
			w.v.wantAtNew(w.m, "ann", "tea", "milk")
			w.v.wantAtNew(w.m, "ann", "tea", "milk")
		})
	}
	for _, at := range []string{"get 1", "get 2", "bury 1"} {
		t.Run("sign-out at "+at, func(t *testing.T) {
			var w *storeSwitch
			w = newStoreSwitch(t, func(op string, n int) fate {
				if fmt.Sprint(op, " ", n) == at {
					signOutAtOld(w.slow, w.old)
				}
				return pass
			})
			again := w.v.with("old")
			w.v.do(w.m.Handler(w.m.With(func(http.ResponseWriter, *http.Request, *cloakroom.Session) error { return nil })))
			again.wantAtNew(w.m, "")
			w.v.wantAtNew(w.m, "")
		})
	}
}

// TestImportFromStoreFaults: a fault of the old database signs nobody out.
func TestImportFromStoreFaults(t *testing.T) {
	for _, op := range []string{"get 1", "get 2", "bury 1"} {
		for _, f := range []fate{lost, dropped, denied, late} {
			if f == denied && op != "bury 1" {
				continue
			}
			testImportFromStoreFault(t, op, f)
		}
	}
}

func testImportFromStoreFault(t *testing.T, op string, f fate) {
	w := newStoreSwitch(t, func(o string, n int) fate {
		if fmt.Sprint(o, " ", n) == op {
			return f
		}
		return pass
	})
	again := w.v.with("old")
	w.v.do(w.m.Handler(w.m.With(func(http.ResponseWriter, *http.Request, *cloakroom.Session) error { return nil })))
	w.db.deliver()
	again.wantAtNew(w.m, "ann", "tea")
	again.wantAtNew(w.m, "ann", "tea")
	w.v.wantAtNew(w.m, "ann", "tea")
	list, err := w.m.Admin().Sessions(t.Context(), "ann")
	if err != nil || len(list) != 1 {
		t.Errorf("%s, fate %d: ann has %d sessions, error %v", op, f, len(list), err)
	}
}
