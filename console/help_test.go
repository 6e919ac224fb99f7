package console_test

import (
	"bytes"
	"context"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/console"
	"github.com/cloakroom-go/cloakroom/internal/test/leaktest"
	"github.com/cloakroom-go/cloakroom/memstore"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file is a console with an application behind it, for the tests.

func TestMain(m *testing.M) { leaktest.Main(m) }

// all is an operator who may do everything.
var all = console.Operator{Name: "olga", SeeValues: true, SeeAddresses: true, End: true}

// rig is a console, and an application on the same store.
type rig struct {
	*testing.T
	store   cloakroom.Store
	manager *cloakroom.Manager
	console *console.Console
	op      console.Operator
	log     *lockedBuffer

	mu   sync.Mutex
	acts []console.Act
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// stores opens each kind of store that the tests run on.
func stores(t *testing.T) map[string]cloakroom.Store {
	file, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "sessions.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	memory := memstore.New(nil)
	t.Cleanup(func() { file.Close(); memory.Close() })
	return map[string]cloakroom.Store{"memory": memory, "sqlite": file}
}

// newRig makes a console that may write, on a store of its own in memory or the one given.
func newRig(t *testing.T, store cloakroom.Store, adjust ...func(*console.Config)) *rig {
	t.Helper()
	if store == nil {
		memory := memstore.New(nil)
		t.Cleanup(func() { memory.Close() })
		store = memory
	}
	r := &rig{T: t, store: store, op: all, log: &lockedBuffer{}}
	keys, err := cloakroom.NewKeyring([]byte("a secret for tests, known to all"))
	if err != nil {
		t.Fatal(err)
	}
	settings := cloakroom.Config{Transport: cloakroom.Bearer{}, SweepEvery: -1, MaxPerPrincipal: -1, Logger: slog.New(slog.DiscardHandler)}
	if f, ok := store.(*faulty); ok {
		settings.SaveTimeout = f.tried
	}
	if _, ok := store.(*tricky); ok {
		settings.SaveTimeout = time.Second
	}
	r.manager, err = cloakroom.New(store, keys, &settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.manager.Close() })
	config := console.Config{
		Manager: r.manager, Writable: true, Environment: "test",
		Authorize: func(*http.Request) (console.Operator, error) { return r.op, nil },
		Logger:    slog.New(slog.NewTextHandler(r.log, nil)),
		Audit: func(_ context.Context, a console.Act) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.acts = append(r.acts, a)
			return nil
		},
	}
	for _, f := range adjust {
		f(&config)
	}
	if r.console, err = console.New(&config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.console.Close() })
	return r
}

// newOther makes an application of another app, without a console.
func newOther(t *testing.T, store cloakroom.Store) *rig {
	t.Helper()
	keys, err := cloakroom.NewKeyring([]byte("a secret for tests, known to all"))
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, store: store}
	r.manager, err = cloakroom.New(store, keys, &cloakroom.Config{App: "other", Transport: cloakroom.Bearer{}, SweepEvery: -1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.manager.Close() })
	return r
}

// told returns the acts so far.
func (r *rig) told() []console.Act {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]console.Act(nil), r.acts...)
}

// comer is a visitor of the application.
type comer struct{ principal, agent, address, cart string }

// comes makes a visitor's session, and returns its id.
func (r *rig) comes(c comer) (id cloakroom.ID) {
	r.Helper()
	q := httptest.NewRequest(http.MethodGet, "/", nil)
	if c.address == "" {
		c.address = "192.0.2.1"
	}
	q.RemoteAddr = c.address + ":1234"
	q.Header.Set("User-Agent", c.agent)
	w := httptest.NewRecorder()
	cart := cloakroom.NewKey[string]("cart <b>")
	r.manager.Handler(r.manager.With(func(_ http.ResponseWriter, q *http.Request, s *cloakroom.Session) error {
		cart.Set(s, c.cart)
		if c.principal != "" {
			if err := s.Login(q.Context(), c.principal, nil); err != nil {
				return err
			}
		}
		if err := s.Save(q.Context()); err != nil {
			return err
		}
		id = s.ID()
		return nil
	})).ServeHTTP(w, q)
	if w.Code != http.StatusOK || id.IsZero() {
		r.Fatalf("%+v: %d %s", c, w.Code, w.Body)
	}
	return id
}

// do sends a request to the console.
func (r *rig) do(method, path string, form url.Values, headers ...string) *httptest.ResponseRecorder {
	r.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	q := httptest.NewRequest(method, path, body)
	q.Host = "127.0.0.1:8080"
	if form != nil {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		q.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			q.Host = headers[i+1]
		}
	}
	w := httptest.NewRecorder()
	r.console.ServeHTTP(w, q)
	return w
}

// page gets a page that has to be there, and returns it.
func (r *rig) page(path string) string {
	r.Helper()
	w := r.do(http.MethodGet, path, nil)
	if w.Code != http.StatusOK {
		r.Fatalf("GET %s: %d\n%s", path, w.Code, text(w.Body.String()))
	}
	return w.Body.String()
}

// post sends a form, and returns where it leads.
func (r *rig) post(path string, form url.Values) string {
	r.Helper()
	w := r.do(http.MethodPost, path, form)
	if w.Code != http.StatusSeeOther {
		r.Fatalf("POST %s: %d\n%s", path, w.Code, text(w.Body.String()))
	}
	return w.Header().Get("Location")
}

// text is what a page says, without its markup.
func text(page string) string {
	page = regexp.MustCompile(`(?s)<head>.*?</head>|<[^>]*>`).ReplaceAllString(page, " ")
	return strings.TrimSpace(regexp.MustCompile(`\s+`).ReplaceAllString(html.UnescapeString(page), " "))
}

// hidden returns the hidden fields of a page's form.
func hidden(page string) url.Values {
	form := url.Values{}
	for _, m := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`).FindAllStringSubmatch(page, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	return form
}

// wants checks that a page says something.
func (r *rig) wants(page string, all ...string) {
	r.Helper()
	said := text(page)
	for _, s := range all {
		if !strings.Contains(said, s) {
			r.Errorf("the page lacks %q:\n%s", s, said)
		}
	}
}

// lacks checks that a page, with its markup, has nothing of something.
func (r *rig) lacks(page string, all ...string) {
	r.Helper()
	for _, s := range all {
		if strings.Contains(page, s) {
			r.Errorf("the page has %q:\n%s", s, page)
		}
	}
}

// until waits for a condition.
func (r *rig) until(what string, is func() bool) {
	r.Helper()
	for begun := time.Now(); !is(); {
		if time.Since(begun) > 30*time.Second {
			r.Fatalf("waited in vain for: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// result waits until a job is over, and returns its page.
func (r *rig) result(path string) string {
	r.Helper()
	var page string
	r.until("the job to be over", func() bool {
		page = r.page(path)
		return !strings.Contains(text(page), "under way")
	})
	return page
}

// later waits for the next millisecond: times are kept no finer.
func (r *rig) later() {
	r.Helper()
	begun := time.Now().UnixMilli()
	r.until("the next millisecond", func() bool { return time.Now().UnixMilli() > begun })
}
