package sqlitestore

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file measures the pages of a console.

// BenchmarkConsole reads pages of 50 of as many sessions as CLOAKROOM_BENCH_RECORDS
// says, of which a tenth has ended.
func BenchmarkConsole(b *testing.B) {
	s, records := filled(b, benchRecords(b))
	now := time.Now()
	share(b, 256, len(records)/10, func(_, i int) error {
		r := records[i*10]
		return s.Bury(b.Context(), r.ID, r.GraveFor(driver.EndRevoked, now.Add(time.Duration(i)*time.Millisecond), driver.NewWriteID()), driver.Version{})
	})
	middle := records[len(records)/2]
	at := func(o driver.Order, t time.Time) driver.Cursor {
		return driver.Cursor{Created: t, ID: middle.ID, Order: o}
	}
	for _, p := range []struct {
		name  string
		query driver.Query
	}{
		{"made, oldest first", driver.Query{App: "shop"}},
		{"made, newest first", driver.Query{App: "shop", Order: driver.OrderNewest}},
		{"made, newest first, from the middle", driver.Query{App: "shop", Order: driver.OrderNewest, After: at(driver.OrderNewest, middle.Created)}},
		{"principal", driver.Query{App: "shop", Principal: middle.Principal}},
		{"seen", driver.Query{App: "shop", Order: driver.OrderSeen}},
		{"seen, bounded", driver.Query{App: "shop", Order: driver.OrderSeen, Scan: 20_000}},
		{"address that none has", driver.Query{App: "shop", Address: netip.MustParsePrefix("192.0.2.0/24")}},
		{"address that none has, bounded", driver.Query{App: "shop", Address: netip.MustParsePrefix("192.0.2.0/24"), Scan: 20_000}},
		{"ended, newest first", driver.Query{App: "shop", Ended: true, Order: driver.OrderNewest}},
		{"ended, newest first, from the middle", driver.Query{App: "shop", Ended: true, Order: driver.OrderNewest,
			After: at(driver.OrderNewest, now.Add(time.Duration(len(records)/20)*time.Millisecond))}},
		{"ended, of a principal", driver.Query{App: "shop", Ended: true, Principal: records[0].Principal}},
		{"ended, another reason", driver.Query{App: "shop", Ended: true, Reason: driver.EndExpired}},
	} {
		b.Run(p.name, func(b *testing.B) {
			p.query.Limit = 50
			n := 0
			for b.Loop() {
				n = 0
				for _, err := range s.Search(b.Context(), p.query) {
					var cut *driver.TruncatedError
					if err != nil && !errors.As(err, &cut) {
						b.Fatal(err)
					}
					n++
				}
			}
			b.ReportMetric(float64(n), "records")
		})
	}
	for _, q := range []driver.Query{{App: "shop"}, {App: "shop", SeenFrom: now}, {App: "shop", Ended: true}} {
		b.Run(fmt.Sprintf("count %v %v", !q.SeenFrom.IsZero(), q.Ended), func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Summarize(b.Context(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
