package elasticstore

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// This file is a proxy between a store and the engine, which fails as proxies and
// networks do.

// proxy stands between a store and the engine, over real connections, and fails
// as proxies and networks do.
type proxy struct {
	server *httptest.Server
	mu     sync.Mutex
	answer answering
}

func newProxy(t testing.TB, l *lab) *proxy {
	t.Helper()
	p := &proxy{}
	back := &http.Transport{}
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client has gone
		}
		forward := func() *http.Response {
			req, err := http.NewRequestWithContext(r.Context(), r.Method, l.url+r.URL.RequestURI(), bytes.NewReader(body))
			if err != nil {
				panic(err)
			}
			req.Header = r.Header.Clone()
			res, err := back.RoundTrip(req)
			if err != nil {
				return reply(http.StatusBadGateway, "text/plain", "no answer of the engine")
			}
			return res
		}
		p.mu.Lock()
		answer := p.answer
		p.mu.Unlock()
		if answer == nil {
			pass(w, forward())
			return
		}
		answer(w, r, forward)
	}))
	t.Cleanup(func() {
		p.server.Close()
		back.CloseIdleConnections()
	})
	return p
}

// set changes the answers; nil gives the engine's.
func (p *proxy) set(a answering) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = a
}

// client returns a client that goes through the proxy.
func (p *proxy) client(t testing.TB) Client {
	t.Helper()
	c, err := newClient(ClientConfig{URLs: []string{p.server.URL}, User: "shop", Password: secret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return c
}

// pass passes an answer on.
func pass(w http.ResponseWriter, res *http.Response) {
	defer res.Body.Close()
	w.Header().Set("Content-Type", res.Header.Get("Content-Type"))
	w.WriteHeader(res.StatusCode)
	_, _ = io.Copy(w, res.Body)
}

// breakOff sends half of an answer, or nothing, and ends the connection: in
// good order, or by a reset.
func breakOff(w http.ResponseWriter, res *http.Response, reset bool) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	if reset {
		_ = conn.(*net.TCPConn).SetLinger(0)
	}
	if res == nil {
		return
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(conn, "HTTP/1.1 %d OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		res.StatusCode, typeJSON, len(body), body[:len(body)/2])
}
