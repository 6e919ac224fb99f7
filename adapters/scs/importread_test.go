package scsstore_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests what an import does while the old store fails, or old processes still
// write to it.

// TestImportRetire: what each course of Retire returns.
func TestImportRetire(t *testing.T) {
	errDown := errors.New("down")
	token := strings.Repeat("A", 43)
	for _, c := range []struct {
		name string
		// before and after see the number of operations that Retire has begun.
		before, after func(s *oldStore, op string, n int) error
		want          error // nil: none; errDown: none that has a meaning
		there         bool
	}{
		{name: "all is well"},
		{name: "saved since", before: func(s *oldStore, _ string, n int) error { s.saveIf(n == 1, "new"); return nil }, want: cloakroom.ErrConflict, there: true},
		{name: "ended since", before: func(s *oldStore, _ string, n int) error { s.endIf(n == 1); return nil }, want: cloakroom.ErrNotFound},
		{name: "an outage of the first look", before: func(_ *oldStore, _ string, n int) error { return errIf(n == 1, errDown) }, want: errDown, there: true},
		{name: "an outage of Delete", before: func(_ *oldStore, op string, _ int) error { return errIf(op == "delete", errDown) }, want: errDown, there: true},
		{name: "Delete's answer is lost", after: func(_ *oldStore, op string, _ int) error { return errIf(op == "delete", errDown) }},
		{name: "and nobody can look", after: func(_ *oldStore, _ string, n int) error { return errIf(n > 1, errDown) }, want: errDown},
		{name: "Delete fails, and the session is saved", before: func(s *oldStore, op string, _ int) error {
			s.saveIf(op == "delete", "new")
			return errIf(op == "delete", errDown)
		}, want: errDown, there: true},
		{name: "an outage of the second look", before: func(_ *oldStore, _ string, n int) error { return errIf(n == 3, errDown) }},
		{name: "saved at once after Delete", before: func(s *oldStore, _ string, n int) error { s.saveIf(n == 3, "new"); return nil }, want: cloakroom.ErrConflict, there: true},
		{name: "still there after Delete", before: func(s *oldStore, _ string, n int) error { s.saveIf(n == 3, "old"); return nil }, want: errDown, there: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newOldStore()
			i := newImporter(t, newOld(s, nil), nil)
			data := func(text string) []byte {
				b, err := scs.GobCodec{}.Encode(time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), map[string]any{"text": text})
				if err != nil {
					t.Fatal(err)
				}
				return b
			}
			s.save = func(text string) { s.kept[token] = oldEntry{data(text), time.Now().Add(time.Hour)} }
			s.end = func() { delete(s.kept, token) }
			s.save("old")
			foreign := cloakroom.ForeignToken{ID: "x", Credential: token}
			f, err := i.Load(t.Context(), foreign)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			s.before = func(op string) error {
				n++
				if c.before == nil {
					return nil
				}
				return c.before(s, op, n)
			}
			s.after = func(op string) error {
				if c.after == nil {
					return nil
				}
				return c.after(s, op, n)
			}
			err = i.Retire(t.Context(), foreign, f.Version)
			means := errors.Is(err, cloakroom.ErrConflict) || errors.Is(err, cloakroom.ErrNotFound)
			switch {
			case c.want == nil && err != nil,
				errors.Is(c.want, errDown) && (err == nil || means || !errors.Is(err, cloakroom.ErrUnavailable)),
				c.want != nil && !errors.Is(c.want, errDown) && (!errors.Is(err, c.want) || errors.Is(err, cloakroom.ErrUnavailable)):
				t.Errorf("got %v, want %v", err, c.want)
			case s.size() == 1 != c.there:
				t.Errorf("the session is there: %v", s.size() == 1)
			}
		})
	}
}

func errIf(is bool, err error) error {
	if is {
		return err
	}
	return nil
}

func (s *oldStore) saveIf(is bool, text string) {
	if is {
		s.save(text)
	}
}

func (s *oldStore) endIf(is bool) {
	if is {
		s.end()
	}
}

// TestImportBesideOldProcesses: what an old process does during an import, that is before
// an operation on the old store.
func TestImportBesideOldProcesses(t *testing.T) {
	for _, c := range []struct {
		name  string
		op    int // of the import: the reading, the look, the deletion, the second look
		page  func(ctx context.Context, old *scs.SessionManager)
		stays bool
	}{
		{"saves before it is read", 1, addAtOld, true},
		{"saves after it was read", 2, addAtOld, true},
		{"saves after it was deleted", 4, addAtOld, true},
		{"signs out before it is read", 1, signOutAtOld, false},
		{"signs out after it was read", 2, signOutAtOld, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			store := newOldStore()
			old := newOld(store, nil)
			m := newNew(t, newImporter(t, old, nil), nil)
			v := newTraveller(t)
			v.signsInAtOld(old)
			n := 0
			peer := v.with("old")
			var slow context.Context // of a request that has read the session before
			peer.atOld(old, func(ctx context.Context) { slow = ctx })
			store.before = func(string) error {
				if n++; n == c.op {
					hook := store.before
					store.before = nil
					c.page(slow, old)
					store.before = hook
				}
				return nil
			}
			again := v.with("old")
			if c.stays {
				v.wantAtNew(m, "ann", "tea", "milk")
				v.wantAtNew(m, "ann", "tea", "milk")
			} else {
				v.wantAtNew(m, "")
				again.wantAtNew(m, "")
			}
			store.before = nil
			if store.size() != 0 {
				t.Error("the old session is still there")
			}
		})
	}
}

func addAtOld(ctx context.Context, old *scs.SessionManager) {
	cart, _ := old.Get(ctx, "cart").([]string)
	old.Put(ctx, "cart", append(cart, "milk"))
	if _, _, err := old.Commit(ctx); err != nil {
		panic(err)
	}
}

func signOutAtOld(ctx context.Context, old *scs.SessionManager) {
	if err := old.Destroy(ctx); err != nil {
		panic(err)
	}
}

// TestImportFaults: each operation of an import at the old store fails once, in each way.
// The visitor comes again.
func TestImportFaults(t *testing.T) {
	for _, lost := range []bool{false, true} {
		for op := 1; op <= 4; op++ {
			store := newOldStore()
			old := newOld(store, nil)
			m := newNew(t, newImporter(t, old, nil), func(c *cloakroom.Config) { c.Logger = slog.New(slog.NewTextHandler(io.Discard, nil)) })
			v := newTraveller(t)
			v.signsInAtOld(old)
			n := 0
			fault := func(string) error { n++; return errIf(n == op, errors.New("down")) }
			if lost {
				store.after = fault
			} else {
				store.before = fault
			}
			again := v.with("old")
			v.do(m.Handler(m.With(func(http.ResponseWriter, *http.Request, *cloakroom.Session) error { return nil })))
			store.before, store.after = nil, nil
			again.wantAtNew(m, "ann", "tea")
			again.wantAtNew(m, "ann", "tea")
			v.wantAtNew(m, "ann", "tea")
			if list, err := m.Admin().Sessions(t.Context(), "ann"); err != nil || len(list) != 1 {
				t.Errorf("operation %d: ann has %d sessions, error %v", op, len(list), err)
			}
		}
	}
}

// hoard is a store that doesn't delete unless it is told to.
type hoard struct {
	*oldStore
	deletes bool
}

func (h *hoard) Delete(token string) error {
	if !h.deletes {
		return nil
	}
	return h.oldStore.Delete(token)
}

// TestImportFromStoreThatDoesNotDelete: the visitor notices nothing, the operator is told,
// and it is tried again.
func TestImportFromStoreThatDoesNotDelete(t *testing.T) {
	store := &hoard{oldStore: newOldStore()}
	old := newOld(store, nil)
	var log strings.Builder
	clock := newClock()
	clock.now = time.Now()
	m := newNew(t, newImporter(t, old, nil), func(c *cloakroom.Config) {
		c.Now, c.Logger = clock.Now, slog.New(slog.NewTextHandler(&log, nil))
	})
	v := newTraveller(t)
	v.signsInAtOld(old)
	v.wantAtNew(m, "ann", "tea")
	v.atNew(m, http.StatusOK, put("milk"))
	if store.size() != 1 || !strings.Contains(log.String(), "doesn't delete") {
		t.Fatalf("%d old sessions are there; the log: %s", store.size(), log.String())
	}
	store.deletes = true
	clock.add(10*time.Second + driver.ClockTolerance)
	v.atNew(m, http.StatusOK, put("bread"))
	for n := 0; n < 1000 && store.size() != 0; n++ { // no response waits for it
		v.wantAtNew(m, "ann", "tea", "milk", "bread")
	}
	if store.size() != 0 {
		t.Error("the old session is still there")
	}
	v.wantAtNew(m, "ann", "tea", "milk", "bread")
}
