package elasticstore

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
)

// This file measures the pages of a console.

// BenchmarkConsole reads pages of 50 of as many sessions as CLOAKROOM_BENCH_RECORDS
// says (20,000 if it says nothing), of which a tenth has ended, on an engine of its own.
func BenchmarkConsole(b *testing.B) {
	n := 20_000
	if text := os.Getenv("CLOAKROOM_BENCH_RECORDS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	l := newLabAt(b, testengine.Start(b, testengine.Options{Heap: "1g"}).URL())
	s := l.open(b, nil, nil)
	now := time.Now().Add(-time.Hour).UTC()
	var middle *driver.Record
	var wg sync.WaitGroup
	for c := range 256 {
		wg.Go(func() {
			for i := c; i < n; i += 256 {
				r := benchSession(now.Add(-time.Duration(i%10)*24*time.Hour), i)
				r.Created = r.Created.Add(time.Duration(i) * time.Millisecond)
				if i == n/2 {
					middle = r
				}
				v, err := s.Create(b.Context(), r)
				if err == nil && i%10 == 0 {
					err = s.Bury(b.Context(), r.ID, r.GraveFor(driver.EndRevoked, r.Seen, driver.NewWriteID()), v)
				}
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	l.refresh(b)
	at := func(o driver.Order, t time.Time) driver.Cursor {
		return driver.Cursor{Created: t, ID: middle.ID, Order: o}
	}
	for _, p := range []struct {
		name  string
		query driver.Query
	}{
		{"made, oldest first", driver.Query{App: "app"}},
		{"made, newest first", driver.Query{App: "app", Order: driver.OrderNewest}},
		{"made, newest first, from the middle", driver.Query{App: "app", Order: driver.OrderNewest, After: at(driver.OrderNewest, middle.Created)}},
		{"principal", driver.Query{App: "app", Principal: middle.Principal}},
		{"seen", driver.Query{App: "app", Order: driver.OrderSeen}},
		{"seen, from the middle", driver.Query{App: "app", Order: driver.OrderSeen, After: at(driver.OrderSeen, middle.Seen)}},
		{"address that none has, bounded", driver.Query{App: "app", Address: netip.MustParsePrefix("192.0.2.0/24"), Scan: 10_000}},
		{"ended, newest first", driver.Query{App: "app", Ended: true, Order: driver.OrderNewest}},
		{"ended, of a principal", driver.Query{App: "app", Ended: true, Principal: "user0@example.com"}},
		{"ended, another reason", driver.Query{App: "app", Ended: true, Reason: driver.EndExpired}},
	} {
		b.Run(p.name, func(b *testing.B) {
			p.query.Limit = 50
			found := 0
			for b.Loop() {
				found = 0
				for _, err := range s.Search(b.Context(), p.query) {
					var cut *driver.TruncatedError
					if err != nil && !errors.As(err, &cut) {
						b.Fatal(err)
					}
					found++
				}
			}
			b.ReportMetric(float64(found), "records")
		})
	}
	for _, q := range []driver.Query{{App: "app"}, {App: "app", SeenFrom: now}, {App: "app", Ended: true}} {
		b.Run(fmt.Sprintf("count %v %v", !q.SeenFrom.IsZero(), q.Ended), func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Summarize(b.Context(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
