package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/dancer"
	"github.com/cloakroom-go/cloakroom/elasticstore"
	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
	"github.com/cloakroom-go/cloakroom/storetest"
)

// TestConformance is the whole suite, in both arrangements of indices, on the
// engine that the command has started. Run by itself, it starts OpenSearch with
// security on, so that each test run proves the documented privileges to be
// enough; elasticstore's own tests have both arrangements without.
func TestConformance(t *testing.T) {
	at := given(t)
	t.Run(periods, func(t *testing.T) { conform(t, at, prefix) })
	if os.Getenv(targetVariable) != "" {
		t.Run(oneIndex, func(t *testing.T) { conform(t, at, onePrefix) })
	}
}

func given(t *testing.T) target {
	t.Helper()
	text := os.Getenv(targetVariable)
	if text == "" {
		role := openSearchRole()
		return targetOf(testengine.Start(t, testengine.Options{Name: "opensearch2", Security: &role}))
	}
	var at target
	if err := json.Unmarshal([]byte(text), &at); err != nil {
		t.Fatalf("%s: %v", targetVariable, err)
	}
	return at
}

// site is an engine as the suite's hooks need it.
type site struct {
	user, admin elasticstore.Client
}

func conform(t *testing.T, at target, prefix string) {
	var s site
	var err error
	if s.user, err = at.client(at.User); err != nil {
		t.Fatal(err)
	}
	if s.admin, err = at.client(at.Admin); err != nil {
		t.Fatal(err)
	}
	one := prefix == onePrefix
	index := map[cloakroom.Store]string{} // the hooks get the store
	open := func(t testing.TB, name string) cloakroom.Store {
		config := elasticstore.Config{Index: name, OneIndex: one}
		if one {
			config.CopyBytes, config.Dashboards = -1, true
		}
		store, err := elasticstore.New(s.user, &config)
		if err != nil {
			t.Fatal(err)
		}
		operators, err := elasticstore.New(s.admin, &config)
		if err != nil {
			t.Fatal(err)
		}
		both := &fencedByOperator{store, operators}
		index[both] = name
		return both
	}
	// In a test run families of tests follow each other in the same lasting indices: to make
	// these takes longer than most tests. Not all engines of the command can empty one.
	alone := os.Getenv(targetVariable) == ""
	var free []string
	t.Cleanup(func() {
		for _, name := range free {
			s.clear(t, name)
		}
	})
	storetest.Run(t, storetest.Harness{
		Open: func(t testing.TB) cloakroom.Store {
			if len(free) == 0 {
				free = append(free, fmt.Sprintf("%s-%08x", prefix, rand.Uint32()))
			}
			name := free[len(free)-1]
			free = free[:len(free)-1]
			t.Cleanup(func() {
				if !alone {
					s.clear(t, name)
					return
				}
				s.empty(t, name)
				free = append(free, name)
			})
			return open(t, name)
		},
		Second: func(t testing.TB, store cloakroom.Store) cloakroom.Store { return open(t, index[store]) },
		Settle: func(t testing.TB, store cloakroom.Store) {
			s.call(t, http.MethodPost, "/"+index[store]+"*/_refresh", "")
		},
		ForgetTombstones: func(t testing.TB, store cloakroom.Store) {
			s.call(t, http.MethodPut, "/"+index[store]+"*/_settings", `{"index":{"gc_deletes":"0s"}}`)
			s.call(t, http.MethodPost, "/"+index[store]+"*/_forcemerge?max_num_segments=1", "")
			s.call(t, http.MethodPost, "/"+index[store]+"*/_refresh", "")
		},
		Corrupt: func(t testing.TB, store cloakroom.Store, id cloakroom.ID) {
			s.call(t, http.MethodPut, "/"+s.indexOf(t, index[store], id)+"/_doc/"+id.String(), `{"kind":"session","id":7}`)
		},
		DropForgets: !one,
	})
	t.Run("Setup", func(t *testing.T) {
		name := prefix + "-setup"
		store := open(t, name).(*fencedByOperator)
		t.Cleanup(func() { s.clear(t, name) })
		defer store.Close()
		if err := store.Setup(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := store.Report(t.Context()); err != nil {
			t.Error(err)
		}
		if now, err := store.EngineTime(t.Context()); err != nil || time.Since(now).Abs() > time.Minute {
			t.Errorf("the engine's time is %v (%v)", now, err)
		}
	})
	t.Run("OldIndex", func(t *testing.T) { s.oldIndex(t, fmt.Sprintf("%s-old-%08x", prefix, rand.Uint32())) })
}

// fencedByOperator is an application's store of which an operator, with another login, moves
// the sessions: that takes more than the documented privileges of an application.
type fencedByOperator struct {
	*elasticstore.Store
	operators *elasticstore.Store
}

func (f *fencedByOperator) Fence(ctx context.Context, since time.Time) error {
	return f.operators.Fence(ctx, since)
}

func (f *fencedByOperator) Unfence(ctx context.Context) error { return f.operators.Unfence(ctx) }

func (f *fencedByOperator) Fenced(ctx context.Context) (time.Time, error) {
	return f.operators.Fenced(ctx)
}

func (f *fencedByOperator) Close() error { return errors.Join(f.Store.Close(), f.operators.Close()) }

// oldIndex reads, deletes and counts Dancer's documents, and deletes their index, with the
// same privileges on that.
func (s *site) oldIndex(t *testing.T, name string) {
	t.Cleanup(func() { s.clear(t, name) })
	path := filepath.Join(t.TempDir(), "config.yml")
	if err := os.WriteFile(path, fmt.Appendf(nil, "session: ElasticSearch\nsession_options:\n  index: %q\n  signing: {secret: secret}\n", name), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := dancer.LoadConfig(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	im, err := config.Import(s.user, dancer.ImportOptions{Until: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	value, err := config.Signer().Sign("a_document")
	if err != nil {
		t.Fatal(err)
	}
	s.call(t, http.MethodPut, "/"+name, `{"mappings":{"dynamic":false}}`)
	s.call(t, http.MethodPut, "/"+name+"/_doc/a_document?refresh=true", fmt.Sprintf(`{"id":%q,"user":"ann"}`, value))
	token := cloakroom.ForeignToken{ID: "a_document", Credential: value}
	f, err := im.From.Load(t.Context(), token)
	if err != nil || string(f.Values["user"]) != `"ann"` {
		t.Fatalf("%v, %v", f, err)
	}
	old := config.OldIndex(s.user)
	if state, err := old.State(t.Context()); err != nil || !state.Exists || state.Documents != 1 || state.Behind != nil {
		t.Errorf("the state is %+v, %v", state, err)
	}
	if err := im.From.Retire(t.Context(), token, f.Version); err != nil {
		t.Error(err)
	}
	if _, err := im.From.Load(t.Context(), token); !errors.Is(err, cloakroom.ErrNotFound) {
		t.Errorf("the document is left: %v", err)
	}
	if err := old.Delete(t.Context()); err != nil {
		t.Error(err)
	}
	if state, err := old.State(t.Context()); err != nil || state.Exists {
		t.Errorf("the index is left: %+v, %v", state, err)
	}
}

// indexOf returns the name of the index that has a record.
func (s *site) indexOf(t testing.TB, name string, id cloakroom.ID) string {
	t.Helper()
	s.call(t, http.MethodPost, "/"+name+"*/_refresh", "")
	var found struct {
		Hits struct {
			Hits []struct {
				Index string `json:"_index"`
			}
		}
	}
	answer := s.call(t, http.MethodPost, "/"+name+"*/_search", `{"query":{"ids":{"values":["`+id.String()+`"]}}}`)
	if err := json.Unmarshal(answer, &found); err != nil || len(found.Hits.Hits) != 1 {
		t.Fatalf("a record to corrupt: %v: %.300s", err, answer)
	}
	return found.Hits.Hits[0].Index
}

// empty deletes what a store of periods keeps. Its lasting indices stay.
func (s *site) empty(t testing.TB, name string) {
	t.Helper()
	lasting := []string{name + "-principals", name + "-imports"}
	s.call(t, http.MethodPost, "/"+name+"*/_refresh", "")
	s.call(t, http.MethodPost, "/"+strings.Join(lasting, ",")+"/_delete_by_query?ignore_unavailable=true&refresh=true", `{"query":{"match_all":{}}}`)
	s.remove(t, name, lasting)
}

// clear deletes the indices and the templates of a store.
func (s *site) clear(t testing.TB, name string) {
	t.Helper()
	s.remove(t, name, nil)
	s.call(t, http.MethodDelete, "/_index_template/"+name+"*", "")
}

// remove deletes the indices of a store, with exceptions.
func (s *site) remove(t testing.TB, name string, except []string) {
	t.Helper()
	var found map[string]any
	if err := json.Unmarshal(s.call(t, http.MethodGet, "/"+name+"*?filter_path=*.settings.index.uuid", ""), &found); err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(found, func(index string, _ any) bool { return slices.Contains(except, index) })
	if len(found) > 0 {
		s.call(t, http.MethodDelete, "/"+strings.Join(slices.Collect(maps.Keys(found)), ","), "")
	}
}

// call makes a request as the administrator, whose answer has to be 2xx. What is
// to be deleted need not be there.
func (s *site) call(t testing.TB, method, path, body string) []byte {
	t.Helper()
	// Cleanups run after the test's own context has ended.
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := s.admin.Perform(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode >= 300 && (method != http.MethodDelete || res.StatusCode != http.StatusNotFound) {
		t.Fatalf("%s %s: %s: %.300s", method, path, res.Status, answer)
	}
	return answer
}
