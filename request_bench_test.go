package cloakroom_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file is the time and the allocations of a request.

// BenchmarkRequest measures requests on the memory store. net/http itself is left out:
// one request and one writer are used again and again, so that only the manager counts,
// its goroutines included.
func BenchmarkRequest(b *testing.B) {
	for _, name := range slices.Sorted(maps.Keys(requests)) {
		b.Run(name, func(b *testing.B) {
			serve := requests[name](b)
			b.ReportAllocs()
			for b.Loop() {
				serve()
			}
		})
	}
}

// TestRequestAllocations bounds the allocations of requests on the memory store, the
// manager's goroutines included. There is room for the race detector, under which pools
// lose some of their memory: without it there are 1, 1, 8 and 1.
func TestRequestAllocations(t *testing.T) {
	for name, most := range map[string]float64{"untouched": 3, "read": 7, "read+write": 17, "forged": 5} {
		if n := testing.AllocsPerRun(500, requests[name](t)); n > most {
			t.Errorf("%s: %v allocations a request, at most %v are allowed", name, n, most)
		}
	}
}

var (
	benchUser   = cloakroom.NewKey[string]("user")
	benchTheme  = cloakroom.NewKey[string]("theme")
	benchVisits = cloakroom.NewKey[int]("visits")
)

// requests are the kinds of requests; each makes a function that serves one.
var requests = map[string]func(testing.TB) func(){
	"untouched": func(t testing.TB) func() {
		return serving(t, nil, func(*cloakroom.Manager, *http.Request) {})
	},
	"read": func(t testing.TB) func() {
		return serving(t, nil, func(m *cloakroom.Manager, r *http.Request) {
			if s, err := m.Session(r.Context()); err != nil || benchVisits.Get(s) != 1 {
				t.Error("read nothing", err)
			}
		})
	},
	"read+write": func(t testing.TB) func() {
		last := 1
		return serving(t, nil, func(m *cloakroom.Manager, r *http.Request) {
			s, err := m.Session(r.Context())
			if err != nil || benchVisits.Get(s) != last {
				t.Error("not what was written", err)
			}
			last++
			benchVisits.Set(s, last)
		})
	},
	"forged": func(t testing.TB) func() {
		forge := func(text string) string { // another secret
			if text[40] == 'A' {
				return text[:40] + "B" + text[41:]
			}
			return text[:40] + "A" + text[41:]
		}
		return serving(t, forge, func(m *cloakroom.Manager, r *http.Request) {
			if s, err := m.Session(r.Context()); err != nil || !s.IsNew() {
				t.Error("a forged token opened something", err)
			}
		})
	},
}

// serving returns a function that serves a request with the token of a session
// with three values.
func serving(t testing.TB, forge func(string) string, f func(*cloakroom.Manager, *http.Request)) func() {
	store := memstore.New(nil)
	keyring, err := cloakroom.NewKeyring([]byte("a secret of a test: 32 bytes, no more"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := cloakroom.New(store, keyring, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(); store.Close() })
	s, err := m.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	benchUser.Set(s, "alice@example.com")
	benchTheme.Set(s, "dark")
	benchVisits.Set(s, 1)
	if err := s.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	m.Attach(r, s)
	if forge != nil {
		name, text, _ := strings.Cut(r.Header.Get("Cookie"), "=")
		r.Header.Set("Cookie", name+"="+forge(text))
	}
	h := m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f(m, r)
		_, _ = w.Write(okBody)
	}))
	w := bare{http.Header{}}
	return func() {
		h.ServeHTTP(w, r)
		clear(w.h)
	}
}

var okBody = []byte("ok")
