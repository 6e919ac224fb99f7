package elasticstore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests and measures compression, and that the engine is told who asks.

// far is a relay of bytes to an engine, with a delay and a limited bandwidth each way. It
// counts the bytes.
type far struct {
	listener net.Listener
	bytes    atomic.Int64
}

// newFar makes a relay. A rate of 0 is no limit, in bytes a second for each connection.
func newFar(t testing.TB, l *lab, delay time.Duration, rate int) *far {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &far{listener: listener}
	var running sync.WaitGroup
	t.Cleanup(func() {
		listener.Close()
		running.Wait()
	})
	running.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			engine, err := net.Dial("tcp", strings.TrimPrefix(l.url, "http://"))
			if err != nil {
				near.Close()
				continue
			}
			running.Go(func() { f.relay(engine, near, delay, rate) })
			running.Go(func() { f.relay(near, engine, delay, rate) })
		}
	})
	return f
}

// relay passes bytes on until one side ends. Each piece leaves when the pieces before it
// have passed the narrow line, and arrives after the delay.
func (f *far) relay(to, from net.Conn, delay time.Duration, rate int) {
	type piece struct {
		bytes []byte
		at    time.Time
	}
	line := make(chan piece, 1024)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer to.Close()
		for p := range line {
			time.Sleep(time.Until(p.at))
			if _, err := to.Write(p.bytes); err != nil {
				from.Close()
			}
		}
	}()
	var free time.Time
	for {
		buffer := make([]byte, 16<<10)
		n, err := from.Read(buffer)
		if n > 0 {
			f.bytes.Add(int64(n))
			if now := time.Now(); free.Before(now) {
				free = now
			}
			if rate > 0 {
				free = free.Add(time.Duration(n) * time.Second / time.Duration(rate))
			}
			line <- piece{buffer[:n], free.Add(delay)}
		}
		if err != nil {
			break
		}
	}
	close(line)
	<-done
}

// client returns a client that goes through the relay.
func (f *far) client(t testing.TB, compress bool) *client {
	t.Helper()
	c, err := newClient(ClientConfig{URLs: []string{"http://" + f.listener.Addr().String()}, Compress: compress})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return c
}

// shopValues makes values as a shop has: 2 KB of JSON, with random parts.
func shopValues() driver.ValueList {
	var b bytes.Buffer
	b.WriteByte('[')
	for i := range 20 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"article":"%016x","title":"Coat no. %d, wool","size":"%d","price":%d.%02d,"count":%d}`,
			rand.Uint64(), rand.IntN(1000), 36+rand.IntN(20), rand.IntN(300), rand.IntN(100), 1+rand.IntN(3))
	}
	b.WriteByte(']')
	return driver.NewValueList(map[string]json.RawMessage{"cart": b.Bytes()})
}

// TestCompress: with and without compression the same comes back, and fewer bytes travel.
func TestCompress(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	var travelled [2]int64
	for i, compress := range []bool{false, true} {
		f := newFar(t, l, 0, 0)
		s := l.open(t, f.client(t, compress), func(c *Config) { c.CopyBytes = -1 })
		r := session(driver.LayoutDay, time.Now())
		r.Values = shopValues()
		mustCreate(t, s, r)
		for range 20 {
			got, err := s.Get(testContext(t), r.ID)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Values.Get("cart"), r.Values.Get("cart")) {
				t.Fatal("another value came back")
			}
		}
		_, err := s.Get(testContext(t), driver.NewID(driver.LayoutDay, time.Now()))
		wantError(t, err, driver.ErrNotFound)
		travelled[i] = f.bytes.Load()
	}
	if travelled[1]*2 > travelled[0] {
		t.Errorf("%d bytes with compression, %d without", travelled[1], travelled[0])
	}
}

// TestCompressedBroken: a compressed answer that breaks off is no answer.
func TestCompressedBroken(t *testing.T) {
	_, f, s, r := faultyStore(t)
	for name, body := range map[string]string{"no gzip": `{"docs":[]}`, "cut": "\x1f\x8b\x08\x00\x00"} {
		f.set(instead(func() *http.Response {
			res := replyJSON(200, body)
			res.Header.Set("Content-Encoding", "gzip")
			decompress(res)
			return res
		}))
		if _, err := s.Get(brief(t), r.ID); err == nil || !strings.Contains(err.Error(), "broke off") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestApplication: the engine knows whose request it carries out.
func TestApplication(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, want := range []string{"shop on " + l.index, ""} {
		c, err := newClient(ClientConfig{URLs: []string{l.url}, Application: want})
		if err != nil {
			t.Fatal(err)
		}
		defer c.close()
		if want == "" {
			want = "cloakroom/" // and the name of the test's program
		}
		req, _ := http.NewRequestWithContext(testContext(t), http.MethodGet, "/_tasks", nil)
		req.URL.RawQuery = "actions=cluster:monitor/tasks/lists*"
		res, err := c.Perform(req)
		if err != nil {
			t.Fatal(err)
		}
		tasks, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || !strings.Contains(string(tasks), `"X-Opaque-Id":"`+want) {
			t.Errorf("the engine's tasks don't name %q: %v, %s", want, err, tasks)
		}
	}
}

// BenchmarkCompress measures ClientConfig.Compress on loopback, and over a line with a
// delay and a limited rate. Values are 2 KB.
func BenchmarkCompress(b *testing.B) {
	for _, line := range []struct {
		name  string
		delay time.Duration
		rate  int
	}{{"loopback", 0, 0}, {"10ms,100Mbit", 5 * time.Millisecond, 12_500_000}, {"10ms,10Mbit", 5 * time.Millisecond, 1_250_000}} {
		for _, compress := range []bool{false, true} {
			for _, n := range []int{1, 64} {
				b.Run(fmt.Sprintf("%s/compress=%v/callers=%d", line.name, compress, n), func(b *testing.B) {
					l := newLab(b)
					f := newFar(b, l, line.delay, line.rate)
					s := l.open(b, &counter{Client: f.client(b, compress)}, func(c *Config) { c.CopyBytes = -1 })
					records := make([]*driver.Record, n)
					for i := range records {
						r := session(driver.LayoutDay, time.Now())
						r.Values = shopValues()
						records[i] = mustCreate(b, s, r)
					}
					before := f.bytes.Load()
					callers(b, s, n, func(caller, _ int) error {
						r := *records[caller]
						r.Writes++
						v, err := s.Update(b.Context(), &r)
						if err != nil {
							return err
						}
						r.Version = v
						records[caller] = &r
						_, err = s.Get(b.Context(), r.ID)
						return err
					})
					b.ReportMetric(float64(f.bytes.Load()-before)/float64(b.N), "B/op-on-line")
				})
			}
		}
	}
}
