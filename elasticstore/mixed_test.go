package elasticstore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests a console's queries where indices of all formats lie side by side.

// TestQueriesOnMixedMappings has records and graves in indices of formats 1 and 2 and in
// those of this version, with the mapping for dashboards and without. Each query finds
// what it must in all of them, in order, page by page, and is counted.
func TestQueriesOnMixedMappings(t *testing.T) {
	t.Parallel()
	for _, dashboards := range []bool{false, true} {
		t.Run(fmt.Sprintf("dashboards %t", dashboards), func(t *testing.T) {
			l := newLab(t)
			s := l.open(t, nil, func(c *Config) { c.Dashboards = dashboards })
			now := time.Now().UTC().Truncate(time.Millisecond)
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			random := rand.New(rand.NewPCG(seed, 0))
			days := []time.Time{now, now.AddDate(0, 0, -1), now.AddDate(0, 0, -2)}
			l.indexWith(t, s.names.of(driver.NewID(driver.LayoutDay, days[1])), mappingOfFormat1)
			l.indexWith(t, s.names.of(driver.NewID(driver.LayoutDay, days[2])), mappingOfFormat2)
			warm(t, s)
			all := mixed(t, s, random, now, days)
			l.refresh(t)
			for i := range 150 {
				q := mixedQuery(random, all, now, i)
				wantMixed(t, s, q, all)
				if t.Failed() {
					return
				}
			}
			for _, q := range []driver.Query{{Order: driver.OrderSeen}, {Order: driver.OrderNewest}, {Ended: true}, {Ended: true, Order: driver.OrderNewest}, {Agent: "b"}} {
				pages := q
				pages.Limit, pages.Scan = 7, 1000
				var got []*driver.Record
				for {
					page := foundBy(t, s, pages)
					if got = append(got, page...); len(page) < pages.Limit {
						break
					}
					pages.After = pages.Cursor(page[len(page)-1])
				}
				if want := selectedOf(all, q); !reflect.DeepEqual(got, want) {
					t.Errorf("%+v: pages have %d records, want %d, or in another order", q, len(got), len(want))
				}
			}
			checkHonest(t, s, all)
		})
	}
}

// mixed makes records of each day, and ends some.
func mixed(t *testing.T, s *Store, random *rand.Rand, now time.Time, days []time.Time) (all []*driver.Record) {
	t.Helper()
	for i := range 90 {
		r := session(driver.LayoutDay, days[i%len(days)])
		r.Created = now.Add(-time.Duration(i%4) * time.Second)
		r.Seen = now.Add(-time.Duration(random.IntN(20)) * time.Second)
		r.Expires, r.Deadline = now.Add(time.Hour), now.Add(24*time.Hour)
		r.Principal = []string{"alice", "bob", ""}[i%3]
		r.Client = driver.Client{Address: []string{"192.0.2.1", "192.0.2.200", "2001:db8::7", "none", ""}[i%5], UserAgent: []string{"Browser/1", "curl", ""}[i%3]}
		r = mustCreate(t, s, r)
		if i%4 == 0 {
			g := r.GraveFor([]driver.EndReason{driver.EndDestroyed, driver.EndExpired}[random.IntN(2)], now.Add(-time.Duration(random.IntN(9))*time.Second), driver.NewWriteID())
			if err := s.Bury(testContext(t), r.ID, g, r.Version); err != nil {
				t.Fatal(err)
			}
			grave, err := s.Get(testContext(t), r.ID)
			if !errors.Is(err, driver.ErrGone) {
				t.Fatal(err)
			}
			r = grave
		}
		all = append(all, r)
	}
	return all
}

// mixedQuery makes a query by chance.
func mixedQuery(random *rand.Rand, all []*driver.Record, now time.Time, i int) (q driver.Query) {
	chance := func(n int) bool { return random.IntN(n) == 0 }
	at := func() time.Time { return now.Add(-time.Duration(random.IntN(20)) * time.Second) }
	if chance(3) {
		q.Principal = "alice"
	}
	if chance(3) {
		q.Limit = 1 + random.IntN(20)
	}
	if i%3 == 0 {
		q.Ended = true
		q.Order = []driver.Order{driver.OrderCreated, driver.OrderNewest}[random.IntN(2)]
		if chance(2) {
			q.Reason = driver.EndExpired
		}
		if chance(2) {
			q.EndedFrom = at()
		}
		if chance(2) {
			q.EndedTo = at()
		}
	} else {
		q.Order = []driver.Order{driver.OrderCreated, driver.OrderNewest, driver.OrderSeen}[random.IntN(3)]
		if chance(2) {
			q.SeenFrom = at()
		}
		if chance(2) {
			q.SeenTo = at()
		}
		if chance(2) {
			q.Address = netip.MustParsePrefix([]string{"192.0.2.0/25", "192.0.2.0/24", "2001:db8::/32", "::/0"}[random.IntN(4)])
		}
		if chance(3) {
			q.Agent = []string{"BROWSER", "r/1", "curl"}[random.IntN(3)]
		}
	}
	if chance(3) {
		if from := selectedOf(all, driver.Query{Ended: q.Ended}); len(from) > 0 {
			q.After = q.Cursor(from[random.IntN(len(from))])
		}
	}
	return q
}

// selectedOf returns what a query selects, in order.
func selectedOf(all []*driver.Record, q driver.Query) (want []*driver.Record) {
	for _, r := range all {
		if q.Matches(r) {
			want = append(want, r)
		}
	}
	slices.SortFunc(want, q.Compare)
	if q.Limit > 0 {
		want = want[:min(len(want), q.Limit)]
	}
	return want
}

func foundBy(t *testing.T, s *Store, q driver.Query) (got []*driver.Record) {
	t.Helper()
	for r, err := range s.Search(testContext(t), q) {
		if err != nil {
			t.Fatalf("%+v: %v", q, err)
		}
		got = append(got, r)
	}
	return got
}

// wantMixed checks what a query finds and counts.
func wantMixed(t *testing.T, s *Store, q driver.Query, all []*driver.Record) {
	t.Helper()
	if got, want := foundBy(t, s, q), selectedOf(all, q); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v: found %d records, want %d, or in another order\n%v\n%v", q, len(got), len(want), cursors(got), cursors(want))
	}
	q.After, q.Limit = driver.Cursor{}, 0
	if sum, err := s.Summarize(testContext(t), q); err != nil || sum.Records != int64(len(selectedOf(all, q))) {
		t.Errorf("%+v: a summary of %+v, %v; want %d", q, sum, err, len(selectedOf(all, q)))
	}
}

// checkHonest checks that a search which would have to read more documents of earlier
// formats than it may says so.
func checkHonest(t *testing.T, s *Store, all []*driver.Record) {
	t.Helper()
	for _, q := range []driver.Query{
		{Order: driver.OrderSeen, Limit: 5, Scan: 10}, {Ended: true, Scan: 5}, {Agent: "no such", Scan: 5},
	} {
		var last error
		n := 0
		for r, err := range s.Search(testContext(t), q) {
			if last = err; r != nil {
				n++
			}
		}
		var cut *driver.TruncatedError
		if !errors.As(last, &cut) || n != 0 || (cut.After == driver.Cursor{}) != (q.Agent == "") {
			t.Errorf("%+v: %d records and %v of %d; want none, and a TruncatedError", q, n, last, len(all))
		}
	}
}
