package listing

import (
	"context"
	"errors"
	"iter"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/test/leaktest"
	"github.com/cloakroom-go/cloakroom/memstore"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

var now = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// filled is a store with sessions: of seven made, one a minute, the 2nd is over, and the
// 3rd and 6th have ended, 90 s after they were made. All were used at other times.
func filled(t *testing.T) (driver.Store, map[driver.ID]int) {
	t.Helper()
	store := memstore.New(nil)
	t.Cleanup(func() { store.Close() })
	numbers := map[driver.ID]int{}
	for n := 1; n <= 7; n++ {
		made := now.Add(time.Duration(n-10) * time.Minute)
		rec := &driver.Record{
			ID: driver.NewID(driver.LayoutDay, made), Kind: driver.KindSession, App: "session", Principal: "ann",
			Created: made, Seen: now.Add(-time.Duration(n*n%5) * time.Second), Expires: now.Add(time.Hour), Deadline: now.Add(time.Hour),
		}
		if n == 2 {
			rec.Expires = now
		}
		if _, err := store.Create(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
		numbers[rec.ID] = n
		if n%3 == 0 {
			if err := store.Bury(t.Context(), rec.ID, rec.GraveFor(driver.EndRevoked, made.Add(90*time.Second), driver.NewWriteID()), driver.Version{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return store, numbers
}

// TestPages: whatever the size of pages, the list is the same, and whole.
func TestPages(t *testing.T) {
	store, numbers := filled(t)
	for _, c := range []struct {
		state State
		order Order
		want  []int
	}{
		{Live, Newest, []int{7, 5, 4, 1}},
		{Live, Oldest, []int{1, 4, 5, 7}},
		{Live, Seen, []int{5, 4, 1, 7}},
		{Expired, Newest, []int{2}},
		{Ended, Newest, []int{6, 3}},
		{Ended, Oldest, []int{3, 6}},
		{All, Newest, []int{6, 7, 5, 3, 4, 2, 1}}, // 6 ended after 7 was made, 3 after 4
		{All, Oldest, []int{1, 2, 4, 3, 5, 7, 6}},
	} {
		l := &List{Query: driver.Query{App: "session"}, State: c.state, Order: c.order, Now: now}
		for limit := range 9 {
			var got []int
			after := ""
			for pages := 1; ; pages++ {
				p, err := l.Of(t.Context(), store, after, limit)
				if err != nil {
					t.Fatal(err)
				}
				for _, rec := range p.Records {
					got = append(got, numbers[rec.ID])
				}
				if limit > 0 && len(p.Records) > limit || pages > 10 {
					t.Fatalf("%v: page %d has %d", c, pages, len(p.Records))
				}
				if after = p.Next; after == "" {
					break
				}
			}
			if c.order == Seen { // ties are broken by ids
				slices.Sort(got)
				slices.Sort(c.want)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%v %v by %d: %v, want %v", c.state, c.order, limit, got, c.want)
			}
		}
	}
}

// TestSeenOrder: sessions used last come first, and those that ended are among them by the
// time of their end.
func TestSeenOrder(t *testing.T) {
	store, numbers := filled(t)
	l := &List{State: All, Order: Seen, Now: now}
	p, err := l.Of(t.Context(), store, "", 0)
	if err != nil || len(p.Records) != 7 {
		t.Fatal(p, err)
	}
	if a, b := numbers[p.Records[5].ID], numbers[p.Records[6].ID]; a != 6 || b != 3 {
		t.Errorf("the last are %d and %d", a, b)
	}
	for i, rec := range p.Records[:4] {
		if next := p.Records[i+1]; rec.Seen.Before(next.Seen) {
			t.Errorf("%v comes before %v", rec.Seen, next.Seen)
		}
	}
}

// TestTruncated: a page that a bound cuts off goes on where it was cut.
func TestTruncated(t *testing.T) {
	store, numbers := filled(t)
	l := &List{Query: driver.Query{Address: netip.MustParsePrefix("192.0.2.0/24")}, State: Live, Order: Newest, Now: now}
	if p, err := l.Of(t.Context(), store, "", 2); err != nil || len(p.Records) != 0 || p.Next != "" {
		t.Errorf("%v %v", p, err)
	}
	l = &List{State: Live, Order: Newest, Now: now}
	cut := &cutting{Store: store, after: 2}
	p, err := l.Of(t.Context(), cut, "", 3)
	if err != nil || len(p.Records) != 2 || !p.Truncated || p.Next == "" {
		t.Fatalf("%v %v", p, err)
	}
	rest, err := l.Of(t.Context(), store, p.Next, 0)
	if err != nil || len(rest.Records) != 1 || numbers[rest.Records[0].ID] != 1 { // 4 was passed over
		t.Errorf("%v %v", rest, err)
	}
	cut.nowhere = true
	if _, err := l.Of(t.Context(), cut, "", 3); !isTruncated(err) {
		t.Errorf("%v", err)
	}
}

func isTruncated(err error) bool {
	_, is := errors.AsType[*driver.TruncatedError](err)
	return is
}

// TestBefore: each page is found again from behind, whatever the size of pages.
func TestBefore(t *testing.T) {
	store, _ := filled(t)
	for _, state := range []State{Live, Expired, Ended, All} {
		for _, order := range []Order{Newest, Oldest} {
			l := &List{Query: driver.Query{App: "session"}, State: state, Order: order, Now: now}
			for limit := 1; limit < 9; limit++ {
				var pages [][]driver.ID
				var cursors []string // of each page
				for after := ""; ; {
					p, err := l.Of(t.Context(), store, after, limit)
					if err != nil {
						t.Fatal(err)
					}
					pages, cursors = append(pages, idsOf(p)), append(cursors, after)
					if after = p.Next; after == "" {
						break
					}
				}
				at := cursors[len(cursors)-1]
				for n := len(pages) - 2; n >= 0; n-- {
					p, err := l.Before(t.Context(), store, at, limit)
					if err != nil {
						t.Fatal(err)
					}
					if !slices.Equal(idsOf(p), pages[n]) || p.Next != at {
						t.Errorf("%s %s by %d, page %d: %v, want %v", state, order, limit, n, idsOf(p), pages[n])
					}
					if (p.Back == "") != (n == 0) {
						t.Errorf("%s %s by %d, page %d: back %q", state, order, limit, n, p.Back)
					}
					at = p.Back
				}
			}
		}
	}
}

// TestBeforeInOneMillisecond: the way back is whole however many sessions were made in one
// millisecond.
func TestBeforeInOneMillisecond(t *testing.T) {
	store := memstore.New(nil)
	t.Cleanup(func() { store.Close() })
	for i := range 400 {
		made := now.Add(-time.Minute)
		if i == 0 {
			made = now.Add(-2 * time.Minute)
		}
		rec := &driver.Record{
			ID: driver.NewID(driver.LayoutDay, made), Kind: driver.KindSession, App: "session",
			Created: made, Seen: made, Expires: now.Add(time.Hour), Deadline: now.Add(time.Hour),
		}
		if _, err := store.Create(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
	}
	for _, order := range []Order{Newest, Oldest} {
		l := &List{Query: driver.Query{App: "session"}, State: Live, Order: order, Now: now}
		all, err := l.Of(t.Context(), store, "", 0)
		if err != nil || len(all.Records) != 400 {
			t.Fatal(len(all.Records), err)
		}
		for _, size := range []int{7, 50, 130} {
			first, err := l.Of(t.Context(), store, "", 390)
			if err != nil {
				t.Fatal(err)
			}
			end := 390
			for at := first.Next; at != "" && end > 0; {
				p, err := l.Before(t.Context(), store, at, size)
				if err != nil {
					t.Fatal(err)
				}
				from := max(0, end-size)
				if want := idsOf(Page{Records: all.Records[from:end]}); !slices.Equal(idsOf(p), want) || (p.Back == "") != (from == 0) {
					t.Fatalf("%s by %d, before %d: %d records, back %q", order, size, end, len(p.Records), p.Back)
				}
				end, at = from, p.Back
			}
			if end != 0 {
				t.Errorf("%s by %d: it ends before %d", order, size, end)
			}
		}
	}
}

// TestBeforeSeen: the order of the last activity has no way back.
func TestBeforeSeen(t *testing.T) {
	store, _ := filled(t)
	l := &List{State: Live, Order: Seen, Now: now}
	p, err := l.Of(t.Context(), store, "", 1)
	if err != nil || p.Next == "" {
		t.Fatal(err)
	}
	if _, err := l.Before(t.Context(), store, p.Next, 1); !errors.Is(err, ErrCursor) {
		t.Error(err)
	}
}

func idsOf(p Page) (ids []driver.ID) {
	for _, rec := range p.Records {
		ids = append(ids, rec.ID)
	}
	return ids
}

// TestCursors: a cursor goes on with its own list alone.
func TestCursors(t *testing.T) {
	store, _ := filled(t)
	l := &List{State: Live, Order: Newest, Now: now}
	p, err := l.Of(t.Context(), store, "", 1)
	if err != nil || p.Next == "" {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		list  List
		after string
	}{
		"another order": {List{State: Live, Order: Oldest, Now: now}, p.Next},
		"another state": {List{State: All, Order: Newest, Now: now}, p.Next},
		"cut":           {*l, p.Next[:len(p.Next)-2]},
		"nonsense":      {*l, "help"},
	} {
		if _, err := c.list.Of(t.Context(), store, c.after, 1); !errors.Is(err, ErrCursor) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCheck: what graves don't keep can't be asked of them.
func TestCheck(t *testing.T) {
	for _, q := range []driver.Query{{Agent: "x"}, {Address: netip.MustParsePrefix("192.0.2.0/24")}, {SeenFrom: now}} {
		for state, ok := range map[State]bool{Live: true, Expired: true, Ended: false, All: false} {
			l := List{Query: q, State: state, Order: Newest, Now: now}
			if err := l.Check(); (err == nil) != ok {
				t.Errorf("%v %v: %v", state, q, err)
			}
		}
	}
	l := List{State: All, Order: Seen, Now: now, Reason: driver.EndRevoked}
	if err := l.Check(); err != nil {
		t.Error(err)
	}
}

// cutting is a store whose searches are cut off after some records, behind the next.
type cutting struct {
	driver.Store
	after   int
	nowhere bool // the search can't go on
}

func (c *cutting) Search(ctx context.Context, q driver.Query) iter.Seq2[*driver.Record, error] {
	return func(yield func(*driver.Record, error) bool) {
		n := 0
		for rec, err := range c.Store.Search(ctx, q) {
			if n++; n > c.after {
				cut := &driver.TruncatedError{After: q.Cursor(rec)}
				if c.nowhere {
					cut.After = driver.Cursor{}
				}
				yield(nil, cut)
				return
			}
			if !yield(rec, err) {
				return
			}
		}
	}
}
