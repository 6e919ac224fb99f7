package elasticstore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

func TestSetupFromManyAtOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	var wg sync.WaitGroup
	for range 8 {
		s := l.open(t, nil, nil)
		wg.Go(func() {
			if err := s.Setup(testContext(t)); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := s.Create(testContext(t), session(driver.LayoutDay, time.Now())); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if !l.exists(t, l.index+"-principals") {
		t.Error("Setup did not make the index of ledgers")
	}
	if l.exists(t, l.index+"-imports") {
		t.Error("there is an index of imports, and nobody imports")
	}
}

// TestSetupIsDoneOnce counts the requests of the first operations, and of the next.
func TestSetupIsDoneOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	f := newFaulty(l.client)
	s := l.open(t, f, nil)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := s.Create(testContext(t), session(driver.LayoutDay, time.Now())); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := f.requests(l.index + "-periods"); n != 2+2 {
		t.Errorf("%d requests for the template, want one look and one write, and one look for each index that was made", n)
	}
	for _, index := range []string{"-principals", time.Now().UTC().Format("-2006.01.02")} {
		if n := f.requests(l.index + index); n != 3 {
			t.Errorf("%d requests for the index %s, want a look, one that made it, and a look for the register", n, index)
		}
	}
	// Another process only looks, before it writes.
	f2 := newFaulty(l.client)
	s2 := l.open(t, f2, nil)
	mustCreate(t, s2, session(driver.LayoutDay, time.Now()))
	mustCreate(t, s2, session(driver.LayoutDay, time.Now()))
	total := 0
	for kind, n := range f2.count {
		if kind != "_bulk" {
			total += n
		}
	}
	if total != 7 || f2.count["_bulk"] != 2 {
		t.Errorf("requests %v, want looks for the template and others', the index of ledgers, the register twice, all indices, and today's, and 2 writes", f2.count)
	}
}

func TestTemplateIsUpgraded(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	name := l.index + "-periods"
	format := func() any {
		list := l.getJSON(t, "/_index_template/"+name)["index_templates"].([]any)
		mappings := list[0].(map[string]any)["index_template"].(map[string]any)["template"].(map[string]any)["mappings"].(map[string]any)
		return mappings["_meta"].(map[string]any)["cloakroom"].(map[string]any)["format"]
	}
	put := func(version int) {
		l.call(t, http.MethodPut, "/_index_template/"+name, fmt.Sprintf(
			`{"index_patterns":[%q],"priority":500,"template":{"mappings":{"_meta":{"cloakroom":{"format":%d}}}}}`, l.index+"-*", version))
	}
	s := l.open(t, nil, nil)
	if err := s.Setup(testContext(t)); err != nil {
		t.Fatal(err)
	}
	settings := func() string {
		return string(l.call(t, http.MethodGet, "/_index_template/"+name, ""))
	}
	made := settings()
	// A template of ours without this configuration's settings is replaced.
	put(1)
	if err := s.Setup(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if settings() != made {
		t.Errorf("the template is %s, want %s", settings(), made)
	}
	// A newer one is left alone.
	put(99)
	if err := s.Setup(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if got := format(); got != 99.0 {
		t.Errorf("a newer template was replaced: format %v", got)
	}
}

func TestForeignTemplatesAndIndices(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(l *lab)
		one     bool
		text    string
	}{
		"same name": {func(l *lab) {
			l.call(t, http.MethodPut, "/_index_template/"+l.index+"-periods", fmt.Sprintf(`{"index_patterns":[%q],"priority":7}`, l.index+"-x"))
		}, false, "is not one of this package"},
		"index": {func(l *lab) {
			l.call(t, http.MethodPut, "/"+l.index+"-principals", `{}`)
		}, false, "does not have the mapping"},
		"one index": {func(l *lab) {
			l.call(t, http.MethodPut, "/"+l.index, `{}`)
		}, true, "does not have the mapping"},
		"alias": {func(l *lab) {
			l.call(t, http.MethodPut, "/"+l.index+"else", fmt.Sprintf(`{"aliases":{%q:{}}}`, l.index+"-principals"))
		}, false, "is an alias of the index"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			c.prepare(l)
			s := l.open(t, nil, func(cfg *Config) { cfg.OneIndex = c.one })
			err := s.Setup(testContext(t))
			wantError(t, err, driver.ErrUnavailable)
			if !strings.Contains(err.Error(), c.text) || !strings.Contains(err.Error(), "Config.Index") {
				t.Errorf("the error doesn't tell %q and a remedy: %v", c.text, err)
			}
			_, err = s.Create(testContext(t), session(driver.LayoutDay, time.Now()))
			wantError(t, err, driver.ErrUnavailable)
			if !strings.Contains(err.Error(), c.text) {
				t.Errorf("the error of a write doesn't tell %q: %v", c.text, err)
			}
			// Open succeeds as soon as the operator has mended it. Until then it names
			// the fault.
			eventually(t, func() error {
				s, err := Open(testContext(t), ClientConfig{URLs: []string{l.url}}, l.config(func(cfg *Config) { cfg.OneIndex = c.one }))
				if err == nil { // the engine gave no answer yet
					return errors.Join(errors.New("Open is content"), s.Close())
				}
				if !strings.Contains(err.Error(), c.text) {
					t.Errorf("Open: %v", err)
				}
				return nil
			})
		})
	}
}

// TestHigherTemplate: a foreign template takes precedence. That doesn't matter, since
// indices are made with everything that they need.
func TestHigherTemplate(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.call(t, http.MethodPut, "/_index_template/"+l.index+"-foreign", fmt.Sprintf(
		`{"index_patterns":[%q],"priority":1000,"template":{"mappings":{"dynamic":true,"properties":{"note":{"type":"text"}}}}}`, l.index+"-*"))
	s := l.open(t, nil, nil)
	r := mustCreate(t, s, session(driver.LayoutDay, time.Now()))
	l.refresh(t)
	found := 0
	for got, err := range s.Search(testContext(t), driver.Query{Principal: "alice"}) {
		if err != nil || got.ID != r.ID {
			t.Fatal(got, err)
		}
		found++
	}
	if found != 1 {
		t.Errorf("%d found", found)
	}
	mapping := string(l.call(t, http.MethodGet, "/"+s.names.of(r.ID)+"/_mapping", ""))
	if strings.Contains(mapping, "coat") || strings.Contains(mapping, "address") {
		t.Errorf("the mapping grew: %s", mapping)
	}
}

// TestForbiddenTemplate: the login has no right to index templates.
func TestForbiddenTemplate(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	f := newFaulty(l.client)
	s := l.open(t, f, nil)
	f.set(onKind(l.index+"-periods", instead(func() *http.Response {
		return replyJSON(403, `{"error":{"type":"security_exception","reason":"no permissions for [indices:admin/index_template/get] and User [name=app]"},"status":403}`)
	})))
	mustCreate(t, s, session(driver.LayoutDay, time.Now()))
	err := s.Setup(testContext(t)) // the template is its purpose
	wantError(t, err, driver.ErrUnavailable)
	if !strings.Contains(err.Error(), "privilege") {
		t.Errorf("the error doesn't tell what is missing: %v", err)
	}
}

// TestI8_SetupInAnOutage: a failed setup isn't remembered for long, and many callers
// share one attempt.
func TestI8_SetupInAnOutage(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	f := newFaulty(l.client)
	s := l.open(t, f, nil)
	f.set(instead(func() *http.Response { return replyJSON(503, unavailableBody) }))
	var wg sync.WaitGroup
	var failed atomic.Int64
	ctx := brief(t)
	for range 200 {
		wg.Go(func() {
			_, err := s.Create(ctx, session(driver.LayoutDay, time.Now()))
			if errors.Is(err, driver.ErrUnavailable) && !errors.Is(err, driver.ErrUnknown) {
				failed.Add(1)
			}
		})
	}
	wg.Wait()
	if failed.Load() != 200 {
		t.Errorf("%d of 200 were told that the store is unavailable", failed.Load())
	}
	if n := f.requests(l.index + "-periods"); n > 20 {
		t.Errorf("%d attempts at setting up in 300 ms", n)
	}
	f.set(nil)
	eventually(t, func() error {
		_, err := s.Create(testContext(t), session(driver.LayoutDay, time.Now()))
		return err
	})
}

// eventually repeats f until it succeeds.
func eventually(t testing.TB, f func() error) {
	t.Helper()
	ctx := testContext(t)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("it never succeeded: %v", err)
		}
	}
}

func TestIndexMeta(t *testing.T) {
	t.Parallel()
	l, s := newStore(t)
	r := session(driver.LayoutWeek, time.Now())
	r.Deadline = r.Created.Add(100 * time.Hour)
	mustCreate(t, s, r)
	list, err := s.listIndices(testContext(t), l.index+"-*")
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 {
		t.Fatalf("indices %v", list)
	}
	for _, i := range list {
		lifetime := int64(0)
		if i.name == s.names.of(r.ID) {
			lifetime = (100 * time.Hour).Milliseconds()
		}
		if i.mark == nil || i.mark.Format != format || i.mark.Lifetime != lifetime || i.shards != 1 {
			t.Errorf("%s: %+v, %d shards", i.name, i.mark, i.shards)
		}
	}
}

// TestVanishedIndex: a period's index is deleted under a store that knows it.
func TestVanishedIndex(t *testing.T) {
	t.Parallel()
	l, f, s, r := faultyStore(t)
	l.call(t, http.MethodDelete, "/"+s.names.of(r.ID), "")
	// The engine makes the index anew, through the template.
	again := mustCreate(t, s, session(driver.LayoutDay, time.Now()))
	if list, err := s.listIndices(testContext(t), s.names.of(r.ID)); err != nil || len(list) != 1 || list[0].mark == nil {
		t.Errorf("the index that came by itself is not ours: %v, %v", list, err)
	}
	if _, err := s.Get(testContext(t), again.ID); err != nil {
		t.Error(err)
	}
	_, err := s.Get(testContext(t), r.ID)
	wantError(t, err, driver.ErrNotFound)

	// The engine may not make indices by itself.
	l.call(t, http.MethodDelete, "/"+s.names.of(r.ID), "")
	next := session(driver.LayoutDay, time.Now())
	f.set(onKind("_bulk", times(1, itemError(next.ID, 404, "index_not_found_exception", "no such index and [action.auto_create_index] is [false]"))))
	before := f.requests(s.names.of(r.ID))
	mustCreate(t, s, next)
	if n := f.requests(s.names.of(r.ID)) - before; n != 3 {
		t.Errorf("%d requests for the index, want a look, one that made it, and a look for the register", n)
	}
}

// TestI8_LaggingNode: a node doesn't know an index yet. Its records are not gone.
func TestI8_LaggingNode(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	f := newFaulty(l.client)
	now := time.Now()
	lags := func(patience time.Duration) *Store {
		return l.open(t, f, func(c *Config) {
			c.now = func() time.Time { return now }
			c.patience = patience
		})
	}
	s, waits := lags(200*time.Millisecond), lags(patient)
	warm(t, waits)
	day := mustCreate(t, s, session(driver.LayoutDay, now))
	ledger := mustCreate(t, s, session(driver.LayoutLedger, now))
	for _, r := range []*driver.Record{day, ledger} {
		lagging := edited(func(string) string {
			return fmt.Sprintf(`{"docs":[{"_index":%q,"_id":%q,"error":{"type":"index_not_found_exception","reason":"no such index"}}]}`,
				s.names.of(r.ID), r.ID)
		})
		now = time.Now()
		f.set(onKind("_mget", times(3, lagging)))
		if _, err := waits.Get(testContext(t), r.ID); err != nil {
			t.Errorf("a node that lags behind: %v", err)
		}
		f.set(onKind("_mget", lagging))
		_, err := s.Get(testContext(t), r.ID)
		wantError(t, err, driver.ErrUnavailable)
		if !strings.Contains(err.Error(), s.names.of(r.ID)) || !strings.Contains(err.Error(), "snapshot") {
			t.Errorf("the error doesn't name the index and a remedy: %v", err)
		}
		_, err = s.Update(testContext(t), &driver.Record{ID: r.ID, Kind: r.Kind, Version: driver.Version{Term: 1, Seq: 999}})
		wantError(t, err, driver.ErrUnavailable, driver.ErrUnknown)
		// Once the period could have been dropped, a missing index means that its
		// records are gone.
		_, end, ok := r.ID.Period()
		if !ok {
			end = now
		}
		now = end.Add(24*time.Hour + time.Millisecond)
		_, err = s.Get(testContext(t), r.ID)
		if ok {
			wantError(t, err, driver.ErrNotFound)
		} else {
			wantError(t, err, driver.ErrUnavailable)
		}
	}
	// A search meets such a node.
	f.set(onKind("_search", times(1, instead(func() *http.Response {
		return replyJSON(404, `{"error":{"type":"index_not_found_exception","reason":"no such index [x-imports]"},"status":404}`)
	}))))
	for _, err := range waits.Search(testContext(t), driver.Query{}) {
		if err != nil {
			t.Error(err)
		}
	}
}

// TestI8_OpenInAnOutage: a deployment during an outage starts, and works when the engine
// does.
func TestI8_OpenInAnOutage(t *testing.T) {
	t.Parallel()
	s, err := Open(context.Background(), ClientConfig{URLs: []string{"http://alice:hunter2@127.0.0.1:1"}}, (&lab{index: "x"}).config(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	_, err = s.Get(testContext(t), driver.NewID(driver.LayoutDay, time.Now()))
	wantError(t, err, driver.ErrUnavailable)
	_, err = s.Create(testContext(t), session(driver.LayoutDay, time.Now()))
	wantError(t, err, driver.ErrUnavailable)
	if text := err.Error(); !strings.Contains(text, "127.0.0.1:1") || strings.Contains(text, "hunter2") || strings.Contains(text, "alice") {
		t.Errorf("the error has to name the address without the login: %v", err)
	}
}

// TestI8_SetupGoesOn: after an attempt that runs out of time there is another, as long as
// the operation has time.
func TestI8_SetupGoesOn(t *testing.T) {
	t.Parallel()
	s, err := New(newFaulty(nil), (&lab{index: "x"}).config(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	whole, part := once{now: time.Now}, once{now: time.Now}
	slow, attempts := make(chan struct{}), 0
	err = s.onceFor(testContext(t), &whole, func(ctx context.Context) error {
		if attempts++; attempts > 1 {
			close(slow)
			return part.do(ctx, s.detached, func() error { return errors.New("done twice") })
		}
		over, cancel := context.WithCancel(ctx)
		cancel()
		return part.do(over, s.detached, func() error {
			<-slow
			return nil
		})
	})
	if err != nil || attempts != 2 {
		t.Errorf("after %d attempts: %v", attempts, err)
	}
}
