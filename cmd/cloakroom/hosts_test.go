package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestForeignHosts: a name that a page elsewhere made point here is refused. The names
// that people use are not.
func TestForeignHosts(t *testing.T) {
	for _, tt := range []struct {
		addr, host string
		status     int
	}{
		{"127.0.0.1:8080", "127.0.0.1:8080", 200},
		{"127.0.0.1:8080", "localhost:8080", 200},
		{"127.0.0.1:8080", "LOCALHOST", 200},
		{"127.0.0.1:8080", "demo.localhost:8080", 200},
		{"127.0.0.1:8080", "[::1]:8080", 200},
		{"127.0.0.1:8080", "[::1]", 200},
		{"0.0.0.0:8080", "192.0.2.7:8080", 200},
		{"shop.test:8080", "Shop.test:8080", 200},
		{"127.0.0.1:8080", "shop.test:8080", 421},
		{"127.0.0.1:8080", "rebound.example:8080", 421},
		{"0.0.0.0:8080", "rebound.example:8080", 421},
		{"127.0.0.1:8080", "localhost.example", 421},
		{"127.0.0.1:8080", "notlocalhost", 421},
		{"127.0.0.1:8080", "127.0.0.1.example", 421},
		{":8080", "rebound.example", 421},
		{":8080", "", 421},
	} {
		h := onlyTo(tt.addr, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Host = tt.host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.status {
			t.Errorf("listening at %s, asked as %q: %d, want %d", tt.addr, tt.host, w.Code, tt.status)
		}
	}
}
