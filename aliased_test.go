package cloakroom_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
	"unsafe"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file is the test of servers whose requests' texts change afterwards. fasthttp, and so
// fiber, uses a request's memory again for the next one.

// Nothing that outlives a request points into its texts, nor into a principal that the
// application took from there.
func TestTextsOfARequestAreCopied(t *testing.T) {
	keyring, err := cloakroom.NewKeyring([]byte("only for tests, 32 bytes or more"))
	if err != nil {
		t.Fatal(err)
	}
	store := memstore.New(nil)
	defer store.Close()
	m, err := cloakroom.New(store, keyring, &cloakroom.Config{CacheFor: time.Minute, TouchEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	agent, address, principal := []byte("a browser"), []byte("192.0.2.1"), []byte("ann")
	text := func(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
	var info cloakroom.Info
	h := m.With(func(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		if r.Method == http.MethodPost {
			return s.Login(r.Context(), text(principal), nil)
		}
		info = s.Info()
		return nil
	})
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header.Set("User-Agent", text(agent))
	r.RemoteAddr = text(address) + ":1234"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	overwrite := func(all ...[]byte) {
		for _, b := range all {
			for i := range b {
				b[i] = 'x'
			}
		}
	}
	overwrite(agent, address, principal)
	r = httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(w.Result().Cookies()[0])
	agent = []byte("a newer browser")
	r.Header.Set("User-Agent", text(agent))
	h.ServeHTTP(httptest.NewRecorder(), r)
	overwrite(agent) // while the touch may still be under way
	if want := (cloakroom.Client{Address: "192.0.2.1", UserAgent: "a browser"}); info.Client != want || info.Principal != "ann" {
		t.Errorf("got %v of %q, want %v of ann", info.Client, info.Principal, want)
	}
	if err := m.Close(); err != nil { // waits for the touch
		t.Fatal(err)
	}
	rec, err := cloakroom.NewAdmin(store, "").Find(t.Context(), info.ID)
	if err != nil || rec.Client.UserAgent != "a newer browser" || rec.Principal != "ann" {
		t.Errorf("kept is %v of %q, %v", rec.Client, rec.Principal, err)
	}
}
