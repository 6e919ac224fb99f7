package sqlitestore

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// TestSearchPages: pages end for either reason, with rows at their ends that can't be
// read.
func TestSearchPages(t *testing.T) {
	s := openTest(t, nil)
	records := samples(2*pageRows + 1)
	created := records[0].Created
	for i, r := range records {
		r.Created = created.Add(time.Duration(i) * time.Millisecond)
		if i < 20 {
			r.Values = driver.NewValueList(map[string]json.RawMessage{"big": json.RawMessage(`"` + strings.Repeat("x", pageBytes/8) + `"`)})
		}
	}
	for _, err := range createAll(s, records) {
		if err != nil {
			t.Fatal(err)
		}
	}
	broken := map[driver.ID]bool{}
	c := operator(t, s)
	for _, i := range []int{7, 8, pageRows - 1, pageRows, 2*pageRows - 1, 2 * pageRows} {
		broken[records[i].ID] = true
		do(t, c, "UPDATE records SET data = '[]' WHERE id = '"+records[i].ID.String()+"'")
	}
	for _, limit := range []int{0, 1, 8, 20, pageRows, 2 * pageRows} {
		found := 0
		last := time.Time{}
		for r, err := range s.Search(t.Context(), driver.Query{Limit: limit}) {
			if err != nil {
				t.Fatal(err)
			}
			if broken[r.ID] || !r.Created.After(last) {
				t.Fatalf("limit %d: record %d is broken or not in order", limit, found)
			}
			last = r.Created
			found++
		}
		want := len(records) - len(broken)
		if limit > 0 {
			want = min(want, limit)
		}
		if found != want {
			t.Errorf("limit %d: %d records, want %d", limit, found, want)
		}
	}
}

// TestSearchHoldsNothing: consumers pause in the middle for long. Meanwhile all readers
// must be free, and the log must be able to start anew.
func TestSearchHoldsNothing(t *testing.T) {
	s := openTest(t, &Config{Readers: 2})
	for _, err := range createAll(s, samples(5)) {
		if err != nil {
			t.Fatal(err)
		}
	}
	depth := 0
	var search func()
	search = func() {
		for _, err := range s.Search(t.Context(), driver.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			if len(s.readers.free) != 2 {
				t.Fatalf("%d readers are free while a search waits", len(s.readers.free))
			}
			if depth++; depth < 5 {
				search()
			}
			break
		}
	}
	search()
}

// TestLongQueryEnds: a query that would take for ever ends with its context, and with
// the store.
func TestLongQueryEnds(t *testing.T) {
	const forever = "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
	s := openTest(t, nil)
	started := make(chan struct{})
	errs := make(chan error)
	run := func(ctx context.Context) {
		errs <- s.readers.long(ctx, func(r *reader) error {
			started <- struct{}{}
			_, err := queryInt(r.conn, forever)
			return err
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	go run(ctx)
	<-started
	cancel()
	if err := <-errs; !errors.Is(err, context.Canceled) {
		t.Errorf("a query whose context ended: %v", err)
	}
	if _, err := s.Summarize(t.Context(), driver.Query{}); err != nil {
		t.Errorf("the reader afterwards: %v", err)
	}
	go run(context.Background())
	<-started
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	if err := <-errs; !errors.Is(err, driver.ErrClosed) {
		t.Errorf("a query whose store was closed: %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// TestCloseKeeps closes a store while many save. Every acknowledged save is there
// afterwards.
func TestCloseKeeps(t *testing.T) {
	s := openTest(t, nil)
	records := samples(300)
	errs := make([]error, len(records))
	first := make(chan struct{}, len(records))
	done := make(chan struct{})
	go func() {
		defer close(done)
		share(t, len(records), len(records), func(_, i int) error {
			_, errs[i] = s.Create(context.Background(), records[i])
			first <- struct{}{}
			return nil
		})
	}()
	<-first
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	<-done
	again, err := Open(t.Context(), s.path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	kept := 0
	for i, err := range errs {
		_, getErr := again.Get(t.Context(), records[i].ID)
		switch {
		case err == nil && getErr == nil:
			kept++
		case errors.Is(err, driver.ErrClosed) && errors.Is(getErr, driver.ErrNotFound):
		default:
			t.Errorf("Create: %v; Get: %v", err, getErr)
		}
	}
	t.Logf("%d of %d were saved", kept, len(records))
}

// TestCursorBetween begins a search behind a time between two milliseconds, which no
// record can have.
func TestCursorBetween(t *testing.T) {
	s := openTest(t, nil)
	r := sample(0)
	if _, err := s.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		after driver.Cursor
		found int
	}{
		{driver.Cursor{Created: r.Created.Add(-time.Nanosecond)}, 1},
		{driver.Cursor{Created: r.Created}, 1}, // before all ids
		{r.Cursor(), 0},
		{driver.Cursor{Created: r.Created.Add(time.Nanosecond)}, 0},
	} {
		q := driver.Query{After: c.after}
		found := 0
		for got, err := range s.Search(t.Context(), q) {
			if err != nil || !q.Matches(got) {
				t.Errorf("%v, %v", got, err)
			}
			found++
		}
		if found != c.found {
			t.Errorf("after %v: %d records, want %d", c.after.Created.Sub(r.Created), found, c.found)
		}
	}
}

func TestInvalid(t *testing.T) {
	s := openTest(t, nil)
	for name, raw := range map[string]string{"\xff": "1", "empty": ""} {
		r := sample(0)
		r.Values = r.Values.With(name, json.RawMessage(raw))
		if _, err := s.Create(t.Context(), r); !errors.Is(err, driver.ErrInvalid) {
			t.Errorf("value %q: %v", name, err)
		}
		if _, err := s.Get(t.Context(), r.ID); !errors.Is(err, driver.ErrNotFound) {
			t.Errorf("value %q: %v", name, err)
		}
	}
}

// TestGravesThatAreNoJSON: an operator's mistake in a grave fails no write and no search,
// and keeps no file from being opened.
func TestGravesThatAreNoJSON(t *testing.T) {
	path := golden(t)
	s := openAt(t, path, nil)
	c := operator(t, s)
	records := samples(4)
	for _, err := range createAll(s, records) {
		if err != nil {
			t.Fatal(err)
		}
	}
	bury := func(r *driver.Record) error {
		return s.Bury(t.Context(), r.ID, r.ExpiredGrave(r.Seen), driver.Version{})
	}
	for i, text := range []string{"", "{", `[]`, `{"at":"noon","principal":7}`} {
		if err := bury(records[i]); err != nil {
			t.Fatal(err)
		}
		do(t, c, "UPDATE records SET grave = '"+text+"' WHERE id = '"+records[i].ID.String()+"'")
	}
	do(t, c, "DROP INDEX records_ended")
	s = openAt(t, path, nil) // makes the index anew
	n := 0
	for _, err := range s.Search(t.Context(), driver.Query{Ended: true}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 1 { // the golden file's
		t.Errorf("%d graves are found, want 1", n)
	}
	for _, r := range records {
		if err := bury(r); err != nil {
			t.Errorf("a grave over one that is no JSON: %v", err)
		}
	}
}
