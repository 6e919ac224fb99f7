package dancer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/dancer"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/test/leaktest"
	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
)

// This file is the common ground of tests of running sessions: a real engine, an
// application's config.yml, a store that counts, a browser.

func TestMain(m *testing.M) {
	if runShop() { // a process of TestImportOfARunningApplication
		return
	}
	// Tests wait for an engine more than they compute. So more run at once than there
	// are cores, unless the command line sets another number.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	leaktest.Main(m)
}

const (
	patient   = time.Minute // for operations that must succeed: a busy machine is no failure
	oldSecret = "ldjaldjaklsdanm.m"
)

var (
	count = cloakroom.NewKey[int]("count")
	color = cloakroom.NewKey[string]("color")
)

// lab is a real engine, and an application whose index no other test has.
type lab struct {
	testing.TB
	url   string // the engine's
	index string // the old module's
	dir   string // the folder of config.yml
}

func newLab(t testing.TB) *lab {
	t.Helper()
	return newLabAt(t, testengine.Shared(t))
}

func newLabAt(t testing.TB, url string) *lab {
	t.Helper()
	l := &lab{TB: t, url: url, index: fmt.Sprintf("dancer_%08x", rand.Uint32()), dir: t.TempDir()}
	t.Cleanup(func() {
		if there := l.indices(); len(there) > 0 {
			l.call(http.MethodDelete, "/"+strings.Join(there, ",")+"?ignore_unavailable=true", "")
		}
		l.try(http.MethodDelete, "/_index_template/"+l.index+"-periods", "")
	})
	return l
}

// config writes a config.yml, with options below session_options and further settings.
func (l *lab) config(options, settings string) string {
	l.Helper()
	return l.configOf(l.url, options, settings)
}

func (l *lab) configOf(server, options, settings string) string {
	l.Helper()
	text := fmt.Sprintf(`session: "ElasticSearch"
session_options:
  connection:
    servers: %q
    timeout: %d
  index: %q
  type: "my_session"
  signing:
    secret: %q
%s
%s
`, server, int(patient.Seconds()), l.index, oldSecret, indented(options), settings)
	path := filepath.Join(l.dir, fmt.Sprintf("config-%08x.yml", rand.Uint32()))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		l.Fatal(err)
	}
	return path
}

func indented(text string) string {
	if text == "" {
		return ""
	}
	return "  " + strings.ReplaceAll(text, "\n", "\n  ")
}

// app is one process's running sessions.
type app struct {
	*lab
	*dancer.Sessions
	ops *counted
	log *lines
}

// open runs the sessions of a configuration. Only the test sweeps.
func (l *lab) open(path string, o *dancer.OpenOptions) *app {
	l.Helper()
	var options dancer.OpenOptions
	if o != nil {
		options = *o
	}
	a := &app{lab: l, ops: new(counted), log: new(lines)}
	options.Logger = slog.New(slog.NewTextHandler(a.log, nil))
	adjust, wrap := options.Adjust, options.Wrap
	options.Adjust = func(c *cloakroom.Config) {
		c.SaveTimeout, c.SweepEvery = patient, -1
		if adjust != nil {
			adjust(c)
		}
	}
	options.Wrap = func(s cloakroom.Store) cloakroom.Store {
		if wrap != nil {
			s = wrap(s)
		}
		a.ops.Store = s
		return a.ops
	}
	var err error
	if a.Sessions, err = dancer.Open(l.Context(), path, &options); err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() {
		if err := a.Close(); err != nil {
			l.Error(err)
		}
	})
	return a
}

// try makes a request to the engine.
func (l *lab) try(method, path, body string) (status int, answer []byte) {
	l.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patient)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, l.url+path, strings.NewReader(body))
	if err != nil {
		l.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		l.Fatal(err)
	}
	defer res.Body.Close()
	if answer, err = io.ReadAll(res.Body); err != nil {
		l.Fatal(err)
	}
	return res.StatusCode, answer
}

// call is try for a request that must succeed.
func (l *lab) call(method, path, body string) []byte {
	l.Helper()
	status, answer := l.try(method, path, body)
	if status/100 != 2 {
		l.Fatalf("%s %s: status %d: %.500s", method, path, status, answer)
	}
	return answer
}

func decoded[T any](l *lab, text []byte) (v T) {
	l.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		l.Fatalf("%v: %.300s", err, text)
	}
	return v
}

// indices returns the names of the lab's indices, the old one among them.
func (l *lab) indices() []string {
	l.Helper()
	answer := l.call(http.MethodGet, "/"+l.index+"*?expand_wildcards=all&filter_path=*.settings.index.uuid", "")
	return slices.Sorted(maps.Keys(decoded[map[string]any](l, answer)))
}

// document is a document in the engine's answer.
type document struct {
	Index  string          `json:"_index"`
	ID     string          `json:"_id"`
	Seq    uint64          `json:"_seq_no"`
	Term   uint64          `json:"_primary_term"`
	Number int64           `json:"_version"`
	Source json.RawMessage `json:"_source"`
}

// documents returns all documents of some indices, sorted.
func (l *lab) documents(indices string) []document {
	l.Helper()
	l.call(http.MethodPost, "/"+indices+"/_refresh", "")
	answer := decoded[struct {
		Hits struct{ Hits []document }
	}](l, l.call(http.MethodGet, "/"+indices+"/_search?size=10000&version=true&seq_no_primary_term=true", ""))
	slices.SortFunc(answer.Hits.Hits, func(a, b document) int { return strings.Compare(a.Index+" "+a.ID, b.Index+" "+b.ID) })
	return answer.Hits.Hits
}

// news returns all documents of new sessions. The store's register of indices is none.
func (l *lab) news() []document {
	l.Helper()
	return slices.DeleteFunc(l.documents(l.index+"-*"), func(d document) bool { return d.ID == "cloakroom-indices" })
}

// kept returns the document of a session from the engine.
func (l *lab) kept(id cloakroom.ID) document {
	l.Helper()
	for _, d := range l.news() {
		if d.ID == id.String() {
			return d
		}
	}
	l.Fatalf("there is no document with the _id %v", id)
	return document{}
}

// members returns a document's members.
func (d document) members(l *lab) map[string]json.RawMessage {
	l.Helper()
	return decoded[map[string]json.RawMessage](l, d.Source)
}

// wantValue checks a value in the engine.
func (l *lab) wantValue(id cloakroom.ID, name, want string) {
	l.Helper()
	d := l.kept(id)
	if got := string(decoded[map[string]json.RawMessage](l, d.members(l)["values"])[name]); got != want {
		l.Errorf("the engine keeps %s = %s, want %s", name, got, want)
	}
}

// counted is a store that counts the operations on the one it wraps.
type counted struct {
	cloakroom.Store
	mu  sync.Mutex
	ops map[string]int
}

func (s *counted) add(op string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ops == nil {
		s.ops = map[string]int{}
	}
	s.ops[op]++
}

func (s *counted) Get(ctx context.Context, id cloakroom.ID) (*driver.Record, error) {
	s.add("read")
	return s.Store.Get(ctx, id)
}

func (s *counted) Create(ctx context.Context, r *driver.Record) (driver.Version, error) {
	s.add("create")
	return s.Store.Create(ctx, r)
}

func (s *counted) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	s.add("write")
	return s.Store.Update(ctx, r)
}

func (s *counted) Bury(ctx context.Context, id cloakroom.ID, g driver.Grave, v driver.Version) error {
	s.add("bury")
	return s.Store.Bury(ctx, id, g, v)
}

// since returns the operations since the last call, such as "read 2, write 1".
func (s *counted) since() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var parts []string
	for _, op := range slices.Sorted(maps.Keys(s.ops)) {
		parts = append(parts, fmt.Sprint(op, " ", s.ops[op]))
	}
	s.ops = nil
	if parts == nil {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

func (a *app) wantOps(what, want string) {
	a.Helper()
	if got := a.ops.since(); got != want {
		a.Errorf("%s: store operations: %s, want %s", what, got, want)
	}
}

// lines keeps the log.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// page is the type of the tests' handlers.
type page = func(http.ResponseWriter, *http.Request, *cloakroom.Session) error

// browser is a browser without a network: it keeps cookies by their names.
type browser struct {
	mu      sync.Mutex
	cookies map[string]string
}

func (b *browser) do(h http.Handler) *http.Response {
	b.mu.Lock()
	req := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/", nil)
	for name, value := range b.cookies {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	b.mu.Unlock()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	res := w.Result()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range res.Cookies() {
		if b.cookies == nil {
			b.cookies = map[string]string{}
		}
		if b.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	return res
}

// with returns a copy of the browser, for a request in parallel.
func (b *browser) with() *browser {
	b.mu.Lock()
	defer b.mu.Unlock()
	return &browser{cookies: maps.Clone(b.cookies)}
}

// visit makes one request, which f answers, and checks the status.
func (a *app) visit(b *browser, status int, f page) *http.Response {
	a.Helper()
	res := b.do(a.Handler(a.AfterHook(a.With(f))))
	if res.StatusCode != status {
		text, _ := io.ReadAll(res.Body)
		a.Errorf("status %d %q, want %d", res.StatusCode, text, status)
	}
	return res
}

// stored makes a session with a value in it, and saves it.
func (a *app) stored(n int) *cloakroom.Session {
	a.Helper()
	s, err := a.Create(a.Context())
	if err != nil {
		a.Fatal(err)
	}
	count.Set(s, n)
	if err := s.Save(a.Context()); err != nil {
		a.Fatal(err)
	}
	a.ops.since()
	return s
}

// as returns a browser that has a session's cookie.
func (a *app) as(s *cloakroom.Session) *browser {
	return &browser{cookies: map[string]string{a.Config.NewCookie().Name: s.Token()}}
}

// old writes a document as the old module does, and returns its cookie's value.
func (l *lab) old(signer *dancer.Signer, members string) (value, id string) {
	l.Helper()
	id = decoded[struct {
		ID string `json:"_id"`
	}](l, l.call(http.MethodPost, "/"+l.index+"/_doc", "{"+members+"}")).ID
	value, err := signer.Sign(id)
	if err != nil {
		l.Fatal(err)
	}
	if members != "" {
		members += ","
	}
	l.call(http.MethodPut, "/"+l.index+"/_doc/"+id, fmt.Sprintf(`{%s"id":%q}`, members, value))
	return value, id
}
