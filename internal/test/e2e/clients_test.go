package e2e

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"testing"

	"github.com/elastic/go-elasticsearch/v8"
	"github.com/opensearch-project/opensearch-go/v4"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/elasticstore"
	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
	"github.com/cloakroom-go/cloakroom/storetest"
)

// The official clients of both families carry the store: each runs the whole
// conformance suite against the engine that it is made for.

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
		store, err := elasticstore.New(client, &elasticstore.Config{Index: name})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		t.Cleanup(func() { call(t, client, http.MethodDelete, "/"+name+"-*") })
		keyring, err := cloakroom.NewKeyring([]byte("a secret of a test: 32 bytes, no more"))
		if err != nil {
			t.Fatal(err)
		}
		m, err := cloakroom.New(store, keyring, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
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
		if err := m.Admin().RevokeAll(ctx, "ann"); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Retrieve(ctx, s.Token()); err == nil {
			t.Error("the token opens its session after RevokeAll")
		}
	})
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
