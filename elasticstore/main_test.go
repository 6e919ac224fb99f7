package elasticstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/test/leaktest"
	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
)

// This file is the tests' common ground: a real engine, stores on it, and clients that
// alter requests and answers.

func TestMain(m *testing.M) {
	// Tests wait for an engine more than they compute. So more run at once than there
	// are cores, unless the command line sets another number.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	leaktest.Main(m)
}

// patient bounds the wait for operations that must succeed. A busy machine, on which an
// engine needs seconds to make an index, is no failure.
const patient = time.Minute

// lab is a real engine, and an index name on it that no other test has.
type lab struct {
	url    string
	client Client
	index  string
}

// newLab makes a lab. When the test ends, everything it left on the engine is deleted.
func newLab(t testing.TB) *lab {
	t.Helper()
	return newLabAt(t, testengine.Shared(t))
}

func newLabAt(t testing.TB, url string) *lab {
	t.Helper()
	l := &lab{url: url, index: fmt.Sprintf("es-%08x", rand.Uint32())}
	cl, err := newClient(ClientConfig{URLs: []string{l.url}})
	if err != nil {
		t.Fatal(err)
	}
	l.client = cl
	t.Cleanup(func() {
		l.remove(t, l.list(t)...)
		for name := range l.templates(t) {
			l.call(t, http.MethodDelete, "/_index_template/"+name, "", http.StatusOK, http.StatusNotFound)
		}
		cl.close()
	})
	return l
}

// list returns the names of the lab's indices.
func (l *lab) list(t testing.TB) []string {
	t.Helper()
	return slices.Collect(maps.Keys(l.getJSON(t, "/"+l.index+"*?expand_wildcards=all&filter_path=*.settings.index.uuid")))
}

// remove deletes indices, all at once: each change costs the engine about the same.
func (l *lab) remove(t testing.TB, indices ...string) {
	t.Helper()
	if len(indices) > 0 {
		l.call(t, http.MethodDelete, "/"+strings.Join(indices, ",")+"?ignore_unavailable=true", "", http.StatusOK, http.StatusNotFound)
	}
}

// templates returns the index templates that the lab has.
func (l *lab) templates(t testing.TB) map[string]bool {
	t.Helper()
	var answer struct {
		Templates []struct {
			Name string `json:"name"`
		} `json:"index_templates"`
	}
	if err := json.Unmarshal(l.call(t, http.MethodGet, "/_index_template/"+l.index+"*", "", http.StatusOK, http.StatusNotFound), &answer); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, template := range answer.Templates {
		names[template.Name] = true
	}
	return names
}

// call makes a request and returns the answer. Its status must be one of want, or 200 or
// 201 if want is empty.
func (l *lab) call(t testing.TB, method, path, body string, want ...int) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patient)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, l.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", typeJSON)
	}
	res, err := l.client.(*client).http.Load().RoundTrip(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if len(want) == 0 {
		want = []int{http.StatusOK, http.StatusCreated}
	}
	if !slices.Contains(want, res.StatusCode) {
		t.Fatalf("%s %s: %s: %.500s", method, path, res.Status, answer)
	}
	return answer
}

func (l *lab) getJSON(t testing.TB, path string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(l.call(t, http.MethodGet, path, ""), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// refresh makes all writes visible to searches.
func (l *lab) refresh(t testing.TB) {
	t.Helper()
	l.call(t, http.MethodPost, "/"+l.index+"*/_refresh", "")
}

// put writes a document past the store.
func (l *lab) put(t testing.TB, s *Store, id driver.ID, document string) {
	t.Helper()
	l.call(t, http.MethodPut, "/"+s.names.of(id)+"/_doc/"+id.String(), document)
}

// exists reports whether an index is there.
func (l *lab) exists(t testing.TB, index string) bool {
	t.Helper()
	return slices.Contains(l.list(t), index)
}

// config returns the tests' configuration. change may be nil.
func (l *lab) config(change func(*Config)) *Config {
	c := &Config{Index: l.index, RequestTimeout: patient, Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(c)
	}
	return c
}

// open opens a store on the lab's engine, through a client that may alter requests and
// answers.
func (l *lab) open(t testing.TB, c Client, change func(*Config)) *Store {
	t.Helper()
	if c == nil {
		c = l.client
	}
	s, err := New(c, l.config(change))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newStore(t testing.TB) (*lab, *Store) {
	t.Helper()
	l := newLab(t)
	return l, l.open(t, nil, nil)
}

func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	t.Cleanup(cancel)
	return ctx
}

// slow reports whether an error tells only that an engine, or a machine, was slow.
func slow(err error) bool {
	return err != nil && (errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "in time"))
}

// session makes a session's record that begins now.
func session(l driver.Layout, now time.Time) *driver.Record {
	now = now.UTC().Truncate(time.Millisecond)
	r := &driver.Record{
		ID: driver.NewID(l, now), Kind: driver.KindSession, App: "app", Principal: "alice",
		Created: now, Authenticated: now, Seen: now, Expires: now.Add(time.Hour), Deadline: now.Add(24 * time.Hour),
		Verifier: bytes.Repeat([]byte{7}, 33), Client: driver.Client{Address: "192.0.2.7", UserAgent: "test"},
		Writes: 1, WriteIDs: []driver.WriteID{{1, byte(rand.Uint32())}},
		Values: driver.NewValueList(map[string]json.RawMessage{"cart": json.RawMessage(`["coat"]`)}),
	}
	if l == driver.LayoutLedger {
		r.ID, r.Kind = driver.LedgerID("app", fmt.Sprint(rand.Uint64())), driver.KindLedger
	}
	return r
}

func mustCreate(t testing.TB, s *Store, r *driver.Record) *driver.Record {
	t.Helper()
	v, err := s.Create(testContext(t), r)
	if err != nil {
		t.Fatal(err)
	}
	c := *r
	c.Version = v
	return &c
}

// faulty is a client that may alter requests and answers.
type faulty struct {
	Client
	mu    sync.Mutex
	alter func(req *http.Request, body []byte, send func() (*http.Response, error)) (*http.Response, error)
	count map[string]int // requests, by the last part of their path
}

func newFaulty(c Client) *faulty { return &faulty{Client: c, count: map[string]int{}} }

// set sets the function that alters; nil alters nothing.
func (f *faulty) set(alter func(req *http.Request, body []byte, send func() (*http.Response, error)) (*http.Response, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.alter = alter
}

func (f *faulty) requests(kind string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count[kind]
}

func (f *faulty) Perform(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	f.mu.Lock()
	f.count[kindOf(req)]++
	alter := f.alter
	f.mu.Unlock()
	send := func() (*http.Response, error) { return f.Client.Perform(req) }
	if alter == nil {
		return send()
	}
	return alter(req, body, send)
}

// kindOf is the last part of a request's path.
func kindOf(req *http.Request) string {
	path := req.URL.Path
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			return path[i+1:]
		}
	}
	return path
}

// reply makes an answer.
func reply(status int, contentType, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Header: http.Header{"Content-Type": {contentType}},
		Body: io.NopCloser(bytes.NewReader([]byte(body))), ContentLength: int64(len(body)),
	}
}

// replyJSON makes an answer as an engine does.
func replyJSON(status int, body string) *http.Response { return reply(status, typeJSON, body) }

// edit changes the body of an answer.
func edit(res *http.Response, change func(string) string) *http.Response {
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil {
		panic(err)
	}
	return reply(res.StatusCode, res.Header.Get("Content-Type"), change(string(body)))
}
