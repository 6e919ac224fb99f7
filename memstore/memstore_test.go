package memstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/test/leaktest"
	"github.com/cloakroom-go/cloakroom/memstore"
	"github.com/cloakroom-go/cloakroom/storetest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func TestStore(t *testing.T) {
	storetest.Run(t, storetest.Harness{
		Open: func(testing.TB) driver.Store { return memstore.New(nil) },
	})
}

var day = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func session() *driver.Record {
	return &driver.Record{
		ID:       driver.NewID(driver.LayoutDay, day),
		Kind:     driver.KindSession,
		App:      "shop",
		Created:  day,
		Seen:     day,
		Expires:  day.Add(time.Hour),
		Deadline: day.Add(24 * time.Hour),
		Writes:   1,
		Values:   driver.ValueList{{Name: "visits", JSON: json.RawMessage("1")}},
	}
}

func TestMaxRecords(t *testing.T) {
	ctx := t.Context()
	s := memstore.New(&memstore.Config{MaxRecords: 3})
	defer func() { _ = s.Close() }()
	var kept []*driver.Record
	for range 3 {
		r := session()
		v, err := s.Create(ctx, r)
		if err != nil {
			t.Fatalf("Create below the limit: %v", err)
		}
		u := *r
		u.Version = v
		kept = append(kept, &u)
	}

	full := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, driver.ErrOverloaded) || !errors.Is(err, driver.ErrUnavailable) {
			t.Errorf("%s in a full store: error %v, want ErrOverloaded and ErrUnavailable", what, err)
		}
	}
	refused := session()
	_, err := s.Create(ctx, refused)
	full("Create", err)
	grave := driver.Grave{Reason: driver.EndDestroyed, At: day, Until: day}
	full("Bury of the missing", s.Bury(ctx, refused.ID, grave, driver.Version{}))
	if _, err := s.Get(ctx, refused.ID); !errors.Is(err, driver.ErrNotFound) {
		t.Errorf("Get of what was refused: error %v, want ErrNotFound", err)
	}

	// Writes that add nothing go on.
	if _, err := s.Create(ctx, kept[0]); !errors.Is(err, driver.ErrExists) {
		t.Errorf("Create of what is there: error %v, want ErrExists", err)
	}
	if _, err := s.Update(ctx, kept[0]); err != nil {
		t.Errorf("Update: %v", err)
	}
	if err := s.Bury(ctx, kept[1].ID, grave, kept[1].Version); err != nil {
		t.Errorf("Bury: %v", err)
	}
	report, err := s.Report(ctx)
	if err != nil || len(report.Problems) != 1 || !strings.Contains(report.Problems[0].Remedy, "MaxRecords") {
		t.Errorf("Report of a full store: %+v, error %v, want one problem that names MaxRecords", report, err)
	}

	// Sweep makes room for one.
	swept, err := s.Sweep(ctx, day.Add(10*time.Minute))
	if err != nil || swept.Removed != 1 {
		t.Fatalf("Sweep: %+v, error %v, want the grave removed", swept, err)
	}
	if _, err := s.Create(ctx, refused); err != nil {
		t.Errorf("Create after a sweep has made room: %v", err)
	}
	_, err = s.Create(ctx, session())
	full("Create", err)
}

// TestFenceIsTold: Report tells since when the store takes no writes.
func TestFenceIsTold(t *testing.T) {
	s := memstore.New(nil)
	defer func() { _ = s.Close() }()
	problems := func() []driver.Problem {
		r, err := s.Report(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return r.Problems
	}
	if err := s.Fence(t.Context(), time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	if p := problems(); len(p) != 1 || p[0].Code != "writes-fenced" || p[0].Severity != driver.SeverityFail || !strings.Contains(p[0].Meaning, "2026-12-01T10:00:00Z") {
		t.Errorf("%+v", p)
	}
	if err := s.Unfence(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p := problems(); len(p) != 0 {
		t.Errorf("%+v", p)
	}
}

// TestMaxRecordsIsExact lets many callers compete for the last places.
func TestMaxRecordsIsExact(t *testing.T) {
	const most = 100
	s := memstore.New(&memstore.Config{MaxRecords: most})
	defer func() { _ = s.Close() }()
	var made atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range most {
				_, err := s.Create(context.Background(), session())
				switch {
				case err == nil:
					made.Add(1)
				case !errors.Is(err, driver.ErrOverloaded):
					t.Errorf("Create: %v", err)
				}
			}
		})
	}
	wg.Wait()
	sum, err := s.Summarize(t.Context(), driver.Query{})
	if err != nil || made.Load() != most || sum.Records != most {
		t.Errorf("%d creates succeeded, %d records are kept (error %v), want %d", made.Load(), sum.Records, err, most)
	}
}

// TestGetShares: Get returns the kept record itself, without a copy.
func TestGetShares(t *testing.T) {
	ctx := t.Context()
	s := memstore.New(nil)
	defer func() { _ = s.Close() }()
	r := session()
	if _, err := s.Create(ctx, r); err != nil {
		t.Fatal(err)
	}
	first, err := s.Get(ctx, r.ID)
	if err != nil {
		t.Fatal(err)
	}
	var again *driver.Record
	if n := testing.AllocsPerRun(100, func() { again, err = s.Get(ctx, r.ID) }); n != 0 {
		t.Errorf("Get allocates %v times", n)
	}
	if again != first || err != nil {
		t.Errorf("two reads of an unchanged record give two copies (error %v)", err)
	}
	if first == r {
		t.Error("the store keeps the caller's record itself, whose version it would have to change")
	}
}

// TestSweepLeavesTheTimeless: a record without times is never due.
func TestSweepLeavesTheTimeless(t *testing.T) {
	ctx := t.Context()
	s := memstore.New(nil)
	defer func() { _ = s.Close() }()
	r := session()
	r.Expires, r.Deadline = time.Time{}, time.Time{}
	if _, err := s.Create(ctx, r); err != nil {
		t.Fatal(err)
	}
	gone := session()
	if err := s.Bury(ctx, gone.ID, driver.Grave{Reason: driver.EndRevoked}, driver.Version{}); err != nil {
		t.Fatal(err)
	}
	report, err := s.Sweep(ctx, day.AddDate(100, 0, 0))
	if err != nil || report != (driver.SweepReport{}) {
		t.Errorf("Sweep: %+v, error %v, want nothing done", report, err)
	}
}

func TestErrorsNameTheSession(t *testing.T) {
	s := memstore.New(nil)
	defer func() { _ = s.Close() }()
	r := session()
	_, err := s.Get(t.Context(), r.ID)
	if want := "memstore: get " + r.ID.String() + ": not found"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
}

func ExampleNew() {
	store := memstore.New(&memstore.Config{MaxRecords: 1_000_000})
	defer func() { _ = store.Close() }()

	keyring, err := cloakroom.NewKeyring([]byte("32 bytes or more, from your configuration"))
	if err != nil {
		fmt.Println(err)
		return
	}
	sessions, err := cloakroom.New(store, keyring, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = sessions.Close() }()

	ctx := context.Background()
	session, err := sessions.Create(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = store.Get(ctx, session.ID())
	fmt.Println("the store keeps the session:", err == nil)
	// Output: the store keeps the session: true
}

func BenchmarkGet(b *testing.B) {
	s, ids := filled(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, err := s.Get(context.Background(), ids[i%len(ids)]); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkGetOne(b *testing.B) {
	s, ids := filled(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Get(context.Background(), ids[0]); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkUpdate(b *testing.B) {
	s, _ := filled(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		r := session()
		v, err := s.Create(context.Background(), r)
		for err == nil && pb.Next() {
			u := *r
			u.Version = v
			v, err = s.Update(context.Background(), &u)
		}
		if err != nil {
			b.Error(err)
		}
	})
}

func BenchmarkSweep(b *testing.B) {
	s, _ := filled(b)
	for b.Loop() {
		if _, err := s.Sweep(b.Context(), day); err != nil {
			b.Fatal(err)
		}
	}
}

// filled returns a store of 100,000 sessions, and their ids.
func filled(b *testing.B) (*memstore.Store, []driver.ID) {
	s := memstore.New(nil)
	b.Cleanup(func() { _ = s.Close() })
	ids := make([]driver.ID, 100_000)
	for i := range ids {
		r := session()
		ids[i] = r.ID
		if _, err := s.Create(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
	return s, ids
}

// TestKeep: UpdateOwned does the same as Update, with the record itself.
func TestKeep(t *testing.T) {
	ctx := t.Context()
	s := memstore.New(nil)
	defer func() { _ = s.Close() }()
	made := session()
	v, err := s.Create(ctx, made)
	if err != nil {
		t.Fatal(err)
	}
	next := *made
	next.Version, next.Writes = v, 2
	if err := s.UpdateOwned(ctx, &next); err != nil || next.Version == v {
		t.Fatalf("Keep: %v, version %v after %v", err, next.Version, v)
	}
	if got, err := s.Get(ctx, made.ID); got != &next || err != nil {
		t.Errorf("Get: %+v, %v, want the record that was kept", got, err)
	}
	for name, test := range map[string]struct {
		at   driver.Version
		id   driver.ID
		want error
	}{
		"an older version": {v, made.ID, driver.ErrConflict},
		"no version":       {driver.Version{}, made.ID, driver.ErrConflict},
		"another id":       {next.Version, session().ID, driver.ErrNotFound},
	} {
		late := next
		late.Version, late.ID, late.Writes = test.at, test.id, 3
		if err := s.UpdateOwned(ctx, &late); !errors.Is(err, test.want) || late.Version != test.at {
			t.Errorf("Keep at %s: %v, want %v", name, err, test.want)
		}
	}
	if got, err := s.Get(ctx, made.ID); got != &next || err != nil {
		t.Errorf("Get after what was refused: %+v, %v", got, err)
	}
	if err := s.Bury(ctx, made.ID, driver.Grave{Reason: driver.EndDestroyed, At: day, Until: day}, next.Version); err != nil {
		t.Fatal(err)
	}
	late := next
	if err := s.UpdateOwned(ctx, &late); !errors.Is(err, driver.ErrGone) {
		t.Errorf("Keep of what was buried: %v, want ErrGone", err)
	}
}
