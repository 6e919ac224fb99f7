package ledgers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/test/leaktest"
	"github.com/cloakroom-go/cloakroom/memstore"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

var now = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// counting counts the reads of a store, and can fail them.
type counting struct {
	driver.Store
	reads atomic.Int64
	fail  error
}

func (c *counting) Get(ctx context.Context, id driver.ID) (*driver.Record, error) {
	c.reads.Add(1)
	if c.fail != nil {
		return nil, c.fail
	}
	return c.Store.Get(ctx, id)
}

// session makes a session of a principal.
func session(t *testing.T, s driver.Store, principal string, ago time.Duration) driver.ID {
	t.Helper()
	rec := &driver.Record{
		ID: driver.NewID(driver.LayoutDay, now.Add(-ago)), Kind: driver.KindSession, App: "session", Principal: principal,
		Created: now.Add(-ago), Seen: now.Add(-ago), Expires: now.Add(time.Hour), Deadline: now.Add(time.Hour),
	}
	if _, err := s.Create(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	return rec.ID
}

// ledger makes a ledger that names sessions.
func ledger(t *testing.T, s driver.Store, principal string, ids ...driver.ID) {
	t.Helper()
	var live []string
	for _, id := range ids {
		live = append(live, fmt.Sprintf(`{"id":%q,"deadline":%d}`, id, now.Add(time.Hour).UnixMilli()))
	}
	rec := &driver.Record{
		ID: driver.LedgerID("session", principal), Kind: driver.KindLedger, App: "session", Principal: principal, Created: now, Expires: now.Add(time.Hour), Deadline: now.Add(time.Hour),
		Values: driver.NewValueList(map[string]json.RawMessage{"ledger": json.RawMessage(`{"generation":"AAAAAAAAAAA","live":[` + strings.Join(live, ",") + `]}`)}),
	}
	if _, err := s.Create(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
}

// check returns the findings, by principal.
func check(t *testing.T, s driver.Store, principal string) map[string]Finding {
	t.Helper()
	found := map[string]Finding{}
	c := Checker{Store: s, App: "session", Now: func() time.Time { return now }, Found: func(_ context.Context, f Finding) (bool, error) {
		if old, ok := found[f.Principal]; ok {
			f.Lacks = append(old.Lacks, f.Lacks...)
		}
		found[f.Principal] = f
		return false, nil
	}}
	if err := c.Check(t.Context(), principal); err != nil {
		t.Fatal(err)
	}
	return found
}

// TestManyLedgers: all are compared, in several batches, and each ledger is read once.
func TestManyLedgers(t *testing.T) {
	store := memstore.New(nil)
	defer store.Close()
	const n = 3*together + 7
	want := map[string]State{}
	for i := range n {
		name := fmt.Sprint("user", i)
		ids := []driver.ID{session(t, store, name, time.Hour), session(t, store, name, time.Hour+time.Duration(i)*time.Second)}
		switch i % 500 {
		case 17:
			ids, want[name] = ids[1:], Incomplete
		case 18:
			want[name] = Missing
			continue
		case 19:
			ids, want[name] = append(ids, session(t, store, "somebody", 0)), Foreign
		}
		ledger(t, store, name, ids...)
	}
	session(t, store, "", time.Hour) // nobody is signed in
	c := &counting{Store: store}
	found := check(t, c, "")
	got := map[string]State{}
	for name, f := range found {
		got[name] = f.State
	}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if lacks := found["user18"].Lacks; len(lacks) != 2 {
		t.Errorf("user18 lacks %v", lacks)
	}
	// A ledger, and the session that it names and that isn't in the batch.
	if reads := c.reads.Load(); reads > 2*n+50 {
		t.Errorf("%d reads for %d ledgers", reads, n)
	}
}

// TestSettling: a session whose sign-in may be under way isn't missed, nor one that is over.
func TestSettling(t *testing.T) {
	store := memstore.New(nil)
	defer store.Close()
	session(t, store, "new", settling-time.Second)
	old := session(t, store, "old", settling+time.Second)
	rec, err := store.Get(t.Context(), session(t, store, "over", time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	over := *rec
	over.Expires = now
	if _, err := store.Update(t.Context(), &over); err != nil {
		t.Fatal(err)
	}
	found := check(t, store, "")
	if len(found) != 1 || !slices.Equal(found["old"].Lacks, []driver.ID{old}) {
		t.Errorf("%v", found)
	}
	if found := check(t, store, "new"); len(found) != 0 {
		t.Errorf("%v", found)
	}
}

// TestChangedMeanwhile: what a sign-in or a sign-out has changed since the search isn't
// found.
func TestChangedMeanwhile(t *testing.T) {
	store := memstore.New(nil)
	defer store.Close()
	gone := session(t, store, "gone", time.Hour)
	entered := session(t, store, "entered", time.Hour)
	ledger(t, store, "gone")
	c := &late{Store: store, then: func() {
		if err := store.Bury(t.Context(), gone, driver.Grave{At: now, Until: now.Add(time.Hour)}, driver.Version{}); err != nil {
			t.Error(err)
		}
		ledger(t, store, "entered", entered)
	}}
	if found := check(t, c, ""); len(found) != 0 {
		t.Errorf("%v", found)
	}
}

// late changes a store before its first read of a session.
type late struct {
	driver.Store
	once sync.Once
	then func()
}

func (l *late) Get(ctx context.Context, id driver.ID) (*driver.Record, error) {
	if id.Layout() != driver.LayoutLedger {
		l.once.Do(l.then)
	}
	return l.Store.Get(ctx, id)
}

// TestCheckFails: an error of the store or of a finding's reader ends it.
func TestCheckFails(t *testing.T) {
	store := memstore.New(nil)
	defer store.Close()
	session(t, store, "ann", time.Hour)
	bad := errors.New("bad")
	c := Checker{Store: &counting{Store: store, fail: bad}, App: "session", Now: func() time.Time { return now }}
	if err := c.Check(t.Context(), ""); !errors.Is(err, bad) {
		t.Errorf("%v", err)
	}
	c = Checker{Store: store, App: "session", Now: func() time.Time { return now }, Found: func(context.Context, Finding) (bool, error) { return false, bad }}
	if err := c.Check(t.Context(), ""); !errors.Is(err, bad) {
		t.Errorf("%v", err)
	}
}
