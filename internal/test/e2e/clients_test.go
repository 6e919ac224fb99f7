package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"

	"github.com/elastic/go-elasticsearch/v8"
	"github.com/opensearch-project/opensearch-go/v4"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/elasticstore"
	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
	"github.com/cloakroom-go/cloakroom/storetest"
)

// The official clients of both families carry the store: each takes a session through its
// life, with conflicts and an end of its time, against the engine that it is made for.
// With -clients each runs the whole conformance suite there, as make test-matrix does: that
// takes minutes, and elasticstore's own tests run it by our client.

var whole = flag.Bool("clients", false, "run the conformance suite by the official clients")

func TestOpenSearchClient(t *testing.T) {
	client, err := opensearch.NewClient(opensearch.Config{Addresses: []string{testengine.Shared(t)}, DisableRetry: true})
	if err != nil {
		t.Fatal(err)
	}
	conform(t, client)
	visit(t, client)
}

func TestElasticsearchClient(t *testing.T) {
	engine := testengine.Start(t, testengine.Options{Name: "es717"})
	client, err := elasticsearch.NewClient(elasticsearch.Config{Addresses: []string{engine.URL()}, DisableRetry: true})
	if err != nil {
		t.Fatal(err)
	}
	conform(t, client)
	visit(t, client)
}

func conform(t *testing.T, client elasticstore.Client) {
	t.Helper()
	if !*whole {
		return
	}
	// The suite's hooks get the store; its index is found by it.
	index := map[cloakroom.Store]string{}
	open := func(t testing.TB, name string) cloakroom.Store {
		s, err := elasticstore.New(client, &elasticstore.Config{Index: name, CopyBytes: -1})
		if err != nil {
			t.Fatal(err)
		}
		index[s] = name
		return s
	}
	t.Run("conformance", func(t *testing.T) {
		storetest.Run(t, storetest.Harness{
			Open: func(t testing.TB) cloakroom.Store {
				name := newIndex()
				t.Cleanup(func() { call(t, client, http.MethodDelete, "/"+name+"-*") })
				return open(t, name)
			},
			Second:      func(t testing.TB, s cloakroom.Store) cloakroom.Store { return open(t, index[s]) },
			Settle:      func(t testing.TB, s cloakroom.Store) { call(t, client, http.MethodPost, "/"+index[s]+"-*/_refresh") },
			DropForgets: true,
		})
	})
}

// visit goes through a session's life by way of a Manager.
func visit(t *testing.T, client elasticstore.Client) {
	t.Helper()
	t.Run("life", func(t *testing.T) {
		ctx := t.Context()
		name := newIndex()
		t.Cleanup(func() { call(t, client, http.MethodDelete, "/"+name+"-*") })
		keyring, err := cloakroom.NewKeyring([]byte("a secret of a test: 32 bytes, no more"))
		if err != nil {
			t.Fatal(err)
		}
		open := func() *cloakroom.Manager { // as a process of its own has it
			store, err := elasticstore.New(client, &elasticstore.Config{Index: name})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { store.Close() })
			m, err := cloakroom.New(store, keyring, nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { m.Close() })
			return m
		}
		m, other := open(), open()
		s, err := m.Create(ctx)
		if err != nil {
			t.Fatal(err)
		}
		coats := cloakroom.NewKey[int]("coats")
		coats.Set(s, 2)
		if err := s.Login(ctx, "ann", nil); err != nil {
			t.Fatal(err)
		}
		again, err := m.Retrieve(ctx, s.Token())
		if err != nil {
			t.Fatal(err)
		}
		if n, who := coats.Get(again), again.Principal(); n != 2 || who != "ann" {
			t.Errorf("after signing in: %d coats of %q, want 2 of ann", n, who)
		}
		meet(t, []*cloakroom.Manager{m, other}, s)
		if err := m.Admin().RevokeAll(ctx, "ann"); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Retrieve(ctx, s.Token()); err == nil {
			t.Error("the token opens its session after RevokeAll")
		}
	})
}

// meet has many handlers of two processes change a session at once, so that saves conflict,
// and a caller's time end before an answer.
func meet(t *testing.T, managers []*cloakroom.Manager, s *cloakroom.Session) {
	t.Helper()
	const handlers = 16
	coats := cloakroom.NewKey[int]("coats")
	var all sync.WaitGroup
	for i := range handlers {
		all.Go(func() {
			own, err := managers[i%len(managers)].Retrieve(t.Context(), s.Token())
			if err == nil {
				err = own.Update(t.Context(), func(tx *cloakroom.Tx) error {
					coats.Set(tx, coats.Get(tx)+1)
					return nil
				})
			}
			if err != nil {
				t.Errorf("one of %d handlers at once: %v", handlers, err)
			}
		})
	}
	all.Wait()
	m := managers[0]
	again, err := m.Retrieve(t.Context(), s.Token())
	if err != nil {
		t.Fatal(err)
	}
	if n := coats.Get(again); n != 2+handlers {
		t.Errorf("%d coats after %d handlers added one each to 2", n, handlers)
	}
	over, end := context.WithCancel(t.Context())
	end()
	if _, err := m.Retrieve(over, s.Token()); !errors.Is(err, context.Canceled) {
		t.Errorf("reading when the caller is gone: %v, want one that wraps context.Canceled", err)
	}
	if _, err := m.Admin().Find(t.Context(), cloakroom.ID{1}); !errors.Is(err, cloakroom.ErrNotFound) {
		t.Errorf("finding what was never there: %v, want ErrNotFound", err)
	}
}

func newIndex() string { return fmt.Sprintf("e2e-%08x", rand.Uint32()) }

// call makes a request whose answer has to be 2xx.
func call(t testing.TB, client elasticstore.Client, method, path string) {
	t.Helper()
	// Cleanups run after the test's own context has ended.
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Perform(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode >= 300 {
		t.Errorf("%s %s: %s: %.300s", method, path, resp.Status, body)
	}
}
