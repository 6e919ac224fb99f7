package sqlitestore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/cloakroom-go/cloakroom/driver"
)

func openTest(t testing.TB, config *Config) *Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "sessions.db"), config)
}

func openAt(t testing.TB, path string, config *Config) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// operator returns a further connection to a store's file.
func operator(t testing.TB, s *Store) *sqlite.Conn {
	t.Helper()
	c, err := openConn(s.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func do(t testing.TB, c *sqlite.Conn, sql string) {
	t.Helper()
	if err := execute(c, sql); err != nil {
		t.Fatal(err)
	}
}

// createAll creates sessions at the same time, in one batch if the writer is held up
// meanwhile, and returns their errors.
func createAll(s *Store, records []*driver.Record) []error {
	errs := make([]error, len(records))
	var wg sync.WaitGroup
	for i, r := range records {
		wg.Go(func() { _, errs[i] = s.Create(context.Background(), r) })
	}
	wg.Wait()
	return errs
}

func samples(n int) []*driver.Record {
	records := make([]*driver.Record, n)
	for i := range records {
		records[i] = sample(i)
	}
	return records
}

// TestGroupCommit: many save at once, with far fewer commits than saves.
func TestGroupCommit(t *testing.T) {
	s := openTest(t, nil)
	const callers, times = 64, 30
	records := samples(callers)
	before := s.writer.commits.Load()
	var wg sync.WaitGroup
	for _, r := range records {
		wg.Go(func() {
			v, err := s.Create(context.Background(), r)
			for range times - 1 {
				if err != nil {
					t.Error(err)
					return
				}
				r.Version = v
				save(r)
				v, err = s.Update(context.Background(), r)
			}
		})
	}
	wg.Wait()
	commits := s.writer.commits.Load() - before
	t.Logf("%d saves in %d commits", callers*times, commits)
	if commits > callers*times/4 {
		t.Errorf("%d saves took %d commits", callers*times, commits)
	}
}

// TestPoisonedItem: some items of a batch break the transaction, in all ways in which a
// statement can. The others must be saved.
func TestPoisonedItem(t *testing.T) {
	for _, how := range []string{"ABORT", "FAIL", "ROLLBACK"} {
		t.Run(how, func(t *testing.T) {
			s := openTest(t, nil)
			c := operator(t, s)
			do(t, c, fmt.Sprintf(`CREATE TRIGGER poison BEFORE INSERT ON records WHEN new.app = 'poison'
				BEGIN SELECT RAISE(%s, 'poisoned'); END`, how))
			records := samples(40)
			for i := range records {
				if i%10 == 3 {
					records[i].App = "poison"
				}
			}
			do(t, c, "BEGIN IMMEDIATE") // all gather behind the first
			var errs []error
			done := make(chan struct{})
			go func() {
				defer close(done)
				errs = createAll(s, records)
			}()
			do(t, c, "COMMIT")
			<-done
			for i, err := range errs {
				_, getErr := s.Get(t.Context(), records[i].ID)
				switch {
				case i%10 != 3 && (err != nil || getErr != nil):
					t.Errorf("item %d: %v; Get: %v", i, err, getErr)
				case i%10 == 3 && (!errors.Is(err, driver.ErrUnavailable) || !errors.Is(getErr, driver.ErrNotFound)):
					t.Errorf("poisoned item %d: %v; Get: %v", i, err, getErr)
				}
			}
			if f := s.Figures(); f.Writes.Sizes.Sum != int64(len(records))+f.Retries {
				t.Errorf("the figures have %d writes, %d of them tried again", f.Writes.Sizes.Sum, f.Retries)
			}
		})
	}
}

// TestTooLarge: one record among others is beyond SQLite's own limit.
func TestTooLarge(t *testing.T) {
	s := openTest(t, nil)
	s.writer.conn.Limit(sqlite.LimitLength, 30_000)
	records := samples(20)
	records[7].Values = records[7].Values.With("big", json.RawMessage(`"`+strings.Repeat("x", 31_000)+`"`))
	for i, err := range createAll(s, records) {
		if i == 7 && !errors.Is(err, driver.ErrTooLarge) || i != 7 && err != nil {
			t.Errorf("item %d: %v", i, err)
		}
	}
}

// TestFull: SQLite reports a full disk.
func TestFull(t *testing.T) {
	s := openTest(t, nil)
	pages, err := queryInt(s.writer.conn, "PRAGMA page_count")
	if err != nil {
		t.Fatal(err)
	}
	do(t, s.writer.conn, fmt.Sprintf("PRAGMA max_page_count = %d", pages+30))
	big := func(r *driver.Record) *driver.Record {
		r.Values = r.Values.With("big", json.RawMessage(`"`+strings.Repeat("x", 9_000)+`"`))
		return r
	}
	records := samples(60)
	for _, r := range records {
		big(r)
	}
	kept, failed := 0, 0
	for i, err := range createAll(s, records) {
		_, getErr := s.Get(t.Context(), records[i].ID)
		switch {
		case err == nil && getErr == nil:
			kept++
		case errors.Is(err, driver.ErrUnavailable) && strings.Contains(err.Error(), "make room") && errors.Is(getErr, driver.ErrNotFound):
			failed++
		default:
			t.Errorf("Create: %v; Get: %v", err, getErr)
		}
	}
	if kept == 0 || failed == 0 {
		t.Errorf("%d were kept, %d failed", kept, failed)
	}

	// An update that doesn't fit changes nothing.
	small := sample(0)
	do(t, s.writer.conn, fmt.Sprintf("PRAGMA max_page_count = %d", pages+40))
	v, err := s.Create(t.Context(), small)
	if err != nil {
		t.Fatal(err)
	}
	do(t, s.writer.conn, "PRAGMA max_page_count = 1") // SQLite raises it to the present size
	u := *small
	u.Version = v
	u.Values = driver.NewValueList(map[string]json.RawMessage{"big": json.RawMessage(`"` + strings.Repeat("x", 90_000) + `"`)})
	if _, err := s.Update(t.Context(), &u); !errors.Is(err, driver.ErrUnavailable) {
		t.Errorf("Update: %v", err)
	}
	if got, err := s.Get(t.Context(), small.ID); err != nil || got.Version != v || len(got.Values) != len(small.Values) {
		t.Errorf("after an update that failed: %v, %v", got, err)
	}
	// Ending a session needs no room.
	if err := s.Bury(t.Context(), small.ID, driver.Grave{Until: small.Deadline}, v); err != nil {
		t.Errorf("Bury: %v", err)
	}

	do(t, s.writer.conn, "PRAGMA max_page_count = 1000000")
	for _, err := range createAll(s, []*driver.Record{sample(1), big(sample(2))}) {
		if err != nil {
			t.Errorf("with room again: %v", err)
		}
	}
	if text, err := queryText(s.writer.conn, "PRAGMA integrity_check"); text != "ok" || err != nil {
		t.Errorf("integrity: %s, %v", text, err)
	}
}

// TestBusy: another process holds the lock. Saves wait, but not for ever, and reads go
// on.
func TestBusy(t *testing.T) {
	s := openTest(t, &Config{BusyTimeout: 50 * time.Millisecond})
	r := sample(0)
	if _, err := s.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	c := operator(t, s)
	do(t, c, "BEGIN IMMEDIATE")
	_, err := s.Create(t.Context(), sample(1))
	if !errors.Is(err, driver.ErrUnavailable) || !errors.Is(err, driver.ErrOverloaded) || !strings.Contains(err.Error(), "another process") {
		t.Errorf("Create: %v", err) // it certainly did not happen
	}
	if _, err := s.Get(t.Context(), r.ID); err != nil {
		t.Errorf("Get: %v", err)
	}
	if _, err := s.Sweep(t.Context(), r.Expires.Add(time.Second)); !errors.Is(err, driver.ErrUnavailable) {
		t.Errorf("Sweep: %v", err)
	}
	do(t, c, "COMMIT")
	if _, err := s.Create(t.Context(), sample(2)); err != nil {
		t.Errorf("Create after that: %v", err)
	}
}

// TestOutOfTimeBeforeItsTurn: two saves give up while another process holds the lock,
// one that the writer has and one that waits behind it. Both are told that they did not
// happen, and never do.
func TestOutOfTimeBeforeItsTurn(t *testing.T) {
	s := openTest(t, nil)
	r := sample(0)
	v, err := s.Create(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	c := operator(t, s)
	do(t, c, "BEGIN IMMEDIATE")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	var all sync.WaitGroup
	for i := range 2 {
		all.Go(func() {
			u := *r
			u.Version, u.Principal = v, fmt.Sprint("too late ", i)
			_, err := s.Update(ctx, &u)
			if !errors.Is(err, driver.ErrOverloaded) || !errors.Is(err, driver.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Update: %v", err)
			}
		})
	}
	all.Wait()
	do(t, c, "COMMIT")
	if _, err := s.Create(t.Context(), sample(1)); err != nil { // behind them
		t.Fatal(err)
	}
	if got, err := s.Get(t.Context(), r.ID); err != nil || got.Version != v {
		t.Errorf("a save that was told that it didn't happen did: %v (%v)", got, err)
	}
}

// TestCommitFails: a commit fails. No item of its transaction is told which version it
// met, since that may be another item's, which is undone.
func TestCommitFails(t *testing.T) {
	s := openTest(t, nil)
	r := sample(0)
	v, err := s.Create(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	commit := s.writer.stmts.commit
	if s.writer.stmts.commit, err = s.writer.conn.Prepare("SELECT json('{')"); err != nil {
		t.Fatal(err)
	}
	row, err := newRow(r)
	if err != nil {
		t.Fatal(err)
	}
	ops := []item{{op: update(row, v)}, {op: update(row, v)}, {op: create(row)}}
	for i, res := range s.writer.flush(t.Context(), ops) {
		err := s.fail("save", r.ID, res.Err)
		if !errors.Is(err, driver.ErrUnavailable) || errors.Is(err, driver.ErrOverloaded) || errors.Is(err, driver.ErrConflict) || errors.Is(err, driver.ErrExists) {
			t.Errorf("item %d of a commit that failed: %v, want ErrUnavailable, which leaves open what happened", i, err)
		}
	}
	s.writer.stmts.commit = commit
	for i, res := range s.writer.flush(t.Context(), ops) {
		if want := []error{nil, driver.ErrConflict, driver.ErrExists}[i]; !errors.Is(res.Err, want) {
			t.Errorf("item %d afterwards: %v, want %v", i, res.Err, want)
		}
	}
}

// TestOverload fills the queue behind a writer that waits for a lock.
func TestOverload(t *testing.T) {
	for name, config := range map[string]Config{
		"items": {QueueItems: 3},
		"bytes": {QueueBytes: 3000},
	} {
		t.Run(name, func(t *testing.T) {
			s := openTest(t, &config)
			c := operator(t, s)
			do(t, c, "BEGIN IMMEDIATE")
			records := samples(20)
			errs := make(chan error)
			for _, r := range records {
				go func() {
					_, err := s.Create(context.Background(), r)
					errs <- err
				}()
			}
			overloaded, other := 0, 0
			for overloaded == 0 { // all others wait
				if err := <-errs; errors.Is(err, driver.ErrOverloaded) && errors.Is(err, driver.ErrUnavailable) {
					overloaded++
				} else {
					t.Fatal(err)
				}
			}
			do(t, c, "COMMIT")
			for range len(records) - overloaded {
				if err := <-errs; err == nil {
					other++
				} else if !errors.Is(err, driver.ErrOverloaded) {
					t.Error(err)
				}
			}
			if other == 0 {
				t.Error("nothing was saved")
			}
		})
	}
}

// TestPoolContext: all readers are lent out. Waiting for one ends with the context, or
// with the store.
func TestPoolContext(t *testing.T) {
	s := openTest(t, &Config{Readers: 2})
	var lent []*reader
	for range 2 {
		r, err := s.readers.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		lent = append(lent, r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	errs := make(chan error)
	ask := func(ctx context.Context) {
		_, err := s.Get(ctx, sample(0).ID)
		errs <- err
	}
	go ask(ctx)
	cancel()
	if err := <-errs; !errors.Is(err, context.Canceled) {
		t.Errorf("Get with a context that ended: %v", err)
	}
	go ask(context.Background())
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	if err := <-errs; !errors.Is(err, driver.ErrClosed) {
		t.Errorf("Get with a store that was closed: %v", err)
	}
	for _, r := range lent {
		s.readers.put(r)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}
