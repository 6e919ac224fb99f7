package sqlitestore

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// benchRecords returns the number of sessions in benchmarks, which
// CLOAKROOM_BENCH_RECORDS may set.
func benchRecords(b *testing.B) int {
	if text := os.Getenv("CLOAKROOM_BENCH_RECORDS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	return 20_000
}

// sample returns a typical session: 700 bytes of values, signed in.
func sample(i int) *driver.Record {
	now := time.Now().UTC().Truncate(time.Millisecond)
	r := &driver.Record{
		ID:            driver.NewID(driver.LayoutDay, now),
		Kind:          driver.KindSession,
		App:           "shop",
		Principal:     "user" + strconv.Itoa(i),
		Created:       now,
		Authenticated: now,
		Seen:          now,
		Expires:       now.Add(24 * time.Hour),
		Deadline:      now.Add(30 * 24 * time.Hour),
		Verifier:      make([]byte, 34),
		Client: driver.Client{
			Address:   "203.0.113.7",
			UserAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
		},
		Values: driver.NewValueList(map[string]json.RawMessage{
			"visits": json.RawMessage("123456"),
			"cart":   json.RawMessage(`{"items":[{"sku":"A-1234","n":2},{"sku":"B-9","n":1}],"note":"` + strings.Repeat("lorem ipsum ", 46) + `"}`),
			"csrf":   json.RawMessage(`"abcdefghijklmnopqrstuvwx"`),
			"lang":   json.RawMessage(`"en"`),
		}),
	}
	for range driver.MaxWriteIDs {
		r.WriteIDs = nextWriteIDs(r.WriteIDs)
	}
	return r
}

// save changes r as a request's save does.
func save(r *driver.Record) {
	r.Writes++
	r.WriteIDs = nextWriteIDs(r.WriteIDs)
	r.Seen = r.Seen.Add(time.Second)
	r.Expires = r.Expires.Add(time.Second)
}

// filled returns a store with records in it.
func filled(b *testing.B, n int) (*Store, []*driver.Record) {
	b.Helper()
	s, err := Open(b.Context(), filepath.Join(b.TempDir(), "sessions.db"), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	records := make([]*driver.Record, n)
	share(b, 256, n, func(_, i int) error {
		r := sample(i)
		v, err := s.Create(context.Background(), r)
		r.Version = v
		records[i] = r
		return err
	})
	return s, records
}

// share lets callers do n things, each its share of them.
func share(b testing.TB, callers, n int, f func(caller, i int) error) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := f(caller, i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func perSecond(b *testing.B, unit string) {
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), unit+"/s")
}

// BenchmarkSave saves sessions at random, each caller some of its own.
func BenchmarkSave(b *testing.B) {
	for _, callers := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s, records := filled(b, benchRecords(b))
			each := len(records) / callers
			b.ReportAllocs()
			commits := s.writer.commits.Load()
			b.ResetTimer()
			share(b, callers, b.N, func(caller, _ int) error {
				at := caller*each + rand.IntN(each)
				r := *records[at]
				save(&r)
				v, err := s.Update(context.Background(), &r)
				r.Version = v
				records[at] = &r
				return err
			})
			b.StopTimer()
			perSecond(b, "saves")
			b.ReportMetric(float64(b.N)/float64(s.writer.commits.Load()-commits), "saves/commit")
		})
	}
}

// BenchmarkBare is SQLite by itself with the same rows: a loop of prepared updates, size
// of them in a transaction. Compare it with BenchmarkSave.
func BenchmarkBare(b *testing.B) {
	for _, size := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			s, records := filled(b, benchRecords(b))
			rows := make([]*row, len(records))
			for i, r := range records {
				rows[i], _ = newRow(r)
			}
			w := s.writer
			b.ResetTimer()
			for n := 0; n < b.N; {
				err := run(w.stmts.begin)
				for range size {
					r := rows[rand.IntN(len(rows))]
					r.bind(w.stmts.save)
					w.stmts.save.BindInt64(pTerm, int64(r.rec.Version.Term))
					w.stmts.save.BindInt64(pSeq, int64(r.rec.Version.Seq))
					if ok, err2 := w.change(w.stmts.save); !ok || err2 != nil {
						b.Fatal(ok, err2)
					}
					r.rec.Version.Seq++
					n++
				}
				if err2 := run(w.stmts.commit); err != nil || err2 != nil {
					b.Fatal(err, err2)
				}
			}
			b.StopTimer()
			perSecond(b, "saves")
		})
	}
}

// BenchmarkCreate creates sessions.
func BenchmarkCreate(b *testing.B) {
	s, _ := filled(b, 0)
	records := make([]*driver.Record, b.N)
	for i := range records {
		records[i] = sample(i)
	}
	b.ReportAllocs()
	b.ResetTimer()
	share(b, 256, b.N, func(_, i int) error {
		_, err := s.Create(context.Background(), records[i])
		return err
	})
	b.StopTimer()
	perSecond(b, "creates")
}

// BenchmarkGet reads sessions at random.
func BenchmarkGet(b *testing.B) {
	for _, callers := range []int{1, 2, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s, records := filled(b, benchRecords(b))
			b.ReportAllocs()
			b.ResetTimer()
			share(b, callers, b.N, func(_, _ int) error {
				_, err := s.Get(context.Background(), records[rand.IntN(len(records))].ID)
				return err
			})
			b.StopTimer()
			perSecond(b, "reads")
		})
	}
}

// BenchmarkMixed has three reads to a save, as a site with lazy saves might.
func BenchmarkMixed(b *testing.B) {
	const callers = 64
	s, records := filled(b, benchRecords(b))
	each := len(records) / callers
	b.ReportAllocs()
	b.ResetTimer()
	share(b, callers, b.N, func(caller, i int) error {
		at := caller*each + rand.IntN(each)
		if i%4 != 0 {
			_, err := s.Get(context.Background(), records[at].ID)
			return err
		}
		r := *records[at]
		save(&r)
		v, err := s.Update(context.Background(), &r)
		r.Version = v
		records[at] = &r
		return err
	})
	b.StopTimer()
	perSecond(b, "ops")
}

// nextWriteIDs returns write ids with a new one in front, as after a write.
func nextWriteIDs(ids []driver.WriteID) []driver.WriteID {
	r := driver.Record{WriteIDs: ids}
	return r.ExpiredGrave(time.Time{}).WriteIDs
}
