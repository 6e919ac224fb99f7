package main

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/console"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file is the tests of the console behind its link, without a listener.

// listensAt is a listener's address alone.
type listensAt struct {
	net.Listener
	addr string
}

func (a listensAt) Addr() net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(a.addr)) }

// full is an output that takes nothing once it is full.
type full struct{ is bool }

func (f *full) Write(p []byte) (int, error) {
	if f.is {
		return 0, errors.New("no space left on device")
	}
	return len(p), nil
}

// behindLink serves a store at an address, to a browser that came by the link. host is how
// the browser names the address.
func behindLink(t *testing.T, term *terminal, addr, host string, store driver.Store) (base string, do func(method, path string) *httptest.ResponseRecorder) {
	t.Helper()
	s, err := newConsoleServer(term, listensAt{addr: addr}, console.Config{
		Admins: []*cloakroom.Admin{cloakroom.NewAdmin(store, "")}, Writable: true, Logger: slog.New(slog.DiscardHandler),
	}, console.Operator{End: true, SeeValues: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.close() })
	var cookies []*http.Cookie
	do = func(method, path string) *httptest.ResponseRecorder {
		q := httptest.NewRequest(method, path, strings.NewReader(url.Values{"reason": {"a lost phone"}}.Encode()))
		q.Host = host
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		q.Header.Set("Sec-Fetch-Site", "same-origin")
		for _, c := range cookies {
			q.AddCookie(c)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, q)
		return w
	}
	link, _ := s.gate.NewLink()
	w := do("POST", link)
	if cookies = w.Result().Cookies(); w.Code != http.StatusSeeOther {
		t.Fatalf("%s: %d %s", host, w.Code, w.Body)
	}
	return s.gate.Path(), do
}

// TestUntoldAct: what the output doesn't take isn't done.
func TestUntoldAct(t *testing.T) {
	for _, json := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "shop.db")
		id := fileShop(t, path, false)["BOB"]
		store, err := sqlitestore.Open(t.Context(), path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		out := &full{}
		term := &terminal{ctx: t.Context(), stdout: &output{w: out}, stderr: io.Discard, json: json}
		base, do := behindLink(t, term, "127.0.0.1:4321", "127.0.0.1:4321", store)
		out.is = true
		for _, act := range []string{"end", "values"} {
			if w := do("POST", base+"session/"+id.String()+"/"+act); w.Code != http.StatusServiceUnavailable {
				t.Errorf("json %v: %s: %d", json, act, w.Code)
			}
		}
		if rec, err := store.Get(t.Context(), id); err != nil || rec.Grave != nil {
			t.Errorf("json %v: %v %v", json, rec, err)
		}
		out.is = false // somebody made room
		if w := do("POST", base+"session/"+id.String()+"/end"); w.Code != http.StatusSeeOther {
			t.Errorf("json %v: with room: %d", json, w.Code)
		}
	}
}

// TestPort80: browsers leave out the port that http has anyway.
func TestPort80(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shop.db")
	fileShop(t, path, false)
	store, err := sqlitestore.Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for addr, host := range map[string]string{"127.0.0.1:80": "127.0.0.1", "[::1]:80": "[::1]", "127.0.0.1:8080": "127.0.0.1:8080"} {
		term := &terminal{ctx: t.Context(), stdout: &output{w: io.Discard}, stderr: io.Discard}
		base, do := behindLink(t, term, addr, host, store)
		if w := do("GET", base+"jobs"); w.Code != http.StatusOK {
			t.Errorf("%s: %d", host, w.Code)
		}
	}
}
