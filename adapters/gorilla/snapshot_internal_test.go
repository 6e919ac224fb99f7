package gorilla

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file is the check that a Store forgets the sessions of requests that are over.

func TestSnapshotsAreForgotten(t *testing.T) {
	ring, err := cloakroom.NewKeyring([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := cloakroom.New(memstore.New(nil), ring, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	st, err := New(m, "session")
	if err != nil {
		t.Fatal(err)
	}
	h := m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g, err := st.Get(r, "session")
		if err != nil {
			t.Error(err)
		}
		g.Values["a"] = "b"
		if err := g.Save(r, w); err != nil {
			t.Error(err)
		}
	}))
	const requests = 100
	for range requests {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	}
	count := func() (n int) {
		st.snapshots.Range(func(any, any) bool { n++; return true })
		return n
	}
	for deadline := time.Now().Add(10 * time.Second); count() > requests/10; {
		if time.Now().After(deadline) {
			t.Fatalf("of %d requests that are over, %d are remembered", requests, count())
		}
		runtime.GC()
	}
}
