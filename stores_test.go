package cloakroom_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/elasticstore"
	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
	"github.com/cloakroom-go/cloakroom/memstore"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file is the stores that tests run on: memory, SQLite, and an engine if there is
// one.

var storeFlag = flag.String("store", "memory", "what the tests keep sessions in: memory, sqlite or opensearch")

// place is where records are kept. All stores that are opened there see the same
// ones, as those of several processes do.
type place struct {
	kind    string // as in the flag
	at      string // a file, or the prefix of indices' names
	engine  string // its address
	periods bool   // an index for each period of time, in place of one, which is made faster
	real    bool   // as in production: connections are kept, and timeouts are short
	ours    bool   // it was made by newPlace, on the shared engine
	opened  bool   // so there is an index to be left to the next test
	mem     *memstore.Store
}

// spares are the places, of one index each, that tests of this process have left
// empty for the next: to make one takes an engine longer than most tests.
var spares struct {
	mu     sync.Mutex
	places []*place
}

// takeSpare gives the place an index that was used before, if there is one.
func (p *place) takeSpare() {
	spares.mu.Lock()
	defer spares.mu.Unlock()
	if n := len(spares.places); n > 0 {
		p.at = spares.places[n-1].at
		spares.places = spares.places[:n-1]
	}
}

// leave empties the place for the next test.
func (p *place) leave() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, path := range []string{"/_refresh", "/_delete_by_query?refresh=true&q=*:*"} {
		if _, err := p.ask(ctx, http.MethodPost, "/"+p.at+path); err != nil {
			return errors.Join(err, p.clear())
		}
	}
	spares.mu.Lock()
	defer spares.mu.Unlock()
	spares.places = append(spares.places, p)
	return nil
}

// clearSpares removes the leavings of tests from the engine.
func clearSpares() (err error) {
	for _, p := range spares.places {
		err = errors.Join(err, p.clear())
	}
	return err
}

// newPlace returns an empty place, which goes with the test.
func newPlace(t testing.TB) *place {
	t.Helper()
	p := &place{kind: *storeFlag}
	switch p.kind {
	case "memory":
		p.mem = memstore.New(nil)
		t.Cleanup(func() { p.mem.Close() })
	case "sqlite":
		p.at = filepath.Join(t.TempDir(), "sessions.db")
	case "opensearch":
		p.engine, p.at = testengine.Shared(t), fmt.Sprintf("root-%016x", rand.Uint64())
		p.ours = true
		t.Cleanup(func() {
			end := p.clear
			if p.opened && !p.periods {
				end = p.leave
			}
			if err := end(); err != nil {
				t.Error(err)
			}
		})
	default:
		t.Fatalf("-store is %q: memory, sqlite or opensearch is wanted", p.kind)
	}
	return p
}

// openStore opens the store that the tests of sessions work on, with nothing in it.
func openStore(t testing.TB) cloakroom.Store {
	t.Helper()
	return newPlace(t).open(t)
}

// open opens a store at the place, which is closed with the test.
func (p *place) open(t testing.TB) cloakroom.Store {
	t.Helper()
	if p.mem != nil {
		return p.mem
	}
	store, err := p.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// closable is a store that is the test's to close.
type closable interface {
	cloakroom.Store
	Close() error
}

func (p *place) connect(ctx context.Context) (closable, error) {
	if p.kind == "sqlite" {
		return sqlitestore.Open(ctx, p.at, &sqlitestore.Config{BusyTimeout: patience})
	}
	client, err := elasticstore.NewClient(elasticstore.ClientConfig{URLs: []string{p.engine}})
	if err != nil {
		return nil, err
	}
	if p.ours && !p.opened && !p.periods {
		p.takeSpare()
	}
	config := elasticstore.Config{Index: p.at, OneIndex: !p.periods, Logger: slog.New(slog.DiscardHandler)}
	if !p.real {
		client = hangUp{client}
		config.RefreshInterval, config.RequestTimeout = time.Hour, patience
	}
	s, err := elasticstore.New(client, &config)
	if err != nil {
		return nil, err
	}
	if err := s.Setup(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	p.opened = true
	return &upToDate{s, p}, nil
}

// patience is for busy machines, which are no failure: how long stores, and managers
// where time is real, wait for an answer.
const patience = time.Minute

// faked reports whether the time is that of a bubble.
func faked() bool { return time.Now().Year() == 2000 }

// inBubble runs a test in fake time: waiting for the store costs none, since time
// stands still there while something is asked of a file or an engine.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	if *storeFlag == "opensearch" {
		testengine.Shared(t) // it takes real time to start
	}
	synctest.Test(t, f)
}

// runInBubble is t.Run for a subtest in a bubble of its own, beside others.
func runInBubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		inBubble(t, f)
	})
}

// hangUp has each connection closed after its answer: in a bubble one that waits
// for its next request would keep the time from going on.
type hangUp struct{ elasticstore.Client }

func (c hangUp) Perform(r *http.Request) (*http.Response, error) {
	r.Close = true
	return c.Client.Perform(r)
}

// upToDate is a store whose searches and sweeps don't trail, as they may: so tests
// need not wait until an engine has refreshed.
type upToDate struct {
	*elasticstore.Store
	p *place
}

func (s *upToDate) Search(ctx context.Context, q driver.Query) iter.Seq2[*driver.Record, error] {
	return func(yield func(*driver.Record, error) bool) {
		if err := s.refresh(ctx); err != nil {
			yield(nil, err)
			return
		}
		s.Store.Search(ctx, q)(yield)
	}
}

func (s *upToDate) Sweep(ctx context.Context, now time.Time) (driver.SweepReport, error) {
	if err := s.refresh(ctx); err != nil {
		return driver.SweepReport{}, err
	}
	return s.Store.Sweep(ctx, now)
}

// EngineTime hides the engine's clock: the tests' are set by hand.
func (s *upToDate) EngineTime(context.Context) (time.Time, error) {
	return time.Time{}, errors.ErrUnsupported
}

func (s *upToDate) refresh(ctx context.Context) error {
	_, err := s.p.ask(ctx, http.MethodPost, "/"+s.p.pattern()+"/_refresh")
	return err
}

// pattern is that of the names of the place's indices.
func (p *place) pattern() string { return p.at + "*" }

// ask makes a request of the engine itself and returns the answer's words. A missing
// index is no error.
func (p *place) ask(ctx context.Context, method, path string) ([]string, error) {
	req, err := http.NewRequestWithContext(ctx, method, p.engine+path, nil)
	if err != nil {
		return nil, err
	}
	req.Close = true
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		return nil, err
	case res.StatusCode == http.StatusNotFound:
		return nil, nil
	case res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s %s: %s: %.500s", method, path, res.Status, text)
	}
	return strings.Fields(string(text)), nil
}

// clear takes the place off the engine.
func (p *place) clear() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	indices := []string{p.at}
	if p.periods { // engines may refuse to delete by pattern
		var err error
		if indices, err = p.ask(ctx, http.MethodGet, "/_cat/indices/"+p.pattern()+"?h=index"); err != nil {
			return err
		}
	}
	paths := []string{"/_index_template/" + p.pattern()}
	if len(indices) > 0 {
		paths = append(paths, "/"+strings.Join(indices, ","))
	}
	for _, path := range paths {
		if _, err := p.ask(ctx, http.MethodDelete, path); err != nil {
			return err
		}
	}
	return nil
}
