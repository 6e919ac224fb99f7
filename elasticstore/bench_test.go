package elasticstore

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the benchmarks. They have 2000 sessions with 700 bytes of values, as a
// web shop might. "store" is a Store. "engine" is the same client and engine with
// prepared requests, whose answers nobody reads: the limit of a Store.
const (
	benchSessions = 2000
	benchValues   = 700
	benchCallers  = 256
)

var benchSizes = []int{64, 256} // of requests to the engine alone

// counter counts requests.
type counter struct {
	Client
	n atomic.Int64
}

func (c *counter) Perform(req *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return c.Client.Perform(req)
}

func benchStore(b *testing.B) (*lab, *Store, []*driver.Record) {
	b.Helper()
	l := newLab(b)
	s := l.open(b, &counter{Client: l.client}, nil)
	records := make([]*driver.Record, benchSessions)
	now := time.Now()
	filler := bytes.Repeat([]byte("x"), benchValues-30)
	var wg sync.WaitGroup
	for i := range records {
		r := session(driver.LayoutDay, now)
		r.Values = driver.NewValueList(map[string]json.RawMessage{"cart": json.RawMessage(`["coat"]`), "filler": json.RawMessage(fmt.Sprintf("%q", filler))})
		wg.Go(func() {
			v, err := s.Create(b.Context(), r)
			if err != nil {
				b.Error(err)
			}
			r.Version = v
		})
		records[i] = r
	}
	wg.Wait()
	if b.Failed() {
		b.FailNow()
	}
	return l, s, records
}

// callers shares b.N operations among callers. Each begins its next operation at once.
func callers(b *testing.B, s *Store, n int, op func(caller, i int) error) {
	b.Helper()
	b.ReportAllocs()
	requests := &s.client.(*counter).n
	requests.Store(0)
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for c := range n {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
				if err := op(c, int(i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
	if n := requests.Load(); n > 0 {
		b.ReportMetric(float64(b.N)/float64(n), "ops/request")
	}
}

func BenchmarkGet(b *testing.B) {
	for _, n := range []int{1, benchCallers} {
		b.Run(fmt.Sprintf("store/callers=%d", n), func(b *testing.B) {
			_, s, records := benchStore(b)
			callers(b, s, n, func(_, i int) error {
				_, err := s.Get(b.Context(), records[(i*7)%len(records)].ID)
				return err
			})
		})
	}
	b.Run("engine/single", func(b *testing.B) {
		l, s, records := benchStore(b)
		path := "/" + s.names.of(records[0].ID) + "/_doc/"
		callers(b, s, 1, func(_, i int) error {
			return l.raw(b, http.MethodGet, path+records[(i*7)%len(records)].ID.String(), typeJSON, nil)
		})
	})
	b.Run("engine/mget=1", func(b *testing.B) {
		l, s, records := benchStore(b)
		path := "/" + s.names.of(records[0].ID) + "/_mget"
		callers(b, s, 1, func(_, i int) error {
			return l.raw(b, http.MethodPost, path, typeJSON, []byte(`{"ids":["`+records[(i*7)%len(records)].ID.String()+`"]}`))
		})
	})
	for _, n := range benchSizes {
		b.Run(fmt.Sprintf("engine/mget=%d,inflight=4", n), func(b *testing.B) {
			l, s, records := benchStore(b)
			path := "/" + s.names.of(records[0].ID) + "/_mget"
			var bodies [][]byte
			for at := 0; at+n <= len(records); at += n {
				var ids []string
				for _, r := range records[at : at+n] {
					ids = append(ids, r.ID.String())
				}
				body, _ := json.Marshal(map[string]any{"ids": ids})
				bodies = append(bodies, body)
			}
			l.ceiling(b, n, func(i int) error {
				return l.raw(b, http.MethodPost, path, typeJSON, bodies[i%len(bodies)])
			})
		})
	}
}

// ceiling makes requests of n documents each, 4 in flight, until it has done b.N
// documents.
func (l *lab) ceiling(b *testing.B, n int, request func(i int) error) {
	b.Helper()
	requests := (b.N + n - 1) / n
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range 4 {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(requests); i = next.Add(1) - 1 {
				if err := request(int(i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(requests*n)/b.Elapsed().Seconds(), "ops/s")
}

// raw makes a request and throws the answer away.
func (l *lab) raw(b *testing.B, method, path, contentType string, body []byte) error {
	req, err := http.NewRequestWithContext(b.Context(), method, path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", contentType)
	res, err := l.client.Perform(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s", path, res.Status)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

func BenchmarkUpdate(b *testing.B) {
	for _, n := range []int{1, benchCallers} {
		b.Run(fmt.Sprintf("store/callers=%d", n), func(b *testing.B) {
			_, s, records := benchStore(b)
			per := len(records) / n
			turn := make([]int, n)
			callers(b, s, n, func(c, _ int) error {
				r := records[c*per+turn[c]%per] // no other caller's
				turn[c]++
				v, err := s.Update(b.Context(), r)
				r.Version = v
				return err
			})
		})
	}
	b.Run("engine/single", func(b *testing.B) {
		l, s, records := benchStore(b)
		index := s.names.of(records[0].ID)
		document, _ := encodeRecord(records[0], false)
		version := records[0].Version
		callers(b, s, 1, func(int, int) error {
			return l.put1(b, index, records[0].ID, document, &version)
		})
	})
	for _, n := range benchSizes {
		b.Run(fmt.Sprintf("engine/bulk=%d,inflight=4", n), func(b *testing.B) {
			l, s, records := benchStore(b)
			items := make([]*write, len(records))
			for i, r := range records {
				document, _ := encodeRecord(r, false)
				items[i] = &write{index: s.names.of(r.ID), id: r.ID, action: replaceAny, document: document}
			}
			var bodies [][]byte
			for at := 0; at+n <= len(items); at += n {
				bodies = append(bodies, bulkBody(items[at:at+n]).bytes)
			}
			l.ceiling(b, n, func(i int) error {
				return l.raw(b, http.MethodPost, "/_bulk", typeLines, bodies[i%len(bodies)])
			})
		})
	}
}

// put1 replaces one document at its version, as one request.
func (l *lab) put1(b *testing.B, index string, id driver.ID, document []byte, v *driver.Version) error {
	ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
	defer cancel()
	path := fmt.Sprintf("/%s/_doc/%s?if_seq_no=%d&if_primary_term=%d", index, id, v.Seq, v.Term)
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, path, bytes.NewReader(document))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", typeJSON)
	res, err := l.client.Perform(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var answer struct {
		Seq  uint64 `json:"_seq_no"`
		Term uint64 `json:"_primary_term"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return err
	}
	*v = driver.Version{Term: answer.Term, Seq: answer.Seq}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, res.Status)
	}
	return nil
}

func BenchmarkEncode(b *testing.B) {
	r := benchRecord()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := encodeRecord(r, false); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	r := benchRecord()
	document, _ := encodeRecord(r, false)
	b.ReportAllocs()
	b.SetBytes(int64(len(document)))
	for b.Loop() {
		if _, err := decode(r.ID, document, driver.Version{Term: 1}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReadDocs reads the answer to an _mget of 64 documents; the figures are for
// one.
func BenchmarkReadDocs(b *testing.B) {
	const n = 64
	var targets []target
	body := []byte(`{"docs":[`)
	for i := range n {
		r := benchRecord()
		document, err := encodeRecord(r, false)
		if err != nil {
			b.Fatal(err)
		}
		if i > 0 {
			body = append(body, ',')
		}
		body = fmt.Appendf(body, `{"_index":"session-2026.11.24","_id":"%v","_version":9,"_seq_no":%d,"_primary_term":1,"found":true,"_source":%s}`, r.ID, i, document)
		targets = append(targets, target{index: "session-2026.11.24", id: r.ID})
	}
	body = append(body, `]}`...)
	b.ReportAllocs()
	b.SetBytes(int64(len(body) / n))
	for i := 0; i < b.N; i += n {
		results, err := new(Store).readDocs(&request{}, body, targets)
		if err != nil || len(results) != n || results[n-1].Err != nil {
			b.Fatal(results, err)
		}
	}
}

// BenchmarkReadItems reads the answer to a bulk request of 64 items; the figures are for
// one.
func BenchmarkReadItems(b *testing.B) {
	const n = 64
	var items []*write
	body := []byte(`{"took":3,"errors":false,"items":[`)
	for i := range n {
		w := &write{index: "session-2026.11.24", id: driver.NewID(driver.LayoutDay, time.Now()), action: replaceAt}
		if i > 0 {
			body = append(body, ',')
		}
		body = fmt.Appendf(body, `{"index":{"_index":"session-2026.11.24","_id":"%v","_version":9,"result":"updated",`+
			`"_shards":{"total":2,"successful":1,"failed":0},"_seq_no":%d,"_primary_term":1,"status":200}}`, w.id, i)
		items = append(items, w)
	}
	body = append(body, `]}`...)
	b.ReportAllocs()
	b.SetBytes(int64(len(body) / n))
	for i := 0; i < b.N; i += n {
		results, err := readItems(&request{}, body, items)
		if err != nil || len(results) != n || results[n-1].Err != nil {
			b.Fatal(results, err)
		}
	}
}

func benchRecord() *driver.Record {
	r := session(driver.LayoutDay, time.Now())
	for i := range 5 {
		r.Values = r.Values.With(fmt.Sprintf("value%d", i), json.RawMessage(fmt.Sprintf("%q", bytes.Repeat([]byte("x"), benchValues/5))))
	}
	r.WriteIDs = make([]driver.WriteID, driver.MaxWriteIDs)
	return r
}
