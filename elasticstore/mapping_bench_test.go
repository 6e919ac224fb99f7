package elasticstore

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	mrand "math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
)

// This file measures what a member of the mapping costs on each save.

// mappingsToCompare are mappings beside each other, from the least to the most.
func mappingsToCompare() map[string]object {
	plain := mapping(markOfOurs{Format: format})
	without := func(names ...string) object {
		m, p := maps.Clone(plain), maps.Clone(plain["properties"].(object))
		for _, name := range names {
			p[name] = object{"type": "object", "enabled": false}
		}
		m["properties"] = p
		return m
	}
	client := maps.Clone(plain)
	p := maps.Clone(plain["properties"].(object))
	p["client"] = object{"properties": object{
		"address": object{"type": "ip", "doc_values": false, "ignore_malformed": true},
		"agent":   object{"type": "keyword", "doc_values": false, "ignore_above": agentBytes},
	}}
	client["properties"] = p
	return map[string]object{
		"0 without seen":    without("seen"),
		"1 plain":           plain,
		"2 with the client": client,
		"3 dashboards":      mapping(markOfOurs{Format: format, Dashboards: true}),
	}
}

// BenchmarkMappings saves the same sessions under each mapping in turn, on an engine of
// its own, and reports the engine's processor time for a save.
func BenchmarkMappings(b *testing.B) {
	const sessions, size, rounds = 8192, 256, 64
	engine := testengine.Start(b, testengine.Options{})
	l := newLabAt(b, engine.URL())
	maps0 := mappingsToCompare()
	names := slices.Sorted(maps.Keys(maps0))
	s := l.open(b, nil, nil)
	bodies := map[string][][]byte{}
	now := time.Now().Add(-time.Hour)
	for i, name := range names {
		index := fmt.Sprintf("%s-candidate%d", l.index, i)
		text, _ := json.Marshal(object{"settings": s.indexSettings(), "mappings": maps0[name]})
		l.call(b, http.MethodPut, "/"+index, string(text))
		var items []*write
		for j := range sessions {
			r := benchSession(now, j)
			document, err := encodeRecord(r, false)
			if err != nil {
				b.Fatal(err)
			}
			items = append(items, &write{index: index, id: r.ID, action: replaceAny, document: document})
		}
		for part := range slices.Chunk(items, size) {
			bodies[name] = append(bodies[name], bulkBody(part).bytes)
		}
	}
	cpu, took := map[string][]float64{}, map[string][]float64{}
	for round := range rounds {
		for i := range names {
			name := names[(i+round)%len(names)]
			before, begun := processorTime(b, engine.PID()), time.Now()
			var wg sync.WaitGroup
			for c := range 4 {
				wg.Go(func() {
					for j := c; j < len(bodies[name]); j += 4 {
						if err := l.raw(b, http.MethodPost, "/_bulk", typeLines, bodies[name][j]); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			l.call(b, http.MethodPost, "/"+l.index+"-candidate*/_refresh", "")
			if round >= 8 { // the engine compiles its code first
				took[name] = append(took[name], time.Since(begun).Seconds())
				cpu[name] = append(cpu[name], (processorTime(b, engine.PID())-before)/sessions*1000)
			}
		}
	}
	middle := func(v []float64) float64 { // the mean of the middle half
		slices.Sort(v)
		sum, part := 0.0, v[len(v)/4:len(v)-len(v)/4]
		for _, x := range part {
			sum += x
		}
		return sum / float64(len(part))
	}
	for _, name := range names {
		b.Logf("%-18s %6.1f µs of the engine for a save (least %.1f), %6.0f saves/s", name, middle(cpu[name]), cpu[name][0], sessions/middle(took[name]))
	}
}

// processorTime returns the milliseconds of all processors that a process has used.
func processorTime(b *testing.B, pid int) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Skip("only Linux tells a process's time: ", err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	ticks := 0
	for _, f := range fields[11:13] { // utime and stime
		n, err := strconv.Atoi(f)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return float64(ticks) * 10
}

var words = strings.Fields("lorem ipsum dolor sit amet coat hat scarf SKU-4711 quantity price 12.50 address street city note")

// benchSession is a session of many that differ as those of a web shop do.
func benchSession(now time.Time, i int) *driver.Record {
	r := session(driver.LayoutDay, now)
	at := now.Add(time.Duration(mrand.IntN(3_600_000)) * time.Millisecond).Truncate(time.Millisecond)
	r.Seen, r.Expires = at, at.Add(time.Hour)
	r.Principal = fmt.Sprintf("user%d@example.com", i%5000)
	r.Client = driver.Client{
		Address: fmt.Sprintf("203.%d.%d.%d", mrand.IntN(100), mrand.IntN(256), mrand.IntN(256)),
		UserAgent: fmt.Sprintf("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.%d",
			100+mrand.IntN(30), mrand.IntN(8)),
	}
	r.WriteIDs = make([]driver.WriteID, driver.MaxWriteIDs)
	for j := range r.WriteIDs {
		r.WriteIDs[j] = driver.NewWriteID()
	}
	filler := []byte(rand.Text())
	for len(filler) < benchValues-30 {
		filler = append(filler, words[mrand.IntN(len(words))]...)
	}
	r.Values = driver.NewValueList(map[string]json.RawMessage{
		"cart": json.RawMessage(`["coat"]`), "filler": json.RawMessage(fmt.Sprintf("%q", filler)),
	})
	return r
}
