package main

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// TestImpatient: who gives a request up isn't told its answer when the next one is asked.
func TestImpatient(t *testing.T) {
	ln, err := loopback(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	conns := 0
	var dialer net.Dialer
	p := newPool(1, func(ctx context.Context) (net.Conn, error) {
		conns++
		return dialer.DialContext(ctx, "tcp", ln.Addr().String())
	})
	defer p.close()
	i := &impatient{pool: p}
	served := make(chan struct{})
	go func() {
		defer close(served)
		first, err := ln.Accept() // is never answered
		if err != nil {
			return
		}
		defer first.Close()
		second, err := ln.Accept()
		if err != nil {
			return
		}
		defer second.Close()
		for range 2 {
			if _, err := second.Read(make([]byte, 4096)); err == nil {
				_, _ = second.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n42"))
			}
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, _, _, err := i.ask(ctx, pageRead, ""); !errors.Is(err, os.ErrDeadlineExceeded) || !tooLate(err) {
		t.Errorf("a request without an answer: %v", err)
	}
	for range 2 { // by one connection, without the first request's deadline
		if status, _, body, err := i.ask(t.Context(), pageRead, ""); err != nil || status != 200 || string(body) != "42" {
			t.Errorf("%d %q %v", status, body, err)
		}
	}
	<-served
	w, err := p.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := i.ask(ctx, pageRead, ""); !tooLate(err) {
		t.Errorf("a request without a free connection: %v", err)
	}
	p.give(w, nil)
	if conns != 2 {
		t.Errorf("%d connections in place of 2", conns)
	}
}
