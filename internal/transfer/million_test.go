package transfer_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/transfer"
)

// This file measures a move of many sessions. It runs on request:
//
//	go test -run TestMany ./internal/transfer -many 1000000 -timeout 1h -v

var many = flag.Int("many", 0, "how many sessions TestMany moves from a file to an engine and back; 0: it is skipped")

// TestMany tells how long the parts of a move take.
func TestMany(t *testing.T) {
	if *many == 0 {
		t.Skip("it measures, with -many")
	}
	from, back := newFile(t), newFile(t)
	url, index := newIndices(t)
	to := openIndices(t, url, index)
	begun := time.Now()
	fill(t, from, *many)
	t.Logf("filled with %d sessions in %v", *many, time.Since(begun).Round(time.Millisecond))
	measure(t, from, to)
	measure(t, to, back)
}

// fill makes sessions of three days, a tenth of them ended.
func fill(t *testing.T, s driver.Store, n int) {
	t.Helper()
	value := json.RawMessage(`"` + strings.Repeat("x", 300) + `"`)
	var wg sync.WaitGroup
	for i := range 256 {
		wg.Go(func() {
			for j := i; j < n; j += 256 {
				r := session(driver.LayoutDay)
				r.Created = r.Created.Add(-time.Duration(j%72) * time.Hour)
				r.ID = driver.NewID(driver.LayoutDay, r.Created)
				r.Deadline = r.Deadline.Add(30 * 24 * time.Hour)
				r.Values = r.Values.With("cart", value)
				v, err := s.Create(t.Context(), r)
				if err == nil && j%10 == 0 {
					err = s.Bury(t.Context(), r.ID, r.GraveFor(driver.EndDestroyed, r.Created, driver.NewWriteID()), v)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// touch writes some sessions once more.
func touch(t *testing.T, s driver.Store, n int) {
	t.Helper()
	var all []*driver.Record
	for r, err := range s.Search(t.Context(), driver.Query{Limit: n}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for j := i; j < len(all); j += 64 {
				r := *all[j]
				r.Writes++
				r.WriteIDs = driver.PushWriteID(r.WriteIDs, driver.NewWriteID())
				if _, err := s.Update(t.Context(), &r); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func measure(t *testing.T, from, to driver.Store) {
	t.Helper()
	took := func(what string, f func() string) {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begun := time.Now()
		said := f()
		d := time.Since(begun)
		runtime.GC()
		runtime.ReadMemStats(&after)
		t.Logf("%T to %T: %s: %v (%.0f/s), %d MiB more kept: %s", from, to, what, d.Round(time.Millisecond), float64(*many)/d.Seconds(),
			(int64(after.HeapAlloc)-int64(before.HeapAlloc))>>20, said)
	}
	m, found := mover(t, from, to, func(c *transfer.Config) { c.Patience = 5 * time.Minute })
	took("first pass", func() string { return fmt.Sprintf("%+v", pass(t, m)) })
	touch(t, from, 2000)
	took("second pass, of 2000", func() string { return fmt.Sprintf("%+v", pass(t, m)) })
	took("verify", func() string {
		c, err := m.Verify(t.Context())
		return fmt.Sprintf("%+v %v", c, err)
	})
	touch(t, from, 200)
	took("cut that compares what was changed", func() string {
		cut, err := m.Cut(t.Context(), transfer.CutOptions{Changed: true})
		if err != nil {
			t.Fatalf("%v\n%v", err, found)
		}
		return fmt.Sprintf("%+v", cut)
	})
	if _, err := transfer.Unfence(t.Context(), from); err != nil {
		t.Fatal(err)
	}
	touch(t, from, 200)
	took("cut", func() string { return fmt.Sprintf("%+v", mustCut(t, m, found)) })
	took("compare", func() string {
		c, err := m.Compare(t.Context())
		return fmt.Sprintf("%+v %v", c, err)
	})
	again, _ := mover(t, from, to, func(c *transfer.Config) { c.Patience = 5 * time.Minute })
	took("the pass of another run", func() string { return fmt.Sprintf("%+v", pass(t, again)) })
	if s := found.String(); s != "" {
		t.Error(s)
	}
}
